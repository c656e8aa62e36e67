"""From a model's name to a model: `anthropic:`, `openai:`, `litellm:`, `scripted:`, `replay:`.

Invariant: no provider SDK is imported before a name asks for it.
"""

from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.llm.script import load_script
from rsi.agent.llm.scripted import ScriptedModel
from rsi.tasks.types import Task

FORMS = "anthropic:<model>, openai:<model>, litellm:<provider/model>, scripted:<file or task>, replay:<round>"


def resolve_model(spec: str, *, task: Task | None = None, round_number: int = 1) -> Model:
    """The model that a name means, ready to be called.

    Args:
        spec: Such as "scripted:lm_training" or "anthropic:claude-sonnet-4-5".
        task: Whose script and patches `scripted:` plays.
        round_number: Which entry of a script is played, 1-based.

    Raises:
        ModelSpecError: The name has an unknown form, or cannot be used here; the message says why.
    """
    provider, separator, target = spec.partition(":")
    if not separator:
        raise ModelSpecError(f"model {spec!r} names no provider; write one of {FORMS}")
    match provider:
        case "scripted":
            return ScriptedModel(load_script(target, task), round_number=round_number, spec=spec)
        case _:
            raise ModelSpecError(
                f"model {spec!r}: unknown provider {provider!r}; use one of {FORMS}"
            )

"""From a model's name, such as `anthropic:<model>` or `scripted:<task>`, to a model.

Invariant: no provider SDK and no plug-in is imported before a name asks for it, and no model is made whose price is
unknown unless that was allowed.
"""

from collections.abc import Callable, Sequence
from typing import cast

from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ModelError, ModelSpecError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.naming.options import split_spec
from rsi.agent.llm.providers import PROVIDERS, ModelContext, Provider, unknown_price
from rsi.agent.llm.types import Reply
from rsi.sandboxes.errors import PluginError
from rsi.sandboxes.plugins import Group, Plugin, find_plugin, find_plugins
from rsi.tasks.types import Task


def provider_forms() -> tuple[str, ...]:
    """How a model may be named: rsi's own providers, then those of plug-ins, none of them imported."""
    own = {each.name for each in PROVIDERS}
    added = {each.name for each in find_plugins(Group.MODELS)} - own
    return (*(each.form for each in PROVIDERS), *(f"{name}:<model>" for name in sorted(added)))


def resolve_model(
    spec: str,
    *,
    task: Task | None = None,
    round_number: int = 1,
    keys: KeyRing | None = None,
    allow_unknown_price: bool = False,
    recorded: Callable[[str], Sequence[Reply]] | None = None,
) -> Model:
    """The model that a name means, ready to be called.

    Args:
        spec: Such as "scripted:lm_training" or "openai:qwen3?base_url=http://localhost:8000/v1".
        task: Whose script and patches `scripted:` plays.
        round_number: Which entry of a script is played, 1-based.
        keys: Where API keys come from; None reads the process's environment.
        allow_unknown_price: Make the model even though no budget in dollars can bind it.
        recorded: Replies of a round by its id, or of a file by its absolute path, for `replay:`.

    Raises:
        ModelSpecError: An unknown form, option or script, or a plug-in that cannot be used; the message says what is known.
        MissingKeyError: No key for the provider.
        UnknownPriceError: No price, and that was not allowed.
    """
    name, target, options = split_spec(spec)
    if not target:
        raise ModelSpecError(
            f"model {spec!r} names no model after {name!r}; write one of {', '.join(provider_forms())}"
        )
    context = ModelContext(
        spec=spec,
        provider=name,
        target=target,
        options=options,
        task=task,
        round_number=round_number,
        keys=keys or KeyRing(),
        is_unknown_price_allowed=allow_unknown_price,
        recorded=recorded,
    )
    try:
        model = _provider(context).make(context)
    except PluginError as error:
        raise ModelSpecError(f"model {spec!r}: {error}") from error
    if model.price is None and not allow_unknown_price:
        raise unknown_price(spec)
    return model


def _provider(context: ModelContext) -> Provider:
    own = next((each for each in PROVIDERS if each.name == context.provider), None)
    if own is not None:
        return own
    plugin = find_plugin(Group.MODELS, context.provider)
    if plugin is None:
        raise ModelSpecError(
            f"model {context.spec!r}: unknown provider {context.provider!r}; use one of {', '.join(provider_forms())}"
        )
    return Provider(
        name=plugin.name, target="<model>", make=lambda context: _made_by(plugin, context)
    )


def _made_by(plugin: Plugin, context: ModelContext) -> Model:
    make = plugin.load()
    refusal: ModelError
    with plugin.blamed("gives no model"):
        try:
            model = cast(Model, make(context))
            _ = model.spec, model.price, model.context_tokens, model.complete
        except ModelError as error:
            refusal = error  # such as a key that is missing: its own sentence
        else:
            return model
    raise refusal

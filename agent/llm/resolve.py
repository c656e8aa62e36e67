"""From a model's name to a model: `anthropic:`, `openai:`, `litellm:`, `scripted:`, `replay:`.

Invariant: no provider SDK is imported before a name asks for it, and no model is made whose price is unknown
unless that was allowed.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.text_tools import TextToolsModel
from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ModelSpecError, UnknownPriceError
from rsi.agent.llm.naming.keys import NO_KEY, KeyRing
from rsi.agent.llm.naming.options import EFFORTS, ModelOptions, split_spec
from rsi.agent.llm.naming.prices import Listed, load_prices, price_option
from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.replayed import ReplayModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.llm.types import Price, Reply
from rsi.tasks.types import Task

FORMS = (
    "anthropic:<model>, openai:<model>, litellm:<provider>/<model>, scripted:<file or task>, "
    "replay:<round or ATIF file>"
)
DEFAULT_CONTEXT_TOKENS = 128_000
"""For models whose context nobody told us: the smallest of the current hosted ones."""
OWN_HOSTS = {"anthropic": "api.anthropic.com", "openai": "api.openai.com"}


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
        ModelSpecError: An unknown form, option or script; the message says what is known.
        MissingKeyError: No key for the provider.
        UnknownPriceError: No price, and that was not allowed.
    """
    provider, target, options = split_spec(spec)
    if not target:
        raise ModelSpecError(
            f"model {spec!r} names no model after {provider!r}; write one of {FORMS}"
        )
    match provider:
        case "scripted":
            return ScriptedModel(load_script(target, task), round_number=round_number, spec=spec)
        case "replay":
            if recorded is None:
                raise ModelSpecError(f"model {spec!r}: there is no ledger here to replay from")
            return ReplayModel(spec, recorded(target))
        case "anthropic" | "openai" | "litellm":
            model = _hosted(spec, provider, target, options, keys or KeyRing(), allow_unknown_price)
            return TextToolsModel(model) if options.tools == "text" else model
        case _:
            raise ModelSpecError(
                f"model {spec!r}: unknown provider {provider!r}; use one of {FORMS}"
            )


def _hosted(
    spec: str,
    provider: str,
    target: str,
    options: ModelOptions,
    keys: KeyRing,
    allow_unknown_price: bool,
) -> Model:
    listed = load_prices().find(f"{provider}:{target}") or _litellm_price(provider, target)
    price = price_option(options.price) if options.price else (listed.price if listed else None)
    if options.thinking_tokens is not None and provider != "anthropic":
        raise ModelSpecError(
            f"model {spec!r}: option reasoning={options.reasoning} is a number of thinking tokens, which only "
            f"anthropic: models take; write one of {', '.join(EFFORTS)}"
        )
    if price is None and not allow_unknown_price:
        raise UnknownPriceError(
            f"no price is known for {spec!r}, so no budget could bind it. Add ?price=<input>/<output> in "
            "dollars per million tokens (or ?price=free for a server of your own), put it into the "
            "file named by RSI_PRICES, or allow unknown prices by flag"
        )
    context = options.context_tokens or (listed.context_tokens if listed else None)
    return _adapter(provider, spec, target, options, keys, price, context)


def _adapter(
    provider: str,
    spec: str,
    target: str,
    options: ModelOptions,
    keys: KeyRing,
    price: Price | None,
    context: int | None,
) -> Model:
    owner = target.partition("/")[0] if provider == "litellm" else provider
    base_url = options.base_url or keys.base_url_for(owner)
    is_key_needed = provider == "anthropic" or (provider == "openai" and base_url is None)
    return _adapter_of(provider)(
        spec=spec,
        name=target,
        key=_key(keys, owner, options, is_needed=is_key_needed),
        base_url=base_url,
        price=price,
        context_tokens=context or DEFAULT_CONTEXT_TOKENS,
        options=options,
        redactor=keys.redactor(),
    )


def _adapter_of(provider: str) -> type[HostedModel]:
    """Imported only here: each brings an SDK that takes long to load."""
    if provider == "anthropic":
        from rsi.agent.llm.adapters.anthropic_api import AnthropicModel

        return AnthropicModel
    if provider == "openai":
        from rsi.agent.llm.adapters.openai_api import OpenAIModel

        return OpenAIModel
    from rsi.agent.llm.adapters.litellm_api import LiteLLMModel

    return LiteLLMModel


def _key(keys: KeyRing, owner: str, options: ModelOptions, *, is_needed: bool) -> str | None:
    """The key to send, None for none; a provider's key goes nowhere but to the provider.

    Whoever sets a provider's key and base URL in the environment means them together. A `base_url` in a model's name
    may have come from anywhere.
    """
    if options.key_env is not None:
        return keys.key_in(options.key_env)
    if options.base_url is not None and not _is_owners(options.base_url, owner, keys):
        return NO_KEY
    return keys.key_for(owner, is_needed=is_needed)


def _is_owners(base_url: str, owner: str, keys: KeyRing) -> bool:
    """Whether a URL leads to the provider's own API, or to where the environment says that it is."""
    url, named = urlsplit(base_url), urlsplit(keys.base_url_for(owner) or "")
    is_named = bool(named.netloc) and (url.scheme, url.netloc) == (named.scheme, named.netloc)
    return is_named or (url.scheme == "https" and url.netloc == OWN_HOSTS.get(owner))


def _litellm_price(provider: str, target: str) -> Listed | None:
    """What litellm's own map says, for the models that our table does not list."""
    if provider != "litellm":
        return None
    from rsi.agent.llm.adapters.litellm_api import listed_price

    return listed_price(target)

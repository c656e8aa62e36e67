"""The providers of models, each one entry: what is written after its name, and how a model of it is made.

Does not: import a provider's SDK; an adapter does when a model of it is made.
Invariant: a provider's key goes nowhere but to the provider.
To add one: an entry in `PROVIDERS`, or an entry point in another distribution (`rsi.sandboxes.plugins.Group.MODELS`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from rsi.agent.llm.adapters.anthropic_api import AnthropicModel
from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.litellm_api import LiteLLMModel, listed_price
from rsi.agent.llm.adapters.openai_api import OpenAIModel
from rsi.agent.llm.adapters.wire.text_tools import TextToolsModel
from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ModelSpecError, UnknownPriceError
from rsi.agent.llm.naming.keys import NO_KEY, KeyRing
from rsi.agent.llm.naming.options import EFFORTS, ModelOptions, base_url_problem
from rsi.agent.llm.naming.prices import Listed, load_prices, price_option
from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.replayed import ReplayModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.llm.types import Reply
from rsi.tasks.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContext:
    """What a provider makes a model from: its name, taken apart, and what the campaign lends."""

    spec: str
    """The whole name, such as "openai:qwen3?base_url=http://localhost:8000/v1"."""
    provider: str
    target: str
    """What stands after the provider, without options."""
    options: ModelOptions
    task: Task | None
    """Whose script and patches `scripted:` plays; None where there is none."""
    round_number: int
    """1-based."""
    keys: KeyRing
    is_unknown_price_allowed: bool
    recorded: Callable[[str], Sequence[Reply]] | None
    """Replies of a round by its id, or of a file by its absolute path; None without a ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider of models."""

    name: str
    target: str
    """What to write after its name and a colon."""
    make: Callable[[ModelContext], Model]
    meaning: str = ""
    """A few words for lists."""
    is_reader: bool = True
    """Whether its models go by what they are told; those that say what was written beforehand do not."""
    key_owners: tuple[str, ...] = ()
    """Whose keys people usually set for it; the cockpit says whether they are there."""

    @property
    def form(self) -> str:
        return f"{self.name}:{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Makes models that are reached over a network; an entry's `make` where the provider has an API."""

    adapter: type[HostedModel]
    sdk: str | None = None
    """The package that the adapter imports when a model is made; None when it needs none."""
    own_url: str | None = None
    """Base URL of its API: where its models are asked when no other is named, and the only place besides what the environment
    names that its key may be sent to. None for a broker."""
    needs_key: bool = True
    """Whether its own API answers nobody without a key."""
    needs_key_elsewhere: bool = False
    """Whether a key is needed too where another base URL is named."""
    takes_thinking_tokens: bool = False
    """Whether `reasoning` may be a number of tokens."""
    is_broker: bool = False
    """Whether it passes on to others: the word before a target's first slash then says whose key it is."""
    added_path: str = ""
    """What its client adds to a base URL."""
    listed: Callable[[str], Listed | None] = lambda _: None
    """What the provider's own list says of a target that rsi's price table does not have."""

    def __call__(self, context: ModelContext) -> Model:
        """A model of this provider.

        Raises:
            ModelSpecError: An option that it does not take.
            UnknownPriceError: No price, and that was not allowed.
            MissingKeyError: No key where one is needed.
        """
        options, keys = context.options, context.keys
        table = load_prices().find(f"{context.provider}:{context.target}")
        listed = table or self.listed(context.target)
        price = price_option(options.price) if options.price else (listed.price if listed else None)
        if options.thinking_tokens is not None and not self.takes_thinking_tokens:
            raise ModelSpecError(
                f"model {context.spec!r}: option reasoning={options.reasoning} is a number of thinking tokens, which "
                f"only {_takers_of_thinking_tokens()} models take; write one of {', '.join(EFFORTS)}"
            )
        if price is None and not context.is_unknown_price_allowed:
            raise unknown_price(context.spec)
        owner = context.target.partition("/")[0] if self.is_broker else context.provider
        base_url = options.base_url or keys.base_url_for(owner)
        if base_url is not None and (problem := base_url_problem(base_url, self.added_path)):
            where = (
                "option base_url"
                if options.base_url
                else f"the base URL of {owner} in the environment"
            )
            raise ModelSpecError(f"model {context.spec!r}: {where}, {base_url!r}, {problem}")
        is_key_needed = self.needs_key and (base_url is None or self.needs_key_elsewhere)
        model = self.adapter(
            spec=context.spec,
            name=context.target,
            key=self._key(context, owner, is_needed=is_key_needed),
            base_url=base_url or self.own_url,
            price=price,
            listed_context_tokens=listed.context_tokens if listed else None,
            is_own_api=base_url is None or urlsplit(base_url).hostname == self._host_of(owner),
            options=options,
            redactor=keys.redactor(),
        )
        return TextToolsModel(model) if options.tools == "text" else model

    def _key(self, context: ModelContext, owner: str, *, is_needed: bool) -> str | None:
        """The key to send, None for none; a provider's key goes nowhere but to the provider.

        Whoever sets a provider's key and base URL in the environment means them together. A `base_url` in a model's name
        may have come from anywhere.
        """
        options, keys = context.options, context.keys
        if options.key_env is not None:
            return keys.key_in(options.key_env)
        if options.base_url is not None and not self._is_owners(options.base_url, owner, keys):
            return NO_KEY
        return keys.key_for(owner, is_needed=is_needed)

    def _is_owners(self, base_url: str, owner: str, keys: KeyRing) -> bool:
        """Whether a URL leads to the provider's own API, or to where the environment says that it is."""
        url, named = urlsplit(base_url), urlsplit(keys.base_url_for(owner) or "")
        is_named = bool(named.netloc) and (url.scheme, url.netloc) == (named.scheme, named.netloc)
        return is_named or (url.scheme == "https" and url.netloc == self._host_of(owner))

    def _host_of(self, owner: str) -> str | None:
        return _own_host(owner) if self.is_broker else self.own_host

    @property
    def own_host(self) -> str | None:
        """Host of its own API."""
        return urlsplit(self.own_url).netloc if self.own_url else None


def _scripted(context: ModelContext) -> Model:
    script = load_script(context.target, context.task)
    return ScriptedModel(script, round_number=context.round_number, spec=context.spec)


def _replay(context: ModelContext) -> Model:
    if context.recorded is None:
        raise ModelSpecError(f"model {context.spec!r}: there is no ledger here to replay from")
    return ReplayModel(context.spec, context.recorded(context.target))


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="anthropic",
        target="<model>",
        make=Hosting(
            adapter=AnthropicModel,
            sdk="anthropic",
            own_url="https://api.anthropic.com",
            needs_key_elsewhere=True,
            takes_thinking_tokens=True,
            added_path="/v1/messages",
        ),
        key_owners=("anthropic",),
    ),
    Provider(
        name="openai",
        target="<model>",
        make=Hosting(
            adapter=OpenAIModel,
            sdk="openai",
            own_url="https://api.openai.com/v1",
            added_path="/chat/completions",
        ),
        meaning="and any server that speaks its protocol, by `?base_url=`",
        key_owners=("openai",),
    ),
    Provider(
        name="litellm",
        target="<provider>/<model>",
        make=Hosting(
            adapter=LiteLLMModel,
            sdk="litellm",
            needs_key=False,
            is_broker=True,
            listed=listed_price,
        ),
        meaning="whatever litellm reaches",
        key_owners=("gemini", "openrouter"),
    ),
    Provider(
        name="scripted",
        target="<file or task>",
        make=_scripted,
        is_reader=False,
        meaning="plays patches without a key; the default",
    ),
    Provider(
        name="replay",
        target="<round or ATIF file>",
        make=_replay,
        is_reader=False,
        meaning="says again what was recorded",
    ),
)
"""The providers of rsi's own."""


def is_reader(spec: str) -> bool:
    """Whether a model goes by what it is told, by its name; one of another distribution is taken to."""
    name = spec.partition(":")[0]
    return all(each.is_reader for each in PROVIDERS if each.name == name)


def unknown_price(spec: str) -> UnknownPriceError:
    """The refusal of a model whose price nobody knows."""
    return UnknownPriceError(
        f"no price is known for {spec!r}, so no budget could bind it. Add ?price=<input>/<output> in "
        "dollars per million tokens (or ?price=free for a server of your own), put it into the "
        "file named by RSI_PRICES, or allow unknown prices by flag"
    )


def _hostings() -> dict[str, Hosting]:
    return {each.name: each.make for each in PROVIDERS if isinstance(each.make, Hosting)}


def _own_host(owner: str) -> str | None:
    found = _hostings().get(owner)
    return None if found is None else found.own_host


def _takers_of_thinking_tokens() -> str:
    return ", ".join(f"{name}:" for name, each in _hostings().items() if each.takes_thinking_tokens)

"""Names, options, prices and keys: what is wrong is said, and nothing is imported that nobody named."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from rsi.agent.llm.errors import MissingKeyError, ModelSpecError, UnknownPriceError
from rsi.agent.llm.naming.keys import KeyRing, key_variable
from rsi.agent.llm.naming.options import split_spec
from rsi.agent.llm.naming.prices import PriceTable, load_prices
from rsi.agent.llm.providers import PROVIDERS, Hosting
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import Usage

ENVIRON = {"ANTHROPIC_API_KEY": "sk-ant-0123456789", "OPENAI_API_KEY": "sk-0123456789"}


def resolve(spec, environ=None, **more):
    return resolve_model(spec, keys=KeyRing(ENVIRON if environ is None else environ), **more)


@pytest.mark.parametrize(
    "provider",
    [each for each in PROVIDERS if isinstance(each.make, Hosting)],
    ids=lambda each: each.name,
)
def test_a_key_goes_to_the_host_that_its_provider_names(provider):
    """Any entry, one that is added too: its models ask there, and nowhere else, unless another URL is named."""
    hosting = provider.make
    if hosting.is_broker:
        assert hosting.own_url is None, "a broker has no address of its own"
        return
    assert hosting.own_url is not None, f"{provider.name} does not say where its API is: own_url"
    environ = {key_variable(provider.name): "sk-0123456789"}
    model = resolve(f"{provider.name}:any?price=free", environ)
    assert model.has_key
    assert urlsplit(str(model._client.base_url)).netloc == hosting.own_host


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("gpt-5", "names no provider"),
        ("gemini:pro", "unknown provider 'gemini'; use one of anthropic"),
        ("openai:", "names no model"),
        ("openai:gpt-5?colour=red", r"unknown option \['colour'\]"),
        ("openai:gpt-5?timeout_s=soon", "timeout_s='soon'"),
        ("openai:gpt-5?tools=xml", "native or text"),
        ("openai:gpt-5?reasoning=much", "reasoning must be one of none"),
        ("openai:gpt-5?price=cheap", "free, or dollars"),
        ("openai:gpt-5?cache=maybe", "true or false"),
        ("scripted:nowhere", "no script found; tried nowhere"),
        ("replay:c1-0001", "no ledger here"),
    ],
)
def test_a_wrong_name_is_explained(spec, problem):
    with pytest.raises(ModelSpecError, match=problem):
        resolve(spec)


def test_options_are_read_with_their_types():
    provider, model, options = split_spec(
        "openai:qwen3:8b?base_url=http://localhost:8000/v1&tools=text&timeout_s=30&cache=false"
    )
    assert (provider, model) == ("openai", "qwen3:8b")
    assert (options.base_url, options.tools) == ("http://localhost:8000/v1", "text")
    assert (options.timeout_s, options.cache) == (30.0, False)
    assert split_spec("anthropic:x?reasoning=4096")[2].thinking_tokens == 4096


def test_an_unknown_price_refuses_unless_it_is_given_or_waived():
    with pytest.raises(UnknownPriceError, match=r"price=<input>/<output>"):
        resolve("openai:nobody-knows-it")
    assert resolve("openai:nobody-knows-it", allow_unknown_price=True).price is None
    given = resolve("openai:nobody-knows-it?price=2/8").price
    assert given.cost_usd(Usage(input_uncached_tokens=1_000_000, output_tokens=500_000)) == 6.0
    assert resolve("openai:local?price=free&base_url=http://localhost:1/v1").price.cost_usd(
        Usage(output_tokens=10)
    ) == 0.0  # fmt: skip


def test_the_shipped_table_is_dated_and_complete():
    table = load_prices({})
    assert len(table.models) > 40
    for name, listed in table.models.items():
        rates = listed.price.rates
        assert "2026-11-20" in listed.price.source
        assert rates.input_usd > 0, name
        assert rates.output_usd >= rates.input_usd, name
        assert rates.cache_read_usd <= rates.input_usd <= rates.cache_write_usd, name


def test_a_longer_request_is_priced_at_the_longer_rate():
    price = load_prices({}).models["openai:gpt-5.5"].price
    short = price.cost_usd(Usage(input_uncached_tokens=272_000))
    long = price.cost_usd(Usage(input_uncached_tokens=272_001))
    assert long == pytest.approx(2 * short, rel=1e-3)
    bound = price.bound_usd(Usage(input_uncached_tokens=300_000, output_tokens=10))
    assert bound >= price.cost_usd(Usage(cache_write_tokens=300_000, output_tokens=10))


def test_a_users_table_overrides_single_entries(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text(
        'date = "2027-01-01"\n["openai:gpt-5"]\ninput = 9\ncache_read = 1\ncache_write = 9\noutput = 9\n'
        '["openai:mine"]\ninput = 1\ncache_read = 1\ncache_write = 1\noutput = 1\n'
    )
    table = load_prices({"RSI_PRICES": str(own)})
    assert table.models["openai:gpt-5"].price.rates.input_usd == 9
    assert "2027-01-01" in table.models["openai:mine"].price.source
    assert "openai:gpt-5-mini" in table.models


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[x", "is not valid TOML"),
        ('["openai:x"]\ninput = 1\n', "date is missing, expected the day"),
        (
            'date = "d"\n["openai:x"]\ninput = 1\n',
            "openai:x.cache_read is missing, expected dollars per million tokens",
        ),
        ('date = "d"\n["openai:x"]\ncolour = 1\n', "openai:x.colour is not a known key"),
        ('date = "d"\nx = 1\n', "x is 1, expected a table"),
    ],
)
def test_a_mistake_in_a_users_table_is_named(tmp_path, text, problem):
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(ModelSpecError, match=problem):
        load_prices({"RSI_PRICES": str(own)})


def test_litellm_names_find_the_prices_of_the_provider_inside():
    table = load_prices({})
    assert table.find("litellm:openai/gpt-5") == table.models["openai:gpt-5"]
    assert PriceTable().find("litellm:openai/gpt-5") is None


@pytest.mark.slow
def test_litellms_own_map_prices_the_models_that_the_table_does_not_list():
    model = resolve("litellm:gemini/gemini-2.5-flash", {"GEMINI_API_KEY": "AIza-012345"})
    assert model.price.source.startswith("litellm ")
    assert model.price.rates.output_usd > model.price.rates.input_usd > 0


def test_a_key_command_comes_before_the_variable():
    ring = KeyRing({**ENVIRON, "RSI_ANTHROPIC_KEY_COMMAND": "printf 'sk-from-the-vault\\n'"})
    assert ring.key_for("anthropic") == "sk-from-the-vault"
    assert KeyRing(ENVIRON).key_for("anthropic") == "sk-ant-0123456789"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "set ANTHROPIC_API_KEY, or RSI_ANTHROPIC_KEY_COMMAND"),
        ({"RSI_ANTHROPIC_KEY_COMMAND": "false"}, "exit code 1"),
        ({"RSI_ANTHROPIC_KEY_COMMAND": "/no/such/program"}, "FileNotFoundError"),
        ({"RSI_ANTHROPIC_KEY_COMMAND": "true"}, "no key for anthropic"),
        ({"RSI_ANTHROPIC_KEY_COMMAND": "sh -c 'echo sk-leaked; exit 3'"}, "exit code 3"),
    ],
)
def test_a_missing_key_is_explained_without_any_output(environ, problem):
    with pytest.raises(MissingKeyError, match=problem) as caught:
        resolve("anthropic:claude-sonnet-5-5", environ)
    assert "sk-leaked" not in str(caught.value)


def test_a_server_of_ones_own_needs_no_key():
    model = resolve("openai:qwen3?price=free&base_url=http://localhost:8000/v1", {})
    assert model.spec.startswith("openai:qwen3")
    with pytest.raises(MissingKeyError):
        resolve("openai:gpt-5", {})


@pytest.mark.parametrize("provider", ["openai", "litellm"])
def test_thinking_tokens_by_number_are_refused_where_only_words_are_taken(provider):
    with pytest.raises(
        ModelSpecError, match=r"reasoning=4096 is a number.*one of none, minimal, low"
    ):
        resolve(f"{provider}:openai/gpt-5?reasoning=4096&price=free")
    assert resolve("anthropic:claude-sonnet-4-5?reasoning=4096").spec
    assert resolve("openai:gpt-5?reasoning=high").spec


def test_a_key_named_by_the_model_must_be_there():
    with pytest.raises(MissingKeyError, match="'HOUSE_KEY', which is not set"):
        resolve("openai:qwen3?price=free&base_url=http://localhost:8000/v1&key_env=HOUSE_KEY")
    ring = KeyRing({"HOUSE_KEY": "house-0123456789"})
    assert ring.key_in("HOUSE_KEY") == "house-0123456789"
    assert ring.redactor().text("it is house-0123456789") == "it is [secret]"


@pytest.mark.parametrize(
    "statement",
    [
        "import rsi.agent.llm.resolve",
        "import rsi.agent.roles.proposer.loop, rsi.agent.roles.critic, rsi.agent.roles.reviewer.panel",
        "import rsi.agent.search.choose, rsi.agent.trajectory.replay, rsi.agent.policy.budget",
    ],
)
def test_no_sdk_is_imported_before_a_name_asks_for_it(statement):
    check = (
        f"{statement}; import sys; "
        "print([m for m in ('anthropic','openai','litellm','httpx','textual','torch','docker') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", check], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("timeout_s=0", "timeout_s must be seconds above 0, found 0"),
        ("timeout_s=-3", "timeout_s must be seconds above 0"),
        ("timeout_s=nan", "timeout_s must be seconds above 0, found nan"),
        ("timeout_s=inf", "timeout_s must be seconds above 0"),
        ("silence_s=0", "silence_s must be seconds above 0"),
        ("silence_s=soon", "could not convert"),
        ("context_tokens=0", "context_tokens must be tokens above 0, found 0"),
        ("context_tokens=-8192", "context_tokens must be tokens above 0"),
        ("context_tokens=8k", "invalid literal"),
        ("temperature=-1", "temperature must be 0 or more"),
        ("temperature=nan", "temperature must be 0 or more, found nan"),
        ("timeout_s=5&timeout_s=9", "option timeout_s is named twice"),
        ("key_env=", "key_env must be the name of an environment variable"),
        ("key_env=sk-abcdef", "key_env must be the name of an environment variable"),
        ("price=-1/2", "dollars must be 0 or more"),
        ("price=nan/2", "dollars must be 0 or more"),
        ("base_url=localhost:8000/v1", "has no scheme; write http://localhost:8000/v1"),
        ("base_url=ftp://h/v1", "has the scheme 'ftp'"),
        ("base_url=http://", "is no address"),
        ("base_url=http://h:99999/v1", "is no address"),
        ("base_url=http://h:port/v1", "is no address"),
        ("base_url=http://a b/v1", "is no address"),
        ("base_url=http://h/v1%23x", "a question mark or a hash"),
        ("base_url=", "is empty"),
        ("base_url=http://h/v1/chat/completions", "ends in /chat/completions, which is added by itself; write http://h/v1$"),
        ("base_url=http://h/v1/chat/completions/", "write http://h/v1$"),
        ("base_url=http://h/v1/models", "ends in /models"),
        ("base_url=http://h/v1/chat", "ends in /chat, "),
    ],
)  # fmt: skip
def test_an_option_that_cannot_work_is_refused_when_the_model_is_named(option, problem):
    with pytest.raises(ModelSpecError, match=problem) as caught:
        resolve_model(f"openai:qwen3?{option}" + ("" if "price" in option else "&price=free"))
    assert "sk-abcdef" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://h/v1", "ends in /v1, which is added by itself; write http://h$"),
        ("http://h/gateway/v1/messages", "ends in /v1/messages, .* write http://h/gateway$"),
        ("h:8000", "has no scheme"),
    ],
)
def test_a_base_url_of_the_environment_is_checked_like_one_in_the_name(url, problem):
    keys = KeyRing({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": url})
    with pytest.raises(
        ModelSpecError, match=f"base URL of anthropic in the environment, .*{problem}"
    ):
        resolve_model("anthropic:claude-opus-5", keys=keys)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "https://[::1]:8000/v1/",
        "http://h",
        "http://h/v1/models-of-mine",
    ],
)
def test_a_base_url_that_can_work_is_taken(url):
    model = resolve_model(f"openai:qwen3?base_url={url}&price=free&timeout_s=0.5&context_tokens=1")
    assert model.context_tokens == 1

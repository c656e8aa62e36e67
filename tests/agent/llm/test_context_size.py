"""The context of a server of somebody's own is asked for where it can be, and learned from a refusal where it cannot."""

import pytest
from tests.agent.llm.conftest import ADAPTERS
from tests.agent.llm.overflows import OVERFLOWS
from tests.agent.llm.sloppy import Raw, hello
from tests.agent.llm.test_adapters import ask
from tests.agent.llm.test_overflow import raw

from rsi.agent.llm.adapters.context_size import asked_context_tokens
from rsi.agent.llm.adapters.hosted import DEFAULT_CONTEXT_TOKENS
from rsi.agent.llm.errors import ContextOverflowError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.resolve import resolve_model

SERVERS = {
    "vLLM": {"/v1/models": {"data": [{"id": "qwen3", "max_model_len": 40960}]}},
    "llama.cpp": {
        "/v1/models": {"data": [{"id": "/models/qwen3.gguf", "meta": {"n_ctx_train": 262144}}]},
        "/props": {"default_generation_settings": {"n_ctx": 40960}},
    },
    "llama.cpp, newer": {
        "/v1/models": {"data": [{"id": "x", "meta": {"n_ctx": 40960, "n_ctx_train": 262144}}]}
    },
    "LM Studio": {
        "/v1/models": {"data": [{"id": "qwen3"}, {"id": "other"}]},
        "/api/v0/models": {
            "data": [
                {"id": "other", "max_context_length": 4096},
                {"id": "qwen3", "loaded_context_length": 40960, "max_context_length": 131072},
            ]
        },
    },
    "Ollama": {
        "/v1/models": {"data": [{"id": "qwen3:latest"}, {"id": "llama3:latest"}]},
        "/api/ps": {
            "models": [{"name": "qwen3:latest", "model": "qwen3:latest", "context_length": 40960}]
        },
    },
    "TGI": {"/v1/models": {"data": [{"id": "tgi"}]}, "/info": {"max_total_tokens": 40960}},
    "OpenRouter": {
        "/v1/models": {
            "data": [{"id": "a", "context_length": 1}, {"id": "qwen3", "context_length": 40960}]
        }
    },
}
SILENT = [
    {}, {"/v1/models": []}, {"/v1/models": "no"}, {"/v1/models": {"data": [None, 3]}},
    {"/v1/models": {"data": [{"id": "qwen3", "max_model_len": -1}]}},
    {"/v1/models": {"data": [{"id": "a", "max_model_len": 1}, {"id": "b", "max_model_len": 2}]}},
    {"/props": {"default_generation_settings": None}, "/info": {"max_total_tokens": "many"}},
]  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("base", ["http://h", "http://h/v1", "http://h/v1/"])
def test_each_servers_own_page_is_read(server, base):
    pages = {f"http://h{path}": page for path, page in SERVERS[server].items()}
    assert asked_context_tokens(base, "qwen3", pages.get) == 40960


@pytest.mark.parametrize("pages", SILENT)
def test_a_server_that_tells_nothing_sensible_is_answered_for_by_nothing(pages):
    known = {f"http://h{path}": page for path, page in pages.items()}
    assert asked_context_tokens("http://h/v1", "qwen3", known.get) is None


def local(adapter, provider, **options):
    _spec, path = ADAPTERS[adapter]
    named = adapter.removeprefix("litellm-")
    form = f"litellm:{named}/qwen3" if adapter.startswith("litellm") else f"{named}:qwen3"
    query = "".join(f"&{name}={value}" for name, value in options.items())
    environ = {"ANTHROPIC_API_KEY": "k" * 20}
    return resolve_model(
        f"{form}?price=free&base_url={provider.root}{path}{query}", keys=KeyRing(environ)
    )


@pytest.mark.slow
def test_a_server_is_asked_when_somebody_wants_to_know_and_not_before(adapter, provider):
    if adapter == "litellm-anthropic" or adapter == "litellm-openai":
        provider.pages["/v1/models"] = {"data": [{"id": "qwen3", "max_model_len": 40960}]}
    provider.pages |= SERVERS["vLLM"]
    model = local(adapter, provider)
    assert provider.asked == []
    assert model.context_tokens == 40960
    assert len(provider.asked) == 1
    assert model.context_tokens == 40960
    assert len(provider.asked) == 1


@pytest.mark.slow
def test_what_the_name_says_is_not_asked_for(adapter, provider):
    provider.pages |= SERVERS["vLLM"]
    assert local(adapter, provider, context_tokens=1234).context_tokens == 1234
    assert provider.asked == []


@pytest.mark.slow
def test_a_model_that_is_loaded_by_its_first_call_is_asked_about_once_more(adapter, provider):
    model = local(adapter, provider)
    assert model.context_tokens == DEFAULT_CONTEXT_TOKENS
    provider.pages |= SERVERS["Ollama"]
    provider.acts = [Raw(pieces=hello(adapter)) for _ in range(3)]
    model.complete(ask())
    assert model.context_tokens == 40960
    asked = len(provider.asked)
    for _ in range(2):
        model.complete(ask())
        assert model.context_tokens == 40960
    assert len(provider.asked) == asked


@pytest.mark.slow
def test_a_refusal_that_tells_the_size_is_learned_from(adapter, provider):
    model = local(adapter, provider)
    told = OVERFLOWS["Anthropic" if "anthropic" in adapter else "llama.cpp"]
    provider.acts = [raw(told.status, told.body)]
    believed = model.context_tokens
    with pytest.raises(ContextOverflowError):
        model.complete(ask())
    assert model.context_tokens == min(believed, told.context_tokens)


@pytest.mark.slow
def test_a_server_that_is_not_there_costs_no_time(adapter):
    class Nobody:
        root = "http://127.0.0.1:9"

    assert local(adapter, Nobody).context_tokens == DEFAULT_CONTEXT_TOKENS

"""Asks a server how long a request to one of its models may be, where the server has a page that tells.

Local servers run a model with far less context than it was trained for (Ollama with 4096 tokens, by default), and some cut
what is longer without a word. Does not: fail; a server that tells nothing is answered for by None.
"""

from collections.abc import Callable, Mapping, Sequence

Get = Callable[[str], object]
"""The JSON at an address; None where there is none."""

_LISTED = (
    "max_model_len",  # vLLM, SGLang
    "loaded_context_length",  # LM Studio
    "context_length",  # OpenRouter, Ollama
    "context_window",  # Groq
    "max_context_length",
    "max_input_tokens",
)


def asked_context_tokens(base_url: str, name: str, get: Get) -> int | None:
    """Tokens of input and output that a server takes for a model; None when it does not tell.

    Args:
        base_url: Of its API, with or without /v1.
        name: The model, as the server knows it.
        get: Fetches one page.
    """
    base = base_url.rstrip("/")
    root = base.removesuffix("/v1")
    listed = get(f"{root}/v1/models")
    if (found := _of_model(listed, name, _LISTED)) is not None:
        return found
    props = get(f"{root}/props")  # llama.cpp: of one slot, as it runs
    if (found := _number(_at(props, "default_generation_settings"), "n_ctx")) is not None:
        return found
    for page in ("/api/v0/models", "/api/ps"):  # LM Studio, and what Ollama has loaded
        if (found := _of_model(get(root + page), name, _LISTED)) is not None:
            return found
    return _number(get(f"{root}/info"), "max_total_tokens")  # TGI


def _of_model(page: object, name: str, fields: Sequence[str]) -> int | None:
    """The first of some fields that a list of models has for one of them."""
    rows = _at(page, "data") or _at(page, "models")
    if not isinstance(rows, list):
        return None
    entries = [row for row in rows if isinstance(row, Mapping)]
    names = {name, f"{name}:latest", name.partition("/")[2]}
    ours = [row for row in entries if {row.get("id"), row.get("name"), row.get("model")} & names]
    for row in ours or (entries if len(entries) == 1 else ()):
        for place in (row, row.get("meta"), row.get("top_provider")):
            for field in fields:
                if (found := _number(place, field)) is not None:
                    return found
            if (found := _number(place, "n_ctx")) is not None:
                return found
    return None


def _at(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _number(value: object, name: str) -> int | None:
    found = _at(value, name)
    is_size = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return found if is_size and isinstance(found, int) else None

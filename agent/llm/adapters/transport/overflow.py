"""How servers say that a request is longer than the model's context, and the size that they tell with it.

The words are those of llama.cpp, Ollama, LM Studio, TGI, vLLM, SGLang, Gemini, Anthropic, OpenAI, OpenRouter, Groq, xAI,
Mistral, Moonshot, MiniMax, Bedrock and of proxies before them; `tests/agent/llm/overflows.py` has one body of each.
"""

import re

_CODES = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "model_max_prompt_tokens_exceeded",
        "request_too_large",
        "string_above_max_length",
    }
)
_TOO_LARGE = 413
_WORDS = re.compile(
    "|".join(
        (
            r"(?:prompt|input|request|messages?) (?:is|are) too (?:long|large)",
            r"(?:request|request entity|payload) too large",
            r"max_(?:completion_)?tokens\W.{0,60}too large",
            r"too many (?:input )?tokens",
            r"max(?:imum)? (?:model |allowed )?(?:context|prompt|input|sequence|model) (?:length|size|window)",
            r"context[ _](?:length|window|size|limit)s? (?:is |was |has been )?exceed",
            r"exceed\w* (?:the |your |this |its |model(?:'s)? |available |configured |max(?:imum)? )*"
            r"(?:context|token limit|model token limit|number of tokens|sequence length)",
            r"(?:larger|longer|greater|bigger) than (?:the |model(?:'s)? |max(?:imum)? )*(?:context|sequence length)",
            r"exceed\w* the limit of \d+",
            r"context the overflows",
            r"n_keep\W+\d+\W+n_ctx",
            r"`inputs` (?:tokens|must have)",
            r"reduce (?:the length of the messages|your prompt|the prompt|the input)",
        )
    )
)
_SIZES = tuple(
    re.compile(pattern)
    for pattern in (
        r"n_ctx\W+(\d+)",
        r"(?:context|prompt|sequence|model|input) (?:length|size|window)(?: limit)?(?: is| of)?(?: only)? \(?(\d+)",
        r"\d+ > (\d+)",
        r"tokens? > (\d+) max",
        r"maximum number of tokens allowed \(?(\d+)",
        r"must be <= (\d+)",
        r"less than (\d+) tokens",
        r"(?:token limit:|limit of|\blimit) (\d+)",
    )
)


def is_overflow(status: int | None, codes: set[str], words: str) -> bool:
    """Whether an error says that the request is too long.

    Args:
        status: HTTP status; None for an error inside a stream.
        codes: What stands under `code`, `type` and their like, in small letters.
        words: All that the body says, in small letters.
    """
    if status == _TOO_LARGE or codes & _CODES:
        return True
    if not _WORDS.search(words):
        return False
    # A limit on tokens a minute is an overflow only where the one request is over it.
    is_of_rate = status == 429 or codes & {"rate_limit_error", "rate_limit_exceeded"}
    return not is_of_rate or "too large" in words


def told_context_tokens(words: str) -> int | None:
    """The size of the context that an overflow's words tell; None when they tell none."""
    plain = words.replace(",", "")
    found = (match for pattern in _SIZES if (match := pattern.search(plain)))
    first = next(found, None)
    return (int(first[1]) or None) if first else None

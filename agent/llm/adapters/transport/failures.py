"""What a failed call was: our error class from an SDK's exception, a status, and the words of the body.

Servers say the same thing in many ways: a request that is too long is a 400, 413, 422, 429 or 500, known by a code, a
type or by words alone, and some say it with status 200. So status, codes and words decide together.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import cast

from rsi.agent.llm.adapters.transport.deadline import Deadline
from rsi.agent.llm.adapters.transport.event_stream import QUOTED_CHARS, BrokenEventError
from rsi.agent.llm.adapters.transport.overflow import is_overflow, told_context_tokens
from rsi.agent.llm.errors import (
    ContextOverflowError,
    ModelAuthError,
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelRequestError,
    ModelWireError,
)
from rsi.agent.llm.redaction import Redactor

ErrorTable = Mapping[str, type[ModelError]]

_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"}
)
"""Transport errors before any byte of the request left, so nothing can be billed."""
_MESSAGE_CHARS = 600
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WAIT_WORDS = re.compile(
    r"(?:retrydelay\W+|(?:try again|retry) (?:in|after) )((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)"
)
"""How bodies say how long to wait: Google's field, and OpenAI's sentence."""
_NO_KEY_SENT = (
    "no key was sent, because a base_url in a model's name gets the provider's key only when it is the provider's; "
    "write &key_env=<VARIABLE> to name the key for this server"
)

_QUOTA = (
    "insufficient_quota",
    "billing_error",
    "credit balance is too low",
    "insufficient_balance",
)
_BUSY_CODES = frozenset(
    {
        "overloaded_error", "overloaded", "rate_limit_error", "rate_limit_exceeded", "api_error", "server_error",
        "internal_error", "internal_server_error", "internalservererror", "unavailable_error", "unavailable",
        "service_unavailable", "resource_exhausted", "timeout_error", "ratelimiterror", "engine_overloaded",
    }
)  # fmt: skip
_AUTH_CODES = frozenset(
    {
        "authentication_error",
        "permission_error",
        "permission_denied",
        "unauthenticated",
        "invalid_api_key",
    }
)
_REQUEST_CODES = frozenset(
    {
        "invalid_request_error",
        "not_found_error",
        "badrequesterror",
        "bad_request",
        "invalid_argument",
    }
)


@contextmanager
def translated(
    provider: str,
    *,
    sdk_errors: tuple[type[Exception], ...],
    table: ErrorTable,
    redactor: Redactor,
    deadline: Deadline,
    has_answer: Callable[[], bool],
    has_started: Callable[[], bool],
    has_key: bool = True,
) -> Iterator[None]:
    """Turn whatever an SDK or its transport raises into our errors.

    Args:
        provider: For messages.
        sdk_errors: Base classes of the SDK's own errors.
        table: Our class by the name of the SDK's class.
        redactor: Cleans messages; some providers repeat the key.
        deadline: Tells a call that we ended from one that the wire ended.
        has_answer: Whether the server had answered, so that what is wrong is in its answer.
        has_started: Whether a reply had begun, so that the attempt may be billed.
        has_key: Whether a key is sent; a server that asks for one gets the way to name it into its message.
    """
    try:
        yield
    except ModelAuthError as error:
        if has_key:
            raise
        raise ModelAuthError(f"{error}; {_NO_KEY_SENT}", status=error.status) from None
    except ModelError:
        raise
    except sdk_errors as error:
        deadline.check()
        # Not chained: an SDK's own text may repeat the key, and tracebacks are logged.
        found = _from_sdk(provider, error, table, redactor, has_started())
        if isinstance(found, ModelAuthError) and not has_key:
            raise ModelAuthError(f"{found}; {_NO_KEY_SENT}", status=found.status) from None
        raise found from None
    except BrokenEventError as error:
        raise ModelReplyError(redactor.text(f"{provider}: {error}")) from None
    except transport_errors() as error:
        deadline.check()
        name = type(error).__name__
        may_have_cost = name not in _NEVER_SENT
        text = redactor.text(f"{provider}: the connection failed: {name}: {error}")
        raise ModelWireError(text, may_have_cost=may_have_cost) from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        deadline.check()
        if not has_answer():
            text = redactor.text(f"{provider}: the request cannot be made: {error!r}")
            raise ModelRequestError(text) from None
        text = redactor.text(f"{provider}: the reply has an unexpected form: {error!r}")
        raise ModelReplyError(text) from None


def failure(
    provider: str,
    body: object,
    *,
    redactor: Redactor,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    found: type[ModelError] | None = None,
    has_started: bool = False,
    wording: str = "",
) -> ModelError:
    """Our error for what a server says went wrong.

    Args:
        provider: For messages.
        body: The error's body: JSON where it is JSON, else its text.
        redactor: Cleans the message.
        status: HTTP status; None for an error inside a stream or behind status 200.
        headers: Of the response.
        found: Class that the SDK's own exception calls for; None when there is none.
        has_started: Whether a reply had begun, so that the attempt may be billed.
        wording: The SDK's sentence; None takes the body's.
    """
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    words = _words(body, wording).lower()
    codes = {each.lower() for each in _codes(body)}
    number = status or _status_in(codes)
    kind = _kind(
        found or (_by_status(number) if number else _by_codes(codes)), number, codes, words
    )
    message = f"{provider}: {wording or _said(body)}"
    if number is not None and 300 <= number < 400:
        where = headers.get("location", "nowhere")
        message = f"{provider}: the server answers with a redirect to {where}; write the right address as base_url"
    made = kind(
        redactor.text(message)[:_MESSAGE_CHARS],
        request_id=headers.get("request-id") or headers.get("x-request-id"),
        status=number,
        retry_after_s=retry_after_s(headers, words),
        may_have_cost=kind.may_have_cost or has_started,
    )
    if isinstance(made, ContextOverflowError):
        made.context_tokens = told_context_tokens(words)
    return made


def no_stream(provider: str, reason: str, begins: str, url: str, redactor: Redactor) -> ModelError:
    """The refusal of a body that is no reply of a model, with what it begins with."""
    quoted = f" and begins {begins[:QUOTED_CHARS]!r}" if begins.strip() else ""
    return ModelRequestError(
        redactor.text(
            f"{provider}: the answer of {url} is no reply of a model: it is {reason}{quoted}. "
            "Look at base_url: is /v1 missing, or there twice?"
        )
    )


def body_of(response: object) -> object:
    """The body of a response that was read: JSON where it is, else its text; None when there is none."""
    text = getattr(response, "text", None)
    if not isinstance(text, str) or not text:
        return None
    try:
        return cast(object, json.loads(text))
    except (ValueError, RecursionError):
        return text


def transport_errors() -> tuple[type[Exception], ...]:
    """Errors below the SDKs: sockets, and the HTTP libraries that they may use, where loaded."""
    found: list[type[Exception]] = [OSError]
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is not None:
            found += [library.HTTPError, library.StreamError, library.InvalidURL]
    return tuple(found)


def retry_after_s(
    headers: Mapping[str, str], words: str = "", now_s: float | None = None
) -> float | None:
    """Seconds that a provider asks us to wait; None when it does not, or not readably.

    Reads `retry-after-ms`, then `retry-after` in seconds, with units or as an HTTP date, then what the body says.

    Args:
        headers: Of the response.
        words: All that the body says.
        now_s: The time; None takes the clock's.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if (milliseconds := _number(lower.get("retry-after-ms"))) is not None:
        return milliseconds / 1000.0
    if (text := lower.get("retry-after")) is None:
        told = _WAIT_WORDS.search(words.lower())
        return _duration_s(told[1]) if told else None
    if (seconds := _duration_s(text)) is not None:
        return seconds
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, at - (time.time() if now_s is None else now_s))


def _duration_s(text: str) -> float | None:
    """Seconds of `7`, `1.5s`, `1m30s` or `1500ms`, or of the first in a list; None where it is none."""
    first = text.split(",")[0].strip().lower()
    if (seconds := _number(first)) is not None:
        return seconds
    if not re.fullmatch(rf"({_DURATION.pattern})+", first):
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION.findall(first))


def _from_sdk(
    provider: str, error: Exception, table: ErrorTable, redactor: Redactor, has_started: bool
) -> ModelError:
    names = [kind.__name__ for kind in type(error).__mro__]
    found = next((table[name] for name in names if name in table), ModelReplyError)
    response = getattr(error, "response", None)
    headers = dict(getattr(response, "headers", None) or {})
    headers |= dict(getattr(error, "litellm_response_headers", None) or {})
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    status = status if isinstance(status, int) else None
    cause = error.__cause__ if isinstance(error.__cause__, transport_errors()) else error
    made = failure(
        provider,
        body_of(response) or getattr(error, "body", None) or str(error),
        redactor=redactor,
        status=status,
        headers=headers,
        found=_by_status(status) if found is ModelReplyError and status else found,
        has_started=has_started,
        wording=f"{type(cause).__name__}: {cause}",
    )
    if type(error.__cause__).__name__ in _NEVER_SENT and not has_started:
        made.may_have_cost = False
    made.request_id = getattr(error, "request_id", None) or made.request_id
    return made


def _kind(
    found: type[ModelError], status: int | None, codes: set[str], words: str
) -> type[ModelError]:
    """The class that the server's codes and words call for, where its status says too little."""
    if issubclass(found, ModelAuthError):
        return found
    if any(word in words for word in _QUOTA):
        return ModelAuthError
    if is_overflow(status, codes, words):
        return ContextOverflowError
    if issubclass(found, ModelRefusedError):
        return found
    return ModelBusyError if codes & _BUSY_CODES else found


def _by_status(status: int) -> type[ModelError]:
    """The class for errors that an SDK has no class of its own for."""
    if status in (401, 402, 403):
        return ModelAuthError
    if status in (408, 504):
        return ModelWireError
    if status in (409, 429) or status >= 500:
        return ModelBusyError
    return ModelRequestError if status >= 300 else ModelReplyError


def _by_codes(codes: set[str]) -> type[ModelError]:
    """The class for an error without any status."""
    if codes & _BUSY_CODES:
        return ModelBusyError
    if codes & _AUTH_CODES:
        return ModelAuthError
    return ModelRequestError if codes & _REQUEST_CODES else ModelReplyError


def _status_in(codes: set[str]) -> int | None:
    """An HTTP status among the codes of a body."""
    return next((int(c) for c in sorted(codes) if c.isdecimal() and 400 <= int(c) < 600), None)


def _codes(body: object, depth: int = 0) -> Iterator[str]:
    """What stands under `code`, `type`, `status` and their like, at any depth that servers use."""
    if isinstance(body, list) and depth < 4:
        for item in body[:10]:
            yield from _codes(item, depth + 1)
    if not isinstance(body, Mapping):
        return
    for name, value in body.items():
        if name in (
            "code",
            "type",
            "status",
            "error_type",
            "errorType",
            "status_code",
        ) and isinstance(value, str | int):
            yield str(value)
        elif depth < 4:
            yield from _codes(value, depth + 1)


def _words(body: object, wording: str) -> str:
    text = body if isinstance(body, str) else json.dumps(body, default=str, ensure_ascii=False)
    return f"{wording} {text}"


def _said(body: object) -> str:
    """The sentence in an error's body, or all of it."""
    found: object = body
    while isinstance(found, Mapping):
        inner = next((found[k] for k in ("error", "message", "detail") if found.get(k)), None)
        if inner is None:
            break
        found = inner
    return found if isinstance(found, str) else json.dumps(found, default=str, ensure_ascii=False)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None

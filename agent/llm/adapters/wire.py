"""What all HTTP adapters share: error translation, `retry-after`, and an end to slow bodies."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TypeVar, cast

from rsi.agent.llm.arguments import unusable_problem
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
from rsi.agent.llm.types import ToolCall

Item = TypeVar("Item")
ErrorTable = Mapping[str, type[ModelError]]

_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})
"""Transport errors before any byte of the request left, so nothing can be billed."""
_OVERFLOW_WORDS = (
    "prompt is too long",
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "input is too long",
    "exceed context limit",
)
_MESSAGE_CHARS = 600
_NO_KEY_SENT = (
    "no key was sent, because a base_url in a model's name gets the provider's key only when it is the provider's; "
    "write &key_env=<VARIABLE> to name the key for this server"
)


class Deadline:
    """Ends a call that takes too long in all, even when bytes keep dripping in."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._started = time.monotonic()
        self._timer: threading.Timer | None = None
        self.has_passed = False

    def watch(self, close: Callable[[], None]) -> None:
        """Close the stream when the time is up."""

        def end() -> None:
            self.has_passed = True
            close()

        self._timer = threading.Timer(self.left_s, end)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0 when none."""
        return max(0.0, self._limit_s - (time.monotonic() - self._started))

    def __enter__(self) -> "Deadline":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def check(self) -> None:
        """Raise when the time is up.

        Raises:
            ModelWireError: It is.
        """
        if self.has_passed or time.monotonic() - self._started > self._limit_s:
            raise ModelWireError(f"the call had not ended after {self._limit_s:g} s")


def pumped(source: Callable[[], Iterable[Item]], deadline: Deadline) -> Iterator[Item]:
    """The items of a blocking source, read in a thread, until the deadline passes.

    For clients whose connection cannot be closed from outside. A source that never ends leaves its
    thread behind until the server hangs up; the caller is free at once.

    Raises:
        ModelWireError: The deadline passed.
        Exception: Whatever the source raised.
    """
    queue: SimpleQueue[tuple[str, Item | BaseException | None]] = SimpleQueue()

    def read() -> None:
        try:
            for item in source():
                queue.put(("item", item))
        except BaseException as error:  # noqa: BLE001 (handed over to the caller, which raises it)
            queue.put(("error", error))
        else:
            queue.put(("end", None))

    threading.Thread(target=read, daemon=True, name="model-stream").start()
    while True:
        try:
            kind, value = queue.get(timeout=deadline.left_s)
        except Empty:
            deadline.check()
            continue
        if kind == "end":
            return
        if kind == "error":
            raise cast(BaseException, value)
        yield cast(Item, value)


@contextmanager
def translated(
    provider: str,
    *,
    sdk_errors: tuple[type[Exception], ...],
    table: ErrorTable,
    redactor: Redactor,
    deadline: Deadline,
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
        has_started: Whether a reply had begun, so that the attempt may be billed.
        has_key: Whether a key is sent; a server that asks for one gets the way to name it into its message.
    """
    try:
        yield
    except ModelError:
        raise
    except sdk_errors as error:
        deadline.check()
        # Not chained: an SDK's own text may repeat the key, and tracebacks are logged.
        found = _from_sdk(provider, error, table, redactor, has_started())
        if isinstance(found, ModelAuthError) and not has_key:
            raise ModelAuthError(f"{found}; {_NO_KEY_SENT}", status=found.status) from None
        raise found from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelReplyError(f"{provider}: a piece of the reply is not JSON: {error}") from None
    except transport_errors() as error:
        deadline.check()
        name = type(error).__name__
        may_have_cost = name not in _NEVER_SENT
        text = redactor.text(f"{provider}: the connection failed: {name}: {error}")
        raise ModelWireError(text, may_have_cost=may_have_cost) from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        deadline.check()
        text = redactor.text(f"{provider}: the reply has an unexpected form: {error!r}")
        raise ModelReplyError(text) from None


def transport_errors() -> tuple[type[Exception], ...]:
    """Errors below the SDKs: sockets, and the HTTP libraries that they may use, where loaded."""
    found: list[type[Exception]] = [OSError]
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is not None:
            found += [library.HTTPError, library.StreamError, library.InvalidURL]
    return tuple(found)


def retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Seconds that a provider asks us to wait; None when it does not, or not readably.

    Reads `retry-after-ms`, then `retry-after` in seconds or as an HTTP date.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if (milliseconds := _number(lower.get("retry-after-ms"))) is not None:
        return milliseconds / 1000.0
    text = lower.get("retry-after")
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, at - (time.time() if now_s is None else now_s))


def read_call(call_id: str, name: str, raw: str) -> ToolCall:
    """A tool call whose arguments came as JSON text, which a model may have got wrong."""

    def refused(problem: str) -> ToolCall:
        return ToolCall(id=call_id, name=name, arguments={}, raw_arguments=raw, problem=problem)

    try:
        arguments = json.loads(raw) if raw.strip() else {}
    except json.JSONDecodeError as error:
        return refused(f"its arguments are not valid JSON ({error}); they may have been cut off.")
    except RecursionError:
        return refused("its arguments are nested too deeply.")
    except ValueError:
        # Python reads no whole number of thousands of digits.
        return refused("its arguments hold a whole number of far too many digits.")
    if not isinstance(arguments, dict):
        return refused("its arguments are not a JSON object.")
    if (problem := unusable_problem(arguments)) is not None:
        return refused(problem)
    return ToolCall(id=call_id, name=name, arguments=arguments)


def _from_sdk(
    provider: str, error: Exception, table: ErrorTable, redactor: Redactor, has_started: bool
) -> ModelError:
    names = [kind.__name__ for kind in type(error).__mro__]
    found = next((table[name] for name in names if name in table), ModelReplyError)
    response = getattr(error, "response", None)
    headers = dict(getattr(response, "headers", None) or {})
    headers |= dict(getattr(error, "litellm_response_headers", None) or {})
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if found is ModelReplyError and isinstance(status, int):
        found = _by_status(status)
    words = f"{error} {getattr(error, 'body', '')}".lower()
    found = _by_words(found, words)
    message = redactor.text(f"{provider}: {type(error).__name__}: {error}")[:_MESSAGE_CHARS]
    cause = type(error.__cause__).__name__
    may_have_cost = found.may_have_cost and cause not in _NEVER_SENT
    return found(
        message,
        request_id=_request_id(error, headers),
        status=status if isinstance(status, int) else None,
        retry_after_s=retry_after_s(headers),
        may_have_cost=may_have_cost or has_started,
    )


def _by_status(status: int) -> type[ModelError]:
    """The class for errors that an SDK has no class of its own for."""
    if status in (401, 402, 403):
        return ModelAuthError
    if status in (408, 504):
        return ModelWireError
    if status in (409, 429) or status >= 500:
        return ModelBusyError
    return ModelRequestError if status >= 400 else ModelReplyError


def _by_words(found: type[ModelError], words: str) -> type[ModelError]:
    """The class that the provider's own words call for, where its status says too little."""
    if issubclass(found, ModelRequestError) and any(word in words for word in _OVERFLOW_WORDS):
        return ContextOverflowError
    if issubclass(found, ModelBusyError) and "insufficient_quota" in words:
        return ModelAuthError
    if issubclass(found, ModelRefusedError):
        return found
    if "overloaded_error" in words or "rate_limit_error" in words or "'api_error'" in words:
        return ModelBusyError
    return found


def _request_id(error: Exception, headers: Mapping[str, str]) -> str | None:
    lower = {name.lower(): value for name, value in headers.items()}
    own = getattr(error, "request_id", None)
    return own or lower.get("request-id") or lower.get("x-request-id")


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None

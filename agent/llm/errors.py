"""Errors of the model layer: what a provider or its wire can do to us.

ModelError
├── ModelSpecError             the model was named wrongly or cannot be used here; also a ValueError
│   ├── UnknownPriceError      no price is known for the model, and none was waived
│   └── MissingKeyError        no key for the provider, or its key command failed
├── ModelRefusedError          the provider turned the request down; a repeat would end the same
│   ├── ModelAuthError         key rejected or without the right to do this
│   ├── ModelRequestError      the provider calls our request malformed or unknown
│   └── ContextOverflowError   the request is longer than the model's context
├── ModelBusyError             rate limit, overload or server error: the same request may pass later
├── ModelWireError             connection lost, timeout, cut stream: may pass later, may have cost
└── ModelReplyError            the reply arrived and cannot be read; may pass later, has cost
"""

from rsi.agent.llm.types import Usage


class ModelError(Exception):
    """Base of everything a model call raises.

    `may_have_cost` is True when the provider may bill the failed attempt, `usage` what it says that it billed, None
    when it says nothing; `retry_after_s` is what the provider asked for, None when it asked for nothing.
    """

    is_retryable: bool = False
    may_have_cost: bool = False

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        may_have_cost: bool | None = None,
        usage: Usage | None = None,
    ) -> None:
        suffix = f" [request {request_id}]" if request_id else ""
        super().__init__(message + suffix)
        self.request_id = request_id
        self.status = status
        self.retry_after_s = retry_after_s
        self.usage = usage
        if may_have_cost is not None:
            self.may_have_cost = may_have_cost


class ModelSpecError(ModelError, ValueError):
    """A model was named that does not exist here, or cannot be used as named."""


class UnknownPriceError(ModelSpecError):
    """No price is known for a model, so no budget in dollars could bind."""


class MissingKeyError(ModelSpecError):
    """No API key for the provider."""


class ModelRefusedError(ModelError):
    """The provider turned the request down for good."""


class ModelAuthError(ModelRefusedError):
    """The provider rejected the key."""


class ModelRequestError(ModelRefusedError):
    """The provider calls the request malformed, or does not know the model."""


class ContextOverflowError(ModelRefusedError):
    """The request does not fit the model's context; `context_tokens` is its size where the server tells it."""

    context_tokens: int | None = None


class ModelBusyError(ModelError):
    """Rate limit, overload or a server's own failure."""

    is_retryable = True


class ModelWireError(ModelError, ConnectionError):
    """The connection failed, timed out or was cut."""

    is_retryable = True
    may_have_cost = True


class ModelReplyError(ModelError):
    """A reply arrived that cannot be read."""

    is_retryable = True
    may_have_cost = True

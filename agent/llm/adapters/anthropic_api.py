"""`anthropic:` models through Anthropic's SDK and its Messages API, streaming.

The SDK is imported when the model is made. Its own retries are off: `agent.roles.calls` retries, so that each attempt is
reserved and settled. The SDK sends; `reading` reads, since servers break the form of events in ways that it does not.
"""

from typing import Any, cast

from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.thinking import beta_headers
from rsi.agent.llm.adapters.transport.failures import ErrorTable
from rsi.agent.llm.adapters.wire.messages_reply import MessagesReply
from rsi.agent.llm.adapters.wire.messages_wire import PROVIDER, request_body
from rsi.agent.llm.adapters.wire.reading import Answer, answer_of
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.errors import (
    ModelAuthError,
    ModelBusyError,
    ModelReplyError,
    ModelRequestError,
    ModelWireError,
)
from rsi.agent.llm.types import Request

ERRORS: ErrorTable = {
    "AnthropicError": ModelReplyError,
    "APIError": ModelReplyError,
    "APIStatusError": ModelReplyError,
    "APIConnectionError": ModelWireError,
    "APITimeoutError": ModelWireError,
    "APIResponseValidationError": ModelReplyError,
    "APIWebhookValidationError": ModelReplyError,
    "AuthenticationError": ModelAuthError,
    "PermissionDeniedError": ModelAuthError,
    "PaymentRequiredError": ModelAuthError,
    "CredentialsError": ModelAuthError,
    "IdentityTokenFileError": ModelAuthError,
    "WorkloadIdentityError": ModelAuthError,
    "ClaudeCodeKeyCreatorNotMemberError": ModelAuthError,
    "LinkedOrganizationBillingUnavailableError": ModelAuthError,
    "LinkedOrganizationSpendLimitReachedError": ModelAuthError,
    "ContractSpendLimitReachedError": ModelAuthError,
    "EnforcedSpendLimitReachedError": ModelAuthError,
    "OrganizationOnHoldError": ModelAuthError,
    "OrganizationTypeNotSupportedError": ModelAuthError,
    "ParentOrganizationRequiredError": ModelAuthError,
    "SandboxEgressRestrictedError": ModelAuthError,
    "CMEKKeyDisabledError": ModelAuthError,
    "CMEKKeyNetworkBlockedError": ModelAuthError,
    "BadRequestError": ModelRequestError,
    "NotFoundError": ModelRequestError,
    "PreconditionFailedError": ModelRequestError,
    "UnprocessableEntityError": ModelRequestError,
    "ContentTooLargeError": ModelRequestError,
    "RequestTooLargeError": ModelRequestError,
    "RequestBodyTooLargeAfterDecodingError": ModelRequestError,
    "RequestBodyEncodingInvalidError": ModelRequestError,
    "RequestBodyEncodingUnsupportedError": ModelRequestError,
    "RequestHeaderFieldsTooLargeError": ModelRequestError,
    "ClaudeCodeVersionTooOldError": ModelRequestError,
    "HTTPNotImplementedError": ModelRequestError,
    "ConflictError": ModelBusyError,
    "RateLimitError": ModelBusyError,
    "RampLimitExceededError": ModelBusyError,
    "InternalServerError": ModelBusyError,
    "ServiceUnavailableError": ModelBusyError,
    "CMEKContextUnavailableError": ModelBusyError,
    "CMEKKeyUnreachableError": ModelBusyError,
    "OverloadedError": ModelBusyError,
    "RetryableError": ModelBusyError,
    "RequestTimeoutError": ModelWireError,
    "GatewayTimeoutError": ModelWireError,
    "DeadlineExceededError": ModelWireError,
    "ClientClosedRequestError": ModelWireError,
}
"""Every error class of the SDK by name; a test fails when the SDK grows a new one."""


class AnthropicModel(HostedModel):
    """One model of Anthropic's."""

    def _connect(self) -> None:
        import anthropic

        self.provider, self.errors = PROVIDER, ERRORS
        self.sdk_errors = (anthropic.AnthropicError,)
        self._client = anthropic.Anthropic(**self._sdk_arguments(anthropic))

    def _send(self, request: Request) -> Answer:
        body = cast(Any, request_body(request, self.name, self.options, self.thinking))
        # Newer releases of the SDK have no argument for a temperature, which older models still take.
        extra = {name: body.pop(name) for name in ("temperature",) if name in body}
        headers = beta_headers(self.thinking, body)
        sent = self._client.messages.with_streaming_response.create(
            **body, stream=True, extra_headers=headers, extra_body=extra
        )
        return answer_of(PROVIDER, sent.__enter__())  # the answer's `close` is its exit

    def _gathering(
        self, answer: Answer, request: Request, on_delta: OnDelta | None
    ) -> MessagesReply:
        return MessagesReply(PROVIDER, request, on_delta)

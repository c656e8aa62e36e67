"""How servers say that a request is longer than the model's context: status, body, and the size that they tell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Overflow:
    status: int
    body: object
    """JSON, or text as it is."""
    context_tokens: int | None = None
    protocol: str = "openai"
    """The protocol whose servers say it: "openai", "anthropic", or "both" for what proxies before them say."""


def _error(
    message: str, kind: str = "invalid_request_error", code: object = None, **more: object
) -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


OVERFLOWS = {
    "OpenAI": Overflow(
        400,
        _error(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 140012 tokens. "
            "Please reduce the length of the messages.", code="context_length_exceeded",
        ), 128000,
    ),
    "OpenAI, other words": Overflow(
        400,
        _error(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            code="context_length_exceeded",
        ),
    ),
    "OpenAI, over the tokens a minute": Overflow(
        429,
        _error(
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 50123. "
            "The input or output tokens must be reduced in order to run successfully.", "tokens", "rate_limit_exceeded",
        ), 30000,
    ),
    "Groq": Overflow(
        413,
        _error(
            "Request too large for model `llama-3.1-8b-instant` in organization `org_x` service tier `on_demand` on "
            "tokens per minute (TPM): Limit 6000, Requested 7213, please reduce your message size and try again.",
            "tokens", "rate_limit_exceeded",
        ), 6000,
    ),
    "Groq, context": Overflow(
        400, _error("Please reduce the length of the messages or completion.", code="context_length_exceeded"),
    ),
    "Anthropic": Overflow(
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 213462 tokens > 200000 maximum"}},
        200000, "anthropic",
    ),
    "Anthropic, with the reply": Overflow(
        400,
        {"type": "error", "error": {
            "type": "invalid_request_error",
            "message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input "
            "length or `max_tokens` and try again",
        }}, 200000, "anthropic",
    ),
    "Anthropic, bytes": Overflow(
        413,
        {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
        None, "anthropic",
    ),
    "Anthropic, long context limited": Overflow(
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "input is too long for requested model"}},
        None, "anthropic",
    ),
    "llama.cpp": Overflow(
        400,
        {"error": {
            "code": 400, "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192,
        }}, 8192,
    ),
    "llama.cpp, as 500": Overflow(
        500,
        {"error": {
            "code": 500, "message": "the request exceeds the available context size. try increasing the context size or "
            "enable context shift", "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256,
        }}, 256,
    ),
    "llama.cpp, with status 200": Overflow(
        200,
        {"error": {"code": 400, "message": "context", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}},
        8,
    ),
    "llama.cpp, before it had a type": Overflow(
        500, {"error": {"code": 500, "message": "input is too large to process. increase the physical batch size", "type": "server_error"}},
    ),
    "llama-cpp-python": Overflow(
        400,
        _error(
            "This model's maximum context length is 2048 tokens, however you requested 2285 tokens (2285 in your prompt; "
            "None for the completion). Please reduce your prompt; or completion length.", code="context_length_exceeded",
        ), 2048,
    ),
    "llama-cpp-python, as 500": Overflow(
        500, _error("Requested tokens (2285) exceed context window of 2048", "internal_server_error"), 2048,
    ),
    "Ollama": Overflow(
        400, _error("input length exceeds the context length", "invalid_request_error"),
    ),
    "Ollama, as 500": Overflow(
        500, {"error": {"message": "the prompt is too long; it exceeds maximum context length 4096", "type": "api_error"}}, 4096,
    ),
    "LM Studio": Overflow(
        400,
        {"error": "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5228 >= "
         "n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input."},
        4096,
    ),
    "LM Studio, older": Overflow(
        400,
        {"error": "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with "
         "context length of only 4096 tokens, which is not enough."},
        4096,
    ),
    "LM Studio, MLX": Overflow(400, {"error": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"}, 7424),
    "TGI": Overflow(
        422,
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000 `inputs` tokens "
         "and 1024 `max_new_tokens`", "error_type": "validation"},
        8192,
    ),
    "TGI, Chat Completions": Overflow(
        422,
        {"message": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", "http_status_code": 422},
        4096,
    ),
    "vLLM": Overflow(
        400,
        {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 6098 tokens "
         "(5074 in the messages, 1024 in the completion). Please reduce the length of the messages or completion.",
         "type": "BadRequestError", "param": None, "code": 400},
        4096,
    ),
    "vLLM, the reply": Overflow(
        400,
        _error(
            "'max_tokens' or 'max_completion_tokens' is too large: 16000. This model's maximum context length is 8192 tokens "
            "and your request has 3104 input tokens (16000 > 8192 - 3104).", "BadRequestError", 400,
        ), 8192,
    ),
    "vLLM, newer": Overflow(
        400,
        _error("The decoder prompt (length 45000) is longer than the maximum model length of 32768.", "BadRequestError", 400),
        32768,
    ),
    "SGLang": Overflow(
        400,
        {"object": "error", "message": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
         "type": "BadRequestError", "param": None, "code": 400},
        8192,
    ),
    "SGLang, the reply": Overflow(
        400,
        {"object": "error", "message": "Requested token count exceeds the model's maximum context length of 8192 tokens. You "
         "requested a total of 9216 tokens: 1024 tokens from the input messages and 8192 tokens for the completion.",
         "type": "BadRequestError", "param": None, "code": 400},
        8192,
    ),
    "Gemini": Overflow(
        400,
        [{"error": {"code": 400, "message": "The input token count (1196265) exceeds the maximum number of tokens allowed "
          "(1048576).", "status": "INVALID_ARGUMENT"}}],
        1048576,
    ),
    "OpenRouter": Overflow(
        400,
        {"error": {"message": "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 "
         "tokens (120000 of text input, 4000 of tool input, 16000 in the output). Please reduce the length of either one, or "
         "use the \"middle-out\" transform.", "code": 400}},
        131072,
    ),
    "OpenRouter, from upstream": Overflow(
        400,
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {
            "raw": "{\"error\":{\"message\":\"This model's maximum context length is 65536 tokens.\"}}", "provider_name": "X"}}},
        65536,
    ),
    "xAI": Overflow(
        400,
        {"code": "Client specified an invalid argument",
         "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
        131072,
    ),
    "Mistral": Overflow(
        400,
        {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
         "context length", "type": "invalid_request_prompt", "code": "3051"},
    ),
    "Moonshot": Overflow(
        400, _error("Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)"), 131072,
    ),
    "DeepSeek": Overflow(
        400,
        _error("This model's maximum context length is 131072 tokens. However, you requested 140000 tokens"), 131072,
    ),
    "MiniMax": Overflow(400, _error("invalid params, context window exceeds limit (2013)", "bad_request_error")),
    "Bedrock": Overflow(400, {"message": "Input is too long for requested model."}, None, "both"),
    "GitHub Copilot": Overflow(
        400, _error("prompt token count of 150000 exceeds the limit of 128000", code="model_max_prompt_tokens_exceeded"), 128000,
    ),
    "nginx": Overflow(413, "<html><head><title>413 Request Entity Too Large</title></head></html>", None, "both"),
    "Cloudflare": Overflow(413, "error code: 413", None, "both"),
}  # fmt: skip

OTHERS = {
    "a rate limit that names tokens": (
        429,
        _error(
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 25000, Requested 8000. Please try again "
            "in 6s.", "tokens", "rate_limit_exceeded",
        ), "ModelBusyError",
    ),
    "a key without rights to the context": (
        403, _error("The long context window is not available to this key", "permission_error"), "ModelAuthError",
    ),
    "an unknown tool": (400, _error("tools.0.name: string does not match pattern"), "ModelRequestError"),
    "an unknown model": (404, _error("The model `gpt-9` does not exist", code="model_not_found"), "ModelRequestError"),
    "no credit": (
        400, _error("Your credit balance is too low to access the API. Please go to Plans & Billing."), "ModelAuthError",
    ),
    "a queue that is full": (503, _error("queue full, too many requests", "unavailable_error", 503), "ModelBusyError"),
    "a quota of Gemini's": (
        429,
        [{"error": {"code": 429, "message": "You exceeded your current quota. Quota exceeded for metric: "
          "generate_content_free_tier_input_token_count, limit: 250000", "status": "RESOURCE_EXHAUSTED"}}],
        "ModelBusyError",
    ),
}  # fmt: skip

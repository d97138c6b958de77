"""What telemetry says of a response, and of what went wrong."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.trace import Span, Status, StatusCode

from ..errors import HandshakeError, ServerError
from ..protocol.items import FunctionCall
from ..protocol.responses import Response
from . import names


__all__ = ["error_of", "facts", "fail", "finish_reason"]

_REASONS: Final = {"completed": "stop", "failed": "error"}


def facts(response: Response, has_audio: bool) -> dict[str, Any]:
    """Return the attributes of a response that has ended."""
    usage = response.usage or None
    details = usage.input_token_details if usage else None
    found = {
        names.OUTPUT_TYPE: "speech" if has_audio else "text",
        names.FINISH_REASONS: [finish_reason(response)],
        names.INPUT_TOKENS: usage.input_tokens if usage else None,
        names.OUTPUT_TOKENS: usage.output_tokens if usage else None,
        names.CACHED_TOKENS: details.cached_tokens if details else None,
    }
    return {name: value for name, value in found.items() if value or value == 0}


def finish_reason(response: Response) -> str:
    """Return why a response ended, in the words that other models have for it."""
    details = response.status_details
    reason = details.reason if details else None
    if reason:
        return {"max_output_tokens": "length"}.get(reason, reason)
    if any(isinstance(item, FunctionCall) for item in response.output or ()):
        return "tool_calls"
    status = response.status or "unknown"
    return _REASONS.get(status, status)


def error_of(response: Response) -> str:
    """Return what a response failed with."""
    details = response.status_details
    error = details.error if details else None
    return (error.code or error.type or "failed") if error else "failed"


def fail(span: Span, attributes: dict[str, Any], error: BaseException | str) -> None:
    """Say on a span, and in the *attributes* of its metrics, what went wrong."""
    kind = error if isinstance(error, str) else _kind(error)
    attributes[names.ERROR_TYPE] = kind
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR, str(error)))


def _kind(error: BaseException) -> str:
    if isinstance(error, HandshakeError):
        return str(error.status)
    if isinstance(error, ServerError) and error.code:
        return error.code
    return type(error).__qualname__

"""The errors that the service answers a bad request with."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol import (
    UNSET,
    ErrorDetails,
    ErrorEvent,
    Maybe,
)


__all__ = [
    "RequestError",
    "invalid_value",
    "missing_parameter",
    "unknown_parameter",
]


class RequestError(Exception):
    """
    A client event that the service refuses.

    Attributes:
        message: What is wrong, for people.
        code: What is wrong, for programs.
        param: The path of the field that is wrong, or None.
        type: The class of the error.
        event_id: The client's id of the event, where it is known.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - named as on the wire
        event_id: Maybe[str] = UNSET,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.event_id = event_id

    def event(self, event_id: str, cause: Maybe[str]) -> ErrorEvent:
        """Return the event that reports this to the client that sent *cause*."""
        details = ErrorDetails(
            type=self.type,
            code=self.code,
            message=self.message,
            param=self.param,
            event_id=(cause or self.event_id) or None,
        )
        return ErrorEvent(event_id=event_id, error=details)


def unknown_parameter(param: str) -> RequestError:
    """Return the refusal of a field that the service does not know."""
    return RequestError(
        f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param
    )


def missing_parameter(param: str) -> RequestError:
    """Return the refusal of an event that lacks a field."""
    return RequestError(
        f"Missing required parameter: '{param}'.",
        code="missing_required_parameter",
        param=param,
    )


def invalid_value(
    param: str, value: object, supported: Iterable[object] | str
) -> RequestError:
    """Return the refusal of a value; *supported* lists or describes the good ones."""
    if not isinstance(supported, str):
        supported = ", ".join(f"'{word}'" for word in supported)
    return RequestError(
        f"Invalid value: '{value}'. Supported values are: {supported}.",
        code="invalid_value",
        param=param,
    )

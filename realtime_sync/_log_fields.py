"""
Filters that add to log records the connection, and the web request, they are about.

A thread of a connection knows which it belongs to, as does a function that a model
called. So what the application logs in callbacks has the ids as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs


__all__ = ["ConnectionFields", "FlaskFields", "LogFields"]

_UNKNOWN: Final = "-"  # so that a format string may name any field
_local = threading.local()


@attrs.frozen(eq=False)
class ConnectionFields:
    """
    What a log record says of a connection, as it is when the record is made.

    Args:
        connection: Returns the connection, or None; it is not kept alive.
        name: What its threads are named after.
    """

    _connection: Callable[[], Any]
    _name: str

    def bind(self) -> None:
        """Let records of this thread have the fields from now on."""
        _local.fields = self

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Let records of this thread have the fields inside."""
        before = getattr(_local, "fields", None)
        _local.fields = self
        try:
            yield
        finally:
            _local.fields = before

    def read(self) -> dict[str, str]:
        """Return the fields. Takes no lock: a record may be made with it held."""
        connection = self._connection()
        session = getattr(connection, "session", None)
        return {
            "realtime_connection": self._name,
            "realtime_session": getattr(session, "id", None) or _UNKNOWN,
            "realtime_response": getattr(connection, "active_response", None)
            or _UNKNOWN,
            "realtime_request": getattr(connection, "client_request_id", None)
            or _UNKNOWN,
        }


_NOTHING: Final = dict.fromkeys(
    (
        "realtime_connection",
        "realtime_session",
        "realtime_response",
        "realtime_request",
    ),
    _UNKNOWN,
)


class LogFields(logging.Filter):
    """
    Adds the ids of the connection that a record is about; lets every record through.

    The fields are ``realtime_connection`` (what its threads are named after),
    ``realtime_session`` and ``realtime_response`` (the service's ids), and
    ``realtime_request`` (the ``x-ms-client-request-id`` of the upgrade, which the
    service's support asks for). They are ``-`` where there is none. The loggers of this
    library have the filter; put it on a handler, so that records of the application's
    own loggers have the fields too, where they are made in callbacks and functions.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields that the record does not have."""
        fields = getattr(_local, "fields", None)
        found = _NOTHING if fields is None else fields.read()
        for name, value in found.items():
            record.__dict__.setdefault(name, value)
        return True


class FlaskFields(logging.Filter):
    """
    Adds what web request a record was made in; lets every record through.

    The fields are ``request_id`` (of the header ``X-Request-ID``), ``request_method``
    and ``request_path``, and ``-`` outside of a request. Put it on a handler. The path
    is without its query, which may hold secrets.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields."""
        from flask import has_request_context, request

        inside = has_request_context()
        record.request_id = _UNKNOWN
        record.request_method = record.request_path = _UNKNOWN
        if inside:
            record.request_id = request.headers.get("X-Request-ID") or _UNKNOWN
            record.request_method = request.method
            record.request_path = request.path
        return True

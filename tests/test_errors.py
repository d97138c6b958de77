"""Errors go from one process to another as they are."""

from __future__ import annotations

import pickle
import queue

import pytest

from realtime_sync import errors
from realtime_sync.protocol import ErrorDetails, Response, ResponseStatusDetails


HANDSHAKE = errors.HandshakeError(
    429, code="too_many", body="{}", request_ids={"x-request-id": "1"}, retry_after=2.5
)
EXAMPLES: list[errors.RealtimeError] = [
    errors.AuthenticationError(401, message="no", hint="look"),
    errors.ConnectError("no way"),
    errors.ConnectionClosed(1000, initiated_by="client"),
    errors.ConnectionClosedError(1006, "cut", initiated_by="network"),
    errors.ConnectionClosedOK(1000, initiated_by="server"),
    errors.ControlError(HANDSHAKE),
    errors.DecodeError("odd", path="$.type", payload=b"{}"),
    HANDSHAKE,
    errors.LocalProtocolError("mine"),
    errors.ProtocolError("whose"),
    errors.RealtimeError("any"),
    errors.RemoteProtocolError("yours", close_code=1009),
    errors.ResponseError(
        Response(id="r", status_details=ResponseStatusDetails(reason="content_filter"))
    ),
    errors.SendQueueFull("full"),
    errors.ServerError(ErrorDetails(type="t", code="c", message="m")),
    errors.SessionExpired(1001, "old", initiated_by="server"),
    errors.WebhookError("unsigned"),
    errors.ConnectionLost(
        errors.ConnectionClosedError(1006, "cut", initiated_by="network")
    ),
]


def test_all_are_here() -> None:
    """Each error has an example."""
    names = {type(error).__name__ for error in EXAMPLES}

    assert set(errors.__all__) == names


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_pickles(error: errors.RealtimeError) -> None:
    """A pickled error says the same, and has the same attributes and class."""
    same = pickle.loads(pickle.dumps(error))
    described = {name: str(value) for name, value in vars(error).items()}

    assert type(error) is type(same)
    assert str(error) == str(same)
    assert described == {name: str(value) for name, value in vars(same).items()}


def test_full_queue() -> None:
    """A full send queue is also a `queue.Full`."""
    assert isinstance(errors.SendQueueFull(), queue.Full)

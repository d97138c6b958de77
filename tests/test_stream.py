"""What carries bytes shows nothing of them."""

from __future__ import annotations

import socket
import traceback

import pytest

from realtime_sync._wire.proxies import Hidden
from realtime_sync._wire.stream import SocketStream


KEY = "sesame-open-4711-key"


def test_a_reset_does_not_show_what_was_sent() -> None:
    """A network that fails amid a request leaves no key in a traceback with locals."""
    near, far = socket.socketpair()
    far.close()
    with near:
        near.setblocking(False)
        stream = SocketStream(near)
        stream.put((Hidden(KEY.encode()),))
        with pytest.raises(BrokenPipeError) as failure:
            stream.flush()
        told = traceback.TracebackException.from_exception(
            failure.value, capture_locals=True
        )

    assert not [frame for frame in told.stack[1:] if KEY in str(frame.locals)]

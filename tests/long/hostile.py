"""
A hostile server with patience: what it sends a million times, and the memory it takes.

Run it by hand: ``python tests/long/hostile.py``. It takes some minutes. Memory is that
of the process as the system counts it (Linux), the server in it included.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

COUNT = 1_000_000
TOGETHER = 1000
MB = 1024 * 1024


def event(kind: str, **fields: Any) -> bytes:
    """Return a message."""
    return json.dumps({"type": kind, "event_id": "e", **fields}).encode()


def resident() -> float:
    """Return the megabytes of memory that the process has from the system."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / MB


def floods() -> dict[str, bytes]:
    """Return what is sent over and over, as frames."""
    from servers import frame

    from realtime_sync.transport import BINARY, PING, TEXT

    delta = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    item = {"type": "message", "id": "i", "role": "user", "content": []}
    error = {"type": "invalid_request_error", "message": "no"}
    return {
        "unknown events": frame(TEXT, event("x.flood", payload="x" * 200)),
        "unknown events of many types": frame(TEXT, event("x.00000000", payload="x")),
        "pings": frame(PING, b"x" * 125),
        "binary messages": frame(BINARY, b"x" * 200),
        "messages that are no JSON": frame(TEXT, b"{" * 100),
        "errors": frame(TEXT, event("error", error=error)),
        "deltas of no response": frame(
            TEXT, event("response.output_text.delta", delta="x", **delta)
        ),
        "one item, again and again": frame(
            TEXT, event("conversation.item.added", item=item)
        ),
    }


def run(name: str, data: bytes) -> None:
    """Send something a million times to a client that waits for the last of it."""
    from servers import Peer, frame, serve

    from realtime_sync import RealtimeClient
    from realtime_sync.transport import TEXT

    created = event("session.created", session={"type": "realtime", "id": "sess_1"})
    last = threading.Event()
    most: list[float] = []

    def script(peer: Peer) -> None:
        peer.accept(then=frame(TEXT, created))
        peer.sock.settimeout(60)
        peer.read_frame()
        for start in range(0, COUNT, TOGETHER):
            many = range(start, start + TOGETHER)
            peer.send(b"".join(data.replace(b"0" * 8, b"%08d" % n) for n in many))
            if start % (100 * TOGETHER) == 0:
                most.append(resident())
        peer.send(frame(TEXT, event("x.last")))
        peer.wait_eof()

    with serve(script) as server:
        client = RealtimeClient(
            server.url, "key", model="m", proxy="", reconnect=None, close_timeout=1
        )
        with client.connect() as connection:
            connection.on("x.last", _setter(last))
            before = resident()
            began = time.monotonic()
            connection.send({"type": "x.ready"})
            if not last.wait(600):
                raise TimeoutError(f"{name}: not through")
            took = time.monotonic() - began
    grown = max([*most[1:], resident()]) - before
    print(f"{name}: {COUNT} in {took:.0f} s, at most {grown:.1f} MB more", flush=True)


def _setter(last: threading.Event) -> Callable[[object], None]:
    return lambda event: last.set()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for each, content in floods().items():
        run(each, content)

"""A client of the emulator that is nobody's: plain WebSockets and JSON."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


GA = "/openai/v1/realtime?model=gpt-realtime"
TIMEOUT = 60  # seconds; nothing here takes long unless it fails
UPGRADE = (
    b"GET /openai/v1/realtime?model=m HTTP/1.1\r\nHost: x\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Peer:
    """One open WebSocket, in JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, event_type: str, **fields: Any) -> None:
        """Send an event."""
        self.socket.send(json.dumps({"type": event_type, **fields}))

    def receive(self) -> Any:
        """Return the next event."""
        return json.loads(self.socket.recv(timeout=TIMEOUT))

    def until(self, event_type: str) -> list[Any]:
        """Return the events up to one of a type."""
        events = [self.receive()]
        while events[-1]["type"] != event_type:
            events.append(self.receive())
        return events

    def hear(self, pcm: bytes) -> None:
        """Send audio."""
        for start in range(0, len(pcm), 4800):
            audio = base64.b64encode(pcm[start : start + 4800]).decode()
            self.send("input_audio_buffer.append", audio=audio)

    def ask(self, text: str) -> None:
        """Write, and ask for a response."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.send("conversation.item.create", item=item)
        self.send("response.create")


@contextmanager
def peer_of(
    emulator: RealtimeEmulator, path: str = GA, **options: Any
) -> Iterator[Peer]:
    """Open a WebSocket to *emulator* for the length of a block."""
    options.setdefault("close_timeout", 2)
    options.setdefault("max_size", None)
    # Else a client that does not read its events does not see the close either.
    options.setdefault("max_queue", None)
    with connect(
        emulator.endpoint + path,
        ssl=emulator.ssl_context(),
        open_timeout=TIMEOUT,
        proxy=None,
        **options,
    ) as socket:
        yield Peer(socket)


def quick(**options: Any) -> RealtimeEmulator:
    """Return an emulator whose service takes no time and whose voice are tones."""
    options.setdefault("settings", EmulatorSettings.instant(close_timeout=0.2))
    options.setdefault("speech", "tone")
    return RealtimeEmulator(**options)


def emulator_threads() -> list[str]:
    """Return the names of the emulators' threads that run."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("realtime-emulator")]

"""
The other side of the benchmark: a WebSocket server that costs next to nothing.

It runs in a process of its own, so that its work is nobody's CPU time here. Everything
that it sends is encoded before, and of what it receives it reads the frame headers
only. What a connection does is told by the ``model`` of its URL:

- ``receive-<kind>-<count>``: for each command, so many events, then `response.done`.
- ``command``: for each small message, an acknowledgement of clearing the buffer.
- ``send``: for each small message, one of committing it; audio is passed over.
- ``live``: a 100 ms delta every 100 ms, with the moment of sending in its event id.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit


__all__ = ["frame", "main"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_BLOB = 256 * 1024  # bytes of frames that are sent at once
_SMALL = 400  # bytes; a longer message is audio
_PERIOD = 0.1  # seconds between two deltas of a live conversation


def frame(payload: bytes) -> bytes:
    """Return a whole text frame as servers send it."""
    length = len(payload)
    if length <= 125:
        head = bytes((0x81, length))
    elif length < 1 << 16:
        head = b"\x81\x7e" + length.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + length.to_bytes(8, "big")
    return head + payload


def event(kind: str, **fields: Any) -> bytes:
    """Return the frame of a server event."""
    wire = {"type": kind, "event_id": "event_C9G8pqbTEddBSIxbBN6Os", **fields}
    return frame(json.dumps(wire, separators=(",", ":")).encode())


_SESSION = {
    "id": "sess_C9CX",
    "object": "realtime.session",
    "type": "realtime",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "expires_at": 4102444800,
}
_PLACE = {
    "response_id": "resp_C9G8p7IH2WxLbkgPNouYL",
    "item_id": "item_CCXGSizgEppa2d4XbKA7K",
    "output_index": 0,
    "content_index": 0,
}
_DONE = event(
    "response.done",
    response={
        "id": _PLACE["response_id"],
        "object": "realtime.response",
        "status": "completed",
        "output": [],
    },
)
# What is said belongs to an item, which comes before.
_SPOKEN = event(
    "conversation.item.added",
    previous_item_id=None,
    item={
        "id": _PLACE["item_id"],
        "object": "realtime.item",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    },
)
_CLEARED = event("input_audio_buffer.cleared")
_COMMITTED = event("input_audio_buffer.committed", item_id="item_1")


def audio_delta(
    size: int, event_id: str = "event_C9G", name: str = "response.output_audio"
) -> bytes:
    """Return the frame of an audio delta with so many bytes of PCM."""
    delta = base64.b64encode(bytes(i * 7 % 251 for i in range(size))).decode()
    return event(f"{name}.delta", **_PLACE, delta=delta, event_id=event_id)


def _text_delta(name: str) -> bytes:
    return event(f"{name}_transcript.delta", **_PLACE, delta="Sure, I can ")


def _item_events(count: int) -> Iterator[bytes]:
    """Yield conversation items, each behind the one before."""
    previous = None
    for number in range(count):
        item_id = f"item_{number}"
        content = [{"type": "input_text", "text": f"This is message {number}."}]
        item = {"id": item_id, "object": "realtime.item", "type": "message"}
        item |= {"status": "completed", "role": "user", "content": content}
        yield event("conversation.item.added", previous_item_id=previous, item=item)
        previous = item_id


def _blobs(kind: str, count: int) -> list[bytes]:
    """Return *count* events, several in each blob."""
    if kind == "items":
        return [b"".join(_item_events(count))]
    # Voice Live has the names of the preview.
    name = "response.audio" if kind.endswith("p") else "response.output_audio"
    kind = kind.removesuffix("p")
    if kind.endswith("ms"):  # of audio, a transcript delta for every second one
        delta = audio_delta(int(kind[:-2]) * 48, name=name)
        unit, events = delta + delta + _text_delta(name), 3
    else:
        unit, events = audio_delta(int(kind)), 1
    times = max(1, _BLOB // len(unit))
    whole, rest = divmod(max(1, count // events), times)
    return [unit * times] * whole + [unit * rest]


def _answer_to(opcode: int, masked: bytes) -> bytes:
    """Return the frame that a ping or a close frame is answered with."""
    if opcode not in (8, 9):
        return b""
    key, payload = masked[:4], masked[4:]
    plain = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return bytes((0x88 if opcode == 8 else 0x8A, len(plain))) + plain


class _Messages:
    """Finds the masked messages in what arrives, and how long each is."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield opcode, length and answer of each message that is complete."""
        data = self._data + data if self._data else data
        start, end = 0, len(data)
        while end - start >= 6:
            length, head = data[start + 1] & 0x7F, 6
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4], "big"), 8
            elif length == 127:
                length, head = int.from_bytes(data[start + 2 : start + 10], "big"), 14
            if start + head + length > end:
                break
            opcode, body = data[start] & 0x0F, start + head
            stop = body + length
            yield opcode, length, _answer_to(opcode, data[body - 4 : stop])
            start = stop
        self._data = data[start:]


def _upgrade(sock: socket.socket) -> str:
    """Answer the upgrade; return the model that the URL names."""
    request = b""
    while b"\r\n\r\n" not in request:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError("hung up during the upgrade")
        request += data
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    sock.sendall(event("session.created", session=_SESSION))
    query = parse_qs(urlsplit(request.split(b" ", 2)[1].decode()).query)
    return query["model"][0]


def _answer(sock: socket.socket, model: str) -> None:
    """Serve one connection that sends and receives as fast as it can."""
    blobs = [_COMMITTED if model == "send" else _CLEARED]
    if model.startswith("receive"):
        _, kind, count = model.split("-")
        blobs = [*_blobs(kind, int(count)), _DONE]
        if kind[0].isdigit() and kind.endswith("ms"):
            blobs.insert(0, _SPOKEN)
    messages = _Messages()
    while data := sock.recv(262_144):
        for opcode, length, answer in messages.feed(data):
            if answer:
                sock.sendall(answer)
            if opcode == 8:
                return
            if opcode == 1 and length < _SMALL:
                for blob in blobs:
                    sock.sendall(blob)


class _Live:
    """All live conversations, on one thread."""

    def __init__(self) -> None:
        self._new: list[socket.socket] = []
        self._messages: dict[socket.socket, _Messages] = {}
        frame = audio_delta(4800, f"event_{'0' * 16}")
        head, _, self._tail = frame.partition(b"0" * 16)
        self._head = head

    def add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._new.append(sock)

    def run(self) -> None:
        poll, due, number = select.poll(), time.monotonic(), 0
        by_fd: dict[int, socket.socket] = {}
        while True:
            for sock in self._new[:]:
                self._new.remove(sock)
                self._messages[sock] = _Messages()
                by_fd[sock.fileno()] = sock
                poll.register(sock, select.POLLIN)
            everyone = list(by_fd.values())
            wait = max(0.0, due - time.monotonic()) if everyone else 0.01
            for fd, _ in poll.poll(wait * 1000):
                if not self._receive(by_fd[fd]):
                    poll.unregister(fd)
                    by_fd.pop(fd).close()
            everyone = list(by_fd.values())
            if everyone and time.monotonic() >= due:
                number = (number + 1) % len(everyone)
                self._send(everyone[number])
                due = max(due + _PERIOD / len(everyone), time.monotonic() - 0.05)

    def _send(self, sock: socket.socket) -> None:
        stamp = b"%016d" % time.monotonic_ns()
        with contextlib.suppress(OSError):
            sock.send(self._head + stamp + self._tail)

    def _receive(self, sock: socket.socket) -> bool:
        try:
            while data := sock.recv(65_536):
                for opcode, _, answer in self._messages[sock].feed(data):
                    if answer:
                        sock.send(answer)
                    if opcode == 8:
                        return False
                if not isinstance(sock, ssl.SSLSocket):
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False


def _serve(sock: socket.socket, context: ssl.SSLContext | None, live: _Live) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        model = _upgrade(sock)
        if model == "live":
            live.add(sock)
            return
        _answer(sock, model)
    except OSError:
        pass  # the client has what it wants, and left
    sock.close()


def _listen(context: ssl.SSLContext | None, live: _Live) -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            args = (sock, context, live)
            threading.Thread(target=_serve, args=args, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def main(ca_file: str) -> None:
    """Serve until the standard input ends; write both ports first."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    live = _Live()
    threading.Thread(target=live.run, daemon=True).start()
    ports = {"ws": _listen(None, live), "wss": _listen(context, live)}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])

"""
What is fuzzed: everything that takes bytes of strangers.

Each target takes bytes and returns. It lets those exceptions through that its part of
the library documents; any other one is a finding, as is a broken promise (`assert`).
The inputs that once were findings are in ``tests/corpus``, by target.
"""

# ruff: noqa: PT017 (what an exception says is a part of what is promised)

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from realtime_sync._channel.absorber import Absorber
from realtime_sync._channel.acknowledgements import Acknowledgements
from realtime_sync._channel.dispatcher import Dispatcher
from realtime_sync._channel.monitor import Monitor
from realtime_sync._channel.send_queue import SendQueue
from realtime_sync._connection.rate_limits import RateLimits
from realtime_sync._conversation.restore import restoration
from realtime_sync._deadline import Deadline
from realtime_sync._logging import log_event
from realtime_sync._recovery.memory import Memory
from realtime_sync._responses.router import ResponseRouter
from realtime_sync._wire.frames import CLOSE, FrameReader
from realtime_sync._wire.upgrade import UpgradeSocket
from realtime_sync.conversation import Conversation
from realtime_sync.emulator import EmulatorSettings, ManualClock, Session, ToneSpeech
from realtime_sync.endpoints import resolve_endpoint
from realtime_sync.errors import (
    ConnectError,
    DecodeError,
    RemoteProtocolError,
    ResponseError,
    WebhookError,
)
from realtime_sync.playback import Playback
from realtime_sync.protocol._model import Model
from realtime_sync.protocol.codec import (
    decode_client_event,
    decode_server_event,
    encode,
)
from realtime_sync.recording import RecordingError, read_recording
from realtime_sync.timeline import timeline
from realtime_sync.usage import UsageMeter
from realtime_sync.webhooks import parse_webhook, webhook_signature


__all__ = ["CORPUS", "TARGETS", "seeds"]

TESTS = Path(__file__).parents[1]
CORPUS = TESTS / "corpus"
SECRET = "whsec_" + "c2VzYW1lLW9wZW4tNDcxMQ=="
_LARGEST = 1 << 16  # bytes of a message
_TONES = ToneSpeech()
_logger = logging.getLogger("tests.fuzz")


def decode(data: bytes) -> None:
    """A message is an event, which can be shown, logged and written again; or none."""
    for dialect in ("ga", "preview"):
        for decoder in (decode_server_event, decode_client_event):
            try:
                event: Model = decoder(data, dialect)  # type: ignore[operator]
            except DecodeError as exc:
                assert len(str(exc)) < 10_000
                continue
            assert len(repr(event)) < 20 * len(data) + 1000
            log_event(_logger, "<", event, content=True)
            again = encode(event)
            if dialect == "ga":
                assert event == decoder(again)  # type: ignore[operator]
            else:
                encode(event, "preview")


def frames(data: bytes) -> None:
    """Frames are the same however they are cut, and take no more room than allowed."""
    cut = data[0] + 1 if data else 1
    whole = _read_frames(data, len(data) + 1)

    assert whole == _read_frames(data, cut)
    assert whole == _read_frames(data, 1)


def _read_frames(data: bytes, piece: int) -> tuple[list[Any], str | None]:
    reader = FrameReader(_LARGEST)
    found: list[Any] = []
    broken = None
    try:
        for start in range(0, len(data), piece):
            rest = data[start : start + piece]
            while rest:
                room = reader.room()
                count = min(len(room), len(rest))
                room[:count] = rest[:count]
                reader.filled(count)
                rest = rest[count:]
                while taken := reader.take():
                    found += taken
                    if found[-1][0] == CLOSE:
                        return found, None
                assert len(reader._buffer) <= 5 * _LARGEST
    except RemoteProtocolError as exc:
        broken = str(exc)
    return found, broken


def state(data: bytes) -> None:
    """Whatever a server says, in whatever order, the state takes it and stays whole."""
    monitor, dispatcher = Monitor(), Dispatcher()
    faults: list[Exception] = []
    dispatcher.report = faults.append  # type: ignore[method-assign]
    absorber = Absorber(monitor, dispatcher, "ga", log_content=False)
    acknowledgements = Acknowledgements(monitor)
    queue = SendQueue(1 << 20)
    memory = Memory(absorber, acknowledgements, queue, "ga")
    memory.conversation = conversation = Conversation(monitor)
    memory.responses = router = ResponseRouter(monitor, lambda _: None, resumes=True)
    playback = Playback(_Nobody(), monitor=monitor)
    conversation._keep_audio()
    meter, limits = UsageMeter(monitor), RateLimits(monitor)
    absorber.register(playback._handlers())
    absorber.register(conversation._handlers())
    for part in (meter, limits, router, acknowledgements):
        absorber.register(part.handlers())  # type: ignore[attr-defined]
    absorber.register(memory.handlers())
    streams = router.responses(0)
    for line in data.split(b"\n"):
        absorber.absorb(line)
    assert all(isinstance(fault, DecodeError) for fault in faults), faults

    _look(conversation, meter, limits)
    playback.interrupt()
    with contextlib.suppress(TimeoutError):
        for stream in streams:
            repr(stream)
            with contextlib.suppress(TimeoutError, ResponseError):
                repr(stream.result(0))
    memory.remember()


def _look(conversation: Conversation, meter: UsageMeter, limits: RateLimits) -> None:
    repr(conversation), str(conversation), repr(list(conversation))
    conversation.to_markdown()
    restoration(json.loads(conversation.to_json()))
    repr(meter.totals), repr(limits.current)


class _Nobody:
    """A connection that swallows what is sent."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def emulator(data: bytes) -> None:
    """Whatever clients send, the emulated service answers with events."""
    dialect = "preview" if data[:1] == b"p" else "ga"
    ids = iter(range(10**9))
    session = Session(
        settings=EmulatorSettings.instant(),
        clock=ManualClock(),
        new_id=lambda prefix: f"{prefix}_{next(ids)}",
        speech=lambda: _TONES,
        replies=lambda turn: "Oslo.",
        dialect=dialect,
    )
    answers = session.start()
    for line in data[1:].split(b"\n"):
        answers += session.receive_message(line)
        for _ in range(3):
            for work in session.take_work():
                answers += session.complete(work.run())
        answers += session.advance()
    for answer in answers[:200]:
        encode(answer, dialect)  # type: ignore[arg-type]


def recording(data: bytes) -> None:
    """A file is a recording, or refused as none; the same for what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.jsonl"
        path.write_bytes(data)
        try:
            entries = list(read_recording(path))
        except RecordingError:
            return
        for entry in entries:
            repr(entry)
            try:
                getattr(entry, "event", None)
            except (DecodeError, RecordingError):
                continue
        try:
            timeline(path).summary()
        except RecordingError:
            return


def snapshot(data: bytes) -> None:
    """A JSON object is a snapshot that can be restored, or refused as none."""
    try:
        taken = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(taken, dict):
        return
    try:
        plan = restoration(taken)
        str(plan)
        for event in plan.events:
            encode(event)  # JSON may hold strings that are no Unicode
    except (ValueError, DecodeError):
        return


def webhook(data: bytes) -> None:
    """A webhook is what was signed, and anything else a `WebhookError`."""
    now = 1_700_000_000
    headers = {
        "webhook-id": "wh_1",
        "webhook-timestamp": str(now),
        "webhook-signature": webhook_signature(
            data, webhook_id="wh_1", timestamp=now, secret=SECRET
        ),
    }
    for body, wanted in ((data, headers), (b"{}", _as_headers(data))):
        try:
            repr(parse_webhook(body, wanted, SECRET, now=now))
        except WebhookError as exc:
            assert SECRET not in str(exc)


def _as_headers(data: bytes) -> Mapping[str, str]:
    values = (data.decode("utf-8", "replace") + "\n\n").split("\n")
    names = ("webhook-id", "webhook-timestamp", "Webhook-Signature")
    return dict(zip(names, values, strict=False))


def url(data: bytes) -> None:
    """What is pasted is an endpoint, or a `ValueError` that does not repeat it."""
    pasted, _, model = data.decode("utf-8", "surrogateescape").partition("\0")
    try:
        endpoint = resolve_endpoint(pasted, model=model or None)
    except ValueError as exc:
        assert not re.search(r"[=:]hunter2", str(exc)) or "hunter2" in model
        return
    assert endpoint.url.startswith(("ws://", "wss://"))
    assert endpoint.url.isascii()
    assert not set(" \r\n\t\0#") & set(endpoint.url)
    assert endpoint == resolve_endpoint(endpoint.url, model=endpoint.model)


class _Answer:
    """A line whose other end has said everything at once, and then hangs up."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.deadline = Deadline(5.0)
        self.step = ""

    def sendall(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self._data.read(size)


def upgrade(data: bytes) -> None:
    """Whatever answers the upgrade is taken for one, or is a `ConnectError`."""
    sock = UpgradeSocket(_Answer(data), {"api-key": "hunter2"})  # type: ignore[arg-type]
    sock.send(b"GET / HTTP/1.1\r\n\r\n")
    started = time.monotonic()
    try:
        while sock.recv(1024):
            pass
    except ConnectError as exc:
        assert "hunter2" not in str(exc) + repr(exc)
        assert len(str(exc)) < 100_000
    assert time.monotonic() - started < 5


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        decode,
        emulator,
        frames,
        recording,
        snapshot,
        state,
        upgrade,
        url,
        webhook,
    )
}


# Where to begin


def _samples(*folders: str) -> Iterator[bytes]:
    for folder in folders:
        for path in sorted((TESTS / "wire" / folder).glob("*.json")):
            payload = json.loads(path.read_bytes())
            yield json.dumps(payload, separators=(",", ":")).encode()


def _item(**content: Any) -> dict[str, Any]:
    return {"type": "message", "id": "item_1", "role": "user", "content": [content]}


_URLS = (
    "https://my-resource.openai.azure.com",
    "wss://api.openai.com/v1/realtime?model=gpt-realtime",
    "https://x.openai.azure.com/openai/realtime?api-version=2025-04-01-preview"
    "&deployment=d",
    "https://x.openai.azure.com/openai/deployments/d/realtime?api-key=hunter2",
    "http://u:hunter2@localhost:8080/openai/v1/realtime?call_id=rtc_1",
    "ws://[::1]:80/\0gpt-realtime",
    "https://x.services.ai.azure.com/api/projects/p",
)
_ANSWERS = (
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nSet-Cookie: a=b\r\n\r\n\x81\x00",
    b"HTTP/1.1 401 No\r\nContent-Length: 30\r\nRetry-After: 1\r\n\r\n"
    b'{"error":{"code":"401","message":"no"}}',
    b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://u:p@elsewhere/\r\n\r\n",
)


@functools.cache
def seeds(name: str) -> list[bytes]:
    """Return inputs of a target that are right, to begin with."""
    if name == "decode":
        return list(_samples("server", "client", "preview", "translation"))
    if name == "state":
        server = list(_samples("server"))
        return [*server, b"\n".join(server), b"\n".join(reversed(server))]
    if name == "emulator":
        client = list(_samples("client"))
        return [b"g" + b"\n".join(client), *(b"g" + each for each in client)]
    if name == "frames":
        return [b"\x00\x81\x02hi", b"\x05\x01\x01h\x80\x01i\x89\x00\x88\x02\x03\xe8"]
    if name == "recording":
        return [each.read_bytes() for each in (TESTS / "recordings").glob("*.jsonl")]
    if name == "snapshot":
        items = [{"item": _item(type="input_text", text="hi")}]
        taken = {"version": 1, "conversation_id": "conv_1", "items": items}
        return [json.dumps(taken).encode()]
    if name == "upgrade":
        return list(_ANSWERS)
    if name == "url":
        return [each.encode() for each in _URLS]
    data = {"call_id": "rtc_1", "sip_headers": [{"name": "From", "value": "x"}]}
    incoming = {"type": "realtime.call.incoming", "id": "e", "created_at": 1}
    return [json.dumps({**incoming, "data": data}).encode(), b"wh_1\n1700000000\nv1,x"]

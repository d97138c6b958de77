"""The lines of a recording: one for what was captured, without what must not be in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, Literal

import attrs
import orjson

from ..errors import ConnectionClosed
from ..protocol._codec_base64 import from_base64
from ..protocol._model import Model
from ..protocol.codec import unstructure
from .format import AUDIO_FIELDS, Direction
from .intake import Captured
from .redaction import drop_nested_audio, drop_nested_images, redact


__all__ = ["AudioMode", "Line", "LineMaker", "Redact", "wall_text"]

AudioMode = Literal["inline", "wav"] | None
"""Where streamed audio goes: into the lines, beside them, or nowhere."""

Redact = Callable[[dict[str, Any]], "dict[str, Any] | None"]
"""Takes an event in wire form; returns what to write of it, or None for nothing."""


@attrs.frozen(kw_only=True)
class Line:
    """
    A line to be written.

    Attributes:
        start: The line up to where it says where its audio is.
        payload: The message as it was, if it is an event.
        audio: Streamed audio that goes beside it, or is left out; None if none does.
        direction: Of the message.
    """

    start: bytes
    payload: dict[str, Any] | None = None
    audio: bytes | None = None
    direction: Direction | None = None


@attrs.frozen(kw_only=True)
class LineMaker:
    """
    Makes lines of what was captured.

    Attributes:
        audio: Where streamed audio goes.
        images: Whether images stay in.
        redact: What else is to be changed or dropped.
    """

    audio: AudioMode
    images: bool
    redact: Redact | None

    def make(self, captured: Captured, time: float, wall: float) -> Line | None:
        """
        Return the line of *captured*; None if it is to be dropped.

        Args:
            captured: What happened.
            time: Seconds since the recording began.
            wall: Seconds since 1970.
        """
        stamp = f'{{"time":{time:.6f},"wall":"{wall_text(wall)}",'.encode()
        if captured.kind == "sent" or captured.kind == "received":
            return self._message(stamp, captured.kind, captured.data)
        if captured.kind == "gap":
            events, size = captured.data
            return Line(start=stamp + _field("gap", {"events": events, "bytes": size}))
        if captured.kind == "notice":
            return Line(start=stamp + _field("notice", _notice(captured.data)))
        if isinstance(captured.data, ConnectionClosed):
            return Line(start=stamp + _field("end", _ending(captured.data)))
        return None

    def clean(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return an event as it may be written; the same object if nothing changed."""
        try:
            payload = redact(payload)
            if self.audio is None:
                payload = _keep_streamed(payload)
            if not self.images:
                payload = drop_nested_images(payload)
        except RecursionError:  # so nothing is known of what is in it
            payload = _too_deep(payload)
        return payload if self.redact is None else self.redact({**payload})

    def _message(
        self, stamp: bytes, direction: Direction, message: bytes
    ) -> Line | None:
        stamp += b'"direction":"%s",' % direction.encode()
        try:
            payload = _loads(message)
        except ValueError:
            text = redact(bytes(message).decode("utf-8", "replace"))
            return Line(start=stamp + _field("text", text), direction=direction)
        clean = self.clean(payload)
        if clean is None:
            return None
        audio = None
        if self.audio != "inline" and clean.get("type") in AUDIO_FIELDS:
            clean, audio = _take_audio(clean)
        if clean is payload and isinstance(message, bytes):
            # As it was. JSON may hold line breaks, but only where they mean nothing.
            body = message.replace(b"\r", b" ").replace(b"\n", b" ")
        else:
            body = _dumps(clean)
        start = stamp + b'"event":' + body
        return Line(start=start, payload=payload, audio=audio, direction=direction)


def _loads(message: bytes) -> dict[str, Any]:
    """Return the event of *message*; raises ValueError if it is none."""
    payload = orjson.loads(message)
    if type(payload) is not dict or type(payload.get("type")) is not str:
        raise ValueError("this is no event")
    return payload


def _dumps(event: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError as exc:
        # It reads 1,024 levels and writes 254, and Python 3.13 may search them all.
        if "Recursion" not in str(exc):
            raise
        return orjson.dumps(_too_deep(event))


def _too_deep(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": event.get("type"), "nested": "too deeply"}


def wall_text(wall: float) -> str:
    """Return seconds since 1970 as a time of day in UTC (ISO 8601)."""
    second, micros = divmod(round(wall * 1_000_000), 1_000_000)
    return f"{_second_text(second)}.{micros:06d}+00:00"


@lru_cache(maxsize=2)  # many events fall into one second
def _second_text(second: int) -> str:
    moment = datetime.fromtimestamp(second, timezone.utc)
    return moment.replace(tzinfo=None).isoformat()


def _field(name: str, value: Any) -> bytes:
    return b'"%s":%s' % (name.encode(), orjson.dumps(value))


def _ending(error: ConnectionClosed) -> dict[str, Any]:
    return {
        "code": error.code,
        "reason": redact(error.reason),
        "initiated_by": error.initiated_by,
    }


def _notice(event: Any) -> dict[str, Any]:
    fields = {}
    for field in attrs.fields(type(event)) if attrs.has(type(event)) else ():
        if field.name in ("event_id", "extra"):  # of the wire, where it never was
            continue
        value = getattr(event, field.name)
        if isinstance(value, Model):
            value = unstructure(value)
        fields[field.name] = orjson.loads(orjson.dumps(value, default=str))
    return {"name": type(event).__name__, "fields": redact(fields)}


def _keep_streamed(payload: dict[str, Any]) -> dict[str, Any]:
    """Drop the audio of items; that of the stream is taken out with its size."""
    if payload.get("type") in AUDIO_FIELDS:
        return payload
    return dict(drop_nested_audio(payload))


def _take_audio(payload: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    name = AUDIO_FIELDS[payload["type"]]
    text = payload.get(name)
    if not isinstance(text, str):
        return payload, None
    try:
        audio = from_base64(text)
    except ValueError:  # whatever it is, it is no audio
        return payload, None
    return {**payload, name: ""}, audio

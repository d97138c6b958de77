"""
What a recording consists of: its header, its entries, and the version of its form.

A recording is JSON lines. The first line of each of its files is the header; every
other line has ``time`` (seconds on a monotonic clock since the recording began), and
``wall`` (the time of day in UTC), and one of these:

- ``event`` and ``direction`` (``sent`` or ``received``): a message as it was on the
  wire. With ``audio`` beside it, the audio is elsewhere or was left out.
- ``text`` and ``direction``: a message that is no JSON object.
- ``notice``: something that happened on this side, such as a reconnect.
- ``gap``: messages that were not written, for the disk was too slow.
- ``end``: how the connection ended.

Readers skip lines of a kind that they do not know. So a later version of the library
may add kinds of lines and fields under the same `FORMAT`; a larger one says that an
older reader would get things wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import attrs
import orjson

from ..errors import RealtimeError
from ..protocol._model import ClientEvent, ServerEvent
from ..protocol.codec import Dialect, decode_client_event, decode_server_event


__all__ = [
    "AUDIO_FIELDS",
    "FORMAT",
    "FORMAT_KEY",
    "Direction",
    "Ending",
    "Entry",
    "Gap",
    "Notice",
    "RecordedEvent",
    "RecordingError",
]

FORMAT = 1
"""The version of the form that is written, and the newest that is read."""

FORMAT_KEY = "realtime_sync_recording"
"""The field of the header that holds the version."""

Direction = Literal["sent", "received"]
"""Which way a message went, as the client sees it."""

AUDIO_FIELDS: Mapping[str, str] = {
    "input_audio_buffer.append": "audio",
    "session.input_audio_buffer.append": "audio",
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",
    "session.output_audio.delta": "delta",
}
"""The field of the audio in the events that stream it, by wire type."""


class RecordingError(RealtimeError, ValueError):
    """A file is no recording, is damaged, or was written by a later version."""


RecordingError.__module__ = "realtime_sync.recording"  # as users import it


@attrs.frozen(kw_only=True)
class RecordedEvent:
    """
    A message that was sent or received.

    Attributes:
        time: Seconds since the recording began.
        wall: The time of day, in UTC.
        direction: ``"sent"`` or ``"received"``.
        type: The wire type; empty if the message was no event.
        audio_bytes: Bytes of streamed audio in it, also if they were left out.
        dialect: What was spoken.
    """

    time: float
    wall: datetime
    direction: Direction
    type: str
    audio_bytes: int = 0
    dialect: Dialect = attrs.field(default="ga", repr=False)
    _fields: Mapping[str, Any] = attrs.field(repr=False)
    _text: str | None = attrs.field(default=None, repr=False)
    _fetch_audio: Callable[[], str] | None = attrs.field(default=None, repr=False)

    @property
    def payload(self) -> Mapping[str, Any]:
        """
        The event as a mapping in wire form; empty if the message was none.

        Raises:
            RecordingError: Its audio is in a WAV file that is not there any more.
        """
        if self._fetch_audio is None:
            return self._fields
        return {**self._fields, AUDIO_FIELDS[self.type]: self._fetch_audio()}

    @property
    def message(self) -> bytes:
        """
        The message in wire form.

        Raises:
            RecordingError: Its audio is in a WAV file that is not there any more.
        """
        if self._text is not None:
            return self._text.encode()
        return orjson.dumps(self.payload)

    @property
    def event(self) -> ServerEvent | ClientEvent:
        """
        The event, decoded as a connection does it.

        Raises:
            DecodeError: It breaks the form of its type.
        """
        if self.direction == "sent":
            return decode_client_event(self.message, self.dialect)
        return decode_server_event(self.message, self.dialect)


@attrs.frozen(kw_only=True)
class Notice:
    """
    Something that happened on this side and was never on the wire.

    Attributes:
        time: Seconds since the recording began.
        wall: The time of day, in UTC.
        name: The name of the event's class, such as ``Reconnected``.
        fields: What it said, as plain JSON types.
    """

    time: float
    wall: datetime
    name: str
    fields: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Gap:
    """
    Messages that are missing, because they came faster than they could be written.

    Attributes:
        time: Seconds since the recording began.
        wall: The time of day, in UTC.
        events: How many.
        bytes: How many bytes they had together.
    """

    time: float
    wall: datetime
    events: int
    bytes: int


@attrs.frozen(kw_only=True)
class Ending:
    """
    How the connection ended.

    Attributes:
        time: Seconds since the recording began.
        wall: The time of day, in UTC.
        code: The close code (RFC 6455, 7.4).
        reason: The reason that came with it.
        initiated_by: ``"client"``, ``"server"`` or ``"network"``.
    """

    time: float
    wall: datetime
    code: int
    reason: str
    initiated_by: str


Entry = RecordedEvent | Notice | Gap | Ending

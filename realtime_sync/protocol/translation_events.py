"""
The events of translation sessions, which are a world of their own.

Speech goes in and its translation comes out, steadily and without turns, items or
responses. Both directions are PCM: 16 bits, little-endian, mono, 24000 Hz.

`SessionUpdate`, `SessionCreated` and `SessionUpdated` occur here as well, with a
`TranslationSession`, and so does `ErrorEvent`. The rest of the usual events does not.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from ._model import UNSET, ClientEvent, Maybe, ServerEvent
from .client_events import SessionUpdate
from .server_events import ErrorEvent, SessionCreated, SessionUpdated


__all__ = [
    "TRANSLATION_CLIENT_EVENTS",
    "TRANSLATION_SERVER_EVENTS",
    "SessionClose",
    "SessionClosed",
    "SessionInputAudioBufferAppend",
    "SessionInputTranscriptDelta",
    "SessionOutputAudioDelta",
    "SessionOutputTranscriptDelta",
]


# What the client says


@attrs.define(kw_only=True, repr=False, eq=False)  # open: `ResponseOutputAudioDelta`
class SessionInputAudioBufferAppend(ClientEvent):
    """
    Add speech to translate. There is no answer.

    The translator works in steps of 200 ms (9,600 bytes); other lengths are cut or
    wait. Go on with silence while nobody speaks, so that the translation keeps time.

    Attributes:
        audio: Audio as PCM.
    """

    type: ClassVar[str] = "session.input_audio_buffer.append"

    audio: bytes


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionClose(ClientEvent):
    """
    End the session once everything is translated.

    What is left of the translation comes first, then `SessionClosed`.
    """

    type: ClassVar[str] = "session.close"


# What the server says


@attrs.define(kw_only=True, repr=False, eq=False)  # open: `ResponseOutputAudioDelta`
class SessionInputTranscriptDelta(ServerEvent):
    """
    A piece of what was said, if the session transcribes its input.

    Attributes:
        delta: Text to append to what came before, without a space in between.
        elapsed_ms: Where in the session it belongs, in milliseconds.
    """

    type: ClassVar[str] = "session.input_transcript.delta"

    delta: str
    elapsed_ms: Maybe[int] = UNSET


@attrs.define(kw_only=True, repr=False, eq=False)  # open: `ResponseOutputAudioDelta`
class SessionOutputTranscriptDelta(ServerEvent):
    """
    A piece of the translation in words.

    Attributes:
        delta: Text to append to what came before, without a space in between.
        elapsed_ms: Where in the session it belongs, in milliseconds.
    """

    type: ClassVar[str] = "session.output_transcript.delta"

    delta: str
    elapsed_ms: Maybe[int] = UNSET


@attrs.define(kw_only=True, repr=False, eq=False)  # open: `ResponseOutputAudioDelta`
class SessionOutputAudioDelta(ServerEvent):
    """
    A piece of the translation in sound. Pieces differ in length.

    Attributes:
        delta: Audio as PCM, decoded.
        format: How it is encoded: ``pcm16``.
        sample_rate: Samples per second in Hz: 24000.
        channels: The number of channels: 1.
        elapsed_ms: Where in the session it belongs, in milliseconds.
    """

    type: ClassVar[str] = "session.output_audio.delta"

    delta: bytes
    format: Maybe[str] = UNSET
    sample_rate: Maybe[int] = UNSET
    channels: Maybe[int] = UNSET
    elapsed_ms: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionClosed(ServerEvent):
    """The answer to `SessionClose`: the session is over. The last event."""

    type: ClassVar[str] = "session.closed"


TRANSLATION_CLIENT_EVENTS: Final[Mapping[str, type[ClientEvent]]] = {
    cls.type: cls
    for cls in (SessionUpdate, SessionInputAudioBufferAppend, SessionClose)
}
"""The classes of the client's events, by their type on the wire."""

TRANSLATION_SERVER_EVENTS: Final[Mapping[str, type[ServerEvent]]] = {
    cls.type: cls
    for cls in (
        SessionCreated,
        SessionUpdated,
        SessionInputTranscriptDelta,
        SessionOutputTranscriptDelta,
        SessionOutputAudioDelta,
        SessionClosed,
        ErrorEvent,
    )
}
"""The classes of the server's events, by their type on the wire."""

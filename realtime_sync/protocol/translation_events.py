"""TODO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from ._model import UNSET, ClientEvent, Maybe, ServerEvent


@attrs.define(kw_only=True, repr=False)
class SessionInputAudioBufferAppend(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "session.input_audio_buffer.append"

    audio: bytes


@attrs.frozen(kw_only=True, repr=False)
class SessionClose(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "session.close"


@attrs.frozen(kw_only=True, repr=False)
class SessionClosed(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.closed"


@attrs.define(kw_only=True, repr=False)
class SessionInputTranscriptDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.input_transcript.delta"

    delta: str
    elapsed_ms: Maybe[int] = UNSET


@attrs.define(kw_only=True, repr=False)
class SessionOutputAudioDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.output_audio.delta"

    delta: bytes
    channels: Maybe[int] = UNSET
    elapsed_ms: Maybe[int] = UNSET
    format: Maybe[str] = UNSET
    sample_rate: Maybe[int] = UNSET


@attrs.define(kw_only=True, repr=False)
class SessionOutputTranscriptDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.output_transcript.delta"

    delta: str
    elapsed_ms: Maybe[int] = UNSET


TRANSLATION_CLIENT_EVENTS: Final[Mapping[str, type[ClientEvent]]] = {
    "session.input_audio_buffer.append": SessionInputAudioBufferAppend,
    "session.close": SessionClose,
}

TRANSLATION_SERVER_EVENTS: Final[Mapping[str, type[ServerEvent]]] = {
    "session.closed": SessionClosed,
    "session.input_transcript.delta": SessionInputTranscriptDelta,
    "session.output_audio.delta": SessionOutputAudioDelta,
    "session.output_transcript.delta": SessionOutputTranscriptDelta,
}

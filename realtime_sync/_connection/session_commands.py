"""The commands of every session, and of those that have an input audio buffer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar, cast

from .._channel.commands import new_event_id
from .._channel.lanes import Lane
from .._checks import check_choice, not_this
from ..audio import (
    G711_RATE,
    SAMPLE_RATE,
    alaw_encode,
    frames,
    load_audio,
    paced,
    ulaw_encode,
)
from ..audio.loading import is_stream
from ..errors import DecodeError
from ..protocol._model import Model
from ..protocol.client_events import (
    InputAudioBufferClear,
    InputAudioBufferCommit,
    SessionUpdate,
)
from ..protocol.codec import encode_append, structure
from ..protocol.server_events import (
    InputAudioBufferCommitted,
    SessionUpdated,
)
from ..protocol.session_audio import AudioPcma, AudioPcmu
from ..protocol.sessions import (
    RealtimeSession,
    Session,
)
from .base import DEFAULT_TIMEOUT, BaseConnection
from .input_audio import AudioSplitter
from .progress import reporting


__all__ = ["AudioCommands", "AudioInput", "SessionCommands", "as_model"]

logger = logging.getLogger("realtime_sync.connection")

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=Session)

_ENCODERS: Mapping[type, Callable[[bytes], bytes]] = {
    AudioPcmu: ulaw_encode,
    AudioPcma: alaw_encode,
}


class SessionCommands(BaseConnection, Generic[S]):
    """The commands that every kind of session has."""

    _session_class: type[Any] = RealtimeSession

    @property
    def session(self) -> S:
        """The session as the server last described it."""
        return cast("S", super().session)

    def update_session(
        self,
        session: S | Mapping[str, Any],
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> S:
        """
        Change the session; wait until the server has done so.

        Fields that are absent stay as they are. None turns off what can be turned off,
        such as turn detection.

        Args:
            session: The fields to change, as an object or a mapping in wire form.
            timeout: Seconds to wait.

        Returns:
            The whole session as it now is.

        Raises:
            TypeError, ValueError: It is no session in wire form; nothing was sent.
            ServerError: The server refused; nothing was changed.
            TimeoutError: The server did not answer in time.
            SendQueueFull: It could not be sent in time; nothing was.
            ConnectionClosed: The connection has ended.
        """
        model = self._session_model(session)
        session = model  # a mapping may hold keys of tools, and tracebacks show locals
        event = SessionUpdate(event_id=new_event_id(), session=model)
        updated = cast("SessionUpdated", self._command(event, timeout))
        return cast("S", updated.session)

    def _session_model(self, session: S | Mapping[str, Any]) -> Any:
        if isinstance(session, Mapping):
            # The service insists on the type, which is known here.
            session = {"type": self._session_class.type, **session}
        return as_model(session, self._session_class, "session")


class AudioInput(SessionCommands[S]):
    """What every session has that takes audio."""

    def _register_handlers(self) -> None:
        self._splitter = AudioSplitter()
        super()._register_handlers()

    def append_input_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
    ) -> None:
        """Queue audio in the session's input format; see the subclasses."""
        raise NotImplementedError

    def append_audio(
        self,
        source: Any,
        *,
        source_rate: int | None = None,
        pace: Literal["realtime"] | None = None,
        progress: Callable[[int], object] | bool = False,
        timeout: float | None = None,
    ) -> None:
        """
        Queue a recording for the input audio buffer, in the format that it takes.

        Args:
            source: What `realtime_sync.audio.frames()` takes: a path, bytes or an open
                file of a WAV file or of raw PCM, a numpy array, an `Audio`, or an
                iterable of PCM pieces, such as a `Microphone`.
            source_rate: The sampling rate in Hz of raw PCM and arrays; that of raw PCM
                is 24,000 unless stated.
            pace: "realtime" to take as long as the recording does, which turn detection
                by the server needs; None to send as fast as the network takes it.
            progress: Is called with the milliseconds of audio queued so far, after each
                100 ms; True shows a bar where tqdm is installed.
            timeout: Seconds to wait for space in the queue, for each 100 ms.

        Raises:
            TypeError: It is nothing that holds audio.
            ValueError: It is no audio, its rate is not known, or there is no such pace.
            OSError: It cannot be read.
            SendQueueFull: The queue stayed full.
            ConnectionClosed: The connection has ended.
        """
        check_choice("pace", pace, ("realtime", None))
        encode_audio = self._input_encoder()
        rate = SAMPLE_RATE if encode_audio is None else G711_RATE
        total_ms = None
        if not is_stream(source):
            source = load_audio(source, rate, source_rate=source_rate)
            total_ms = source.duration_ms
        pieces: Iterable[bytes] = frames(
            source, ms=100, rate=rate, source_rate=source_rate
        )
        if pace:
            pieces = paced(pieces, rate=rate)
        if progress:
            pieces = reporting(pieces, rate, progress, total_ms)
        for piece in pieces:
            data = piece if encode_audio is None else encode_audio(piece)
            self.append_input_audio(data, timeout=timeout)

    def _input_encoder(self) -> Callable[[bytes], bytes] | None:
        """Return what makes the input format of PCM at 8 kHz; None if PCM it is."""
        return None


class AudioCommands(AudioInput[S]):
    """The commands of sessions that have an input audio buffer."""

    def append_input_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
    ) -> None:
        """
        Queue audio for the input audio buffer; block while the send queue is full.

        The server does not acknowledge it. Any length goes: it is cut into pieces of at
        most a second, and a sample that arrives in halves is kept together.

        Args:
            audio: Mono audio in the session's input format, by default 16-bit
                little-endian PCM of 24,000 Hz. Any contiguous bytes-like object.
            timeout: Seconds to wait for space in the queue; None for ever.

        Raises:
            TypeError: It is not bytes-like.
            ValueError: It is a WAV file; `append_audio()` takes those.
            SendQueueFull: The queue stayed full.
            ConnectionClosed: The connection has ended.
        """
        for piece in self._splitter.split(audio, self._sample_bytes()):
            self._put(encode_append(piece), Lane.AUDIO, timeout)

    def commit_input_audio(
        self, *, timeout: float | None = DEFAULT_TIMEOUT
    ) -> InputAudioBufferCommitted:
        """
        Make the buffered audio an item of the conversation; wait until it is one.

        Returns:
            The server's acknowledgement, with the id of the item.

        Raises:
            ServerError: The server refused, for one because the buffer holds less than
                100 ms of audio.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        if self._splitter.reset():
            logger.warning("half a sample at the end of the input audio was dropped")
        event = InputAudioBufferCommit(event_id=new_event_id())
        return cast("InputAudioBufferCommitted", self._command(event, timeout))

    def clear_input_audio(self, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """
        Empty the input audio buffer, and drop the audio still queued for it.

        Raises:
            ServerError: The server refused.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        self._splitter.reset()
        self._command(InputAudioBufferClear(event_id=new_event_id()), timeout)

    def _sample_bytes(self) -> int:
        return 2 if self._input_encoder() is None else 1

    def _input_encoder(self) -> Callable[[bytes], bytes] | None:
        """Return what makes the input format of PCM at 8 kHz; None if PCM it is."""
        audio = getattr(self.session, "audio", None)
        audio_input = audio.input if audio else None
        return _ENCODERS.get(type(audio_input.format)) if audio_input else None


def as_model(value: M | Mapping[str, Any], cls: type[M], name: str) -> M:
    """
    Return *value* as an object, whichever of the two forms it has.

    Args:
        value: The object, or a mapping in wire form.
        cls: The class of the object.
        name: What it is, for messages.

    Raises:
        TypeError: It is neither.
        ValueError: The mapping is not in wire form.
    """
    if isinstance(value, Mapping):
        try:
            return structure(value, cls)
        except DecodeError as exc:  # it speaks of the other side's messages
            raise ValueError(f"the {name} is not in wire form: {exc}") from exc
    if not isinstance(value, Model):
        raise not_this(f"the {name} is an object or a mapping in wire form", value)
    return value

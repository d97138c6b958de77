"""The input audio buffer, and the turn detection that commits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import (
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    SemanticVad,
    ServerVad,
    SessionAudioInput,
)
from ._core import Core
from ._errors import RequestError, invalid_value
from ._sound import BYTES_PER_MS, WireDecoder
from ._turns import Paused, Started, Stopped, TurnDetector
from .speech import Speech


__all__ = ["InputBuffer"]

_UNFINISHED = frozenset(
    ["um", "uh", "uhm", "er", "hmm", "and", "but", "or", "so", "because", "the"]
)


class InputBuffer:
    """
    Audio that was written and not yet committed.

    Args:
        core: What the session's parts share.
        speech: Returns what hears; called when it is first needed.
        commit: Makes an item of audio: called with its id and its PCM.
        started: Called when a user begins to speak and interrupts.
        stopped: Called after the commit of a turn that asks for a response.
    """

    def __init__(
        self,
        core: Core,
        speech: Callable[[], Speech],
        *,
        commit: Callable[[str, bytes], None],
        started: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        self._core = core
        self._speech = speech
        self._commit = commit
        self._started = started
        self._stopped = stopped
        self._pcm = bytearray()
        self._origin_ms = 0.0  # of the first byte of _pcm, since the session's start
        self._half = b""  # half a sample, until the other half is in
        self._format: Any = None
        self._decoder = WireDecoder(None)
        self._detection: ServerVad | SemanticVad | None = None
        self._turns: TurnDetector | None = None  # made when sound comes in
        self._turn_id: str | None = None
        self._idle_from_ms: float | None = None
        self._turn = 0

    def configure(self, config: SessionAudioInput | None) -> None:
        """Follow the session's ``audio.input``."""
        audio_format = config.format if config else None
        if audio_format != self._format:
            self._format = audio_format
            self._decoder = WireDecoder(audio_format)
        detection = config.turn_detection if config else None
        if not isinstance(detection, (ServerVad, SemanticVad)):
            self._detection = self._turns = self._turn_id = None
            return
        self._detection = detection
        if self._turns is not None:
            self._turns.configure(detection)

    @property
    def end_ms(self) -> float:
        """How many milliseconds of audio were written in the session."""
        return self._origin_ms + len(self._pcm) / BYTES_PER_MS

    def append(self, audio: bytes) -> bytes:
        """
        Add what a client sent, and find the turns in it.

        Returns:
            The audio as PCM.

        Raises:
            RequestError: It is too much for one event.
        """
        limit = self._core.settings.max_append_bytes
        if len(audio) > limit:
            raise invalid_value(
                "audio", f"{len(audio)} bytes", f"at most {limit} bytes"
            )
        pcm = self._decoder.feed(audio)
        if self._half or len(pcm) & 1:
            pcm = self._half + pcm
            whole = len(pcm) & ~1
            pcm, self._half = pcm[:whole], pcm[whole:]
        if self._turns is None and self._detection is not None:
            self._turns = self._new_turns(self._detection)
        self._pcm += pcm
        if self._turns is not None:
            self._listen(self._turns, pcm)
        return pcm

    def _new_turns(self, detection: ServerVad | SemanticVad) -> TurnDetector:
        return TurnDetector(
            self._speech().detector(),
            detection,
            start_ms=self.end_ms,
            min_speech_ms=self._core.settings.min_speech_ms,
        )

    def _listen(self, turns: TurnDetector, pcm: bytes) -> None:
        for change in turns.feed(pcm):
            if isinstance(change, Started):
                self._begin_turn(turns, change.ms)
            elif isinstance(change, Stopped):
                self._end_turn(turns, change.ms)
            elif isinstance(change, Paused):
                self._consider(turns, change.ms)
        if not turns.is_speaking:
            self._check_idle(turns)
            self._trim()

    def _begin_turn(self, turns: TurnDetector, ms: int) -> None:
        padding = getattr(turns.settings, "prefix_padding_ms", None)
        padding = 300 if padding is None else padding
        start_ms = max(self._origin_ms, ms - padding, 0)
        self._drop_before(start_ms)
        self._idle_from_ms = None
        self._turn += 1
        self._turn_id = self._core.new_id("item")
        self._core.emit(
            InputAudioBufferSpeechStarted,
            audio_start_ms=int(start_ms),
            item_id=self._turn_id,
        )
        if turns.settings.interrupt_response is not False:
            self._started()

    def _end_turn(self, turns: TurnDetector, ms: int) -> None:
        item_id = self._turn_id or self._core.new_id("item")
        self._turn_id = None
        self._core.emit(InputAudioBufferSpeechStopped, audio_end_ms=ms, item_id=item_id)
        self._commit(item_id, self._take_until(ms))
        if turns.settings.create_response is not False:
            self._stopped()

    def _consider(self, turns: TurnDetector, ms: int) -> None:
        """Ask, outside, whether the sentence so far sounds finished."""
        turn, speech = self._turn, self._speech()
        pcm = bytes(self._pcm[: self._offset(ms)])

        def decide(text: str) -> None:
            is_current = self._turns is turns and self._turn == turn
            if is_current and turns.is_speaking and _is_finished(text):
                turns.stop()
                self._end_turn(turns, int(self.end_ms))

        self._core.start_work(lambda: speech.transcribe(pcm), decide, lambda exc: None)

    # Silence

    def wait_idle(self) -> None:
        """Begin to count silence: the model's last audio has just been played."""
        is_speaking = self._turns is not None and self._turns.is_speaking
        if self._detection is not None and not is_speaking:
            self._idle_from_ms = self.end_ms

    def stop_idle(self) -> None:
        """Stop to count silence: the model speaks."""
        self._idle_from_ms = None

    def _check_idle(self, turns: TurnDetector) -> None:
        timeout = getattr(turns.settings, "idle_timeout_ms", None)
        start_ms = self._idle_from_ms
        if not timeout or start_ms is None or self.end_ms - start_ms < timeout:
            return
        self._idle_from_ms = None
        end_ms = int(self.end_ms)
        item_id = self._core.new_id("item")
        self._core.emit(
            InputAudioBufferTimeoutTriggered,
            audio_start_ms=int(start_ms),
            audio_end_ms=end_ms,
            item_id=item_id,
        )
        self._drop_before(start_ms)
        self._commit(item_id, self._take_until(end_ms))
        self._stopped()

    # Commands

    def commit(self) -> None:
        """
        Make an item of all that is there.

        Raises:
            RequestError: It is less than the service wants.
        """
        self._pcm += self._decoder.flush()
        length_ms = len(self._pcm) / BYTES_PER_MS
        minimum = self._core.settings.min_commit_ms
        if length_ms < minimum:
            raise RequestError(
                "Error committing input audio buffer: buffer too small. Expected at "
                f"least {minimum}ms of audio, but buffer only has {length_ms:.2f}ms of "
                "audio.",
                code="input_audio_buffer_commit_empty",
            )
        item_id = self._turn_id or self._core.new_id("item")
        pcm = bytes(self._pcm)
        self._empty()
        self._commit(item_id, pcm)

    def clear(self) -> None:
        """Forget all that is there."""
        self._decoder.flush()
        self._empty()
        self._core.emit(InputAudioBufferCleared)

    def _empty(self) -> None:
        self._drop_before(self.end_ms)
        self._half = b""
        self._turn_id = None
        if self._turns is not None:
            self._turns.reset(self.end_ms)

    # Bytes

    def _offset(self, ms: float) -> int:
        """Return where in the buffer a moment of the session is."""
        offset = int((ms - self._origin_ms) * BYTES_PER_MS) & ~1
        return min(max(offset, 0), len(self._pcm))

    def _drop_before(self, ms: float) -> None:
        offset = self._offset(ms)
        del self._pcm[:offset]
        self._origin_ms += offset / BYTES_PER_MS

    def _take_until(self, ms: float) -> bytes:
        pcm = bytes(self._pcm[: self._offset(ms)])
        self._drop_before(ms)
        return pcm

    def _trim(self) -> None:
        # Now and then, rather than at every append: it moves the whole buffer.
        keep = self._core.settings.max_idle_buffer_ms
        if self._idle_from_ms is None and len(self._pcm) > 2 * keep * BYTES_PER_MS:
            self._drop_before(self.end_ms - keep)


def _is_finished(text: str) -> bool:
    words = text.strip().lower()
    if not words or words.endswith(("...", "…", ",", "-")):
        return False
    return words.rstrip(".!?").rsplit(" ", 1)[-1] not in _UNFINISHED

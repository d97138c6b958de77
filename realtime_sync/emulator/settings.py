"""How the emulated service behaves: its speed, its limits and what it calls itself."""

from __future__ import annotations

import math
from typing import Any

from attrs import evolve, field, frozen

from .._checks import FLAG, TEXT, ListOf, Range


__all__ = ["EmulatorSettings"]

_not_negative = Range(0)
_positive = Range(0, is_above=True)
_count = Range(0, is_whole=True)
_count_from_1 = Range(1, is_whole=True)

_INSTRUCTIONS = (
    "You are a friendly voice at the other end of the line. Answer in a sentence or "
    "two, in the language that you are spoken to in, and use a tool where one fits."
)

_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)


@frozen(kw_only=True)
class EmulatorSettings:
    """
    What can be set about the emulated service.

    The defaults are quick yet plausible: a response starts within a tenth of a second
    and its audio arrives eight times faster than it plays.

    Attributes:
        response_delay: Seconds from the creation of a response to its first output.
        transcription_delay: Seconds from a commit to the transcript of its audio,
            over what the recogniser takes.
        speed: How many times faster than real time audio is sent; ``math.inf`` sends
            it at once.
        piece_ms: Milliseconds of audio in a delta.
        text_interval: Seconds between two deltas of text or of arguments.
        session_seconds: Seconds after which a session is closed, with code 1001.
        instructions: The instructions of a session that sets none.
        voices: The voices that a session may ask for.
        default_voice: The voice of a session that sets none.
        context_tokens: Tokens of conversation that fit into the model.
        requests_per_minute: What ``rate_limits.updated`` gives as limit.
        tokens_per_minute: What ``rate_limits.updated`` gives as limit.
        max_append_bytes: Bytes of audio that one append may hold: 15 MiB, which is
            what the service documents.
        max_message_bytes: Bytes of a message above which the connection is closed
            with code 1009.
        min_commit_ms: Milliseconds of audio that a commit needs.
        min_speech_ms: Milliseconds of speech that start a turn.
        max_idle_buffer_ms: Milliseconds of audio that are kept while turn detection
            hears nothing.
        max_unsent_events: Events that may wait for a client that does not read,
            before the connection is closed with code 1008.
        output_audio_buffer: Whether to keep the account of played audio that the
            service keeps for WebRTC and SIP (``output_audio_buffer.started`` and its
            kin). Over a WebSocket the service keeps none.
        ping_interval: Seconds between WebSocket pings; None sends none.
        open_timeout: Seconds that a client has for TLS and the upgrade.
        close_timeout: Seconds that a client has to answer a close.
        record: Whether to keep what sessions sent and received, for assertions.
            Switch it off for an emulator that serves for days.
    """

    response_delay: float = field(default=0.05, validator=_not_negative)
    transcription_delay: float = field(default=0.0, validator=_not_negative)
    speed: float = field(default=8.0, validator=_positive)
    piece_ms: int = field(default=100, validator=_count_from_1)
    text_interval: float = field(default=0.005, validator=_not_negative)
    session_seconds: float = field(default=3600.0, validator=_positive)
    instructions: str = field(default=_INSTRUCTIONS, validator=TEXT)
    voices: tuple[str, ...] = field(default=_VOICES, validator=ListOf(str, "names"))
    default_voice: str = field(default="alloy", validator=TEXT)
    context_tokens: int = field(default=28_224, validator=_count_from_1)
    requests_per_minute: int = field(default=1_000, validator=_count)
    tokens_per_minute: int = field(default=100_000, validator=_count)
    max_append_bytes: int = field(default=15 * 1024 * 1024, validator=_count_from_1)
    max_message_bytes: int = field(default=24 * 1024 * 1024, validator=_count_from_1)
    min_commit_ms: int = field(default=100, validator=_count)
    min_speech_ms: int = field(default=64, validator=_count)
    max_idle_buffer_ms: int = field(default=30_000, validator=_count)
    max_unsent_events: int = field(default=100_000, validator=_count_from_1)
    output_audio_buffer: bool = field(default=False, validator=FLAG)
    ping_interval: float | None = field(
        default=None, validator=Range(0, is_above=True, or_none=True)
    )
    open_timeout: float = field(default=5.0, validator=_positive)
    close_timeout: float = field(default=1.0, validator=_not_negative)
    record: bool = field(default=True, validator=FLAG)

    @classmethod
    def instant(cls, **changes: Any) -> EmulatorSettings:
        """
        Return settings under which nothing takes time, for tests.

        Args:
            **changes: Attributes that shall differ.
        """
        instant = cls(response_delay=0.0, speed=math.inf, text_interval=0.0)
        return evolve(instant, **changes)

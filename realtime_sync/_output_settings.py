"""What a session says about the model's speech, as far as a player has to know it."""

from __future__ import annotations

from typing import Any

from .protocol.responses import Response
from .protocol.session_audio import AudioPcm, AudioPcma, AudioPcmu


__all__ = ["OutputSettings"]

_PCM_RATE = 24_000  # Hz, the only rate of the service; two bytes a sample
_G711_RATE = 8_000  # Hz; one byte a sample


class OutputSettings:
    """
    The settings of a session, and of the response that is generated.

    Attributes:
        rate: Bytes per second of the audio that arrives.
        server_interrupts: Whether the server cancels a response when the user speaks.
    """

    def __init__(self) -> None:
        self.rate = 2 * _PCM_RATE
        self.server_interrupts = True
        self._session_rate = self.rate

    def absorb_session(self, session: Any) -> None:
        """Take note of a session as the server described it."""
        audio = getattr(session, "audio", None)
        if not audio:
            return
        if audio.output:
            self.rate = _bytes_per_second(audio.output.format, self._session_rate)
            self._session_rate = self.rate
        if audio.input:
            detection = audio.input.turn_detection
            # Absent means yes, for that is what services do then.
            interrupts = getattr(detection, "interrupt_response", None) is not False
            self.server_interrupts = bool(detection) and interrupts

    def absorb_response(self, response: Response) -> None:
        """Take note of a response that begins: it may have a format of its own."""
        output = response.audio.output if response.audio else None
        audio_format = output.format if output else None
        self.rate = _bytes_per_second(audio_format, self._session_rate)


def _bytes_per_second(audio_format: object, default: int) -> int:
    if isinstance(audio_format, (AudioPcmu, AudioPcma)):
        return _G711_RATE
    if isinstance(audio_format, AudioPcm):
        return 2 * (audio_format.rate or _PCM_RATE)
    return default

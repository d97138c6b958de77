"""What a session says about the model's speech, as far as a player has to know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..audio import G711_RATE, SAMPLE_RATE, alaw_decode, ulaw_decode
from ..protocol.responses import Response
from ..protocol.session_audio import AudioPcm, AudioPcma, AudioPcmu


__all__ = ["OutputSettings"]

_Format = tuple[int, "Callable[[bytes], bytes] | None"]
_PCM: _Format = (2 * SAMPLE_RATE, None)


class OutputSettings:
    """
    The settings of a session, and of the response that is generated.

    Attributes:
        rate: Bytes per second of the audio that arrives.
        decode: What makes PCM at 8 kHz of it; None if it is PCM at 24 kHz.
        server_interrupts: Whether the server cancels a response when the user speaks.
    """

    def __init__(self) -> None:
        self.rate, self.decode = self._of_session = _PCM
        self.server_interrupts = True

    def absorb_session(self, session: Any) -> None:
        """Take note of a session as the server described it."""
        audio = getattr(session, "audio", None)
        if not audio:
            return
        if audio.output:
            self._of_session = self._absorb_format(audio.output.format)
        if audio.input:
            detection = audio.input.turn_detection
            # Absent means yes, for that is what services do then.
            interrupts = getattr(detection, "interrupt_response", None) is not False
            self.server_interrupts = bool(detection) and interrupts

    def absorb_response(self, response: Response) -> None:
        """Take note of a response that begins: it may have a format of its own."""
        output = response.audio.output if response.audio else None
        self._absorb_format(output.format if output else None)

    def _absorb_format(self, audio_format: object) -> _Format:
        found = self._of_session
        if isinstance(audio_format, AudioPcm):
            found = 2 * (audio_format.rate or SAMPLE_RATE), None
        elif isinstance(audio_format, (AudioPcmu, AudioPcma)):
            is_alaw = isinstance(audio_format, AudioPcma)
            found = G711_RATE, alaw_decode if is_alaw else ulaw_decode
        self.rate, self.decode = found
        return found

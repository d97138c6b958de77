"""The audio of a recording: which format it has, and WAV files that survive a crash."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from ..audio.g711 import alaw_decode, ulaw_decode


__all__ = ["PCM", "AudioFormat", "AudioFormats", "WavFile"]


@attrs.frozen
class AudioFormat:
    """
    How the bytes of streamed audio are to be read.

    Attributes:
        coding: Linear 16-bit samples, or one of the two codings of telephones.
        rate: The sampling rate in Hz.
    """

    coding: Literal["pcm", "ulaw", "alaw"] = "pcm"
    rate: int = 24_000

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 2 if self.coding == "pcm" else 1

    @property
    def bytes_per_second(self) -> int:
        """Bytes of a second."""
        return self.rate * self.width

    def to_pcm(self, data: bytes) -> bytes:
        """Return *data* as 16-bit PCM of the same rate."""
        if self.coding == "pcm":
            return data
        return ulaw_decode(data) if self.coding == "ulaw" else alaw_decode(data)


PCM: Final = AudioFormat()
"""What services speak unless told otherwise."""

_NAMES: Final[Mapping[str, AudioFormat]] = {
    "audio/pcm": PCM,
    "audio/pcmu": AudioFormat("ulaw", 8_000),
    "audio/pcma": AudioFormat("alaw", 8_000),
    "pcm16": PCM,
    "g711_ulaw": AudioFormat("ulaw", 8_000),
    "g711_alaw": AudioFormat("alaw", 8_000),
}


class AudioFormats:
    """
    The formats of both directions, as the events of a session tell them.

    Attributes:
        sent: Of the audio that the client sends.
        received: Of the audio that the server sends.
    """

    def __init__(self) -> None:
        self.sent = PCM
        self.received = PCM
        self._session = PCM

    def note(self, payload: Mapping[str, Any]) -> None:
        """Take note of a server event in wire form."""
        kind = payload.get("type")
        if kind == "response.created":
            own = _side(payload.get("response"), "output")
            self.received = _format(own, self._session)
        elif isinstance(kind, str) and kind.endswith(
            ("session.created", "session.updated")
        ):
            session = payload.get("session")
            self.sent = _format(_side(session, "input"), self.sent)
            self._session = _format(_side(session, "output"), self._session)
            self.received = self._session


def _side(holder: Any, side: str) -> Any:
    """Return the format that a session or a response names, in either dialect."""
    if not isinstance(holder, Mapping):
        return None
    flat = holder.get(f"{side}_audio_format")
    audio = holder.get("audio")
    half = audio.get(side) if isinstance(audio, Mapping) else None
    return half.get("format", flat) if isinstance(half, Mapping) else flat


def _format(named: Any, default: AudioFormat) -> AudioFormat:
    name, rate = named, None
    if isinstance(named, Mapping):
        name, rate = named.get("type"), named.get("rate")
    found = _NAMES.get(name, default) if isinstance(name, str) else default
    if found.coding == "pcm" and isinstance(rate, int) and rate > 0:
        return AudioFormat("pcm", rate)
    return found


# RIFF, with the chunk `fact` that is asked for where samples are not linear.
_HEADER: Final = struct.Struct("<4sI4s 4sIHHIIHHH 4sII 4sI")
_CODES: Final = {"pcm": 1, "alaw": 6, "ulaw": 7}
_LARGEST: Final = 0xFFFF_FFFF - _HEADER.size


class WavFile:
    """
    A mono WAV file whose header is right after each `sync()`. Not thread-safe.

    Args:
        path: The file, which is made or emptied.
        audio_format: What is written.
    """

    def __init__(self, path: Path, audio_format: AudioFormat) -> None:
        self.path = path
        self.format = audio_format
        self._size = 0
        self._file = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._file.write(self._header())

    def write(self, data: bytes) -> int:
        """Add *data*; return where in the file it begins, in bytes."""
        offset = _HEADER.size + self._size
        self._file.write(data)
        self._size += len(data)
        return offset

    def sync(self) -> None:
        """Let the file be whole as it is now."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        try:
            if self._size % 2:
                self._file.write(b"\0")  # a chunk of odd length is padded
            self.sync()
        finally:
            self._file.close()

    def _header(self) -> bytes:
        size, form = min(self._size, _LARGEST), self.format
        riff = size + size % 2 + _HEADER.size - 8
        code, width = _CODES[form.coding], form.width
        return _HEADER.pack(
            *(b"RIFF", riff, b"WAVE"),
            *(b"fmt ", 18, code, 1, form.rate, form.rate * width, width, 8 * width, 0),
            *(b"fact", 4, size // width),
            *(b"data", size),
        )

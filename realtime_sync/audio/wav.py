"""
WAV files: read whatever telephones and recorders write, write what players read.

Read are PCM of 8, 16, 24 and 32 bits, floats, µ-law and A-law, with any number of
channels, also in the extensible form; written is 16-bit mono PCM.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from array import array
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from attrs import field, frozen

from .._checks import check_rate, not_this
from .._shown import Shown
from . import g711
from ._samples import as_bytes, from_floats
from .pcm import SAMPLE_RATE, duration_ms, to_mono


__all__ = ["Audio", "WavWriter", "decode_wav", "looks_like_wav", "write_wav"]

Path = str | os.PathLike[str]

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# Who writes to a pipe cannot go back and fill in the size; both of these are in use.
_UNKNOWN_SIZES = (0, 0xFFFF_FFFF)


@frozen
class Audio(Shown):
    """
    A recording.

    Attributes:
        pcm: 16-bit little-endian mono PCM.
        sample_rate: Its sampling rate in Hz.

    Raises:
        TypeError: *pcm* is not bytes.
        ValueError: The sampling rate is not positive.
    """

    pcm: bytes = field(converter=as_bytes)
    sample_rate: int = field(
        default=SAMPLE_RATE, validator=lambda self, name, rate: check_rate(rate)
    )

    def __repr__(self) -> str:
        return f"<Audio {self.duration_ms} ms at {self.sample_rate} Hz>"

    @property
    def duration_ms(self) -> int:
        """How long it lasts, in whole milliseconds, rounded down."""
        return duration_ms(self.pcm, self.sample_rate)


def looks_like_wav(data: bytes) -> bool:
    """
    Tell whether *data* begins like a WAV file, and so is no raw PCM.

    Args:
        data: At least the first 12 bytes.
    """
    return bytes(data[:4]) == b"RIFF" and bytes(data[8:12]) == b"WAVE"


# Reading


class _Format(NamedTuple):
    code: int
    channels: int
    sample_rate: int
    width: int  # bytes of one sample of one channel


def decode_wav(data: bytes) -> Audio:
    """
    Return what the WAV file *data* holds, its channels mixed to one.

    Args:
        data: A whole file.

    Returns:
        Its audio at its own sampling rate.

    Raises:
        ValueError: It is no WAV file, is cut off, or is coded in a way that is not
            supported; the message says which.
    """
    data = as_bytes(data)
    if not looks_like_wav(data):
        raise ValueError("this is no WAV file: it does not begin with RIFF … WAVE")
    chunks = dict(_chunks(data))
    if b"fmt " not in chunks or b"data" not in chunks:
        raise ValueError("this WAV file is cut off: it has no format or no data")
    format_ = _parse_format(chunks[b"fmt "])
    pcm = _reader(format_)(chunks[b"data"])
    return Audio(to_mono(pcm, format_.channels), format_.sample_rate)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data" and size in _UNKNOWN_SIZES:
            size = len(data) - position
        content = data[position : position + size]
        if len(content) < size:
            raise ValueError(
                f"this WAV file is cut off: {len(content)} of {size} bytes are there"
            )
        yield name, content
        # A chunk of odd length is followed by a byte of padding.
        position += size + size % 2


def _parse_format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise ValueError("this WAV file has a broken format chunk")
    code, channels, rate, _, block = struct.unpack_from("<HHIIH", chunk)
    if code == _EXTENSIBLE and len(chunk) >= 26:
        # The code proper is the beginning of a GUID.
        (code,) = struct.unpack_from("<H", chunk, 24)
    if not channels or not rate or not block or block % channels:
        raise ValueError("this WAV file has a broken format chunk")
    return _Format(code, channels, rate, block // channels)


def _reader(format_: _Format) -> Callable[[bytes], bytes]:
    readers: dict[tuple[int, int], Callable[[bytes], bytes]] = {
        (_PCM, 1): _from_8_bits,
        (_PCM, 2): lambda data: data[: len(data) & ~1],
        (_PCM, 3): lambda data: _upper_bytes(data, 3),
        (_PCM, 4): lambda data: _upper_bytes(data, 4),
        (_FLOAT, 4): lambda data: _from_floats(data, "f"),
        (_FLOAT, 8): lambda data: _from_floats(data, "d"),
        (_ALAW, 1): g711.alaw_decode,
        (_ULAW, 1): g711.ulaw_decode,
    }
    reader = readers.get((format_.code, format_.width))
    if reader is None:
        raise ValueError(
            f"this WAV file is coded in a way that is not supported (format "
            f"{format_.code} in {8 * format_.width} bits): save it as PCM"
        )
    return reader


def _from_8_bits(data: bytes) -> bytes:
    # Eight bits are unsigned, with silence at 128.
    pcm = bytearray(2 * len(data))
    pcm[1::2] = data.translate(bytes(value ^ 0x80 for value in range(256)))
    return bytes(pcm)


def _upper_bytes(data: bytes, width: int) -> bytes:
    """Return the upper 16 bits of samples of *width* bytes."""
    data = data[: len(data) - len(data) % width]
    pcm = bytearray(len(data) // width * 2)
    pcm[0::2] = data[width - 2 :: width]
    pcm[1::2] = data[width - 1 :: width]
    return bytes(pcm)


def _from_floats(data: bytes, typecode: str) -> bytes:
    samples = array(typecode)
    samples.frombytes(data[: len(data) - len(data) % samples.itemsize])
    if sys.byteorder == "big":
        samples.byteswap()
    # A recorder may write what is no number; it is no sound either.
    return from_floats(32_768 * s if abs(s) < 1e9 else 0 for s in samples)


# Writing


def _header(size: int, rate: int) -> bytes:
    """Return the header of a file with *size* bytes of 16-bit mono PCM."""
    return _HEADER.pack(
        *(b"RIFF", min(size + 36, 0xFFFF_FFFF), b"WAVE"),
        *(b"fmt ", 16, _PCM, 1, rate, rate * 2, 2, 16),
        *(b"data", min(size, 0xFFFF_FFFF)),
    )


def write_wav(target: Path | BinaryIO, pcm: bytes, rate: int = SAMPLE_RATE) -> None:
    """
    Write a WAV file.

    Args:
        target: A path, or a file that is open for writing bytes.
        pcm: 16-bit little-endian mono PCM.
        rate: Its sampling rate in Hz.

    Raises:
        OSError: The file cannot be written.
        TypeError: *pcm* is not bytes, or *target* no file.
        ValueError: *pcm* ends within a sample, or *rate* is not positive.
    """
    pcm = as_bytes(pcm)
    if len(pcm) % 2:
        raise ValueError(
            f"16-bit PCM has an even number of bytes, not {len(pcm)}: decode what is "
            "of another form, such as G.711"
        )
    with WavWriter(target, rate) as writer:
        writer.write(pcm)


class WavWriter:
    """
    A WAV file that is written as the audio arrives.

    The header is made right when it is closed; until then, and for ever in a file that
    cannot seek, it says that the length is not known, which most players accept.

    Thread-safe.

    Args:
        target: A path, or a file that is open for writing bytes, which stays open.
        rate: The sampling rate in Hz.

    Raises:
        OSError: The file cannot be made.
        TypeError: *target* is neither.
        ValueError: *rate* is not positive.
    """

    def __init__(self, target: Path | BinaryIO, rate: int = SAMPLE_RATE) -> None:
        check_rate(rate)
        self._owned = isinstance(target, (str, os.PathLike))
        self._file: BinaryIO
        if isinstance(target, (str, os.PathLike)):
            self._file = open(target, "wb")  # noqa: SIM115 - closed by close()
        elif hasattr(target, "write"):
            self._file = target
        else:
            raise not_this("a WAV file is written to a path or an open file", target)
        self._rate = rate
        self._size = 0
        self._closed = False
        self._lock = threading.Lock()
        self._seekable = self._file.seekable()
        self._begin = self._file.tell() if self._seekable else 0
        self._file.write(_header(_UNKNOWN_SIZES[1], rate))

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def duration_ms(self) -> int:
        """What was written, in whole milliseconds."""
        return self._size // 2 * 1000 // self._rate

    def write(self, pcm: bytes) -> None:
        """
        Add 16-bit little-endian mono *pcm*.

        Raises:
            RuntimeError: The writer was closed.
        """
        pcm = as_bytes(pcm)
        with self._lock:
            if self._closed:
                raise RuntimeError("this WavWriter is closed: make another")
            self._file.write(pcm)
            self._size += len(pcm)

    def close(self) -> None:
        """Finish the file; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._finish()
            finally:
                if self._owned:
                    self._file.close()

    def _finish(self) -> None:
        if self._size % 2:
            self._file.write(b"\0")
        if self._seekable:
            self._file.seek(self._begin)
            self._file.write(_header(self._size + self._size % 2, self._rate))
            self._file.seek(0, os.SEEK_END)
        self._file.flush()

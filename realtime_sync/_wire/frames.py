"""
WebSocket frames, read from a buffer and written in one piece (RFC 6455, section 5).

No socket is touched here. The reader hands out room, is told how much of it was filled,
and hands out messages: a burst of frames costs one receive call, and a frame about a
microsecond. Whatever the other side announces, memory stays within about twice the
size of the largest message that is allowed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence

from ..errors import RemoteProtocolError


__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "LONGEST_REASON",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "FrameReader",
    "FrameWriter",
    "close_payload",
    "is_close_code",
    "read_close",
]

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA

Frame = tuple[int, bytes]
"""An opcode and a payload: a whole message, or a control frame."""

_FIN = 0x80
_RESERVED = 0x70
_WHOLE_TEXT = _FIN | TEXT
_DATA = (CONTINUATION, TEXT, BINARY)
_CONTROL = (CLOSE, PING, PONG)
_LONGEST_CONTROL = 125  # bytes of payload; RFC 6455, 5.5
LONGEST_REASON = _LONGEST_CONTROL - 2  # bytes of it behind the code of a close frame
_SHORT = 256  # bytes, which are masked in a microsecond
_LONGEST_HEADER = 10  # bytes, of a frame that is not masked

_NO_CODE = 1005  # RFC 6455, 7.4.1: stands for a close frame without a code
_PROTOCOL_ERROR, _INVALID_DATA, _TOO_BIG = 1002, 1007, 1009

# An idle connection holds the small buffer, one under load the large one, which then
# holds ten audio deltas of 100 ms.
_SMALL, _LARGE = 16 * 1024, 64 * 1024
# The most frames that are handed out at once: they cost far more than their bytes when
# they are empty.
_BATCH = 1024


class FrameReader:
    """
    Turns bytes into messages and control frames; belongs to one thread.

    UTF-8 is not checked in text: whoever decodes its JSON does that at no extra cost.

    Args:
        max_message_bytes: The largest message that is accepted, in bytes, all its
            fragments together.
        received: What has been received already.
    """

    def __init__(self, max_message_bytes: int, received: bytes = b"") -> None:
        self._limit = max_message_bytes
        self._buffer = bytearray(max(_SMALL, len(received) + 1))
        self._view = memoryview(self._buffer)
        self._start, self._end = 0, len(received)
        self._view[: self._end] = received
        self._needed = 0  # bytes that the first frame takes, where it is known
        self._opcode = CONTINUATION  # of the message whose fragments are arriving
        self._fragments = bytearray()
        self._closed = False

    def room(self) -> memoryview:
        """
        Return where the next bytes belong; tell `filled()` how many came.

        It is not empty as long as `take()` has returned nothing before.
        """
        if self._start:
            rest = self._end - self._start
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest
        if self._end == len(self._buffer):
            self._resize(max(_LARGE, min(4 * self._end, self._needed)))
        elif self._end < _SMALL and len(self._buffer) > _LARGE:
            self._resize(_LARGE)  # a message of unusual size is through
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """Note that *count* bytes were put into the room."""
        self._end += count

    def take(self) -> list[Frame]:
        """
        Return the messages and control frames that are complete, at most a thousand.

        Nothing is returned after a close frame, which is the last that is valid.

        Raises:
            RemoteProtocolError: The other side broke the rules. What arrived in order
                before is returned first, and this raised by the next call.
        """
        frames: list[Frame] = []
        if self._closed:
            self._start = self._end = 0
            return frames
        try:
            self._parse(frames)
        except RemoteProtocolError:
            if not frames:
                raise
        return frames

    def _parse(self, frames: list[Frame]) -> None:
        # The hot path: 0.7 us for a whole text frame, 0.2 us of it for its payload.
        buffer, view, end, start = self._buffer, self._view, self._end, self._start
        limit = self._limit
        self._needed = 0
        while end - start >= 2 and len(frames) < _BATCH:
            head, length, body = buffer[start], buffer[start + 1], start + 2
            if length == 126 and end - start >= 4:  # as nearly all are
                length, body = buffer[body] << 8 | buffer[body + 1], body + 2
            elif length > 125:
                body += _extended(length)
                if body > end:
                    break
                length = int.from_bytes(view[start + 2 : body], "big")
            if head != _WHOLE_TEXT or length > limit or self._opcode:
                self._check(head, length)
            stop = body + length
            if stop > end:
                self._needed = stop - start
                break
            payload = bytes(view[body:stop])
            if head == _WHOLE_TEXT:
                frames.append((TEXT, payload))
            else:
                self._add(head, payload, frames)
                if self._closed:
                    return
            self._start = start = stop
        if start == end:
            self._start = self._end = 0

    def _check(self, head: int, length: int) -> None:
        """
        Check the head of a frame, as soon as it is known.

        Raises:
            RemoteProtocolError: It is against the rules.
        """
        opcode = head & 0x0F
        if head & _RESERVED:
            raise _broken("set reserved bits, though no extension was agreed on")
        if opcode in _CONTROL:
            if not head & _FIN:
                raise _broken("sent a control frame in fragments")
            if length > _LONGEST_CONTROL:
                raise _broken(f"sent a control frame of {length} bytes")
        elif opcode not in _DATA:
            raise _broken(f"sent a frame with the reserved opcode {opcode:#x}")
        elif opcode == CONTINUATION and not self._opcode:
            raise _broken("continued a message that it had not begun")
        elif opcode != CONTINUATION and self._opcode:
            raise _broken("began a message amid the fragments of another one")
        elif len(self._fragments) + length > self._limit:
            raise _broken(
                f"sent a message of more than {self._limit} bytes; raise "
                "max_message_bytes if that is expected",
                _TOO_BIG,
            )

    def _add(self, head: int, payload: bytes, frames: list[Frame]) -> None:
        """Add a frame that is no whole text: a fragment, binary, or a control frame."""
        opcode = head & 0x0F
        if opcode == CLOSE:
            _check_close(payload)
            self._closed = True
        if opcode in _CONTROL or (head & _FIN and opcode != CONTINUATION):
            frames.append((opcode, payload))
            return
        # One growing buffer: linear in time, and no object for each empty fragment.
        self._fragments += payload
        self._opcode = self._opcode or opcode
        if head & _FIN:
            frames.append((self._opcode, bytes(self._fragments)))
            self._opcode, self._fragments = CONTINUATION, bytearray()

    def _resize(self, size: int) -> None:
        buffer = bytearray(size)
        buffer[: self._end] = self._view[: self._end]
        self._buffer, self._view = buffer, memoryview(buffer)


def _extended(length: int) -> int:
    """Return how many bytes of length follow the second byte of a frame."""
    if length > 127:
        raise _broken("masked a frame, which only a client does")
    return 2 if length == 126 else 8


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_close_code(code):
        raise _broken("closed the connection with an invalid code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as exc:
        error = _broken("closed with a reason that is not UTF-8", _INVALID_DATA)
        raise error from exc


def _broken(what: str, close_code: int = _PROTOCOL_ERROR) -> RemoteProtocolError:
    return RemoteProtocolError(f"the server {what}", close_code=close_code)


def is_close_code(code: int) -> bool:
    """Tell whether a close frame may hold *code* (RFC 6455, 7.4)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame, its reason cut to what fits."""
    if code == _NO_CODE:
        return b""
    cut = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
    return code.to_bytes(2, "big") + cut.encode()


def read_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a close frame."""
    code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
    return code, payload[2:].decode("utf-8", "replace")


class FrameWriter:
    """Turns frames into the masked bytes that a client sends; belongs to one thread."""

    def __init__(self) -> None:
        self._keys: Iterator[bytes] = iter(())

    def encode(self, frames: Sequence[Frame]) -> Iterator[bytes]:
        """
        Yield the bytes of *frames*, several frames in one piece.

        A piece ends with the frame that makes it `_LARGE` bytes, so that the first are
        on their way while the others are being masked.
        """
        parts: list[bytes] = []
        size = 0
        for opcode, payload in frames:
            length = len(payload)
            key = self._next_key()
            # What is short is not worth an import.
            apply = mask if length < _SHORT else find_mask()
            parts += (_header(opcode, length), key, apply(payload, key))
            size += length
            if size >= _LARGE:
                yield b"".join(parts)
                parts.clear()
                size = 0
        if parts:
            yield b"".join(parts)

    def _next_key(self) -> bytes:
        """Return four bytes that nobody can foresee; one system call makes many."""
        for key in self._keys:
            return key
        random = os.urandom(4 * 256)
        self._keys = (random[at : at + 4] for at in range(0, len(random), 4))
        return next(self._keys)


def _header(opcode: int, length: int) -> bytes:
    """Return the header of a whole masked frame, without the key."""
    if length <= 125:
        return bytes((_FIN | opcode, 0x80 | length))
    if length < 1 << 16:
        return bytes((_FIN | opcode, 0x80 | 126, length >> 8, length & 0xFF))
    return bytes((_FIN | opcode, 0x80 | 127)) + length.to_bytes(8, "big")


# Masking. Integers are the one thing in Python itself that XORs many bytes at once; the
# cost is the way into the integer and back, so the mask is made by a multiplication of
# integers instead of from bytes.
_WORDS = 4096
_ONES = int.from_bytes(b"\1\0\0\0" * _WORDS, "little")


def mask(payload: bytes, key: bytes) -> bytes:
    """Return *payload* XORed with the four bytes of *key* over and over."""
    if len(payload) > 4 * _WORDS:
        starts = range(0, len(payload), 4 * _WORDS)
        return b"".join(mask(payload[at : at + 4 * _WORDS], key) for at in starts)
    words = -(-len(payload) // 4)
    keys = (_ONES >> 32 * (_WORDS - words)) * int.from_bytes(key, "little")
    masked = int.from_bytes(payload, "little") ^ keys
    return masked.to_bytes(4 * words, "little")[: len(payload)]


@functools.cache
def find_mask() -> Callable[[bytes, bytes], bytes]:
    """
    Return the fastest way to mask that is installed.

    That is the one in C of `websockets`, a twentieth of the cost, where that library is
    there (the emulator brings it), and else the one of this module.
    """
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        return mask
    return apply_mask

"""
Base64, which exists in the codec alone: text on the wire, bytes everywhere else.

What a service sends is padded and canonical, and goes through at the speed of pybase64.
What people write into examples, logs and tests often is neither; it is read as far as
it goes, and remembers its text, so that encoding it gives back the same JSON.
"""

from __future__ import annotations

import re
from typing import Final

from pybase64 import b64decode, b64encode, b64encode_as_string


__all__ = ["InexactBytes", "from_base64", "to_base64", "to_base64_bytes"]

# The alphabet of RFC 4648, 4; three dots stand where somebody cut the text short.
_LENIENT: Final = re.compile(r"([A-Za-z0-9+/]*)={0,2}(?:\.\.\.)?")


class InexactBytes(bytes):
    """
    Bytes whose base64 text was not the one that encoding them gives.

    They compare and behave as the bytes that they are.

    Attributes:
        text: The text that they were decoded from.
    """

    text: str

    def __reduce__(self) -> tuple[object, ...]:
        # Bytes would be pickled without the text.
        return from_base64, (self.text,)


def from_base64(text: str) -> bytes:
    """
    Decode *text*; raises ValueError if it holds what base64 does not.

    Unpadded text, text with stray bits at its end and text that was cut short with
    ``...`` give `InexactBytes`.
    """
    try:
        raw = b64decode(text, None, True)
    except ValueError:
        return _from_inexact(text)
    # Only padding leaves room for bits that encoding would not give back.
    if text[-1:] == "=" and b64encode_as_string(raw[-(len(raw) % 3) :]) != text[-4:]:
        return _remember(raw, text)
    return raw


def _from_inexact(text: str) -> bytes:
    match = _LENIENT.fullmatch(text)
    if match is None:
        raise ValueError("expected base64, got other characters")
    digits = match[1]
    if len(digits) % 4 == 1:  # six bits are no byte
        digits = digits[:-1]
    return _remember(b64decode(digits + "=" * (-len(digits) % 4), None, True), text)


def _remember(raw: bytes, text: str) -> InexactBytes:
    inexact = InexactBytes(raw)
    inexact.text = text
    return inexact


def to_base64(raw: bytes | bytearray | memoryview) -> str:
    """Encode *raw*; what was decoded inexactly gets its own text back."""
    if type(raw) is InexactBytes:
        return raw.text
    return str(to_base64_bytes(raw), "ascii")


def to_base64_bytes(raw: bytes | bytearray | memoryview) -> bytes:
    """Encode *raw*, as it is, to ASCII."""
    try:
        return b64encode(raw)
    except BufferError:  # not contiguous in memory
        return b64encode(memoryview(raw).tobytes())

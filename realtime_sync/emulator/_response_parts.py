"""The small change of a response: pieces, parts and how it ended, in words."""

from __future__ import annotations

import re
from typing import Final

from attrs import define, frozen

from ..protocol import Audio as AudioPart
from ..protocol import (
    OutputAudio,
    OutputText,
    ResponseStatusDetails,
    ResponseStatusError,
    Text,
)
from ._conversation import Entry
from .replies import Failure, Reply


__all__ = [
    "PIECE_OF_TEXT",
    "OpenItem",
    "Prepared",
    "audio_pieces",
    "part_of",
    "status_details",
]

PIECE_OF_TEXT: Final = re.compile(r"\S+\s*|\s+")
"""A word with the space after it: all of them together are the text."""


@frozen
class Prepared:
    """A reply with its audio: what is made outside of the session."""

    reply: Reply
    pcm: bytes
    wire: bytes  # the same in the format of the client


@define(eq=False)
class OpenItem:
    """The output item that is being sent."""

    entry: Entry
    index: int
    text: str = ""  # so far: words, transcript or arguments
    has_part: bool = False


def audio_pieces(audio: bytes, size: int) -> list[bytes]:
    """Return *audio* in pieces of *size* bytes."""
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def part_of(content: OutputAudio | OutputText) -> AudioPart | Text:
    """Return a content part as the events about parts name it: not as items do."""
    if isinstance(content, OutputAudio):
        return AudioPart(transcript=content.transcript)
    return Text(text=content.text)


def status_details(
    status: str, reason: str | None, error: Failure | None
) -> ResponseStatusDetails | None:
    """Return why a response ended as it did; None where it is complete."""
    if status == "completed":
        return None
    if error is None:
        return ResponseStatusDetails(type=status, reason=reason)
    return ResponseStatusDetails(
        type=status,
        error=ResponseStatusError(
            type=error.type, code=error.code, message=error.message
        ),
    )

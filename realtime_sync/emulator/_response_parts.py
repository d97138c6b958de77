"""The small change of a response: pieces, parts and how it ended, in words."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Final

from attrs import define, frozen

from .._checks import named
from ..protocol import (
    UNSET,
    OutputAudio,
    OutputText,
    ResponseStatusDetails,
    ResponseStatusError,
    Text,
)
from ..protocol import Audio as AudioPart
from ._conversation import Entry
from .replies import Failure, Reply


__all__ = [
    "PIECE_OF_TEXT",
    "OpenItem",
    "Part",
    "Prepared",
    "audio_pieces",
    "part_of",
    "parts_of",
    "status_details",
]

PIECE_OF_TEXT: Final = re.compile(r"\S+\s*|\s+")
"""A word with the space after it: all of them together are the text."""


_SENTENCE: Final = re.compile(r"(?s).*?[.!?\u2026]+[\"')\]]*\s+")


@frozen(kw_only=True)
class Part:
    """
    A part of a reply.

    Attributes:
        reply: What is in it.
        continues: Whether its text goes on with the message of the part before.
        is_last: Whether it is known that none comes after it.
        is_whole: Whether its text is one for the emulator to cut into pieces.
    """

    reply: Reply
    continues: bool = False
    is_last: bool = False
    is_whole: bool = True


@frozen
class Prepared:
    """A part with its audio: what is made outside of the session."""

    part: Part
    pcm: bytes
    wire: bytes  # the same in the format of the client


def parts_of(
    answer: Reply | str | Iterable[Reply | str], *, speaks: bool
) -> Iterator[Part]:
    """
    Return the parts of what a replier returned.

    Args:
        answer: A reply, or many; texts that follow each other are one message.
        speaks: Whether texts are to be spoken: then a part is a whole sentence.

    Raises:
        TypeError: It is neither; so does going through the parts.
    """
    if isinstance(answer, str):
        answer = Reply(answer)
    if isinstance(answer, Reply):
        return iter([Part(reply=answer, is_last=True)])
    if isinstance(answer, (bytes, Mapping)) or not isinstance(answer, Iterable):
        raise _no_reply(answer)
    return _closing(answer, _streamed(answer, speaks=speaks))


def _closing(answers: object, parts: Iterator[Part]) -> Iterator[Part]:
    """Yield *parts*, and let the generator that they are made of clean up at once."""
    try:
        yield from parts
    finally:
        if isinstance(answers, Generator):
            answers.close()


def _streamed(answers: Iterable[Reply | str], *, speaks: bool) -> Iterator[Part]:
    is_open, unsaid = False, ""
    for answer in answers:
        if isinstance(answer, Reply):
            if unsaid:
                yield _piece(unsaid, is_open)
            is_open, unsaid = False, ""
            yield Part(reply=answer)
            continue
        if not isinstance(answer, str):
            raise _no_reply(answer)
        unsaid += answer
        while said := _speakable(unsaid) if speaks else unsaid:
            yield _piece(said, is_open)
            is_open, unsaid = True, unsaid[len(said) :]
    if unsaid:
        yield _piece(unsaid, is_open)


def _no_reply(answer: object) -> TypeError:
    return TypeError(
        "what replies returns is a Reply, a text, or an iterable of these, not "
        f"{named(answer)}"
    )


def _speakable(text: str) -> str:
    sentence = _SENTENCE.match(text)
    return sentence.group() if sentence else ""


def _piece(text: str, continues: bool) -> Part:
    return Part(reply=Reply(text), continues=continues, is_whole=False)


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
            type=error.type, code=error.code or UNSET, message=error.message
        ),
    )

"""What was said and when, as text, JSON and the two common formats of subtitles."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs


__all__ = ["FORMATS", "Segment", "Transcript"]

Timing = Literal["turn", "model", "recording"]


@attrs.frozen(kw_only=True)
class Segment:
    """
    A stretch of a recording, and what is said in it.

    Attributes:
        start_ms: Where it begins, in milliseconds of the recording.
        end_ms: Where it ends.
        text: What is said; empty where it could not be transcribed.
        timing: Where the times come from: ``turn`` for the turns that the server's
            voice activity detection found (with the padding that it adds in front and
            the silence that it waits for behind), ``model`` for a model that gives
            times itself, ``recording`` for the whole of it.
        speaker: The label of the speaker, from models that tell speakers apart.
        error: Why there is no text, or None.
    """

    start_ms: int
    end_ms: int
    text: str
    timing: Timing
    speaker: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class Transcript:
    """
    What is said in a recording.

    Attributes:
        file: Its name.
        duration_ms: Its length.
        segments: Its parts, in order.
    """

    file: str
    duration_ms: int
    segments: Sequence[Segment]

    @property
    def text(self) -> str:
        """All of it, a line for each segment."""
        return "\n".join(each.text for each in self.segments if each.text)

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain JSON types."""
        return {
            "file": self.file,
            "duration_ms": self.duration_ms,
            "text": self.text,
            "segments": [attrs.asdict(each) for each in self.segments],
        }


def _as_text(transcript: Transcript) -> str:
    return transcript.text + "\n" if transcript.text else ""


def _as_json(transcript: Transcript) -> str:
    return json.dumps(transcript.as_dict(), ensure_ascii=False, indent=2) + "\n"


def _as_srt(transcript: Transcript) -> str:
    cues = [
        f"{number}\n{_clock(each.start_ms, ',')} --> {_clock(each.end_ms, ',')}\n"
        f"{_prefix(each)}{_cue(each.text)}\n"
        for number, each in enumerate(_said(transcript), 1)
    ]
    return "\n".join(cues)


def _as_vtt(transcript: Transcript) -> str:
    cues = [
        f"\n{_clock(each.start_ms, '.')} --> {_clock(each.end_ms, '.')}\n"
        f"{_escaped(_prefix(each) + _cue(each.text))}\n"
        for each in _said(transcript)
    ]
    return "WEBVTT\n" + "".join(cues)


FORMATS: Mapping[str, Callable[[Transcript], str]] = {
    "text": _as_text,
    "json": _as_json,
    "srt": _as_srt,
    "vtt": _as_vtt,
}
"""What makes the content of a file of each format."""


def _said(transcript: Transcript) -> list[Segment]:
    return [each for each in transcript.segments if each.text]


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def _prefix(segment: Segment) -> str:
    return f"{segment.speaker}: " if segment.speaker else ""


def _cue(text: str) -> str:
    # An empty line would end the cue.
    return "\n".join(line for line in text.splitlines() if line.strip())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""How the picture of a session looks: colours that all eyes tell apart, and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar


__all__ = [
    "COLOURS",
    "GREY",
    "GRID",
    "INK",
    "PALE",
    "STATUS_COLOURS",
    "clock",
    "fitting",
    "followed",
    "label_left",
    "seconds",
    "text_width",
]

T = TypeVar("T")

# The palette of Okabe and Ito (2008), which is safe for the colour-blind.
_BLUE, _GREEN, _SKY = "#0072B2", "#009E73", "#56B4E9"
_ORANGE, _VERMILLION, _PURPLE = "#E69F00", "#D55E00", "#CC79A7"

COLOURS: Final = {
    "user": _BLUE,
    "model": _GREEN,
    "received": "#66C2A5",
    "response": _SKY,
    "call": _PURPLE,
    "trouble": _VERMILLION,
    "interrupted": _ORANGE,
}
STATUS_COLOURS: Final = {
    "completed": _SKY,
    "cancelled": _ORANGE,
    "failed": _VERMILLION,
    "incomplete": "#F0E442",
}
INK: Final = "#222222"
GREY: Final = "#767676"
PALE: Final = "#B8B8B8"
GRID: Final = "#E6E6E6"


def seconds(value: float) -> str:
    """Return a time that passed, as short as it can be said."""
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def clock(value: float, _position: object = None) -> str:
    """Return a moment as minutes and seconds."""
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}:{rest:02d}"


def text_width(text: str, size: float) -> float:
    """Return about how wide *text* is, in inches, at a font size in points."""
    return len(text) * size * 0.56 / 72  # DejaVu Sans, on average, with some air


def fitting(text: str, width: float, size: float, lines: int) -> str:
    """
    Return as much of *text* as fits, in lines; empty if that is not worth it.

    Args:
        text: Words.
        width: Inches.
        size: Of the font, in points.
        lines: How many there may be.
    """
    room = int(width / text_width("x", size))
    words = text.split()
    if room < 6 or not words:
        return ""
    rows: list[str] = [""]
    for index, word in enumerate(words):
        longer = f"{rows[-1]} {word}".strip()
        if len(longer) <= room:
            rows[-1] = longer
        elif len(rows) < lines and len(word) <= room and rows[-1]:
            rows.append(word)
        else:
            return "\n".join([*rows[:-1], _cut(rows[-1], words[index], room)])
    return "\n".join(rows)


def _cut(row: str, word: str, room: int) -> str:
    """Return the last row, with as much of the next word and dots as fit."""
    return f"{row} {word}".strip()[: room - 1].rstrip(" ,.;") + "…"


def followed(
    shown: Sequence[T], begin: Callable[[T], float], end: float
) -> Iterator[tuple[T, float]]:
    """Yield each of *shown*, and where the next one begins, or else *end*."""
    for index, each in enumerate(shown):
        last = index + 1 == len(shown)
        yield each, end if last else begin(shown[index + 1])


def label_left(axes: Any, y: float, text: str, note: str = "") -> None:
    """Write the name of a lane to the left of it."""
    place = axes.get_yaxis_transform()
    common = {"transform": place, "ha": "right", "clip_on": False}
    axes.text(-0.01, y, text, color=INK, size=9, weight="bold", va="center", **common)
    if note:
        axes.text(-0.01, y + 0.42, note, color=GREY, size=7, va="center", **common)

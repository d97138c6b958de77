"""Draws the picture of a session, with matplotlib and without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..audio._extras import require
from .detail import draw_detail
from .overview import draw_overview
from .rows import Summary, Turn
from .style import GREY, INK, clock, seconds
from .tracks import Tracks


if TYPE_CHECKING:
    from matplotlib.figure import Figure


__all__ = ["draw"]

_DETAIL = 90.0  # seconds up to which single words can be read
_LEAST = 2.0  # seconds that are shown at least


def draw(
    tracks: Tracks,
    turns: Sequence[Turn],
    summary: Summary,
    *,
    figure: Figure | None,
    window: tuple[float | None, float | None],
    title: str,
) -> Figure:
    """
    Draw a session into *figure*, or into a new one.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: The window is empty.
    """
    require("matplotlib", extra="plot", purpose="the picture of a session")
    if figure is None:
        from matplotlib.figure import Figure as NewFigure

        figure = NewFigure(dpi=144, facecolor="white")
    figure.clear()
    start, end = _window(window, summary)
    if end - start <= _DETAIL:
        draw_detail(figure, tracks, turns, start, end)
    else:
        draw_overview(figure, tracks, turns, summary, start, end)
    _head(figure, title, summary)
    return figure


def _window(
    window: tuple[float | None, float | None], summary: Summary
) -> tuple[float, float]:
    start = 0.0 if window[0] is None else window[0]
    end = max(summary.duration, start + _LEAST) if window[1] is None else window[1]
    if not start < end:
        raise ValueError(f"the picture begins at {start} s and ends at {end} s")
    return start, end


def _head(figure: Any, title: str, summary: Summary) -> None:
    width, height = figure.get_size_inches()
    left = 0.25 / width
    figure.text(left, 1 - 0.3 / height, title, size=13, weight="bold", color=INK)
    figure.text(left, 1 - 0.56 / height, _figures(summary), size=9, color=GREY)


def _figures(summary: Summary) -> str:
    parts = [f"{_count(summary.turns, 'turn')} in {_lasting(summary.duration)}"]
    if summary.first_audio_p50 is not None and summary.first_audio_p95 is not None:
        parts.append(
            f"first audio after {seconds(summary.first_audio_p50)} (p50), "
            f"{seconds(summary.first_audio_p95)} (p95)"
        )
    parts.append(_count(summary.interruptions, "interruption"))
    parts.append(f"silence {_lasting(summary.silence)}")
    for count, name in (
        (summary.errors, "error"),
        (summary.reconnects, "reconnect"),
        (summary.lost, "lost event"),
    ):
        if count:
            parts.append(_count(count, name))
    return "   ·   ".join(parts)


def _lasting(value: float) -> str:
    return f"{value:.0f} s" if value < 120 else f"{clock(value)} min"


def _count(count: int, name: str) -> str:
    return f"{count or 'no'} {name}{'' if count == 1 else 's'}"

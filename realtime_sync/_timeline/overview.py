"""The picture of a long session: who spoke when, and how long answers took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .rows import Summary, Turn
from .style import (
    COLOURS,
    GREY,
    GRID,
    INK,
    PALE,
    STATUS_COLOURS,
    clock,
    seconds,
    text_width,
)
from .tracks import PEAKS_PER_SECOND, Piece, Tracks


__all__ = ["draw_overview"]

_WIDTH = 15.0  # inches
_LEFT, _RIGHT, _TOP, _BOTTOM = 1.4, 0.95, 0.85, 0.55  # inches
_BINS = 700  # a bit more than two points each
_SLOWEST = 5  # turns that are named
_SMALL = 7.5
_ROWS = {"talk": 1.7, "latency": 2.4, "responses": 0.45, "calls": 0.4, "trouble": 0.5}


def draw_overview(
    figure: Any,
    tracks: Tracks,
    turns: Sequence[Turn],
    summary: Summary,
    start: float,
    end: float,
) -> None:
    """Draw a session whose words would be too small to be read."""
    rows = dict(_ROWS)
    if not tracks.calls:
        del rows["calls"]
    if not (tracks.errors or tracks.reconnects or tracks.gaps):
        del rows["trouble"]
    gap = 0.28
    height = sum(rows.values()) + gap * (len(rows) - 1) + _TOP + _BOTTOM
    figure.set_size_inches(_WIDTH, height)
    axes, above = {}, _TOP
    for name, tall in rows.items():
        box = (
            _LEFT / _WIDTH,
            1 - (above + tall) / height,
            (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
            tall / height,
        )
        axes[name] = figure.add_axes(box)
        above += tall + gap
    for name, each in axes.items():
        _set_up(each, start, end, last=name == next(reversed(axes)))
    _talk(axes["talk"], tracks, start, end)
    _latency(axes["latency"], turns, summary, start, end)
    _responses(axes["responses"], tracks)
    if "calls" in axes:
        _calls(axes["calls"], tracks)
    if "trouble" in axes:
        _trouble(axes["trouble"], tracks, start, end)


def _set_up(axes: Any, start: float, end: float, *, last: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    axes.set_xlim(start, end)
    axes.set_yticks([])
    steps = (15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    step = next((each for each in steps if (end - start) / each <= 16), 7200)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(clock))
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0, labelsize=8, labelcolor=GREY, labelbottom=last)
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _name(axes: Any, y: float, text: str, colour: str = INK) -> None:
    axes.text(-0.01, y, text, transform=axes.transAxes, ha="right", va="center",
              size=9, weight="bold", color=colour)  # fmt: skip


def _talk(axes: Any, tracks: Tracks, start: float, end: float) -> None:
    """The user's voice upwards, the model's downwards."""
    import numpy

    edges = numpy.linspace(start, end, _BINS + 1)
    user = _loudness(tracks.user, edges)
    pieces = [
        Piece(each.piece.start, stop, each.piece.peaks)
        for each, stop in tracks.played()
        if stop > each.piece.start
    ]
    model = _loudness(pieces, edges)
    style = {"step": "post", "linewidth": 0}
    axes.fill_between(edges[:-1], 0.02, 0.02 + user, color=COLOURS["user"], **style)
    axes.fill_between(edges[:-1], -0.02, -0.02 - model, color=COLOURS["model"], **style)
    axes.axhline(0, color=PALE, linewidth=0.6)
    axes.set_ylim(-1.05, 1.05)
    _name(axes, 0.76, "You", COLOURS["user"])
    _name(axes, 0.24, "Model", COLOURS["model"])


def _loudness(pieces: Sequence[Piece], edges: Any) -> Any:
    """Return how loud it was on the average of each bin, from 0 to 1."""
    import numpy

    sums = numpy.zeros(len(edges) - 1)
    width = edges[1] - edges[0]
    for piece in pieces:
        values = numpy.asarray(piece.peaks if len(piece.peaks) else [0.1], float)
        times = numpy.linspace(piece.start, piece.end, len(values), endpoint=False)
        bins = ((times - edges[0]) / width).astype(int)
        inside = (bins >= 0) & (bins < len(sums))
        share = (piece.end - piece.start) / len(values)
        numpy.add.at(sums, bins[inside], values[inside] * share)
    mean = sums / width
    loudest = numpy.percentile(mean[mean > 0], 98) if (mean > 0).any() else 1.0
    return numpy.sqrt(numpy.clip(mean / max(loudest, 1 / PEAKS_PER_SECOND), 0, 1))


def _latency(
    axes: Any, turns: Sequence[Turn], summary: Summary, start: float, end: float
) -> None:
    """Each turn's time to first audio, and where half and nearly all of them lie."""
    shown = [
        (turn, turn.first_audio, turn.to_first_audio)
        for turn in turns
        if turn.first_audio is not None and turn.to_first_audio is not None
    ]
    highest = max((value for _, _, value in shown), default=1.0)
    axes.set_ylim(0, highest * 1.22)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.yaxis.set_major_locator(_few_ticks())
    axes.tick_params(axis="y", length=0, labelsize=8, labelcolor=GREY)
    axes.text(-0.035, 0.5, "First audio\nafter, in s", transform=axes.transAxes,
              ha="right", va="center", size=9, weight="bold", color=INK)  # fmt: skip
    for whole in (True, False):
        dots = [each for each in shown if (each[0].interrupted is None) == whole]
        colour = COLOURS["model"] if whole else COLOURS["interrupted"]
        axes.scatter([each[1] for each in dots], [each[2] for each in dots],
                     s=26, marker="o" if whole else "s", color=colour, zorder=3,
                     edgecolors="white", linewidths=0.5,
                     label="heard to its end" if whole else "interrupted")  # fmt: skip
    _lines(axes, summary)
    _slowest(axes, shown, start, end)
    axes.legend(loc="upper right", ncols=2, frameon=False, fontsize=8, labelcolor=GREY,
                bbox_to_anchor=(1.0, 1.12), handletextpad=0.2)  # fmt: skip


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _lines(axes: Any, summary: Summary) -> None:
    low, high = summary.first_audio_p50, summary.first_audio_p95
    if low is None or high is None:
        return
    apart = (high - low) / axes.get_ylim()[1] > 0.16  # or the words would meet
    for value, name, shift in (
        (low, "p50", 0.0),
        (high, "p95", 0.0 if apart else 0.12),
    ):
        axes.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2)
        y = value / axes.get_ylim()[1] + shift
        axes.text(1.006, y, f"{name} {seconds(value)}", transform=axes.transAxes,
                  va="center", size=_SMALL, color=INK, clip_on=False)  # fmt: skip


def _slowest(axes: Any, shown: Sequence[Any], start: float, end: float) -> None:
    """Name the slowest turns, where there is room for it."""
    taken: list[tuple[float, float]] = []
    scale = (_WIDTH - _LEFT - _RIGHT) / (end - start)
    slowest = sorted(shown, key=lambda each: -each[2])[: 2 * _SLOWEST]
    for _, time, value in slowest:
        label = f"{seconds(value)} at {clock(time)}"
        width = (text_width(label, _SMALL) + 0.15) / scale
        left = min(max(time - width / 2, start), end - width)
        if len(taken) >= _SLOWEST or any(
            left < stop and begin < left + width for begin, stop in taken
        ):
            continue
        taken.append((left, left + width))
        axes.annotate(label, (left + width / 2, value), xytext=(0, 5),
                      textcoords="offset points", ha="center", va="bottom",
                      size=_SMALL, color=INK)  # fmt: skip


def _responses(axes: Any, tracks: Tracks) -> None:
    """From asking or creating to the end of playing, in the colour of how it ended."""
    ends: dict[str, float] = {}
    for heard, stop in tracks.played():
        ends[heard.response_id] = max(stop, ends.get(heard.response_id, 0.0))
    start, end = axes.get_xlim()
    for response in tracks.responses:
        stop = max(tracks.until(response.done), ends.get(response.id, 0.0))
        unusual = response.status != "completed"  # and so not to be overlooked
        length = max(stop - response.created, (end - start) / 400 if unusual else 0.0)
        axes.barh(0, length, left=response.created, height=1.0, zorder=2 + unusual,
                  color=STATUS_COLOURS.get(response.status or "", PALE))  # fmt: skip
    axes.set_ylim(-0.7, 0.7)
    _name(axes, 0.5, "Responses")
    _statuses(axes, tracks)


def _statuses(axes: Any, tracks: Tracks) -> None:
    from matplotlib.patches import Patch

    found = sorted({each.status or "" for each in tracks.responses})
    handles = [
        Patch(color=STATUS_COLOURS[status], label=status)
        for status in found
        if status in STATUS_COLOURS
    ]
    axes.legend(handles=handles, loc="center left", frameon=False, fontsize=_SMALL,
                bbox_to_anchor=(1.0, 0.5), labelcolor=GREY, handlelength=0.8,
                handletextpad=0.4, labelspacing=0.2)  # fmt: skip


def _calls(axes: Any, tracks: Tracks) -> None:
    axes.vlines([each.start for each in tracks.calls], -0.5, 0.5,
                color=COLOURS["call"], linewidth=2)  # fmt: skip
    axes.set_ylim(-0.7, 0.7)
    _name(axes, 0.5, "Functions")
    axes.text(1.006, 0.5, f"{len(tracks.calls)} calls", transform=axes.transAxes,
              va="center", size=_SMALL, color=GREY)  # fmt: skip


def _trouble(axes: Any, tracks: Tracks, start: float, end: float) -> None:
    marks = [(each, "X") for each in [*tracks.errors, *tracks.gaps]]
    marks += [(each, "D") for each in tracks.reconnects]
    scale = (_WIDTH - _LEFT - _RIGHT) / (end - start)
    free = start
    for mark, kind in sorted(marks, key=lambda pair: pair[0].time):
        axes.plot([mark.time], [0], kind, color=COLOURS["trouble"], markersize=7,
                  markeredgewidth=0)  # fmt: skip
        label = mark.label.replace("_", " ")[:40]
        width = (text_width(label, _SMALL) + 0.2) / scale
        if free <= mark.time and mark.time + width <= end:
            axes.annotate(label, (mark.time, 0), xytext=(7, 0), va="center",
                          textcoords="offset points", size=_SMALL)  # fmt: skip
            free = mark.time + width
    axes.set_ylim(-0.7, 0.7)
    _name(axes, 0.5, "Trouble")

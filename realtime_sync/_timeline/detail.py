"""The picture of a session in which every word can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .rows import Turn
from .style import (
    COLOURS,
    GREY,
    GRID,
    INK,
    PALE,
    STATUS_COLOURS,
    clock,
    fitting,
    followed,
    label_left,
    seconds,
    text_width,
)
from .tracks import Heard, Piece, Tracks


__all__ = ["draw_detail"]

_UNIT = 0.5  # inches of one step downwards
_MARGIN_LEFT, _MARGIN_RIGHT = 1.3, 0.3  # inches
_MARGIN_TOP, _MARGIN_BOTTOM = 0.8, 0.8
_TEXT = 8.0  # points
_SMALL = 7.0

# How far each lane reaches downwards, in units.
_USER, _WORDS, _BUFFER, _LATENCY = 1.7, 0.8, 0.6, 1.35
_RESPONSES, _RECEIVED, _MODEL, _ANSWER, _EXTRA = 0.9, 0.45, 1.7, 1.15, 0.8


class _Page:
    """One picture: where lanes are, and how wide a second is."""

    def __init__(self, figure: Any, start: float, end: float, units: float) -> None:
        span = end - start
        width = min(24.0, max(10.0, 0.36 * span + 3)) + _MARGIN_LEFT
        height = units * _UNIT + _MARGIN_TOP + _MARGIN_BOTTOM
        figure.set_size_inches(width, height)
        inner = width - _MARGIN_LEFT - _MARGIN_RIGHT
        self.axes = figure.add_axes(
            (
                _MARGIN_LEFT / width,
                _MARGIN_BOTTOM / height,
                inner / width,
                units * _UNIT / height,
            )
        )
        self.start, self.end = start, end
        self.inches_per_second = inner / span
        self._y = 0.0
        self._set_up(units)

    def lane(self, name: str, height: float, note: str = "") -> tuple[float, float]:
        """Begin a lane; return where it begins and its middle."""
        top, self._y = self._y, self._y + height
        label_left(self.axes, top + min(height / 2, 0.85), name, note)
        if top:
            self.axes.axhline(top, color=GRID, linewidth=0.8, zorder=0)
        return top, top + height / 2

    def room(self, start: float, end: float) -> float:
        """Return the inches from *start* to *end*, as far as they are shown."""
        return (min(end, self.end) - max(start, self.start)) * self.inches_per_second

    def shows(self, start: float, end: float | None = None) -> bool:
        """Tell whether something of it can be seen."""
        return start < self.end and (start if end is None else end) > self.start

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write *text* from *x* on."""
        style = {"size": _TEXT, "color": INK, "va": "center", **style}
        self.axes.text(max(x, self.start), y, text, clip_on=True, **style)

    def _set_up(self, units: float) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes = self.axes
        axes.set_xlim(self.start, self.end)
        axes.set_ylim(units, 0)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(clock))
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", length=0, labelsize=8, labelcolor=GREY)
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(PALE)


def draw_detail(
    figure: Any, tracks: Tracks, turns: Sequence[Turn], start: float, end: float
) -> None:
    """Draw lanes with waveforms, words and each turn's latencies."""
    calls = [each for each in tracks.calls if each.start < end]
    trouble = [*tracks.errors, *tracks.reconnects, *tracks.gaps]
    units = _USER + _WORDS + _BUFFER + _LATENCY + _RESPONSES
    units += _RECEIVED + _MODEL + _ANSWER + _EXTRA * (bool(calls) + bool(trouble))
    page = _Page(figure, start, end, units)
    _user(page, tracks, turns)
    _buffer(page, tracks)
    _latencies(page, turns)
    _responses(page, tracks)
    _model(page, tracks, turns)
    if calls:
        _calls(page, tracks)
    if trouble:
        _trouble(page, tracks)
    _legend(figure, tracks)


# The user


def _user(page: _Page, tracks: Tracks, turns: Sequence[Turn]) -> None:
    top, middle = page.lane("You", _USER, "as it was sent")
    for span in tracks.speech:
        stop = tracks.until(span.end)
        if page.shows(span.start, stop):
            page.axes.axvspan(
                span.start,
                stop,
                *(_share(page, top + 0.08), _share(page, top + _USER - 0.08)),
                facecolor=COLOURS["user"],
                alpha=0.13,
                linewidth=0,
            )
    _wave(page, tracks.user, middle, COLOURS["user"])
    top, _ = page.lane("", _WORDS)
    said = [turn for turn in turns if turn.transcript]
    _words(page, [(_begin(turn), turn.transcript) for turn in said], top, lines=2)


def _begin(turn: Turn) -> float:
    moments = (turn.speech_started, turn.committed, turn.created)
    return next((each for each in moments if each is not None), 0.0)


def _buffer(page: _Page, tracks: Tracks) -> None:
    _, middle = page.lane("Buffer", _BUFFER)
    marks = [(each.time, "commit", "v", INK) for each in tracks.commits]
    marks += [(each.time, "clear", "x", GREY) for each in tracks.clears]
    shown = sorted(mark for mark in marks if page.shows(mark[0]))
    for mark, following in followed(shown, lambda mark: mark[0], page.end):
        time, label, marker, colour = mark
        page.axes.plot([time], [middle], marker, color=colour, markersize=6)
        if page.room(time, following) > text_width(label, _SMALL) + 0.2:
            page.text(
                time + 0.1 / page.inches_per_second,
                middle,
                label,
                size=_SMALL,
                color=GREY,
            )


# What it took


def _latencies(page: _Page, turns: Sequence[Turn]) -> None:
    top, _ = page.lane("Latency", _LATENCY, "from end of speech")
    shown = [
        turn
        for turn in turns
        if turn.speech_ended is not None and page.shows(turn.speech_ended, turn.done)
    ]
    for turn, following in followed(
        shown, lambda turn: turn.speech_ended or 0.0, page.end
    ):
        _guides(page, turn, top)
        rows = (
            (turn.to_commit, "commit", PALE),
            (turn.to_first_audio, "first audio", COLOURS["interrupted"]),
            (turn.to_last, "last", COLOURS["received"]),
        )
        for row, (length, name, colour) in enumerate(rows):
            y = top + 0.25 + 0.42 * row
            written = row == 0 and turn.speech_started is None
            if length is not None and not written:
                _latency(
                    page, turn.speech_ended or 0.0, length, name, colour, y, following
                )


def _guides(page: _Page, turn: Turn, top: float) -> None:
    """Lead the eye from the end of speech to its bars, and from there to the audio."""
    style = {"color": GREY, "linewidth": 0.7, "linestyle": (0, (1, 2)), "zorder": 1}
    ended, first = turn.speech_ended, turn.first_audio
    page.axes.plot([ended, ended], [0.3, _USER], **style)
    page.axes.plot([ended, ended], [_USER + _WORDS, top + 0.1], **style)
    if first is not None:
        bottom = top + _LATENCY + _RESPONSES + _RECEIVED + _MODEL / 2
        page.axes.plot([first, first], [top + 0.67, bottom], **style)


def _latency(
    page: _Page,
    start: float,
    length: float,
    name: str,
    colour: str,
    y: float,
    following: float,
) -> None:
    page.axes.barh(y, length, left=start, height=0.2, color=colour, zorder=2)
    page.axes.plot([start, start], [y - 0.16, y + 0.16], color=INK, linewidth=0.8)
    weight = "bold" if name == "first audio" else "normal"
    gap = 0.06 / page.inches_per_second
    # Behind the bar where there is room, or else in it; in full, or else the time.
    behind, inside = (
        page.room(start + length, following),
        page.room(start, start + length),
    )
    for x, room in ((start + length + gap, behind), (start + gap, inside)):
        for label in (f"{seconds(length)} {name}", seconds(length)):
            if room > text_width(label, _SMALL) + 0.14:
                page.text(x, y, label, size=_SMALL, weight=weight)
                return


def _responses(page: _Page, tracks: Tracks) -> None:
    _, middle = page.lane("Response", _RESPONSES)
    for response in tracks.responses:
        stop = tracks.until(response.done)
        if not page.shows(response.created, stop):
            continue
        colour = STATUS_COLOURS.get(response.status or "", PALE)
        page.axes.barh(
            middle, stop - response.created, left=response.created, height=0.42,
            color=colour, edgecolor=INK, linewidth=0.5, zorder=2,
        )  # fmt: skip
        if response.asked is not None:
            page.axes.plot([response.asked], [middle], ">", color=INK, markersize=4)
        if response.first_audio is not None:
            first = response.first_audio
            page.axes.plot(
                [first, first], [middle - 0.21, middle + 0.21], color=INK, linewidth=1.4
            )
        if response.status not in (None, "completed"):
            page.text(stop + 0.06 / page.inches_per_second, middle, response.status,
                      size=_SMALL, color=GREY)  # fmt: skip


# The model


def _model(page: _Page, tracks: Tracks, turns: Sequence[Turn]) -> None:
    _, middle = page.lane("Received", _RECEIVED)
    previous = 0.0
    for heard in tracks.model:
        seconds_of = heard.piece.end - heard.piece.start
        start = max(previous, heard.received - min(seconds_of, 0.05))
        previous = heard.received
        page.axes.barh(
            middle, heard.received - start, left=start, height=0.18,
            color=COLOURS["received"], linewidth=0,
        )  # fmt: skip
    top, middle = page.lane("Model", _MODEL, "as it is played")
    played = list(tracks.played())
    _wave(page, _unheard(played), middle, PALE)
    _wave(page, [each.piece.before(end) for each, end in played], middle,
          COLOURS["model"])  # fmt: skip
    for turn in turns:
        cut = turn.interrupted
        if cut is not None and page.shows(cut):
            page.axes.plot([cut, cut], [top + 0.1, top + _MODEL - 0.1],
                           color=COLOURS["interrupted"], linewidth=2)  # fmt: skip
    top, _ = page.lane("", _ANSWER)
    said = [
        (turn.first_output, turn.answer)
        for turn in turns
        if turn.first_output is not None and turn.answer
    ]
    _words(page, said, top, lines=3)


def _unheard(played: Sequence[tuple[Heard, float]]) -> Iterator[Piece]:
    """Yield what was cut off, up to where the model is heard again."""
    resumed = float("inf")
    for heard, end in reversed(played):
        piece = heard.piece.after(end)
        if piece.start < resumed:
            yield piece.before(resumed)
        if end > heard.piece.start:
            resumed = min(resumed, heard.piece.start)


def _calls(page: _Page, tracks: Tracks) -> None:
    _, middle = page.lane("Functions", _EXTRA)
    shown = [each for each in tracks.calls if page.shows(each.start, each.end)]
    for call, following in followed(shown, lambda call: call.start, page.end):
        stop = tracks.until(call.end)
        page.axes.barh(middle, stop - call.start, left=call.start, height=0.34,
                       color=COLOURS["call"], edgecolor=INK, linewidth=0.5)  # fmt: skip
        text = f"{call.name}  {seconds(stop - call.start)}"
        label = fitting(text, page.room(stop, following) - 0.1, _TEXT, 1)
        page.text(stop + 0.06 / page.inches_per_second, middle, label)


def _trouble(page: _Page, tracks: Tracks) -> None:
    _, middle = page.lane("Trouble", _EXTRA)
    marks = [(each, "X") for each in [*tracks.errors, *tracks.gaps]]
    marks += [(each, "D") for each in tracks.reconnects]
    shown = sorted(
        ((mark, kind) for mark, kind in marks if page.shows(mark.time)),
        key=lambda pair: pair[0].time,
    )
    for (mark, kind), following in followed(shown, lambda pair: pair[0].time, page.end):
        page.axes.plot([mark.time], [middle], kind, color=COLOURS["trouble"],
                       markersize=7, markeredgewidth=0)  # fmt: skip
        room = page.room(mark.time, following) - 0.2
        label = fitting(mark.label.replace("_", " "), room, _TEXT, 2)
        page.text(mark.time + 0.1 / page.inches_per_second, middle, label)


# What lanes have in common


def _wave(page: _Page, pieces: Iterable[Piece], middle: float, colour: str) -> None:
    """Draw sound as the band that it fills."""
    import numpy

    times: list[Any] = []
    peaks: list[Any] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.end <= piece.start or not page.shows(piece.start, piece.end):
            continue
        values = piece.peaks if len(piece.peaks) else [0.04]
        edges = numpy.linspace(piece.start, piece.end, len(values) + 1)
        times += [edges[:-1], edges[-1:]]
        peaks += [numpy.asarray(values, float), [numpy.nan]]
    if not times:
        return
    x, y = numpy.concatenate(times), numpy.concatenate(peaks)
    # Quiet speech is to be seen as well.
    height = 0.78 * numpy.sqrt(numpy.clip(y, 0, 1))
    keep = _joined(x, height)
    page.axes.fill_between(x[keep], middle - height[keep], middle + height[keep],
                           color=colour, linewidth=0.3, step="post",
                           zorder=2)  # fmt: skip


def _joined(x: Any, height: Any) -> Any:
    """Tell which points to draw: an end where the next piece goes on is none."""
    import numpy

    following = numpy.append(x[1:], numpy.inf)
    return ~(numpy.isnan(height) & (following - x < 0.02))


def _words(
    page: _Page, said: Sequence[tuple[float, str]], top: float, *, lines: int
) -> None:
    shown = [(time, text) for time, text in said if page.shows(time)]
    for (time, text), following in followed(shown, lambda pair: pair[0], page.end):
        room = page.room(time, following) - 0.15
        page.text(time, top + 0.12, fitting(text, room, _TEXT, lines), va="top",
                  linespacing=1.25)  # fmt: skip


def _share(page: _Page, y: float) -> float:
    """Return *y* as a share of the axes' height, from below."""
    bottom, top = page.axes.get_ylim()
    return float((bottom - y) / (bottom - top))


def _legend(figure: Any, tracks: Tracks) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=COLOURS["user"], alpha=0.2, label="speech"),
        Patch(color=COLOURS["model"], label="heard"),
    ]
    if any(end < each.piece.end for each, end in tracks.played()):
        handles.append(Patch(color=PALE, label="never heard"))
        line = Line2D([], [], color=COLOURS["interrupted"], linewidth=2)
        line.set_label("interrupted")
        handles.append(line)
    for status in sorted({each.status or "" for each in tracks.responses}):
        if status in STATUS_COLOURS:
            colour = STATUS_COLOURS[status]
            handles.append(Patch(color=colour, label=f"response {status}"))
    line = Line2D([], [], color=INK, linewidth=1.4, label="its first audio")
    handles.append(line)
    width, height = figure.get_size_inches()
    figure.legend(
        handles=handles, loc="lower left", ncols=len(handles), frameon=False,
        fontsize=8, bbox_to_anchor=((_MARGIN_LEFT - 0.1) / width, 0.05 / height),
        handlelength=1.2, columnspacing=1.6, labelcolor=GREY,
    )  # fmt: skip

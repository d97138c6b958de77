"""A response that grows in a cell of a notebook, by plain display updates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from .._deadline import Deadline
from .._responses.log import ResponseLog
from ..audio import Audio, rms_dbfs
from ..errors import RealtimeError
from ..protocol._markup import Html, joined
from ..protocol._model import ServerEvent
from ..protocol.server_events import ResponseCreated, ResponseOutputAudioDelta
from ..response_stream import ResponseStream
from .audio import Budget, audio_of, limits
from .html import (
    card,
    format_of,
    html_of,
    levels_html,
    result_html,
    status_line,
    words_html,
)


__all__ = ["Interrupted", "LiveView", "in_a_kernel", "print_live", "show_live"]

_CANCEL_TIMEOUT = 2.0
"""Seconds that a cancelled response gets to end, so that its end can be shown."""

_SLICE_MS = 100  # of audio for one bar of its levels
_FLOOR_DBFS = -50.0  # what is softer has no bar

Update = Callable[[str, str], object]
"""Replaces what is shown: by HTML, and by text for where there is none."""


class Interrupted(KeyboardInterrupt):
    """
    The kernel was interrupted while a response was shown.

    The response was cancelled. The session goes on: the next cell can use it.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython's hook: where in this library it was is of no interest.
        return [f"{type(self).__name__}: {self}"]


def in_a_kernel() -> bool:
    """Tell whether displays can be updated: in a notebook, not in a terminal."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def print_live(stream: ResponseStream, deadline: Deadline) -> None:
    """Print the words of a response as they arrive."""
    for piece in stream.text(timeout=deadline.remaining()):
        print(piece, end="", flush=True)
    print()


def show_live(
    stream: ResponseStream,
    deadline: Deadline,
    *,
    refresh: float,
    begun: float,
    update: Update,
) -> None:
    """
    Show a response until it has ended.

    Args:
        stream: The response.
        deadline: For its end.
        refresh: Seconds between two updates, at least.
        begun: When it was asked for, by `time.monotonic()`.
        update: Replaces what is shown.

    Raises:
        Interrupted: The kernel was; the response is cancelled.
    """
    view = LiveView(begun=begun)
    try:
        _follow(stream, view, deadline, refresh, update)
    except KeyboardInterrupt:
        stream.cancel()
        stream.wait(_CANCEL_TIMEOUT)
        update(view.html(stream, final=True), view.text)
        raise Interrupted("the response was cancelled; the session goes on") from None
    except RealtimeError as error:
        update(joined(view.html(stream), html_of(error)), view.text)
        raise
    update(view.html(stream, final=True), view.text)


def _follow(
    stream: ResponseStream,
    view: LiveView,
    deadline: Deadline,
    refresh: float,
    update: Update,
) -> None:
    due = 0.0
    for event in _ticking(stream, refresh):
        if event is not None:
            view.add(event)
        now = time.monotonic()
        if now >= due:
            update(view.html(stream), view.text)
            due = now + refresh
        deadline.remaining()


def _ticking(stream: ResponseStream, every: float) -> Iterator[ServerEvent | None]:
    """Yield the events of a response, and None after *every* so many silent seconds."""
    seen = 0
    while True:
        try:
            for event in islice(stream.events(timeout=every), seen, None):
                # After a lost connection a response may begin anew.
                seen = 1 if isinstance(event, ResponseCreated) else seen + 1
                yield event
        except TimeoutError:
            yield None
        else:
            return


class LiveView:
    """
    What is known of a response so far, as a picture. Not thread-safe.

    Args:
        begun: When it was asked for, by *clock*.
        clock: Returns seconds.
    """

    def __init__(
        self, *, begun: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._begun = begun
        self._clock = clock
        self._first_words: float | None = None
        self._first_audio: float | None = None
        self._begin()

    @property
    def text(self) -> str:
        """The words so far."""
        return self._log.words()

    def add(self, event: ServerEvent) -> None:
        """Take in the next event."""
        if isinstance(event, ResponseCreated):
            self._begin()
        self._log.add(event)
        now = self._clock() - self._begun
        if self._first_words is None and self._log.text:
            self._first_words = now
        if isinstance(event, ResponseOutputAudioDelta):
            self._first_audio = self._first_audio or now
            self._hear(event.delta)

    def html(self, stream: ResponseStream, *, final: bool = False) -> Html:
        """
        Return the picture.

        Args:
            stream: The response.
            final: Whether no event is left to be added.
        """
        if final and stream.status in ("completed", "incomplete", "cancelled"):
            budget = Budget(limits.audio_bytes)
            levels = levels_html(self._levels)
            return result_html(stream.result(), budget, *self._facts(), above=levels)
        status = "cancelled" if stream.cancelling else stream.status or "in_progress"
        return card(
            words_html(self.text),
            levels_html(self._levels[-_LIVE_BARS:]),
            status_line(status, *self._facts()),
        )

    def _begin(self) -> None:
        self._log = ResponseLog()
        self._levels: list[float] = []
        self._rest = b""
        self._audio_ms = 0

    def _facts(self) -> Iterator[str]:
        if self._first_words is not None:
            yield f"first words after {self._first_words:.2f} s"
        if self._first_audio is not None:
            yield f"first audio after {self._first_audio:.2f} s"
            yield f"{self._audio_ms / 1000:.1f} s of audio"

    def _hear(self, data: bytes) -> None:
        audio = self._decoded(data)
        self._audio_ms += audio.duration_ms
        pcm = self._rest + audio.pcm
        size = audio.sample_rate * _SLICE_MS // 1000 * 2
        for start in range(0, len(pcm) - size + 1, size):
            level = rms_dbfs(pcm[start : start + size])
            self._levels.append(max(0.0, 1 - level / _FLOOR_DBFS))
        self._rest = pcm[len(pcm) - len(pcm) % size :]

    def _decoded(self, data: bytes) -> Audio:
        response: Any = self._log.response
        return audio_of(data, format_of(response.audio) if response else None)


_LIVE_BARS = 120  # 12 s

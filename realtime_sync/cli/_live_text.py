"""An answer while it is written: Markdown that grows on a terminal, else plain text."""

from __future__ import annotations

import time

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from ._output import Output, harmless


__all__ = ["LiveText"]

_INTERVAL = 0.08  # seconds between two drawings


class LiveText:
    """
    Shows a text that comes in pieces, within a ``with`` block.

    On a terminal it is drawn again as it grows, and once more as a whole at the end;
    anywhere else the pieces are printed as they come. For one thread.

    Args:
        output: Where to.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._text = ""
        self._drawn_at = 0.0
        self._live: Live | None = None
        if output.is_live:
            self._live = Live(
                get_renderable=lambda: _Tail(self._text),
                console=output.out,
                auto_refresh=False,
                transient=True,
            )

    def __enter__(self) -> LiveText:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is None:
            self._output.line()
            return
        self._live.stop()
        self._output.out.print(_markdown(self._text))

    def add(self, piece: str) -> None:
        """Show one piece more."""
        self._text += piece
        if self._live is None:
            self._output.words(piece)
            return
        # Drawing takes the longer the more there is.
        now = time.monotonic()
        if now - self._drawn_at >= _INTERVAL:
            self._drawn_at = now
            self._live.refresh()


class _Tail:
    """As much of the end of a text as the terminal has room for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        lines = console.render_lines(_markdown(self._text), options, pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


def _markdown(text: str) -> Markdown:
    # Links show where they lead to: a model chose them.
    return Markdown(harmless(text), hyperlinks=False)

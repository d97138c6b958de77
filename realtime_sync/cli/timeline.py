"""The command ``timeline``: the turns of a recording, in figures or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from ._options import json_option
from ._output import Output


if TYPE_CHECKING:
    from ..timeline import Turn


__all__ = ["timeline"]

_TITLES = ("turn", "began", "commit", "created", "audio", "last", "ended")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    "picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw it: a .png, .svg or .pdf file (extra plot).",
)
@click.option("--start", type=float, metavar="SECONDS", help="Begin the picture here.")
@click.option("--end", type=float, metavar="SECONDS", help="End the picture here.")
@click.option("--title", metavar="TEXT", help="What stands above the picture.")
@json_option
@click.pass_context
def timeline(
    ctx: click.Context,
    /,
    file: Path,
    picture: Path | None,
    start: float | None,
    end: float | None,
    title: str | None,
) -> None:
    """
    Show how the turns of the recording FILE went.

    For each turn when it began, then the seconds from the end of the user's speech to
    the commit, the response, its first and its last audio, and how it ended; and a
    summary of the session.
    """
    from ..timeline import timeline as read_timeline

    output: Output = ctx.find_root().obj
    session = read_timeline(file)
    if picture is not None:
        session.plot(picture, start=start, end=end, title=title)
        output.line(f"wrote {picture}")
        output.record("wrote", file=str(picture))
        return
    output.line("", label=_row(*_TITLES))
    for turn in session.turns():
        output.line(_words(turn), label=_row(*_cells(turn)), style="")
        output.record("turn", **turn.as_dict())
    summary = session.summary()
    output.line(f"\n{summary}")
    output.record("summary", **attrs.asdict(summary))


def _cells(turn: Turn) -> tuple[str, ...]:
    began = turn.speech_started if turn.speech_started is not None else turn.committed
    times = (
        began,
        turn.to_commit,
        turn.to_created,
        turn.to_first_audio,
        turn.to_last,
    )
    shown = ["-" if each is None else f"{each:.3f}" for each in times]
    return str(turn.index + 1), *shown, turn.status or "-"


def _row(*cells: str) -> str:
    first, *times, last = cells
    return f"{first:>4} " + " ".join(f"{each:>8}" for each in times) + f"  {last:<11}"


def _words(turn: Turn) -> str:
    parts = [turn.transcript, turn.answer]
    said = " / ".join(" ".join(each.split()) for each in parts if each)
    return said if len(said) <= 70 else f"{said[:69]}…"

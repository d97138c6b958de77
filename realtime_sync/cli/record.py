"""The command ``record``: a spoken conversation that is written to a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from ._options import Link, keep, link_options
from .talk import hold, spoken_options


__all__ = ["record"]

_AUDIO: dict[str, Literal["inline", "wav"] | None] = {
    "inline": "inline",
    "wav": "wav",
    "none": None,
}


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.argument(
    "files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--audio",
    type=click.Choice(list(_AUDIO)),
    default="inline",
    help="Whether audio is in the recording, in WAV files beside it, or left out.",
)
@click.option("--overwrite", is_flag=True, help="Replace a recording of that name.")
@spoken_options
@link_options
def record(
    link: Link,
    target: Path,
    files: tuple[Path, ...],
    audio: str,
    overwrite: bool,
    **options: Any,
) -> None:
    """
    Record a conversation to TARGET, such as call.jsonl.

    It is held as by talk: FILES are recorded questions, --microphone is for talking.
    What is said stays in the recording; keys and tokens do not get into it.
    """
    from ..recording import Recorder

    keep(files, target)
    recorders: list[Recorder] = []

    def watch(connection: Any) -> None:
        recorders.append(
            Recorder(connection, target, audio=_AUDIO[audio], overwrite=overwrite)
        )

    try:
        hold(link, files, answers=None, watch=watch, **options)
    finally:
        for recorder in recorders:  # none, if no connection came about
            recorder.close()
            _tell(link, recorder, target)


def _tell(link: Link, recorder: Any, target: Path) -> None:
    # An error of the recorder ends the recording, not the conversation.
    if recorder.error is not None:
        link.output.notice(f"the recording is not complete: {recorder.error}")
    if recorder.lost:
        link.output.notice(f"{recorder.lost} events are missing: the disk was too slow")
    link.output.line(f"recorded {recorder.written} events in {target}")
    link.output.record(
        "recorded", file=str(target), events=recorder.written, lost=recorder.lost
    )

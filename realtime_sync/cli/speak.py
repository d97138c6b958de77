"""The command ``speak``: a text to speech."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..audio import WavWriter
from ._options import Link, link_options
from ._output import Output
from ._voice import open_device


__all__ = ["speak"]


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    help="The WAV file, replaced if it is there; - for stdout.  "
    "[default: speech.wav, or none with --play]",
)
@click.option("--play", is_flag=True, help="Play it on the speaker (extra devices).")
@click.option("--output-device", metavar="DEVICE", help="The speaker to play it on.")
@click.option("--voice", metavar="NAME", help="The voice.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=60.0,
    help="For each piece of the speech.",
)
@link_options
def speak(
    link: Link,
    text: tuple[str, ...],
    target: str | None,
    play: bool,
    output_device: str | None,
    voice: str | None,
    timeout: float,
) -> None:
    """
    Let the model read out TEXT; - reads it from stdin.

    It is told to read the text verbatim, but a model may not keep to that.
    """
    words = sys.stdin.read() if text == ("-",) else " ".join(text)
    if not words.strip():
        raise click.UsageError("there is nothing to say")
    if target is None and not play:
        target = "speech.wav"
    client = link.client()
    pieces = client.speak(
        words, voice=link.preference(voice, "voice"), stream=True, timeout=timeout
    )
    size = 0
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(_file(target)) if target else None
        speaker = (
            stack.enter_context(open_device("Speaker", output_device)) if play else None
        )
        for piece in _shown(pieces, link.output):
            size += len(piece)
            if writer is not None:
                writer.write(piece)
            if speaker is not None:
                speaker.write(piece)
        if speaker is not None:
            speaker.drain()
    if target != "-":
        link.output.record("wrote", file=target, duration_ms=size // 48)
        if target:
            link.output.line(f"wrote {target} ({size / 48_000:.1f} s)")


@contextlib.contextmanager
def _file(target: str) -> Iterator[WavWriter]:
    destination: Any = sys.stdout.buffer if target == "-" else Path(target)
    with WavWriter(destination) as writer:
        yield writer


def _shown(pieces: Iterator[bytes], output: Output) -> Iterator[bytes]:
    """Yield *pieces*; on a terminal, show how much there is."""
    screen = output.progress
    if screen is None:
        yield from pieces
        return
    size = 0
    with screen.status("waiting for the first sound …") as status:
        for piece in pieces:
            size += len(piece)
            status.update(f"speaking: {size / 48_000:.1f} s")
            yield piece

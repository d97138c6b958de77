"""The command ``replay``: a recording as it went, with captions and sound."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from ..connection import RealtimeConnection
from ..protocol import ServerEvent
from ..protocol.codec import unstructure
from ._options import json_option
from ._output import Output
from ._voice import Captions, open_device


__all__ = ["replay"]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    default=1.0,
    help="So many times faster than it was.",
)
@click.option("--fast", is_flag=True, help="Without waiting at all.")
@click.option("--play", is_flag=True, help="Play the answers (extra devices).")
@click.option("--output-device", metavar="DEVICE", help="The speaker to play it on.")
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    file: Path,
    speed: float,
    fast: bool,
    play: bool,
    output_device: str | None,
) -> None:
    """
    Play the recording FILE again, with no network.

    Both sides' words are shown as they came, from the transcripts. With --json every
    event of the server is a line.
    """
    from ..recording import replay as play_again

    output: Output = ctx.find_root().obj
    with contextlib.ExitStack() as stack:
        speaker = (
            stack.enter_context(open_device("Speaker", output_device)) if play else None
        )
        playing = stack.enter_context(play_again(file, speed=None if fast else speed))
        connection = playing.connection
        if output.as_json:
            connection.on(ServerEvent, _Lines(output))
        else:
            stack.enter_context(Captions(output).following(connection))
        if speaker is not None and isinstance(connection, RealtimeConnection):
            connection.play(speaker)
        playing.run()
        if speaker is not None:
            speaker.drain()


class _Lines:
    """Prints events as objects, with the size of audio in its place."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, event: ServerEvent) -> None:
        payload = unstructure(event)
        if event.type.endswith("audio.delta"):
            payload["delta"] = f"<{len(getattr(event, 'delta', b''))} bytes>"
        self._output.record("event", payload=payload)

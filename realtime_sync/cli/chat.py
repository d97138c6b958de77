"""The command ``chat``: a conversation in writing, which can be spoken too."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import attrs
import click

from ._chat_room import ChatRoom
from ._options import Link, link_options
from ._prompt import typed_lines
from .talk import spoken_session


__all__ = ["chat"]


@click.command()
@click.option("--speak", is_flag=True, help="Answers are spoken from the start.")
@click.option("--voice", metavar="NAME", help="The voice of spoken answers.")
@click.option("--instructions", metavar="TEXT", help="What the model is told to be.")
@click.option(
    "--restore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Go on with a conversation that /save wrote as JSON.",
)
@click.option(
    "--history/--no-history",
    default=True,
    help="Whether what is typed is kept for the next time.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=60.0,
    help="For each piece of an answer.",
)
@link_options
def chat(
    link: Link,
    speak: bool,
    voice: str | None,
    instructions: str | None,
    restore: Path | None,
    history: bool,
    timeout: float,
) -> None:
    """
    Talk with the model in writing.

    Lines that begin with / are commands, and /help lists them: one makes answers
    spoken, one lets you talk with the microphone. Ctrl-C stops an answer, and ends the
    chat where there is none. Without a terminal each line of stdin is a question.
    """
    session = attrs.evolve(
        spoken_session(
            voice=link.preference(voice, "voice"),
            instructions=link.preference(instructions, "instructions"),
            transcription_model=link.preference(
                None, "transcription_model", "whisper-1"
            ),
            finds_turns=False,
        ),
        output_modalities=["text"],
    )
    taken = None if restore is None else _read(restore)
    with (
        contextlib.ExitStack() as devices,
        link.client().connect(session=session) as connection,
    ):
        room = ChatRoom(connection, link, devices, timeout=timeout)
        if taken is not None:
            link.output.notice(str(connection.restore(taken)))
        if speak:
            room.obey("/voice on")
        file = Path(click.get_app_dir("realtime-sync")) / "history"
        if link.output.is_live:
            link.output.notice("/help lists the commands, Ctrl-D ends the chat")
        for line in typed_lines("you> ", file if history else None, room.words):
            if not room.enter(line):
                return


def _read(file: Path) -> dict[str, object]:
    try:
        taken = json.loads(file.read_bytes())
    except ValueError as exc:
        raise ValueError(f"{file} is no JSON; give what /save FILE.json wrote") from exc
    if not isinstance(taken, dict):
        raise ValueError(f"{file} is no conversation; give what /save FILE.json wrote")  # noqa: TRY004
    return taken

"""
The command line: ``realtime-sync``, or ``python -m realtime_sync``.

``talk`` asks recorded questions and keeps the spoken answers; ``emulate`` serves the
API on this machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ._emulate_command import add_emulate
from .audio import WavWriter
from .client import RealtimeClient
from .connection import RealtimeConnection
from .errors import RealtimeError
from .protocol import (
    AudioPcm,
    AudioTranscription,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    RealtimeSession,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)


__all__ = ["main"]

# How long the transcript of the question may hold up the answer, in seconds.
_HEARING = 15.0
_ANSWERING = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Args:
        arguments: Those after the program's name; by default those of the process.

    Returns:
        The exit code: 0, or 1 after an error that was told, or 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except (RealtimeError, OSError, ValueError, ImportError) as exc:
        print(f"realtime-sync: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime-sync",
        description="Speech in, speech out, over one WebSocket.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    talk = commands.add_parser(
        "talk",
        help="ask recorded questions and write the spoken answer",
        description="Ask recorded questions. With AZURE_OPENAI_ENDPOINT (or "
        "OPENAI_API_KEY) set it talks to that service, otherwise to an emulator.",
    )
    talk.add_argument("files", nargs="+", type=Path, help="WAV files, one a question")
    talk.add_argument("-o", "--output", type=Path, default=Path("answer.wav"))
    talk.add_argument("--model", help="the model, or on Azure the deployment")
    talk.add_argument("--voice", help="the voice of the answer")
    talk.add_argument("--transcription-model", default="whisper-1")
    talk.set_defaults(run=_talk)
    add_emulate(commands)
    return parser


def _talk(options: argparse.Namespace) -> None:
    client = _client(options.model)
    with (
        client.connect(session=_session(options)) as connection,
        WavWriter(options.output) as answer,
    ):
        for path in options.files:
            _ask(connection, path, answer)
    print(f"wrote {options.output}")


def _client(model: str | None) -> RealtimeClient:
    if os.environ.get("AZURE_OPENAI_ENDPOINT") or os.environ.get("OPENAI_API_KEY"):
        return RealtimeClient.from_environment(model=model)
    return RealtimeClient.emulated()


def _session(options: argparse.Namespace) -> RealtimeSession:
    return RealtimeSession(
        output_modalities=["audio"],
        audio=SessionAudio(
            input=SessionAudioInput(
                format=AudioPcm(rate=24_000),
                turn_detection=None,  # the end of the file is the end of the turn
                transcription=AudioTranscription(model=options.transcription_model),
            ),
            output=SessionAudioOutput(format=AudioPcm(rate=24_000))
            if options.voice is None
            else SessionAudioOutput(format=AudioPcm(rate=24_000), voice=options.voice),
        ),
    )


def _ask(connection: RealtimeConnection, path: Path, answer: WavWriter) -> None:
    transcripts = connection.events(
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        timeout=_HEARING,
    )
    connection.append_audio(path)
    connection.commit_input_audio()
    response = connection.create_response()
    heard = next(transcripts)
    if isinstance(heard, ConversationItemInputAudioTranscriptionCompleted):
        print(f"heard:  {heard.transcript.strip()}")
    else:
        print("heard:  (the question could not be transcribed)")
    print("answer: ", end="")
    for words in response.text(timeout=_ANSWERING):
        print(words, end="", flush=True)
    print()
    for pcm in response.audio(timeout=_ANSWERING):
        answer.write(pcm)

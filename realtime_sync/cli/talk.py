"""The command ``talk``: recorded questions, or a microphone, and spoken answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import attrs
import click

from ..audio import WavWriter
from ..connection import RealtimeConnection
from ..protocol import (
    AudioPcm,
    AudioTranscription,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    RealtimeSession,
    ResponseOutputAudioDelta,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)
from ..response_stream import ResponseStream
from ._options import Link, link_options
from ._output import Output
from ._voice import converse, voice_options


__all__ = ["spoken_session", "talk"]

# How long the transcript of the question may hold up the answer, in seconds.
_HEARING = 15.0
_ANSWERING = 120.0

_UNHEARD = "(the question could not be transcribed)"


@click.command()
@click.argument(
    "files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-o",
    "--output",
    "answers",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("answer.wav"),
    help="The WAV file of the answers to FILES.",
)
@click.option("-m", "--microphone", is_flag=True, help="Talk with the microphone.")
@voice_options
@click.option("--voice", metavar="NAME", help="The voice of the answers.")
@click.option("--instructions", metavar="TEXT", help="What the model is told to be.")
@click.option(
    "--transcription-model",
    metavar="NAME",
    help="The model that writes down what is asked.  [default: whisper-1]",
)
@link_options
def talk(
    link: Link,
    files: tuple[Path, ...],
    answers: Path,
    microphone: bool,
    voice: str | None,
    instructions: str | None,
    transcription_model: str | None,
    **devices: Any,
) -> None:
    """
    Ask aloud, and hear the answers.

    Each of FILES is a recorded question (WAV; other formats with the extra audio); what
    was heard and is answered is printed, and the spoken answers are written to a file.
    With --microphone it is a conversation with microphone and speaker (extra devices),
    until Ctrl-C.
    """
    if bool(files) == microphone:
        raise click.UsageError("name recordings, or give --microphone")
    session = spoken_session(
        voice=link.preference(voice, "voice"),
        instructions=link.preference(instructions, "instructions"),
        transcription_model=link.preference(
            transcription_model, "transcription_model", "whisper-1"
        ),
        finds_turns=microphone,
    )
    client = link.client()
    if microphone:
        converse(lambda: client.connect(session=session), link.output, **devices)
        return
    with client.connect(session=session) as connection, WavWriter(answers) as writer:
        for path in files:
            _ask(connection, path, writer, link.output)
    link.output.line(f"wrote {answers}")
    link.output.record("wrote", file=str(answers), duration_ms=writer.duration_ms)


def spoken_session(
    *,
    voice: str | None,
    instructions: str | None,
    transcription_model: str,
    finds_turns: bool,
) -> RealtimeSession:
    """
    Return a session that hears and speaks PCM of 24 kHz.

    Args:
        voice: The voice, or None for the service's default.
        instructions: What the model is told to be, or None.
        transcription_model: What transcribes the user.
        finds_turns: Whether the server finds the ends of turns; without, the end of a
            file is the end of a turn.
    """
    audio = SessionAudio(
        input=SessionAudioInput(
            format=AudioPcm(rate=24_000),
            turn_detection=ServerVad() if finds_turns else None,
            transcription=AudioTranscription(model=transcription_model),
        ),
        output=SessionAudioOutput(format=AudioPcm(rate=24_000)),
    )
    if voice is not None and audio.output:
        audio = attrs.evolve(audio, output=attrs.evolve(audio.output, voice=voice))
    session = RealtimeSession(output_modalities=["audio"], audio=audio)
    if instructions is None:
        return session
    return attrs.evolve(session, instructions=instructions)


def _ask(
    connection: RealtimeConnection, path: Path, answers: WavWriter, output: Output
) -> None:
    transcripts = connection.events(
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        timeout=_HEARING,
    )
    stopwatch = _Stopwatch()
    connection.once(ResponseOutputAudioDelta, stopwatch.stop)
    connection.append_audio(path)
    connection.commit_input_audio()
    stopwatch.start()
    response = connection.create_response()
    heard = next(transcripts)
    words = getattr(heard, "transcript", None)
    output.line(
        _UNHEARD if words is None else words.strip(),
        label="heard:  ",
        style="bold cyan",
    )
    _print_answer(response, answers, output)
    result = response.result(timeout=_ANSWERING)
    output.record(
        "answer",
        file=str(path),
        heard=words if words is None else words.strip(),
        text=result.text,
        status=result.status,
        first_audio_ms=stopwatch.milliseconds,
    )


def _print_answer(response: ResponseStream, answers: WavWriter, output: Output) -> None:
    output.words("", label="answer: ", style="bold green")
    for words in response.text(timeout=_ANSWERING):
        output.words(words)
    output.line()
    for pcm in response.audio(timeout=_ANSWERING):
        answers.write(pcm)


class _Stopwatch:
    """Takes the time from the end of a question to the first sound of its answer."""

    def __init__(self) -> None:
        self._started = 0.0
        self.milliseconds: int | None = None

    def start(self) -> None:
        self._started = time.monotonic()

    def stop(self, event: ResponseOutputAudioDelta) -> None:
        self.milliseconds = round(1000 * (time.monotonic() - self._started))

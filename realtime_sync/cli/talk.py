"""The command ``talk``: recorded questions, or a microphone, and spoken answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

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
from ._options import Link, keep, link_options
from ._output import Output
from ._voice import converse, voice_options


__all__ = ["hold", "spoken_options", "spoken_session", "talk"]

F = TypeVar("F", bound=Callable[..., Any])

# How long the transcript of the question may hold up the answer, in seconds.
_HEARING = 15.0
_ANSWERING = 120.0

_UNHEARD = "(the question could not be transcribed)"


def spoken_options(command: F) -> F:
    """Add the options of a spoken conversation, which `hold()` takes."""
    for option in (
        click.option(
            "--transcription-model",
            metavar="NAME",
            help="The model that writes down what is asked.  [default: whisper-1]",
        ),
        click.option(
            "--instructions", metavar="TEXT", help="What the model is told to be."
        ),
        click.option("--voice", metavar="NAME", help="The voice of the answers."),
        voice_options,
        click.option(
            "-m", "--microphone", is_flag=True, help="Talk with the microphone."
        ),
    ):
        command = option(command)
    return command


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
    help="The WAV file of the answers to FILES; replaced if it is there.",
)
@spoken_options
@link_options
def talk(link: Link, files: tuple[Path, ...], answers: Path, **options: Any) -> None:
    """
    Ask aloud, and hear the answers.

    Each of FILES is a recorded question (WAV; other formats with the extra audio); what
    was heard and is answered is printed, and the spoken answers are written to a file.
    With --microphone it is a conversation with microphone and speaker (extra devices),
    until Ctrl-C.
    """
    hold(link, files, answers=answers, **options)


def hold(
    link: Link,
    files: Sequence[Path],
    *,
    answers: Path | None,
    microphone: bool,
    voice: str | None,
    instructions: str | None,
    transcription_model: str | None,
    watch: Callable[[RealtimeConnection], object] = lambda connection: None,
    **devices: Any,
) -> None:
    """
    Hold a spoken conversation.

    Args:
        link: The way to the service.
        files: Recorded questions, or none to talk with the microphone.
        answers: Where the answers to *files* are written; None for nowhere.
        microphone: Whether to talk with the microphone.
        voice: The voice, or None.
        instructions: What the model is told to be, or None.
        transcription_model: What transcribes the questions, or None.
        watch: Is called with the connection before anything is said.
        devices: The options of `voice_options()`.
    """
    if bool(files) == microphone:
        raise click.UsageError("name recordings, or give --microphone")
    keep(files, answers)
    session = spoken_session(
        voice=link.preference(voice, "voice"),
        instructions=link.preference(instructions, "instructions"),
        transcription_model=link.preference(
            transcription_model, "transcription_model", "whisper-1"
        ),
        finds_turns=microphone,
    )
    client = link.client()

    @contextmanager
    def opened() -> Iterator[RealtimeConnection]:
        with client.connect(session=session) as connection:
            watch(connection)
            yield connection

    if microphone:
        converse(opened, link.output, **devices)
        return
    with opened() as connection, ExitStack() as stack:
        writer = stack.enter_context(WavWriter(answers)) if answers else None
        for path in files:
            _ask(connection, path, writer, link.output)
    if writer is not None:
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
    connection: RealtimeConnection,
    path: Path,
    answers: WavWriter | None,
    output: Output,
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
    words = _transcript(transcripts)
    output.line(
        _UNHEARD if words is None else words, label="heard:  ", style="bold cyan"
    )
    _print_answer(response, answers, output)
    result = response.result(timeout=_ANSWERING)
    output.record(
        "answer",
        file=str(path),
        heard=words,
        text=result.text,
        status=result.status,
        first_audio_ms=stopwatch.milliseconds,
    )


def _transcript(events: Iterator[Any]) -> str | None:
    try:
        words = getattr(next(events), "transcript", None)
    except TimeoutError:  # the answer is there all the same
        return None
    return None if words is None else str(words).strip()


def _print_answer(
    response: ResponseStream, answers: WavWriter | None, output: Output
) -> None:
    output.words("", label="answer: ", style="bold green")
    for words in response.text(timeout=_ANSWERING):
        output.words(words)
    output.line()
    if answers is not None:
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

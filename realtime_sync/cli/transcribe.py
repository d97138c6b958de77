"""The command ``transcribe``: recordings to text, JSON and subtitles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..audio import load_audio
from ..client import RealtimeClient
from ..errors import RealtimeError
from ..protocol import TranscriptionSession
from ._hearing import hear, hearing_session
from ._options import Link, keep, link_options
from ._outcome import outcome_of
from ._output import Output, harmless
from ._subtitles import FORMATS, Transcript


__all__ = ["transcribe"]

_SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}

# Errors of one file, which leave the others alone.
_TOLD = (RealtimeError, OSError, ValueError, TimeoutError)


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "-f", "--format", "format_", type=click.Choice(list(FORMATS)), default="text"
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="A file; or a folder, which several FILES need.  [default: stdout]",
)
@click.option(
    "--turns/--whole",
    "by_turns",
    default=None,
    help="Whether the server finds the turns, which is what times come from.  "
    "[default: --whole for text, otherwise --turns]",
)
@click.option(
    "--realtime", is_flag=True, help="Send as slowly as it was spoken, for its VAD."
)
@click.option(
    "--transcription-model",
    metavar="NAME",
    help="The model; on Azure its deployment.  [default: gpt-4o-transcribe]",
)
@click.option("--language", metavar="CODE", help="The language spoken, such as en.")
@click.option("--prompt", metavar="TEXT", help="Words that guide the model.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=60.0,
    help="For each transcript, once the recording was sent.",
)
@link_options
def transcribe(
    link: Link,
    files: tuple[Path, ...],
    format_: str,
    target: Path | None,
    by_turns: bool | None,
    realtime: bool,
    transcription_model: str | None,
    language: str | None,
    prompt: str | None,
    timeout: float,
) -> int:
    """
    Write down what is said in FILES.

    WAV files; others with the extra audio. The API gives no times of words. The times
    of JSON and subtitles are those of the turns that the server found.
    """
    output = link.output
    format_ = "json" if output.as_json else format_
    turns = format_ != "text" if by_turns is None else by_turns
    places = _places(files, target, format_)
    keep(files, *places)
    session = hearing_session(
        model=link.preference(
            transcription_model, "transcription_model", "gpt-4o-transcribe"
        ),
        language=link.preference(language, "language"),
        prompt=prompt,
        by_turns=turns,
    )
    work = _Work(link.client(), session, turns, realtime, timeout)
    code = 0
    with _Bars(output) as bars:
        for path, place in zip(files, places, strict=True):
            try:
                transcript = work.transcribe(path, bars.bar(path))
            except _TOLD as exc:
                outcome = outcome_of(exc, "realtime-sync transcribe --help")
                if str(path) not in outcome.what:
                    outcome = attrs.evolve(outcome, what=f"{path}: {outcome.what}")
                output.failure(outcome)
                code = code or outcome.code
                continue
            _publish(transcript, format_, place, output, several=len(files) > 1)
    return code


@attrs.frozen
class _Work:
    """What is the same for all files."""

    client: RealtimeClient
    session: TranscriptionSession
    by_turns: bool
    realtime: bool
    timeout: float

    def transcribe(self, path: Path, on_sent: Callable[[int, int], None]) -> Transcript:
        audio = load_audio(path)
        with self.client.connect_transcription(self.session) as connection:
            segments = hear(
                connection,
                audio,
                by_turns=self.by_turns,
                realtime=self.realtime,
                on_sent=lambda ms: on_sent(ms, audio.duration_ms),
                timeout=self.timeout,
            )
        return Transcript(
            file=str(path), duration_ms=audio.duration_ms, segments=segments
        )


def _places(
    files: tuple[Path, ...], target: Path | None, format_: str
) -> list[Path | None]:
    """Return where the transcript of each file goes to; None is stdout."""
    suffix = _SUFFIXES[format_]
    if target is None:
        if len(files) > 1 and format_ in ("srt", "vtt"):
            raise click.UsageError("subtitles of several files need a folder: -o DIR")
        return [None for _ in files]
    if len(files) == 1 and not target.is_dir():
        return [target]
    target.mkdir(parents=True, exist_ok=True)
    places = [target / (path.stem + suffix) for path in files]
    if len(set(places)) < len(places):
        raise click.UsageError(
            "two of the files would have the same name in the folder"
        )
    return list(places)


def _publish(
    transcript: Transcript,
    format_: str,
    place: Path | None,
    output: Output,
    *,
    several: bool,
) -> None:
    content = FORMATS[format_](transcript)
    if place is not None:
        place.write_text(content, encoding="utf-8")
        output.line(f"wrote {place}")
    elif not output.as_json:
        if several and format_ == "text":
            output.line(transcript.file, style="bold")
        output.words(content)
    fields = {"output": str(place)} if place is not None else {}
    output.record("transcript", **transcript.as_dict(), **fields)


class _Bars:
    """A bar for each file, on a terminal."""

    def __init__(self, output: Output) -> None:
        self._progress: Progress | None = None
        if output.progress is not None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=output.progress,
                transient=True,
            )

    def __enter__(self) -> _Bars:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def bar(self, path: Path) -> Callable[[int, int], None]:
        """Return what moves the bar of a file, by milliseconds sent and in all."""
        progress = self._progress
        if progress is None:
            return lambda sent, total: None
        task = progress.add_task(harmless(path.name), total=None, state="opening")

        def move(sent: int, total: int) -> None:
            state = "sending" if sent < total else "transcribing"
            progress.update(task, completed=sent, total=total, state=state)

        return move

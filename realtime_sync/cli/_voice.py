"""A conversation by microphone and speaker, with captions of both sides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click
from rich.live import Live
from rich.text import Text

from .. import audio
from ..connection import RealtimeConnection
from ..protocol import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    ErrorEvent,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
)
from ._output import Output, harmless


__all__ = [
    "Captions",
    "converse",
    "follow_microphone",
    "open_device",
    "voice_options",
]

F = TypeVar("F", bound=Callable[..., Any])

_QUIET = -60.0  # dBFS, which is the lowest bar
_BARS = " ▁▂▃▄▅▆▇█"


def voice_options(command: F) -> F:
    """Add the options of a conversation by voice, which `converse()` takes."""
    for option in (
        click.option(
            "--interruptible/--no-interruptible",
            default=True,
            help="Whether the answer stops when you speak; off is for speakers that "
            "the microphone hears.",
        ),
        click.option("--input-device", metavar="DEVICE", help="Number or name."),
        click.option("--output-device", metavar="DEVICE", help="Number or name."),
    ):
        command = option(command)
    return command


def converse(
    connect: Callable[[], contextlib.AbstractContextManager[RealtimeConnection]],
    output: Output,
    *,
    interruptible: bool = True,
    input_device: str | None = None,
    output_device: str | None = None,
) -> None:
    """
    Talk until the microphone ends, which is at Ctrl-C.

    Args:
        connect: Opens a connection to a session in which the server finds the turns.
        output: Where captions go.
        interruptible: Whether answers stop when the user speaks.
        input_device: The microphone's number or name; None for the default one.
        output_device: The same of the speaker.

    Raises:
        ImportError: The extra devices is not installed.
        OSError: A device cannot be opened.
        ConnectionClosed: The connection ended.
    """
    with (
        open_device("Microphone", input_device) as microphone,
        open_device("Speaker", output_device) as speaker,
        connect() as connection,
    ):
        connection.play(speaker, interruptible=interruptible)
        follow_microphone(connection, microphone, output)


def follow_microphone(
    connection: RealtimeConnection, microphone: Iterable[bytes], output: Output
) -> None:
    """
    Send what a microphone hears, until it ends, with captions of both sides.

    Args:
        connection: Of a session in which the server finds the turns.
        microphone: The microphone.
        output: Where captions go.
    """
    output.notice("speak; Ctrl-C ends it")
    captions = Captions(output)
    with captions.following(connection):
        connection.append_audio(captions.metered(microphone))


def open_device(kind: str, name: str | None) -> Any:
    """
    Return a `Microphone` or a `Speaker`.

    Args:
        kind: Which of them.
        name: The device's number or name; None for the default one.

    Raises:
        ImportError: The extra devices is not installed.
        OSError: The device cannot be opened.
    """
    make = getattr(audio, kind)
    if name is None:
        return make()
    return make(device=int(name) if name.isdigit() else name)


class Captions:
    """
    What both sides say, in lines; on a terminal with a last line that moves.

    The handlers run on the reader thread, `metered()` on the one that sends.

    Args:
        output: Where they go.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._state = "listening"
        self._level = _QUIET
        self._words = ""

    @contextlib.contextmanager
    def following(self, connection: RealtimeConnection) -> Iterator[None]:
        """Show what is said on *connection* within the block."""
        handlers = self._handlers()
        for event_type, handler in handlers.items():
            connection.on(event_type, handler)
        try:
            with self._live():
                yield
        finally:
            for event_type, handler in handlers.items():
                connection.off(event_type, handler)

    def _live(self) -> contextlib.AbstractContextManager[object]:
        if not self._output.is_live:
            return contextlib.nullcontext()
        return Live(
            get_renderable=self.__rich__,
            console=self._output.out,
            refresh_per_second=8,
            transient=True,
        )

    def metered(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *pieces* of PCM, and show how loud they are."""
        for piece in pieces:
            self._level = audio.rms_dbfs(piece) if piece else _QUIET
            yield piece

    def __rich__(self) -> Text:
        """Return the line that moves."""
        share = 1 - max(_QUIET, min(0.0, self._level)) / _QUIET
        bar = _BARS[round(share * (len(_BARS) - 1))]
        line = Text(f"{bar} {self._state} ", style="dim", no_wrap=True)
        room = max(0, self._output.out.width - len(line) - 1)
        # The end of it, for that is what is being said.
        return line + Text(harmless(self._words)[-room:] if room else "", style="green")

    # On the reader thread

    def _handlers(self) -> dict[type[Any], Callable[[Any], None]]:
        return {
            InputAudioBufferSpeechStarted: lambda _: self._set("hearing you"),
            InputAudioBufferSpeechStopped: lambda _: self._set("thinking"),
            ConversationItemInputAudioTranscriptionCompleted: self._heard,
            ConversationItemInputAudioTranscriptionFailed: self._misheard,
            ResponseOutputAudioTranscriptDelta: self._speaks,
            ResponseOutputAudioTranscriptDone: self._said,
            ResponseDone: self._done,
            ErrorEvent: lambda event: self._output.notice(
                f"the service: {event.error.message or event.error.code}"
            ),
        }

    def _set(self, state: str) -> None:
        self._state = state

    def _heard(self, event: ConversationItemInputAudioTranscriptionCompleted) -> None:
        words = event.transcript.strip()
        self._output.line(words, label="you:    ", style="bold cyan")
        self._output.record("heard", item_id=event.item_id, text=words)

    def _misheard(self, event: ConversationItemInputAudioTranscriptionFailed) -> None:
        self._output.line("(not understood)", label="you:    ", style="bold cyan")
        self._output.record("heard", item_id=event.item_id, text=None)

    def _speaks(self, event: ResponseOutputAudioTranscriptDelta) -> None:
        self._state = "speaking"
        self._words += event.delta

    def _said(self, event: ResponseOutputAudioTranscriptDone) -> None:
        self._words = ""
        words = event.transcript or ""
        self._output.line(words, label="answer: ", style="bold green")
        self._output.record("answer", item_id=event.item_id, text=words)

    def _done(self, event: ResponseDone) -> None:
        self._state, self._words = "listening", ""
        if event.response.status == "cancelled":
            self._output.line("(interrupted)", label="        ")
        self._output.record("done", status=event.response.status or None)

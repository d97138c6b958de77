"""The widget that talks: a browser's microphone and speaker, and captions."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from .._conversation.export import what_was_said
from .._deadline import Deadline
from .._waiting import Flag
from ..connection import RealtimeConnection
from ..errors import ConnectionClosed, SendQueueFull
from ..protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemTruncated,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
)
from ..protocol.session_audio import AudioPcm
from .live import Interrupted


try:
    import anywidget
    from traitlets import Unicode
except ImportError as exc:
    raise ImportError(
        "TalkWidget needs anywidget: pip install 'realtime_sync[notebook]'"
    ) from exc


__all__ = ["BrowserSpeaker", "TalkWidget"]

_BYTES_PER_MS = 48  # of PCM at 24 kHz
_HELLO_TIMEOUT = 10.0  # seconds for a front end to load the widget
_QUEUE_TIMEOUT = 1.0  # seconds; what the microphone hears meanwhile waits in the kernel

_CAPTIONED = (
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemTruncated,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
)


class Send(Protocol):
    """Sends a message to the browser, from any thread."""

    def __call__(
        self, message: dict[str, Any], buffers: Sequence[bytes] | None = None
    ) -> None: ...


class BrowserSpeaker:
    """
    A speaker in a browser, a `Player` for a playback. Thread-safe.

    Args:
        send: Sends a message to the browser.
        clock: Returns seconds.
    """

    def __init__(
        self, send: Send, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._generation = 0
        self._written_ms = 0.0
        self._told_ms = 0.0
        self._told_at = clock()

    @property
    def played_ms(self) -> int:
        """Milliseconds that were heard, as the browser told and time went by since."""
        with self._lock:
            return self._played_ms()

    def write(self, pcm: bytes) -> None:
        """Give the browser 16-bit mono PCM at 24 kHz to play; do not wait for it."""
        with self._lock:
            if self._played_ms() >= self._written_ms:  # it was silent until now
                self._told_ms, self._told_at = self._written_ms, self._clock()
            self._written_ms += len(pcm) / _BYTES_PER_MS
            generation = self._generation
        self._send({"type": "audio", "generation": generation}, [pcm])

    def flush(self) -> int:
        """Fall silent, and return *played_ms*."""
        with self._lock:
            played = self._played_ms()
            self._generation += 1
            self._written_ms = self._told_ms = float(played)
            message = {"type": "flush", "ms": played, "generation": self._generation}
        self._send(message)
        return played

    def told(self, ms: float, generation: int) -> None:
        """Take note of how much the browser has played."""
        with self._lock:
            if generation == self._generation:  # or it did not know of the last flush
                self._told_ms, self._told_at = ms, self._clock()

    def _played_ms(self) -> int:
        since = 1000 * (self._clock() - self._told_at)
        return int(min(self._told_ms + since, self._written_ms))


class TalkWidget(anywidget.AnyWidget):
    """
    Talk to the model in a notebook: the browser's microphone and speaker, and captions.

    ::

        talk = notebook.TalkWidget(connection)
        talk                        # as the last line: talk while no cell runs
        talk.run(seconds=60)        # or blocking, and then go on with the conversation

    The session needs turn detection and PCM as its input, as it has by default. When it
    hears the user, the widget falls silent and the answer is cut to what was heard.

    One widget talks for a connection: a newer one takes over from the former.

    Args:
        connection: An open connection, whose `playback` nobody uses.

    Raises:
        ValueError: The session hears other audio than PCM, or has no turn detection.
        RuntimeError: The connection has a player already.
        ImportError: anywidget is missing.

    Attributes:
        state: "ready", "talking" while the microphone is open, or "ended".
        problem: What went wrong, or "".
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    state = Unicode("ready").tag(sync=True)
    problem = Unicode("").tag(sync=True)

    def __init__(self, connection: RealtimeConnection) -> None:
        _check(connection)
        super().__init__()
        _listen_while_blocked(self.comm)
        self._said_hello = Flag()
        self._page = ""
        self._stopped = Flag()
        self._line = _line_of(connection)
        self._line.take_over(self)
        self.on_msg(self._on_message)

    def start(self) -> None:
        """Open the microphone, as the button does; the browser may ask the user."""
        self.send({"type": "start"})

    def stop(self) -> None:
        """Close the microphone, as the button does. The connection stays open."""
        self.send({"type": "stop"})

    def run(self, seconds: float | None = None) -> None:
        """
        Show the widget and talk until the user presses Stop.

        The cell blocks, and whatever else the kernel is told waits.

        Args:
            seconds: How long at most, or None for no limit.

        Raises:
            Interrupted: The kernel was interrupted: the microphone is closed and the
                response cancelled.
            RuntimeError: This front end does not talk to a kernel that runs a cell. Let
                the cell end with the widget instead.
            ConnectionClosed: The connection has ended.
        """
        from IPython import display

        deadline = Deadline(seconds)
        self._stopped.clear()
        self._said_hello.clear()
        self.send({"type": "greet"})  # in case that it is shown already
        display.display(self)  # type: ignore[no-untyped-call]
        if not self._said_hello.wait(_HELLO_TIMEOUT):
            raise RuntimeError(
                "nothing is heard from the widget while the cell runs: this front end "
                "has no subshells (JupyterLab 4.4 and ipykernel 7 have). Let the cell "
                "end with the widget, and talk while no cell runs"
            )
        try:
            self.start()
            self._stopped.wait(deadline.left())
        except KeyboardInterrupt:
            self._line.hush()
            raise Interrupted("the microphone is closed; the session goes on") from None
        finally:
            self.stop()
        self._line.raise_end()

    # Messages of the browser, on whichever thread the kernel handles them

    def _on_message(self, _: Any, message: Any, buffers: Sequence[Any]) -> None:
        kind = message.get("type")
        if kind == "hello":
            self._welcome(str(message.get("page")))
        elif kind == "heard":
            self._line.hear(bytes(buffers[0]))
        elif kind == "played":
            self._line.speaker.told(float(message["ms"]), int(message["generation"]))
        elif kind in ("started", "stopped", "problem"):
            self._note(kind, str(message.get("words", "")))

    def _welcome(self, page: str) -> None:
        self.send({"type": "welcome"})
        self._said_hello.set()
        if page != self._page:  # which knows nothing of what was said before
            self._page = page
            self._line.caption_all(self)

    def _note(self, kind: str, problem: str) -> None:
        self.problem = problem
        if self.state != "ended":
            self.state = "talking" if kind == "started" else "ready"
        if kind != "started":
            self._stopped.set()

    def _end(self) -> None:
        """Show that the connection has ended; on any thread."""
        self.state = "ended"
        self.send({"type": "stop"})
        self._stopped.set()


# Where it is public, for reprs.
TalkWidget.__module__ = "realtime_sync.notebook"


class _TalkLine:
    """
    What is between a connection and the widget that talks for it.

    It holds neither of them: a forgotten connection must be found to be one, and
    widgets are never forgotten before they are closed.
    """

    def __init__(self, connection: RealtimeConnection) -> None:
        self._connection = weakref.ref(connection)
        self._widget: Callable[[], TalkWidget | None] = lambda: None
        self.speaker = BrowserSpeaker(self._send)
        connection.play(self.speaker)
        for event_type in _CAPTIONED:
            connection.on(event_type, self._on_words)
        connection._absorber.register({}, self._on_end)

    def take_over(self, widget: TalkWidget) -> None:
        """Talk by *widget* from now on."""
        former = self._widget()
        self._widget = weakref.ref(widget)
        if former is not None:
            former.stop()
            former.problem = "a newer widget has taken over"

    def hear(self, pcm: bytes) -> None:
        """Send what the microphone heard to the server."""
        connection, widget = self._connection(), self._widget()
        if connection is None or connection.closed:
            return
        try:
            connection.append_input_audio(pcm, timeout=_QUEUE_TIMEOUT)
        except SendQueueFull:
            if widget is not None:
                widget.problem = "the network is too slow: some words were lost"
        except ConnectionClosed:
            return

    def hush(self) -> None:
        """Stop the response and its playing."""
        connection = self._connection()
        if connection is not None and not connection.closed:
            connection.interrupt()

    def raise_end(self) -> None:
        """Raise the exception of a connection that has ended."""
        connection = self._connection()
        if connection is not None and connection.closed:
            connection.flush(0)

    def caption_all(self, widget: TalkWidget) -> None:
        """Let a widget that was just loaded show what was said before."""
        connection = self._connection()
        for item in connection.conversation if connection is not None else ():
            self._caption(item.id, widget)

    def _on_words(self, event: Any) -> None:
        item_id = getattr(event, "item_id", None) or getattr(event.item, "id", None)
        widget = self._widget()
        if item_id and widget is not None:
            self._caption(item_id, widget)

    def _caption(self, item_id: str, widget: TalkWidget) -> None:
        connection = self._connection()
        item = connection.conversation.get(item_id) if connection is not None else None
        if item is not None and item.role in ("user", "assistant"):
            words = what_was_said(item)
            line = {"type": "caption", "id": item_id, "who": item.role, "words": words}
            widget.send(line)

    def _send(
        self, message: dict[str, Any], buffers: Sequence[bytes] | None = None
    ) -> None:
        widget = self._widget()
        if widget is not None:
            widget.send(message, buffers)

    def _on_end(self, error: object) -> None:
        widget = self._widget()
        if widget is not None:
            widget._end()


_lines: weakref.WeakKeyDictionary[RealtimeConnection, _TalkLine] = (
    weakref.WeakKeyDictionary()
)


def _line_of(connection: RealtimeConnection) -> _TalkLine:
    line = _lines.get(connection)
    if line is None:
        line = _lines[connection] = _TalkLine(connection)
    return line


def _listen_while_blocked(comm: Any) -> None:
    """
    Let messages of the front end be handled where it wants them to be.

    A front end sends a widget's messages to a subshell of the kernel, which listens
    while a cell runs. From ipykernel 7.4 on, they go to the shell that was the last to
    send to the widget instead: here to the one that waits for them in a cell.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, wanted: wanted


def _check(connection: RealtimeConnection) -> None:
    audio: Any = getattr(connection.session, "audio", None)
    heard = getattr(audio, "input", None)
    if heard and heard.format and not isinstance(heard.format, AudioPcm):
        raise ValueError(
            "a browser talks PCM: leave audio.input.format of the session as it is"
        )
    if heard and heard.turn_detection is None:
        raise ValueError(
            "the session has no turn detection, so nobody would tell when the user "
            "has finished: leave audio.input.turn_detection as it is"
        )

"""
Notebooks: what a cell shows, and talking in one. With the extra ``notebook``.

Results, conversations, connections, events and errors show themselves: end a cell with
one. A response that is still arriving, as the last line of a cell or given to
`display()`, grows in place until it has ended. Nothing has to be imported for that, and
there is no event loop. What this module adds:

::

    connection = notebook.connect(client)       # run the cell again: it replaces it
    notebook.ask(connection, "Hello?")          # the answer grows in the cell
    notebook.play(result)                       # audio of any length
    talk = notebook.TalkWidget(connection)      # microphone, speaker and captions

**Audio.** A player in a saved notebook is its audio. What one object shows has at most
256 KiB of it, 10.9 seconds of speech (in G.711, so it may sound slightly rougher than
what was received); `limit_audio()` changes that, and `play()` does not mind it.

**Interrupting the kernel** cancels the response that a cell waits for, and keeps the
session. **Restarting it** closes every connection.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ._asking.answer_stream import AnswerStream
from ._asking.question import Question
from ._connection.base import BaseConnection
from ._deadline import Deadline
from ._notebook.audio import DEFAULT_LIMIT, Budget, audio_of, limits, player
from ._notebook.connect import cell_of, former, kept
from ._notebook.html import format_of
from ._notebook.live import Interrupted, in_a_kernel, print_live, show_live
from .audio import load_audio
from .client import RealtimeClient
from .connection import RealtimeConnection
from .protocol.responses import ResponseCreateParams
from .response_stream import ResponseResult, ResponseStream


if TYPE_CHECKING:
    from ._notebook.talk import TalkWidget


__all__ = [
    "Interrupted",
    "TalkWidget",
    "ask",
    "connect",
    "keep",
    "limit_audio",
    "play",
    "show",
]

B = TypeVar("B", bound=BaseConnection)


def connect(
    client: RealtimeClient, *, name: Hashable = None, **settings: Any
) -> RealtimeConnection:
    """
    Open a connection, in place of the one that this cell opened before.

    The former one is closed first. So a cell may be run again and again, and never
    leaves a session behind.

    Args:
        client: The settings.
        name: Stands for the cell: there is one connection of each name, whichever cell
            opens it. Needed where one cell opens several.
        settings: The arguments of `RealtimeClient.connect()`, which see for the errors.
    """
    key = name if name is not None else cell_of(sys._getframe(1))
    before = former(key)
    if before is not None:
        before.close()
    connection = client.connect(**settings)
    kept(key, connection)
    return connection


def keep(connection: B, *, name: Hashable = None) -> B:
    """
    Return *connection*, and close the one that this cell kept before.

    It is `connect()` for connections of other kinds::

        connection = notebook.keep(client.connect_transcription())

    Args:
        connection: A connection that was opened just now.
        name: See `connect()`.
    """
    key = name if name is not None else cell_of(sys._getframe(1))
    before = former(key)
    if before is not None and before is not connection:
        before.close()
    kept(key, connection)
    return connection


def show(
    stream: ResponseStream | AnswerStream,
    *,
    timeout: float | None = None,
    refresh: float = 0.1,
) -> None:
    """
    Show a response in the cell while it arrives, until it has ended.

    Its words grow in place, beside them the level of its audio, and the seconds from
    this call to the first words and the first audio. At the end there is what a
    `ResponseResult` shows. It returns nothing, so that nothing is shown twice;
    ``stream.result()`` has the result.

    In a terminal the words are printed.

    Args:
        stream: The response; or an answer, with the responses that it takes.
        timeout: Seconds to wait for its end, or None for no limit.
        refresh: Seconds between two updates, at least.

    Raises:
        Interrupted: The kernel was interrupted: the response is cancelled.
        ResponseError: The response failed.
        TimeoutError: It did not end in time; it goes on.
        ConnectionClosed: The connection ended before.
        ImportError: IPython is missing.
    """
    deadline = Deadline(timeout, "the response")
    begun = time.monotonic()
    if isinstance(stream, ResponseStream):
        _show(stream, deadline, refresh, begun)
    else:
        _show_all(stream, deadline, refresh, begun)


def ask(
    connection: RealtimeConnection | RealtimeClient,
    question: Question,
    *,
    images: Sequence[Any] = (),
    response: ResponseCreateParams | Mapping[str, Any] | None = None,
    timeout: float | None = 60.0,
) -> None:
    """
    Ask a question, and show the answer in the cell while it arrives.

    It is `RealtimeConnection.ask()` for the eye: function calls are shown, and then the
    answer that follows on them. See `show()` for what is shown and raised.

    Args:
        connection: Where to ask; a client opens a connection for it, and closes it.
        question: Text as `str`, or a recording as `pathlib.Path`, `Audio`, or bytes of
            a WAV file.
        images: Paths or URLs of images that it is about.
        response: What differs from the session, for this response alone.
        timeout: Seconds to wait for the end of the answer.
    """
    begun = time.monotonic()
    deadline = Deadline(timeout, "the answer")
    answer = connection.ask(
        question, images=images, response=response, stream=True, timeout=timeout
    )
    _show_all(answer, deadline, 0.1, begun)


def play(source: Any, *, autoplay: bool = False) -> None:
    """
    Show a player for audio of any length; the notebook then holds all of it.

    Args:
        source: A `ResponseResult`, or what `realtime_sync.audio.load_audio()` takes: an
            `Audio`, a path, bytes of a WAV file.
        autoplay: Whether to begin by itself, where the browser allows that.

    Raises:
        ValueError: There is no audio in it.
        ImportError: IPython is missing.
    """
    if isinstance(source, ResponseResult):
        source = audio_of(source.audio, format_of(source.response.audio))
    audio = load_audio(source)
    if not audio.pcm:
        raise ValueError("there is no audio to play: was the answer a written one?")
    markup = player(audio, Budget(None), autoplay=autoplay)
    _display()({"text/html": markup, "text/plain": repr(audio)}, raw=True)


def limit_audio(size: int | None = DEFAULT_LIMIT) -> None:
    """
    Set how much audio what one object shows may leave in the notebook.

    Args:
        size: Bytes: 24,000 are a second of speech, or 3 seconds of telephone audio. 0
            is for no players, None for no limit.
    """
    if size is not None and size < 0:
        raise ValueError(f"a size is 0 bytes or more, or None, not {size}")
    limits.audio_bytes = size


def __getattr__(name: str) -> Any:
    # The widget alone needs anywidget, which takes a while to import.
    if name != "TalkWidget":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._notebook.talk import TalkWidget

    return TalkWidget


def _show_all(
    answer: AnswerStream, deadline: Deadline, refresh: float, begun: float
) -> None:
    for response in answer._responses_by(deadline):
        _show(response, deadline, refresh, begun)
        begun = time.monotonic()


def _show(
    stream: ResponseStream, deadline: Deadline, refresh: float, begun: float
) -> None:
    display = _display()
    if not in_a_kernel():
        print_live(stream, deadline)
        return
    handle: Any = None

    def update(markup: str, text: str) -> None:
        nonlocal handle
        shown = {"text/html": markup, "text/plain": text}
        if handle is None:
            handle = display(shown, raw=True, display_id=True)
        else:
            handle.update(shown, raw=True)

    show_live(stream, deadline, refresh=refresh, begun=begun, update=update)


def _display() -> Any:
    try:
        from IPython.display import display
    except ImportError as exc:
        raise ImportError(
            "IPython is needed to show this: pip install 'realtime_sync[notebook]'"
        ) from exc
    return display

"""
Answers of ordinary views: text in pieces, speech as a WAV file, keys for browsers.

::

    @app.get("/ask")
    def ask():
        return stream_text(client, request.args["q"])

    @app.post("/speak")
    def speak():
        return answer_wav(client, request.files["question"].read())

Each opens a connection of its own, so that errors before the answer are ordinary
exceptions, and each runs on any WSGI server. A browser that goes away cancels its
answer: the server notices when it writes for the second time, and closes the response.
While the model is silent something is written that nobody sees or hears.

Functions that the model calls run on other threads, each in a context of the request:
``current_app``, ``request`` and ``session`` work in them.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, BinaryIO, TypeVar, cast

import orjson
from flask import Flask, Response, current_app, has_request_context, request

from .._asking.question import Question, user_message
from .._deadline import Deadline
from ..audio import WavWriter
from ..audio.wav import looks_like_wav
from ..client import RealtimeClient
from ..connection import RealtimeConnection
from ..control import ControlClient
from ..errors import RealtimeError
from ..protocol.responses import ResponseCreateParams
from ..protocol.sessions import RealtimeSession
from ..response_stream import ResponseStream
from ._contexts import in_context


__all__ = ["answer_wav", "client_secret", "stream_text"]

Session = RealtimeSession | Mapping[str, Any] | None
Functions = Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] | None

Within = AbstractContextManager[object] | None
Body = Callable[[RealtimeConnection, ResponseStream, float], Iterator[Any]]
T = TypeVar("T")

# Seconds of silence after which something is written. What is written first to a
# browser that is gone is what its machine answers with a reset, and the next one fails:
# so it is noticed after two of them, and docs/flask.md says five seconds.
_HEARTBEAT = 2.0
_SILENCE = b"\0\0"  # one sample, which nobody hears


def stream_text(
    client: RealtimeClient,
    question: Question,
    *,
    session: Session = None,
    functions: Functions = None,
    timeout: float = 60.0,
    within: Within = None,
) -> Response:
    """
    Return an answer as a stream of server-sent events.

    Its messages are JSON: ``{"text": …}`` for each piece; then the event ``done`` with
    the *status* of the response, or the event ``error`` with a *message*. While the
    model says nothing, comments keep the stream alive.

    Args:
        client: Opens the connection.
        question: Text, or a recording; see `RealtimeConnection.ask()`. Bytes are those
            of a WAV file.
        session: Settings, instead of the client's.
        functions: Functions that the model may call, instead of the client's.
        timeout: Seconds until the answer has to begin, and for each of its pieces.
        within: A context manager that lasts as long as the answer, such as
            `Realtime.counting()`.

    Raises:
        ValueError: The recording is no audio, or no WAV file.
        RealtimeError: The service cannot be reached, or refuses the question.
        TimeoutError: The answer has not begun in time.
    """
    params = ResponseCreateParams(output_modalities=["text"])
    answer = _Answer(client, question, session, functions, timeout, within)
    return answer.respond(params, _events, "text/event-stream")


def answer_wav(
    client: RealtimeClient,
    question: Question,
    *,
    session: Session = None,
    functions: Functions = None,
    timeout: float = 60.0,
    within: Within = None,
) -> Response:
    """
    Return a spoken answer as a WAV file, which begins to play before it is complete.

    Its header says that the length is not known, which players accept.

    Args:
        client: Opens the connection.
        question: Text, or a recording, such as the bytes of an uploaded WAV file. For
            files of other kinds, pass what `realtime_sync.audio.load_audio()` makes of
            them.
        session: Settings, instead of the client's; the output format stays PCM.
        functions: Functions that the model may call, instead of the client's.
        timeout: Seconds until the answer has to begin, and for each of its pieces.
        within: A context manager that lasts as long as the answer, such as
            `Realtime.counting()`.

    Raises:
        ValueError: The recording is no audio, or no WAV file.
        RealtimeError: The service cannot be reached, or refuses the question.
        TimeoutError: The answer has not begun in time.
    """
    answer = _Answer(client, question, session, functions, timeout, within)
    return answer.respond(None, _wav, "audio/wav")


def client_secret(
    client: RealtimeClient,
    session: Session = None,
    *,
    expires_after: int = 60,
) -> Response:
    """
    Return a key for a browser that connects to the service by itself, by WebRTC.

    The key opens sessions with these settings and no others, for a short time. Ask who
    the user is before you hand one out: what is said with it, you pay.

    Args:
        client: Whose account it is.
        session: What the sessions that it opens are set up with.
        expires_after: Seconds that it lives.

    Raises:
        RealtimeError: The service refuses, or cannot be reached.
    """
    with ControlClient(client) as control:
        key = control.create_client_secret(session, expires_after=expires_after)
    secret = {"value": key.value, "expires_at": key.expires_at}
    response = Response(orjson.dumps(secret), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


# Private


class _Answer:
    """
    A question, and the connection over which it is answered.

    Args:
        arguments: Those of the views.
    """

    def __init__(
        self,
        client: RealtimeClient,
        question: Question,
        session: Session,
        functions: Functions,
        timeout: float,
        within: Within,
    ) -> None:
        if isinstance(question, bytes) and not looks_like_wav(question):
            # They would be taken for PCM: what browsers record would be noise.
            raise ValueError(
                "these bytes are no WAV file; pass load_audio(...) of other recordings"
            )
        self._client = client
        self._message = user_message(question)
        self._session = session
        self._functions = functions
        self._timeout = timeout
        self._within = within

    def respond(
        self, params: ResponseCreateParams | None, body: Body, mimetype: str
    ) -> Response:
        timeout = self._timeout
        with ExitStack() as stack:
            if self._within is not None:
                stack.enter_context(self._within)
            connection = self._connect()
            stack.callback(connection.close)
            connection.create_item(self._message, timeout=timeout)
            stream = connection.create_response(
                params, when_busy="wait", timeout=timeout
            )
            response = Response(body(connection, stream, timeout), mimetype=mimetype)
            # A proxy that buffers would keep the first words until the last.
            response.headers["X-Accel-Buffering"] = "no"
            response.headers["Cache-Control"] = "no-store"
            # However it ends, and even if it was never begun.
            response.call_on_close(stack.pop_all().close)
        return response

    def _connect(self) -> RealtimeConnection:
        functions = self._functions
        given = functions if functions is not None else self._client.functions
        if given and has_request_context():
            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            functions = in_context(given, app, request.environ, None)
        return self._client.connect(session=self._session, functions=functions)


def _events(
    connection: RealtimeConnection, stream: ResponseStream, timeout: float
) -> Iterator[str]:
    status = None
    try:
        for each in _with_follow_ups(connection, stream, timeout):
            if each is None:
                yield ":\n\n"
                continue
            with each:
                for piece in _pieces(each.text, timeout):
                    yield _event({"text": piece}) if piece else ":\n\n"
                status = each.status
    except (RealtimeError, TimeoutError) as exc:
        yield _event({"message": type(exc).__name__}, "error")
    else:
        yield _event({"status": status}, "done")
    finally:
        connection.close()


def _wav(
    connection: RealtimeConnection, stream: ResponseStream, timeout: float
) -> Iterator[bytes]:
    sink = _Sink()
    writer = WavWriter(cast("BinaryIO", sink))
    try:
        for each in _with_follow_ups(connection, stream, timeout):
            if each is None:
                writer.write(_SILENCE)
                yield sink.take()
                continue
            with each:
                for piece in _pieces(each.audio, timeout):
                    writer.write(piece or _SILENCE)
                    yield sink.take()
    finally:
        connection.close()


def _with_follow_ups(
    connection: RealtimeConnection, stream: ResponseStream, timeout: float
) -> Iterator[ResponseStream | None]:
    """Yield a response, and those that follow on its functions; None while they run."""
    following: ResponseStream | None = stream
    while following is not None:
        yield following
        result = following.result(timeout)
        runner = connection.functions
        if runner is None or not result.function_calls:
            return
        deadline = Deadline(timeout)
        while True:
            patience = Deadline(_patience(deadline))
            try:
                following = runner.follow_up(result.id, patience.left())
                break
            except TimeoutError:
                # It may as well be that of the request, which nobody waits for again.
                if deadline.expired() or not patience.expired():
                    raise
                yield None


def _pieces(
    follow: Callable[[float], Iterator[T]], timeout: float
) -> Iterator[T | None]:
    """Yield pieces as they come, and None now and then while none does."""
    count = 0
    deadline = Deadline(timeout)
    while True:
        try:
            for piece in itertools.islice(follow(_patience(deadline)), count, None):
                count += 1
                yield piece
                deadline = Deadline(timeout)
        except TimeoutError:
            if deadline.expired():
                raise
            yield None
        else:
            return


def _patience(deadline: Deadline) -> float:
    left = deadline.left()
    return _HEARTBEAT if left is None else min(_HEARTBEAT, left)


def _event(data: Any, kind: str | None = None) -> str:
    name = f"event: {kind}\n" if kind else ""
    return f"{name}data: {orjson.dumps(data).decode()}\n\n"


class _Sink(io.RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data, self._data = bytes(self._data), bytearray()
        return data

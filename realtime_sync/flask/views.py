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
answer: the server notices when it writes, and closes the response.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import orjson
from flask import Response

from .._asking.question import Question, user_message
from ..audio import WavWriter
from ..client import RealtimeClient
from ..connection import RealtimeConnection
from ..control import ControlClient
from ..errors import RealtimeError
from ..protocol.responses import ResponseCreateParams
from ..protocol.sessions import RealtimeSession
from ..response_stream import ResponseStream


__all__ = ["answer_wav", "client_secret", "stream_text"]

Session = RealtimeSession | Mapping[str, Any] | None
Functions = Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] | None

_HEARTBEAT = 5.0  # seconds of silence after which a browser that is gone is noticed


def stream_text(
    client: RealtimeClient,
    question: Question,
    *,
    session: Session = None,
    functions: Functions = None,
    timeout: float = 60.0,
) -> Response:
    """
    Return an answer as a stream of server-sent events.

    Its messages are JSON: ``{"text": …}`` for each piece; then the event ``done`` with
    the *status* of the response, or the event ``error`` with a *message*. While the
    model says nothing, comments keep the stream alive.

    Args:
        client: Opens the connection.
        question: Text, or a recording; see `RealtimeConnection.ask()`.
        session: Settings, instead of the client's.
        functions: Functions that the model may call, instead of the client's.
        timeout: Seconds until the answer has to begin, and for each of its pieces.

    Raises:
        RealtimeError: The service cannot be reached, or refuses the question.
        TimeoutError: The answer has not begun in time.
    """
    connection = client.connect(session=session, functions=functions)
    try:
        params = ResponseCreateParams(output_modalities=["text"])
        stream = _ask(connection, question, params, timeout)
    except BaseException:
        connection.close()
        raise
    body = _events(connection, stream, timeout)
    return _streaming(connection, body, "text/event-stream")


def answer_wav(
    client: RealtimeClient,
    question: Question,
    *,
    session: Session = None,
    functions: Functions = None,
    timeout: float = 60.0,
) -> Response:
    """
    Return a spoken answer as a WAV file, which begins to play before it is complete.

    Its header says that the length is not known, which players accept.

    Args:
        client: Opens the connection.
        question: Text, or a recording, such as the bytes of an uploaded WAV file.
        session: Settings, instead of the client's; the output format stays PCM.
        functions: Functions that the model may call, instead of the client's.
        timeout: Seconds until the answer has to begin, and for each of its pieces.

    Raises:
        ValueError: The recording is no audio.
        RealtimeError: The service cannot be reached, or refuses the question.
        TimeoutError: The answer has not begun in time.
    """
    connection = client.connect(session=session, functions=functions)
    try:
        stream = _ask(connection, question, None, timeout)
    except BaseException:
        connection.close()
        raise
    return _streaming(connection, _wav(connection, stream, timeout), "audio/wav")


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


def _ask(
    connection: RealtimeConnection,
    question: Question,
    params: ResponseCreateParams | None,
    timeout: float,
) -> ResponseStream:
    connection.create_item(user_message(question, ()), timeout=timeout)
    return connection.create_response(params, when_busy="wait", timeout=timeout)


def _streaming(
    connection: RealtimeConnection, body: Iterator[Any], mimetype: str
) -> Response:
    response = Response(body, mimetype=mimetype)
    # A proxy that buffers would keep the first words until the last.
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["Cache-Control"] = "no-store"
    # However it ends, and even if it was never begun.
    response.call_on_close(connection.close)
    return response


def _events(
    connection: RealtimeConnection, stream: ResponseStream, timeout: float
) -> Iterator[str]:
    status = None
    try:
        for each in _with_follow_ups(connection, stream, timeout):
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
            with each:
                for piece in each.audio(timeout):
                    writer.write(piece)
                    yield sink.take()
    finally:
        connection.close()


def _with_follow_ups(
    connection: RealtimeConnection, stream: ResponseStream, timeout: float
) -> Iterator[ResponseStream]:
    """Yield a response, and those that follow on the functions that it calls."""
    following: ResponseStream | None = stream
    while following is not None:
        yield following
        result = following.result(timeout)
        runner = connection.functions
        if runner is None or not result.function_calls:
            return
        following = runner.follow_up(result.id, timeout)


def _pieces(
    text: Callable[[float], Iterator[str]], timeout: float
) -> Iterator[str | None]:
    """Yield pieces as they come, and None now and then while none does."""
    count = 0
    silence = 0.0
    while True:
        try:
            for piece in itertools.islice(text(_HEARTBEAT), count, None):
                count += 1
                silence = 0.0
                yield piece
        except TimeoutError:
            silence += _HEARTBEAT
            if silence >= timeout:
                raise
            yield None
        else:
            return


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

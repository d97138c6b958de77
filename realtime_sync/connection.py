"""Live connections: one class for each kind of session, with the commands it has."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import attrs

from ._asking.answer_stream import AnswerStream
from ._asking.question import Question, user_message
from ._channel.commands import new_event_id
from ._channel.lanes import Lane
from ._connection.session_commands import AudioCommands, AudioInput
from ._connection.speech_commands import SpeechCommands
from ._deadline import Deadline
from .protocol.codec import encode
from .protocol.responses import RateLimit, ResponseCreateParams
from .protocol.sessions import (
    RealtimeSession,
    TranscriptionSession,
    TranslationSession,
)
from .protocol.translation_events import SessionClose, SessionInputAudioBufferAppend
from .response_stream import ResponseResult, ResponseStream
from .usage import UsageMeter, UsageTotals


if TYPE_CHECKING:
    from .functions import FunctionRunner


__all__ = ["RealtimeConnection", "TranscriptionConnection", "TranslationConnection"]

F = TypeVar("F", bound=Callable[..., Any])


class TranscriptionConnection(AudioCommands[TranscriptionSession]):
    """A live transcription session: audio in, transcripts out, no responses."""

    _session_class = TranscriptionSession

    def _register_handlers(self) -> None:
        self._usage = UsageMeter(self._monitor)
        self._absorber.register(self._usage.handlers())
        super()._register_handlers()

    @property
    def usage(self) -> UsageTotals:
        """What all transcriptions took so far."""
        return self._usage.totals


class TranslationConnection(AudioInput[TranslationSession]):
    """A live translation session: speech in one language in, in another one out."""

    _session_class = TranslationSession

    def append_input_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
    ) -> None:
        """
        Queue speech; block while the send queue is full.

        Args:
            audio: Mono 16-bit little-endian PCM of 24,000 Hz, bytes-like, any length.
            timeout: Seconds to wait for space in the queue; None for ever.

        Raises:
            SendQueueFull: The queue stayed full.
            ConnectionClosed: The connection has ended.
        """
        for piece in self._splitter.split(audio, 2):
            event = SessionInputAudioBufferAppend(audio=bytes(piece))
            self._put(encode(event, self.dialect), Lane.AUDIO, timeout)

    def close_session(self) -> None:
        """Say that no more speech comes; the rest of the translation still arrives."""
        self.send(SessionClose(event_id=new_event_id()))


class RealtimeConnection(SpeechCommands):
    """
    A live realtime session: one conversation, its input and its responses.

    Every method may be called from any thread, and from callbacks. A command that the
    server acknowledges returns when it has done so and raises what it refuses.

    Attributes:
        conversation: The items of the conversation as the server has them.
    """

    def _register_handlers(self) -> None:
        self._functions: FunctionRunner | None = None
        super()._register_handlers()

    # Turns

    @overload
    def ask(
        self,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = ...,
        response: ResponseCreateParams | Mapping[str, Any] | None = ...,
        stream: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> ResponseResult: ...
    @overload
    def ask(
        self,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = ...,
        response: ResponseCreateParams | Mapping[str, Any] | None = ...,
        stream: Literal[True],
        timeout: float | None = ...,
    ) -> AnswerStream: ...
    def ask(
        self,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = (),
        response: ResponseCreateParams | Mapping[str, Any] | None = None,
        stream: bool = False,
        timeout: float | None = 60.0,
    ) -> ResponseResult | AnswerStream:
        """
        Add a question to the conversation and return the whole answer.

        Functions that the model calls are run, and the answer is the one after them;
        see `use_functions()`.

        Args:
            question: Text as `str`, or a recording as `pathlib.Path`, `Audio`, or bytes
                of a WAV file.
            images: Paths or URLs of images that it is about.
            response: What differs from the session, for this response alone.
            stream: Whether to return at once, with the answer as it arrives.
            timeout: Seconds to wait for the end of the answer; with *stream*, for its
                beginning and then for each piece of it.

        Raises:
            ResponseError: The response failed.
            ServerError: The server refused the question.
            TimeoutError: The answer was not complete in time.
            ConnectionClosed: The connection has ended.
        """
        deadline = Deadline(timeout, "the answer")
        message = user_message(question, images, self._input_encoder())
        self.create_item(message, timeout=deadline.remaining())
        first = self.create_response(
            response, when_busy="wait", timeout=deadline.remaining()
        )
        answer = AnswerStream(first, self._follow_up, timeout=timeout)
        return answer if stream else answer._result_by(deadline)

    @property
    def usage(self) -> UsageTotals:
        """The tokens of all responses and transcriptions so far."""
        return self._usage.totals

    @property
    def rate_limits(self) -> Mapping[str, RateLimit]:
        """What the service last said of each rate limit, by its name."""
        return self._rate_limits.current

    def wait_for_capacity(
        self,
        *,
        tokens: int = 1,
        requests: int = 1,
        timeout: float | None = 60.0,
    ) -> None:
        """
        Wait until the rate limits, as the service last told them, allow for more.

        Limits that it never told do not count.

        Args:
            tokens: How many are needed.
            requests: How many responses are to be asked for.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: There was not enough in time.
            ValueError: A limit never allows that much.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        self._rate_limits.wait({"tokens": tokens, "requests": requests}, timeout)

    # Functions

    @property
    def functions(self) -> FunctionRunner | None:
        """What runs the functions of `use_functions()`; None without any."""
        return self._functions

    def use_functions(
        self,
        functions: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
        *,
        update: bool = True,
        **options: Any,
    ) -> FunctionRunner:
        """
        Let the model call Python functions; see `realtime_sync.functions`.

        Tools of MCP servers, which the service runs, are no business of it, save for
        the approval that it may ask for: ``use_functions(approve=...)``.

        Args:
            functions: The functions; as a mapping, by the names that they get.
            update: Whether to tell the session now. Without, `update_session()` has to.
            options: The keyword arguments of `FunctionRunner`, such as *timeout*,
                *max_rounds* and *approve*.

        Returns:
            What runs them. It ends with the connection.

        Raises:
            RuntimeError: Functions are in use already; add more by `function()`.
            TypeError: No model could call one of them.
            ServerError: The server refused them.
        """
        self._ensure_usable()
        from .functions import FunctionRunner

        runner = FunctionRunner(
            # No reference back: a forgotten connection must be found to be one.
            weakref.proxy(self),
            functions,
            monitor=self._monitor,
            **{"on_error": self._dispatcher.report, **options},
        )
        with self._monitor.lock:
            if self._functions is not None:
                raise RuntimeError("functions are in use; add more by function()")
            self._functions = runner
        # First: who waits for a response has to find the calls that it began.
        self._absorber.register(runner.handlers(), runner.end, first=True)
        if update and runner.tools:
            self.update_session(self._with_tools(RealtimeSession()))
        return runner

    @overload
    def function(self, function: F) -> F: ...
    @overload
    def function(self, **options: Any) -> Callable[[F], F]: ...
    def function(
        self, function: F | None = None, **options: Any
    ) -> F | Callable[[F], F]:
        """
        Let the model call *function*; a decorator, with or without arguments.

        Args:
            function: The function; see `realtime_sync.functions.function_tool()`.
            options: *name*, *description* and *timeout* of `FunctionRunner.add()`.

        Raises:
            TypeError: No model could call it.
            ValueError: There is one of that name.
            ServerError: The server refused it.
        """
        if function is None:
            return lambda found: self._add_function(found, options)
        return self._add_function(function, options)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """
        Close the connection; what commands were queued is sent first.

        It takes the close timeout at most, can be called again and from any thread. In
        a callback it only begins to close. Function calls that run are told to stop.

        Args:
            code: The close code for the server (RFC 6455, 7.4).
            reason: The reason for the server, at most 123 bytes of UTF-8.

        Raises:
            TypeError, ValueError: No close frame may hold that; nothing was done.
        """
        super().close(code, reason)
        runner = self._functions
        if runner is not None and self._pid == os.getpid():
            runner.close(0 if self._monitor.on_reader_thread() else 5.0)

    # Private

    def _add_function(self, function: F, options: Mapping[str, Any]) -> F:
        runner = self._functions or self.use_functions((), update=False)
        runner.add(function, **options)
        self.update_session(self._with_tools(RealtimeSession()))
        return function

    def _with_tools(self, session: RealtimeSession) -> RealtimeSession:
        """Return *session* with the functions, besides the tools that there are."""
        own = self._functions.tools if self._functions else ()
        names = {tool.name for tool in own}
        there = session.tools or getattr(self.session, "tools", None) or ()
        others = [tool for tool in there if getattr(tool, "name", None) not in names]
        return attrs.evolve(session, tools=[*others, *own])

    def _follow_up(
        self, result: ResponseResult, deadline: Deadline
    ) -> ResponseStream | None:
        if self._functions is None or not result.function_calls:
            return None
        return self._functions.follow_up(result.id, deadline.remaining())

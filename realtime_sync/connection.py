"""Live connections: one class for each kind of session, with the commands it has."""

from __future__ import annotations

import logging
import os
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import attrs

from ._acknowledgements import new_event_id
from ._asking import Question, user_message
from ._base_connection import DEFAULT_TIMEOUT, BaseConnection
from ._deadline import Deadline
from ._input_audio import AudioSplitter
from ._progress import reporting
from ._rate_limits import RateLimits
from ._response_expectations import tag
from ._responses import ResponseRouter
from ._send_queue import Lane
from ._server_responses import ServerResponses
from .audio import alaw_encode, frames, paced, ulaw_encode
from .conversation import Conversation
from .errors import ServerError
from .protocol._model import UNSET, Maybe, Model
from .protocol.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from .protocol.codec import encode, encode_append, structure
from .protocol.items import Item, Message
from .protocol.responses import RateLimit, Response, ResponseCreateParams
from .protocol.server_events import (
    ConversationItemRetrieved,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    ResponseCreated,
    SessionUpdated,
)
from .protocol.session_audio import AudioPcma, AudioPcmu
from .protocol.sessions import (
    RealtimeSession,
    Session,
    TranscriptionSession,
    TranslationSession,
)
from .protocol.translation_events import SessionClose, SessionInputAudioBufferAppend
from .response_stream import ResponseResult, ResponseStream
from .usage import UsageMeter, UsageTotals


if TYPE_CHECKING:
    from .functions import FunctionRunner
    from .playback import Interruption, Playback, Player


__all__ = ["RealtimeConnection", "TranscriptionConnection", "TranslationConnection"]

logger = logging.getLogger("realtime_sync.connection")

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Model)

WhenBusy = Literal["raise", "wait", "cancel"]
"""What to do when a response is in progress already."""

_ENCODERS: Mapping[type, Callable[[bytes], bytes]] = {
    AudioPcmu: ulaw_encode,
    AudioPcma: alaw_encode,
}

_BUSY = "conversation_already_has_active_response"


class _SessionCommands(BaseConnection):
    """The commands that every kind of session has."""

    _session_class: type[Any] = RealtimeSession

    def update_session(
        self,
        session: Session | Mapping[str, Any],
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Session:
        """
        Change the session; wait until the server has done so.

        Fields that are absent stay as they are. None turns off what can be turned off,
        such as turn detection.

        Args:
            session: The fields to change, as an object or a mapping in wire form.
            timeout: Seconds to wait.

        Returns:
            The whole session as it now is.

        Raises:
            ServerError: The server refused; nothing was changed.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        if isinstance(session, Mapping) and self._session_class is not (
            TranslationSession
        ):
            # The service insists on the type, which there is no choice about.
            session = {"type": self._session_class.type, **session}
        event = SessionUpdate(
            event_id=new_event_id(), session=self._session_model(session)
        )
        updated = cast("SessionUpdated", self._command(event, timeout))
        return updated.session

    def _session_model(self, session: Session | Mapping[str, Any]) -> Any:
        if isinstance(session, Mapping):
            # The service insists on the type, which is known here.
            session = {"type": self._session_class.type, **session}
        return _model(session, self._session_class)


class _AudioInput(_SessionCommands):
    """What every session has that takes audio."""

    def _register_handlers(self) -> None:
        self._splitter = AudioSplitter()
        super()._register_handlers()

    def append_input_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
    ) -> None:
        """Queue audio in the session's input format; see the subclasses."""
        raise NotImplementedError

    def append_audio(
        self,
        source: Any,
        *,
        source_rate: int | None = None,
        pace: Literal["realtime"] | None = None,
        progress: Callable[[int], object] | bool = False,
        timeout: float | None = None,
    ) -> None:
        """
        Queue a recording for the input audio buffer, in the format that it takes.

        Args:
            source: What `realtime_sync.audio.frames()` takes: a path, bytes or an open
                file of a WAV file or of raw PCM, a numpy array, an `Audio`, or an
                iterable of PCM pieces, such as a `Microphone`.
            source_rate: The sampling rate in Hz of raw PCM and arrays.
            pace: "realtime" to take as long as the recording does, which turn detection
                by the server needs; None to send as fast as the network takes it.
            progress: Is called with the milliseconds of audio queued so far, after each
                100 ms; True shows a bar where tqdm is installed.
            timeout: Seconds to wait for space in the queue, for each 100 ms.

        Raises:
            ValueError: It is no audio, or its rate is not known.
            OSError: It cannot be read.
            SendQueueFull: The queue stayed full.
            ConnectionClosed: The connection has ended.
        """
        encode_audio = self._input_encoder()
        rate = 24_000 if encode_audio is None else 8_000
        pieces: Iterable[bytes] = frames(
            source, ms=100, rate=rate, source_rate=source_rate
        )
        if pace:
            pieces = paced(pieces, rate=rate)
        for piece in reporting(pieces, rate, progress) if progress else pieces:
            data = piece if encode_audio is None else encode_audio(piece)
            self.append_input_audio(data, timeout=timeout)

    def _input_encoder(self) -> Callable[[bytes], bytes] | None:
        """Return what makes the input format of PCM at 8 kHz; None if PCM it is."""
        return None


class _AudioCommands(_AudioInput):
    """The commands of sessions that have an input audio buffer."""

    def append_input_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
    ) -> None:
        """
        Queue audio for the input audio buffer; block while the send queue is full.

        The server does not acknowledge it. Any length goes: it is cut into pieces of at
        most a second, and a sample that arrives in halves is kept together.

        Args:
            audio: Mono audio in the session's input format, by default 16-bit
                little-endian PCM of 24,000 Hz. Any contiguous bytes-like object.
            timeout: Seconds to wait for space in the queue; None for ever.

        Raises:
            TypeError: It is not bytes-like.
            ValueError: It is a WAV file; `append_audio()` takes those.
            SendQueueFull: The queue stayed full.
            ConnectionClosed: The connection has ended.
        """
        for piece in self._splitter.split(audio, self._sample_bytes()):
            self._put(encode_append(piece), Lane.AUDIO, timeout)

    def commit_input_audio(
        self, *, timeout: float | None = DEFAULT_TIMEOUT
    ) -> InputAudioBufferCommitted:
        """
        Make the buffered audio an item of the conversation; wait until it is one.

        Returns:
            The server's acknowledgement, with the id of the item.

        Raises:
            ServerError: The server refused, for one because the buffer holds less than
                100 ms of audio.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        if self._splitter.reset():
            logger.warning("half a sample at the end of the input audio was dropped")
        event = InputAudioBufferCommit(event_id=new_event_id())
        return cast("InputAudioBufferCommitted", self._command(event, timeout))

    def clear_input_audio(self, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """
        Empty the input audio buffer, and drop the audio still queued for it.

        Raises:
            ServerError: The server refused.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        self._splitter.reset()
        self._command(InputAudioBufferClear(event_id=new_event_id()), timeout)

    def _sample_bytes(self) -> int:
        return 2 if self._input_encoder() is None else 1

    def _input_encoder(self) -> Callable[[bytes], bytes] | None:
        """Return what makes the input format of PCM at 8 kHz; None if PCM it is."""
        audio = getattr(self.session, "audio", None)
        audio_input = audio.input if audio else None
        return _ENCODERS.get(type(audio_input.format)) if audio_input else None


class TranscriptionConnection(_AudioCommands):
    """A live transcription session: audio in, transcripts out, no responses."""

    _session_class = TranscriptionSession


class TranslationConnection(_AudioInput):
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


class RealtimeConnection(_AudioCommands):
    """
    A live realtime session: one conversation, its input and its responses.

    Every method may be called from any thread, and from callbacks. A command that the
    server acknowledges returns when it has done so and raises what it refuses.

    Attributes:
        conversation: The items of the conversation as the server has them.
    """

    def _register_handlers(self) -> None:
        self.conversation = Conversation(self._monitor)
        self._responses = ResponseRouter(self._monitor, self._send_cancel())
        self._usage = UsageMeter(self._monitor)
        self._rate_limits = RateLimits(self._monitor)
        self._functions: FunctionRunner | None = None
        self._playback: Playback | None = None
        self._absorber.register(self.conversation.handlers(), self.conversation.end)
        self._absorber.register(self._usage.handlers())
        self._absorber.register(self._rate_limits.handlers(), self._rate_limits.end)
        self._absorber.register(self._responses.handlers(), self._responses.end)
        super()._register_handlers()

    # Items

    def create_item(
        self,
        item: Item | Mapping[str, Any],
        *,
        previous_item_id: Maybe[str] = UNSET,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Item:
        """
        Add an item to the conversation; wait until it is there.

        Args:
            item: The item, as an object or a mapping in wire form. It gets an id if it
                has none.
            previous_item_id: The item to put it after; ``root`` for the beginning. By
                default it goes to the end.
            timeout: Seconds to wait.

        Returns:
            The item as the server has it.

        Raises:
            ServerError: The server refused it.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        new = _with_id(_model(item, cast("type[Any]", Item)))
        event = ConversationItemCreate(
            event_id=new_event_id(), item=new, previous_item_id=previous_item_id
        )
        item_id = getattr(new, "id", None)
        answer = self._command(event, timeout, lambda found: _id(found.item) == item_id)
        return cast("Item", answer.item)  # type: ignore[attr-defined]

    def delete_item(
        self, item_id: str, *, timeout: float | None = DEFAULT_TIMEOUT
    ) -> None:
        """
        Remove an item from the conversation; wait until it is gone.

        Raises:
            ServerError: There is no such item.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        event = ConversationItemDelete(event_id=new_event_id(), item_id=item_id)
        self._command(event, timeout, lambda answer: answer.item_id == item_id)

    def retrieve_item(
        self, item_id: str, *, timeout: float | None = DEFAULT_TIMEOUT
    ) -> Item:
        """
        Return an item as the server has it, with its audio.

        Raises:
            ServerError: There is no such item.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        event = ConversationItemRetrieve(event_id=new_event_id(), item_id=item_id)
        answer = self._command(event, timeout, lambda found: _id(found.item) == item_id)
        return cast("ConversationItemRetrieved", answer).item

    def truncate_item(
        self,
        item_id: str,
        *,
        audio_end_ms: int,
        content_index: int = 0,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> None:
        """
        Cut the audio of an assistant's message to what was heard of it.

        Args:
            item_id: The message.
            audio_end_ms: Milliseconds of audio to keep.
            content_index: The content part with the audio.
            timeout: Seconds to wait.

        Raises:
            ServerError: The server refused, for one because the audio is shorter.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        event = ConversationItemTruncate(
            event_id=new_event_id(),
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=audio_end_ms,
        )
        self._command(event, timeout, lambda answer: answer.item_id == item_id)

    # Responses

    def create_response(
        self,
        response: ResponseCreateParams | Mapping[str, Any] | None = None,
        *,
        when_busy: WhenBusy = "raise",
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> ResponseStream:
        """
        Ask the model to respond; wait until it has begun to.

        Args:
            response: What differs from the session, for this response alone.
            when_busy: What to do if a response is in progress: let the server refuse,
                wait for its end, or cancel it first.
            timeout: Seconds to wait, for the earlier response as well.

        Returns:
            The response while it arrives.

        Raises:
            ServerError: The server refused.
            TimeoutError: It had not begun in time.
            ConnectionClosed: The connection has ended.
        """
        params = _model(response or {}, ResponseCreateParams)
        started = time.monotonic()

        def left() -> float | None:
            if timeout is None:
                return None
            return max(0.0, timeout - (time.monotonic() - started))

        side = params.conversation == "none"
        if side or (when_busy == "raise" and not self._responses.cancelling):
            return self._expect_and_create(params, left())
        while True:
            if when_busy == "cancel":
                self._responses.cancel()
            tagged, token = tag(params)
            stream = self._responses.expect_when_idle(token, left())
            if stream is None:
                raise TimeoutError(f"a response was in progress for {timeout:g} s")
            try:
                return self._send_create(tagged, stream, left())
            except ServerError as exc:
                # Turn detection was faster, and its `response.created` is on the way.
                if exc.code != _BUSY or left() == 0.0:
                    raise

    def ask(
        self,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = (),
        response: ResponseCreateParams | Mapping[str, Any] | None = None,
        on_text: Callable[[str], object] | None = None,
        timeout: float | None = 60.0,
    ) -> ResponseResult:
        """
        Add a question to the conversation and return the whole answer.

        Functions that the model calls are run, and the answer is the one after them;
        see `use_functions()`.

        Args:
            question: Text as `str`, or a recording as `pathlib.Path`, `Audio`, or bytes
                of a WAV file.
            images: Paths or URLs of images that it is about.
            response: What differs from the session, for this response alone.
            on_text: Is called with each piece of the answer's text, or transcript, as
                it arrives, in the caller's thread.
            timeout: Seconds to wait for the end of the answer.

        Raises:
            ResponseError: The response failed.
            ServerError: The server refused the question.
            TimeoutError: The answer was not complete in time.
            ConnectionClosed: The connection has ended.
        """
        deadline = Deadline(timeout, "the answer")
        self.create_item(user_message(question, images), timeout=deadline.remaining())
        stream = self.create_response(
            response, when_busy="wait", timeout=deadline.remaining()
        )
        while True:
            if on_text is not None:
                for piece in stream.text(timeout=deadline.remaining()):
                    on_text(piece)
            result = stream.result(timeout=deadline.remaining())
            follow_up = self._follow_up(result, deadline)
            if follow_up is None:
                return result
            stream = follow_up

    def cancel_response(self, response_id: str | None = None) -> None:
        """
        Ask the server to stop a response, by default the one in progress.

        It does not wait: the response ends with status ``cancelled``. If it has ended
        already nothing happens.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        self._responses.cancel(response_id)

    def clear_output_audio(self) -> None:
        """
        Ask the server to drop the audio it has not played (WebRTC and SIP calls only).

        Raises:
            ConnectionClosed: The connection has ended.
        """
        self.send(OutputAudioBufferClear(event_id=new_event_id()))

    def responses(self, timeout: float | None = None) -> ServerResponses:
        """
        Follow the responses that the server starts by itself, from this call on.

        Args:
            timeout: Seconds that iterating waits for each.
        """
        return self._responses.responses(timeout)

    @property
    def active_response(self) -> str | None:
        """The id of the response that writes to the conversation now, or None."""
        return self._responses.active

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
        functions: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
        *,
        update: bool = True,
        **options: Any,
    ) -> FunctionRunner:
        """
        Let the model call Python functions; see `realtime_sync.functions`.

        Args:
            functions: The functions; as a mapping, by the names that they get.
            update: Whether to tell the session now. Without, `update_session()` has to.
            options: The keyword arguments of `FunctionRunner`, such as *timeout*.

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
        if update:
            self.update_session(self._with_tools(RealtimeSession()))
        return runner

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
            return lambda found: cast("F", self.function(found, **options))
        runner = self._functions or self.use_functions((), update=False)
        runner.add(function, **options)
        self.update_session(self._with_tools(RealtimeSession()))
        return function

    # Playback

    @property
    def playback(self) -> Playback:
        """
        What keeps account of the speech that arrives and is played.

        It begins with the first use, so use it before the first response begins.
        """
        return self._playback or self._start_playback(None)

    def use_player(self, player: Player, *, interruptible: bool = True) -> Playback:
        """
        Let a player, such as a `Speaker`, tell what was heard; return the playback.

        What is to be played comes from its `Playback.audio()`.

        Args:
            player: The player, which plays nothing else.
            interruptible: Whether the player falls silent, and the answer is cut to
                what was heard, when the server hears the user speak.

        Raises:
            RuntimeError: The playback has begun already.
        """
        if self._playback is not None:
            raise RuntimeError("name the player before `playback` is used otherwise")
        playback = self._start_playback(player)
        if interruptible:
            self.on(InputAudioBufferSpeechStarted, playback.speech_started)
        return playback

    def interrupt(self, played_ms: float | None = None) -> Interruption:
        """
        Stop the model's speech, and tell the server how much of it was heard.

        See `Playback.interrupt()`. Without `playback` or `use_player()` before the
        response, it is only cancelled.

        Args:
            played_ms: Milliseconds of the current item that were heard, if that is
                known better than by the playback.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        return self.playback.interrupt(played_ms)

    def _start_playback(self, player: Player | None) -> Playback:
        from .playback import Playback

        # No reference back: a forgotten connection must be found to be one.
        playback = Playback(weakref.proxy(self), player=player, monitor=self._monitor)
        with self._monitor.lock:
            if self._playback is not None:
                return self._playback
            self._playback = playback
        handlers = playback.handlers()
        # First: callbacks and streams shall find the account up to date.
        self._absorber.register(handlers, playback.end, first=True)
        # What it missed that still counts.
        handlers[SessionUpdated](SessionUpdated(event_id="", session=self.session))
        active = self._responses.active
        if active is not None:
            now = Response(id=active, conversation_id=self.conversation.id or "")
            handlers[ResponseCreated](ResponseCreated(event_id="", response=now))
        return playback

    def close(self, code: int = 1000, reason: str = "") -> None:
        """
        Close the connection; what commands were queued is sent first.

        It takes the close timeout at most, can be called again and from any thread. In
        a callback it only begins to close. Function calls that run are told to stop.

        Args:
            code: The close code for the server (RFC 6455, 7.4).
            reason: The reason for the server, at most 123 bytes of UTF-8.
        """
        super().close(code, reason)
        runner = self._functions
        if runner is not None and self._pid == os.getpid():
            runner.close(0 if self._monitor.on_reader_thread() else 5.0)

    # Private

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

    def _expect_and_create(
        self, params: ResponseCreateParams, timeout: float | None
    ) -> ResponseStream:
        tagged, token = tag(params)
        stream = self._responses.expect(
            token, out_of_band=params.conversation == "none"
        )
        return self._send_create(tagged, stream, timeout)

    def _send_create(
        self,
        params: ResponseCreateParams,
        stream: ResponseStream,
        timeout: float | None,
    ) -> ResponseStream:
        event = ResponseCreate(event_id=new_event_id(), response=params)
        try:
            self._command(event, timeout, lambda made: made.response.id == stream.id)
        except ServerError as exc:
            self._responses.fail(stream, exc)
            raise
        except BaseException:
            self._responses.abandon(stream)
            raise
        return stream

    def _send_cancel(self) -> Callable[[str], None]:
        # No reference back: a stream that is kept must not keep its connection.
        queue, dialect = self._queue, self._dialect

        def cancel(response_id: str) -> None:
            event = ResponseCancel(event_id=new_event_id(), response_id=response_id)
            queue.put((1, encode(event, dialect)), Lane.OVERTAKE)

        return cancel


def _model(value: M | Mapping[str, Any], cls: type[M]) -> M:
    """Return *value* as an object, whichever of the two forms it has."""
    if isinstance(value, Mapping):
        return structure(value, cls)
    if not isinstance(value, Model):
        raise TypeError(f"expected an object or a mapping in wire form, got {value!r}")
    return value


def _with_id(item: Any) -> Any:
    if getattr(item, "id", None) or not hasattr(item, "id"):
        return item
    prefix = "msg" if isinstance(item, Message) else "item"
    return attrs.evolve(item, id=f"{prefix}_{uuid.uuid4().hex[:24]}")


def _id(item: Any) -> str | None:
    return getattr(item, "id", None) or None

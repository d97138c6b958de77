"""The commands of a session that holds a conversation: its items and responses."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args

from .._channel.acknowledgements import Pending
from .._channel.commands import new_event_id, with_id
from .._channel.lanes import Lane
from .._checks import check_choice
from .._conversation.restore import Restoration, restoration
from .._deadline import Deadline
from .._responses.expectations import tag
from .._responses.router import ResponseRouter
from .._responses.server_responses import ServerResponses
from ..conversation import Conversation
from ..errors import ServerError
from ..protocol._model import UNSET, Maybe
from ..protocol.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
)
from ..protocol.codec import encode
from ..protocol.items import InputAudio, Item, Message
from ..protocol.responses import ResponseCreateParams
from ..protocol.server_events import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemRetrieved,
)
from ..protocol.sessions import RealtimeSession
from ..response_stream import ResponseStream
from ..usage import UsageMeter
from .base import DEFAULT_TIMEOUT
from .rate_limits import RateLimits
from .session_commands import AudioCommands, as_model


__all__ = ["ConversationCommands", "WhenBusy"]

WhenBusy = Literal["raise", "wait", "cancel"]
"""What to do when a response is in progress already."""

_BUSY = "conversation_already_has_active_response"


class ConversationCommands(AudioCommands[RealtimeSession]):
    """
    The commands of a session that holds a conversation.

    Attributes:
        conversation: The items of the conversation as the server has them.
    """

    def _register_handlers(self) -> None:
        self.conversation = Conversation(self._monitor)
        self._responses = ResponseRouter(
            self._monitor, self._send_cancel(), resumes=self._resumes_responses
        )
        self._usage = UsageMeter(self._monitor)
        self._rate_limits = RateLimits(self._monitor)
        self._kept.add(self.conversation._kept_bytes)
        self._kept.add(self._responses.kept_bytes)
        self._memory.conversation = self.conversation
        self._memory.responses = self._responses
        self._absorber.register(self._clock.handlers(), lose=self._clock.lose)
        self._absorber.register(
            self.conversation._handlers(),
            self.conversation._end,
            self.conversation._lose,
        )
        self._absorber.register(self._usage.handlers())
        self._absorber.register(self._rate_limits.handlers(), self._rate_limits.end)
        self._absorber.register(
            self._responses.handlers(), self._responses.end, self._responses.lose
        )
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
            TypeError, ValueError: It is no item in wire form; nothing was sent.
            ServerError: The server refused it.
            TimeoutError: The server did not answer in time.
            SendQueueFull: It could not be sent in time; nothing was.
            ConnectionClosed: The connection has ended.
        """
        deadline = Deadline(timeout)
        new = as_model(item, cast("type[Any]", Item), "item")
        pending = self._begin_item(new, timeout, previous_item_id)
        answer = self._acknowledgements.wait(pending, deadline.left())
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
        self._command(event, timeout)

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
        answer = self._command(event, timeout)
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
        self._command(event, timeout)

    def restore(
        self, taken: Mapping[str, Any] | str, *, timeout: float | None = DEFAULT_TIMEOUT
    ) -> Restoration:
        """
        Put what another conversation held into this one, and wait until it is there.

        Items go behind those that are here already, under the ids that they had. Not
        everything comes back; see `realtime_sync.restoration()`, which tells without a
        connection.

        Args:
            taken: From `Conversation.snapshot()`, straight or by way of JSON; or the
                text of `Conversation.to_json()`.
            timeout: Seconds to wait.

        Returns:
            What was sent, and what is lost.

        Raises:
            ValueError: It is no snapshot, or one of a later version of this library.
            ServerError: The server refused an item; those before it are there.
            TimeoutError: The server did not answer in time.
            ConnectionClosed: The connection has ended.
        """
        plan = restoration(taken)
        deadline = Deadline(timeout)
        pending = [
            self._begin_item(event.item, deadline.left()) for event in plan.events
        ]
        # All are on their way: the time of one answer, not of one for each.
        for each in pending:
            self._acknowledgements.wait(each, deadline.left())
        return plan

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
            TypeError, ValueError: It is no response in wire form; nothing was sent.
            ServerError: The server refused.
            TimeoutError: It had not begun in time.
            SendQueueFull: It could not be sent in time; nothing was.
            ConnectionClosed: The connection has ended.
        """
        check_choice("when_busy", when_busy, get_args(WhenBusy))
        params = as_model(response or {}, ResponseCreateParams, "response")
        deadline = Deadline(timeout)
        side = params.conversation == "none"
        if side or (when_busy == "raise" and not self._responses.cancelling):
            return self._expect_and_create(params, deadline.left())
        while True:
            if when_busy == "cancel":
                self._responses.cancel()
            tagged, token = tag(params)
            stream = self._responses.expect_when_idle(token, deadline.left())
            if stream is None:
                raise TimeoutError(f"a response was in progress for {timeout:g} s")
            try:
                return self._send_create(tagged, stream, deadline.left())
            except ServerError as exc:
                # Turn detection was faster, and its `response.created` is on the way.
                if exc.code != _BUSY or deadline.expired():
                    raise

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

    # Private

    def _keep_audio(self) -> None:
        """Let the conversation have all audio from now on."""
        # First: who waits for a response finds its audio there too.
        self._absorber.register(self.conversation._keep_audio(), first=True)
        # No reference back: a forgotten connection must be found to be one.
        fetch = functools.partial(_fetch_audio, weakref.proxy(self))
        self.on(ConversationItemAdded, fetch)
        self.on(ConversationItemCreated, fetch)

    def _begin_item(
        self,
        item: Any,
        timeout: float | None,
        previous_item_id: Maybe[str] = UNSET,
    ) -> Pending:
        """Send a new item, and return what will have the server's answer."""
        event = ConversationItemCreate(
            event_id=new_event_id(),
            item=with_id(item),
            previous_item_id=previous_item_id,
        )
        return self._begin(event, timeout)

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
        stream.request = params
        self._clock.asked()
        if self._watch is not None:
            self._watch.asked(stream)
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


def _fetch_audio(
    connection: ConversationCommands,
    event: ConversationItemAdded | ConversationItemCreated,
) -> None:
    """Ask for the audio of a new item: the answer is for the conversation."""
    item = event.item
    if not isinstance(item, Message) or not item.id:
        return
    if any(isinstance(part, InputAudio) and not part.audio for part in item.content):
        connection.send(
            ConversationItemRetrieve(event_id=new_event_id(), item_id=item.id)
        )

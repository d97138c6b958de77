"""
What this side knows of a session, in case that another one has to take its place.

It lives on the reader thread and knows no connection, which has to be found forgotten
when it is.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .._channel.absorber import Absorber
from .._channel.acknowledgements import (
    Acknowledgements,
    Command,
    Pending,
    field_of,
    new_event_id,
)
from .._channel.lanes import Entry, Lane
from .._channel.retained import Repeated
from .._channel.send_queue import SendQueue
from .._conversation.restore import Loss, restoration
from ..errors import ConnectionClosed, ConnectionLost
from ..protocol._model import UNSET, Model, ServerEvent
from ..protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
)
from ..protocol.codec import Dialect, decode_client_event, encode, unstructure
from ..protocol.server_events import (
    ConversationItemAdded,
    ConversationItemTruncated,
    InputAudioBufferCommitted,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
)
from ..protocol.session_audio import AudioPcma, AudioPcmu
from ..protocol.sessions import RealtimeSession, Session
from ..transport import TEXT


if TYPE_CHECKING:
    from .._responses.router import ResponseRouter
    from ..conversation import Conversation


__all__ = ["Memory", "Remembered"]

_WIRE_BYTES_PER_MS = 64  # of PCM at 24 kHz: 48 bytes, as base64
_G711_WIRE_BYTES_PER_MS = 32 / 3


@attrs.frozen(kw_only=True)
class Remembered:
    """
    What a new session is to be told, as it was when the old one was lost.

    Attributes:
        session: The settings, in wire form.
        items: The conversation.
        losses: What of the conversation cannot be told.
    """

    session: Mapping[str, Any]
    items: Sequence[ConversationItemCreate] = ()
    losses: tuple[Loss, ...] = ()


class Memory:
    """
    Collects what there is to know; everything runs on the reader thread.

    Args:
        absorber: Hands events to the state.
        acknowledgements: The commands that wait.
        queue: What is sent.
        dialect: The dialect that is spoken.

    Attributes:
        conversation: The items, in sessions that have them.
        responses: The responses, in sessions that have them.
        session: The session as the server last described it.
        secret_tools: The tools as they were sent, since servers may hide their keys.
    """

    def __init__(
        self,
        absorber: Absorber,
        acknowledgements: Acknowledgements,
        queue: SendQueue,
        dialect: Dialect,
    ) -> None:
        self._absorber = absorber
        self._acknowledgements = acknowledgements
        acknowledgements.on_confirmed = self._confirm
        acknowledgements.on_given_up = lambda each: queue.give_up(each.event_id)
        self._queue = queue
        self._dialect: Dialect = dialect
        self.conversation: Conversation | None = None
        self.responses: ResponseRouter | None = None
        self.secret_tools: Sequence[Any] | None = None
        self.session: Session = RealtimeSession()
        self._confirmed_commit: ServerEvent | None = None
        # The item that was last committed, and its audio, until it is answered.
        self._unanswered: tuple[str, Sequence[bytes]] | None = None

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events, after the acknowledgements."""
        return {
            InputAudioBufferCommitted: self._on_committed,
            ResponseDone: self._on_response_done,
        }

    def session_handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """
        Return what to call with which events, before the acknowledgements.

        Whoever waits for an update may use what it changed at once.
        """
        return {SessionCreated: self._on_session, SessionUpdated: self._on_session}

    # After a loss

    def remember(self) -> Remembered:
        """Return what a new session is to be told, before anything is lost of it."""
        self._settle_truncations()
        session = unstructure(self.session) if isinstance(self.session, Model) else {}
        if self.secret_tools is not None and session.get("tools"):
            session["tools"] = [
                unstructure(tool) if isinstance(tool, Model) else tool
                for tool in self.secret_tools
            ]
        if self.conversation is None:
            return Remembered(session=session)
        taken = self.conversation.snapshot()
        if self.responses is not None:  # what will be said again, need not be told
            again = self.responses.is_to_be_resumed
            taken["items"] = [
                each for each in taken["items"] if not again(each["item"].get("id"))
            ]
        for record in taken["items"]:
            self._fill_in_audio(record["item"])
        plan = restoration(taken)
        return Remembered(session=session, items=plan.events, losses=plan.losses)

    def lose(self, cause: ConnectionClosed) -> None:
        """Tell everybody what is lost."""
        self._absorber.lose(lambda: ConnectionLost(cause))

    def renew(self, session: Session, items: Sequence[ConversationItemAdded]) -> None:
        """Take over the session that was made, and the items that it has."""
        self._absorber.update(SessionCreated(event_id="", session=session))
        if self.conversation is not None:
            self.conversation.replace(items)

    def repeat(self) -> Repeated:
        """Have sent again what was lost, and return what that is."""
        again = self.responses.resumable if self.responses else ()
        creates = [ResponseCreate(event_id=new_event_id(), response=r) for r in again]
        for create in creates:
            self._acknowledgements.expect(create, awaited=False)
        self._unanswered = None
        repeated = self._queue.repeat([self._entry(create) for create in creates])
        self._settle_truncations()  # of those who asked for them meanwhile
        return repeated

    @property
    def lost_responses(self) -> tuple[str, ...]:
        """The ids of the responses that the last loss cut off."""
        return tuple(self.responses.lost) if self.responses else ()

    @property
    def resumed_responses(self) -> tuple[str, ...]:
        """The ids of those that were asked for again."""
        return tuple(self.responses.resumed) if self.responses else ()

    def quiet(self) -> bool:
        """Tell whether no response is in progress and no command is unanswered."""
        busy = self.responses is not None and self.responses.busy
        return not busy and not self._acknowledgements.waiting

    def milliseconds(self, wire_bytes: int) -> int:
        """Return how much audio that is, in the input format of the session."""
        audio = getattr(self.session, "audio", None)
        audio_format = audio and audio.input and audio.input.format
        if isinstance(audio_format, (AudioPcma, AudioPcmu)):
            return int(wire_bytes / _G711_WIRE_BYTES_PER_MS)
        return wire_bytes // _WIRE_BYTES_PER_MS

    # Private

    def _entry(self, create: ResponseCreate) -> Entry:
        frame = TEXT, encode(create, self._dialect)
        return Lane.COMMAND, frame, create.event_id or None

    def _confirm(self, command: Pending) -> None:
        answer = command.answer
        audio = self._queue.confirm(command.event_id)
        if isinstance(answer, InputAudioBufferCommitted):
            self._confirmed_commit = answer
            self._unanswered = (answer.item_id, audio) if audio else None
        elif isinstance(answer, SessionUpdated):
            session = field_of(command.command, "session")
            tools = field_of(session, "tools") if session else None
            self.secret_tools = tools or self.secret_tools

    def _on_session(self, event: SessionCreated | SessionUpdated) -> None:
        self.session = event.session
        audio = getattr(event.session, "audio", None)
        detection = audio.input.turn_detection if audio and audio.input else UNSET
        self._queue.set_manual_turns(detection is None)

    def _on_committed(self, event: InputAudioBufferCommitted) -> None:
        if event is not self._confirmed_commit:
            self._queue.committed()

    def _on_response_done(self, event: ResponseDone) -> None:
        self._unanswered = None

    def _settle_truncations(self) -> None:
        """Do here what the server may not have done; a new session cannot do it."""
        for event in self._acknowledgements.settle_all(
            "conversation.item.truncate", _truncated
        ):
            self._absorber.update(event)

    def _fill_in_audio(self, item: dict[str, Any]) -> None:
        """Tell again what was said, if nobody has answered it yet."""
        item_id, messages = self._unanswered or (None, ())
        for part in item.get("content", ()) if item.get("id") == item_id else ():
            if part.get("type") == "input_audio" and not part.get("audio"):
                audio = b"".join(self._audio_of(each) for each in messages)
                part["audio"] = base64.b64encode(audio).decode()

    def _audio_of(self, message: bytes) -> bytes:
        event = decode_client_event(message, self._dialect)
        return event.audio if isinstance(event, InputAudioBufferAppend) else b""


def _truncated(command: Command) -> ServerEvent:
    return ConversationItemTruncated(
        event_id="",
        item_id=field_of(command, "item_id") or "",
        content_index=field_of(command, "content_index") or 0,
        audio_end_ms=field_of(command, "audio_end_ms") or 0,
    )

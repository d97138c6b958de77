"""
What this side knows of a session, in case that another one has to take its place.

It lives on the reader thread and knows no connection, which has to be found forgotten
when it is.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .._channel.absorber import Absorber
from .._channel.acknowledgements import Acknowledgements, Pending
from .._channel.commands import Command, field_of, new_event_id
from .._channel.lanes import Entry, Lane
from .._channel.retained import Repeated
from .._channel.send_queue import SendQueue
from .._conversation.restore import Loss, restoration
from .._responses.log import item_id_of
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
    ConversationItemDeleted,
    ConversationItemTruncated,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    ResponseCreated,
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
_WIRE_BYTES_PER_BYTE = 4 / 3
_NO_ANSWER = frozenset({"cancelled", "failed"})  # how a response may end


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
    Collects what there is to know.

    Everything runs on the reader thread, save for noting a command that is given up.

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
        acknowledgements.on_given_up = self._give_up
        self._queue = queue
        self._dialect: Dialect = dialect
        self.conversation: Conversation | None = None
        self.responses: ResponseRouter | None = None
        self.secret_tools: Sequence[Any] | None = None
        self.session: Session = RealtimeSession()
        self._confirmed_commit: ServerEvent | None = None
        # Items that were committed and nobody has answered: the key, and the audio.
        self._unanswered: dict[str, tuple[str, Sequence[bytes]]] = {}
        # Those of them that the responses in progress read.
        self._read: dict[str, Sequence[str]] = {}
        self._aside: ServerEvent | None = None  # the last response that reads none
        self._speech: InputAudioBufferSpeechStarted | None = None  # not committed
        self._given_up: set[str] = set()  # wire types, of what nobody waits for

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events, after the acknowledgements."""
        return {
            ConversationItemDeleted: self._on_deleted,
            InputAudioBufferCleared: self._on_cleared,
            InputAudioBufferCommitted: self._on_committed,
            InputAudioBufferSpeechStarted: self._on_speech,
            ResponseCreated: self._on_response,
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
            self.conversation._replace(items)
        self._read.clear()
        there = {item_id_of(event.item) for event in items}
        for item_id in self._unanswered.keys() - there:
            self._let_go(item_id)

    def repeat(self) -> Repeated:
        """Have sent again what was lost, and return what that is."""
        again = self.responses.resumable if self.responses else ()
        creates = [ResponseCreate(event_id=new_event_id(), response=r) for r in again]
        for create in creates:
            self._acknowledgements.expect(create, awaited=False)
        repeated = self._queue.repeat([self._entry(create) for create in creates])
        self._settle_truncations()  # of those who asked for them meanwhile
        given_up = sorted(self._given_up)
        self._given_up.difference_update(given_up)
        return attrs.evolve(
            repeated,
            lost_audio=self._lost_audio(repeated),
            uncertain_types=(*repeated.uncertain_types, *given_up),
        )

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
        return int(wire_bytes / self._wire_bytes_per_ms)

    # Private

    @property
    def _wire_bytes_per_ms(self) -> float:
        audio = getattr(self.session, "audio", None)
        audio_format = audio and audio.input and audio.input.format
        is_g711 = isinstance(audio_format, (AudioPcma, AudioPcmu))
        return _G711_WIRE_BYTES_PER_MS if is_g711 else _WIRE_BYTES_PER_MS

    def _lost_audio(self, repeated: Repeated) -> int:
        """
        Return how many bytes of audio are lost, in wire form.

        Where the server finds the turns, it is those since it last heard somebody
        begin to speak: the silence before is no loss, and a translation hears nobody.
        """
        speech, self._speech = self._speech, None
        if speech is None:
            return repeated.lost_audio
        if not isinstance(speech.audio_start_ms, int):
            return repeated.lost_audio + repeated.passed_audio
        sent = repeated.sent_audio * _WIRE_BYTES_PER_BYTE
        start = speech.audio_start_ms * self._wire_bytes_per_ms
        return repeated.lost_audio + max(0, int(sent - start))

    def _entry(self, create: ResponseCreate) -> Entry:
        frame = TEXT, encode(create, self._dialect)
        return Lane.COMMAND, frame, create.event_id or None

    def _confirm(self, command: Pending) -> None:
        answer = command.answer
        audio = self._queue.confirm(command.event_id)
        if isinstance(answer, InputAudioBufferCommitted):
            self._confirmed_commit = answer
        elif isinstance(answer, SessionUpdated):
            session = field_of(command.command, "session")
            tools = field_of(session, "tools") if session else None
            self.secret_tools = tools or self.secret_tools
        elif isinstance(answer, ResponseCreated) and _reads_none(command.command):
            self._aside = answer
        if audio:
            self._keep(command.event_id, answer, audio)

    def _keep(
        self, key: str, answer: ServerEvent | None, audio: Sequence[bytes]
    ) -> None:
        """Keep the audio of a turn, if it was committed to a conversation."""
        for item_id in list(itertools.takewhile(self._is_gone, self._unanswered)):
            del self._unanswered[item_id]
        in_conversation = self.conversation is not None
        if in_conversation and isinstance(answer, InputAudioBufferCommitted):
            self._unanswered[answer.item_id] = key, audio
        else:
            self._queue.give_up(key)

    def _is_gone(self, item_id: str) -> bool:
        """Tell whether there was no room for the audio of an item any more."""
        return not self._unanswered[item_id][1]

    def _let_go(self, item_id: str) -> None:
        if item_id in self._unanswered:
            key, _ = self._unanswered.pop(item_id)
            self._queue.give_up(key)

    def _give_up(self, command: Pending) -> None:
        """Note a command whose answer will not be recognized; on any thread."""
        self._queue.give_up(command.event_id)
        if not command.awaited:  # or whoever waited for it knows
            self._given_up.add(command.kind)

    def _on_session(self, event: SessionCreated | SessionUpdated) -> None:
        self.session = event.session
        audio = getattr(event.session, "audio", None)
        detection = audio.input.turn_detection if audio and audio.input else UNSET
        self._queue.set_manual_turns(detection is None)

    def _on_committed(self, event: InputAudioBufferCommitted) -> None:
        self._speech = None
        if event is not self._confirmed_commit:
            self._queue.committed()

    def _on_cleared(self, event: InputAudioBufferCleared) -> None:
        self._speech = None

    def _on_speech(self, event: InputAudioBufferSpeechStarted) -> None:
        self._speech = event

    def _on_deleted(self, event: ConversationItemDeleted) -> None:
        self._let_go(event.item_id)

    def _on_response(self, event: ResponseCreated) -> None:
        response = event.response
        out_of_band = response.conversation_id is None or event is self._aside
        if response.id and self._unanswered and not out_of_band:
            self._read[response.id] = tuple(self._unanswered)

    def _on_response_done(self, event: ResponseDone) -> None:
        read = self._read.pop(event.response.id or "", ())
        if event.response.status not in _NO_ANSWER:
            for item_id in read:
                self._let_go(item_id)

    def _settle_truncations(self) -> None:
        """Do here what the server may not have done; a new session cannot do it."""
        for event in self._acknowledgements.settle_all(
            "conversation.item.truncate", _truncated
        ):
            self._absorber.update(event)

    def _fill_in_audio(self, item: dict[str, Any]) -> None:
        """Tell again what was said, if nobody has answered it yet."""
        _, messages = self._unanswered.get(item.get("id") or "", ("", ()))
        messages = tuple(messages)  # senders may need the room meanwhile
        for part in item.get("content", ()) if messages else ():
            if part.get("type") == "input_audio" and not part.get("audio"):
                audio = b"".join(self._audio_of(each) for each in messages)
                part["audio"] = base64.b64encode(audio).decode()

    def _audio_of(self, message: bytes) -> bytes:
        event = decode_client_event(message, self._dialect)
        return event.audio if isinstance(event, InputAudioBufferAppend) else b""


def _reads_none(command: Command) -> bool:
    """Tell whether a command asks for a response that is none to what was said."""
    params = field_of(command, "response")
    if params is None:
        return False
    is_mapping = isinstance(params, Mapping)
    given = params.get("input", UNSET) if is_mapping else params.input
    is_given = given is not UNSET and given is not None  # an empty list is something
    return is_given or field_of(params, "conversation") == "none"


def _truncated(command: Command) -> ServerEvent:
    return ConversationItemTruncated(
        event_id="",
        item_id=field_of(command, "item_id") or "",
        content_index=field_of(command, "content_index") or 0,
        audio_end_ms=field_of(command, "audio_end_ms") or 0,
    )

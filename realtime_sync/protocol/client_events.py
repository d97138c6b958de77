"""
What the client says: its events, all of them commands.

Each event is a class, named after its type on the wire: ``session.update`` is
`SessionUpdate`. The docstrings say how the server answers; what it does not like it
answers with an `ErrorEvent`, which names the ``event_id`` of the command if that has
one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from ._model import UNSET, ClientEvent, Maybe, PayloadType
from .items import Item
from .responses import ResponseCreateParams
from .sessions import Session, TranscriptionSession


__all__ = [
    "CLIENT_EVENTS",
    "ConversationItemCreate",
    "ConversationItemDelete",
    "ConversationItemRetrieve",
    "ConversationItemTruncate",
    "InputAudioBufferAppend",
    "InputAudioBufferClear",
    "InputAudioBufferCommit",
    "OutputAudioBufferClear",
    "ResponseCancel",
    "ResponseCreate",
    "SessionUpdate",
    "TranscriptionSessionUpdate",
    "UnknownClientEvent",
]


# Sessions


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionUpdate(ClientEvent):
    """
    Change the configuration. The answer is `SessionUpdated`.

    Fields that are ``UNSET`` stay as they are. The model cannot be changed, and the
    voice only until the model has spoken.

    Attributes:
        session: What to change.
    """

    type: ClassVar[str] = "session.update"

    session: Session


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptionSessionUpdate(ClientEvent):
    """
    Change the configuration of a transcription, on servers that still know this.

    Others take a `SessionUpdate` with a `TranscriptionSession`, and so does this
    library in the preview dialect.

    Attributes:
        session: What to change.
    """

    type: ClassVar[str] = "transcription_session.update"

    session: TranscriptionSession


# Conversation


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ConversationItemCreate(ClientEvent):
    """
    Put an item into the conversation. The answer is `ConversationItemAdded`.

    This neither makes the model answer, nor can it put audio of the assistant there.

    Attributes:
        item: The item.
        previous_item_id: The item to put it after, or ``root`` to put it first. Last if
            unset.
    """

    type: ClassVar[str] = "conversation.item.create"

    item: Item
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ConversationItemRetrieve(ClientEvent):
    """
    Ask for an item with its audio. The answer is `ConversationItemRetrieved`.

    Attributes:
        item_id: The item.
    """

    type: ClassVar[str] = "conversation.item.retrieve"

    item_id: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ConversationItemTruncate(ClientEvent):
    """
    Cut what the assistant said to what was heard of it.

    The answer is `ConversationItemTruncated`. The model speaks faster than its audio
    plays; without this, an interrupted model believes that all of it was heard.

    Attributes:
        item_id: The item, a message of the assistant.
        content_index: The part's place in the item, counted from 0. Usually 0.
        audio_end_ms: Milliseconds of the audio to keep. More than there are is an
            error.
    """

    type: ClassVar[str] = "conversation.item.truncate"

    item_id: str
    content_index: int
    audio_end_ms: int


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ConversationItemDelete(ClientEvent):
    """
    Take an item out of the conversation. The answer is `ConversationItemDeleted`.

    Attributes:
        item_id: The item.
    """

    type: ClassVar[str] = "conversation.item.delete"

    item_id: str


# Input audio buffer


@attrs.define(kw_only=True, repr=False, eq=False)  # open: `ResponseOutputAudioDelta`
class InputAudioBufferAppend(ClientEvent):
    """
    Add audio to the input audio buffer. The only command without any answer.

    Attributes:
        audio: Audio in the session's input format: at most 15 MiB, better about 100 ms
            (4,800 bytes of PCM).
    """

    type: ClassVar[str] = "input_audio_buffer.append"

    audio: bytes


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputAudioBufferCommit(ClientEvent):
    """
    Make a message of the user from the audio in the buffer.

    The answer is `InputAudioBufferCommitted`. The buffer must hold 100 ms at least.
    With turn detection the server does this by itself; without it, a `ResponseCreate`
    has to follow for the model to answer.
    """

    type: ClassVar[str] = "input_audio_buffer.commit"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputAudioBufferClear(ClientEvent):
    """Drop the audio in the buffer. The answer is `InputAudioBufferCleared`."""

    type: ClassVar[str] = "input_audio_buffer.clear"


# Output audio buffer: only where the service plays the audio itself (WebRTC, SIP)


@attrs.frozen(kw_only=True, repr=False, eq=False)
class OutputAudioBufferClear(ClientEvent):
    """
    Stop playing what the model says. The answer is `OutputAudioBufferCleared`.

    Send a `ResponseCancel` before it, so that no new audio is made.
    """

    type: ClassVar[str] = "output_audio_buffer.clear"


# Responses


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseCreate(ClientEvent):
    """
    Make the model answer. The answer is `ResponseCreated`, and all that follows it.

    With turn detection the server does this by itself at the end of a turn. While a
    response is in progress, only one out of band can be created.

    Attributes:
        response: How the response is to differ from what the session would make.
    """

    type: ClassVar[str] = "response.create"

    response: Maybe[ResponseCreateParams] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseCancel(ClientEvent):
    """
    Stop a response. It ends in a `ResponseDone` with the status ``cancelled``.

    If there is none in progress, the answer is an error that does no harm.

    Attributes:
        response_id: The response. The one of the conversation if unset.
    """

    type: ClassVar[str] = "response.cancel"

    response_id: Maybe[str] = UNSET


# Anything else


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UnknownClientEvent(ClientEvent):
    """
    A command whose type this version does not know.

    Its ``type`` is that of the payload. Send one to use what a server has learnt since.

    Attributes:
        payload: The whole event as decoded JSON.
    """

    type: ClassVar[PayloadType] = PayloadType()

    payload: Mapping[str, Any]


CLIENT_EVENTS: Final[Mapping[str, type[ClientEvent]]] = {
    cls.type: cls
    for cls in (
        SessionUpdate,
        TranscriptionSessionUpdate,
        ConversationItemCreate,
        ConversationItemRetrieve,
        ConversationItemTruncate,
        ConversationItemDelete,
        InputAudioBufferAppend,
        InputAudioBufferCommit,
        InputAudioBufferClear,
        OutputAudioBufferClear,
        ResponseCreate,
        ResponseCancel,
    )
}
"""The classes of the client's events, by their type on the wire."""

"""TODO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from ._model import UNSET, ClientEvent, Maybe, PayloadType
from .items import Item
from .responses import ResponseCreateParams
from .sessions import Session, TranscriptionSession


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemCreate(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.create"

    item: Item
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemDelete(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.delete"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemRetrieve(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.retrieve"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemTruncate(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.truncate"

    audio_end_ms: int
    content_index: int
    item_id: str


@attrs.define(kw_only=True, repr=False)
class InputAudioBufferAppend(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.append"

    audio: bytes


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferClear(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.clear"


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferCommit(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.commit"


@attrs.frozen(kw_only=True, repr=False)
class OutputAudioBufferClear(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "output_audio_buffer.clear"


@attrs.frozen(kw_only=True, repr=False)
class ResponseCancel(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "response.cancel"

    response_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseCreate(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "response.create"

    response: Maybe[ResponseCreateParams] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class SessionUpdate(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "session.update"

    session: Session


@attrs.frozen(kw_only=True, repr=False)
class TranscriptionSessionUpdate(ClientEvent):
    """TODO."""

    type: ClassVar[str] = "transcription_session.update"

    session: TranscriptionSession


@attrs.frozen(kw_only=True, repr=False)
class UnknownClientEvent(ClientEvent):
    """TODO."""

    type: ClassVar[PayloadType] = PayloadType()

    payload: Mapping[str, Any]


CLIENT_EVENTS: Final[Mapping[str, type[ClientEvent]]] = {
    "conversation.item.create": ConversationItemCreate,
    "conversation.item.delete": ConversationItemDelete,
    "conversation.item.retrieve": ConversationItemRetrieve,
    "conversation.item.truncate": ConversationItemTruncate,
    "input_audio_buffer.append": InputAudioBufferAppend,
    "input_audio_buffer.clear": InputAudioBufferClear,
    "input_audio_buffer.commit": InputAudioBufferCommit,
    "output_audio_buffer.clear": OutputAudioBufferClear,
    "response.cancel": ResponseCancel,
    "response.create": ResponseCreate,
    "session.update": SessionUpdate,
    "transcription_session.update": TranscriptionSessionUpdate,
}

"""
A conversation as JSON, and how to tell it to a new connection.

What comes back and what does not:

======================  ===========================================================
item                    in the new conversation
======================  ===========================================================
user, system text       the same
user image              the same
user audio, kept        the same audio
user audio, not kept    its transcript as text; nothing where there is none
assistant text          the same
assistant audio         its transcript as text: the service takes no audio of the
                        assistant. Nothing where the transcript was removed, as
                        truncation does
function call, output   the same; an output only with its call
item in progress        nothing
MCP items               nothing: the service makes them itself
items of unknown type   nothing
======================  ===========================================================

Items keep their ids, save those of more than 32 characters, which the service refuses.
A model that reads its own turns as text tends to answer in text; ask for audio with
``output_modalities`` where that matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import orjson

from ..protocol._model import UNSET, UnknownObject
from ..protocol.client_events import ConversationItemCreate
from ..protocol.codec import structure, unstructure
from ..protocol.items import (
    Audio,
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
    Text,
)
from .entry import ConversationItem


__all__ = ["Loss", "Restoration", "restoration", "restore_events", "snapshot"]

VERSION = 1
_MAX_ID = 32  # characters of an item's id that the service accepts from a client


@attrs.frozen(kw_only=True)
class Loss:
    """
    Something of a conversation that a new connection does not get.

    Attributes:
        item_id: The item that it belongs to.
        lost: What is lost.
        instead: What comes in its place, or None.
    """

    item_id: str
    lost: str
    instead: str | None = None

    def __str__(self) -> str:
        instead = f" ({self.instead} instead)" if self.instead else ""
        return f"{self.item_id}: {self.lost}{instead}"


@attrs.frozen(kw_only=True)
class Restoration:
    """
    What to send to a new connection to restore a conversation, and what is lost.

    Attributes:
        events: To be sent in this order to a connection without items.
        losses: What they cannot bring back, item by item.
    """

    events: tuple[ConversationItemCreate, ...]
    losses: tuple[Loss, ...]

    def __str__(self) -> str:
        count = f"{len(self.events)} items restored"
        return "\n".join([count, *(f"lost: {loss}" for loss in self.losses)])


def snapshot(
    items: Iterable[ConversationItem], conversation_id: str | None
) -> dict[str, Any]:
    """Return the items as plain JSON types."""
    return {
        "version": VERSION,
        "conversation_id": conversation_id,
        "items": [_record(item) for item in items],
    }


def restoration(taken: Mapping[str, Any] | str) -> Restoration:
    """
    Plan how to tell a conversation to a new connection.

    Args:
        taken: From `Conversation.snapshot()`, straight or by way of JSON; or the text
            of `Conversation.to_json()`.

    Raises:
        ValueError: It is no snapshot, or one of a later version of this library.
        TypeError: It is neither a mapping nor text.
        DecodeError: An item in it is damaged.
    """
    taken = _snapshot_of(taken)
    planner = _Planner()
    items: list[Item] = [structure(_item_of(each), Item) for each in taken["items"]]
    events = [event for item in items for event in planner.plan(item)]
    return Restoration(events=tuple(events), losses=tuple(planner.losses))


def restore_events(taken: Mapping[str, Any] | str) -> list[ConversationItemCreate]:
    """
    Return what to send to a new connection to restore a snapshot.

    It is the *events* of `restoration()`, which also tells what they cannot bring back.
    """
    return list(restoration(taken).events)


def _snapshot_of(taken: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if not isinstance(taken, (Mapping, str)):
        raise TypeError(
            "a snapshot is a mapping, or the text of Conversation.to_json(), not "
            f"{type(taken).__name__}"
        )
    found = _parsed(taken) if isinstance(taken, str) else taken
    version = found.get("version") if isinstance(found, Mapping) else None
    if version != VERSION or not isinstance(found.get("items"), list):
        raise ValueError(
            f"expected a snapshot of version {VERSION}, not {version!r}; "
            "take it with Conversation.snapshot(), and restore it with the same or a "
            "later version of realtime_sync"
        )
    return found


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as exc:
        raise ValueError(
            f"a snapshot in writing is the text of Conversation.to_json(): {exc}"
        ) from exc


def _item_of(record: Any) -> Mapping[str, Any]:
    item = record.get("item") if isinstance(record, Mapping) else None
    if isinstance(item, Mapping):
        return item
    raise ValueError("the snapshot is damaged: a record in it holds no item")


def _record(item: ConversationItem) -> dict[str, Any]:
    facts = {
        "audio_end_ms": item.audio_end_ms,
        "transcription": item.transcription,
    }
    told = {name: value for name, value in facts.items() if value is not None}
    return {"item": unstructure(item.item), **told}


class _Planner:
    """Goes through the items in order and notes what is lost on the way."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self._calls: set[str] = set()

    def plan(self, item: Item) -> Iterator[ConversationItemCreate]:
        item_id = _id_of(item)
        wanted = self._convert(item, item_id)
        if wanted is None:
            return
        if len(item_id) > _MAX_ID:
            self._lose(item_id, "its id, which is too long", "a new id")
        keep_id = item_id if 0 < len(item_id) <= _MAX_ID else UNSET
        fresh = attrs.evolve(wanted, id=keep_id, status=UNSET, object=UNSET)
        yield ConversationItemCreate(item=fresh)

    def _convert(
        self, item: Item, item_id: str
    ) -> Message | FunctionCall | FunctionCallOutput | None:
        if getattr(item, "status", None) == "in_progress":
            self._lose(item_id, "an item that was still in progress")
        elif isinstance(item, Message):
            return self._message(item, item_id)
        elif isinstance(item, FunctionCall):
            self._calls.add(item.call_id or "")
            return item
        elif isinstance(item, FunctionCallOutput):
            if item.call_id in self._calls:
                return item
            self._lose(item_id, "a function's output, since its call is not there")
        else:
            kind = item.payload.get("type") if isinstance(item, UnknownObject) else ""
            self._lose(item_id, f"an item of type {kind or getattr(item, 'type', '?')}")
        return None

    def _message(self, message: Message, item_id: str) -> Message | None:
        content = [
            kept
            for part in message.content
            if (kept := self._part(part, item_id)) is not None
        ]
        if not content and not message.content:
            self._lose(item_id, "a message without content")
        return attrs.evolve(message, content=content) if content else None

    def _part(self, part: ContentPart, item_id: str) -> ContentPart | None:
        if isinstance(part, (OutputAudio, Audio)):
            return self._speech(part.transcript or "", item_id, "the assistant's audio")
        if isinstance(part, InputAudio):
            return part if part.audio else self._hearsay(part, item_id)
        if isinstance(part, Text):
            return OutputText(text=part.text or "")
        if isinstance(part, (InputText, InputImage, InputFile, OutputText)):
            return part
        self._lose(item_id, "content of a type that this version does not know")
        return None

    def _speech(self, transcript: str, item_id: str, what: str) -> OutputText | None:
        self._lose(item_id, what, "its transcript" if transcript else None)
        return OutputText(text=transcript) if transcript else None

    def _hearsay(self, part: InputAudio, item_id: str) -> InputText | None:
        transcript = part.transcript or ""
        instead = "its transcript" if transcript else None
        self._lose(item_id, "the user's audio, which was not kept", instead)
        return InputText(text=transcript) if transcript else None

    def _lose(self, item_id: str, lost: str, instead: str | None = None) -> None:
        self.losses.append(Loss(item_id=item_id, lost=lost, instead=instead))


def _id_of(item: Item) -> str:
    if isinstance(item, UnknownObject):
        return str(item.payload.get("id", ""))
    return item.id or ""

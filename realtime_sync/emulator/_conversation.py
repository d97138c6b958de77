"""The conversation as the service sees it: items in order, with their audio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from ..protocol import (
    UNSET,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    Item,
    ItemReference,
    Maybe,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Message,
    OutputAudio,
    UnknownObject,
)
from ._errors import RequestError, invalid_value
from ._sound import BYTES_PER_MS, milliseconds
from ._tokens import Tokens, heard_tokens, spoken_tokens, text_tokens


__all__ = ["Conversation", "Entry", "Heard", "check_item", "make_entry"]

_CONTENT: Final = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}


class Heard:
    """
    What is said in some audio, found out once, by whoever asks first. Thread-safe.

    Args:
        transcribe: Turns PCM into text.
        pcm: 16-bit mono PCM at 24 kHz.
    """

    def __init__(self, transcribe: Callable[[bytes], str], pcm: bytes) -> None:
        self.pcm = pcm
        self._transcribe = transcribe
        self._lock = threading.Lock()
        self._text: str | None = None

    def text(self) -> str:
        """Return the words, which may take a while the first time."""
        with self._lock:
            if self._text is None:
                self._text = self._transcribe(self.pcm)
            return self._text


@attrs.define(eq=False)
class Entry:
    """
    An item with what its events leave out.

    Attributes:
        item: The item, without audio.
        audio: PCM by content index.
        heard: What is said in the audio of a user, by content index.
    """

    item: Any
    audio: dict[int, bytearray] = attrs.Factory(dict)
    heard: dict[int, Heard] = attrs.Factory(dict)

    @property
    def id(self) -> str:
        """The id of the item."""
        return str(self.item.id)

    def change_content(self, index: int, **changes: Any) -> None:
        """Replace fields of a content part of a message."""
        content = list(self.item.content)
        content[index] = attrs.evolve(content[index], **changes)
        self.item = attrs.evolve(self.item, content=content)

    def with_audio(self, to_wire: Callable[[bytes], bytes]) -> Any:
        """Return the item with its audio in it."""
        if not isinstance(self.item, Message):
            return self.item
        content = [
            attrs.evolve(part, audio=to_wire(bytes(self.audio[index])))
            if index in self.audio and isinstance(part, (InputAudio, OutputAudio))
            else part
            for index, part in enumerate(self.item.content)
        ]
        return attrs.evolve(self.item, content=content)

    def tokens(self) -> Tokens:
        """Return what the item costs to read."""
        item = self.item
        if isinstance(item, FunctionCall):
            return Tokens(text_tokens(item.name + item.arguments))
        if isinstance(item, FunctionCallOutput):
            return Tokens(text_tokens(item.output))
        if isinstance(item, McpCall):
            words = (item.name, item.arguments, item.output or "")
            return Tokens(text_tokens("".join(words)))
        if not isinstance(item, Message):
            return Tokens()
        count = spoken_tokens if item.role == "assistant" else heard_tokens
        return Tokens(
            text=sum(text_tokens(_words(part)) for part in item.content),
            audio=sum(count(milliseconds(audio)) for audio in self.audio.values()),
            image=sum(85 for part in item.content if isinstance(part, InputImage)),
        )

    def truncate(self, content_index: int, audio_end_ms: int) -> None:
        """
        Forget the audio after a moment, and the transcript with it.

        Raises:
            RequestError: There is no such audio, or it is shorter.
        """
        if not isinstance(self.item, Message) or self.item.role != "assistant":
            raise _not_truncatable()
        if not 0 <= content_index < max(1, len(self.item.content)):
            raise invalid_value(
                "content_index", content_index, "those of the item's content"
            )
        audio = self.audio.get(content_index)
        if not audio:
            raise _not_truncatable()
        length = milliseconds(audio)
        if audio_end_ms > length or audio_end_ms < 0:
            raise RequestError(
                f"Audio content of {length}ms is already shorter than {audio_end_ms}ms",
                code="invalid_value",
                param="audio_end_ms",
            )
        del audio[audio_end_ms * BYTES_PER_MS :]
        if content_index < len(self.item.content):
            self.change_content(content_index, transcript=UNSET)


def _not_truncatable() -> RequestError:
    return RequestError(
        "Only model output audio messages can be truncated",
        code="unsupported_content_type",
    )


def _words(part: Any) -> str:
    # The transcript of a user's audio is not read by the model.
    if isinstance(part, InputAudio):
        return ""
    return getattr(part, "text", None) or getattr(part, "transcript", None) or ""


def check_item(item: Any, path: str = "item") -> None:
    """
    Refuse an item that cannot be put into a conversation.

    Raises:
        RequestError: With what is wrong with it.
    """
    if isinstance(item, (UnknownObject, ItemReference, McpCall, McpListTools)):
        supported = ("message", "function_call", "function_call_output")
        raise invalid_value(f"{path}.type", _type_of(item), supported)
    if not isinstance(item, Message):
        return
    allowed = _CONTENT.get(item.role)
    if allowed is None:
        raise invalid_value(f"{path}.role", item.role, list(_CONTENT))
    for index, part in enumerate(item.content):
        name = _type_of(part)
        if name not in allowed:
            raise invalid_value(f"{path}.content[{index}].type", name, allowed)


def _type_of(part: Any) -> str:
    if isinstance(part, UnknownObject):
        return str(part.payload.get("type"))
    return str(part.type)


def make_entry(
    item: Any,
    *,
    new_id: Callable[[str], str],
    transcribe: Callable[[bytes], str],
    from_wire: Callable[[bytes], bytes],
) -> Entry:
    """Return an entry for an item that a client sent, completed as the service does."""
    changes: dict[str, Any] = {"id": item.id or new_id("item")}
    if isinstance(item, (Message, FunctionCall, FunctionCallOutput)):
        changes["object"] = "realtime.item"
        changes["status"] = "completed"
    if isinstance(item, FunctionCall) and not item.call_id:
        changes["call_id"] = new_id("call")
    entry = Entry(attrs.evolve(item, **changes))
    if isinstance(item, Message):
        for index, part in enumerate(item.content):
            if isinstance(part, InputAudio):
                pcm = from_wire(part.audio or b"")
                entry.audio[index] = bytearray(pcm)
                entry.heard[index] = Heard(transcribe, pcm)
                transcript = part.transcript or None
                entry.change_content(index, audio=UNSET, transcript=transcript)
    return entry


class Conversation:
    """Items in order. Not thread-safe."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_id(self) -> str | None:
        """The id of the last item, or None."""
        return self._entries[-1].id if self._entries else None

    def items(self) -> list[Item]:
        """Return the items, without audio."""
        return [entry.item for entry in self._entries]

    def find(self, item_id: str) -> Entry | None:
        """Return the entry of an item, or None."""
        return next((entry for entry in self._entries if entry.id == item_id), None)

    def before(self, item_id: str) -> str | None:
        """Return the id of the item before one; None where there is none."""
        ids = [entry.id for entry in self._entries]
        index = ids.index(item_id) if item_id in ids else 0
        return ids[index - 1] if index else None

    def get(self, item_id: str, action: str, code: str) -> Entry:
        """
        Return the entry of an item that a client named.

        Raises:
            RequestError: There is no such item.
        """
        entry = self.find(item_id)
        if entry is None:
            raise RequestError(
                f"Error {action} item: the item with id '{item_id}' does not exist.",
                code=code,
                param="item_id",
            )
        return entry

    def add(self, entry: Entry, after: Maybe[str] = UNSET) -> str | None:
        """
        Put *entry* into its place.

        Args:
            entry: The new one.
            after: An id, ``"root"`` for the beginning, or nothing for the end.

        Returns:
            The id of the item before it, or None.

        Raises:
            RequestError: There is no item *after*, or one of the same id.
        """
        self._check_new(entry)
        index = len(self._entries)
        if after == "root":
            index = 0
        elif after:
            index = self._index(after) + 1
        self._entries.insert(index, entry)
        return self._entries[index - 1].id if index else None

    def _check_new(self, entry: Entry) -> None:
        if self.find(entry.id) is not None:
            raise RequestError(
                f"Error adding item: an item with id '{entry.id}' already exists.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        item = entry.item
        if isinstance(item, FunctionCallOutput) and not self._has_call(item.call_id):
            raise RequestError(
                f"Tool call ID '{item.call_id}' not found in conversation.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )
        if isinstance(item, McpApprovalResponse):
            request = self.find(item.approval_request_id)
            if request is None or not isinstance(request.item, McpApprovalRequest):
                raise RequestError(
                    f"Approval request '{item.approval_request_id}' not found.",
                    code="invalid_value",
                    param="item.approval_request_id",
                )

    def _has_call(self, call_id: str) -> bool:
        return any(
            isinstance(entry.item, FunctionCall) and entry.item.call_id == call_id
            for entry in self._entries
        )

    def _index(self, item_id: str) -> int:
        for index, entry in enumerate(self._entries):
            if entry.id == item_id:
                return index
        raise RequestError(
            f"Error adding item: the previous item with id '{item_id}' does not exist.",
            code="item_create_invalid_previous_item_id",
            param="previous_item_id",
        )

    def remove(self, entry: Entry) -> None:
        """Take *entry* out."""
        self._entries.remove(entry)

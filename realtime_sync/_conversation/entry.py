"""One item of a conversation as it grows: its words, its transcripts, its audio."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from .._shown import Shown
from ..protocol._model import UNSET, Maybe, UnknownObject
from ..protocol._size import size_of
from ..protocol.items import (
    Audio,
    ContentPart,
    FunctionCall,
    InputAudio,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
    Text,
)
from ..protocol.responses import ErrorDetails


__all__ = ["ConversationItem", "Entry", "Outcome", "Transcription"]

Transcription = Literal["in_progress", "completed", "failed"]
Outcome = str | ErrorDetails
"""What became of a transcript: the words, or why there are none."""

_WRITTEN = (InputText, OutputText, Text)
_SPOKEN = (InputAudio, OutputAudio, Audio)
_HEARD = InputAudio()
_FINAL = ("completed", "incomplete")
_BYTES = 600  # of an item and its place, besides what is in it


@attrs.frozen(kw_only=True)
class ConversationItem(Shown):
    """
    One item of a conversation, as it was when it was read. It does not change.

    Attributes:
        id: The id of the item.
        item: The item in the form of the protocol, with all words that have arrived for
            it. Its audio is there only in a conversation that keeps audio.
        text: What was written or said in a message, all its parts; "" for other items.
        audio_end_ms: Where the audio was cut off, in ms from its start; None unless it
            was truncated. The service removes the transcript with the audio, so *text*
            does not have it either.
        transcription: How the transcription of input audio stands: ``in_progress``,
            ``completed`` or ``failed``; None when nothing was heard of one.
        transcription_error: Why it failed, or None.
    """

    id: str
    item: Item = attrs.field(repr=False)
    text: str
    audio_end_ms: int | None = None
    transcription: Transcription | None = None
    transcription_error: ErrorDetails | None = attrs.field(default=None, repr=False)

    @property
    def type(self) -> str:
        """The type of the item: ``message``, ``function_call``, …."""
        if isinstance(self.item, UnknownObject):
            return str(self.item.payload.get("type", ""))
        return self.item.type

    @property
    def role(self) -> str | None:
        """``user``, ``assistant`` or ``system``; None for what is no message."""
        return self.item.role if isinstance(self.item, Message) else None

    @property
    def status(self) -> str | None:
        """``in_progress``, ``completed`` or ``incomplete``; None where not told."""
        return getattr(self.item, "status", None) or None


@attrs.define
class _Part:
    """One content part. What the server says of it, and what came by other events."""

    shell: ContentPart | None = None  # without words and audio
    pieces: list[str] = attrs.Factory(list)
    final: str | None = None
    audio: list[bytes] = attrs.Factory(list)
    audio_end_ms: int | None = None

    def words(self) -> str:
        return "".join(self.pieces) if self.final is None else self.final

    def kept_bytes(self) -> int:
        return sum(map(size_of, (self.shell, self.pieces, self.final, self.audio)))

    def refresh(self, part: ContentPart, *, keep_audio: bool, retrieved: bool) -> None:
        """Take over what the server says of the part now."""
        words, shell = "", part
        if isinstance(part, _WRITTEN):
            words = part.text or ""
        elif isinstance(part, _SPOKEN):
            words, shell = part.transcript or "", attrs.evolve(part, audio=UNSET)
            if part.audio and keep_audio:
                self.audio = [part.audio]
        self.shell = shell
        # What was cut off has no words any more, whoever still sends them.
        if words and (retrieved or self.audio_end_ms is None):
            self.settle(words)
        elif retrieved and self.audio_end_ms is not None:
            self.truncate(self.audio_end_ms, None)

    def settle(self, words: str) -> None:
        self.final = words
        self.pieces = []  # in a long conversation they would take most of the memory

    def truncate(self, audio_end_ms: int, audio_bytes: int | None) -> None:
        self.audio_end_ms = audio_end_ms
        self.settle("")
        if audio_bytes is not None and self.audio:
            self.audio = [b"".join(self.audio)[:audio_bytes]]

    def view(self) -> ContentPart | None:
        part, words = self.shell, self.words()
        if isinstance(part, _WRITTEN):
            return attrs.evolve(part, text=words)
        if not isinstance(part, _SPOKEN):
            return part
        self.audio = [b"".join(self.audio)]  # not in two copies
        audio: Maybe[bytes] = self.audio[0] or UNSET
        silent = None if part.transcript is None else UNSET
        return attrs.evolve(part, transcript=words or silent, audio=audio)


class Entry:
    """
    One item of a conversation while events change it. Holds no lock.

    Attributes:
        id: The id of the item.
        audio_end_ms: Where its audio was truncated.
        transcription: How the transcription stands.
        error: Why it failed.
    """

    __slots__ = (
        "_item",
        "_parts",
        "_view",
        "audio_end_ms",
        "error",
        "id",
        "transcription",
    )

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.audio_end_ms: int | None = None
        self.transcription: Transcription | None = None
        self.error: ErrorDetails | None = None
        self._item: Item | None = None
        self._parts: dict[int, _Part] = {}
        self._view: ConversationItem | None = None

    def view(self) -> ConversationItem:
        """Return the item as it is now."""
        if self._view is None:
            parts = [part for _, part in sorted(self._parts.items())]
            words = [part.words() for part in parts]
            self._view = ConversationItem(
                id=self.id,
                item=self._whole(parts),
                text="\n".join(word for word in words if word),
                audio_end_ms=self.audio_end_ms,
                transcription=self.transcription,
                transcription_error=self.error,
            )
        return self._view

    def kept_bytes(self) -> int:
        """Return about how many bytes the item takes."""
        parts = sum(part.kept_bytes() for part in self._parts.values())
        return _BYTES + size_of(self._item) + parts

    def refresh(self, item: Item, *, keep_audio: bool, retrieved: bool = False) -> None:
        """Take over what the server says of the item now."""
        self._view = None
        if isinstance(item, Message):
            for index, part in enumerate(item.content):
                self._part(index).refresh(
                    part, keep_audio=keep_audio, retrieved=retrieved
                )
                if isinstance(part, InputAudio) and part.transcript:
                    self.transcription = "completed"
            item = attrs.evolve(item, content=())
        ended = getattr(self._item, "status", None) in _FINAL
        if ended and not retrieved and getattr(item, "status", None) == "in_progress":
            return  # said late, or said twice
        self._item = item

    def say(self, index: int, piece: str, shell: ContentPart) -> None:
        """Add a piece of what the model writes or says."""
        part = self._part(index)
        if part.final is None:
            part.pieces.append(piece)
        part.shell = part.shell or shell

    def settle(self, index: int, words: str, shell: ContentPart) -> None:
        """Replace the pieces by the words as a whole."""
        part = self._part(index)
        if part.audio_end_ms is None:
            part.settle(words)
        part.shell = part.shell or shell

    def hear(self, index: int, piece: str) -> None:
        """Add a piece of the transcript of input audio."""
        if self.transcription != "completed":
            self.say(index, piece, _HEARD)
            self.transcription = "in_progress"

    def heard(self, index: int, transcript: str) -> None:
        """Take the transcript of input audio as a whole."""
        self.settle(index, transcript, _HEARD)
        self.transcription = "completed"
        self.error = None

    def misheard(self, index: int, error: ErrorDetails) -> None:
        """Note that there will be no transcript; pieces of it stay."""
        self._part(index).shell = self._part(index).shell or _HEARD
        self.transcription = "failed"
        self.error = error

    def outcome(self) -> Outcome | None:
        """Return the transcript, or why there is none; None while neither is known."""
        if self.transcription == "failed":
            return self.error
        return self.view().text if self.transcription == "completed" else None

    def recall(self, before: Entry) -> None:
        """Take over how the transcription stood in the session before."""
        words = before.view().text
        if words and not self.view().text:  # as where the item did not come back
            self.settle(0, words, _HEARD)
        self._view = None
        self.transcription, self.error = before.transcription, before.error

    def add_audio(self, index: int, audio: bytes, shell: ContentPart) -> None:
        """Add a piece of the audio."""
        part = self._part(index)
        part.audio.append(audio)
        part.shell = part.shell or shell

    def set_audio(self, index: int, audio: bytes, shell: ContentPart) -> None:
        """Replace the audio."""
        self._part(index).audio.clear()
        self.add_audio(index, audio, shell)

    def truncate(self, index: int, audio_end_ms: int, audio_bytes: int) -> None:
        """Cut off the audio, and drop the transcript as the service does."""
        self.audio_end_ms = audio_end_ms
        self._part(index).truncate(audio_end_ms, audio_bytes)

    def set_arguments(self, arguments: str) -> None:
        """Set the arguments of a function call."""
        if isinstance(self._item, FunctionCall):
            self._view = None
            self._item = attrs.evolve(self._item, arguments=arguments)

    # Private methods

    def _part(self, index: int) -> _Part:
        self._view = None
        part = self._parts.get(index)
        if part is None:
            part = self._parts[index] = _Part()
        return part

    def _whole(self, parts: list[_Part]) -> Item:
        item: Any = self._item
        if item is None:  # words came first: they are what the user said
            item = Message(role="user", content=())
        if isinstance(item, Message):
            seen = [view for part in parts if (view := part.view()) is not None]
            item = attrs.evolve(item, content=tuple(seen))
        if not isinstance(item, UnknownObject) and not item.id:
            item = attrs.evolve(item, id=self.id)
        return item  # type: ignore[no-any-return]

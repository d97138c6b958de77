"""
What has arrived of one response: append-only lists, built from its events.

No lock and no thread is in here. Lists only grow, so a reader that keeps its own index
sees everything from the start, whenever it comes and however many others there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..protocol._model import ServerEvent, UnknownObject
from ..protocol._size import size_of
from ..protocol.items import Audio, ContentPart, Item, OutputAudio, OutputText, Text
from ..protocol.responses import Response
from ..protocol.server_events import (
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)


__all__ = ["ResponseLog", "item_id_of", "words_of"]


def item_id_of(item: Item) -> str | None:
    """Return the id of *item*, or None where it has none."""
    if isinstance(item, UnknownObject):
        payload_id = item.payload.get("id")
        return payload_id if isinstance(payload_id, str) else None
    return item.id or None


def words_of(part: ContentPart) -> tuple[str, bool] | None:
    """Return what the model says in *part*, and whether aloud; None for other parts."""
    if isinstance(part, (OutputText, Text)):
        return part.text or "", False
    if isinstance(part, (OutputAudio, Audio)):
        return part.transcript or "", True
    return None


@attrs.define
class _Part:
    """The words of one content part: as they came, and as the server ended them."""

    spoken: bool
    pieces: list[str] = attrs.Factory(list)
    final: str = ""

    def settle(self, final: str) -> str:
        """Note the server's *final* words; return what of them no piece has had yet."""
        said = "".join(self.pieces)
        if said.startswith(final):
            # A cancelled response may end with less than it said.
            self.final = ""
            return ""
        self.final = final
        return final[len(said) :] if final.startswith(said) else ""

    def words(self) -> str:
        """Return all words, the final ones where the pieces do not add up to them."""
        return self.final or "".join(self.pieces)


class ResponseLog:
    """
    Everything of one response so far.

    Attributes:
        events: Its events.
        text: Pieces of what the model says: text, or the transcript where it speaks.
        transcript: Pieces of the transcript alone.
        audio: Pieces of the audio, decoded.
        items: The output items that are finished.
        response: The response as the server last described it, or None.
    """

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.text: list[str] = []
        self.transcript: list[str] = []
        self.audio: list[bytes] = []
        self.items: list[Item] = []
        self.response: Response | None = None
        self._parts: dict[tuple[str, int], _Part] = {}
        self._item_ids: dict[int, str] = {}  # by output index
        self._finished: set[str] = set()
        self._counted = self._bytes = 0  # events, and what they take

    def kept_bytes(self) -> int:
        """Return about how many bytes the events take; all else is parts of them."""
        self._bytes += sum(map(size_of, self.events[self._counted :]))
        self._counted = len(self.events)
        return self._bytes

    def add(self, event: ServerEvent) -> None:
        """Take in the next event of this response."""
        self.events.append(event)
        take = _TAKES.get(type(event))
        if take is not None:
            take(self, event)

    def has_item(self, item_id: str) -> bool:
        """Tell whether the item belongs to this response."""
        return item_id in self._item_ids.values()

    def words(self, *, spoken_only: bool = False) -> str:
        """Return the text, or with *spoken_only* the transcript, as a whole."""
        parts = self._parts.values()
        return "".join(p.words() for p in parts if p.spoken or not spoken_only)

    def output(self) -> Sequence[Item]:
        """Return the items as the server ended them, or those that arrived."""
        return (self.response and self.response.output) or self.items

    # Private methods: one for each kind of event that carries something

    def _say(self, key: tuple[str, int], piece: str, *, spoken: bool) -> None:
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(spoken)
        if piece:
            part.pieces.append(piece)
            self.text.append(piece)
            if spoken:
                self.transcript.append(piece)

    def _settle(self, key: tuple[str, int], final: str, *, spoken: bool) -> None:
        self._say(key, "", spoken=spoken)
        self._say(key, self._parts[key].settle(final), spoken=spoken)

    def _settle_part(self, key: tuple[str, int], content: ContentPart) -> None:
        words = words_of(content)
        if words is not None and words[0]:
            self._settle(key, words[0], spoken=words[1])

    def _finish_item(self, index: int, item: Item) -> None:
        item_id = item_id_of(item) or self._item_ids.get(index) or f"#{index}"
        self._item_ids[index] = item_id
        for content_index, part in enumerate(getattr(item, "content", ())):
            self._settle_part((item_id, content_index), part)
        if item_id not in self._finished:
            self._finished.add(item_id)
            self.items.append(item)

    def _on_response(self, event: ResponseCreated) -> None:
        self.response = event.response

    def _on_done(self, event: ResponseDone) -> None:
        self.response = event.response
        for index, item in enumerate(event.response.output or ()):
            self._finish_item(index, item)

    def _on_item_added(self, event: ResponseOutputItemAdded) -> None:
        item_id = item_id_of(event.item)
        if item_id is not None:
            self._item_ids[event.output_index] = item_id

    def _on_item_done(self, event: ResponseOutputItemDone) -> None:
        self._finish_item(event.output_index, event.item)

    def _on_part_done(self, event: ResponseContentPartDone) -> None:
        self._settle_part((event.item_id, event.content_index), event.part)

    def _on_text(self, event: ResponseOutputTextDelta) -> None:
        self._say((event.item_id, event.content_index), event.delta, spoken=False)

    def _on_text_done(self, event: ResponseOutputTextDone) -> None:
        self._settle((event.item_id, event.content_index), event.text, spoken=False)

    def _on_transcript(self, event: ResponseOutputAudioTranscriptDelta) -> None:
        self._say((event.item_id, event.content_index), event.delta, spoken=True)

    def _on_transcript_done(self, event: ResponseOutputAudioTranscriptDone) -> None:
        key = (event.item_id, event.content_index)
        self._settle(key, event.transcript, spoken=True)

    def _on_audio(self, event: ResponseOutputAudioDelta) -> None:
        self.audio.append(event.delta)


_TAKES: dict[type[ServerEvent], Callable[[ResponseLog, Any], None]] = {
    ResponseContentPartDone: ResponseLog._on_part_done,
    ResponseCreated: ResponseLog._on_response,
    ResponseDone: ResponseLog._on_done,
    ResponseOutputAudioDelta: ResponseLog._on_audio,
    ResponseOutputAudioTranscriptDelta: ResponseLog._on_transcript,
    ResponseOutputAudioTranscriptDone: ResponseLog._on_transcript_done,
    ResponseOutputItemAdded: ResponseLog._on_item_added,
    ResponseOutputItemDone: ResponseLog._on_item_done,
    ResponseOutputTextDelta: ResponseLog._on_text,
    ResponseOutputTextDone: ResponseLog._on_text_done,
}

"""What there is to be done about an interruption, and how the server is told of it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .._channel.commands import new_event_id
from ..protocol._model import ClientEvent
from ..protocol.client_events import (
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCancel,
)
from .line import Line, Part


__all__ = ["Interruption", "Position", "Truncation", "commands", "plan", "position_of"]


@attrs.frozen(kw_only=True)
class Position:
    """
    How far an item was heard.

    Attributes:
        item_id: The item.
        content_index: The content part with the audio.
        played_ms: Milliseconds of it that were heard.
        received_ms: Milliseconds of it that have arrived.
    """

    item_id: str
    content_index: int
    played_ms: int
    received_ms: int


@attrs.frozen(kw_only=True)
class Truncation:
    """
    Audio that was cut to what was heard of it.

    Attributes:
        item_id: The item.
        content_index: The content part with the audio.
        audio_end_ms: Milliseconds that are left of it.
    """

    item_id: str
    content_index: int
    audio_end_ms: int


@attrs.frozen(kw_only=True)
class Interruption:
    """
    What an interruption did.

    Attributes:
        position: How far the player was, or None if there was nothing to play.
        cancelled: The id of the response that was cancelled, or None.
        truncated: What was cut on the server.
        deleted: Ids of items of which nothing was heard, and which were deleted.
        dropped_ms: Milliseconds of audio that had arrived and were not heard.
    """

    position: Position | None = None
    cancelled: str | None = None
    truncated: tuple[Truncation, ...] = ()
    deleted: tuple[str, ...] = ()
    dropped_ms: int = 0


def plan(line: Line, cancelled: str | None) -> Interruption:
    """
    Return what there is to be done about all that is silenced.

    Args:
        line: How far everything was heard.
        cancelled: The response to be cancelled, or None.
    """
    parts = [part for part in line if part.silenced]
    # What has an end, and was heard to it, is as it should be.
    cut = [
        part
        for part in parts
        if not part.deleted and not (part.complete and part.heard == part.received)
    ]
    heard = {line.heard_item, *(part.item_id for part in parts if part.heard_ms)}
    unheard = [part.item_id for part in cut if part.item_id not in heard]
    return Interruption(
        position=position_of(parts[0] if parts else None),
        cancelled=cancelled,
        truncated=tuple(_truncation(part) for part in cut if part.heard_ms),
        deleted=tuple(dict.fromkeys(unheard)),
        dropped_ms=sum(part.received_ms - part.heard_ms for part in parts),
    )


def position_of(part: Part | None) -> Position | None:
    """Return how far a part was heard."""
    if part is None:
        return None
    return Position(
        item_id=part.item_id,
        content_index=part.content_index,
        played_ms=part.heard_ms,
        received_ms=part.received_ms,
    )


def _truncation(part: Part) -> Truncation:
    return Truncation(
        item_id=part.item_id,
        content_index=part.content_index,
        audio_end_ms=part.heard_ms,
    )


def commands(done: Interruption) -> Iterator[ClientEvent]:
    """Yield what the server has to be told, the most urgent first."""
    if done.cancelled is not None:
        yield ResponseCancel(event_id=new_event_id(), response_id=done.cancelled)
    for cut in done.truncated:
        yield ConversationItemTruncate(
            event_id=new_event_id(),
            item_id=cut.item_id,
            content_index=cut.content_index,
            audio_end_ms=cut.audio_end_ms,
        )
    for item_id in done.deleted:
        yield ConversationItemDelete(event_id=new_event_id(), item_id=item_id)

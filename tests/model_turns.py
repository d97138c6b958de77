"""Server events of a model's turn, made with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from realtime_sync.protocol._model import UNSET, Maybe, ServerEvent
from realtime_sync.protocol.items import Item, Message, OutputAudio, OutputText
from realtime_sync.protocol.responses import (
    Response,
    ResponseStatusDetails,
    ResponseStatusError,
    Usage,
)
from realtime_sync.protocol.server_events import (
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
)


def created(
    response_id: str = "resp_1",
    *,
    metadata: Maybe[Mapping[str, str]] = None,
    conversation_id: Maybe[str] = "conv_1",
) -> ResponseCreated:
    return ResponseCreated(
        response=Response(
            id=response_id,
            status="in_progress",
            metadata=metadata,
            conversation_id=conversation_id,
        )
    )


def done(
    response_id: str = "resp_1",
    *,
    status: str = "completed",
    reason: str | None = None,
    message: str | None = None,
    output: Sequence[Item] = (),
    metadata: Maybe[Mapping[str, str]] = None,
    conversation_id: Maybe[str] = "conv_1",
    usage: Maybe[Usage] = UNSET,
) -> ResponseDone:
    details = None
    if reason:
        details = ResponseStatusDetails(type=status, reason=reason)
    if message:
        error = ResponseStatusError(code="server_error", message=message)
        details = ResponseStatusDetails(type=status, error=error)
    return ResponseDone(
        response=Response(
            id=response_id,
            status=status,
            status_details=details,
            output=output,
            metadata=metadata,
            conversation_id=conversation_id,
            usage=usage,
        )
    )


def text(
    delta: str,
    response_id: str = "resp_1",
    *,
    item_id: str = "item_1",
    content_index: int = 0,
) -> ResponseOutputTextDelta:
    return ResponseOutputTextDelta(
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=content_index,
        delta=delta,
    )


def transcript(
    delta: str, response_id: str = "resp_1", *, item_id: str = "item_1"
) -> ResponseOutputAudioTranscriptDelta:
    return ResponseOutputAudioTranscriptDelta(
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=0,
        delta=delta,
    )


def audio(
    delta: bytes, response_id: str = "resp_1", *, item_id: str = "item_1"
) -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=0,
        delta=delta,
    )


def said(
    words: str,
    item_id: str = "item_1",
    *,
    aloud: bool = False,
    status: str = "completed",
) -> Message:
    """Return the assistant's message as the server ends it."""
    part = OutputAudio(transcript=words) if aloud else OutputText(text=words)
    return Message(id=item_id, role="assistant", content=[part], status=status)


def item_added(
    item: Item, response_id: str = "resp_1", *, output_index: int = 0
) -> ResponseOutputItemAdded:
    return ResponseOutputItemAdded(
        response_id=response_id, output_index=output_index, item=item
    )


def item_done(
    item: Item, response_id: str = "resp_1", *, output_index: int = 0
) -> ResponseOutputItemDone:
    return ResponseOutputItemDone(
        response_id=response_id, output_index=output_index, item=item
    )


def spoken_turn(
    words: Sequence[str], pcm: Sequence[bytes], response_id: str = "resp_1"
) -> list[ServerEvent]:
    """Return the events of a response that speaks, from created to done."""
    whole = said("".join(words), aloud=True)
    pieces: list[ServerEvent] = []
    for word, piece in zip(words, pcm, strict=True):
        pieces += [transcript(word, response_id), audio(piece, response_id)]
    return [
        created(response_id),
        item_added(Message(id="item_1", role="assistant", content=[]), response_id),
        *pieces,
        item_done(whole, response_id),
        done(response_id, output=[whole]),
    ]

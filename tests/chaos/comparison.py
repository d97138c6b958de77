"""What the callers of a run did, against what the emulator has of it."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

import attrs
from script import Ledger, said

from realtime_sync import RealtimeConnection, Reconnected
from realtime_sync.emulator._record import SessionRecord
from realtime_sync.protocol import (
    FunctionCallOutput,
    InputAudio,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    Message,
    ResponseCreate,
    ServerEvent,
)


__all__ = ["Difference", "SessionRecord", "compare"]


@attrs.define
class Difference:
    """What is not as it should be, in words, by kind."""

    lost: list[str] = attrs.field(factory=list)
    doubled: list[str] = attrs.field(factory=list)
    disordered: list[str] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)


def compare(
    ledger: Ledger,
    sessions: Sequence[SessionRecord],
    final: SessionRecord,
    notices: Sequence[Reconnected],
    connection: RealtimeConnection,
) -> Difference:
    """
    Compare what was done with what is there.

    Args:
        ledger: What callers did.
        sessions: All sessions that it took.
        final: The last of them.
        notices: What the callers were told of losses.
        connection: Is still open.
    """
    found = Difference()
    found.lost += _missing_items(ledger, final, notices)
    found.doubled += _doubled_items(ledger, final)
    found.disordered += _disordered_items(ledger, final)
    found.wrong += _wrong_items(final, connection)
    found.wrong += _wrong_turns(ledger, sessions)
    found.wrong += _wrong_settings(ledger, final, connection)
    found.lost += _untold_losses(ledger, notices)
    found.doubled += _doubled_responses(ledger, final, notices)
    found.doubled += _doubled_calls(ledger, final)
    return found


def _ids(final: SessionRecord) -> list[str]:
    return [getattr(item, "id", None) or "" for item in final.items]


def _told_lost(notices: Sequence[Reconnected]) -> set[str]:
    return {loss.item_id for notice in notices for loss in notice.losses}


def _missing_items(
    ledger: Ledger, final: SessionRecord, notices: Sequence[Reconnected]
) -> Iterator[str]:
    there, told = set(_ids(final)), _told_lost(notices)
    for item_id in ledger.texts.keys() - there - set(ledger.deleted):
        yield f"item {item_id}"
    for item_id in ledger.turns.keys() - there - told:
        yield f"audio of turn {item_id}"
    outputs = {i.call_id for i in final.items if isinstance(i, FunctionCallOutput)}
    for call_id in set(ledger.outputs) - outputs:
        yield f"output of call {call_id}"
    texts = {_text(item) for item in final.items}
    for wish, text in ledger.answered.items():
        if text != said(wish):
            yield f"part of the answer to {wish}: {text[:40]!r}"
        if text not in texts and not wish.startswith("aside"):
            yield f"answer to {wish}"


def _doubled_items(ledger: Ledger, final: SessionRecord) -> Iterator[str]:
    for item_id, count in collections.Counter(_ids(final)).items():
        if count > 1:
            yield f"item {item_id}"
    for item_id in set(ledger.deleted) & set(_ids(final)):
        yield f"item {item_id}, which was deleted"
    heard = [
        item.id
        for item in final.items
        if isinstance(item, Message)
        and any(isinstance(part, InputAudio) for part in item.content)
    ]
    for item_id in set(heard) - ledger.turns.keys():
        yield f"a turn that was committed elsewhere: {item_id}"


def _disordered_items(ledger: Ledger, final: SessionRecord) -> Iterator[str]:
    place = {item_id: number for number, item_id in enumerate(_ids(final))}
    for name, created in ledger.created.items():
        there = [place[item_id] for item_id in created if item_id in place]
        if there != sorted(there):
            yield f"items of {name}: {[c for c in created if c in place]}"
    turns = [place[item_id] for item_id in ledger.turns if item_id in place]
    if turns != sorted(turns):
        yield "turns"


def _wrong_items(final: SessionRecord, connection: RealtimeConnection) -> Iterator[str]:
    here = [item.id for item in connection.conversation]
    if here != _ids(final):
        yield f"this side has the items {here}, the server {_ids(final)}"


def _wrong_turns(ledger: Ledger, sessions: Sequence[SessionRecord]) -> Iterator[str]:
    """Each turn is committed in one session, with all of its audio."""
    committed = [each for session in sessions for each in _commits(session)]
    for item_id, audio in ledger.turns.items():
        found = [heard for each, heard in committed if each == item_id]
        if found != [audio]:
            sizes = [len(heard) for heard in found]
            yield f"turn {item_id} has {sizes} bytes instead of {len(audio)}"


def _commits(session: SessionRecord) -> Iterator[tuple[str, bytes]]:
    """Yield the id and the audio of each commit of a session."""
    answers = iter(
        [e.item_id for e in session.server_events if _is_committed(e)]  # type: ignore[attr-defined]
    )
    buffer = bytearray()
    for event in list(session.client_events):
        if isinstance(event, InputAudioBufferAppend):
            buffer += event.audio
        elif isinstance(event, InputAudioBufferClear):
            buffer.clear()
        elif isinstance(event, InputAudioBufferCommit):
            item_id = next(answers, None)
            if item_id is not None:
                yield item_id, bytes(buffer)
            buffer.clear()


def _is_committed(event: ServerEvent) -> bool:
    return isinstance(event, InputAudioBufferCommitted)


def _wrong_settings(
    ledger: Ledger, final: SessionRecord, connection: RealtimeConnection
) -> Iterator[str]:
    wanted = str(ledger.settings[-1] if ledger.settings else 0)
    told = connection.session.instructions  # type: ignore[union-attr]
    if final.config.instructions != wanted or told != wanted:
        yield f"setting {final.config.instructions} ({told} here) instead of {wanted}"
    if [tool.name for tool in final.config.tools] != ["note"]:
        yield f"tools {final.config.tools}"


def _untold_losses(ledger: Ledger, notices: Sequence[Reconnected]) -> Iterator[str]:
    told = {each for notice in notices for each in notice.lost_responses}
    for response_id in set(filter(None, ledger.lost_responses)) - told:
        yield f"response {response_id}, and nobody was told"


def _doubled_responses(
    ledger: Ledger, final: SessionRecord, notices: Sequence[Reconnected]
) -> Iterator[str]:
    texts = collections.Counter(_text(item) for item in final.items)
    for text, count in texts.items():
        if count > 1 and text.startswith(("say", "cancel")):
            yield f"answer {text[:40]!r}"
    asked = collections.Counter(
        (event.response.metadata or {}).get("wish")
        for event in final.client_events
        if isinstance(event, ResponseCreate) and event.response
    )
    for wish, count in asked.items():
        if wish and count > 1:
            yield f"request {wish}"
    resumed = sum(len(notice.resumed_responses) for notice in notices)
    for wish, count in ledger.begun.items():
        if count > 1 + resumed:
            yield f"response to {wish}"


def _doubled_calls(ledger: Ledger, final: SessionRecord) -> Iterator[str]:
    for wish, count in collections.Counter(ledger.noted).items():
        if count > 1:
            yield f"call of a function by {wish}"
    outputs = [i.call_id for i in final.items if isinstance(i, FunctionCallOutput)]
    for call_id, count in collections.Counter(outputs).items():
        if count > 1:
            yield f"output of call {call_id}"


def _text(item: object) -> str:
    if not isinstance(item, Message):
        return ""
    return "".join(getattr(part, "text", None) or "" for part in item.content)

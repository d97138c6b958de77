"""
`Conversation`: the items of a session's conversation, as the server has them.

::

    for item in connection.conversation.items:
        print(item.role, item.text)
    print(connection.conversation.to_markdown())

    taken = connection.conversation.snapshot()      # JSON-ready
    print(other.restore(taken))                     # on another machine, say
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ._channel.monitor import Monitor
from ._conversation.entry import ConversationItem, Entry, Outcome
from ._conversation.export import as_lines, as_markdown
from ._conversation.restore import Loss, Restoration, restoration, restore_events
from ._conversation.restore import snapshot as take_snapshot
from ._conversation.table import EntryTable
from ._responses.log import item_id_of
from ._shown import Shown
from .errors import ServerError
from .protocol._model import UNSET, Maybe, ServerEvent
from .protocol.items import InputAudio, Item, Message, OutputAudio, OutputText
from .protocol.server_events import (
    ConversationCreated,
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    InputAudioBufferCommitted,
    ResponseDone,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    SessionCreated,
    SessionUpdated,
)
from .protocol.session_audio import AudioPcm


__all__ = [
    "Conversation",
    "ConversationItem",
    "Loss",
    "Restoration",
    "restoration",
    "restore_events",
]

_BYTES_PER_MS = 48  # of PCM 16 bit at 24 kHz, the service's default
_G711_BYTES_PER_MS = 8
_WRITTEN = OutputText()
_SPOKEN = OutputAudio()
_FORMER_LIMIT = 64  # items that did not come back, and whose transcripts are known


class Conversation(Shown):
    """
    The items of a conversation in their true order, with all their words.

    It follows the server's events alone, so it shows what the server has, not what was
    sent. Transcripts of what the user says join their items whenever they arrive; what
    is deleted or cut off here is so there. Responses outside the conversation leave no
    trace in it.

    Everything is thread-safe; what is read does not change afterwards.

    Args:
        monitor: Of the connection.
        keep_audio: Whether to keep audio as well. The server does not repeat what the
            user said unless it is asked to: a connection with *keep_audio* does so.
    """

    def __init__(self, monitor: Monitor, *, keep_audio: bool = False) -> None:
        self._monitor = monitor
        self._changed = monitor.condition()
        self._keeps_audio = keep_audio
        self._id: str | None = None
        self._table = EntryTable()
        self._bytes_per_ms = _BYTES_PER_MS
        self._error: Callable[[], Exception] | None = None
        # Of the last time that the connection was lost.
        self._loss: Callable[[], Exception] | None = None
        self._losses = 0
        # Items of former sessions: the transcripts that they lack will never come. And
        # what became of the transcripts of some that did not come back.
        self._untold: set[str] = set()
        self._former: dict[str, Outcome] = {}

    # Reading

    @property
    def id(self) -> str | None:
        """The id of the conversation, or None where the server does not say."""
        return self._id

    @property
    def items(self) -> tuple[ConversationItem, ...]:
        """The items as they are now, in order."""
        with self._monitor.lock:
            return tuple(entry.view() for entry in self._table)

    def get(self, item_id: str) -> ConversationItem | None:
        """Return an item as it is now, or None if there is none of this id."""
        with self._monitor.lock:
            entry = self._table.get(item_id)
            return entry.view() if entry else None

    def transcript(self, item_id: str, timeout: float | None = None) -> str:
        """
        Wait for the transcript of what the user said in an item, and return it.

        There is one only in sessions that transcribe their input. It arrives before or
        after the model's response.

        Args:
            item_id: Such as ``commit_input_audio()`` and `InputAudioBufferCommitted`
                have it.
            timeout: Seconds to wait, or None for no limit.

        Raises:
            TimeoutError: It did not arrive in time.
            ServerError: The transcription failed.
            ConnectionLost: The connection was lost before it arrived; the new session
                does not know what was said. One that had arrived is still returned.
            ConnectionClosed: The connection ended before.
        """
        losses = self._losses

        def settled() -> bool:
            return self._is_settled(item_id) or self._losses > losses

        if not self._monitor.wait(self._changed, settled, timeout):
            raise TimeoutError(
                f"no transcript of {item_id} arrived within {timeout:g} s; does the "
                "session have audio.input.transcription?"
            )
        with self._monitor.lock:
            outcome = self._outcome(item_id)
        if isinstance(outcome, str):
            return outcome
        if outcome is not None:
            raise ServerError(outcome)
        error = self._error or self._loss
        assert error is not None
        raise error()

    def __iter__(self) -> Iterator[ConversationItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self._table)

    def __bool__(self) -> bool:
        return True  # a conversation without items is one all the same

    def __repr__(self) -> str:
        return f"<Conversation {self._id or ''} of {len(self)} items>"

    def __str__(self) -> str:
        return as_lines(self.items)

    # Taking it elsewhere

    def to_markdown(self) -> str:
        """Return the conversation as Markdown, a paragraph for each item."""
        return as_markdown(self.items)

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `snapshot()` as JSON text."""
        return json.dumps(self.snapshot(), ensure_ascii=False, indent=indent)

    def snapshot(self) -> dict[str, Any]:
        """
        Return the conversation in plain JSON types, for ``restore()``.

        It has a ``version``, and audio (as base64) only where that was kept.
        """
        return take_snapshot(self.items, self._id)

    # Changing what only this side knows

    def attach_audio(
        self, item_id: str, audio: bytes, *, content_index: int = 0
    ) -> None:
        """
        Add the audio of what the user said, which the server does not repeat.

        Args:
            item_id: The item.
            audio: In the session's input format.
            content_index: The content part.

        Raises:
            RuntimeError: This conversation keeps no audio.
            KeyError: There is no such item.
        """
        if not self._keeps_audio:
            raise RuntimeError("this conversation keeps no audio; ask for keep_audio")
        with self._monitor.lock:
            entry = self._table.get(item_id)
            if entry is None:
                raise KeyError(item_id)
            entry.set_audio(content_index, audio, InputAudio())

    # Methods for the connection

    def _kept_bytes(self) -> int:
        """Return about how many bytes the items take."""
        with self._monitor.lock:
            return self._table.kept_bytes()

    def _end(self, error: Callable[[], Exception]) -> None:
        """Let those who wait know that nothing more will come."""
        with self._monitor.lock:
            self._error = error
            self._changed.notify_all()

    def _lose(self, error: Callable[[], Exception]) -> None:
        """Let those who wait for a transcript know that it was lost."""
        with self._monitor.lock:
            self._loss = error
            self._losses += 1
            self._untold.update(entry.id for entry in self._table.every())
            self._changed.notify_all()

    def _replace(self, events: Iterable[ConversationItemAdded]) -> None:
        """Have the items of a new session in place of the old ones."""
        with self._monitor.lock:
            self._take_over(events)

    def _handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return the handler for each class of events that tells of items."""
        found = {
            **{kind: self._locked(handle) for kind, handle in _HANDLERS.items()},
            **{kind: self._of_item(handle) for kind, handle in _OF_AN_ITEM.items()},
        }
        return {**found, **self._keep_audio()} if self._keeps_audio else found

    def _keep_audio(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Keep audio from now on; return the handler that this takes besides."""
        self._keeps_audio = True
        return {ResponseOutputAudioDelta: self._of_item(_add_audio)}

    def _take_over(self, events: Iterable[ConversationItemAdded]) -> None:
        former = self._table.every()
        self._table.clear()
        for event in events:
            self._on_item(event)
        for before in former:  # items may come back as text, by another id, or not
            there, outcome = self._table.get(before.id), before.outcome()
            if there is not None and outcome is not None:
                there.recall(before)
            elif outcome is not None:
                self._note_former(before.id, outcome)

    def _note_former(self, item_id: str, outcome: Outcome) -> None:
        while len(self._former) >= _FORMER_LIMIT:
            del self._former[next(iter(self._former))]
        self._former[item_id] = outcome

    def _locked(
        self, handle: Callable[[Conversation, Any], None]
    ) -> Callable[[Any], None]:
        def absorb(event: Any) -> None:
            with self._monitor.lock:
                handle(self, event)

        return absorb

    def _of_item(self, handle: Callable[[Entry, Any], None]) -> Callable[[Any], None]:
        """Return a handler that skips items of responses outside the conversation."""
        lock, table = self._monitor.lock, self._table

        def absorb(event: Any) -> None:
            with lock:
                entry = table.get(event.item_id)
                if entry is not None:
                    handle(entry, event)

        return absorb

    # Private methods, which hold the lock: items

    def _upsert(self, item: Item, previous: Maybe[str]) -> None:
        item_id = item_id_of(item)
        if item_id is not None:
            entry = self._table.place(item_id, previous)
            entry.refresh(item, keep_audio=self._keeps_audio)
            self._changed.notify_all()

    def _outcome(self, item_id: str) -> Outcome | None:
        entry = self._table.find(item_id)
        outcome = entry.outcome() if entry else None
        return self._former.get(item_id) if outcome is None else outcome

    def _is_settled(self, item_id: str) -> bool:
        known = self._outcome(item_id) is not None
        return known or item_id in self._untold or self._error is not None

    def _on_conversation(self, event: ConversationCreated) -> None:
        self._id = event.conversation.id or None

    def _on_session(self, event: SessionCreated | SessionUpdated) -> None:
        audio = getattr(event.session, "audio", None)
        audio_format = audio and audio.output and audio.output.format
        if audio_format:
            pcm = isinstance(audio_format, AudioPcm)
            self._bytes_per_ms = _BYTES_PER_MS if pcm else _G711_BYTES_PER_MS

    def _on_item(
        self,
        event: ConversationItemAdded | ConversationItemCreated | ConversationItemDone,
    ) -> None:
        self._upsert(event.item, event.previous_item_id)

    def _on_committed(self, event: InputAudioBufferCommitted) -> None:
        if event.item_id not in self._table:
            placeholder = Message(
                id=event.item_id, role="user", content=[InputAudio(transcript=None)]
            )
            self._upsert(placeholder, event.previous_item_id)

    def _on_retrieved(self, event: ConversationItemRetrieved) -> None:
        item_id = item_id_of(event.item)
        if item_id is not None:
            entry = self._table.place(item_id, UNSET)
            entry.refresh(event.item, keep_audio=self._keeps_audio, retrieved=True)
            self._changed.notify_all()

    def _on_deleted(self, event: ConversationItemDeleted) -> None:
        self._table.remove(event.item_id)

    def _on_truncated(self, event: ConversationItemTruncated) -> None:
        entry = self._table.get(event.item_id)
        if entry is not None:
            kept_ms = event.audio_end_ms or 0
            entry.truncate(event.content_index, kept_ms, kept_ms * self._bytes_per_ms)

    # Private methods, which hold the lock: what the user said

    def _on_heard_piece(
        self, event: ConversationItemInputAudioTranscriptionDelta
    ) -> None:
        self._table.listener(event.item_id).hear(
            event.content_index or 0, event.delta or ""
        )

    def _on_heard(
        self, event: ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        self._table.listener(event.item_id).heard(event.content_index, event.transcript)
        self._changed.notify_all()

    def _on_misheard(
        self, event: ConversationItemInputAudioTranscriptionFailed
    ) -> None:
        self._table.listener(event.item_id).misheard(event.content_index, event.error)
        self._changed.notify_all()

    # Private methods, which hold the lock: what the model says

    def _on_output(self, event: ResponseOutputItemDone) -> None:
        self._refresh_known(event.item)

    def _on_response(self, event: ResponseDone) -> None:
        for item in event.response.output or ():
            self._refresh_known(item)

    def _refresh_known(self, item: Item) -> None:
        entry = self._table.get(item_id_of(item) or "")
        if entry is not None:
            entry.refresh(item, keep_audio=self._keeps_audio)


# What the model says in an item.


def _add_text(entry: Entry, event: ResponseOutputTextDelta) -> None:
    entry.say(event.content_index, event.delta, _WRITTEN)


def _set_text(entry: Entry, event: ResponseOutputTextDone) -> None:
    entry.settle(event.content_index, event.text, _WRITTEN)


def _add_words(entry: Entry, event: ResponseOutputAudioTranscriptDelta) -> None:
    entry.say(event.content_index, event.delta, _SPOKEN)


def _set_words(entry: Entry, event: ResponseOutputAudioTranscriptDone) -> None:
    entry.settle(event.content_index, event.transcript, _SPOKEN)


def _add_audio(entry: Entry, event: ResponseOutputAudioDelta) -> None:
    entry.add_audio(event.content_index, event.delta, _SPOKEN)


def _set_arguments(entry: Entry, event: ResponseFunctionCallArgumentsDone) -> None:
    entry.set_arguments(event.arguments)


_OF_AN_ITEM: dict[type[ServerEvent], Callable[[Entry, Any], None]] = {
    ResponseFunctionCallArgumentsDone: _set_arguments,
    ResponseOutputAudioTranscriptDelta: _add_words,
    ResponseOutputAudioTranscriptDone: _set_words,
    ResponseOutputTextDelta: _add_text,
    ResponseOutputTextDone: _set_text,
}
_HANDLERS: dict[type[ServerEvent], Callable[[Conversation, Any], None]] = {
    ConversationCreated: Conversation._on_conversation,
    ConversationItemAdded: Conversation._on_item,
    ConversationItemCreated: Conversation._on_item,
    ConversationItemDeleted: Conversation._on_deleted,
    ConversationItemDone: Conversation._on_item,
    ConversationItemInputAudioTranscriptionCompleted: Conversation._on_heard,
    ConversationItemInputAudioTranscriptionDelta: Conversation._on_heard_piece,
    ConversationItemInputAudioTranscriptionFailed: Conversation._on_misheard,
    ConversationItemRetrieved: Conversation._on_retrieved,
    ConversationItemTruncated: Conversation._on_truncated,
    InputAudioBufferCommitted: Conversation._on_committed,
    ResponseDone: Conversation._on_response,
    ResponseOutputItemDone: Conversation._on_output,
    SessionCreated: Conversation._on_session,
    SessionUpdated: Conversation._on_session,
}

"""
One response: from a reply to the events that carry it, in time.

What is sent is written down as a generator that yields the seconds to wait between two
steps. Cancelling drops it and closes what it had opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..protocol import (
    FunctionCall,
    Message,
    OutputAudio,
    OutputAudioBufferStarted,
    OutputText,
    Response,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)
from ._conversation import Entry
from ._core import Core, Timer, logger
from ._plan import Plan
from ._response_parts import (
    PIECE_OF_TEXT,
    OpenItem,
    Prepared,
    audio_pieces,
    part_of,
    status_details,
)
from ._sound import BYTES_PER_MS, milliseconds, sped_up, to_wire, wire_bytes_per_ms
from ._tokens import Tokens, spoken_tokens, text_tokens, usage_of
from .replies import Failure, Reply


__all__ = ["ResponseRun"]


class ResponseRun:
    """
    A response in progress. Not thread-safe.

    Args:
        core: What the session's parts share.
        plan: What it was asked for.
        compose: Returns the reply; called outside of the session.
        speak: Returns text spoken, as PCM; called outside of the session.
        added: Called with each new item, if it goes into the conversation.
        finalized: Called with each finished item, if it is in the conversation.
        finished: Called at the end, with this.
        cached: What the model may have read before.
        read: What the model reads.
    """

    def __init__(
        self,
        core: Core,
        plan: Plan,
        *,
        compose: Callable[[], Reply],
        speak: Callable[[str], bytes],
        added: Callable[[Entry], None],
        finalized: Callable[[Entry], None],
        finished: Callable[[ResponseRun], None],
        read: Tokens,
        cached: Tokens,
    ) -> None:
        self.plan = plan
        self.status = "in_progress"
        self.entries: list[Entry] = []
        self.written = Tokens()
        self.result: Response | None = None
        self.read = read
        self.audio_started_at: float | None = None
        self._core = core
        self._compose = compose
        self._speak = speak
        self._added = added
        self._finalized = finalized
        self._finished = finished
        self._cached = cached
        self._open: OpenItem | None = None
        self._steps: Iterator[float] = iter(())
        self._timer: Timer | None = None
        self._overspent = False

    @property
    def id(self) -> str:
        """The id of the response."""
        return self.plan.response_id

    @property
    def audio_ms(self) -> int:
        """Milliseconds of audio that were sent."""
        return sum(
            milliseconds(audio)
            for entry in self.entries
            for audio in entry.audio.values()
        )

    def start(self) -> None:
        """Announce the response, and ask for the reply."""
        self._core.emit(
            ResponseCreated,
            response=self.plan.response(
                status="in_progress", status_details=None, output=[], usage=None
            ),
        )
        self._core.start_work(self._prepare, self._begin, self._fail)

    def cancel(self, reason: str) -> None:
        """Stop here, for a reason such as ``"turn_detected"``."""
        self._finish("cancelled", reason=reason)

    # Outside of the session

    def _prepare(self) -> Prepared:
        reply = self._compose()
        pcm = reply.audio or b""
        if self.plan.speaks and reply.text and reply.audio is None:
            pcm = self._speak(reply.text)
        if pcm and self.plan.speed != 1.0:
            pcm = sped_up(pcm, self.plan.speed)
        return Prepared(reply, pcm, to_wire(pcm, self.plan.audio_format))

    # Inside of it

    def _fail(self, exc: Exception) -> None:
        logger.error("no reply for %s: %r", self.id, exc, exc_info=exc)
        self._finish("failed", error=Failure())

    def _begin(self, prepared: Prepared) -> None:
        if self.status == "in_progress":
            self._steps = self._script(prepared)
            delay = self._core.settings.response_delay + prepared.reply.delay
            self._schedule(delay)

    def _schedule(self, delay: float) -> None:
        self._timer = self._core.call_later(delay, self._step)

    def _step(self) -> None:
        for delay in self._steps:
            if delay > 0:
                self._schedule(delay)
                return

    def _script(self, prepared: Prepared) -> Iterator[float]:
        reply = prepared.reply
        if reply.text is not None or prepared.pcm:
            yield from self._say(reply.text or "", prepared)
        for call in reply.function_calls:
            if not self._overspent:
                yield from self._call(call)
        if self._overspent:
            self._finish("incomplete", reason="max_output_tokens")
        elif reply.failure is not None:
            self._finish("failed", error=reply.failure)
        elif reply.incomplete is not None:
            self._finish("incomplete", reason=reply.incomplete)
        else:
            self._finish("completed")

    # A message

    def _say(self, text: str, prepared: Prepared) -> Iterator[float]:
        speaks = self.plan.speaks
        empty = OutputAudio(transcript="") if speaks else OutputText(text="")
        self._open_item(
            Message(
                id=self._core.new_id("item"),
                object="realtime.item",
                status="in_progress",
                role="assistant",
                content=[],
            )
        )
        self._open_part(empty)
        yield from self._spoken(text, prepared) if speaks else self._written(text)
        if not self._overspent:
            self._close_item("completed")

    def _written(self, text: str) -> Iterator[float]:
        for piece in PIECE_OF_TEXT.findall(text):
            if not self._spend(Tokens(text=text_tokens(piece))):
                return
            self._delta(ResponseOutputTextDelta, piece)
            yield self._core.settings.text_interval

    def _spoken(self, text: str, prepared: Prepared) -> Iterator[float]:
        words = PIECE_OF_TEXT.findall(text)
        ms = self._core.settings.piece_ms
        pieces = audio_pieces(prepared.pcm, ms * BYTES_PER_MS)
        wire = audio_pieces(
            prepared.wire, ms * wire_bytes_per_ms(self.plan.audio_format)
        )
        sent = 0
        for index, piece in enumerate(pieces or [b""]):
            # The transcript keeps a little ahead of the audio.
            upto = -(-(index + 1) * len(words) // max(1, len(pieces)))
            for word in words[sent:upto]:
                if not self._spend(Tokens(text=text_tokens(word))):
                    return
                self._delta(ResponseOutputAudioTranscriptDelta, word)
            sent = upto
            if piece:
                if not self._spend(Tokens(audio=spoken_tokens(milliseconds(piece)))):
                    return
                self._audio_delta(piece, wire[index] if index < len(wire) else b"")
                yield milliseconds(piece) / 1000 / self._core.settings.speed

    def _audio_delta(self, piece: bytes, wire: bytes) -> None:
        now_open = self._now_open
        if self.audio_started_at is None:
            self.audio_started_at = self._core.clock.now()
            if self._core.settings.output_audio_buffer:
                self._core.emit(OutputAudioBufferStarted, response_id=self.id)
        now_open.entry.audio.setdefault(0, bytearray()).extend(piece)
        self._core.emit(
            ResponseOutputAudioDelta,
            delta=wire,
            content_index=0,
            **self._place(now_open),
        )

    def _delta(self, event_class: Any, piece: str) -> None:
        now_open = self._now_open
        now_open.text += piece
        is_text = event_class is ResponseOutputTextDelta
        field = "text" if is_text else "transcript"
        now_open.entry.change_content(0, **{field: now_open.text})
        place = self._place(now_open)
        self._core.emit(event_class, delta=piece, content_index=0, **place)

    # A function call

    def _call(self, call: FunctionCall) -> Iterator[float]:
        self._open_item(
            attrs.evolve(
                call,
                id=self._core.new_id("item"),
                object="realtime.item",
                status="in_progress",
                call_id=call.call_id or self._core.new_id("call"),
                arguments="",
            )
        )
        for piece in re.findall(r"(?s).{1,16}", call.arguments):
            if not self._spend(Tokens(text=text_tokens(piece))):
                return
            now_open = self._now_open
            now_open.text += piece
            self._core.emit(
                ResponseFunctionCallArgumentsDelta,
                call_id=now_open.entry.item.call_id,
                delta=piece,
                **self._place(now_open),
            )
            yield self._core.settings.text_interval
        self._close_item("completed")

    # Items and parts

    @property
    def _now_open(self) -> OpenItem:
        assert self._open is not None
        return self._open

    def _place(self, now_open: OpenItem) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": now_open.entry.id,
            "output_index": now_open.index,
        }

    def _open_item(self, item: Message | FunctionCall) -> None:
        entry = Entry(item)
        self._open = OpenItem(entry, len(self.entries))
        self.entries.append(entry)
        self._core.emit(
            ResponseOutputItemAdded,
            response_id=self.id,
            output_index=self._open.index,
            item=item,
        )
        if self.plan.conversation_id is not None:
            self._added(entry)

    def _open_part(self, part: OutputAudio | OutputText) -> None:
        now_open = self._now_open
        now_open.has_part = True
        now_open.entry.item = attrs.evolve(now_open.entry.item, content=[part])
        self._core.emit(
            ResponseContentPartAdded,
            part=part_of(part),
            content_index=0,
            **self._place(now_open),
        )

    def _close_item(self, status: str) -> None:
        """Send what ends the open item: it comes also when the response breaks off."""
        now_open = self._now_open
        self._open = None
        entry = now_open.entry
        if isinstance(entry.item, FunctionCall):
            self._close_call(now_open)
        elif now_open.has_part:
            self._close_part(now_open)
        entry.item = attrs.evolve(entry.item, status=status)
        if self.plan.conversation_id is not None:
            self._finalized(entry)
        self._core.emit(
            ResponseOutputItemDone,
            response_id=self.id,
            output_index=now_open.index,
            item=entry.item,
        )

    def _close_call(self, now_open: OpenItem) -> None:
        entry = now_open.entry
        entry.item = attrs.evolve(entry.item, arguments=now_open.text)
        self._core.emit(
            ResponseFunctionCallArgumentsDone,
            call_id=entry.item.call_id,
            name=entry.item.name,
            arguments=now_open.text,
            **self._place(now_open),
        )

    def _close_part(self, now_open: OpenItem) -> None:
        place = {**self._place(now_open), "content_index": 0}
        part = now_open.entry.item.content[0]
        if isinstance(part, OutputAudio):
            self._core.emit(ResponseOutputAudioDone, **place)
            self._core.emit(
                ResponseOutputAudioTranscriptDone, transcript=now_open.text, **place
            )
        else:
            self._core.emit(ResponseOutputTextDone, text=now_open.text, **place)
        self._core.emit(ResponseContentPartDone, part=part_of(part), **place)

    # The end

    def _spend(self, tokens: Tokens) -> bool:
        """Count *tokens* if the client's limit allows them."""
        limit = self.plan.max_output_tokens
        if isinstance(limit, int) and (self.written + tokens).total > limit:
            self._overspent = True
            return False
        self.written += tokens
        return True

    def _finish(
        self, status: str, *, reason: str | None = None, error: Failure | None = None
    ) -> None:
        if self.status != "in_progress":
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._open is not None:
            self._close_item("incomplete")
        self.status = status
        self.result = self.plan.response(
            status=status,
            status_details=status_details(status, reason, error),
            output=[entry.item for entry in self.entries],
            usage=usage_of(self.read, self.written, self._cached),
        )
        self._core.emit(ResponseDone, response=self.result)
        self._finished(self)

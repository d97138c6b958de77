"""
What a response puts out: items, their parts and the deltas of these.

How long to wait between two steps is yielded, in seconds, by the methods that send
something in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..protocol import (
    FunctionCall,
    McpCall,
    Message,
    OutputAudio,
    OutputAudioBufferStarted,
    OutputText,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDelta,
    ResponseMcpCallArgumentsDone,
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
from ._core import Core
from ._plan import Plan
from ._response_parts import (
    PIECE_OF_TEXT,
    OpenItem,
    Prepared,
    audio_pieces,
    part_of,
)
from ._sound import BYTES_PER_MS, milliseconds, wire_bytes_per_ms
from ._tokens import Tokens, spoken_tokens, text_tokens


__all__ = ["Output"]


class Output:
    """
    The output of one response. Not thread-safe.

    Args:
        core: What the session's parts share.
        plan: What the response was asked for.
        added: Called with each new item, if it goes into the conversation.
        finalized: Called with each finished item, if it is in the conversation.
        requested: Called with each call of an MCP tool, and its index.

    Attributes:
        entries: The items so far.
        written: What they cost.
        is_overspent: Whether the client's limit did not allow more.
        audio_started_at: When the first audio was sent, on the clock; or None.
    """

    def __init__(
        self,
        core: Core,
        plan: Plan,
        *,
        added: Callable[[Entry], None],
        finalized: Callable[[Entry], None],
        requested: Callable[[Entry, int], None],
    ) -> None:
        self.entries: list[Entry] = []
        self.written = Tokens()
        self.is_overspent = False
        self.audio_started_at: float | None = None
        self._core = core
        self._plan = plan
        self._added = added
        self._finalized = finalized
        self._requested = requested
        self._open: OpenItem | None = None

    @property
    def audio_ms(self) -> int:
        """Milliseconds of audio that were sent."""
        return sum(
            milliseconds(audio)
            for entry in self.entries
            for audio in entry.audio.values()
        )

    def send(self, prepared: Prepared) -> Iterator[float]:
        """Send one part of the reply."""
        part = prepared.part
        reply = part.reply
        if not part.continues:
            self.close("completed")
        if reply.text is not None or prepared.pcm:
            yield from self._say(reply.text or "", prepared)
        calls: list[FunctionCall | McpCall] = [*reply.function_calls, *reply.mcp_calls]
        for call in calls:
            if not self.is_overspent:
                self.close("completed")
                yield from self._call(call)

    def close(self, status: str) -> None:
        """Send what ends the open item, if there is one."""
        if self._open is None:
            return
        now_open, self._open = self._open, None
        entry = now_open.entry
        if not isinstance(entry.item, Message):
            self._close_call(now_open)
        elif now_open.has_part:
            self._close_part(now_open)
        is_mcp = isinstance(entry.item, McpCall)
        if not is_mcp:
            entry.item = attrs.evolve(entry.item, status=status)
            # That of an MCP tool is finished when it was run.
            self._tell(self._finalized, entry)
        self._core.emit(
            ResponseOutputItemDone,
            response_id=self._plan.response_id,
            output_index=now_open.index,
            item=entry.item,
        )
        if is_mcp and status == "completed":
            self._requested(entry, now_open.index)

    def _tell(self, listener: Callable[[Entry], None], entry: Entry) -> None:
        if self._plan.conversation_id is not None:
            listener(entry)

    # A message

    def _say(self, text: str, prepared: Prepared) -> Iterator[float]:
        speaks = self._plan.speaks
        if self._open is None:
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
        if speaks:
            yield from self._spoken(text, prepared)
        else:
            # What the replier gives in pieces comes in the same ones.
            whole = prepared.part.is_whole
            pieces = PIECE_OF_TEXT.findall(text) if whole else [text]
            yield from self._written_out(pieces)

    def _written_out(self, pieces: list[str]) -> Iterator[float]:
        for piece in pieces:
            if not self._spend(Tokens(text=text_tokens(piece))):
                return
            self._delta(ResponseOutputTextDelta, piece)
            yield self._core.settings.text_interval

    def _spoken(self, text: str, prepared: Prepared) -> Iterator[float]:
        words = PIECE_OF_TEXT.findall(text)
        ms = self._core.settings.piece_ms
        pieces = audio_pieces(prepared.pcm, ms * BYTES_PER_MS)
        wire = audio_pieces(
            prepared.wire, ms * wire_bytes_per_ms(self._plan.audio_format)
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
                response_id = self._plan.response_id
                self._core.emit(OutputAudioBufferStarted, response_id=response_id)
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

    # A call

    def _call(self, call: FunctionCall | McpCall) -> Iterator[float]:
        self._open_item(self._new_call(call))
        for piece in re.findall(r"(?s).{1,16}", call.arguments):
            if not self._spend(Tokens(text=text_tokens(piece))):
                return
            now_open = self._now_open
            now_open.text += piece
            if isinstance(call, McpCall):
                self._core.emit(
                    ResponseMcpCallArgumentsDelta, delta=piece, **self._place(now_open)
                )
            else:
                self._core.emit(
                    ResponseFunctionCallArgumentsDelta,
                    call_id=now_open.entry.item.call_id,
                    delta=piece,
                    **self._place(now_open),
                )
            yield self._core.settings.text_interval
        self.close("completed")

    def _new_call(self, call: FunctionCall | McpCall) -> FunctionCall | McpCall:
        if isinstance(call, McpCall):
            return attrs.evolve(call, id=self._core.new_id("mcp"), arguments="")
        return attrs.evolve(
            call,
            id=self._core.new_id("item"),
            object="realtime.item",
            status="in_progress",
            call_id=call.call_id or self._core.new_id("call"),
            arguments="",
        )

    # Items and parts

    @property
    def _now_open(self) -> OpenItem:
        assert self._open is not None
        return self._open

    def _place(self, now_open: OpenItem) -> dict[str, Any]:
        return {
            "response_id": self._plan.response_id,
            "item_id": now_open.entry.id,
            "output_index": now_open.index,
        }

    def _open_item(self, item: Message | FunctionCall | McpCall) -> None:
        entry = Entry(item)
        self._open = OpenItem(entry, len(self.entries))
        self.entries.append(entry)
        self._core.emit(
            ResponseOutputItemAdded,
            response_id=self._plan.response_id,
            output_index=self._open.index,
            item=item,
        )
        self._tell(self._added, entry)

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

    def _close_call(self, now_open: OpenItem) -> None:
        entry = now_open.entry
        entry.item = attrs.evolve(entry.item, arguments=now_open.text)
        place = self._place(now_open)
        if isinstance(entry.item, McpCall):
            self._core.emit(
                ResponseMcpCallArgumentsDone, arguments=now_open.text, **place
            )
        else:
            self._core.emit(
                ResponseFunctionCallArgumentsDone,
                call_id=entry.item.call_id,
                name=entry.item.name,
                arguments=now_open.text,
                **place,
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

    def _spend(self, tokens: Tokens) -> bool:
        """Count *tokens* if the client's limit allows them."""
        limit = self._plan.max_output_tokens
        if isinstance(limit, int) and (self.written + tokens).total > limit:
            self.is_overspent = True
            return False
        self.written += tokens
        return True

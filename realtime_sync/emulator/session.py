"""
The service's side of one session, without any I/O.

A session is fed with what a client sends, and returns what the client is to get::

    session = Session(settings=EmulatorSettings.instant(), clock=ManualClock())
    events = session.start()
    events += session.receive(ResponseCreate())
    for work in session.take_work():
        events += session.complete(work.run())
    events += session.advance()

It keeps no thread and no socket. What takes long (recognising, speaking, thinking) it
gives away as work; what is due later it keeps until `advance` is called after the time
that `next_due` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from .._checks import FUNCTION
from ..protocol import (
    ClientEvent,
    ConversationCreated,
    ConversationInfo,
    ConversationItemAdded,
    ConversationItemCreate,
    ConversationItemCreated,
    ConversationItemDelete,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemRetrieve,
    ConversationItemRetrieved,
    ConversationItemTruncate,
    ConversationItemTruncated,
    InputAudio,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    ItemReference,
    Maybe,
    Message,
    OutputAudioBufferClear,
    OutputAudioBufferCleared,
    RealtimeSession,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseCreateParams,
    ServerEvent,
    SessionAudioInput,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    TranscriptionSession,
    TranscriptionSessionUpdate,
    TranscriptionSessionUpdated,
)
from ..protocol.codec import Dialect
from ._buffer import InputBuffer
from ._clock import Clock
from ._configuration import (
    check_output,
    check_session,
    merge,
    new_realtime_session,
    new_transcription_session,
    reject_unknown,
)
from ._conversation import Conversation, Entry, Heard, check_item, make_entry
from ._desk import ResponseDesk
from ._errors import RequestError, invalid_value
from ._machine import Handlers, Machine
from ._mcp import McpDesk, McpServers
from ._sound import from_wire, to_wire
from ._transcription import transcribe_entry
from .replies import Replier, make_replier
from .settings import EmulatorSettings
from .speech import Speech, default_speech


__all__ = ["Session"]


class Session(Machine):
    """
    The service's side of a conversation or a transcription. Not thread-safe.

    Args:
        settings: How the service behaves.
        clock: What time it is.
        new_id: Makes an id from its prefix.
        speech: Returns what hears and speaks; called when it is first needed.
        replies: What the model answers, see `realtime_sync.emulator.replies`.
        model: The model, or the deployment, that the client named.
        dialect: What the client speaks; events are in GA form in either case.
        transcription: Whether the session only transcribes.
        mcp_servers: The tools of MCP servers: functions by name, by server label.
        observe: Called with every client event that could be decoded.
    """

    def __init__(
        self,
        *,
        settings: EmulatorSettings | None = None,
        clock: Clock | None = None,
        new_id: Callable[[str], str] | None = None,
        speech: Callable[[], Speech] = default_speech,
        replies: Replier | None = None,
        model: str = "gpt-realtime",
        dialect: Dialect = "ga",
        transcription: bool = False,
        mcp_servers: McpServers | None = None,
        observe: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        super().__init__(
            settings=settings,
            clock=clock,
            new_id=new_id,
            dialect=dialect,
            observe=observe,
        )
        FUNCTION.check("speech", speech)
        core = self._core
        self._speech = speech
        self.conversation = Conversation(core.new_id("conv"))
        self.config = self._new_config(model, transcription)
        self._mcp = McpDesk(
            core,
            mcp_servers or {},
            add=self._announce,
            finalize=self._finalize,
            is_kept=lambda entry: self.conversation.find(entry.id) is not None,
        )
        self._desk = ResponseDesk(
            core,
            self.conversation,
            replier=make_replier(replies),
            speech=speech,
            added=self._announce,
            finalized=self._finalize,
            requested=self._mcp.request,
            played=lambda: self._buffer.wait_idle(),
        )
        self._buffer = InputBuffer(
            core,
            speech,
            commit=self._commit,
            started=self._desk.interrupt,
            stopped=self._respond,
        )

    def _new_config(
        self, model: str, transcription: bool
    ) -> RealtimeSession | TranscriptionSession:
        core = self._core
        session_id = core.new_id("sess")
        if transcription:
            return new_transcription_session(
                session_id=session_id, expires_at=self._expires_at
            )
        return new_realtime_session(
            core.settings,
            session_id=session_id,
            model=model,
            expires_at=self._expires_at,
            preview=self._dialect == "preview",
        )

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.config.id or ""

    @property
    def responses(self) -> list[Response]:
        """The responses that are done, as their ``response.done`` gave them."""
        return [run.result for run in self._desk.done if run.result is not None]

    def _begin(self) -> None:
        core = self._core
        self._buffer.configure(self._input)
        core.emit(SessionCreated, session=self.config)
        if isinstance(self.config, RealtimeSession):
            info = ConversationInfo(
                id=self.conversation.id, object="realtime.conversation"
            )
            core.emit(ConversationCreated, conversation=info)

    # Configuration

    def _update(self, event: SessionUpdate) -> None:
        self._change_config(event.session)
        self._core.emit(SessionUpdated, session=self.config)
        self._mcp.declare(getattr(event.session, "tools", None) or ())

    def _update_transcription(self, event: TranscriptionSessionUpdate) -> None:
        self._change_config(event.session)
        self._core.emit(TranscriptionSessionUpdated, session=self.config)

    def _change_config(self, update: Any) -> None:
        check_session(
            self.config,
            update,
            settings=self._core.settings,
            has_spoken=self._desk.has_spoken,
            is_speaking=self._desk.active is not None,
            preview=self._dialect == "preview",
        )
        self.config = merge(self.config, update)
        self._buffer.configure(self._input)

    @property
    def _input(self) -> SessionAudioInput | None:
        return (self.config.audio or None) and (self.config.audio.input or None)

    # Audio in

    def _append(self, event: InputAudioBufferAppend) -> None:
        if self._core.settings.record:
            self.input_audio += self._buffer.append(event.audio)
        else:
            self._buffer.append(event.audio)

    def _commit_buffer(self, event: InputAudioBufferCommit) -> None:
        self._buffer.commit()

    def _clear_buffer(self, event: InputAudioBufferClear) -> None:
        self._buffer.clear()

    def _commit(self, item_id: str, pcm: bytes) -> None:
        """Make an item of audio, and begin to transcribe it if that is wanted."""
        item = Message(
            id=item_id,
            object="realtime.item",
            status="completed",
            role="user",
            content=[InputAudio(transcript=None)],
        )
        heard = Heard(lambda audio: self._speech().transcribe(audio), pcm)
        entry = Entry(item, audio={0: bytearray(pcm)}, heard={0: heard})
        self._core.emit(
            InputAudioBufferCommitted,
            item_id=item_id,
            previous_item_id=self.conversation.last_id,
        )
        self._add(entry)
        config = self._input
        if config and config.transcription:
            include = self.config.include or ()
            logprobs = "item.input_audio_transcription.logprobs" in include
            transcribe_entry(self._core, entry, config.transcription, logprobs=logprobs)

    # Items

    def _add(self, entry: Entry, after: Maybe[str] = None) -> None:
        previous = self.conversation.add(entry, after)
        self._emit_item(ConversationItemAdded, entry, previous)
        if self._dialect == "ga":
            self._emit_item(ConversationItemDone, entry, previous)

    def _announce(self, entry: Entry) -> None:
        """Say that the model began an item."""
        previous = self.conversation.add(entry)
        self._buffer.stop_idle()
        self._emit_item(ConversationItemAdded, entry, previous)

    def _finalize(self, entry: Entry) -> None:
        """Say that the model finished an item."""
        if self._dialect == "ga":
            previous = self.conversation.before(entry.id)
            self._emit_item(ConversationItemDone, entry, previous)

    def _emit_item(
        self, event_class: type[ServerEvent], entry: Entry, previous: str | None
    ) -> None:
        # The preview knows one event for an item that is there, the GA two.
        if self._dialect == "preview":
            event_class = ConversationItemCreated
        self._core.emit(event_class, previous_item_id=previous, item=entry.item)

    def _create_item(self, event: ConversationItemCreate) -> None:
        self._mcp.check_answer(event.item)
        self._add(self._entry(event.item, "item"), event.previous_item_id)
        self._mcp.answer(event.item)

    def _entry(self, item: Any, path: str) -> Entry:
        reject_unknown(item, path)
        check_item(item, path)
        audio_format = self._input.format if self._input else None
        return make_entry(
            item,
            new_id=self._core.new_id,
            transcribe=lambda pcm: self._speech().transcribe(pcm),
            from_wire=lambda audio: from_wire(audio, audio_format),
        )

    def _delete_item(self, event: ConversationItemDelete) -> None:
        code = "item_delete_invalid_item_id"
        entry = self.conversation.get(event.item_id, "deleting", code)
        self.conversation.remove(entry)
        self._core.emit(ConversationItemDeleted, item_id=event.item_id)

    def _retrieve_item(self, event: ConversationItemRetrieve) -> None:
        code = "item_retrieve_invalid_item_id"
        entry = self.conversation.get(event.item_id, "retrieving", code)
        is_answer = getattr(entry.item, "role", None) == "assistant"
        audio = self.config.audio or None
        side = audio and (audio.output if is_answer else audio.input)
        audio_format = side.format if side else None
        item = entry.with_audio(lambda pcm: to_wire(pcm, audio_format))
        self._core.emit(ConversationItemRetrieved, item=item)

    def _truncate_item(self, event: ConversationItemTruncate) -> None:
        code = "item_truncate_invalid_item_id"
        entry = self.conversation.get(event.item_id, "truncating", code)
        entry.truncate(event.content_index, event.audio_end_ms)
        self._core.emit(
            ConversationItemTruncated,
            item_id=event.item_id,
            content_index=event.content_index,
            audio_end_ms=event.audio_end_ms,
        )

    # Responses

    def _respond(self) -> None:
        """Answer because a turn is over."""
        if not isinstance(self.config, RealtimeSession):
            return
        try:
            self._desk.create(self.config, ResponseCreateParams())
        except RequestError as error:
            self._core.emit_event(error.event(self._core.new_id("event"), None))

    def _create_response(self, event: ResponseCreate) -> None:
        if not isinstance(self.config, RealtimeSession):
            raise RequestError(
                "A transcription session makes no responses.", code="invalid_event"
            )
        params = event.response or ResponseCreateParams()
        preview = self._dialect == "preview"
        if not preview:
            reject_unknown(params, "response")
        check_output(params, "response", settings=self._core.settings, preview=preview)
        if params.conversation and params.conversation not in ("auto", "none"):
            raise invalid_value(
                "response.conversation", params.conversation, ["auto", "none"]
            )
        given = None
        if isinstance(params.input, Sequence):
            given = [
                self._input_entry(item, f"response.input[{index}]")
                for index, item in enumerate(params.input)
            ]
        self._mcp.declare(params.tools or ())
        self._desk.create(self.config, params, given)

    def _input_entry(self, item: Any, path: str) -> Entry:
        if isinstance(item, ItemReference):
            code = "item_reference_invalid_item_id"
            return self.conversation.get(item.id, "resolving", code)
        return self._entry(item, path)

    def _cancel_response(self, event: ResponseCancel) -> None:
        self._desk.cancel(event.response_id or None)

    def _clear_output(self, event: OutputAudioBufferClear) -> None:
        last = self._desk.last_spoken
        if not self._core.settings.output_audio_buffer or last is None:
            raise RequestError(
                "There is no output audio buffer: the service keeps one for WebRTC "
                "and SIP connections only.",
                code="invalid_event",
            )
        self._core.emit(OutputAudioBufferCleared, response_id=last)

    _handlers: ClassVar[Handlers] = {
        ConversationItemCreate: _create_item,
        ConversationItemDelete: _delete_item,
        ConversationItemRetrieve: _retrieve_item,
        ConversationItemTruncate: _truncate_item,
        InputAudioBufferAppend: _append,
        InputAudioBufferClear: _clear_buffer,
        InputAudioBufferCommit: _commit_buffer,
        OutputAudioBufferClear: _clear_output,
        ResponseCancel: _cancel_response,
        ResponseCreate: _create_response,
        SessionUpdate: _update,
        TranscriptionSessionUpdate: _update_transcription,
    }

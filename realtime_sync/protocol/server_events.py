"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs

from ._model import UNSET, Maybe, Model, PayloadType, ServerEvent
from .items import ContentPart, Item
from .responses import (
    ErrorDetails,
    LogProbProperties,
    RateLimit,
    Response,
    TranscriptionLanguage,
    TranscriptUsage,
)
from .sessions import Session, TranscriptionSession


@attrs.frozen(kw_only=True, repr=False)
class ConversationInfo(Model):
    """TODO."""

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationCreated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.created"

    conversation: ConversationInfo


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemAdded(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.added"

    item: Item
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemCreated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.created"

    item: Item
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemDeleted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.deleted"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.done"

    item: Item
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemInputAudioTranscriptionCompleted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.completed"

    content_index: int
    item_id: str
    transcript: str
    languages: Maybe[Sequence[TranscriptionLanguage]] = UNSET
    logprobs: Maybe[Sequence[LogProbProperties]] = UNSET
    usage: Maybe[TranscriptUsage] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemInputAudioTranscriptionDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.delta"

    item_id: str
    content_index: Maybe[int] = UNSET
    delta: Maybe[str] = UNSET
    logprobs: Maybe[Sequence[LogProbProperties]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemInputAudioTranscriptionFailed(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.failed"

    content_index: int
    error: ErrorDetails
    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemInputAudioTranscriptionSegment(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.segment"

    content_index: int
    end: float
    item_id: str
    start: float
    text: str
    id: Maybe[str] = UNSET
    speaker: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemRetrieved(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.retrieved"

    item: Item


@attrs.frozen(kw_only=True, repr=False)
class ConversationItemTruncated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "conversation.item.truncated"

    audio_end_ms: int
    content_index: int
    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class ErrorEvent(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "error"

    error: ErrorDetails


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferCleared(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.cleared"


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferCommitted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.committed"

    item_id: str
    previous_item_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferDtmfEventReceived(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.dtmf_event_received"

    event: Maybe[str] = UNSET
    received_at: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferSpeechStarted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.speech_started"

    audio_start_ms: int
    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferSpeechStopped(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.speech_stopped"

    audio_end_ms: int
    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class InputAudioBufferTimeoutTriggered(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "input_audio_buffer.timeout_triggered"

    audio_end_ms: int
    audio_start_ms: int
    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class McpListToolsCompleted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "mcp_list_tools.completed"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class McpListToolsFailed(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "mcp_list_tools.failed"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class McpListToolsInProgress(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "mcp_list_tools.in_progress"

    item_id: str


@attrs.frozen(kw_only=True, repr=False)
class OutputAudioBufferCleared(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "output_audio_buffer.cleared"

    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class OutputAudioBufferStarted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "output_audio_buffer.started"

    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class OutputAudioBufferStopped(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "output_audio_buffer.stopped"

    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class RateLimitsUpdated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "rate_limits.updated"

    rate_limits: Sequence[RateLimit]


@attrs.define(kw_only=True, repr=False)
class ResponseOutputAudioDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_audio.delta"

    content_index: int
    delta: bytes
    item_id: str
    output_index: int
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseOutputAudioDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_audio.done"

    content_index: int
    item_id: str
    output_index: int
    response_id: str


@attrs.define(kw_only=True, repr=False)
class ResponseOutputAudioTranscriptDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_audio_transcript.delta"

    content_index: int
    delta: str
    item_id: str
    output_index: int
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseOutputAudioTranscriptDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_audio_transcript.done"

    content_index: int
    item_id: str
    output_index: int
    response_id: str
    transcript: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseContentPartAdded(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.content_part.added"

    content_index: int
    item_id: str
    output_index: int
    part: ContentPart
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseContentPartDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.content_part.done"

    content_index: int
    item_id: str
    output_index: int
    part: ContentPart
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseCreated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.created"

    response: Response


@attrs.frozen(kw_only=True, repr=False)
class ResponseDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.done"

    response: Response


@attrs.frozen(kw_only=True, repr=False)
class ResponseFunctionCallArgumentsDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.function_call_arguments.delta"

    delta: str
    item_id: str
    output_index: int
    response_id: str
    call_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseFunctionCallArgumentsDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.function_call_arguments.done"

    arguments: str
    item_id: str
    output_index: int
    response_id: str
    call_id: Maybe[str] = UNSET
    name: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseMcpCallArgumentsDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.mcp_call_arguments.delta"

    delta: str
    item_id: str
    output_index: int
    response_id: str
    obfuscation: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseMcpCallArgumentsDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.mcp_call_arguments.done"

    arguments: str
    item_id: str
    output_index: int
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseMcpCallCompleted(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.mcp_call.completed"

    item_id: str
    output_index: int


@attrs.frozen(kw_only=True, repr=False)
class ResponseMcpCallFailed(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.mcp_call.failed"

    item_id: str
    output_index: int


@attrs.frozen(kw_only=True, repr=False)
class ResponseMcpCallInProgress(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.mcp_call.in_progress"

    item_id: str
    output_index: int


@attrs.frozen(kw_only=True, repr=False)
class ResponseOutputItemAdded(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_item.added"

    item: Item
    output_index: int
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseOutputItemDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_item.done"

    item: Item
    output_index: int
    response_id: str


@attrs.define(kw_only=True, repr=False)
class ResponseOutputTextDelta(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_text.delta"

    content_index: int
    delta: str
    item_id: str
    output_index: int
    response_id: str


@attrs.frozen(kw_only=True, repr=False)
class ResponseOutputTextDone(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "response.output_text.done"

    content_index: int
    item_id: str
    output_index: int
    response_id: str
    text: str


@attrs.frozen(kw_only=True, repr=False)
class SessionCreated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.created"

    session: Session


@attrs.frozen(kw_only=True, repr=False)
class SessionUpdated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "session.updated"

    session: Session


@attrs.frozen(kw_only=True, repr=False)
class TranscriptionSessionUpdated(ServerEvent):
    """TODO."""

    type: ClassVar[str] = "transcription_session.updated"

    session: TranscriptionSession


@attrs.frozen(kw_only=True, repr=False)
class UnknownEvent(ServerEvent):
    """TODO."""

    type: ClassVar[PayloadType] = PayloadType()

    payload: Mapping[str, Any]


SERVER_EVENTS: Final[Mapping[str, type[ServerEvent]]] = {
    "conversation.created": ConversationCreated,
    "conversation.item.added": ConversationItemAdded,
    "conversation.item.created": ConversationItemCreated,
    "conversation.item.deleted": ConversationItemDeleted,
    "conversation.item.done": ConversationItemDone,
    "conversation.item.input_audio_transcription.completed": ConversationItemInputAudioTranscriptionCompleted,
    "conversation.item.input_audio_transcription.delta": ConversationItemInputAudioTranscriptionDelta,
    "conversation.item.input_audio_transcription.failed": ConversationItemInputAudioTranscriptionFailed,
    "conversation.item.input_audio_transcription.segment": ConversationItemInputAudioTranscriptionSegment,
    "conversation.item.retrieved": ConversationItemRetrieved,
    "conversation.item.truncated": ConversationItemTruncated,
    "error": ErrorEvent,
    "input_audio_buffer.cleared": InputAudioBufferCleared,
    "input_audio_buffer.committed": InputAudioBufferCommitted,
    "input_audio_buffer.dtmf_event_received": InputAudioBufferDtmfEventReceived,
    "input_audio_buffer.speech_started": InputAudioBufferSpeechStarted,
    "input_audio_buffer.speech_stopped": InputAudioBufferSpeechStopped,
    "input_audio_buffer.timeout_triggered": InputAudioBufferTimeoutTriggered,
    "mcp_list_tools.completed": McpListToolsCompleted,
    "mcp_list_tools.failed": McpListToolsFailed,
    "mcp_list_tools.in_progress": McpListToolsInProgress,
    "output_audio_buffer.cleared": OutputAudioBufferCleared,
    "output_audio_buffer.started": OutputAudioBufferStarted,
    "output_audio_buffer.stopped": OutputAudioBufferStopped,
    "rate_limits.updated": RateLimitsUpdated,
    "response.output_audio.delta": ResponseOutputAudioDelta,
    "response.output_audio.done": ResponseOutputAudioDone,
    "response.output_audio_transcript.delta": ResponseOutputAudioTranscriptDelta,
    "response.output_audio_transcript.done": ResponseOutputAudioTranscriptDone,
    "response.content_part.added": ResponseContentPartAdded,
    "response.content_part.done": ResponseContentPartDone,
    "response.created": ResponseCreated,
    "response.done": ResponseDone,
    "response.function_call_arguments.delta": ResponseFunctionCallArgumentsDelta,
    "response.function_call_arguments.done": ResponseFunctionCallArgumentsDone,
    "response.mcp_call_arguments.delta": ResponseMcpCallArgumentsDelta,
    "response.mcp_call_arguments.done": ResponseMcpCallArgumentsDone,
    "response.mcp_call.completed": ResponseMcpCallCompleted,
    "response.mcp_call.failed": ResponseMcpCallFailed,
    "response.mcp_call.in_progress": ResponseMcpCallInProgress,
    "response.output_item.added": ResponseOutputItemAdded,
    "response.output_item.done": ResponseOutputItemDone,
    "response.output_text.delta": ResponseOutputTextDelta,
    "response.output_text.done": ResponseOutputTextDone,
    "session.created": SessionCreated,
    "session.updated": SessionUpdated,
    "transcription_session.updated": TranscriptionSessionUpdated,
}

"""What a response is asked for: the session's configuration and the event's, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from ..protocol import (
    UNSET,
    RealtimeSession,
    Response,
    ResponseAudio,
    ResponseAudioOutput,
    ResponseCreateParams,
    Tool,
    ToolChoice,
)
from ._configuration import PCM
from ._conversation import Entry


__all__ = ["Plan", "make_plan"]


@frozen(kw_only=True)
class Plan:
    """
    How one response is to be made.

    Attributes:
        response_id: Its id.
        conversation_id: The conversation that it writes to, or None.
        context: What the model reads.
        modalities: ``["audio"]``, ``["text"]``, in the preview also both.
        instructions: As resolved.
        tools: As resolved.
        tool_choice: As resolved.
        audio_format: Of the output.
        voice: Of the output.
        speed: Of the output, as a factor.
        max_output_tokens: A number, or ``"inf"``.
        metadata: What the client attached.
        temperature: Of the preview.
    """

    response_id: str
    conversation_id: str | None
    context: Sequence[Entry]
    modalities: Sequence[str]
    instructions: str
    tools: Sequence[Tool]
    tool_choice: ToolChoice
    audio_format: Any
    voice: Any
    speed: float
    max_output_tokens: int | str
    metadata: Mapping[str, str] | None
    temperature: Any

    @property
    def speaks(self) -> bool:
        """Whether the response is audio."""
        return "audio" in self.modalities

    def response(self, **state: Any) -> Response:
        """Return the response object in some *state*."""
        voice = self.voice if isinstance(self.voice, str) else self.voice.id
        audio = ResponseAudio(
            output=ResponseAudioOutput(format=self.audio_format, voice=voice)
        )
        return Response(
            id=self.response_id,
            object="realtime.response",
            conversation_id=self.conversation_id,
            output_modalities=list(self.modalities),
            max_output_tokens=self.max_output_tokens,
            audio=audio if self.speaks else UNSET,
            metadata=self.metadata,
            **state,
        )


def make_plan(
    session: RealtimeSession,
    params: ResponseCreateParams,
    *,
    response_id: str,
    conversation_id: str | None,
    context: Sequence[Entry],
) -> Plan:
    """Return what *params* ask for; what they leave out is the *session*'s."""
    sink = session.audio.output if session.audio else None
    mine = params.audio.output if params.audio else None
    audio_format = (mine and mine.format) or (sink and sink.format) or PCM
    return Plan(
        response_id=response_id,
        conversation_id=conversation_id,
        context=context,
        modalities=params.output_modalities or session.output_modalities or ["audio"],
        instructions=_first(params.instructions, session.instructions, ""),
        tools=_first(params.tools, session.tools, []),
        tool_choice=params.tool_choice or session.tool_choice or "auto",
        audio_format=audio_format,
        voice=(mine and mine.voice) or (sink and sink.voice) or "alloy",
        speed=(sink and sink.speed) or 1.0,
        max_output_tokens=params.max_output_tokens
        or session.max_output_tokens
        or "inf",
        metadata=params.metadata or None,
        temperature=params.temperature or session.temperature,
    )


def _first(*values: Any) -> Any:
    """Return the first that is there: an empty string or list counts as a value."""
    return next(value for value in values if value is not UNSET and value is not None)

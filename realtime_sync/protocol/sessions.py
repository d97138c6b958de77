"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Union

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject
from .tools import Tool, ToolChoice


@attrs.frozen(kw_only=True, repr=False)
class AudioPcm(Model):
    """TODO."""

    type: ClassVar[str] = "audio/pcm"

    rate: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class AudioPcmu(Model):
    """TODO."""

    type: ClassVar[str] = "audio/pcmu"


@attrs.frozen(kw_only=True, repr=False)
class AudioPcma(Model):
    """TODO."""

    type: ClassVar[str] = "audio/pcma"


AudioFormat = Union[AudioPcm, AudioPcmu, AudioPcma, UnknownObject]


@attrs.frozen(kw_only=True, repr=False)
class ServerVad(Model):
    """TODO."""

    type: ClassVar[str] = "server_vad"

    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET
    idle_timeout_ms: Maybe[int] = UNSET
    prefix_padding_ms: Maybe[int] = UNSET
    silence_duration_ms: Maybe[int] = UNSET
    threshold: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class SemanticVad(Model):
    """TODO."""

    type: ClassVar[str] = "semantic_vad"

    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET
    eagerness: Maybe[str] = UNSET


TurnDetection = Union[ServerVad, SemanticVad, UnknownObject]


@attrs.frozen(kw_only=True, repr=False)
class NoiseReduction(Model):
    """TODO."""

    type: str


@attrs.frozen(kw_only=True, repr=False)
class AudioTranscription(Model):
    """TODO."""

    model: Maybe[str] = UNSET
    language: Maybe[str] = UNSET
    languages: Maybe[Sequence[str]] = UNSET
    prompt: Maybe[str] = UNSET
    keywords: Maybe[Sequence[str]] = UNSET
    delay: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class CustomVoice(Model):
    """TODO."""

    id: str


@attrs.frozen(kw_only=True, repr=False)
class SessionAudioInput(Model):
    """TODO."""

    format: Maybe[AudioFormat] = UNSET
    noise_reduction: Maybe[NoiseReduction] = UNSET
    transcription: Maybe[AudioTranscription] = UNSET
    turn_detection: Maybe[TurnDetection] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class SessionAudioOutput(Model):
    """TODO."""

    format: Maybe[AudioFormat] = UNSET
    speed: Maybe[float] = UNSET
    voice: Maybe[Union[str, CustomVoice]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class SessionAudio(Model):
    """TODO."""

    input: Maybe[SessionAudioInput] = UNSET
    output: Maybe[SessionAudioOutput] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Prompt(Model):
    """TODO."""

    id: str
    variables: Maybe[Mapping[str, Any]] = UNSET
    version: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Reasoning(Model):
    """TODO."""

    effort: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Tracing(Model):
    """TODO."""

    group_id: Maybe[str] = UNSET
    metadata: Maybe[Mapping[str, Any]] = UNSET
    workflow_name: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TokenLimits(Model):
    """TODO."""

    post_instructions: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class RetentionRatio(Model):
    """TODO."""

    type: ClassVar[str] = "retention_ratio"

    retention_ratio: float
    token_limits: Maybe[TokenLimits] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class RealtimeSession(Model):
    """TODO."""

    type: ClassVar[str] = "realtime"

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    model: Maybe[str] = UNSET
    instructions: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[str]] = UNSET
    audio: Maybe[SessionAudio] = UNSET
    include: Maybe[Sequence[str]] = UNSET
    max_output_tokens: Maybe[Union[int, str]] = UNSET
    parallel_tool_calls: Maybe[bool] = UNSET
    prompt: Maybe[Prompt] = UNSET
    reasoning: Maybe[Reasoning] = UNSET
    tool_choice: Maybe[ToolChoice] = UNSET
    tools: Maybe[Sequence[Tool]] = UNSET
    tracing: Maybe[Union[str, Tracing]] = UNSET
    truncation: Maybe[Union[str, RetentionRatio]] = UNSET
    temperature: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranscriptionSession(Model):
    """TODO."""

    type: ClassVar[str] = "transcription"

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    audio: Maybe[SessionAudio] = UNSET
    include: Maybe[Sequence[str]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranslationAudioOutput(Model):
    """TODO."""

    language: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranslationAudio(Model):
    """TODO."""

    input: Maybe[SessionAudioInput] = UNSET
    output: Maybe[TranslationAudioOutput] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranslationSession(Model):
    """TODO."""

    type: ClassVar[str] = "translation"

    id: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    model: Maybe[str] = UNSET
    audio: Maybe[TranslationAudio] = UNSET


Session = Union[
    RealtimeSession, TranscriptionSession, TranslationSession, UnknownObject
]

"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Union

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject
from .items import Item
from .sessions import AudioFormat, CustomVoice, Prompt, Reasoning
from .tools import Tool, ToolChoice


@attrs.frozen(kw_only=True, repr=False)
class ResponseAudioOutput(Model):
    """TODO."""

    format: Maybe[AudioFormat] = UNSET
    voice: Maybe[Union[str, CustomVoice]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseAudio(Model):
    """TODO."""

    output: Maybe[ResponseAudioOutput] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseStatusError(Model):
    """TODO."""

    code: Maybe[str] = UNSET
    type: Maybe[str] = UNSET
    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseStatusDetails(Model):
    """TODO."""

    type: Maybe[str] = UNSET
    reason: Maybe[str] = UNSET
    error: Maybe[ResponseStatusError] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class CachedTokensDetails(Model):
    """TODO."""

    audio_tokens: Maybe[int] = UNSET
    image_tokens: Maybe[int] = UNSET
    text_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputTokenDetails(Model):
    """TODO."""

    audio_tokens: Maybe[int] = UNSET
    cached_tokens: Maybe[int] = UNSET
    cached_tokens_details: Maybe[CachedTokensDetails] = UNSET
    image_tokens: Maybe[int] = UNSET
    text_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class OutputTokenDetails(Model):
    """TODO."""

    audio_tokens: Maybe[int] = UNSET
    text_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Usage(Model):
    """TODO."""

    input_token_details: Maybe[InputTokenDetails] = UNSET
    input_tokens: Maybe[int] = UNSET
    output_token_details: Maybe[OutputTokenDetails] = UNSET
    output_tokens: Maybe[int] = UNSET
    total_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Response(Model):
    """TODO."""

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    status_details: Maybe[ResponseStatusDetails] = UNSET
    output: Maybe[Sequence[Item]] = UNSET
    conversation_id: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[str]] = UNSET
    audio: Maybe[ResponseAudio] = UNSET
    max_output_tokens: Maybe[Union[int, str]] = UNSET
    metadata: Maybe[Mapping[str, str]] = UNSET
    usage: Maybe[Usage] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ResponseCreateParams(Model):
    """TODO."""

    conversation: Maybe[str] = UNSET
    input: Maybe[Sequence[Item]] = UNSET
    instructions: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[str]] = UNSET
    audio: Maybe[ResponseAudio] = UNSET
    max_output_tokens: Maybe[Union[int, str]] = UNSET
    metadata: Maybe[Mapping[str, str]] = UNSET
    parallel_tool_calls: Maybe[bool] = UNSET
    prompt: Maybe[Prompt] = UNSET
    reasoning: Maybe[Reasoning] = UNSET
    tool_choice: Maybe[ToolChoice] = UNSET
    tools: Maybe[Sequence[Tool]] = UNSET
    temperature: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ErrorDetails(Model):
    """TODO."""

    type: Maybe[str] = UNSET
    code: Maybe[str] = UNSET
    message: Maybe[str] = UNSET
    param: Maybe[str] = UNSET
    event_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class RateLimit(Model):
    """TODO."""

    name: Maybe[str] = UNSET
    limit: Maybe[int] = UNSET
    remaining: Maybe[int] = UNSET
    reset_seconds: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranscriptTokenDetails(Model):
    """TODO."""

    audio_tokens: Maybe[int] = UNSET
    text_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranscriptTextUsageTokens(Model):
    """TODO."""

    type: ClassVar[str] = "tokens"

    input_tokens: Maybe[int] = UNSET
    output_tokens: Maybe[int] = UNSET
    total_tokens: Maybe[int] = UNSET
    input_token_details: Maybe[TranscriptTokenDetails] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranscriptTextUsageDuration(Model):
    """TODO."""

    type: ClassVar[str] = "duration"

    seconds: Maybe[float] = UNSET


TranscriptUsage = Union[
    TranscriptTextUsageTokens, TranscriptTextUsageDuration, UnknownObject
]


@attrs.frozen(kw_only=True, repr=False)
class LogProbProperties(Model):
    """TODO."""

    token: str
    logprob: float
    bytes: Maybe[Sequence[int]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class TranscriptionLanguage(Model):
    """TODO."""

    code: str

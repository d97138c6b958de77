"""
What the model makes of a conversation: responses, their status and what they cost.

Smaller objects that server events carry are here as well: errors, rate limits, and what
comes with a transcript.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject
from .items import Item
from .session_audio import AudioFormat, CustomVoice
from .sessions import Prompt, Reasoning
from .tools import Tool, ToolChoice
from .vocabularies import (
    ConversationChoice,
    ErrorType,
    MaxOutputTokens,
    Modality,
    RateLimitName,
    ResponseReason,
    ResponseStatus,
    Voice,
)


__all__ = [
    "CachedTokensDetails",
    "ErrorDetails",
    "InputTokenDetails",
    "LogProbProperties",
    "OutputTokenDetails",
    "RateLimit",
    "Response",
    "ResponseAudio",
    "ResponseAudioOutput",
    "ResponseCreateParams",
    "ResponseStatusDetails",
    "ResponseStatusError",
    "TranscriptTextUsageDuration",
    "TranscriptTextUsageTokens",
    "TranscriptTokenDetails",
    "TranscriptUsage",
    "TranscriptionLanguage",
    "Usage",
]


# Responses


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseAudioOutput(Model):
    """
    How one response is spoken.

    Attributes:
        format: How its audio is encoded.
        voice: Whose voice it has.
    """

    format: Maybe[AudioFormat] = UNSET
    voice: Maybe[Voice | CustomVoice] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseAudio(Model):
    """
    The audio settings of one response.

    Attributes:
        output: Audio from the model.
    """

    output: Maybe[ResponseAudioOutput] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseStatusError(Model):
    """
    Why a response failed.

    Attributes:
        type: The kind of error.
        code: The error itself, such as ``rate_limit_exceeded``.
        message: What happened, in words. Not every server says.
    """

    type: Maybe[str] = UNSET
    code: Maybe[str] = UNSET
    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseStatusDetails(Model):
    """
    Why a response has the status that it has.

    Attributes:
        type: The status once more.
        reason: Why it was cancelled or is incomplete.
        error: Why it failed.
    """

    type: Maybe[ResponseStatus] = UNSET
    reason: Maybe[ResponseReason] = UNSET
    error: Maybe[ResponseStatusError] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CachedTokensDetails(Model):
    """
    Of what kind the tokens were that the service had cached.

    Attributes:
        text_tokens: Tokens of text.
        audio_tokens: Tokens of audio.
        image_tokens: Tokens of images.
    """

    text_tokens: Maybe[int] = UNSET
    audio_tokens: Maybe[int] = UNSET
    image_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputTokenDetails(Model):
    """
    Of what kind the tokens were that the model read.

    Attributes:
        text_tokens: Tokens of text, instructions and tools included.
        audio_tokens: Tokens of audio.
        image_tokens: Tokens of images.
        cached_tokens: How many of all these were cached, and so cost less.
        cached_tokens_details: Of what kind the cached ones were.
    """

    text_tokens: Maybe[int] = UNSET
    audio_tokens: Maybe[int] = UNSET
    image_tokens: Maybe[int] = UNSET
    cached_tokens: Maybe[int] = UNSET
    cached_tokens_details: Maybe[CachedTokensDetails] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class OutputTokenDetails(Model):
    """
    Of what kind the tokens were that the model wrote.

    Attributes:
        text_tokens: Tokens of text, transcripts and calls included.
        audio_tokens: Tokens of audio.
    """

    text_tokens: Maybe[int] = UNSET
    audio_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Usage(Model):
    """
    What one response cost, in tokens.

    Each response reads the whole conversation again, so *input_tokens* grows with it.

    Attributes:
        total_tokens: Input and output together.
        input_tokens: What the model read.
        output_tokens: What the model wrote.
        input_token_details: The kinds of tokens read.
        output_token_details: The kinds of tokens written.
    """

    total_tokens: Maybe[int] = UNSET
    input_tokens: Maybe[int] = UNSET
    output_tokens: Maybe[int] = UNSET
    input_token_details: Maybe[InputTokenDetails] = UNSET
    output_token_details: Maybe[OutputTokenDetails] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Response(Model):
    """
    One answer of the model, as `ResponseCreated` begins it and `ResponseDone` ends it.

    Attributes:
        id: The server's id for the response.
        object: Always ``realtime.response``.
        status: How far it has come, and how it ended.
        status_details: Why it ended so. None while it is in progress.
        output: The items that it added, without audio. Empty until it is done.
        conversation_id: The conversation that it belongs to. None if out of band.
        output_modalities: In which forms it answers.
        audio: How it is spoken.
        max_output_tokens: The most tokens that it may have.
        metadata: The labels that `ResponseCreate` gave it.
        usage: What it cost. None until it is done.
        temperature: How freely words were chosen. Preview dialect only.
    """

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[ResponseStatus] = UNSET
    status_details: Maybe[ResponseStatusDetails] = UNSET
    output: Maybe[Sequence[Item]] = UNSET
    conversation_id: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[Modality]] = UNSET
    audio: Maybe[ResponseAudio] = UNSET
    max_output_tokens: Maybe[MaxOutputTokens] = UNSET
    metadata: Maybe[Mapping[str, str]] = UNSET
    usage: Maybe[Usage] = UNSET
    temperature: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ResponseCreateParams(Model):
    """
    How one response is to differ from what the session would make.

    What is unset is as in the session. Nothing here changes the session itself.

    Attributes:
        conversation: Where the response goes. ``none`` makes it out of band: it adds
            nothing to the conversation and may run beside another.
        input: The items that the model is to read, instead of the conversation: new
            ones and references. An empty list lets it read none.
        instructions: What the model is told, instead of the session's instructions.
        output_modalities: How it answers: ``["audio"]`` or ``["text"]``.
        audio: How it is spoken.
        tools: What the model may call.
        tool_choice: Whether it may, or must, call one of them.
        parallel_tool_calls: Whether the answer may hold several calls.
        max_output_tokens: The most tokens of the answer, calls included.
        reasoning: How a model that can reason does so.
        prompt: Stored instructions, instead of *instructions*.
        metadata: Up to 16 labels, which the `Response` shows again. Keys have at most
            64 characters and values 512.
        temperature: How freely the model chooses its words. Preview dialect only.
        commit: Whether to commit the input audio buffer first. Only in the first
            preview of Azure.
        cancel_previous: Whether to cancel the response in progress first. Only in the
            first preview of Azure.
        append_input_items: Items for the model to read after the conversation. Only in
            the first preview of Azure.
    """

    conversation: Maybe[ConversationChoice] = UNSET
    input: Maybe[Sequence[Item]] = UNSET
    instructions: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[Modality]] = UNSET
    audio: Maybe[ResponseAudio] = UNSET
    tools: Maybe[Sequence[Tool]] = UNSET
    tool_choice: Maybe[ToolChoice] = UNSET
    parallel_tool_calls: Maybe[bool] = UNSET
    max_output_tokens: Maybe[MaxOutputTokens] = UNSET
    reasoning: Maybe[Reasoning] = UNSET
    prompt: Maybe[Prompt] = UNSET
    metadata: Maybe[Mapping[str, str]] = UNSET
    temperature: Maybe[float] = UNSET
    commit: Maybe[bool] = UNSET
    cancel_previous: Maybe[bool] = UNSET
    append_input_items: Maybe[Sequence[Item]] = UNSET


# Errors and limits


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ErrorDetails(Model):
    """
    What went wrong, in an `ErrorEvent` or a failed transcription.

    Attributes:
        type: Whose fault it is.
        code: The error itself, such as ``invalid_value``. Older servers leave it null.
        message: What happened, in words.
        param: The path of the field that is at fault, such as ``session.voice``.
        event_id: The id of the client's event that caused it. Often null.
    """

    type: Maybe[ErrorType] = UNSET
    code: Maybe[str] = UNSET
    message: Maybe[str] = UNSET
    param: Maybe[str] = UNSET
    event_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RateLimit(Model):
    """
    How much the service will still take.

    Attributes:
        name: What is counted.
        limit: How much is allowed in a period.
        remaining: How much of it is left.
        reset_seconds: Seconds until all of it is there again.
    """

    name: Maybe[RateLimitName] = UNSET
    limit: Maybe[int] = UNSET
    remaining: Maybe[int] = UNSET
    reset_seconds: Maybe[float] = UNSET


# Transcripts of the user's speech


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptTokenDetails(Model):
    """
    Of what kind the tokens were that the transcription model read.

    Attributes:
        text_tokens: Tokens of text, such as the prompt's.
        audio_tokens: Tokens of audio.
    """

    text_tokens: Maybe[int] = UNSET
    audio_tokens: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptTextUsageTokens(Model):
    """
    What a transcript cost, for models that are billed by tokens.

    Attributes:
        total_tokens: Input and output together.
        input_tokens: What the model read.
        output_tokens: What the model wrote.
        input_token_details: The kinds of tokens read.
    """

    type: ClassVar[str] = "tokens"

    total_tokens: Maybe[int] = UNSET
    input_tokens: Maybe[int] = UNSET
    output_tokens: Maybe[int] = UNSET
    input_token_details: Maybe[TranscriptTokenDetails] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptTextUsageDuration(Model):
    """
    What a transcript cost, for models that are billed by time.

    Attributes:
        seconds: The duration of the audio in seconds.
    """

    type: ClassVar[str] = "duration"

    seconds: Maybe[float] = UNSET


TranscriptUsage = (
    TranscriptTextUsageTokens | TranscriptTextUsageDuration | UnknownObject
)
"""What a transcript cost. It is billed apart from the conversation."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class LogProbProperties(Model):
    """
    How sure the transcription model is of one token.

    Attributes:
        token: The token as text.
        logprob: The natural logarithm of its probability: 0 is certain.
        bytes: The token in UTF-8, as a list of numbers from 0 to 255.
    """

    token: str
    logprob: float
    bytes: Maybe[Sequence[int]] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptionLanguage(Model):
    """
    A language that was heard.

    Attributes:
        code: Its code in ISO 639-1, such as ``en``.
    """

    code: str

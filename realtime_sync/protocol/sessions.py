"""
How a session is configured: sessions of the three types, and all that they hold.

- `RealtimeSession`: a conversation with a model, in speech or text.
- `TranscriptionSession`: speech is written down, and nobody answers.
- `TranslationSession`: speech goes in, and comes out in another language.

One class serves for what the client asks (`SessionUpdate`) and for what the server has
set (`SessionCreated`, `SessionUpdated`). An update changes the fields that it holds and
no others: leave a field ``UNSET`` to keep it, and give None to turn off what can be
turned off (turn detection, transcription, noise reduction, tracing). An empty string
clears instructions, and an empty list clears tools.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject, hide
from .items import InputFile, InputImage, InputText
from .session_audio import SessionAudio, SessionAudioInput
from .tools import Tool, ToolChoice
from .vocabularies import (
    IncludeField,
    MaxOutputTokens,
    Modality,
    RealtimeModel,
    ReasoningEffort,
    TracingMode,
    TruncationMode,
)


__all__ = [
    "ClientSecret",
    "Prompt",
    "PromptVariable",
    "RealtimeSession",
    "Reasoning",
    "RetentionRatio",
    "Session",
    "TokenLimits",
    "Tracing",
    "TranscriptionSession",
    "TranslationAudio",
    "TranslationAudioOutput",
    "TranslationSession",
]


# What a session holds beside audio


PromptVariable = str | InputText | InputImage | InputFile | UnknownObject
"""What fills a gap in a stored prompt."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Prompt(Model):
    """
    Instructions that are stored with the service under an id.

    Attributes:
        id: The id of the prompt.
        version: Which version of it. The current one if unset or null.
        variables: What to put into its gaps, by name.
    """

    id: str
    version: Maybe[str] = UNSET
    variables: Maybe[Mapping[str, PromptVariable]] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Reasoning(Model):
    """
    How a model that can reason goes about it.

    Attributes:
        effort: How long it does so before it answers.
    """

    effort: Maybe[ReasoningEffort] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Tracing(Model):
    """
    Labels of the trace that the service keeps of a session.

    Attributes:
        workflow_name: The name of the trace.
        group_id: An id that joins several traces.
        metadata: Any other labels, to search by.
    """

    workflow_name: Maybe[str] = UNSET
    group_id: Maybe[str] = UNSET
    metadata: Maybe[Mapping[str, Any]] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TokenLimits(Model):
    """
    Limits below those of the model, to save cost.

    Attributes:
        post_instructions: The most tokens that the conversation may have, without the
            instructions and the tools.
    """

    post_instructions: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RetentionRatio(Model):
    """
    Drops more than it must of a conversation that has grown too long.

    So it has to drop less often, and the service can cache more.

    Attributes:
        retention_ratio: The share of the allowed tokens that is kept, from 0 to 1.
        token_limits: What is allowed, if less than what the model can take.
    """

    type: ClassVar[str] = "retention_ratio"

    retention_ratio: float
    token_limits: Maybe[TokenLimits] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ClientSecret(Model):
    """
    A key that lives for minutes and opens one kind of session, for use in browsers.

    Attributes:
        value: The key. Never shown in reprs.
        expires_at: When it ends, in seconds since 1970 (UTC).
    """

    value: Maybe[str] = attrs.field(default=UNSET, repr=hide)
    expires_at: Maybe[int] = UNSET


# The three types of sessions


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RealtimeSession(Model):
    """
    A conversation with a model that hears and speaks.

    Attributes:
        id: The server's id for the session.
        object: Always ``realtime.session``.
        expires_at: When the server ends it, in seconds since 1970 (UTC).
        model: The model, or on Azure its deployment. It cannot be changed.
        instructions: What the model is told before the conversation.
        output_modalities: How it answers: ``["audio"]`` or ``["text"]``.
        audio: The settings of audio in both directions.
        include: What the server is to send beyond the usual.
        tools: What the model may call.
        tool_choice: Whether it may, or must, call one of them.
        parallel_tool_calls: Whether one answer may hold several calls.
        max_output_tokens: The most tokens of one answer, calls included.
        reasoning: How a model that can reason does so.
        prompt: Stored instructions, instead of *instructions*.
        tracing: ``auto``, the labels of the trace, or None for no trace.
        truncation: What is left out when the conversation outgrows the context.
        temperature: How freely the model chooses its words. Preview dialect only.
        client_secret: A key for browsers, in answers to requests for one only.
    """

    type: ClassVar[str] = "realtime"

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    model: Maybe[RealtimeModel] = UNSET
    instructions: Maybe[str] = UNSET
    output_modalities: Maybe[Sequence[Modality]] = UNSET
    audio: Maybe[SessionAudio] = UNSET
    include: Maybe[Sequence[IncludeField]] = UNSET
    tools: Maybe[Sequence[Tool]] = UNSET
    tool_choice: Maybe[ToolChoice] = UNSET
    parallel_tool_calls: Maybe[bool] = UNSET
    max_output_tokens: Maybe[MaxOutputTokens] = UNSET
    reasoning: Maybe[Reasoning] = UNSET
    prompt: Maybe[Prompt] = UNSET
    tracing: Maybe[TracingMode | Tracing] = UNSET
    truncation: Maybe[TruncationMode | RetentionRatio] = UNSET
    temperature: Maybe[float] = UNSET
    client_secret: Maybe[ClientSecret] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranscriptionSession(Model):
    """
    A session that writes down what it hears.

    Attributes:
        id: The server's id for the session.
        object: Always ``realtime.transcription_session``.
        expires_at: When the server ends it, in seconds since 1970 (UTC).
        audio: The settings of the input. There is no output.
        include: What the server is to send beyond the usual.
        output_modalities: Always ``["text"]``. Preview dialect only.
        client_secret: A key for browsers, in answers to requests for one only.
    """

    type: ClassVar[str] = "transcription"

    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    audio: Maybe[SessionAudio] = UNSET
    include: Maybe[Sequence[IncludeField]] = UNSET
    output_modalities: Maybe[Sequence[Modality]] = UNSET
    client_secret: Maybe[ClientSecret] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranslationAudioOutput(Model):
    """
    How the translation is spoken.

    Attributes:
        language: The language to translate into, such as ``es``.
    """

    language: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranslationAudio(Model):
    """
    The audio settings of a translation. Both directions are PCM at 24000 Hz.

    Attributes:
        input: The speech that is translated. Its transcription can be turned on, and
            its noise reduced; formats and turns do not apply.
        output: The translation.
    """

    input: Maybe[SessionAudioInput] = UNSET
    output: Maybe[TranslationAudioOutput] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class TranslationSession(Model):
    """
    A session that translates speech while it is spoken.

    Attributes:
        id: The server's id for the session.
        expires_at: When the server ends it, in seconds since 1970 (UTC).
        model: The model that translates. It cannot be changed.
        audio: The settings of both directions.
    """

    type: ClassVar[str] = "translation"

    id: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    model: Maybe[str] = UNSET
    audio: Maybe[TranslationAudio] = UNSET


Session = RealtimeSession | TranscriptionSession | TranslationSession | UnknownObject
"""The configuration of a connection."""

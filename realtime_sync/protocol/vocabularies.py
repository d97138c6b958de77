"""
The words of the protocol: voices, formats, statuses and the like.

Each vocabulary lists what is known today, for editors and readers, and stays open: a
word that a service adds tomorrow is a plain string and passes through. None is an
enumeration, and no word is checked before it is sent; the service does that.
"""

from typing import Literal


__all__ = [
    "AllowedCaller",
    "ApprovalPolicy",
    "ConnectorId",
    "ConversationChoice",
    "Eagerness",
    "ErrorType",
    "FileDetail",
    "ImageDetail",
    "IncludeField",
    "ItemStatus",
    "MaxOutputTokens",
    "MessageRole",
    "Modality",
    "NoiseReductionType",
    "RateLimitName",
    "RealtimeModel",
    "ReasoningEffort",
    "ResponseReason",
    "ResponseStatus",
    "ToolChoiceMode",
    "TracingMode",
    "TranscriptionDelay",
    "TranscriptionModel",
    "TruncationMode",
    "Voice",
]

AllowedCaller = Literal["direct", "programmatic"] | str
"""Who may call a tool: the model itself, or code that the model wrote."""

ApprovalPolicy = Literal["always", "never"] | str
"""Whether calls to the tools of an MCP server wait for the user's approval."""

ConnectorId = (
    Literal[
        "connector_dropbox",
        "connector_gmail",
        "connector_googlecalendar",
        "connector_googledrive",
        "connector_microsoftteams",
        "connector_outlookcalendar",
        "connector_outlookemail",
        "connector_sharepoint",
    ]
    | str
)
"""MCP servers that the service itself runs."""

ConversationChoice = Literal["auto", "none"] | str
"""Where a response belongs: the session's conversation, or none (out of band)."""

Eagerness = Literal["low", "medium", "high", "auto"] | str
"""How soon semantic VAD takes a pause for the end of a turn. ``auto`` is medium."""

ErrorType = Literal["invalid_request_error", "server_error"] | str
"""Whose fault an error is: the client's or the service's."""

FileDetail = Literal["auto", "low", "high"] | str
"""How finely the pages of a file are looked at."""

ImageDetail = Literal["auto", "low", "high", "original"] | str
"""How finely an image is looked at. More detail costs more tokens."""

IncludeField = Literal["item.input_audio_transcription.logprobs"] | str
"""Fields that the server leaves out unless a session asks for them."""

ItemStatus = Literal["in_progress", "completed", "incomplete"] | str
"""How far an item has come."""

MaxOutputTokens = int | Literal["inf"] | str
"""The most tokens that a response may have, or ``inf`` for the model's own limit."""

MessageRole = Literal["system", "user", "assistant"] | str
"""Who speaks in a message."""

Modality = Literal["text", "audio"] | str
"""A form in which the model answers. Audio always comes with its transcript."""

NoiseReductionType = Literal["near_field", "far_field"] | str
"""Where the microphone is: at the mouth (headset), or in the room (laptop, table)."""

RateLimitName = Literal["requests", "tokens"] | str
"""What a rate limit counts."""

RealtimeModel = (
    Literal[
        "gpt-realtime",
        "gpt-realtime-1.5",
        "gpt-realtime-2",
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
        "gpt-realtime-2025-08-28",
        "gpt-realtime-mini",
        "gpt-realtime-mini-2025-10-06",
        "gpt-realtime-mini-2025-12-15",
        "gpt-audio-1.5",
        "gpt-audio-mini",
        "gpt-audio-mini-2025-10-06",
        "gpt-audio-mini-2025-12-15",
        "gpt-4o-realtime-preview",
        "gpt-4o-realtime-preview-2024-10-01",
        "gpt-4o-realtime-preview-2024-12-17",
        "gpt-4o-realtime-preview-2025-06-03",
        "gpt-4o-mini-realtime-preview",
        "gpt-4o-mini-realtime-preview-2024-12-17",
    ]
    | str
)
"""Models that hold a conversation. On Azure the name of the deployment stands here."""

ReasoningEffort = Literal["minimal", "low", "medium", "high", "xhigh"] | str
"""How long a model that can reason does so before it answers."""

ResponseReason = (
    Literal[
        "turn_detected",
        "client_cancelled",
        "max_output_tokens",
        "content_filter",
    ]
    | str
)
"""Why a response was cancelled (the first two) or is incomplete (the others)."""

ResponseStatus = (
    Literal["in_progress", "completed", "cancelled", "failed", "incomplete"] | str
)
"""How far a response has come. All but the first are final."""

ToolChoiceMode = Literal["none", "auto", "required"] | str
"""Whether the model must not, may or must call a tool."""

TracingMode = Literal["auto"] | str
"""Traces a session under labels that the service chooses."""

TranscriptionDelay = Literal["minimal", "low", "medium", "high", "xhigh"] | str
"""How long live transcription waits before it commits itself: more is more exact."""

TranscriptionModel = (
    Literal[
        "whisper-1",
        "gpt-transcribe",
        "gpt-live-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-transcribe-diarize",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-realtime-whisper",
    ]
    | str
)
"""Models that write down speech. On Azure the name of the deployment stands here."""

TruncationMode = Literal["auto", "disabled"] | str
"""Whether the oldest items are left out when a conversation outgrows the context."""

Voice = (
    Literal[
        "alloy",
        "ash",
        "ballad",
        "coral",
        "echo",
        "sage",
        "shimmer",
        "verse",
        "marin",
        "cedar",
    ]
    | str
)
"""Voices of the model. ``marin`` and ``cedar`` came with the GA models."""

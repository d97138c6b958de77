"""
The configuration of a session: what it starts with, what may change, and how.

An update changes the fields that it holds. Objects that group settings (``audio``, its
``input`` and its ``output``) are updated field by field, every other value is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import attrs

from ..protocol import (
    UNSET,
    AudioPcm,
    AudioTranscription,
    Maybe,
    McpTool,
    Model,
    NoiseReduction,
    RealtimeSession,
    SemanticVad,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
    TranscriptionSession,
    UnknownObject,
)
from ._errors import RequestError, invalid_value, missing_parameter, unknown_parameter
from .settings import EmulatorSettings


__all__ = [
    "PCM",
    "check_output",
    "check_session",
    "merge",
    "new_realtime_session",
    "new_transcription_session",
    "reject_unknown",
]

S = TypeVar("S", bound=Model)

PCM: Final = AudioPcm(rate=24_000)

_GROUPS: Final = (SessionAudio, SessionAudioInput, SessionAudioOutput)
_TURN_DETECTIONS: Final = ("server_vad", "semantic_vad")
_PLACES: Final = ("server_url", "connector_id", "tunnel_id")
_FORMATS: Final = ("audio/pcm", "audio/pcmu", "audio/pcma")

_SERVER_VAD: Final = ServerVad(
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=200,
    idle_timeout_ms=None,
    create_response=True,
    interrupt_response=True,
)
_SEMANTIC_VAD: Final = SemanticVad(
    eagerness="auto", create_response=True, interrupt_response=True
)


def new_realtime_session(
    settings: EmulatorSettings,
    *,
    session_id: str,
    model: str,
    expires_at: int,
    preview: bool,
) -> RealtimeSession:
    """Return what a session for a conversation starts with."""
    return RealtimeSession(
        id=session_id,
        object="realtime.session",
        expires_at=expires_at,
        model=model,
        output_modalities=["audio"],
        instructions=settings.instructions,
        tools=[],
        tool_choice="auto",
        max_output_tokens="inf",
        tracing=None,
        truncation=UNSET if preview else "auto",
        prompt=None,
        include=None,
        audio=SessionAudio(
            input=SessionAudioInput(
                format=PCM,
                transcription=None,
                noise_reduction=None,
                turn_detection=_SERVER_VAD,
            ),
            output=SessionAudioOutput(
                format=PCM, voice=settings.default_voice, speed=1.0
            ),
        ),
    )


def new_transcription_session(
    *, session_id: str, expires_at: int
) -> TranscriptionSession:
    """Return what a session that only transcribes starts with."""
    return TranscriptionSession(
        id=session_id,
        object="realtime.transcription_session",
        expires_at=expires_at,
        include=None,
        audio=SessionAudio(
            input=SessionAudioInput(
                format=PCM,
                transcription=AudioTranscription(model="gpt-4o-transcribe"),
                noise_reduction=None,
                turn_detection=attrs.evolve(
                    _SERVER_VAD,
                    idle_timeout_ms=UNSET,
                    create_response=UNSET,
                    interrupt_response=UNSET,
                ),
            )
        ),
    )


def merge(current: S, update: S) -> S:
    """Return *current* with the fields that *update* holds."""
    changes: dict[str, Any] = {}
    for name, value in _held(update):
        old = getattr(current, name)
        if isinstance(value, _GROUPS) and isinstance(old, _GROUPS):
            value = merge(old, value)
        elif isinstance(value, (ServerVad, SemanticVad)):
            value = _complete(value)
        elif isinstance(value, AudioPcm):
            value = PCM
        changes[name] = value
    return attrs.evolve(current, **changes)


def _held(model: Model) -> list[tuple[str, Any]]:
    names = (field.name for field in attrs.fields(type(model)))
    return [
        (name, value)
        for name in names
        if name != "extra" and (value := getattr(model, name)) is not UNSET
    ]


def _complete(value: ServerVad | SemanticVad) -> ServerVad | SemanticVad:
    """Return *value* with the defaults of what it leaves out."""
    default = _SERVER_VAD if isinstance(value, ServerVad) else _SEMANTIC_VAD
    return attrs.evolve(default, **dict(_held(value)))


# What the service refuses


def reject_unknown(model: object, path: str) -> None:
    """
    Refuse fields and types that the service does not know, however deep they are.

    Raises:
        RequestError: With the path of the first one.
    """
    if isinstance(model, UnknownObject):
        raise invalid_value(f"{path}.type", model.payload.get("type"), _known(path))
    if isinstance(model, Model):
        for name in model.extra:
            if name != "type":
                raise unknown_parameter(f"{path}.{name}")
        for name, value in _held(model):
            reject_unknown(value, f"{path}.{name}")
    elif isinstance(model, Sequence) and not isinstance(model, (str, bytes)):
        for index, value in enumerate(model):
            reject_unknown(value, f"{path}[{index}]")


def _known(path: str) -> Sequence[str]:
    field = path.rsplit(".", 1)[-1].split("[")[0]
    return {
        "format": _FORMATS,
        "turn_detection": _TURN_DETECTIONS,
        "tools": ("function", "mcp"),
        "tool_choice": ("function", "mcp"),
        "session": ("realtime", "transcription"),
        "content": ("input_text", "input_audio", "input_image", "output_text"),
        "truncation": ("retention_ratio",),
    }.get(field, ("message", "function_call", "function_call_output"))


def check_session(
    current: RealtimeSession | TranscriptionSession,
    update: object,
    *,
    settings: EmulatorSettings,
    has_spoken: bool,
    is_speaking: bool,
    preview: bool,
) -> None:
    """
    Refuse an update that the service would refuse.

    Args:
        current: The configuration that is to be updated.
        update: What the client sent as ``session``.
        settings: How the service behaves.
        has_spoken: Whether the model spoke in this session.
        is_speaking: Whether it is about to: a response is in progress.
        preview: Whether the client speaks the preview dialect.

    Raises:
        RequestError: With what is wrong.
    """
    extra = update.extra if isinstance(update, Model) else {}
    if not preview and extra.get("type", "") is UNSET:
        raise missing_parameter("session.type")
    reject_unknown(update, "session")
    if type(update) is not type(current):
        name = getattr(update, "type", "?")
        raise invalid_value("session.type", name, [str(current.type)])
    if isinstance(update, RealtimeSession) and isinstance(current, RealtimeSession):
        if not preview and update.temperature is not UNSET:
            raise unknown_parameter("session.temperature")
        _check_fixed(current, update, has_spoken=has_spoken)
        if is_speaking:
            _check_speed(current, update)
        check_output(update, "session", settings=settings, preview=preview)
        _check_tools(update.tools, "session.tools")
    if isinstance(update, (RealtimeSession, TranscriptionSession)) and update.audio:
        _check_audio(update.audio, settings)


def _check_fixed(
    current: RealtimeSession, update: RealtimeSession, *, has_spoken: bool
) -> None:
    if update.model and update.model != current.model:
        raise invalid_value("session.model", update.model, [str(current.model)])
    if current.tracing and update.tracing not in (UNSET, current.tracing):
        raise RequestError(
            "Tracing cannot be changed once it is enabled.",
            code="cannot_update_tracing",
            param="session.tracing",
        )
    new, old = _voice(update), _voice(current)
    if has_spoken and new and new != old:
        raise RequestError(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="session.audio.output.voice",
        )


def _check_speed(current: RealtimeSession, update: RealtimeSession) -> None:
    sink, old = update.audio and update.audio.output, current.audio
    if sink and sink.speed and old and old.output and sink.speed != old.output.speed:
        raise RequestError(
            "The speed can be changed between responses only, and one is in progress.",
            code="invalid_value",
            param="session.audio.output.speed",
        )


def _voice(session: RealtimeSession) -> object:
    return session.audio and session.audio.output and session.audio.output.voice


def check_output(
    update: Any, path: str, *, settings: EmulatorSettings, preview: bool = False
) -> None:
    """
    Refuse bad values among what sessions and responses have in common.

    Args:
        update: A `RealtimeSession` or a `ResponseCreateParams`.
        path: What to call it.
        settings: How the service behaves.
        preview: Whether the client speaks the preview dialect.

    Raises:
        RequestError: With the first one that is wrong.
    """
    modalities = update.output_modalities
    if modalities is not UNSET:
        allowed = [["audio"], ["text"]]
        if preview:
            allowed += [["audio", "text"], ["text", "audio"]]
        if list(modalities or ()) not in allowed:
            raise invalid_value(f"{path}.output_modalities", modalities, allowed)
    limit = update.max_output_tokens
    is_count = type(limit) is int and 1 <= limit <= 4096
    if limit is not UNSET and limit != "inf" and not is_count:
        raise invalid_value(
            f"{path}.max_output_tokens", limit, "an integer from 1 to 4096 or 'inf'"
        )
    if isinstance(update.tool_choice, str):
        modes = ("auto", "none", "required")
        if update.tool_choice not in modes:
            raise invalid_value(f"{path}.tool_choice", update.tool_choice, modes)
    output = update.audio and update.audio.output
    if output and isinstance(output.voice, str) and output.voice not in settings.voices:
        raise invalid_value(f"{path}.audio.output.voice", output.voice, settings.voices)
    if output:
        _check_format(output.format, f"{path}.audio.output.format")


def _check_format(value: object, path: str) -> None:
    if isinstance(value, AudioPcm) and value.rate not in (UNSET, None, 24_000):
        raise invalid_value(f"{path}.rate", value.rate, ["24000"])


def _check_tools(tools: Maybe[Sequence[Any]], path: str) -> None:
    for index, tool in enumerate(tools or ()):
        if getattr(tool, "type", "") == "function" and not tool.name:
            raise missing_parameter(f"{path}[{index}].name")
        places = (getattr(tool, name, "") for name in _PLACES)
        if isinstance(tool, McpTool) and not any(places):
            raise missing_parameter(f"{path}[{index}].server_url")


def _in_range(value: Any, low: float, high: float, path: str) -> None:
    if isinstance(value, (int, float)) and not low <= value <= high:
        raise invalid_value(path, value, f"numbers from {low:g} to {high:g}")


def _check_audio(audio: SessionAudio, settings: EmulatorSettings) -> None:
    source, sink = audio.input, audio.output
    if sink:
        _in_range(sink.speed, 0.25, 1.5, "session.audio.output.speed")
    if not source:
        return
    path = "session.audio.input"
    _check_format(source.format, f"{path}.format")
    if isinstance(source.noise_reduction, NoiseReduction):
        kinds = ("near_field", "far_field")
        if source.noise_reduction.type not in kinds:
            raise invalid_value(
                f"{path}.noise_reduction.type", source.noise_reduction.type, kinds
            )
    detection = source.turn_detection
    if isinstance(detection, ServerVad):
        path += ".turn_detection"
        _in_range(detection.threshold, 0, 1, f"{path}.threshold")
        _in_range(detection.prefix_padding_ms, 0, 10_000, f"{path}.prefix_padding_ms")
        _in_range(
            detection.silence_duration_ms, 0, 60_000, f"{path}.silence_duration_ms"
        )
        _in_range(detection.idle_timeout_ms, 5_000, 30_000, f"{path}.idle_timeout_ms")
    if isinstance(detection, SemanticVad) and detection.eagerness:
        words = ("low", "medium", "high", "auto")
        if detection.eagerness not in words:
            raise invalid_value(
                f"{path}.turn_detection.eagerness", detection.eagerness, words
            )

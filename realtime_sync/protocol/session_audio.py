"""
The audio settings of a session: formats, turn detection, transcription and voices.

They form one tree, a `SessionAudio`, whose branches are the audio from the client and
the audio from the model.
"""

from collections.abc import Sequence
from typing import ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject
from .vocabularies import (
    Eagerness,
    NoiseReductionType,
    TranscriptionDelay,
    TranscriptionModel,
    Voice,
)


__all__ = [
    "AudioFormat",
    "AudioPcm",
    "AudioPcma",
    "AudioPcmu",
    "AudioTranscription",
    "CustomVoice",
    "NoiseReduction",
    "SemanticVad",
    "ServerVad",
    "SessionAudio",
    "SessionAudioInput",
    "SessionAudioOutput",
    "TurnDetection",
]


# Audio formats


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AudioPcm(Model):
    """
    Uncompressed audio: signed 16-bit samples, little-endian, mono.

    Attributes:
        rate: Samples per second in Hz. 24000 is the only rate of the service.
    """

    type: ClassVar[str] = "audio/pcm"

    rate: Maybe[int] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AudioPcmu(Model):
    """Telephone audio, G.711 in mu-law: one byte a sample, 8000 Hz, mono."""

    type: ClassVar[str] = "audio/pcmu"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AudioPcma(Model):
    """Telephone audio, G.711 in A-law: one byte a sample, 8000 Hz, mono."""

    type: ClassVar[str] = "audio/pcma"


AudioFormat = AudioPcm | AudioPcmu | AudioPcma | UnknownObject
"""How audio is encoded, in one direction."""


# Turn detection


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ServerVad(Model):
    """
    Ends the user's turn when it has been quiet for long enough.

    Attributes:
        threshold: How sure it must be that it hears speech, from 0 to 1 (service's
            default 0.5). Raise it in noisy places.
        prefix_padding_ms: Milliseconds of audio from before the speech that are kept
            with it (service's default 300).
        silence_duration_ms: Milliseconds of silence that end a turn (service's default
            500). Fewer make for quick answers, and for interrupting the user's pauses.
        idle_timeout_ms: Milliseconds, from 5000 to 30000, of silence after the model's
            last word, upon which the model speaks again. None for never.
        create_response: Whether the end of a turn makes the model answer.
        interrupt_response: Whether speech of the user cancels the answer in progress.
    """

    type: ClassVar[str] = "server_vad"

    threshold: Maybe[float] = UNSET
    prefix_padding_ms: Maybe[int] = UNSET
    silence_duration_ms: Maybe[int] = UNSET
    idle_timeout_ms: Maybe[int] = UNSET
    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SemanticVad(Model):
    """
    Ends the user's turn when, by what was said, the user seems to have finished.

    Attributes:
        eagerness: How soon it does: after at most 8 s (``low``), 4 s (``medium``) or
            2 s (``high``).
        create_response: Whether the end of a turn makes the model answer.
        interrupt_response: Whether speech of the user cancels the answer in progress.
    """

    type: ClassVar[str] = "semantic_vad"

    eagerness: Maybe[Eagerness] = UNSET
    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET


TurnDetection = ServerVad | SemanticVad | UnknownObject
"""How the server tells when the user has finished. None: the client commits itself."""


# Audio in and out


@attrs.frozen(kw_only=True, repr=False, eq=False)
class NoiseReduction(Model):
    """
    Filters the input audio before turn detection and the model hear it.

    Attributes:
        type: Where the microphone is.
    """

    type: NoiseReductionType


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AudioTranscription(Model):
    """
    Has the user's speech written down, by a model of its own.

    The answering model hears the audio and not this transcript, so that the two may
    differ.

    Attributes:
        model: The model, or on Azure its deployment.
        language: The language spoken, in ISO 639-1 (``en``). Naming it helps.
        languages: Languages that may be spoken, for models that take several.
        prompt: Text that prepares the model for what is coming.
        keywords: Names and rare words to expect, for models that take them.
        delay: How long to wait for more context, for models that transcribe live.
    """

    model: Maybe[TranscriptionModel] = UNSET
    language: Maybe[str] = UNSET
    languages: Maybe[Sequence[str]] = UNSET
    prompt: Maybe[str] = UNSET
    keywords: Maybe[Sequence[str]] = UNSET
    delay: Maybe[TranscriptionDelay] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CustomVoice(Model):
    """
    A voice of your own, instead of one of the service's.

    Attributes:
        id: The id under which the service keeps it.
    """

    id: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionAudioInput(Model):
    """
    What happens to the audio that the client sends.

    Attributes:
        format: How it is encoded.
        noise_reduction: The filter that it passes. None turns it off.
        transcription: How it is written down. None turns it off.
        turn_detection: How turns end. None turns it off.
    """

    format: Maybe[AudioFormat] = UNSET
    noise_reduction: Maybe[NoiseReduction] = UNSET
    transcription: Maybe[AudioTranscription] = UNSET
    turn_detection: Maybe[TurnDetection] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionAudioOutput(Model):
    """
    How the model speaks.

    Attributes:
        format: How its audio is encoded.
        voice: Whose voice it has. It is fixed once the model has spoken.
        speed: Its pace, from 0.25 to 1.5 times the voice's own (service's default 1).
            It may change between answers.
    """

    format: Maybe[AudioFormat] = UNSET
    voice: Maybe[Voice | CustomVoice] = UNSET
    speed: Maybe[float] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SessionAudio(Model):
    """
    The audio settings of a session.

    Attributes:
        input: Audio from the client.
        output: Audio from the model.
    """

    input: Maybe[SessionAudioInput] = UNSET
    output: Maybe[SessionAudioOutput] = UNSET

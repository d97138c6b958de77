"""One line for a turn: what a client does with a connection of its own for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, overload

from ..audio import Audio, load_audio
from ..audio.loading import is_stream
from ..connection import RealtimeConnection, TranscriptionConnection
from ..protocol.responses import ResponseCreateParams
from ..protocol.sessions import RealtimeSession, TranscriptionSession
from ..response_stream import ResponseResult
from .answer_stream import AnswerStream
from .one_turn import (
    reading_settings,
    speech,
    speech_pieces,
    transcript,
    transcript_pieces,
    transcription_settings,
)
from .question import Question


__all__ = ["Shortcuts"]


class _Connecting(Protocol):
    """What opens connections."""

    def connect(
        self,
        *,
        session: RealtimeSession | None = ...,
        functions: tuple[()] | None = ...,
    ) -> RealtimeConnection: ...

    def connect_transcription(
        self, session: TranscriptionSession
    ) -> TranscriptionConnection: ...


class Shortcuts:
    """The methods of a client that open a connection, use it, and close it."""

    __slots__ = ()

    @overload
    def ask(
        self: _Connecting,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = ...,
        response: ResponseCreateParams | Mapping[str, Any] | None = ...,
        stream: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> ResponseResult: ...
    @overload
    def ask(
        self: _Connecting,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = ...,
        response: ResponseCreateParams | Mapping[str, Any] | None = ...,
        stream: Literal[True],
        timeout: float | None = ...,
    ) -> AnswerStream: ...
    def ask(
        self: _Connecting,
        question: Question,
        *,
        images: Sequence[str | os.PathLike[str]] = (),
        response: ResponseCreateParams | Mapping[str, Any] | None = None,
        stream: bool = False,
        timeout: float | None = 60.0,
    ) -> ResponseResult | AnswerStream:
        """
        Open a connection, ask one question, and return the whole answer.

        A written question is answered in writing unless *response* says otherwise; for
        the rest see `RealtimeConnection.ask()` and `connect()`::

            print(client.ask("Who are you?").text)
            for words in client.ask("Who are you?", stream=True):
                print(words, end="", flush=True)
        """
        if response is None and isinstance(question, str):
            response = ResponseCreateParams(output_modalities=["text"])
        asked: dict[str, Any] = {
            "images": images,
            "response": response,
            "timeout": timeout,
        }
        if not stream:
            with self.connect() as connection:
                result: ResponseResult = connection.ask(question, **asked)
                return result
        connection = self.connect()
        try:
            answer = connection.ask(question, stream=True, **asked)
        except BaseException:
            connection.close()
            raise
        answer._own(connection.close)
        return answer

    @overload
    def transcribe(
        self: _Connecting,
        source: Any,
        *,
        model: str = ...,
        language: str | None = ...,
        prompt: str | None = ...,
        source_rate: int | None = ...,
        stream: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> str: ...
    @overload
    def transcribe(
        self: _Connecting,
        source: Any,
        *,
        model: str = ...,
        language: str | None = ...,
        prompt: str | None = ...,
        source_rate: int | None = ...,
        stream: Literal[True],
        timeout: float | None = ...,
    ) -> Iterator[str]: ...
    def transcribe(
        self: _Connecting,
        source: Any,
        *,
        model: str = "gpt-4o-transcribe",
        language: str | None = None,
        prompt: str | None = None,
        source_rate: int | None = None,
        stream: bool = False,
        timeout: float | None = 60.0,
    ) -> str | Iterator[str]:
        """
        Open a transcription session, and return what is said in a recording.

        Args:
            source: A path, bytes or an open file of a WAV file or of raw PCM, a numpy
                array, an `Audio`, or an iterable of PCM pieces.
            model: The model that transcribes; on Azure the name of its deployment.
            language: The language spoken, such as ``en``.
            prompt: Words that guide the model.
            source_rate: The sampling rate in Hz of raw PCM and arrays.
            stream: Whether to return an iterator over the transcript as it arrives,
                which opens the connection when its first piece is asked for.
            timeout: Seconds to wait for the transcript, after the audio was sent; with
                *stream*, for each piece of it.

        Raises:
            ImportError: It takes the extra ``audio`` to read it.
            OSError: It cannot be read.
            TypeError, ValueError: It is no audio.
            RealtimeError: The audio was not transcribed; besides, see `connect()`.
            TimeoutError: The transcript was not complete in time.
        """
        settings = transcription_settings(model, language, prompt)
        if not is_stream(source):  # what cannot be read is worth no connection
            source, source_rate = load_audio(source, source_rate=source_rate), None

        def pieces() -> Iterator[str]:
            with self.connect_transcription(settings) as connection:
                yield from transcript_pieces(connection, source, source_rate, timeout)

        if stream:
            return pieces()
        with self.connect_transcription(settings) as connection:
            return transcript(connection, source, source_rate, timeout)

    @overload
    def speak(
        self: _Connecting,
        text: str,
        *,
        voice: str | None = ...,
        stream: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> Audio: ...
    @overload
    def speak(
        self: _Connecting,
        text: str,
        *,
        voice: str | None = ...,
        stream: Literal[True],
        timeout: float | None = ...,
    ) -> Iterator[bytes]: ...
    def speak(
        self: _Connecting,
        text: str,
        *,
        voice: str | None = None,
        stream: bool = False,
        timeout: float | None = 60.0,
    ) -> Audio | Iterator[bytes]:
        """
        Open a connection, let the model read out *text*, and return what it said.

        It is told to read the text verbatim, but a model may not keep to that.

        Args:
            text: What to say.
            voice: The voice, instead of the service's default.
            stream: Whether to return an iterator over the audio as it arrives, 16-bit
                mono PCM at 24 kHz, which opens the connection when its first piece is
                asked for.
            timeout: Seconds to wait for the end of the speech; with *stream*, for each
                piece of it.

        Raises:
            ResponseError: The model did not speak to the end; besides, see `connect()`.
            TimeoutError: It did not in time.
        """
        settings = reading_settings(voice)

        def pieces() -> Iterator[bytes]:
            with self.connect(session=settings, functions=()) as connection:
                yield from speech_pieces(connection, text, timeout)

        if stream:
            return pieces()
        with self.connect(session=settings, functions=()) as connection:
            return speech(connection, text, timeout)

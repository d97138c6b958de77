"""
What the two ways to talk with a browser have in common.

Two threads of a session meet here. The connection's reader thread calls the ``_on_…``
methods, which only queue: messages for the browser in the outbox, work for the
application's hooks in *jobs*. The server's thread calls `handle()` and `work()`: it may
wait for the service, and has the request's context.
"""

from __future__ import annotations

import abc
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from ..connection import RealtimeConnection
from ..errors import SendQueueFull
from ..protocol._model import ServerEvent
from ..protocol.responses import TranscriptUsage, Usage
from ..protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ErrorEvent,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    ResponseDone,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDone,
)
from ._codes import CloseCode, SessionEnd
from ._limits import Limits
from ._outbox import Outbox
from ._records import Transcript, UsageReport


__all__ = ["BadMessage", "Desk", "Hooks", "parse", "turn_detection_of"]

logger = logging.getLogger("realtime_sync.flask")

_MAX_STRIKES = 10  # messages that make no sense, until nobody listens any more
_SEND_TIMEOUT = 10.0  # seconds in which the service has to take audio
_VOICE = (InputAudioBufferSpeechStarted, InputAudioBufferSpeechStopped)


class BadMessage(Exception):
    """A message of a browser that makes no sense, or that it may not send."""


class Hooks:
    """What the application wants to know. Its functions run on the server's thread."""

    def __init__(self) -> None:
        self.transcript: list[Callable[[Transcript], object]] = []
        self.usage: list[Callable[[UsageReport], object]] = []


class Desk(abc.ABC):
    """
    Talks with a browser on one side and with the service on the other.

    Args:
        connection: The session with the service.
        outbox: Takes what the browser is told.
        user: Whose session it is.
        limits: What the user may send.
        hooks: Of the application.
        show_tools: Whether the browser sees what functions are given and return.

    Attributes:
        active_at: When somebody last said something.
        changed: Whether there is something new for a snapshot.
        turn_complete: Whether a turn has ended with it.
        forgotten: Whether there shall be no snapshot.
    """

    def __init__(
        self,
        connection: RealtimeConnection,
        outbox: Outbox,
        *,
        user: str,
        limits: Limits,
        hooks: Hooks,
        show_tools: bool,
    ) -> None:
        self.connection = connection
        self.outbox = outbox
        self.active_at = time.monotonic()
        self.changed = False
        self.turn_complete = False
        self.forgotten = False
        self._user = user
        self._limits = limits
        self._hooks = hooks
        self._show_tools = show_tools
        self._strikes = 0
        self._is_alone = False  # whether the model speaks up because nobody else does
        self._jobs: deque[Callable[[], object]] = deque()

    # On the server's thread

    def listen(self) -> None:
        """Begin to pass on what the service says."""
        on = self.connection.on
        on(ServerEvent, self._on_any)
        on(ErrorEvent, self._on_error)
        on(ConversationItemInputAudioTranscriptionCompleted, self._on_user_said)
        on(ResponseOutputAudioTranscriptDone, self._on_model_said)
        on(ResponseOutputTextDone, self._on_model_said)
        on(ResponseDone, self._on_response_done)

    def handle(self, message: str | bytes) -> None:
        """
        Do what a message of the browser asks for.

        Raises:
            SessionEnd: There is no way to go on.
        """
        try:
            if isinstance(message, bytes):
                self.hear(message)
            else:
                self.obey(parse(message))
        except BadMessage as exc:
            self._strikes += 1
            if self._strikes > _MAX_STRIKES:
                words = "too many messages that make no sense"
                raise SessionEnd(CloseCode.BAD_MESSAGE, words) from exc
            self.complain("bad_message", str(exc))
        except SendQueueFull as exc:
            words = "the service does not take any more"
            raise SessionEnd(CloseCode.SERVICE_LOST, words) from exc

    def hear(self, pcm: bytes) -> None:
        """Pass on what the microphone has heard."""
        self.connection.append_input_audio(pcm, timeout=_SEND_TIMEOUT)

    @abc.abstractmethod
    def obey(self, message: dict[str, Any]) -> None:
        """Do what a message of the JSON protocol asks for."""

    def note_activity(self) -> None:
        """Note that the user said something."""
        self._is_alone = False
        self.active_at = time.monotonic()

    def work(self) -> None:
        """Call the hooks of the application for what has happened."""
        while self._jobs:
            job = self._jobs.popleft()
            try:
                job()
            except Exception:
                logger.exception("a hook of the application failed")

    def complain(self, code: str, message: str) -> None:
        """Tell the browser what went wrong."""
        self.outbox.put({"type": "error", "code": code, "message": message})

    # On the reader thread

    def _on_any(self, event: ServerEvent) -> None:
        if isinstance(event, _VOICE):
            self.note_activity()
        elif isinstance(event, InputAudioBufferTimeoutTriggered):
            self._is_alone = True
        elif event.type.startswith("response.") and not self._is_alone:
            self.active_at = time.monotonic()

    def _on_error(self, event: ErrorEvent) -> None:
        # The service's words may name things that are none of the browser's business;
        # they are in the log.
        code = event.error.code or event.error.type
        self.complain(str(code), "The model's service reports an error.")

    def _on_user_said(
        self, event: ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        self._end_turn()
        self._tell(event.item_id, "user", event.transcript)
        self._report(event.usage or None)

    def _on_model_said(
        self, event: ResponseOutputAudioTranscriptDone | ResponseOutputTextDone
    ) -> None:
        text = event.text if isinstance(event, ResponseOutputTextDone) else ""
        self._tell(event.item_id, "assistant", text or getattr(event, "transcript", ""))

    def _on_response_done(self, event: ResponseDone) -> None:
        self._end_turn()
        self._report(event.response.usage or None)

    def _end_turn(self) -> None:
        self.changed = self.turn_complete = True

    def _interrupts(self) -> bool:
        """Tell whether the service stops an answer when the user begins to speak."""
        detection = turn_detection_of(self.connection)
        return getattr(detection, "interrupt_response", None) is not False

    def _tell(self, item_id: str, role: Any, text: str) -> None:
        said = Transcript(
            user=self._user,
            session_id=self._session_id,
            item_id=item_id,
            role=role,
            text=text,
        )
        for hook in self._hooks.transcript:
            self._jobs.append(partial(hook, said))

    def _report(self, usage: Usage | TranscriptUsage | None) -> None:
        if usage is None:
            return
        report = UsageReport(user=self._user, session_id=self._session_id, usage=usage)
        for hook in self._hooks.usage:
            self._jobs.append(partial(hook, report))

    @property
    def _session_id(self) -> str:
        return getattr(self.connection.session, "id", None) or ""


def turn_detection_of(connection: Any) -> Any:
    """Return how a session finds turns, or None where it does not."""
    audio = getattr(connection.session, "audio", None)
    return (audio and audio.input and audio.input.turn_detection) or None


def parse(text: str) -> dict[str, Any]:
    """
    Return a message as a mapping with a type.

    Raises:
        BadMessage: It is none.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadMessage("a text message is a JSON object") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadMessage('a text message is a JSON object with a "type"')
    return message

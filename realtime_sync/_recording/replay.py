"""A recording as the server of a connection: what was received comes again."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any

import attrs
import orjson

from .._channel.keepalive import Keepalive
from .._checks import check_amount, check_timeout
from .._deadline import Deadline
from .._recovery.opening import Opened
from .._responses.expectations import TOKEN_KEY
from .._waiting import Condition
from .._wire.frames import CLOSE, PING, PONG, TEXT, Frame, close_payload
from .._wire.interface import ConnectRequest, Transport
from ..connection import (
    RealtimeConnection,
    TranscriptionConnection,
    TranslationConnection,
)
from ..errors import ConnectionClosedError
from .format import Ending, RecordedEvent, RecordingError
from .reader import Recording, Source


__all__ = ["Replay", "ReplayTransport", "replay"]

_BROKEN = 1006  # RFC 6455, 7.4.1: no close frame arrived
_RESERVED = (1005, 1015)  # never in a close frame
_ANSWERS: Mapping[int, int] = {PING: PONG, CLOSE: CLOSE}
_BATCH = 256  # messages that are handed out at once
# Typed as nearly all recordings are, so that nobody has to ask first which one it is.
_CONNECTIONS: Mapping[str, Callable[..., Any]] = {
    "realtime": RealtimeConnection,
    "transcription": TranscriptionConnection,
    "translation": TranslationConnection,
}
_numbers = itertools.count(1)  # name the threads of connections


@attrs.frozen
class _Due:
    """A frame, or how the network broke; and its seconds since the first entry."""

    time: float
    frame: Frame | ConnectionClosedError


class ReplayTransport(Transport):
    """
    Gives what a recording received, and takes whatever is sent without an answer.

    Nothing is given before `start()`. `start()` is thread-safe, as is `abort()`.

    Args:
        recording: What to replay.
        speed: How many times faster than it was; None waits for nothing.
    """

    def __init__(self, recording: Recording, speed: float | None) -> None:
        self._speed = speed
        self._script = _frames(recording)
        self._next: _Due | None = None
        self._began = 0.0
        self._changed = Condition()
        self._answers: deque[Frame] = deque()
        self._started = False
        self._aborted = False
        self._closed = False  # the client said goodbye, and has its answer

    def start(self) -> None:
        """Let the recorded messages come; calling it again does nothing."""
        with self._changed.lock:
            if not self._started:
                self._started = True
                self._began = monotonic()
                self._changed.notify_all()

    def connect(self, request: ConnectRequest) -> Mapping[str, str]:
        """Return no headers: there is nobody to connect to."""
        return {}

    def receive(self, timeout: float | None = None) -> list[Frame]:
        """Wait for what is due next; see `Transport.receive()`."""
        deadline = Deadline(timeout)
        taken: list[Frame] = []

        def take() -> bool:
            taken.extend(self._take())
            return bool(taken)

        self._changed.wait_for(self._is_going, timeout)
        while not self._changed.wait_for(take, self._until_due(deadline.left())):
            if deadline.expired():
                raise TimeoutError(f"nothing was recorded for {timeout:g} s")
        return taken

    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        """Answer pings and a close frame; ignore the rest."""
        with self._changed.lock:
            if self._aborted:
                raise _broken("aborted", "client")
            self._answers.extend(filter(None, map(_answer, frames)))
            self._changed.notify_all()

    def try_send(self, frames: Sequence[Frame]) -> bool:
        """Do as `send()`, which never waits; see `Transport.try_send()`."""
        try:
            self.send(frames)
        except ConnectionClosedError:  # `send()` raises it again
            return False
        return True

    def abort(self) -> None:
        """Wake who waits; see `Transport.abort()`."""
        with self._changed.lock:
            self._aborted = True
            self._changed.notify_all()

    def release(self) -> None:
        """Close the file."""
        self.abort()
        close = getattr(self._script, "close", None)
        if close is not None:
            close()

    # Private; the first two with the lock held

    def _is_going(self) -> bool:
        """Tell whether it is known when something will come."""
        return self._started or self._aborted or bool(self._answers)

    def _take(self) -> list[Frame]:
        """Return what is due."""
        if self._aborted:
            raise _broken("aborted", "client")
        frames = [self._answers.popleft() for _ in range(len(self._answers))]
        while self._started and not frames[_BATCH:]:
            due = self._peek()
            if due is None or due > monotonic():
                break
            assert self._next is not None
            frame = self._next.frame
            if isinstance(frame, ConnectionClosedError):
                if not frames:
                    raise frame
                break
            frames.append(frame)
            self._next = None
        return frames

    def _until_due(self, timeout: float | None) -> float | None:
        """Return the seconds until more is due, *timeout* at most, if that is known."""
        due = self._peek() if self._started else None
        if due is None:
            return timeout
        seconds = max(0.0, due - monotonic())
        return seconds if timeout is None else min(seconds, timeout)

    def _peek(self) -> float | None:
        """Return when the next entry is due, or None if there is none."""
        if self._next is None:
            self._next = next(self._script, None)
        if self._next is None:
            return None
        if self._speed is None:
            return self._began
        return self._began + self._next.time / self._speed


def _answer(frame: Frame) -> Frame | None:
    opcode, payload = frame
    answer = _ANSWERS.get(opcode)
    return None if answer is None else (answer, payload)


def _frames(recording: Recording) -> Iterator[_Due]:
    time = 0.0
    try:
        first: float | None = None
        for entry in recording:
            first = entry.time if first is None else first
            time = max(time, entry.time - first)
            if isinstance(entry, RecordedEvent) and entry.direction == "received":
                yield _Due(time, (TEXT, _message(entry)))
            elif isinstance(entry, Ending):
                yield _Due(time, _goodbye(entry))
                return
    except (RecordingError, OSError) as exc:
        error = _broken(str(exc), "network")
        error.__cause__ = exc
        yield _Due(time, error)
    yield _Due(time, (CLOSE, close_payload(1000, "the recording ends here")))


def _message(entry: RecordedEvent) -> bytes:
    if entry.type not in ("response.created", "response.done"):
        return entry.message
    response: Any = entry.payload.get("response")
    metadata = response.get("metadata") if isinstance(response, dict) else None
    if not isinstance(metadata, dict) or TOKEN_KEY not in metadata:
        return entry.message
    # Nobody asked for it this time, so it is for those who follow `responses()`.
    rest = {name: each for name, each in metadata.items() if name != TOKEN_KEY}
    return orjson.dumps(
        {**entry.payload, "response": {**response, "metadata": rest or None}}
    )


def _goodbye(ending: Ending) -> Frame | ConnectionClosedError:
    if ending.code == _BROKEN:
        return _broken(ending.reason or "the recorded connection broke", "network")
    if ending.code in _RESERVED or not 1000 <= ending.code < 5000:
        return CLOSE, b""
    return CLOSE, close_payload(ending.code, ending.reason)


def _broken(reason: str, initiated_by: Any) -> ConnectionClosedError:
    return ConnectionClosedError(_BROKEN, reason, initiated_by=initiated_by)


class Replay:
    """
    A recording that is played to a real connection, with no network.

    The connection decodes, keeps its state and runs callbacks as it did then. What is
    sent on it goes nowhere, so a command that waits for the server waits in vain,
    unless the recording holds an answer to one like it. Thread-safe.

    Attributes:
        recording: What is played.
        connection: What hears it; of the kind that was recorded.

    Args:
        recording: A recording, or the path of one.
        speed: How many times faster than it was; None waits for nothing.

    Raises:
        RecordingError: It is no recording.
        ValueError: The speed is not positive.
    """

    def __init__(
        self, recording: Recording | Source, *, speed: float | None = 1.0
    ) -> None:
        if speed is not None:
            check_amount("speed", speed, or_zero=False)
        if not isinstance(recording, Recording):
            recording = Recording(recording)
        self.recording = recording
        self._transport = ReplayTransport(recording, speed)
        self.connection: RealtimeConnection = _CONNECTIONS[recording.kind](
            Opened(
                transport=self._transport,
                created=orjson.dumps(recording.created),
                frames=(),
                client_request_id="",
                headers={},
            ),
            dialect=recording.dialect,
            keepalive=Keepalive(interval=None, timeout=None),
            close_timeout=5.0,
            max_queue=1024 * 1024,
            log_content=False,
            name=f"realtime_sync-replay-{next(_numbers)}",
        )

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Let the recorded events come, once callbacks and iterators are in place."""
        self._transport.start()

    def run(self, timeout: float | None = None) -> None:
        """
        Play the recording to its end; callbacks run meanwhile.

        Raises:
            TimeoutError: It lasted longer than *timeout* seconds.
        """
        check_timeout(timeout)
        self.start()
        if not self.connection.wait_closed(timeout):
            raise TimeoutError(f"the replay did not end within {timeout:g} s")

    def close(self) -> None:
        """Close the connection; idempotent."""
        self.connection.close()


def replay(recording: Recording | Source, *, speed: float | None = 1.0) -> Replay:
    """
    Play a recording to a real connection, with no network; see `Replay`.

    ::

        with replay("call.jsonl", speed=None) as playing:
            playing.connection.on(ServerEvent, print)
            playing.run()

    Args:
        recording: A recording, or the path of one.
        speed: How many times faster than it was; None waits for nothing.

    Raises:
        RecordingError: It is no recording.
        ValueError: The speed is not positive.
    """
    return Replay(recording, speed=speed)

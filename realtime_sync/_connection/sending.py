"""How commands leave: encoded on the caller's thread, then queued; some are awaited."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from .._channel.acknowledgements import ANSWERS, Acknowledgements, Pending
from .._channel.channel import Channel
from .._channel.commands import Command, field_of, identified, kind_of
from .._channel.lanes import Lane
from .._channel.link import State
from .._channel.monitor import Monitor
from .._channel.send_queue import Entered, SendQueue
from .._deadline import Deadline
from .._log_fields import ConnectionFields
from .._logging import log_event
from .._waiting import Flag
from ..errors import SendQueueFull
from ..protocol._model import ClientEvent, ServerEvent
from ..protocol.codec import Dialect, encode
from ..reconnect import ReconnectPolicy
from ..transport import TEXT, Frame


__all__ = ["Sending"]

logger = logging.getLogger("realtime_sync.events")

_LANES: Mapping[str, Lane] = {
    "input_audio_buffer.append": Lane.AUDIO,
    "session.input_audio_buffer.append": Lane.AUDIO,
    "input_audio_buffer.commit": Lane.COMMIT,
    "session.close": Lane.COMMIT,
    "input_audio_buffer.clear": Lane.CLEAR,
    "response.cancel": Lane.OVERTAKE,
    "conversation.item.truncate": Lane.OVERTAKE,
    "output_audio_buffer.clear": Lane.OVERTAKE,
}

# How long the reader thread waits for the queue before it reads again, for a callback.
_TURN = 0.02  # seconds

# Services close with 1009 on more than about 16 MiB; better to say so here.
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class Sending:
    """The half of a connection that sends; `BaseConnection` makes its attributes."""

    _dialect: Dialect
    _monitor: Monitor
    _queue: SendQueue
    _channel: Channel
    _acknowledgements: Acknowledgements
    _reconnect: ReconnectPolicy | None
    _fields: ConnectionFields
    _log_content: bool

    def send(
        self, event: ClientEvent | Mapping[str, Any], *, timeout: float | None = None
    ) -> None:
        """
        Queue a client event, and do not wait for the server.

        Args:
            event: A client event, or a mapping in wire form.
            timeout: Seconds to wait while the send queue is full; None for ever.

        Raises:
            SendQueueFull: The queue stayed full. Nothing was queued.
            ConnectionClosed: The connection has ended.
            TypeError, ValueError: It is no event, or one that cannot be encoded.
        """
        if self._reconnect is None or kind_of(event) not in ANSWERS:
            self._transmit(event, timeout)
        else:  # then it has to be known, after a loss, whether it arrived
            self._begin(identified(event), timeout, awaited=False)

    def flush(self, timeout: float | None = None) -> None:
        """
        Wait until everything queued so far has been handed to the network.

        Raises:
            TimeoutError: It was not in *timeout* seconds.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        if not self._await_mark(self._queue.flush_mark(), timeout):
            raise TimeoutError(f"the send queue was not written for {timeout:g} s")
        if self._channel.state is State.CLOSED:
            raise self._channel.error()

    # Private

    def _ensure_usable(self) -> None:
        raise NotImplementedError

    def _transmit(
        self, event: Command, timeout: float | None, entered: Entered | None = None
    ) -> None:
        payload = encode(event, self._dialect)
        if len(payload) > _MAX_MESSAGE_BYTES:
            raise ValueError(
                f"the event takes {len(payload)} bytes of JSON; services refuse more "
                f"than {_MAX_MESSAGE_BYTES}: send audio in pieces, or smaller images"
            )
        if logger.isEnabledFor(logging.DEBUG):
            with self._fields.bound():
                log_event(logger, ">", event, content=self._log_content)
        kind = kind_of(event)
        key = field_of(event, "event_id") if kind in ANSWERS else None
        self._put(payload, _LANES.get(kind, Lane.COMMAND), timeout, key, entered)

    def _put(
        self,
        payload: bytes,
        lane: Lane,
        timeout: float | None,
        key: str | None = None,
        entered: Entered | None = None,
    ) -> None:
        self._ensure_usable()
        frame = TEXT, payload
        if self._monitor.on_reader_thread():
            self._put_and_read(frame, lane, timeout, key, entered)
        else:
            self._queue.put(frame, lane, timeout, key, entered)

    def _put_and_read(
        self,
        frame: Frame,
        lane: Lane,
        timeout: float | None,
        key: str | None,
        entered: Entered | None,
    ) -> None:
        """Queue on the reader thread, where blocking alone could block for ever."""
        deadline = Deadline(timeout)
        while True:
            try:
                # The server may not read before it is read from: take turns.
                return self._queue.put(frame, lane, _TURN, key, entered)
            except SendQueueFull:
                if deadline.expired():
                    raise
            self._monitor.read_on(_TURN)

    def _await_mark(self, mark: Flag, timeout: float | None) -> bool:
        """Wait until all before *mark* was handed on; tell whether it was in time."""
        if not self._monitor.on_reader_thread():
            return mark.wait(timeout)
        deadline = Deadline(timeout)
        while not mark.is_set():
            if deadline.expired():
                return False
            self._monitor.read_on(_TURN)  # a lost connection is opened again there
        return True

    def _command(
        self,
        event: ClientEvent,
        timeout: float | None,
        fits: Callable[[Any], bool] | None = None,
    ) -> ServerEvent:
        """Send a command and return the event that acknowledges it."""
        deadline = Deadline(timeout)
        pending = self._begin(event, timeout, fits)
        return self._acknowledgements.wait(pending, deadline.left())

    def _begin(
        self,
        event: Command,
        timeout: float | None,
        fits: Callable[[Any], bool] | None = None,
        *,
        awaited: bool = True,
    ) -> Pending:
        """Send a command, and return what will have the server's answer."""
        acknowledgements = self._acknowledgements
        pending = acknowledgements.announce(event, fits, awaited=awaited)
        try:
            # An answer that names nothing is told by the order in which commands leave.
            self._transmit(event, timeout, lambda: acknowledgements.enter(pending))
        except BaseException:
            acknowledgements.forget(pending)
            raise
        return pending

"""
One session on one WebSocket.

Two threads share it: the one that the server starts for the connection reads, and one
of the carrier's own writes, when something is due. So a client that writes much before
it reads is still heard.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from ..protocol import ServerEvent
from ..protocol.codec import Dialect, encode
from ._clock import Clock
from ._core import Ending, Work
from ._errors import RequestError
from ._handshake import Admission
from ._machine import Machine
from ._record import SessionRecord
from ._sabotage import Act, Faults, Send, sabotaged
from .faults import Fault
from .settings import EmulatorSettings


__all__ = ["Admitted", "Carrier", "EmulatorConnection"]

logger = logging.getLogger("realtime_sync.emulator")

_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: a reset instead of a goodbye
# Not select() where there is poll(): a process may hold more than 1,024 descriptors.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Hurry(Exception):
    """The session ends although the client has not read what it was told."""


@frozen
class Admitted:
    """What is known of a client that came in."""

    index: int
    admission: Admission
    setup: Any


class EmulatorConnection(ServerConnection):
    """A connection whose writing can be slowed down."""

    admitted: Admitted | None = None
    bytes_per_second: float | None = None

    def send_data(self) -> None:
        """Write what the protocol has to send, no faster than it may be."""
        if self.bytes_per_second is None:
            super().send_data()
            return
        for data in self.protocol.data_to_send():
            if not data:
                self.socket.shutdown(socket.SHUT_WR)
            step = max(1, int(self.bytes_per_second / 20))
            for start in range(0, len(data), step):
                self.socket.sendall(data[start : start + step])
                time.sleep(len(data[start : start + step]) / self.bytes_per_second)

    def close_socket(self) -> None:
        """
        Close the socket when nobody is in it any more.

        Otherwise TLS, which knows no more than its number, would go on to write or read
        where the next connection has been given that.
        """
        with contextlib.suppress(OSError):  # wakes them
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        if threading.current_thread() is not self.recv_events_thread:
            self.recv_messages.close()  # that thread may be waiting for room
            self.recv_events_thread.join()
        with self.protocol_mutex:  # whoever sends holds it
            self.socket.close()
        super().close_socket()


class Carrier:
    """
    Carries a session over a connection.

    Args:
        connection: The WebSocket, open.
        machine: The session.
        record: Where to note what happens.
        dialect: What the client speaks.
        settings: How the service behaves.
        clock: What time it is.
        faults: What shall go wrong.
        run_outside: Runs a function on another thread.
    """

    def __init__(
        self,
        connection: EmulatorConnection,
        machine: Machine,
        *,
        record: SessionRecord,
        dialect: Dialect,
        settings: EmulatorSettings,
        clock: Clock,
        faults: Faults,
        run_outside: Callable[[Callable[[], None]], object],
    ) -> None:
        self.index = record.index
        self.call_id = record.query.get("call_id")
        self.thread = threading.current_thread()  # it is made on the connection's
        self._connection = connection
        self._machine = machine
        self._record = record
        self._dialect = dialect
        self._settings = settings
        self._clock = clock
        self._run_outside = run_outside
        self._sabotage = sabotaged(faults, record.index)
        # Guards the session and all below.
        self._changed = threading.Condition()
        self._outbox: list[ServerEvent] = []
        self._ending: Ending | None = None
        self._is_over = False
        self._thawed = threading.Event()
        self._writer = threading.Thread(
            target=self._write, name=f"realtime-emulator-writer-{record.index}"
        )

    def start(self) -> None:
        """Begin the session; what it says is sent once `run` is called."""
        self._take(self._machine.start)

    def run(self) -> None:
        """Carry the session until it is over. Call it on the connection's thread."""
        self._writer.start()
        try:
            while True:
                self._take(partial(self._receive, self._connection.recv()))
        except ConnectionClosed:
            pass
        finally:
            self._end()

    def refuse(self, code: str, message: str) -> None:
        """Say that the session cannot be, and close it with code 4000."""
        error = RequestError(message, code=code).event("event_refused", None)
        self._connection.send(encode(error, self._dialect).decode())
        self._connection.close(4000, f"invalid_request_error.{code}")
        self._record.note_server_events([error])
        self._record.note_closed(4000, f"invalid_request_error.{code}")

    def stop(self, code: int = 1001, reason: str = "") -> None:
        """End the session, by default because the emulator ends. Does not wait."""
        with self._changed:
            self._ending = self._ending or Ending(code, reason)
            self._thawed.set()
            self._changed.notify_all()

    def tell(self, event: ServerEvent) -> None:
        """Send an event that the session knows nothing of. Thread-safe."""
        self._take(lambda: [event])

    def abort(self) -> None:
        """Cut the connection, whatever its threads are about. Thread-safe."""
        self._thawed.set()
        self._cut()

    def expire(self, seconds: float) -> None:
        """End the session by its age after *seconds*."""
        with self._changed:
            self._machine.expire(seconds)
            self._changed.notify_all()

    # Into the session

    def _receive(self, data: str | bytes) -> list[ServerEvent]:
        if isinstance(data, bytes):
            error = RequestError("Events are text messages.", code="invalid_event")
            return self._machine.refuse(error)
        return self._machine.receive_message(data)

    def _take(self, call: Callable[[], list[ServerEvent]]) -> None:
        """Let the session do something, and see to what comes of it."""
        with self._changed:
            events = call()
            work = self._machine.take_work()
            if events:
                self._post(events)
            self._changed.notify_all()
        for job in work:
            self._start(job)

    def _start(self, job: Work[Any]) -> None:
        def run() -> None:
            finish = job.run()
            try:
                self._take(lambda: self._machine.complete(finish))
            except Exception:
                logger.exception("session %d failed", self._record.index)
                self._fail()

        self._run_outside(run)

    def _fail(self) -> None:
        with self._changed:
            self._ending = Ending(1011, "The session failed.")
            self._changed.notify_all()

    def _post(self, events: list[ServerEvent]) -> None:
        self._outbox.extend(events)
        if len(self._outbox) > self._settings.max_unsent_events:
            self._ending = Ending(1008, "The client does not read.")
        if self._settings.record:
            self._record.note_server_events(events)

    # Out to the client

    def _write(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                for event in batch:
                    self._send(event)
            self._close()
        except _Hurry:
            self._close()
        except (ConnectionClosed, OSError):
            pass
        except Exception:
            logger.exception("the writer of session %d failed", self._record.index)
            self._cut()

    def _next_batch(self) -> list[ServerEvent] | None:
        """Wait for events to send; None when there will be no more."""
        with self._changed:
            while True:
                if self._is_over:
                    return None
                if self._outbox:
                    batch, self._outbox = self._outbox, []
                    return batch
                if self._ending or self._machine.ending:
                    return None
                self._await_due()

    def _await_due(self) -> None:
        due = self._machine.next_due
        if due is not None and due <= self._clock.now():
            events = self._machine.advance()
            work = self._machine.take_work()
            self._post(events)
            for job in work:
                self._start(job)
        else:
            self._clock.wait(self._changed, due)

    def _close(self) -> None:
        ending = self._ending or self._machine.ending
        if ending is not None and not self._is_over:
            self._record.note_closed(ending.code, ending.reason)
            self._connection.close(ending.code, ending.reason)

    def _send(self, event: ServerEvent) -> None:
        data = encode(event, self._dialect)
        for deed in self._sabotage.apply(event, data):
            if isinstance(deed, Act):
                self._act(deed.fault)
            else:
                self._send_message(deed)

    def _send_message(self, message: Send) -> None:
        connection = self._connection
        self._await_room()
        with connection.send_context():
            if not message.text:
                connection.protocol.send_binary(message.data)
            elif message.parts == 1:
                connection.protocol.send_text(message.data)
            else:
                size = -(-len(message.data) // message.parts)
                pieces = [
                    message.data[start : start + size]
                    for start in range(0, len(message.data), size)
                ]
                connection.protocol.send_text(pieces[0], fin=len(pieces) == 1)
                for index, piece in enumerate(pieces[1:], 2):
                    last = index == len(pieces)
                    connection.protocol.send_continuation(piece, fin=last)

    def _await_room(self) -> None:
        # While a write blocks, websockets reads nothing; so wait for room before it.
        while not self._is_over:
            try:
                if _has_room(self._connection.socket):
                    return
            except (OSError, ValueError):
                return
            if self._ending is not None:
                raise _Hurry

    # Faults of the connection

    def _act(self, fault: Fault) -> None:
        if fault.kind == "slow":
            self._connection.bytes_per_second = fault.value
        elif fault.kind == "cut":
            self._cut()
            raise ConnectionResetError
        elif fault.kind == "freeze":
            self._freeze(fault.value)
        elif fault.kind == "close":
            self._record.note_closed(fault.value, fault.text)
            self._connection.close(fault.value, fault.text)
            raise ConnectionResetError

    def _freeze(self, seconds: float | None) -> None:
        # Whoever holds this lock keeps websockets from reading, hence from pongs.
        with self._connection.protocol_mutex:
            self._thawed.wait(seconds)

    def _cut(self) -> None:
        self._record.note_closed(1006, "")
        sock = self._connection.socket
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # Not the method of a TLS socket, which would pull the rug from under
            # whoever is in it; and the reader has to be woken.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            pass
        self._connection.close_socket()

    def _end(self) -> None:
        code = self._connection.close_code
        self._record.note_closed(
            1006 if code is None else code, self._connection.close_reason or ""
        )
        with self._changed:
            self._is_over = True
            self._thawed.set()
            self._changed.notify_all()
        self._writer.join()


def _has_room(sock: socket.socket) -> bool:
    """Wait a moment until *sock* can be written; tell whether it can."""
    with _Selector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        return bool(selector.select(0.1))

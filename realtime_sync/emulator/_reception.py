"""Who comes in, and whose session runs: what the server does for each connection."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from .._waiting import Condition
from ._carrier import Admitted, Carrier, EmulatorConnection
from ._clock import Clock
from ._factory import MachineFactory
from ._handshake import Refusal, admit, shown_keys
from ._record import SessionRecord
from ._sabotage import Faults, refusal_of
from .control import ControlApi
from .settings import EmulatorSettings


__all__ = ["Reception"]


class Reception:
    """
    Lets clients in, and has their sessions carried. Thread-safe.

    Args:
        settings: How the service behaves.
        clock: What time it is.
        faults: What shall go wrong.
        machines: Makes sessions.
        control: Knows keys and calls.
        deployments: The deployments that there are; None has all.
        run_outside: Runs a function on another thread.

    Attributes:
        sessions: A record for each connection, where they are kept.
    """

    def __init__(
        self,
        *,
        settings: EmulatorSettings,
        clock: Clock,
        faults: Faults,
        machines: MachineFactory,
        control: ControlApi,
        deployments: Collection[str] | None,
        run_outside: Callable[[Callable[[], None]], object],
    ) -> None:
        self.sessions: list[SessionRecord] = []
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._machines = machines
        self._control = control
        self._deployments = deployments
        self._run_outside = run_outside
        self._indexes = itertools.count()
        self._changed = Condition()
        self._carriers: set[Carrier] = set()
        self._is_closed = False

    def close(self) -> None:
        """Stop each session that is to come as soon as it is there."""
        with self._changed.lock:
            self._is_closed = True

    def running(self) -> list[Carrier]:
        """Return who carries the sessions that run, the oldest first."""
        with self._changed.lock:
            return sorted(self._carriers, key=lambda carrier: carrier.index)

    def wait_for_session(self, timeout: float, index: int) -> SessionRecord:
        """
        Return the record of a session, which may still have to begin.

        Raises:
            TimeoutError: It did not begin in *timeout* seconds.
            RuntimeError: No records are kept.
        """
        if not self._settings.record:
            raise RuntimeError(
                "there will be no record: the emulator's settings say record=False"
            )
        if not self._changed.wait_for(lambda: len(self.sessions) > index, timeout):
            raise TimeoutError(f"no session {index} within {timeout} s")
        return self.sessions[index]

    def expire(self) -> None:
        """Let the faults that end sessions by their age have theirs."""
        for carrier in self.running():
            self._expire(carrier)

    def _expire(self, carrier: Carrier) -> None:
        for fault in self._faults.take(carrier.index, lambda fault: fault.is_timed):
            carrier.expire(fault.value)

    # On threads of the server

    def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Return what refuses an upgrade, or None where the client may come in."""
        index = next(self._indexes)
        fault = self._faults.take_handshake(index)
        if fault is not None and fault.kind == "refuse":
            # websockets may hold its lock here, which closing would want.
            socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)
            return None
        if fault is not None:
            return refusal_of(fault).response(request)
        try:
            admission = admit(
                request,
                api_keys=self._control.good_keys(),
                deployments=self._deployments,
            )
            setup = self._control.session_for(admission, shown_keys(request))
        except Refusal as refusal:
            return refusal.response(request)
        assert isinstance(connection, EmulatorConnection)
        connection.admitted = Admitted(index, admission, setup)
        return None

    def serve(self, connection: ServerConnection) -> None:
        """Carry the session of a client that came in, until it is over."""
        assert isinstance(connection, EmulatorConnection)
        assert connection.admitted is not None
        admission = connection.admitted.admission
        record = SessionRecord(
            connection.admitted.index,
            path=admission.path,
            query=admission.query,
            headers=admission.headers,
            dialect=admission.dialect,
        )
        machine = self._machines.make(
            admission.kind,
            model=admission.model,
            dialect=admission.dialect,
            setup=connection.admitted.setup,
            observe=record.note_client_event if self._settings.record else None,
        )
        record.attach(machine)
        carrier = Carrier(
            connection,
            machine,
            record=record,
            dialect=admission.dialect,
            settings=self._settings,
            clock=self._clock,
            faults=self._faults,
            run_outside=self._run_outside,
        )
        with self._adding(carrier, record):
            if admission.error is not None:
                carrier.refuse(*admission.error)
            else:
                carrier.start()
                self._expire(carrier)
                carrier.run()

    @contextmanager
    def _adding(self, carrier: Carrier, record: SessionRecord) -> Iterator[None]:
        with self._changed.lock:
            self._carriers.add(carrier)
            if self._settings.record:
                self.sessions.append(record)
            self._changed.notify_all()
            is_closed = self._is_closed
        if is_closed:
            carrier.stop()
        try:
            yield
        finally:
            with self._changed.lock:
                self._carriers.discard(carrier)

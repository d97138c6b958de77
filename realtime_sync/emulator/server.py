"""`RealtimeEmulator`: the emulated service on a port of this machine."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from ._carrier import Carrier, EmulatorConnection
from ._certificate import Certificate
from ._clock import Clock
from ._factory import MachineFactory
from ._handlers import Handlers
from ._handshake import (
    SUBPROTOCOL,
    Refusal,
    add_ids,
    admit,
    select_subprotocol,
    shown_keys,
)
from ._http import HttpConnection
from ._record import SessionRecord
from ._sabotage import Faults, refusal_of
from ._translation import Translator
from .control import ControlApi
from .faults import Fault
from .replies import Replier, Reply, make_replier
from .settings import EmulatorSettings
from .speech import Speech, default_speech


__all__ = ["RealtimeEmulator"]

# What clients do wrong before there is a session, and what faults do to it, is nobody's
# error here: it is told to those who ask for it.
_websockets_logger = logging.getLogger("realtime_sync.emulator.websockets")
_websockets_logger.setLevel(logging.CRITICAL)


class RealtimeEmulator:
    """
    A local ``/realtime`` service that hears and speaks.

    It is a context manager. All methods are thread-safe::

        with RealtimeEmulator() as emulator:
            client = RealtimeClient(emulator.endpoint, "any-key", model="any")

    Args:
        port: The TCP port; 0 takes a free one.
        host: The address to listen on.
        replies: What the model answers: a function of a `Turn`, a list of replies, or
            None for built-in manners.
        speech: What hears and speaks: a `Speech`, or the name of one as for
            `default_speech`. Nothing is loaded before it is needed.
        translate: Translates in translation sessions: called with a text and the
            language to be spoken; the text itself by default.
        tls: Whether to serve wss, with a certificate that is made for it.
        api_keys: The keys and tokens that are good; None takes any, and none.
        deployments: The deployments, or models, that there are; None has all.
        faults: What shall go wrong, see `Fault`.
        settings: How the service behaves.
        clock: What time it is. With a `ManualClock` a test decides.

    Attributes:
        sessions: What was received and sent, a record for each connection.
        control: The calls and the client secrets, see `ControlApi`.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        replies: Replier | Iterable[Reply | str] | None = None,
        speech: Speech | str = "auto",
        translate: Translator | None = None,
        tls: bool = False,
        api_keys: Collection[str] | None = None,
        deployments: Collection[str] | None = None,
        faults: Iterable[Fault] = (),
        settings: EmulatorSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or EmulatorSettings()
        self.clock = clock or Clock()
        self.sessions: list[SessionRecord] = []
        self._port = port
        self._host = host
        self._speech = speech
        self._tls = tls
        self._deployments = deployments
        self._faults = Faults()
        self._faults.add(*faults)
        self._changed = threading.Condition()
        self._indexes = itertools.count()
        self._carriers: set[Carrier] = set()
        self._certificate: Certificate | None = None
        self._server: Server | None = None
        self._handlers: Handlers | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._is_closed = threading.Event()
        self._machines = MachineFactory(
            settings=self.settings,
            clock=self.clock,
            speech=self._get_speech,
            replies=make_replier(replies),
            translate=translate,
        )
        self.control = ControlApi(
            clock=self.clock,
            api_keys=api_keys,
            configure=self._machines.configuration,
            hang_up=self._hang_up,
        )

    def __enter__(self) -> RealtimeEmulator:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.endpoint if self._server else "not started"
        return f"<RealtimeEmulator {state}, {len(self.sessions)} sessions>"

    # Lifecycle

    def start(self) -> None:
        """
        Listen. Does nothing where it does already.

        Raises:
            OSError: The port is taken.
            RuntimeError: It was closed.
        """
        if self._is_closed.is_set():
            raise RuntimeError("the emulator was closed: make a new one")
        if self._server is not None:
            return
        self._certificate = Certificate(self._host) if self._tls else None
        self._server = self._listen()
        # Not all versions of websockets can tell the threads that they start.
        self._handlers = self._server.handler = Handlers(self._server.handler)
        self._pool = ThreadPoolExecutor(
            max_workers=32, thread_name_prefix="realtime-emulator-work"
        )
        # A daemon, as are the threads that it starts: a program that never closes the
        # emulator must end too, and finalizers run only after all other threads.
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            name="realtime-emulator-server",
            daemon=True,
        )
        self._thread.start()

    def _listen(self) -> Server:
        certificate = self._certificate
        return serve(
            self._serve_connection,
            self._host,
            self._port,
            ssl=certificate.server_context() if certificate else None,
            subprotocols=[SUBPROTOCOL],
            select_subprotocol=select_subprotocol,
            process_request=self._process_request,
            process_response=add_ids,
            create_connection=functools.partial(  # type: ignore[arg-type]
                HttpConnection, answer=self.control.answer
            ),
            compression=None,
            max_size=self.settings.max_message_bytes,
            open_timeout=self.settings.open_timeout,
            ping_interval=self.settings.ping_interval,
            close_timeout=self.settings.close_timeout,
            logger=_websockets_logger,
        )

    def close(self) -> None:
        """End all sessions and stop listening. May be called twice; joins threads."""
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        if self._server is None:
            return
        self._server.socket.close()
        self._end_sessions()
        self._server.shutdown()
        assert self._thread is not None
        assert self._pool is not None
        self._thread.join()
        self._end_sessions()  # of whoever was let in at the last moment
        self._pool.shutdown()
        if self._certificate is not None:
            self._certificate.close()

    def _end_sessions(self) -> None:
        """Say goodbye to all clients, and then leave those who do not answer."""
        assert self._handlers is not None
        self._handlers.close()
        carriers = self._running()
        for carrier in carriers:
            carrier.stop()
        self._handlers.abort(spared=[carrier.thread for carrier in carriers])
        self._handlers.join(2 * self.settings.close_timeout)
        for carrier in self._running():
            carrier.abort()
        self._handlers.abort()
        self._handlers.join()

    def _running(self) -> list[Carrier]:
        with self._changed:
            return list(self._carriers)

    def serve_forever(self) -> None:
        """Serve until `close` is called, or Ctrl-C is pressed."""
        self.start()
        # In slices, so that Ctrl-C is heard on every platform.
        while not self._is_closed.wait(0.5):
            pass

    # What tests and users look at

    @property
    def endpoint(self) -> str:
        """The endpoint for clients, such as ``ws://127.0.0.1:49152``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self.port}"

    @property
    def port(self) -> int:
        """The TCP port; 0 as long as it is not known."""
        if self._server is None or self._is_closed.is_set():
            return self._port
        self._port = int(self._server.socket.getsockname()[1])
        return self._port

    @property
    def ca_file(self) -> Path | None:
        """The file of the authority that signed the certificate; None without TLS."""
        return self._certificate.ca_file if self._certificate else None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what a client connects with; None without TLS."""
        return self._certificate.client_context() if self._certificate else None

    def wait_for_session(
        self, timeout: float = 10.0, *, index: int = 0
    ) -> SessionRecord:
        """
        Return the record of a session, which may still have to begin.

        Args:
            timeout: Seconds to wait at most.
            index: Which connection: 0 is the emulator's first.

        Raises:
            TimeoutError: It did not begin in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.sessions) > index, timeout):
                raise TimeoutError(f"no session {index} within {timeout} s")
            return self.sessions[index]

    def inject(self, *faults: Fault) -> None:
        """Let *faults* happen, on connections to come and on those that are there."""
        self._faults.add(*faults)
        for fault in faults:
            if fault.is_timed:
                self._expire_running(fault)

    def clear_faults(self) -> None:
        """Forget the faults that did not happen yet."""
        self._faults.clear()

    def _expire_running(self, fault: Fault) -> None:
        for carrier in self._running():
            self._expire(carrier)

    def _expire(self, carrier: Carrier) -> None:
        for fault in self._faults.take(carrier.index, lambda fault: fault.is_timed):
            carrier.expire(fault.value)

    # Connections; these run on threads of the server

    def _process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
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
                api_keys=self.control.good_keys(),
                deployments=self._deployments,
            )
            setup = self.control.session_for(admission, shown_keys(request))
        except Refusal as refusal:
            return refusal.response(request)
        connection.admission = (index, admission, setup)  # type: ignore[attr-defined]
        return None

    def _hang_up(self, call_id: str) -> None:
        for carrier in self._running():
            if carrier.call_id == call_id:
                carrier.stop(1000, "The call has ended.")

    def _serve_connection(self, connection: ServerConnection) -> None:
        assert isinstance(connection, EmulatorConnection)
        index, admission, setup = connection.admission  # type: ignore[attr-defined]
        record = SessionRecord(
            index,
            path=admission.path,
            query=admission.query,
            headers=admission.headers,
            dialect=admission.dialect,
        )
        machine = self._machines.make(
            admission.kind,
            model=admission.model,
            dialect=admission.dialect,
            setup=setup,
            observe=record.note_client_event if self.settings.record else None,
        )
        record.attach(machine)
        carrier = Carrier(
            connection,
            machine,
            record=record,
            dialect=admission.dialect,
            settings=self.settings,
            clock=self.clock,
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

    @contextlib.contextmanager
    def _adding(self, carrier: Carrier, record: SessionRecord) -> Any:
        with self._changed:
            self._carriers.add(carrier)
            if self.settings.record:
                self.sessions.append(record)
            self._changed.notify_all()
        if self._is_closed.is_set():
            carrier.stop()
        try:
            yield
        finally:
            with self._changed:
                self._carriers.discard(carrier)

    def _get_speech(self) -> Speech:
        if isinstance(self._speech, str):
            self._speech = default_speech(self._speech)
        return self._speech

    def _run_outside(self, task: Callable[[], None]) -> None:
        assert self._pool is not None
        # Too late: nobody waits for the result any more.
        with contextlib.suppress(RuntimeError):
            self._pool.submit(task)

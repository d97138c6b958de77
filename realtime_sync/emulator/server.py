"""`RealtimeEmulator`: the emulated service on a port of this machine."""

from __future__ import annotations

import functools
import logging
import os
import ssl
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import evolve
from websockets.sync.server import Server, serve

from .._checks import FLAG, FUNCTION, TEXT, Check, Kind, ListOf, Range
from .._recording.reader import Recording
from .._waiting import Flag
from .._worker_pool import WorkerPool
from ..protocol import InputAudioBufferDtmfEventReceived
from ._certificate import Certificate
from ._clock import Clock
from ._factory import MachineFactory
from ._handlers import Handlers
from ._handshake import SUBPROTOCOL, add_ids, select_subprotocol
from ._http import HttpConnection
from ._mcp import make_servers
from ._reception import Reception
from ._record import SessionRecord
from ._recorded_script import Script
from ._sabotage import Faults
from ._translation import Translator
from .control import ControlApi
from .faults import Fault
from .replies import Replier, Reply, make_replier
from .settings import EmulatorSettings
from .speech import Speech, make_speech


__all__ = ["RealtimeEmulator"]

_KEYS = "0123456789*#ABCD"
_CHECKS: Mapping[str, Check] = {
    "port": Range(0, 65_535, is_whole=True),
    "host": TEXT,
    "translate": evolve(FUNCTION, or_none=True),
    "tls": FLAG,
    "api_keys": ListOf(str, "keys", or_none=True),
    "deployments": ListOf(str, "names", or_none=True),
    "faults": Kind(Iterable, "a list of faults"),
    "settings": Kind(EmulatorSettings, "EmulatorSettings", or_none=True),
    "clock": Kind(Clock, "a Clock", or_none=True),
}

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
        recording: A recording whose server's side every client gets, instead of all
            that hears and answers; see `realtime_sync.emulator.recorded`.
        mcp_servers: The tools of MCP servers, by the server's label: functions, which
            the emulator runs as the service runs those of a server.
        tls: Whether to serve wss, with a certificate that is made for it.
        api_keys: The keys and tokens that are good; None takes any, and none.
        deployments: The deployments, or models, that there are; None has all.
        faults: What shall go wrong, see `Fault`.
        settings: How the service behaves.
        clock: What time it is. With a `ManualClock` a test decides.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: It has a wrong value.
        ImportError: *speech* is ``"real"``, and its extra is not installed.
        RecordingError: *recording* is none.

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
        recording: str | os.PathLike[str] | None = None,
        mcp_servers: Mapping[str, Iterable[Callable[..., Any]]] | None = None,
        tls: bool = False,
        api_keys: Collection[str] | None = None,
        deployments: Collection[str] | None = None,
        faults: Iterable[Fault] = (),
        settings: EmulatorSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check(locals())  # the arguments, as long as there is nothing else
        self.settings = settings or EmulatorSettings()
        self.clock = clock or Clock()
        self._port = port
        self._host = host
        self._tls = tls
        self._faults = Faults()
        self._faults.add(*faults)
        speaking = make_speech(speech)
        self._certificate: Certificate | None = None
        self._server: Server | None = None
        self._handlers: Handlers | None = None
        self._thread: threading.Thread | None = None
        self._pool = WorkerPool("realtime-emulator-work")
        self._is_closed = Flag()
        self._machines = MachineFactory(
            settings=self.settings,
            clock=self.clock,
            speech=lambda: speaking,
            replies=make_replier(replies),
            translate=translate,
            mcp_servers=make_servers(mcp_servers or {}),
            script=Script(Recording(recording)) if recording is not None else None,
        )
        self.control = ControlApi(
            clock=self.clock,
            api_keys=api_keys,
            configure=self._machines.configuration,
            hang_up=self._hang_up,
        )
        self._reception = Reception(
            settings=self.settings,
            clock=self.clock,
            faults=self._faults,
            machines=self._machines,
            control=self.control,
            deployments=deployments,
            run_outside=self._pool.submit,
        )
        self.sessions = self._reception.sessions

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
        self._port = int(self._server.socket.getsockname()[1])
        # Not all versions of websockets can tell the threads that they start.
        certificate = self._certificate
        self._handlers = self._server.handler = Handlers(
            self._server.handler,
            tls=certificate.server_context() if certificate else None,
            open_timeout=self.settings.open_timeout,
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
        return serve(
            self._reception.serve,
            self._host,
            self._port,
            subprotocols=[SUBPROTOCOL],
            select_subprotocol=select_subprotocol,
            process_request=self._reception.process_request,
            process_response=add_ids,
            create_connection=functools.partial(  # type: ignore[arg-type]
                HttpConnection, answer=lambda request: self.control.answer(request)
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
        self._reception.close()
        self._end_sessions()
        self._server.shutdown()
        assert self._thread is not None
        self._thread.join()
        _close_pipe(self._server)
        self._end_sessions()  # of whoever was let in at the last moment
        # A replier may think for ever: its thread is left, and keeps nobody alive.
        self._pool.close(self.settings.close_timeout)
        if self._certificate is not None:
            self._certificate.close()

    def _end_sessions(self) -> None:
        """Say goodbye to all clients, and then leave those who do not answer."""
        assert self._handlers is not None
        self._handlers.close()
        carriers = self._reception.running()
        for carrier in carriers:
            carrier.stop()
        self._handlers.abort(spared=[carrier.thread for carrier in carriers])
        self._handlers.join(2 * self.settings.close_timeout)
        for carrier in self._reception.running():
            carrier.abort()
        self._handlers.abort()
        self._handlers.join()

    def serve_forever(self) -> None:
        """Serve until `close` is called, or Ctrl-C is pressed."""
        self.start()
        self._is_closed.wait()

    # What tests and users look at

    @property
    def endpoint(self) -> str:
        """
        The endpoint for clients, such as ``ws://127.0.0.1:49152``.

        Raises:
            RuntimeError: The port is not known before the emulator is started.
        """
        if not self._port:
            raise RuntimeError(
                "the emulator has no port yet: call start(), or use it in a with "
                "statement"
            )
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self._port}"

    @property
    def port(self) -> int:
        """The TCP port; 0 as long as it is not known."""
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
            RuntimeError: The settings say that no records are kept.
        """
        return self._reception.wait_for_session(timeout, index)

    def inject(self, *faults: Fault) -> None:
        """
        Let *faults* happen, on connections to come and on those that are there.

        Raises:
            TypeError: One is no `Fault`.
        """
        self._faults.add(*faults)
        self._reception.expire()

    def clear_faults(self) -> None:
        """Forget the faults that did not happen yet."""
        self._faults.clear()

    def press_key(self, key: str, *, index: int = -1) -> None:
        """
        Let the caller press a key of the telephone, as on calls by SIP.

        Args:
            key: A digit, ``*``, ``#`` or a letter from A to D.
            index: Which of the connections that are open: the newest by default.

        Raises:
            ValueError: There is no such key.
            IndexError: There is no such connection.
        """
        TEXT.check("key", key)
        if len(key) != 1 or key not in _KEYS:
            raise ValueError(f"a telephone has no key {key!r}; there are: {_KEYS}")
        now = int(self.clock.epoch())
        event = InputAudioBufferDtmfEventReceived(event=key, received_at=now)
        running = self._reception.running()
        if not -len(running) <= index < len(running):
            raise IndexError(
                f"connection {index} is not open; wait_for_session() waits for one"
            )
        running[index].tell(event)

    def _hang_up(self, call_id: str) -> None:
        for carrier in self._reception.running():
            if carrier.call_id == call_id:
                carrier.stop(1000, "The call has ended.")


def _check(arguments: Mapping[str, Any]) -> None:
    for name, check in _CHECKS.items():
        check.check(name, arguments[name])


def _close_pipe(server: Server) -> None:
    """Close what woke *server* up, which websockets leaves open before version 17."""
    for name in ("shutdown_watcher", "shutdown_notifier"):
        end = getattr(server, name, None)
        if isinstance(end, int):
            os.close(end)

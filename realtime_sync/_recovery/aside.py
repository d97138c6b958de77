"""Opening the transport of the next session while the present one goes on."""

from __future__ import annotations

import contextvars
import threading
from time import monotonic

from .._channel.link import release
from .._worker_pool import WorkerPool
from ..errors import ConnectError
from ..transport import Transport
from .opening import Opened, Opening


__all__ = ["Aside"]

_FRESH = 10.0  # seconds in which a session that nobody reads from is worth moving to
_GRACE = 0.2  # seconds for an aborted thread to end


class Aside:
    """
    A transport that a thread of its own opens; the methods are for one other thread.

    Args:
        opening: How to open it.
        timeout: Seconds for that.
    """

    def __init__(self, opening: Opening, timeout: float | None) -> None:
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._opened: Opened | None = None
        self._opened_at = 0.0
        self._failure: BaseException | None = None
        self._unwanted = False
        self._pool = WorkerPool(f"{threading.current_thread().name} aside", 1)
        context = contextvars.copy_context()  # the log tells whose connection it is
        self._pool.submit(lambda: context.run(self._open, opening, timeout))

    def is_stale(self) -> bool:
        """Tell whether it has been open for so long that it may not be any more."""
        opened = self._opened is not None
        return opened and monotonic() - self._opened_at > _FRESH

    def result(self) -> Opened | None:
        """
        Return what was opened; None as long as it is not.

        Raises:
            ConnectError, TimeoutError: It failed; or what a credential raised.
        """
        if self._failure is not None:
            raise self._failure
        return self._opened

    def abandon(self) -> None:
        """Close what was opened, or is being opened."""
        with self._lock:
            self._unwanted = True
            transport, opened = self._transport, self._opened
        if transport is not None:
            transport.abort()
        if opened is not None:
            opened.transport.release()
        self._pool.close(_GRACE)

    # Private

    def _open(self, opening: Opening, timeout: float | None) -> None:
        try:
            self._keep(opening.open(timeout, self._announce))
        except BaseException as exc:
            self._failure = exc
        finally:
            self._pool.close()  # there is no other job for it

    def _announce(self, transport: Transport) -> None:
        with self._lock:
            self._transport = transport
            if self._unwanted:
                raise ConnectError("the connection is not needed any more")

    def _keep(self, opened: Opened) -> None:
        with self._lock:
            unwanted = self._unwanted
            if not unwanted:
                self._opened_at = monotonic()
                self._opened = opened
        if unwanted:
            release(opened.transport)

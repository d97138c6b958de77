"""
The writer thread: sends what waits, keeps the connection alive, says goodbye.

When it sleeps, a caller's thread may send its own frame, as far as the network takes it
without waiting; see `SendQueue.sending`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic

from ..errors import ConnectionClosed
from ..transport import PING, TEXT, Frame, Transport
from .link import Link, State, broken, fault


__all__ = ["Writer"]

logger = logging.getLogger("realtime_sync.channel")


class Writer:
    """
    What the writer thread does.

    Args:
        link: What it shares with the reader.
        recovers: Whether a lost transport is replaced.
    """

    def __init__(self, link: Link, *, recovers: bool) -> None:
        self._link = link
        self._heartbeat = link.heartbeat
        self._recovers = recovers

    def run(self) -> None:
        """Write until the end; the body of the thread."""
        link = self._link
        try:
            while (transport := link.await_transport()) is not None:
                try:
                    self._write(transport)
                    break
                except (ConnectionClosed, TimeoutError) as exc:
                    self._lose(transport, exc)
            link.await_close()
        except BaseException as exc:  # a fault of this library: tell every waiter
            logger.exception("the writer thread died")
            link.end(fault(exc))
            link.abort_transport()
        finally:
            link.leave()

    def send_at_once(self, frame: Frame) -> bool:
        """Send on the caller's thread; see `SendQueue.outlet`."""
        transport = self._link.transport
        sent = transport is not None and transport.try_send((frame,))
        if self._link.taps:
            self._tell_sent((frame,))
        return sent

    def _write(self, transport: Transport) -> None:
        """Write what is queued until the queue is closed and empty."""
        queue = self._link.queue
        queue.wait(self._heartbeat.until_due())
        while self._write_batch(transport):
            queue.wait(self._heartbeat.until_due())

    def _write_batch(self, transport: Transport) -> bool:
        """Write what waits, and keep nothing of it; tell whether more may come."""
        link, queue = self._link, self._link.queue
        with queue.sending:
            frames = queue.take()
            if transport is not link.transport:
                raise broken("the connection was lost")
            if frames is None:
                return False
            self._send(transport, frames)
            if link.taps:
                self._tell_sent(frames)
            self._keep_alive(transport)
            return True

    def _tell_sent(self, frames: Sequence[Frame]) -> None:
        for opcode, payload in frames:
            if opcode == TEXT:
                self._link.tell_taps("sent", payload)

    def _send(self, transport: Transport, frames: Sequence[Frame]) -> None:
        """Send, for as long as the reader hears something; see `Heartbeat`."""
        link, heartbeat = self._link, self._heartbeat
        heartbeat.sending = transport, monotonic()
        try:
            is_open = link.state is State.OPEN
            transport.send(frames, None if is_open else link.close_timeout)
        finally:
            heartbeat.sending = None

    def _keep_alive(self, transport: Transport) -> None:
        """Ping when it is time."""
        if self._link.state is State.OPEN and self._heartbeat.ping_due():
            self._send(transport, [(PING, b"realtime")])

    def _lose(self, transport: Transport, exc: Exception) -> None:
        cause = exc if isinstance(exc, ConnectionClosed) else broken(str(exc))
        cause.__cause__ = cause.__cause__ or (exc if exc is not cause else None)
        ends = not self._recovers or self._link.state is not State.OPEN
        self._link.lost(transport, cause, ends=ends)

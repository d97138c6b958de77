"""What every test gets: a connection without a server, and a look at what it left."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import scripted

from realtime_sync import RealtimeConnection
from realtime_sync.transport import FakeTransport


_OURS = ("realtime_sync", "realtime-emulator-")  # daemons too, if they are ours
_LEAVE = 30.0  # seconds in which a thread that was told to end has ended
_OPEN_FILES = Path("/proc/self/fd")  # Linux only; elsewhere sockets go unchecked


def pytest_configure() -> None:
    """Have Ctrl-C heard here and by what tests start: the shell's `&` ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays: half a second at each run."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Give back what the collector passed over: plugins look for what refers to it."""
    gc.unfreeze()


def _threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon or thread.name.startswith(_OURS)
        # Python lists a thread for ever whose start was interrupted before it began.
        if thread.ident is not None
    }


def _sockets() -> set[str]:
    if not _OPEN_FILES.is_dir():
        return set()
    targets = set()
    for name in os.listdir(_OPEN_FILES):
        try:
            targets.add(os.readlink(_OPEN_FILES / name))
        except OSError:  # the descriptor of the listing itself
            continue
    return {target for target in targets if target.startswith("socket:")}


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread running or a socket open."""
    threads, sockets = _threads(), _sockets()
    yield
    if _threads() - threads or _sockets() - sockets:
        gc.collect()  # what is unreachable warns by itself, or ends with its owner
    for thread in _threads() - threads:
        thread.join(_LEAVE)
    if _sockets() - sockets:
        gc.collect()
    left = sorted(thread.name for thread in _threads() - threads)

    assert [] == left
    assert set() == _sockets() - sockets


@pytest.fixture(name="transport")
def _transport() -> FakeTransport:
    """A transport whose server says that the session exists, and then nothing."""
    return FakeTransport(scripted.created())


@pytest.fixture(name="connection")
def _connection(transport: FakeTransport) -> Iterator[RealtimeConnection]:
    """A connection over *transport*."""
    with scripted.connect(transport) as connection:
        yield connection

"""
One seed is one run: a program of several threads, over a network with troubles.

Afterwards the emulator's record is compared with what the callers did. Nothing may be
missing in the session that they end up with, nothing may be there twice, and every call
has to have returned.
"""

from __future__ import annotations

import collections
import itertools
import random
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import attrs
import comparison
from proxy import KINDS, Direction, Kind, Proxy, Trouble
from script import Caller, Ledger, answer, callers, message

from realtime_sync import (
    ConnectError,
    ConnectionClosed,
    RealtimeClient,
    RealtimeConnection,
    RealtimeError,
    Reconnected,
    ReconnectPolicy,
)
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


__all__ = ["Outcome", "Stage", "draw_troubles", "run", "run_with"]

_PATIENCE = 20.0  # seconds that no call takes unless something hangs
_SHORT_PATIENCE = 8.0  # … where answers may be spoilt, so that some never come
_END = 60.0  # seconds in which a run is over unless something hangs
_STORM = 20  # troubles, which come early on each connection
_TROUBLES = (1, 2, 3, 4, 6, _STORM)  # of a run, one of these numbers
_POLICY = ReconnectPolicy(
    connect_tries=50, tries=500, first_delay=0.0, max_delay=0.0, deadline=None
)
_FENCE = "fence"
_numbers = itertools.count()

Program = Callable[[random.Random, RealtimeConnection, Ledger, float], Sequence[Caller]]


@attrs.define
class Outcome:
    """
    What came of a run.

    Attributes:
        seed: The seed.
        secure: Whether it was over TLS.
        spoilt: Whether bytes were changed that nothing protects, so that nothing is
            promised but an end.
        troubles: How often which trouble happened.
        units: How many events or records passed the first connection, by direction.
        sessions: How many the run took.
        seconds: How long it took.
        lost: What is missing in the end, in words.
        doubled: What is there twice.
        disordered: What is not in the order in which it was sent.
        hung: Which calls did not return.
        wrong: What else is not as it should be.
    """

    seed: int
    secure: bool
    spoilt: bool = False
    troubles: collections.Counter[Kind] = attrs.field(factory=collections.Counter)
    units: dict[Direction, int] = attrs.field(factory=dict)
    sessions: int = 0
    seconds: float = 0.0
    lost: list[str] = attrs.field(factory=list)
    doubled: list[str] = attrs.field(factory=list)
    disordered: list[str] = attrs.field(factory=list)
    hung: list[str] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    @property
    def faults(self) -> list[str]:
        """All that is wrong, in words that begin with what kind it is of."""
        kinds = ("lost", "doubled", "disordered", "hung", "wrong")
        return [f"{kind}: {each}" for kind in kinds for each in getattr(self, kind)]


class Stage:
    """The servers for any number of runs; a context manager."""

    def __init__(self) -> None:
        self._emulators: dict[bool, RealtimeEmulator] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for emulator in self._emulators.values():
            emulator.close()

    def emulator(self, *, secure: bool) -> RealtimeEmulator:
        """The server for ws or for wss."""
        with self._lock:
            found = self._emulators.get(secure)
            if found is None:
                settings = EmulatorSettings.instant()
                found = RealtimeEmulator(replies=answer, settings=settings, tls=secure)
                found.start()
                self._emulators[secure] = found
            return found


def draw_troubles(chance: random.Random, *, secure: bool) -> Iterator[Trouble]:
    """Yield the troubles of a run, on one connection after the other."""
    connection = 0
    count = chance.choice(_TROUBLES)
    for _ in range(count):
        kind = chance.choice(KINDS)
        direction: Direction = chance.choice(("up", "down"))
        yield Trouble(
            kind=kind,
            connection=connection,
            direction=direction,
            # The first few are the handshake; then the new session is told everything.
            unit=int(chance.expovariate(1 / 20 if count < _STORM else 1 / 6)),
            offset=chance.choice((0, None, chance.randrange(1, 100_000))),
            seconds=chance.choice((0.01, 0.1, 0.3)),
        )
        ends = kind in ("dead", "fin", "reset") or (kind == "corrupt" and secure)
        connection += ends or chance.random() < 0.3


def run(seed: int, stage: Stage) -> Outcome:
    """Run a seed and say what came of it."""
    chance = random.Random(seed)
    secure = chance.random() < 0.4
    troubles = list(draw_troubles(chance, secure=secure))
    return run_with(
        troubles, stage, chance=chance, outcome=Outcome(seed, secure), program=callers
    )


def run_with(
    troubles: Sequence[Trouble],
    stage: Stage,
    *,
    chance: random.Random,
    outcome: Outcome,
    program: Program,
) -> Outcome:
    """
    Run a program while there are troubles.

    Args:
        troubles: The troubles.
        stage: Where to run it.
        chance: Decides on what is left open.
        outcome: What is known beforehand; is completed.
        program: Returns the callers for a connection.
    """
    began = monotonic()
    secure = outcome.secure
    emulator = stage.emulator(secure=secure)
    spoils = not secure and any(each.kind == "corrupt" for each in troubles)
    patience = _SHORT_PATIENCE if spoils else _PATIENCE
    with Proxy(emulator.port, troubles, secure=secure, seed=outcome.seed) as proxy:
        _Run(chance, outcome, emulator, proxy, program, patience).play()
        outcome.troubles, outcome.units = proxy.happened, proxy.units
    outcome.seconds = monotonic() - began
    return outcome


def _is_garbled(error: Exception) -> bool:
    """Tell whether TLS could not begin; nobody knows then that the server speaks it."""
    return isinstance(error.__cause__, ssl.SSLError)


class _Run:
    """A run while it is played."""

    def __init__(
        self,
        chance: random.Random,
        outcome: Outcome,
        emulator: RealtimeEmulator,
        proxy: Proxy,
        program: Program,
        patience: float,
    ) -> None:
        self._chance = chance
        self._outcome = outcome
        self._emulator = emulator
        self._proxy = proxy
        self._program = program
        self._patience = patience
        self._name = f"run-{next(_numbers)}"
        self._ledger = Ledger()
        self._notices: list[Reconnected] = []

    def play(self) -> None:
        try:
            connection = self._client().connect()
        except (ConnectError, RealtimeError, TimeoutError) as exc:
            if not self._is_spoilt() and not _is_garbled(exc):
                self._outcome.wrong.append(f"connect: {exc!r}")
            return
        connection.on(Reconnected, self._notices.append)
        connection.on_error(lambda exc: self._ledger.errors.append(f"told: {exc!r}"))
        try:
            self._play(connection)
        finally:
            self._leave(connection)

    def _client(self) -> RealtimeClient:
        scheme = "wss" if self._outcome.secure else "ws"
        return RealtimeClient(
            f"{scheme}://127.0.0.1:{self._proxy.port}",
            "key",
            model="m",
            session={
                "instructions": "0",
                "output_modalities": ["text"],
                "audio": {"input": {"turn_detection": None}},
            },
            headers={"x-run": self._name},
            keep_audio=self._chance.random() < 0.3,
            proxy="",
            ssl_context=self._emulator.ssl_context(),
            reconnect=attrs.evolve(
                _POLICY, resume_responses=self._chance.random() < 0.3
            ),
            open_timeout=2.0,
            close_timeout=2.0,
            ping_interval=0.5,
            ping_timeout=0.5,
        )

    def _play(self, connection: RealtimeConnection) -> None:
        try:
            programs = self._program(
                self._chance, connection, self._ledger, self._patience
            )
        except (ConnectionClosed, TimeoutError, RealtimeError) as exc:
            if not self._is_spoilt():
                self._outcome.wrong.append(f"set up: {exc!r}")
            return
        self._run_all(programs)
        self._proxy.calm()
        try:
            connection.create_item(message(_FENCE, "the end"), timeout=self._patience)
        except (ConnectionClosed, TimeoutError) as exc:
            if not self._is_spoilt():
                self._outcome.wrong.append(f"the end: {exc!r}")
        if not self._is_spoilt():
            self._compare(connection)

    def _run_all(self, programs: Sequence[Caller]) -> None:
        threads = [
            threading.Thread(target=each.run, name=f"{self._name} {each.name}")
            for each in programs
        ]
        for thread in threads:
            thread.start()
        deadline = monotonic() + _END
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                self._outcome.hung.append(thread.name)
        self._outcome.hung += self._ledger.slow

    def _is_spoilt(self) -> bool:
        """Tell whether bytes were changed that nothing protects."""
        spoilt = not self._outcome.secure and self._proxy.happened["corrupt"] > 0
        self._outcome.spoilt = spoilt
        return spoilt

    def _compare(self, connection: RealtimeConnection) -> None:
        outcome, sessions = self._outcome, self._sessions()
        outcome.sessions = len(sessions)
        outcome.wrong += self._ledger.errors
        final = [
            each for each in sessions if _FENCE in {item.id for item in each.items}
        ]
        if not final:
            outcome.lost.append("the item that was created last")
            return
        found = comparison.compare(
            self._ledger, sessions, final[-1], self._notices, connection
        )
        outcome.lost += found.lost
        outcome.doubled += found.doubled
        outcome.disordered += found.disordered
        outcome.wrong += found.wrong

    def _sessions(self) -> list[comparison.SessionRecord]:
        return [
            each
            for each in list(self._emulator.sessions)
            if each.headers.get("x-run") == self._name
        ]

    def _leave(self, connection: RealtimeConnection) -> None:
        connection.close()
        for thread in connection._channel.threads:
            thread.join(5.0)
            if thread.is_alive():
                self._outcome.hung.append(thread.name)

"""What is measured, of whom, and which share of openai-python's cost is aimed at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .clients import CLIENTS


__all__ = ["GROWTH", "SLOW", "Row", "plan"]

GROWTH = "growth: "  # how the names of its rows begin

# Checks UTF-8 in Python, which takes a hundred times as long as all the rest together.
SLOW = ("websocket-client",)

_EVERYBODY = tuple(CLIENTS)
_WITHOUT_VOICE_LIVE = tuple(name for name in CLIENTS if CLIENTS[name].tls)
_LIVE = ("realtime_sync", "openai", "websockets + msgspec")
_OURS = ("realtime_sync",)
_QUICK = ("realtime_sync", "openai", "websockets + msgspec", "bare socket")


@dataclass(frozen=True)
class Row:
    """
    One line of the table.

    Attributes:
        name: Says what is measured.
        work: What the worker does.
        model: What the server does.
        figure: The figure that counts; less is better.
        target: The share of openai-python's figure that is aimed at, or an absolute
            figure where `absolute` is set, or None.
        clients: Who is measured.
        arguments: Those of the work.
        rounds: The most rounds that are worth the time.
        unit: How many units the figure is for, where it is shown for one.
    """

    name: str
    work: str
    model: str = ""
    figure: str = "cpu_us"
    target: float | None = None
    absolute: bool = False
    clients: Sequence[str] = _OURS
    arguments: dict[str, Any] = field(default_factory=dict)
    tls: bool = False
    rounds: int = 5
    unit: float = 1

    @property
    def key(self) -> str:
        """What is the same for all rows that show figures of one measurement."""
        return repr((self.work, self.model, self.tls, self.arguments))

    def of(self, clients: Sequence[str]) -> Row:
        """Return the row for these clients only."""
        return replace(self, clients=tuple(clients))

    def lighter(self) -> Row:
        """Return the row with a tenth of the events to receive."""
        if self.work != "receive":
            return self
        count = self.arguments["count"] // 10
        model = f"{self.model.rpartition('-')[0]}-{count}"
        return replace(self, model=model, arguments={"count": count})


def _audio(quick: bool) -> Iterator[Row]:
    n = 2_000 if quick else 10_000
    for ms, tls, target in ((100, False, 0.11), (100, True, 0.15), (25, False, 0.07)):
        yield Row(
            f"receive {ms} ms deltas, {'wss' if tls else 'ws'}",
            "receive",
            f"receive-{ms}ms-{n}",
            target=target,
            clients=_WITHOUT_VOICE_LIVE if tls else _EVERYBODY,
            arguments={"count": n},
            tls=tls,
        )
    for ms, tls, target in ((20, False, 0.07), (20, True, 0.07), (100, False, 0.13)):
        yield Row(
            f"send {ms} ms appends, {'wss' if tls else 'ws'}",
            "send",
            "send",
            target=target,
            clients=_WITHOUT_VOICE_LIVE if tls else _EVERYBODY,
            arguments={"count": n // 3, "size": ms * 48},
            tls=tls,
        )
    for figure, target in (("p50_us", 0.20), ("cpu_us", 0.12)):
        yield Row(
            f"round trip of a command, {'p50' if figure == 'p50_us' else 'CPU'}",
            "command",
            "command",
            figure=figure,
            target=target,
            clients=_EVERYBODY,
            arguments={"count": n // 5},
        )


def _live(quick: bool) -> Iterator[Row]:
    seconds = 2 if quick else 4
    for tls, target in ((False, 0.25), (True, 0.30)):
        for figure, limit in (("cpu_us", target), ("late_p99_ms", 1.0)):
            if quick and (tls or figure != "cpu_us"):
                continue
            what = "CPU" if figure == "cpu_us" else "lateness p99"
            yield Row(
                f"50 live conversations, {'wss' if tls else 'ws'}, {what}",
                "live",
                "live",
                figure=figure,
                target=limit,
                absolute=figure != "cpu_us",
                clients=_LIVE,
                arguments={"conversations": 50, "seconds": seconds},
                tls=tls,
            )
    for conversations, limit in ((100, 5.0), (200, 20.0)):
        if not quick:
            yield Row(
                f"{conversations} live conversations, ws, lateness p99",
                "live",
                "live",
                figure="late_p99_ms",
                target=limit,
                absolute=True,
                arguments={"conversations": conversations, "seconds": seconds},
            )


def _footprint() -> Iterator[Row]:
    yield Row(
        "memory of a further connection",
        "memory",
        "command",
        figure="each_kb",
        target=150,
        absolute=True,
        clients=("realtime_sync", "openai", "websockets + msgspec"),
        arguments={"connections": 50},
    )
    for name, figure, target in (
        ("memory of a process with one connection", "total_kb", 0.45),
        ("import of the client's class", "import_ms", None),
        ("that and the first connection, CPU", "connected_ms", None),
    ):
        yield Row(
            name,
            "first",
            figure=figure,
            target=target,
            clients=("realtime_sync", "openai"),
        )
    yield Row(
        "import of the package alone",
        "import",
        figure="import_ms",
        target=0.2,
        clients=("realtime_sync", "openai", "azure-ai-voicelive"),
    )


def _growth() -> Iterator[Row]:
    """Yield what should cost the same for each unit, however many there are."""
    for conversations in (1, 10, 50, 200):
        yield Row(
            f"{GROWTH}a second of a live conversation, of {conversations}",
            "live",
            "live",
            arguments={"conversations": conversations, "seconds": 3},
            rounds=3,
        )
    for size in (1_000, 10_000, 100_000, 1_000_000):
        n = max(100, 20_000_000 // size)
        pcm = (size - 200) * 3 // 4  # what is left of the message for the audio
        yield Row(
            f"{GROWTH}1,000 bytes, of a message of {size:,}",
            "receive",
            f"receive-{pcm}-{n}",
            arguments={"count": n},
            unit=size / 1000,
            rounds=3,
        )
    for n in (10, 100, 1_000, 10_000):
        yield Row(
            f"{GROWTH}an item, of {n:,} in a conversation",
            "items",
            f"receive-items-{n}",
            arguments={"count": n, "conversations": max(1, 1000 // n)},
            rounds=3,
        )
    for callbacks in (1, 10, 100, 1_000):
        n = 3_000_000 // (callbacks + 100) // 10
        yield Row(
            f"{GROWTH}a callback of a delta, of {callbacks:,}",
            "callbacks",
            f"receive-1000-{n}",
            arguments={"count": n, "callbacks": callbacks},
            unit=callbacks,
            rounds=3,
        )
    for name, figure in (("first", "first_us"), ("last", "cpu_us")):
        yield Row(
            f"{GROWTH}a delta of an hour of audio, in its {name} tenth",
            "hour",
            "receive-4800-3600",
            figure=figure,
            arguments={"bursts": 10, "count": 3600},
            rounds=3,
        )
    yield Row(
        f"{GROWTH}kB of memory, after the hour",
        "hour",
        "receive-4800-3600",
        figure="grown_kb",
        arguments={"bursts": 10, "count": 3600},
        rounds=3,
    )


def plan(quick: bool) -> Iterator[Row]:
    """Yield every row, or those of the quick run, with the clients that matter most."""
    for row in (*_audio(quick), *_live(quick), *_footprint()):
        yield row.of([c for c in row.clients if c in _QUICK]) if quick else row
    if not quick:
        yield from _growth()

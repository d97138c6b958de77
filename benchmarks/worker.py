"""
One measurement, in a process of its own: ``python -m benchmarks.worker``.

It reads one JSON object from its arguments and writes one to its standard output.
CPU time is the process's, of all its threads, in the kernel too.
"""

from __future__ import annotations

import json
import os
import resource
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .clients import CLIENTS, Client, LiveClient, Ours


__all__ = ["main"]

Result = dict[str, float]
_UP = bytes(960)  # 20 ms of PCM
_FRAME = 0.02  # seconds


class _Meter:
    """CPU and clock between its making and `per()`."""

    def __init__(self) -> None:
        self._cpu, self._clock = time.process_time(), time.perf_counter()

    def per(self, count: int) -> Result:
        """Return the microseconds of CPU for each of *count*, and how many a second."""
        cpu = time.process_time() - self._cpu
        clock = time.perf_counter() - self._clock
        return {"cpu_us": cpu / count * 1e6, "per_s": count / clock}


def _receive(client: Client, count: int) -> Result:
    client.receive()
    meter = _Meter()
    received = client.receive()
    return {**meter.per(count), "bytes": received}


def _send(client: Client, count: int, size: int) -> Result:
    pcm = bytes(i * 7 % 251 for i in range(size))
    client.send(pcm, count // 10)
    meter = _Meter()
    client.send(pcm, count)
    return meter.per(count)


def _command(client: Client, count: int) -> Result:
    client.round_trips(count // 10)
    meter = _Meter()
    seconds = client.round_trips(count)
    return {**meter.per(count), "p50_us": statistics.median(seconds) * 1e6}


def _live(make: Callable[[], Client], conversations: int, seconds: float) -> Result:
    """Hold conversations in real time: 100 ms deltas down, 20 ms appends up."""
    clients = [make() for _ in range(conversations)]
    late: list[float] = []

    def heard(event_id: str, pcm: bytes) -> None:
        sent = int(event_id.removeprefix("event_"))
        late.append((time.monotonic_ns() - sent) / 1e6)

    for client in clients:
        assert isinstance(client, LiveClient)
        client.listen(heard)
    _speak(clients, 1.0)
    late.clear()
    meter = _Meter()
    _speak(clients, seconds)
    # A hundredth of one core's time is a per cent; seconds of audio are the unit.
    result = meter.per(max(1, round(conversations * seconds)))
    late.sort()
    result["late_p50_ms"] = late[len(late) // 2]
    result["late_p99_ms"] = late[len(late) * 99 // 100]
    result["heard"] = len(late) / conversations / seconds
    return result


def _speak(clients: list[Any], seconds: float) -> None:
    """Append 20 ms to each conversation every 20 ms, evenly spread over them."""
    started = time.perf_counter()
    ticks = max(1, min(10, len(clients)))  # wake-ups in 20 ms
    for tick in range(round(seconds / _FRAME * ticks)):
        due = started + tick * _FRAME / ticks
        if (wait := due - time.perf_counter()) > 0:
            threading.Event().wait(wait)
        for client in clients[tick % ticks :: ticks]:
            client.append(_UP)


def _memory(make: Callable[[], Client], connections: int) -> Result:
    """Return what each connection above the first takes."""
    clients = [make()]
    first = _resident()
    clients += [make() for _ in range(connections)]
    each = (_resident() - first) / connections
    for client in clients:
        client.close()
    return {"each_kb": each}


def _resident() -> float:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return float(line.split()[1])


def _callbacks(client: Client, count: int, callbacks: int) -> Result:
    """Receive with so many callbacks for each delta."""
    import realtime_sync

    assert isinstance(client, Ours)
    for _ in range(callbacks - 1):
        client.connection.on(realtime_sync.ResponseOutputAudioDelta, lambda _: None)
    return _receive(client, count)


def _items(make: Callable[[], Client], count: int, conversations: int) -> Result:
    """Receive so many items in each of some new conversations."""
    clients = [make() for _ in range(conversations + 1)]
    clients.pop().receive()  # makes what all conversations share
    meter = _Meter()
    for client in clients:
        client.receive()
    result = meter.per(count * conversations)
    for client in clients:
        client.close()
    return result


def _hour(client: Client, bursts: int, count: int) -> Result:
    """Receive the same again and again; compare the last bursts with the first."""
    client.receive()
    memory, cpu = _resident(), []
    for _ in range(bursts):
        meter = _Meter()
        client.receive()
        cpu.append(meter.per(count)["cpu_us"])
    tenth = max(1, bursts // 10)
    grown = _resident() - memory
    first, last = statistics.median(cpu[:tenth]), statistics.median(cpu[-tenth:])
    return {"cpu_us": last, "first_us": first, "grown_kb": grown}


_OF_MANY = {"live": _live, "memory": _memory, "items": _items}


def _measure(task: dict[str, Any]) -> Result:
    context = None
    if task["tls"]:
        context = ssl.create_default_context(cafile=task["ca"])
    model = task["model"]

    def make() -> Client:
        return CLIENTS[task["client"]](task["url"], model, context)

    work, arguments = task["work"], task["arguments"]
    if work in _OF_MANY:
        return _OF_MANY[work](make, **arguments)
    client = make()
    result = _WORKS[work](client, **arguments)
    client.close()
    return result


_WORKS: dict[str, Callable[..., Result]] = {
    "receive": _receive,
    "send": _send,
    "command": _command,
    "callbacks": _callbacks,
    "hour": _hour,
}


def main() -> None:
    """Measure what the argument says."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    result = _measure(json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)  # live connections may be open, and some clients hang in closing them


if __name__ == "__main__":
    main()

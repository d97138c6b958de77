"""
Items a minute of batches: over sessions, and over threads, processes and Dask.

``python -m benchmarks.throughput`` (extras ``bench`` and ``dask``) prints two tables.
In the first the service takes its time, as a model does: it shows how sessions add up.
In the second it answers at once: so it shows what this side takes, and where threads no
longer help because one of them holds the interpreter.

CPU is that of the processes that run items, of all their threads; the emulator is in a
process of its own.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from realtime_sync import RealtimeClient, ask_many, transcribe_many
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


_SLOW = EmulatorSettings.instant(
    response_delay=0.5, transcription_delay=0.5, record=False
)
_QUICK = EmulatorSettings.instant(record=False)
_SECONDS_OF_AUDIO = 10
_QUESTION = "Please say something short about the fjords of Norway."


def make_client(endpoint: str) -> RealtimeClient:
    return RealtimeClient(endpoint, "any", model="m", proxy="")


def cpu_of_process(_: int = 0) -> tuple[int, float]:
    """Return the id of this process, and the CPU seconds of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return os.getpid(), used.ru_utime + used.ru_stime


def serve(pipe: Connection, settings: EmulatorSettings) -> None:
    with RealtimeEmulator(
        replies=lambda turn: "They were carved by ice.",
        speech=ToneSpeech(),
        settings=settings,
    ) as emulator:
        pipe.send(emulator.endpoint)
        pipe.recv()


@contextmanager
def emulating(settings: EmulatorSettings) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, settings))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("enough")
        process.join()


@contextmanager
def executor_of(kind: str, workers: int) -> Iterator[Executor]:
    if kind == "threads":
        with ThreadPoolExecutor(workers) as threads:
            yield threads
    elif kind == "processes":
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as processes:
            yield processes
    else:
        with _dask(workers) as executor:
            yield executor


@contextmanager
def _dask(workers: int) -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    cores = min(2, workers)
    with (
        LocalCluster(
            n_workers=cores,
            threads_per_worker=workers // cores,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def batch_of(work: str, endpoint: str, count: int, **options: Any) -> Any:
    client = partial(make_client, endpoint)
    if work == "ask":
        return ask_many([_QUESTION] * count, client, **options)
    pcm = ToneSpeech().speak(_QUESTION)
    audio = (pcm * (_SECONDS_OF_AUDIO * 48_000 // len(pcm) + 1))[
        : _SECONDS_OF_AUDIO * 48_000
    ]
    sources = {str(number): audio for number in range(count)}
    return transcribe_many(sources, client, source_rate=24_000, **options)


def measure(
    work: str, endpoint: str, kind: str, sessions: int, count: int
) -> tuple[float, float]:
    """Return items a minute, and CPU milliseconds of an item."""
    with executor_of(kind, sessions) as executor:
        run = partial(batch_of, work, endpoint, executor=executor, sessions=sessions)
        for result in run(count=sessions * 2):  # imports, sessions
            result.unwrap()
        cpu = _cpu(executor, sessions)
        began = time.perf_counter()
        for result in run(count=count):
            result.unwrap()
        seconds = time.perf_counter() - began
        used = _cpu(executor, sessions) - cpu
    return count * 60 / seconds, used / count * 1000


def _cpu(executor: Executor, workers: int) -> float:
    """Return the CPU of all processes that run items, and of this one."""
    found = dict([cpu_of_process()])
    asked = [executor.submit(cpu_of_process, n) for n in range(workers * 8)]
    for future in asked:
        process, seconds = future.result()
        found[process] = max(seconds, found.get(process, 0.0))
    return sum(found.values())


def table(title: str, settings: EmulatorSettings, rows: Any, scale: float) -> None:
    print(f"\n{title}\n")
    print("| work | on | sessions | items a minute | CPU of an item, ms |")
    print("| --- | --- | --- | --- | --- |")
    with emulating(settings) as endpoint:
        for work, kind, sessions, count in rows:
            rate, cpu = measure(work, endpoint, kind, sessions, int(count * scale))
            print(f"| {work} | {kind} | {sessions} | {rate:,.0f} | {cpu:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--scale", type=float, default=1.0, help="of the items' number")
    options = parser.parse_args()
    print(f"load: {Path('/proc/loadavg').read_text().strip()}; {os.cpu_count()} cores")
    slow = [
        (work, kind, sessions, 20 * sessions)
        for work in ("ask", "transcribe")
        for kind in ("threads", "processes", "dask")
        for sessions in (1, 4, 16)
    ]
    table("The service takes 0.5 s for each item", _SLOW, slow, options.scale)
    quick = [
        (work, kind, sessions, 200)
        for work in ("ask", "transcribe")
        for kind, counts in {
            "threads": (1, 2, 4, 16),
            "processes": (1, 2, 4),
            "dask": (2, 4),
        }.items()
        for sessions in counts
    ]
    table("The service answers at once", _QUICK, quick, options.scale)


if __name__ == "__main__":
    main()

"""Ask many questions on a Dask cluster, and lose one of its workers in the middle."""

import logging
import os
import signal
from collections import Counter
from functools import partial

from distributed import Client, LocalCluster

from realtime_sync import RealtimeClient, ask_many
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


CITIES = ("Norway", "Italy", "France", "Spain", "Japan", "Egypt")


def make_client(endpoint: str) -> RealtimeClient:
    """Runs where the items run: there the credential is made, and there it stays."""
    return RealtimeClient(endpoint, os.environ.get("KEY", "any"), model="gpt-realtime")


def main() -> None:
    questions = [f"What is the capital of {city}?" for city in CITIES * 10]
    settings = EmulatorSettings(response_delay=0.05)
    with (
        RealtimeEmulator(speech="tone", settings=settings) as emulator,
        LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as cluster_client,
        ask_many(
            questions,
            partial(make_client, emulator.endpoint),
            executor=cluster_client.get_executor(),
            sessions=4,
        ) as batch,
    ):
        ended = Counter()
        for result in batch:
            assert result.value is not None, result.error
            ended[result.key] += 1
            if ended.total() == 15:
                victim = next(iter(cluster.workers.values()))
                os.kill(victim.pid, signal.SIGKILL)
                print("killed a worker after 15 answers")

    print(f"{len(ended)} of {len(questions)} questions answered")
    print(f"{sum(count > 1 for count in ended.values())} of them twice")
    print(f"{len(emulator.sessions)} sessions for them")


if __name__ == "__main__":
    main()

"""
The first connection of a process: ``python -m benchmarks.first CLIENT URL``.

It imports nothing before the clock runs, so that all that a client needs is counted.
"""

import sys
import time
from collections.abc import Iterator


def _ours(url: str) -> Iterator[None]:
    from realtime_sync import RealtimeClient

    yield
    connection = RealtimeClient(url, "key", model="command").connect()
    yield
    connection.close()


def _openai(url: str) -> Iterator[None]:
    from openai import OpenAI

    yield
    client = OpenAI(api_key="key", websocket_base_url=f"{url}/v1")
    with client.realtime.connect(model="command") as connection:
        connection.recv()
        yield


def main(client: str, url: str) -> None:
    """Write, as JSON, what the import and the connection took."""
    steps = {"realtime_sync": _ours, "openai": _openai}[client](url)
    started = time.process_time()
    next(steps)
    imported = time.process_time()
    next(steps)
    connected = time.process_time()
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    figures = {
        "import_ms": (imported - started) * 1e3,
        "connected_ms": (connected - started) * 1e3,
        "total_kb": float(line.split()[1]),
    }
    sys.stdout.write(str(figures).replace("'", '"') + "\n")
    next(steps, None)


if __name__ == "__main__":
    main(*sys.argv[1:])

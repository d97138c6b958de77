"""
How fast this library is, beside others: ``python -m benchmarks [--quick]``.

A server runs in a process of its own, and each measurement in another one. The rounds
of all clients alternate, so that a busy machine harms all of them alike; the figures
are medians of the rounds, and CPU time is the measured process's own. Results are
written as JSON, as a table in Markdown and as a chart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .plan import SLOW, Row, plan
from .report import update_page, write_report


_TIMEOUT = 60  # seconds; some clients hang now and then as they connect over TLS


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        timeout=_TIMEOUT,
        text=True,
        check=True,
    )
    return done.stdout


@contextlib.contextmanager
def _server() -> Iterator[dict[str, str]]:
    """Run the load server; yield its URLs and the file of its authority."""
    with tempfile.TemporaryDirectory() as folder:
        ca_file = str(Path(folder, "ca.pem"))
        command = [sys.executable, "-m", "benchmarks.server", ca_file]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            assert server.stdin is not None
            ports = json.loads(server.stdout.readline())
            urls = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
            yield {**urls, "ca": ca_file}
            server.stdin.close()


_IMPORT = """
import sys, time
cpu = time.process_time()
__import__(sys.argv[1])
print(f'{{"import_ms": {(time.process_time() - cpu) * 1e3}}}')
"""
_MODULES = {
    "realtime_sync": "realtime_sync",
    "openai": "openai",
    "azure-ai-voicelive": "azure.ai.voicelive.aio",
}


def _measure(row: Row, client: str, server: dict[str, str]) -> dict[str, float]:
    if row.work == "import":
        command = [sys.executable, "-c", _IMPORT, _MODULES[client]]
        return json.loads(subprocess.check_output(command))
    if row.work == "first":
        return json.loads(_run("benchmarks.first", client, server["ws"]))
    row = row.lighter() if client in SLOW else row
    task = {
        "client": client,
        "work": row.work,
        "model": row.model,
        "tls": row.tls,
        "url": server["wss" if row.tls else "ws"],
        "ca": server["ca"],
        "arguments": row.arguments,
    }
    return json.loads(_run("benchmarks.worker", json.dumps(task)))


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: statistics.median(each[name] for each in rounds) for name in rounds[0]
    }


def _measure_row(row: Row, rounds: int, server: dict[str, str]) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {client: [] for client in row.clients}
    for _ in range(rounds):
        for client, results in found.items():
            try:
                results.append(_measure(row, client, server))
            except subprocess.SubprocessError as exc:
                sys.stderr.write(f"{row.name}: a round of {client} left out: {exc}\n")
    return {client: _medians(each) for client, each in found.items() if each}


def main() -> None:
    """Measure everything, or what was asked for, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute")
    parser.add_argument("--rounds", type=int, help="5, or 1 with --quick")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--client", default="", help="clients whose name contains this")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--page", type=Path, help="a page to put the results into")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    os.environ["PYTHONWARNINGS"] = "ignore"  # of other libraries
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # imports come from the cache

    results: dict[str, Any] = {}
    measured: dict[str, Any] = {}  # two rows may show two figures of one measurement
    # Ctrl-C ends the measuring, and leaves what there is to the report.
    with contextlib.suppress(KeyboardInterrupt), _server() as server:
        for row in plan(options.quick):
            clients = [name for name in row.clients if options.client in name]
            if options.only not in row.name or not clients:
                continue
            row = row.of(clients)
            if row.key not in measured:
                found = _measure_row(row, min(rounds, row.rounds), server)
                measured[row.key] = found
            found = measured[row.key]
            results[row.name] = {name: found[name] for name in clients if name in found}
            sys.stdout.write(f"{row.name}: {json.dumps(results[row.name])}\n")
            sys.stdout.flush()
    write_report(results, rounds, options.output, options.quick)
    if options.page:
        update_page(options.page, options.output)


if __name__ == "__main__":
    main()

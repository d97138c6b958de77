"""Results as JSON, as a table in Markdown, and as a chart."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .plan import Row, plan


__all__ = ["write_report"]

_BASELINE, _OURS = "openai", "realtime_sync"
_LIBRARIES = (
    "openai",
    "azure-ai-voicelive",
    "websockets",
    "websocket-client",
    "msgspec",
    "orjson",
    "pybase64",
)
Results = dict[str, dict[str, dict[str, float]]]


def machine() -> str:
    """Return one line about where and with what it was measured."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if "model name" in line]
        model = names[0] if names else model
    found = []
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {library}")
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}; {', '.join(found)}"
    )


def _figure(row: Row, result: dict[str, float]) -> float:
    return result[row.figure]


def _show(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _verdict(row: Row, results: dict[str, dict[str, float]]) -> tuple[str, str]:
    """Return what is aimed at, and what was reached."""
    if row.target is None or _OURS not in results:
        return "", ""
    reached = _figure(row, results[_OURS])
    if not row.absolute:
        if _BASELINE not in results:
            return f"{row.target:.2f}", ""
        reached /= _figure(row, results[_BASELINE])
    verdict = "met" if reached <= row.target else "**missed**"
    return f"{row.target:g}", f"{_show(reached)} {verdict}"


def table(rows: list[Row], results: Results) -> str:
    """Return the results as a table in Markdown."""
    clients = list(dict.fromkeys(name for row in rows for name in row.clients))
    head = ["work", "figure", *clients, "target", "reached"]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        found = results[row.name]
        cells = [_show(_figure(row, found[c])) if c in found else "" for c in clients]
        lines.append(" | ".join([row.name, row.figure, *cells, *_verdict(row, found)]))
    return "\n".join(f"| {line} |" for line in lines)


def _chart(rows: list[Row], results: Results, path: Path) -> None:
    """Draw every client's figures as shares of openai-python's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in rows if len(results[row.name]) > 2]
    rows = [row for row in rows if _BASELINE in results[row.name]]
    if not rows:
        return
    clients = list(dict.fromkeys(name for row in rows for name in row.clients))
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.9 * len(rows)))
    height = 0.85 / len(clients)
    for number, client in enumerate(clients):
        at, shares = [], []
        for position, row in enumerate(rows):
            if client in results[row.name]:
                of_all = _figure(row, results[row.name][_BASELINE])
                at.append(position + number * height)
                shares.append(_figure(row, results[row.name][client]) / of_all)
        bars = axes.barh(at, shares, height, label=client)
        axes.bar_label(bars, fmt="%.2f", fontsize=6, padding=2)
    axes.set_yticks([n + 0.4 for n in range(len(rows))], [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("share of openai-python's sync client; less is better")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def write_report(results: Any, rounds: int, folder: Path, quick: bool) -> None:
    """Write ``results.json``, ``results.md`` and ``results.png`` to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in plan(quick) if row.name in results]
    data = {"machine": machine(), "rounds": rounds, "results": results}
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    text = table(rows, results)
    summary = f"{machine()}; medians of {rounds} rounds at most\n\n{text}\n"
    (folder / "results.md").write_text(summary)
    _chart(rows, results, folder / "results.png")
    sys.stdout.write(f"\n{summary}\nwritten to {folder}/results.*\n")

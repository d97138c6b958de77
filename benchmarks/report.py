"""Results as JSON, as a table in Markdown, and as a chart."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .plan import GROWTH, Row, plan


__all__ = ["update_page", "write_report"]

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
_UNITS = {
    "cpu_us": "us of CPU",
    "first_us": "us of CPU",
    "p50_us": "us",
    "late_p99_ms": "ms",
    "import_ms": "ms of CPU",
    "connected_ms": "ms of CPU",
    "each_kb": "kB",
    "grown_kb": "kB",
    "total_kb": "kB",
}
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"
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
    return result[row.figure] / row.unit


def _show(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(row: Row, results: dict[str, dict[str, float]]) -> tuple[str, str]:
    """Return what is aimed at, and what was reached."""
    if _OURS not in results:
        return "", ""
    reached, target = _figure(row, results[_OURS]), row.target
    if not row.absolute:
        if _BASELINE not in results:
            return "" if target is None else f"{target:.2f}", ""
        reached /= _figure(row, results[_BASELINE])
    if target is None:
        return "", f"{reached:.3f}"
    verdict = "met" if reached <= target else "**missed**"
    return f"{target:g}", f"{_show(reached)} {verdict}"


def _lines(cells: list[list[str]]) -> str:
    head, *rows = (" | ".join(row) for row in cells)
    rule = " | ".join("---" for _ in cells[0])
    return "\n".join(f"| {line} |" for line in (head, rule, *rows))


def table(rows: list[Row], results: Results) -> str:
    """Return the results of all clients as a table in Markdown."""
    rows = [row for row in rows if not row.name.startswith(GROWTH)]
    clients = list(dict.fromkeys(name for row in rows for name in row.clients))
    cells = [["work", "unit", *clients, "target", "reached"]]
    for row in rows:
        found = results[row.name]
        shown = [_show(_figure(row, found[c])) if c in found else "" for c in clients]
        cells.append([row.name, _UNITS[row.figure], *shown, *_verdict(row, found)])
    return _lines(cells)


def growth_table(rows: list[Row], results: Results) -> str:
    """Return what each unit costs, from few to many, as a table in Markdown."""
    cells = [["what each costs", "figure"]]
    for row in rows:
        if row.name.startswith(GROWTH) and _OURS in results[row.name]:
            figure = _show(_figure(row, results[row.name][_OURS]))
            unit = _UNITS[row.figure]
            cells.append([row.name.removeprefix(GROWTH), f"{figure} {unit}"])
    return _lines(cells) if len(cells) > 1 else ""


def _chart(rows: list[Row], results: Results, path: Path) -> None:
    """Draw every client's figures as shares of openai-python's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in rows if len(results[row.name]) > 1]
    rows = [row for row in rows if _BASELINE in results[row.name] and not row.absolute]
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
    for position, row in enumerate(rows):
        if row.target is not None:
            ends = (position - height / 2, position + 0.85 - height / 2)
            axes.plot([row.target] * 2, ends, "k--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(-0.2, len(rows))
    axes.set_yticks([n + 0.4 for n in range(len(rows))], [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(
        "share of openai-python's sync client (logarithmic); dashed: the target"
    )
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=4, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def write_report(results: Any, rounds: int, folder: Path, quick: bool) -> None:
    """Write ``results.json``, ``results.md`` and ``results.svg`` to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in plan(quick) if row.name in results]
    data = {"machine": machine(), "rounds": rounds, "results": results}
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    head = f"{machine()}. Medians of {rounds} rounds, of {min(rounds, 3)} for growth."
    parts = [head, table(rows, results), growth_table(rows, results)]
    summary = "\n\n".join(filter(None, parts))
    (folder / "results.md").write_text(f"{summary}\n")
    _chart(rows, results, folder / "results.svg")
    sys.stdout.write(f"\n{summary}\n\nwritten to {folder}/results.*\n")


def update_page(page: Path, folder: Path) -> None:
    """Put the results in *folder* between two marks of *page*, and the chart beside."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    summary = (folder / "results.md").read_text()
    chart = page.with_suffix(".svg")
    chart.write_bytes((folder / "results.svg").read_bytes())
    picture = f"![Shares of openai-python's cost]({chart.name})"
    page.write_text(f"{before}{_BEGIN}\n{summary}\n{picture}\n\n{_END}{after}")

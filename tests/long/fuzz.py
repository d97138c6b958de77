"""
Fuzzing with coverage for as long as wanted: what takes bytes of strangers, by target.

Run it by hand, with atheris installed: ``python tests/long/fuzz.py decode 300`` fuzzes
one target for so many seconds, and ``all`` each of them in turn. What it finds goes to
``tests/corpus``, from where every run of the tests replays it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any


TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "safety"), str(TESTS.parent)]

_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    -(2**63),
    "",
    "\0",
    "\ud800",
    "item_1",
    "x" * 300,
    [],
    {},
    [[]],
    {"type": "message"},
    {"type": "x"},
    "AAAA",
)


class Findings:
    """Keeps one input for each place where a target raised."""

    def __init__(self, name: str, folder: Path, seconds: float) -> None:
        self._name = name
        self._began = time.monotonic()
        self._seconds = seconds
        self._folder = folder
        self._places: set[tuple[str, ...]] = set()
        self._executions = 0

    def try_out(self, data: bytes) -> None:
        """Run the target on *data*, and keep that if it is a new finding."""
        import targets

        if time.monotonic() - self._began > self._seconds:
            self._report()
            os._exit(0)  # libFuzzer would leave without a word
        self._executions += 1
        try:
            targets.TARGETS[self._name](data)
        except Exception as exc:
            frames = traceback.extract_tb(exc.__traceback__)
            place = (type(exc).__name__, *(f"{each.name}" for each in frames[-4:]))
            if place not in self._places:
                self._places.add(place)
                self._keep(data)
                traceback.print_exc()

    def _report(self) -> None:
        print(
            f"{self._name}: {self._executions} executions in {self._seconds:.0f} s, "
            f"{len(self._places)} findings",
            flush=True,
        )

    def _keep(self, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(data).hexdigest()[:16]
        (self._folder / name).write_bytes(data)
        print(f"finding: {self._folder / name}", flush=True)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change something in the JSON of a line, or else some bytes."""
    import atheris

    chance = random.Random(seed)
    if chance.random() < 0.6:
        lines = data.split(b"\n")
        at = chance.randrange(len(lines))
        changed = _mutate_line(lines[at], chance)
        if changed is not None:
            lines[at] = changed
            if chance.random() < 0.3:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
            return b"\n".join(lines)[:max_size]
    return bytes(atheris.Mutate(data, max_size))


def _mutate_line(line: bytes, chance: random.Random) -> bytes | None:
    prefix = b"" if line[:1] in (b"{", b"[") else line[:1]
    try:
        value = json.loads(line[len(prefix) :])
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.choice((1, 1, 2, 5))):
        _mutate_value(value, chance)
    try:
        return prefix + json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None


def _mutate_value(value: Any, chance: random.Random) -> None:
    """Change one place somewhere in *value*."""
    while isinstance(value, (dict, list)) and value:
        key: Any = chance.choice(
            list(value) if isinstance(value, dict) else range(len(value))
        )
        inner = value[key]
        if isinstance(inner, (dict, list)) and inner and chance.random() < 0.7:
            value = inner
            continue
        if chance.random() < 0.2:
            del value[key]
        else:
            value[key] = chance.choice(_ODD)
        return


def fuzz(name: str, seconds: float) -> None:
    """Fuzz a target in this process, which then ends."""
    import atheris

    with atheris.instrument_imports(include=["realtime_sync"]):
        import targets
    logging.disable(logging.CRITICAL)
    findings = Findings(name, targets.CORPUS / name, seconds)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(targets.seeds(name)):
            (Path(folder) / str(number)).write_bytes(seed)
        options = ["-max_len=20000", "-verbosity=0", "-timeout=30"]
        atheris.Setup(
            [sys.argv[0], folder, *options], findings.try_out, custom_mutator=mutate
        )
        atheris.Fuzz()


def main() -> None:
    """Fuzz what the command line says."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    if name != "all":
        fuzz(name, seconds)
        return
    import targets

    for each in targets.TARGETS:
        command = [sys.executable, __file__, each, str(seconds)]
        subprocess.run(command, check=False, env={**os.environ})


if __name__ == "__main__":
    main()

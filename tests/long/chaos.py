"""
Many runs of the chaos suite: connections through a network with troubles.

``python -m tests.long.chaos --runs 1000 --seed 0`` takes some minutes and prints what
happened as a table; ``--only 1234`` repeats one run and shows the log of the library.
It ends with status 1 if anything was lost, doubled, out of order or hung.
"""

from __future__ import annotations

import argparse
import collections
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic


sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))

from runs import Outcome, Stage, run


_ON_A_STAGE = 100  # runs, after which the emulators are new
_WIDTH = 24


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that are asked for, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="how many runs")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--only", type=int, help="repeat the run of one seed")
    parser.add_argument("--parallel", type=int, default=4, help="runs at a time")
    options = parser.parse_args(arguments)
    if options.only is not None:
        logging.basicConfig(level=logging.INFO, format="%(threadName)s: %(message)s")
        return _report([*_outcomes(range(options.only, options.only + 1), 1)])
    logging.disable(logging.CRITICAL)
    seeds = range(options.seed, options.seed + options.runs)
    return _report([*_outcomes(seeds, options.parallel)])


def _outcomes(seeds: range, parallel: int) -> Iterator[Outcome]:
    for start in range(0, len(seeds), _ON_A_STAGE):
        before = _left_over()
        with Stage() as stage, ThreadPoolExecutor(parallel) as pool:
            for outcome in pool.map(
                lambda seed: run(seed, stage), seeds[start : start + _ON_A_STAGE]
            ):
                for fault in outcome.faults:
                    print(f"seed {outcome.seed}: {fault}", flush=True)
                yield outcome
        gc.collect()
        left = _left_over() - before
        if left:
            print(f"left over: {sorted(left)}", flush=True)


def _left_over() -> set[str]:
    """Return the threads and the sockets that there are."""
    sockets = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            sockets.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # the descriptor of the listing itself
            continue
    found = {each for each in sockets if each.startswith("socket:")}
    return found | {thread.name for thread in threading.enumerate()}


def _report(outcomes: Sequence[Outcome]) -> int:
    troubles: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        troubles.update(outcome.troubles)
    slowest = max(outcomes, key=lambda each: each.seconds)
    kept = [each for each in outcomes if not each.spoilt]
    rows: list[tuple[str, object]] = [
        ("runs", len(outcomes)),
        ("… over wss", sum(each.secure for each in outcomes)),
        ("… spoilt beyond promises", len(outcomes) - len(kept)),
        ("sessions", sum(each.sessions for each in outcomes)),
        *((f"troubles: {kind}", count) for kind, count in sorted(troubles.items())),
        ("lost", sum(len(each.lost) for each in outcomes)),
        ("doubled", sum(len(each.doubled) for each in outcomes)),
        ("out of order", sum(len(each.disordered) for each in outcomes)),
        ("hung", sum(len(each.hung) for each in outcomes)),
        ("else wrong", sum(len(each.wrong) for each in outcomes)),
        ("seconds, slowest run", round(slowest.seconds)),
        ("its seed", slowest.seed),
    ]
    for name, value in rows:
        print(f"| {name:{_WIDTH}} | {value!s:>8} |")
    return int(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    began = monotonic()
    status = main()
    print(f"{monotonic() - began:.0f} s")
    raise SystemExit(status)

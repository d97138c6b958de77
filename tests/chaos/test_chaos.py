"""Programs of several threads over a network with troubles: nothing lost or doubled."""

from __future__ import annotations

import collections
import random
from concurrent.futures import ThreadPoolExecutor

import runs
from proxy import KINDS


def outcomes_of(seeds: range) -> list[runs.Outcome]:
    """Run seeds, some at a time."""
    with runs.Stage() as stage, ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda seed: runs.run(seed, stage), seeds))


def test_fifty_runs() -> None:
    """Fifty programs end as they should, whatever the network does to them."""
    outcomes = outcomes_of(range(50))
    faults = {each.seed: each.faults for each in outcomes if each.faults}
    happened: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        happened.update(outcome.troubles)

    assert {} == faults
    assert set(KINDS) == set(happened)
    assert any(each.sessions > 3 for each in outcomes)


def test_same_seed() -> None:
    """A seed always means the same troubles."""
    first, second = (
        list(runs.draw_troubles(random.Random(7), secure=True)) for _ in range(2)
    )

    assert first == second

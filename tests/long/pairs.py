"""
Every pair of public calls at once, each on a connection of its own.

Run it by hand: ``python tests/long/pairs.py``. It takes some minutes.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "safety"), str(TESTS.parent)]


def main() -> None:
    """Try all pairs, and tell how they ended."""
    from test_calls import all_pairs, try_pair

    from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator

    pairs = all_pairs()
    began = time.monotonic()
    settings = EmulatorSettings.instant(record=False)
    with (
        RealtimeEmulator(replies=lambda turn: "An answer.", settings=settings) as it,
        ThreadPoolExecutor(8) as pool,
    ):
        results = pool.map(lambda pair: try_pair(it, pair), pairs)
        wrong = [each for result in results for each in result]
    for each in wrong:
        print(each)
    took = time.monotonic() - began
    print(f"{len(pairs)} pairs in {took:.0f} s, {len(wrong)} ended as they may not")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

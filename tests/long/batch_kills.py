"""
A batch that is killed at 50 random moments, and what is lost or doubled by that.

Run it by hand: ``python tests/long/batch_kills.py``. It takes a minute or two.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[1]))

from batch_kills import kill_and_count


KILLS = 50
ITEMS = 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.jsonl"
        counts = kill_and_count(journal, items=ITEMS, kills=KILLS, seed=1)
    lost = sum(count == 0 for count in counts)
    doubled = sum(count > 1 for count in counts)
    print(f"{ITEMS} items, killed {KILLS} times: {lost} lost, {doubled} doubled")


if __name__ == "__main__":
    main()

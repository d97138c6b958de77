"""One session is cut before and after each of its events, in both directions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import runs
from proxy import Direction, Kind, Trouble
from runs import Outcome, Stage, run_with
from script import one_caller

from realtime_sync._channel.retained import Repeated, Retained
from realtime_sync._recovery.retelling import Retelling


_AFTER_HEAD = 1  # unit 0 is the HTTP head; what happens to it is for other tests


@pytest.fixture(name="stage")
def _stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def run(stage: Stage, *troubles: Trouble) -> Outcome:
    """Run the one program with some troubles; it is the same each time."""
    return run_with(
        troubles,
        stage,
        chance=random.Random(1),
        outcome=Outcome(seed=0, secure=False),
        program=one_caller,
    )


@pytest.mark.parametrize("kind", ["fin", "reset"])
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("offset", [0, None], ids=["before", "after"])
def test_every_boundary(
    stage: Stage, kind: Kind, direction: Direction, offset: int | None
) -> None:
    """Wherever the session is cut, the next one has it all, once and in order."""
    units = run(stage).units[direction]
    troubles = [
        Trouble(kind=kind, connection=0, direction=direction, unit=unit, offset=offset)
        for unit in range(_AFTER_HEAD, units)
    ]
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda trouble: run(stage, trouble), troubles))
    faults = {
        trouble.unit: outcome.faults
        for trouble, outcome in zip(troubles, outcomes, strict=True)
        if outcome.faults
    }

    assert units > 10
    assert {} == faults


def test_nothing_happens(stage: Stage) -> None:
    """Without troubles there is one session, and nothing to object to."""
    outcome = run(stage)

    assert [] == outcome.faults
    assert 1 == outcome.sessions


class TestComparison:
    """The comparison finds what it is there to find."""

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runs, "_PATIENCE", 0.5)

    @staticmethod
    def faults(stage: Stage, command: int) -> str:
        """What is wrong after a cut before a command, counted from 1."""
        trouble = Trouble(kind="fin", connection=0, direction="up", unit=command)
        return " ".join(run(stage, trouble).faults)

    def test_nothing_is_repeated(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where commands without an answer are not sent again, something is missing."""
        monkeypatch.setattr(Retained, "take_back", lambda self: Repeated())

        assert "lost: item only_3" in self.faults(stage, 5)

    def test_all_is_repeated(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where commands are sent again that had an answer, it is done twice."""
        monkeypatch.setattr(Retained, "confirm", lambda self, key: ())

        assert "doubled: answer 'say one" in self.faults(stage, 12)

    def test_no_audio(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where audio is not sent again, a turn has not all of its bytes."""
        monkeypatch.setattr(Retained, "_take_audio", lambda self, entry: None)

        assert "bytes instead of" in self.faults(stage, 8)

    def test_no_conversation(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the new session is not told the conversation, items are missing."""
        monkeypatch.setattr(Retelling, "_tell", lambda self, items: None)

        assert "lost: item only_1" in self.faults(stage, 8)

"""What a command line in this process came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs


QUESTION = Path(__file__).parents[2] / "examples" / "audio" / "question.wav"


@attrs.frozen
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The lines of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def remarks(self) -> list[dict[str, Any]]:
        """The lines of stderr as JSON."""
        return [json.loads(line) for line in self.err.splitlines()]


Run = Callable[..., Ran]

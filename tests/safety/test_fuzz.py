"""What takes bytes of strangers: found cases again, and some new ones each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import CORPUS, TARGETS, seeds


FOUND = [path for path in sorted(CORPUS.glob("*/*")) if path.is_file()]
_TEXTS = [
    b"{}",
    b'{"type":"session.update"}',
    b"null",
    b"-1",
    b"1e400",
    b'"\\ud800"',
    b"[" * 1000,
    b"\n",
    b"\0",
    b"\xff",
    b'"',
    b",",
]


@pytest.mark.parametrize(
    "path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_found_cases(path: Path) -> None:
    """What was found once stays right."""
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """What is right is taken."""
    for seed in seeds(name):
        TARGETS[name](seed)


@st.composite
def _damaged(draw: Callable[..., object], name: str) -> bytes:
    """Return a seed of a target with some of its bytes cut, doubled or replaced."""
    data = draw(st.sampled_from(seeds(name)))
    assert isinstance(data, bytes)
    for _ in range(draw(st.integers(0, 3))):  # type: ignore[call-overload]
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 40)))  # type: ignore[operator]
        piece = draw(st.sampled_from(_TEXTS) | st.binary(max_size=6))
        data = data[:start] + piece + data[stop:]  # type: ignore[operator, misc]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs(name: str) -> None:
    """What is damaged is taken, or refused as the documentation says."""

    @settings(
        max_examples=60,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=_damaged(name) | st.binary(max_size=200))
    def try_out(data: bytes) -> None:
        TARGETS[name](data)

    try_out()

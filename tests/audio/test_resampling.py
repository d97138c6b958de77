"""Other sampling rates: the same sound, whole or in pieces, with any engine."""

from __future__ import annotations

import math

import pytest

from realtime_sync.audio import Resampler, duration_ms, resample, resampling, rms_dbfs
from realtime_sync.audio._extras import installed
from realtime_sync.audio._samples import from_floats


RATES = [
    (8_000, 24_000),
    (24_000, 8_000),
    (16_000, 24_000),
    (24_000, 16_000),
    (48_000, 24_000),
    (44_100, 24_000),
    (24_000, 11_025),
]


@pytest.fixture(
    name="engine",
    params=[
        "plain",
        pytest.param(
            "numpy",
            marks=pytest.mark.skipif(not installed("numpy"), reason="no numpy"),
        ),
        pytest.param(
            "soxr", marks=pytest.mark.skipif(not installed("soxr"), reason="no soxr")
        ),
    ],
)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    hidden = {"plain": {"numpy", "soxr"}, "numpy": {"soxr"}, "soxr": set[str]()}
    missing = hidden[request.param]
    monkeypatch.setattr(
        resampling, "installed", lambda name: name not in missing and installed(name)
    )
    return str(request.param)


def sine(frequency: float, rate: int, seconds: float = 0.25) -> bytes:
    turns = math.tau * frequency / rate
    return from_floats(10_000 * math.sin(turns * n) for n in range(int(rate * seconds)))


def middle(pcm: bytes) -> bytes:
    """Return *pcm* without its ends, where a filter sees silence."""
    quarter = len(pcm) // 8 * 2
    return pcm[quarter:-quarter]


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_keeps_sound_and_length(engine: str, from_rate: int, to_rate: int) -> None:
    """A tone is the same tone, sample by sample, and as long."""
    converted = resample(sine(440, from_rate), from_rate, to_rate)
    wanted = sine(440, to_rate)

    difference = from_floats(
        a - b
        for a, b in zip(
            resampling.to_samples(middle(converted)[: len(wanted) // 2]),
            resampling.to_samples(middle(wanted)[: len(wanted) // 2]),
            strict=False,
        )
    )

    assert abs(len(converted) - len(wanted)) <= 4
    assert rms_dbfs(difference) < rms_dbfs(wanted) - 50


def test_removes_what_the_new_rate_cannot_hold(engine: str) -> None:
    """Sound above the new band is silent, not folded back as noise."""
    converted = resample(sine(6_000, 24_000), 24_000, 8_000)

    assert rms_dbfs(middle(converted)) < -65


def test_adds_no_image(engine: str) -> None:
    """Nothing appears above the old band: a constant stays constant."""
    converted = resample(from_floats([1_000] * 2_000), 8_000, 24_000)

    assert {999, 1_000, 1_001} >= set(resampling.to_samples(middle(converted)))


@pytest.mark.parametrize("piece", [1, 7, 160, 961])
@pytest.mark.parametrize("rates", [(8_000, 24_000), (44_100, 24_000)])
def test_pieces_have_no_seams(piece: int, rates: tuple[int, int]) -> None:
    """A stream in pieces of any length in bytes gives what the whole gives."""
    pcm = sine(440, rates[0], seconds=0.1)
    whole, stream = Resampler(*rates), Resampler(*rates)

    pieces = [stream.feed(pcm[n : n + piece]) for n in range(0, len(pcm), piece)]

    assert whole.feed(pcm) + whole.flush() == b"".join(pieces) + stream.flush()


def test_engines_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without numpy a stream is the same, to the last bit but one."""
    pytest.importorskip("numpy")
    pcm = sine(1_000, 24_000)
    fast = Resampler(24_000, 16_000).feed(pcm)
    monkeypatch.setattr(resampling, "installed", lambda name: False)

    slow = Resampler(24_000, 16_000).feed(pcm)

    pairs = zip(resampling.to_samples(fast), resampling.to_samples(slow), strict=True)
    assert all(abs(a - b) <= 1 for a, b in pairs)


@pytest.mark.parametrize("rates", RATES)
def test_holds_back_little(rates: tuple[int, int]) -> None:
    """A live stream is not delayed by more than 3 ms."""
    resampler = Resampler(*rates)

    got = resampler.feed(bytes(rates[0] // 10 * 2))

    assert 97 <= duration_ms(got, rates[1]) <= 100
    assert 99 <= duration_ms(got + resampler.flush(), rates[1]) <= 100


def test_flush_starts_anew() -> None:
    """After a flush nothing of the old stream is left."""
    pcm = sine(440, 8_000)
    used = Resampler(8_000, 24_000)
    used.feed(bytes(99) + b"\7")
    used.flush()

    assert Resampler(8_000, 24_000).feed(pcm) == used.feed(pcm)


def test_clips_what_overshoots(engine: str) -> None:
    """A square wave at full scale does not wrap around."""
    square = from_floats([32_767] * 100 + [-32_768] * 100)

    converted = resampling.to_samples(resample(square, 8_000, 24_000))

    assert min(converted[30:250]) > 0 > max(converted[350:570])


def test_same_rate_is_the_same() -> None:
    """There is nothing to do for a rate that is right; halves still wait."""
    pcm = b"abc"
    resampler = Resampler(24_000, 24_000)

    assert pcm is resample(pcm, 24_000, 24_000)
    assert (b"ab", b"cd") == (resampler.feed(pcm), resampler.feed(b"d"))
    assert b"" == resampler.flush()


@pytest.mark.parametrize("rates", [(0, 24_000), (24_000, -1)])
def test_refuses_what_is_no_rate(rates: tuple[int, int]) -> None:
    """A rate that is not positive is a ValueError."""
    with pytest.raises(ValueError, match="whole number of Hz above 0"):
        resample(b"", *rates)
    with pytest.raises(ValueError, match="whole number of Hz above 0"):
        Resampler(*rates)


def test_odd_rates_name_the_extra() -> None:
    """Two rates without a common divisor need soxr, and the message says so."""
    with pytest.raises(ImportError, match=r"pip install 'realtime_sync\[audio\]'"):
        Resampler(44_101, 24_000)

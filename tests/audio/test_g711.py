"""The two codes of telephones, against their definition and the standard library's."""

from __future__ import annotations

import sys
import warnings
from array import array
from collections.abc import Callable

import pytest

from realtime_sync.audio import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from realtime_sync.audio._samples import from_samples, to_samples


CODES = bytes(range(256))
SAMPLES = array("h", range(-32_768, 32_768))

both = pytest.mark.parametrize(
    ("encode", "decode"),
    [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)],
    ids=["ulaw", "alaw"],
)
Code = Callable[[bytes], bytes]


@both
def test_codes_survive(encode: Code, decode: Code) -> None:
    """Whatever a telephone sends is the same after a round trip."""
    # µ-law has two zeros, of which the positive one is sent.
    expected = CODES.replace(b"\x7f", b"\xff") if encode is ulaw_encode else CODES

    assert expected == encode(decode(CODES))


@both
def test_error_is_small(encode: Code, decode: Code) -> None:
    """No sample is off by more than half a step, which is about a 32nd of it."""
    decoded = to_samples(decode(encode(from_samples(SAMPLES))))

    assert all(
        abs(was - now) <= (abs(was) + 256) / 32
        for was, now in zip(SAMPLES, decoded, strict=True)
        if abs(was) < 32_100
    )


@both
def test_louder_stays_louder(encode: Code, decode: Code) -> None:
    """The code keeps the order of samples."""
    decoded = list(to_samples(decode(encode(from_samples(SAMPLES)))))

    assert sorted(decoded) == decoded


@pytest.mark.parametrize(
    ("encode", "sample", "code"),
    [
        (ulaw_encode, 0, 0xFF),
        (ulaw_encode, 32_767, 0x80),
        (ulaw_encode, -32_768, 0x00),
        (ulaw_encode, 1_000, 0xCE),
        (alaw_encode, 0, 0xD5),
        (alaw_encode, -1, 0x55),
        (alaw_encode, 32_767, 0xAA),
        (alaw_encode, -32_768, 0x2A),
        (alaw_encode, 1_000, 0xFA),
    ],
)
def test_known_values(encode: Code, sample: int, code: int) -> None:
    """The ends, the middle and a value between them are those of the tables."""
    assert bytes([code]) == encode(from_samples([sample]))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone")
def test_agrees_with_audioop() -> None:
    """The standard library of older Pythons has the same values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    # It rounds negative samples down to 14 bits for µ-law, instead of towards zero.
    exact = from_samples(s for s in SAMPLES if s >= 0 or s % 4 == 0)
    pcm = from_samples(SAMPLES)

    assert audioop.ulaw2lin(CODES, 2) == ulaw_decode(CODES)
    assert audioop.alaw2lin(CODES, 2) == alaw_decode(CODES)
    assert audioop.lin2ulaw(exact, 2) == ulaw_encode(exact)
    assert audioop.lin2alaw(pcm, 2) == alaw_encode(pcm)


@both
def test_takes_any_length(encode: Code, decode: Code) -> None:
    """Nothing gives nothing, and half a sample is dropped."""
    assert b"" == encode(b"") == decode(b"")
    assert encode(b"\1\2") == encode(b"\1\2\3")

"""
How many tokens things cost, roughly as the service counts.

A token is 4 characters of text, 100 ms of heard or 50 ms of spoken audio; an image is
taken for 85. Cached tokens come in blocks of 64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from ..protocol import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Usage,
)


__all__ = ["Tokens", "heard_tokens", "spoken_tokens", "text_tokens", "usage_of"]

_CACHE_BLOCK = 64


def text_tokens(text: str) -> int:
    """Return the tokens of *text*."""
    return math.ceil(len(text) / 4)


def heard_tokens(ms: float) -> int:
    """Return the tokens of *ms* milliseconds of a user's audio."""
    return math.ceil(ms / 100)


def spoken_tokens(ms: float) -> int:
    """Return the tokens of *ms* milliseconds of the model's audio."""
    return math.ceil(ms / 50)


@frozen
class Tokens:
    """A count by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.text + other.text, self.audio + other.audio, self.image + other.image
        )

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    @classmethod
    def sum(cls, counts: Iterable[Tokens]) -> Tokens:
        """Return the sum of *counts*."""
        total = cls()
        for count in counts:
            total += count
        return total


def usage_of(read: Tokens, written: Tokens, cached: Tokens) -> Usage:
    """Return the account of a response; *cached* is what it may have found cached."""
    hit = Tokens(
        _blocks(min(read.text, cached.text)), _blocks(min(read.audio, cached.audio))
    )
    return Usage(
        total_tokens=read.total + written.total,
        input_tokens=read.total,
        output_tokens=written.total,
        input_token_details=InputTokenDetails(
            text_tokens=read.text,
            audio_tokens=read.audio,
            image_tokens=read.image,
            cached_tokens=hit.total,
            cached_tokens_details=CachedTokensDetails(
                text_tokens=hit.text, audio_tokens=hit.audio, image_tokens=0
            ),
        ),
        output_token_details=OutputTokenDetails(
            text_tokens=written.text, audio_tokens=written.audio
        ),
    )


def _blocks(tokens: int) -> int:
    return tokens // _CACHE_BLOCK * _CACHE_BLOCK

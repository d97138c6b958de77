"""Responses that were asked for and are not created yet, and which answer is whose."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Iterator

import attrs

from .._channel.acknowledgements import TOKEN_KEY
from ..protocol._model import UNSET
from ..protocol.responses import Response, ResponseCreateParams
from ..response_stream import ResponseStream


__all__ = ["TOKEN_KEY", "Expectation", "Expectations", "tag"]

_METADATA_LIMIT = 16  # entries, as the service allows


def tag(params: ResponseCreateParams | None) -> tuple[ResponseCreateParams, str]:
    """
    Put a new token into the metadata of a response that is about to be asked for.

    Args:
        params: What the caller asks for; his own metadata is kept.

    Returns:
        What to send, and the token for `Expectations.add()`.

    Raises:
        ValueError: The caller's metadata leaves no room for the token.
    """
    params = params or ResponseCreateParams()
    metadata = dict(params.metadata or {})
    if TOKEN_KEY in metadata:
        raise ValueError(
            f"the metadata entry {TOKEN_KEY!r} belongs to the library; use another name"
        )
    if len(metadata) >= _METADATA_LIMIT:
        raise ValueError(
            f"the service allows {_METADATA_LIMIT} metadata entries and the library "
            f"needs one; pass {_METADATA_LIMIT - 1} at most"
        )
    token = secrets.token_hex(8)
    return attrs.evolve(params, metadata={**metadata, TOKEN_KEY: token}), token


@attrs.define(eq=False)
class Expectation:
    """
    A response that was asked for and is not created yet.

    Attributes:
        stream: What will follow it, for as long as somebody holds that.
        token: What its metadata will have, or None where responses go by order.
        out_of_band: Whether it leaves the conversation alone.
        abandoned: Given up. It may still come and must not be taken for another one.
    """

    stream: weakref.ref[ResponseStream]
    token: str | None
    out_of_band: bool
    abandoned: bool = False

    def holds_turn(self) -> bool:
        """Tell whether it is about to occupy the conversation."""
        unwanted = self.abandoned or self.stream() is None
        return not (unwanted or self.out_of_band)


class Expectations:
    """All of a connection, in the order of their commands. Holds no lock."""

    def __init__(self) -> None:
        self._waiting: list[Expectation] = []
        self._server_has_metadata = False

    def add(
        self, stream: ResponseStream, token: str | None, *, out_of_band: bool
    ) -> None:
        """Expect a response for *stream*."""
        if self._server_has_metadata:
            # Only where responses go by order must the dropped keep their places.
            self._waiting = [e for e in self._waiting if e.stream() is not None]
        self._waiting.append(Expectation(weakref.ref(stream), token, out_of_band))

    def take(self, response: Response) -> Expectation | None:
        """Remove and return what *response* is the answer to, if anything."""
        for expectation in self._candidates(response):
            self._waiting.remove(expectation)
            return expectation
        return None

    def abandon(self, stream: ResponseStream) -> None:
        """Give up on a response that may still come."""
        for expectation in self._waiting:
            if expectation.stream() is stream:
                expectation.abandoned = True

    def remove(self, stream: ResponseStream) -> None:
        """Forget a response that will not come."""
        self._waiting = [e for e in self._waiting if e.stream() is not stream]

    def drop_abandoned(self) -> None:
        """Forget those that will not come, since they are not asked for again."""
        self._waiting = [e for e in self._waiting if not e.abandoned]

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()

    def streams(self) -> list[ResponseStream]:
        """Return the streams that somebody still holds."""
        return [s for e in self._waiting if (s := e.stream()) is not None]

    def hold_turn(self) -> bool:
        """Tell whether one of them is about to occupy the conversation."""
        return any(expectation.holds_turn() for expectation in self._waiting)

    def _candidates(self, response: Response) -> Iterator[Expectation]:
        token = (response.metadata or {}).get(TOKEN_KEY)
        if token is not None:
            self._server_has_metadata = True
            return (e for e in self._waiting if e.token == token)
        # "metadata": null comes from a server that knows what metadata is.
        silent = response.metadata is UNSET and not self._server_has_metadata
        return (e for e in self._waiting if silent or e.token is None)

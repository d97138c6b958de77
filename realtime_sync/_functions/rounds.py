"""Which calls a model made together, and how often it did so: pure state."""

from __future__ import annotations

import collections
import logging
from collections.abc import Sequence

from ..protocol._model import UNSET, Maybe
from ..protocol.responses import Response, ResponseCreateParams
from ..response_stream import ResponseStream
from .calls import Call


__all__ = ["Round", "Rounds"]

logger = logging.getLogger("realtime_sync.functions")

_SEEN = 1024
"""Ids that are remembered, so that what arrives twice is not run twice."""

_KEPT = 4
"""Settled rounds that are kept: each may hold a response with all of its audio."""


class Round:
    """
    The calls of one response, and what came of them.

    Attributes:
        response: The response.
        calls: Its calls, in order.
        asks: Whether a response is to be asked for when the outputs are sent.
        may_call: Whether that response may call functions.
        sent: Whether the outputs were sent.
        settled: Whether all is done; guarded by the lock of the connection's state.
        follow_up: The response that was asked for.
        error: Why that failed.
    """

    def __init__(self, response: Response, calls: Sequence[Call]) -> None:
        self.response = response
        self.calls = calls
        self.asks = True
        self.may_call = True
        self.sent = False
        self.settled = False
        self.follow_up: ResponseStream | None = None
        self.error: Exception | None = None

    def params(self) -> ResponseCreateParams:
        """Return what differs from the session in the response that follows."""
        # What was asked to be text must not go on in speech.
        return ResponseCreateParams(
            output_modalities=self.response.output_modalities or UNSET,
            tool_choice=UNSET if self.may_call else "none",
        )

    def __str__(self) -> str:
        return ", ".join(call.context.name for call in self.calls)


class Rounds:
    """
    The rounds of a conversation. Every method needs the lock of its state.

    Args:
        limit: How many rounds there may be in succession; None for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._in_succession = 0
        self._seen: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._rounds: dict[str, Round] = {}

    def is_new(self, item_id: Maybe[str]) -> bool:
        """Tell whether an id has not been seen before, and remember it."""
        if not item_id or item_id in self._seen:
            return False
        self._seen[item_id] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return True

    def user_spoke(self) -> None:
        """Begin to count anew."""
        self._in_succession = 0

    def open(self, response: Response, calls: Sequence[Call]) -> Round:
        """Begin a round; one that is over the limit has only failed calls."""
        new = Round(response, calls)
        if response.conversation_id is not None:
            self._count(new)
        settled = [key for key, each in self._rounds.items() if each.settled]
        for key in settled[: max(0, len(settled) - _KEPT + 1)]:
            del self._rounds[key]
        self._rounds[response.id or ""] = new
        return new

    def find(self, response_id: str) -> Round | None:
        """Return the round of a response, unless it is long ago or had no calls."""
        return self._rounds.get(response_id)

    def cancel(self) -> None:
        """Tell the calls that have no result that nobody waits for it."""
        for each in self._rounds.values():
            for call in each.calls:
                if call.result is None:
                    call.context.cancelled.set()

    def _count(self, new: Round) -> None:
        self._in_succession += 1
        if self._limit is None or self._in_succession <= self._limit:
            return
        logger.warning(
            "the model called functions %d times in succession; max_rounds is %d",
            *(self._in_succession, self._limit),
        )
        # Once more it is made to answer. If it calls all the same, it has had its turn.
        new.may_call = False
        new.asks = self._in_succession == self._limit + 1
        for call in new.calls:
            call.fail(
                RuntimeError("not run: too many calls in succession; answer without")
            )

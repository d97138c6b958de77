"""What the steps of the doctor hand on to each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from .._deadline import Deadline
from .._wire.line import Line
from .._wire.proxies import Proxy
from ..endpoints import Endpoint


if TYPE_CHECKING:
    from .._client_maker import MakeClient
    from ..client import RealtimeClient
    from ..connection import RealtimeConnection


__all__ = ["Finding", "Way"]


@attrs.frozen(kw_only=True)
class Finding:
    """
    What a step that did not fail has found.

    Attributes:
        summary: A line.
        details: Further lines.
        remedy: What to do where it looks like a problem; None where it does not.
        seconds: How long it took, if that is known better than by the clock.
    """

    summary: str
    details: Sequence[str] = ()
    remedy: str | None = None
    seconds: float | None = None


@attrs.define(kw_only=True)
class Way:
    """
    How far the way was walked. For one thread.

    Attributes:
        make_client: Makes the client, or is it.
        question: A recording to ask aloud, or None.
        timeout: Seconds that a step may take.
        client: The client, once there is one.
        endpoint: Where its connections go to.
        proxy: What leads there, or None.
        line: The last line that was opened.
        audience: What the token is for, if it says so.
        opened: The connection, what it failed with, and the seconds after the upgrade.
        connection: The connection, once its session is there.
        notes: Lines to be told with the current step, also if it fails.
    """

    make_client: MakeClient
    question: str | os.PathLike[str] | None
    timeout: float
    client: RealtimeClient = attrs.field(init=False)
    endpoint: Endpoint = attrs.field(init=False)
    proxy: Proxy | None = None
    line: Line | None = None
    audience: str | None = None
    failure: Exception | None = None
    session_seconds: float = 0.0
    connection: RealtimeConnection | None = None
    notes: list[str] = attrs.Factory(list)

    def new_line(self) -> Line:
        """Return a line with a deadline, in place of the last one."""
        self.hang_up()
        self.line = Line()
        self.line.deadline = Deadline(self.timeout, "connecting")
        return self.line

    def hang_up(self) -> None:
        """Close the line."""
        if self.line is not None:
            self.line.release()
            self.line = None

    def take_notes(self) -> tuple[str, ...]:
        """Return the notes, and forget them."""
        notes, self.notes = tuple(self.notes), []
        return notes

    def close(self) -> None:
        """Close all that is open."""
        self.hang_up()
        if self.connection is not None:
            self.connection.close()

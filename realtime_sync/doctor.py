"""
The way from the environment to the first sound, step by step.

::

    for check in diagnose(RealtimeClient.from_environment):
        print(check.name, check.status, f"{check.seconds:.2f} s", check.summary)
        if check.remedy:
            print("->", check.remedy)

Each step builds on the ones before, so the first that fails is where to look. What is
tried is the client's own way, with its settings, but for the first connections, which
send nothing: they show what the network, a proxy and TLS have to say by themselves.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator
from typing import Literal

import attrs

from ._checks import check_amount, check_path
from ._client_maker import MakeClient, check_maker
from ._doctor.network import (
    check_dns,
    check_proxy,
    check_tcp,
    check_tls,
    check_tunnel,
)
from ._doctor.session import (
    check_session,
    check_settings,
    check_speech,
    check_text,
    check_upgrade,
    remedy_of,
)
from ._doctor.token import check_credential
from ._doctor.way import Finding, Way
from ._remedies import what_and_remedy
from .errors import RealtimeError


__all__ = ["STEPS", "Check", "diagnose"]

Status = Literal["ok", "warning", "failed", "skipped"]


@attrs.frozen(kw_only=True)
class Check:
    """
    What came of one step.

    Attributes:
        name: One of `STEPS`.
        status: ``ok``; ``warning`` for what may be a problem and did not end the way;
            ``failed``; ``skipped`` where there is nothing to check, or after a failure.
        seconds: How long it took.
        summary: What was found, in a line.
        details: Further lines. No line holds a key, a token or a password.
        remedy: What to do, or None.
        error: What failed, or None.
    """

    name: str
    status: Status
    seconds: float = 0.0
    summary: str = ""
    details: tuple[str, ...] = ()
    remedy: str | None = None
    error: Exception | None = None


_CHECKS: dict[str, Callable[[Way], Finding | None]] = {
    "settings": check_settings,
    "proxy": check_proxy,
    "dns": check_dns,
    "tcp": check_tcp,
    "tunnel": check_tunnel,
    "tls": check_tls,
    "credential": check_credential,
    "upgrade": check_upgrade,
    "session": check_session,
    "text": check_text,
    "speech": check_speech,
}

STEPS = tuple(_CHECKS)
"""The steps, in order."""

_TOLD = (RealtimeError, OSError, ValueError, TypeError, RuntimeError, ImportError)


def diagnose(
    make_client: MakeClient,
    *,
    question: str | os.PathLike[str] | None = None,
    timeout: float = 20.0,
    on_start: Callable[[str], object] = lambda name: None,
) -> Generator[Check, None, None]:
    """
    Walk the way, and yield a check for every step, whether it was reached or not.

    It asks the model two short questions, which cost what they cost. A step that fails
    ends the walk; what was opened is closed, also if the iterator is not used up.

    Args:
        make_client: Makes the client, an error in which is that of the first step; or
            is the client.
        question: The path of a recording to ask aloud; a written question is asked
            without.
        timeout: Seconds that a step may take.
        on_start: Is called with the name of each step before it is taken.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: *timeout* is negative, or *question* names no file.
    """
    check_maker(make_client)
    check_amount("timeout", timeout)
    if question is not None:
        check_path("question", question)
    way = Way(make_client=make_client, question=question, timeout=timeout)
    return _walk(way, on_start)


def _walk(way: Way, on_start: Callable[[str], object]) -> Generator[Check, None, None]:
    failed = False
    with contextlib.closing(way):
        for name, check in _CHECKS.items():
            if failed:
                yield Check(name=name, status="skipped", summary="not reached")
                continue
            on_start(name)
            result = _take(name, check, way)
            failed = result.status == "failed"
            yield result


def _take(name: str, check: Callable[[Way], Finding | None], way: Way) -> Check:
    begun = time.monotonic()
    try:
        finding = check(way)
    except _TOLD as exc:
        what, said = what_and_remedy(exc)
        return Check(
            name=name,
            status="failed",
            seconds=time.monotonic() - begun,
            summary=what,
            details=way.take_notes(),
            remedy=remedy_of(name, exc, way) or said,
            error=exc,
        )
    if finding is None:
        return Check(name=name, status="skipped", summary="not needed")
    took = time.monotonic() - begun
    return Check(
        name=name,
        status="warning" if finding.remedy else "ok",
        seconds=took if finding.seconds is None else finding.seconds,
        summary=finding.summary,
        details=(*finding.details, *way.take_notes()),
        remedy=finding.remedy,
    )

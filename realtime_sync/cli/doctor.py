"""The command ``doctor``: where on the way to the first sound it fails, and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from ..doctor import Check, diagnose
from ._options import Link, link_options
from ._outcome import one_line, outcome_of
from ._output import Output, harmless


__all__ = ["doctor"]

_MARKS = {
    "ok": ("ok", "bold green"),
    "warning": ("hm", "bold yellow"),
    "failed": ("FAILED", "bold red"),
    "skipped": ("-", "dim"),
}


@click.command()
@click.option(
    "--question",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recording to ask aloud in the last step.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=20.0,
    help="For each step.",
)
@link_options
def doctor(link: Link, question: Path | None, timeout: float) -> int:
    """
    Walk the way from the settings to the first sound.

    Settings, proxy, name, TCP, TLS with its certificates, credential, upgrade, session,
    a written turn, and speech: each step with its time, and at the one that fails what
    to do about it. It shows no keys and no tokens. The model is asked two short
    questions, which the service charges for.
    """
    output = link.output
    if not link.service.is_emulated:
        output.notice(f"settings from: {link.service.source}")
    steps = _Steps(output)
    error: Exception | None = None
    with contextlib.closing(
        diagnose(link.client, question=question, timeout=timeout, on_start=steps.start)
    ) as checks:
        for check in steps.following(checks):
            steps.show(check)
            error = error or check.error
    if error is None:
        return 0
    return outcome_of(error, "realtime-sync doctor --help").code


class _Steps:
    """Shows checks, and on a terminal which one is being made."""

    def __init__(self, output: Output) -> None:
        self._output = output
        screen = output.progress
        self._status = screen.status("") if screen is not None else None

    def start(self, name: str) -> None:
        """Say which step is being taken."""
        if self._status is not None:
            self._status.update(f"{name} …")

    def following(self, checks: Iterator[Check]) -> Iterator[Check]:
        """Yield *checks*; the spinner turns while one is waited for."""
        with self._status or contextlib.nullcontext():
            yield from checks

    def show(self, check: Check) -> None:
        """Print a check."""
        output = self._output
        remedy = one_line(check.remedy) if check.remedy else None
        output.record(
            "check",
            name=check.name,
            status=check.status,
            seconds=round(check.seconds, 3),
            summary=check.summary,
            details=list(check.details),
            remedy=remedy,
        )
        if output.as_json:
            return
        mark, style = _MARKS[check.status]
        took = "" if check.status == "skipped" else f"{check.seconds:6.2f} s"
        found = (harmless(check.summary), "" if took else "dim")
        _print(
            output,
            Text.assemble(
                (f"{mark:<7}", style),
                (f"{check.name:<11}", "bold" if took else "dim"),
                (f"{took:>8}  ", "dim"),
                found,
            ),
        )
        for line in check.details:
            _print(output, Text(f"{'':>28}{harmless(line)}", style="dim"))
        if remedy:
            _print(output, Text(f"{'':>26}> {harmless(remedy)}", style=style))


def _print(output: Output, line: Text) -> None:
    output.out.print(line, soft_wrap=True)

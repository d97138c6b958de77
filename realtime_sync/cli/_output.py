"""
What commands print: text for people, or one JSON object a line for machines.

Results go to stdout, everything else to stderr. Colours and bars are for terminals, and
``NO_COLOR`` is obeyed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NoReturn, TextIO

from rich.console import Console
from rich.text import Text

from ._outcome import Outcome


__all__ = ["Output", "Screen", "harmless"]

# What a model or a server says must not steer the terminal.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
_CONTROLS |= {9: "\t", 10: "\n", 13: ""}


def harmless(text: str) -> str:
    """Return *text* without the characters that steer a terminal."""
    return text.translate(_CONTROLS)


class Screen(Console):
    """A console that tells when nobody reads any more."""

    def on_broken_pipe(self) -> NoReturn:
        """Let the command end, as the other ways of writing do."""
        raise BrokenPipeError


class Output:
    """
    Where a command's results, remarks and errors go. For the main thread, and for
    callbacks one at a time.

    Attributes:
        as_json: Whether lines are JSON objects.
    """

    def __init__(self) -> None:
        self.as_json = False

    @cached_property
    def out(self) -> Screen:
        """The console of stdout."""
        return _screen(sys.stdout)

    @cached_property
    def err(self) -> Screen:
        """The console of stderr."""
        return _screen(sys.stderr)

    @property
    def is_live(self) -> bool:
        """Whether what is printed may be drawn over again."""
        return self.out.is_terminal and not self.as_json

    @property
    def progress(self) -> Screen | None:
        """Where bars and spinners are seen by somebody; None for nowhere."""
        if self.as_json:
            return None
        # Lines that are printed meanwhile must be from the same console.
        if self.out.is_terminal:
            return self.out
        return self.err if self.err.is_terminal else None

    # Results

    def line(self, text: str = "", *, label: str = "", style: str = "bold") -> None:
        """Print a line of text for people, behind a *label*."""
        if not self.as_json:
            self.words(f"{text}\n", label=label, style=style)

    def words(self, text: str, *, label: str = "", style: str = "bold") -> None:
        """Print some text at once, with no line break behind it."""
        if self.as_json:
            return
        if self.out.is_terminal:
            shown = Text.assemble((label, style), harmless(text))
            self.out.print(shown, end="", soft_wrap=True)
        else:
            sys.stdout.write(label + harmless(text))
            sys.stdout.flush()

    def record(self, event: str, **fields: Any) -> None:
        """Print an object for machines; nothing for people."""
        if self.as_json:
            _write_json(sys.stdout, {"event": event, **fields})

    # Remarks and errors

    def notice(self, text: str) -> None:
        """Say something by the way."""
        if self.as_json:
            _write_json(sys.stderr, {"event": "notice", "message": text})
        else:
            self._remarks.print(Text(harmless(text), style="dim"), soft_wrap=True)

    def failure(self, outcome: Outcome) -> None:
        """Tell an error in two lines: what happened, and the remedy."""
        if self.as_json:
            fields = {
                "event": "error",
                "exit_code": int(outcome.code),
                "message": outcome.what,
                "remedy": outcome.remedy,
            }
            _write_json(sys.stderr, fields)
            return
        what = Text.assemble(("realtime-sync: ", "bold red"), harmless(outcome.what))
        self._remarks.print(what, soft_wrap=True)
        self._remarks.print(Text(harmless(outcome.remedy)), soft_wrap=True)

    @property
    def _remarks(self) -> Screen:
        # On one terminal by one console, or a bar that is being drawn would be torn.
        both = self.out.is_terminal and self.err.is_terminal
        return self.out if both else self.err


def _screen(file: TextIO) -> Screen:
    # Not `stderr=True`: the streams of the moment count, which tests replace.
    return Screen(file=file, highlight=False, markup=False, emoji=False)


def _write_json(file: TextIO, fields: Mapping[str, Any]) -> None:
    is_unicode = (file.encoding or "").lower().replace("-", "") == "utf8"
    file.write(json.dumps(fields, ensure_ascii=not is_unicode) + "\n")
    file.flush()

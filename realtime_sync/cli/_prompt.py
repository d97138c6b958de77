"""Lines that somebody types, with the editing and history of the terminal."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


__all__ = ["typed_lines"]

_KEPT = 1000  # lines of the history


def typed_lines(
    prompt: str, history: Path | None, words: Sequence[str]
) -> Iterator[str]:
    """
    Yield lines until there are no more.

    Args:
        prompt: Stands in front of what is typed; only on a terminal.
        history: The file of the history, which only its owner may read; None for none.
        words: What the tab key completes at the beginning of a line.
    """
    if not sys.stdin.isatty():
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    with _line_editing(history, words):
        while True:
            try:
                line = input(prompt)
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()  # or the shell's prompt would be behind this one
                raise
            yield line


@contextlib.contextmanager
def _line_editing(history: Path | None, words: Sequence[str]) -> Iterator[None]:
    try:
        readline: Any = importlib.import_module("readline")  # not on Windows
    except ImportError:
        yield
        return
    readline.set_completer(_completer(words))
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")
    if history is not None:
        with contextlib.suppress(OSError):
            readline.read_history_file(history)
    try:
        yield
    finally:
        readline.set_completer(None)
        if history is not None:
            _write(readline, history)


def _completer(words: Sequence[str]) -> Any:
    def complete(text: str, state: int) -> str | None:
        found = [word for word in words if text and word.startswith(text)]
        return found[state] if state < len(found) else None

    return complete


def _write(readline: Any, history: Path) -> None:
    readline.set_history_length(_KEPT)
    with contextlib.suppress(OSError):  # a chat without a history is one all the same
        history.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(history, os.O_CREAT | os.O_WRONLY, 0o600))
        readline.write_history_file(history)

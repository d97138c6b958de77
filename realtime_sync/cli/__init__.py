"""
The command line: ``realtime-sync``, or ``python -m realtime_sync``.

Each command has a module of its own, which is imported when the command is called.
Everything that a command does can be done with the library alone; what is here reads
options, and prints.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Args:
        arguments: Those after the program's name; by default those of the process.

    Returns:
        The exit code; `realtime_sync.cli._outcome` has the list.
    """
    try:
        from ._app import app
    except ImportError as exc:
        library = (exc.name or "").partition(".")[0]
        if library not in ("click", "rich"):
            raise
        print(
            f"realtime-sync: the command line needs {library}, which is not "
            "installed\npip install 'realtime_sync[cli]' "
            "(or realtime_sync[emulator], which has the emulator too)",
            file=sys.stderr,
        )
        return 1
    code = app.main(arguments, prog_name="realtime-sync", standalone_mode=False)
    assert isinstance(code, int)
    return code

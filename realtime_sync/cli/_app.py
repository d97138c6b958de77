"""The program: its commands, and what becomes of their errors."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from .._version import VERSION
from ..errors import RealtimeError
from ._outcome import ExitCode, Outcome, outcome_of
from ._output import Output


__all__ = ["App", "app"]

# In the order of the help; each is the module and the name of its command.
_COMMANDS = (
    "talk",
    "chat",
    "transcribe",
    "speak",
    "record",
    "replay",
    "inspect",
    "timeline",
    "doctor",
    "emulate",
)

_TOLD = (RealtimeError, OSError, ValueError, TypeError, ImportError, RuntimeError)

_EPILOG = """
\b
exit codes: 0 done, 1 failed, 2 wrong usage, 3 not reachable, 4 credential not
accepted, 5 refused by the service, 6 timed out, 130 Ctrl-C, 141 broken pipe
"""


class App(click.Group):
    """A group that imports commands when they are called, and tells their errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def main(  # type: ignore[override]  # of overloads that say the same
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **options: Any,
    ) -> Any:
        """
        Run the program.

        Returns:
            The exit code, unless *standalone_mode*, in which it exits with it.
        """
        output = options.setdefault("obj", Output())
        try:
            code = super().main(args, prog_name, standalone_mode=False, **options)
        except click.ClickException as exc:
            code = _wrong_usage(exc, output)
        if standalone_mode:
            sys.exit(code or 0)
        return code or 0

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; return the exit code."""
        output: Output = ctx.obj
        try:
            with _remarks(output):
                code: int | None = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except BrokenPipeError:
            _forget_stdout()
            return ExitCode.BROKEN_PIPE
        except click.exceptions.Exit as exc:
            return exc.exit_code
        except _TOLD as exc:
            if isinstance(exc, ImportError) and "install" not in str(exc):
                raise  # a mistake of the program, not a library that is missing
            outcome = outcome_of(exc, _help_command(ctx))
            output.failure(outcome)
            return outcome.code
        return code or ExitCode.DONE


class _Remarks(logging.Handler):
    """Says what the library warns of, such as a connection that is opened again."""

    def __init__(self, output: Output) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning as a remark, in one line."""
        self._output.notice(" ".join(record.getMessage().split()))


@contextlib.contextmanager
def _remarks(output: Output) -> Iterator[None]:
    logger = logging.getLogger("realtime_sync")
    if os.environ.get("AZURE_LOG_LEVEL"):  # then warnings are in the log
        yield
        return
    handler = _Remarks(output)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _help_command(ctx: click.Context) -> str:
    name = ctx.invoked_subcommand
    return f"{ctx.command_path} {name} --help" if name else f"{ctx.command_path} --help"


def _wrong_usage(exc: click.ClickException, output: Output) -> int:
    context = getattr(exc, "ctx", None)
    path = context.command_path if context else "realtime-sync"
    what = " ".join(exc.format_message().split())
    output.failure(Outcome(ExitCode.USAGE, what, f"see '{path} --help'"))
    return ExitCode.USAGE


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere, or it would complain."""
    with contextlib.suppress(OSError, ValueError):  # it may have no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


_SETTINGS: Mapping[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 88,
    "show_default": True,
}


@click.group(cls=App, context_settings=dict(_SETTINGS), epilog=_EPILOG)
@click.version_option(VERSION, prog_name="realtime-sync")
def app() -> None:
    """
    Speech in, speech out, over one WebSocket.

    With AZURE_OPENAI_ENDPOINT (or OPENAI_API_KEY) set, or a profile, commands talk to
    that service, and otherwise to an emulator on this machine.
    """

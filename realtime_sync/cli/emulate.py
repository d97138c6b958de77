"""The command ``emulate``: an emulator in a process of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from ._faults import fault_of
from ._options import json_option
from ._output import Output


if TYPE_CHECKING:
    from ..emulator import Fault, RealtimeEmulator


__all__ = ["emulate"]

_SLICE = 0.1  # seconds in which a signal is heard
_FAULTS = """
\b
faults, each of them once, in the order given:
  --fault http=429,retry-after=2       refuse the next connection
  --fault refuse                       end the TCP connection without an answer
  --fault redirect=URL                 point somewhere else
  --fault close=1011,reason=bye@response.created
                                       close before the first event of that type
  --fault cut@@5                       reset TCP after the fifth event
  --fault freeze@response.output_audio.delta
  --fault slow=8000                    send no more than 8,000 bytes a second
  --fault expire=60                    end the session after 60 s
  --fault drop@response.done           also: duplicate, reorder, corrupt, fragment
  --fault unknown_event                also: unknown_field, invalid_json, invalid_utf8,
                                       binary, giant=BYTES
  --fault error=CODE,message=WORDS     send an error of the server
\b
behind a comma: session=N (the connection, counted from 0), times=N (or times=inf),
skip=N (events that fit and pass), reason= or message=, retry-after=SECONDS of http,
type=, param= and event-id= of error
"""


def _complete_fault(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> list[str]:
    from typing import get_args

    from ..emulator.faults import FaultKind

    return [kind for kind in get_args(FaultKind) if kind.startswith(incomplete)]


def _read_faults(
    ctx: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> list[Fault]:
    try:
        return [fault_of(text) for text in texts]
    except ValueError as exc:
        raise click.BadParameter(str(exc), ctx, parameter) from exc


@click.command(epilog=_FAULTS)
@click.option("--host", default="127.0.0.1", help="The address.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, help="0 takes a free one."
)
@click.option("--tls", is_flag=True, help="Serve wss, with a certificate made for it.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the certificate of the authority, which clients are to trust, here; "
    "implies --tls.",
)
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    help="A key or token that is good; may be repeated.  [default: all are]",
)
@click.option(
    "--deployment",
    "deployments",
    multiple=True,
    metavar="NAME",
    help="A deployment or model that there is; may be repeated.  [default: all]",
)
@click.option(
    "--speech",
    type=click.Choice(["auto", "real", "tone"]),
    default="auto",
    envvar="REALTIME_SYNC_EMULATOR_SPEECH",
    help="What hears and speaks; auto is real where the extra is installed.",
)
@click.option(
    "--whisper-model",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A Whisper model of CTranslate2 that hears in place of the extra's.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Send audio N times faster than it plays; inf sends it at once.  [default: 8]",
)
@click.option(
    "--response-delay",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="To think.  [default: 0.05]",
)
@click.option(
    "--session-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="The age at which a session is closed.  [default: 3600]",
)
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Give every client the server's side of a recording, and nothing else.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    callback=_read_faults,
    shell_complete=_complete_fault,
    help="What shall go wrong, see below; may be repeated.",
)
@click.option(
    "--repeat-faults", is_flag=True, help="Let each fault happen again and again."
)
@json_option
@click.pass_context
def emulate(ctx: click.Context, /, **options: Any) -> None:
    """
    Serve the API on this machine.

    Any client of the API can use it. The first line of the output names the endpoint.
    """
    output: Output = ctx.find_root().obj
    emulator = _emulator(options)
    with _signals() as received, emulator:
        ca_file = _published(emulator.ca_file, options["ca_file"])
        output.line(f"serving {emulator.endpoint}; Ctrl-C ends it")
        if ca_file is not None:
            output.line(f"CA file: {ca_file}")
        output.record(
            "serving",
            endpoint=emulator.endpoint,
            ca_file=None if ca_file is None else str(ca_file),
        )
        while not received:
            time.sleep(_SLICE)
    if signal.SIGINT in received:
        raise KeyboardInterrupt


def _emulator(options: dict[str, Any]) -> RealtimeEmulator:
    from ..emulator import EmulatorSettings, RealtimeEmulator, default_speech

    speech = default_speech(options["speech"], whisper_model=options["whisper_model"])
    changes = {
        name: value
        for name in ("speed", "response_delay", "session_seconds")
        if (value := options[name]) is not None
    }
    emulator = RealtimeEmulator(
        options["port"],
        options["host"],
        speech=speech,
        recording=options["recording"],
        tls=options["tls"] or options["ca_file"] is not None,
        api_keys=options["api_keys"] or None,
        deployments=options["deployments"] or None,
        faults=_faults(options["faults"], repeated=options["repeat_faults"]),
        # Nobody asks for the records of a process that may serve for days.
        settings=EmulatorSettings(record=False, **changes),
    )
    # Or the first to speak would wait for the models.
    if warm_up := getattr(speech, "warm_up", None):
        warm_up()
    return emulator


def _faults(faults: Sequence[Fault], *, repeated: bool) -> Sequence[Fault]:
    return [evolve(fault, times=None) for fault in faults] if repeated else faults


def _published(ca_file: Path | None, target: Path | None) -> Path | None:
    if ca_file is None or target is None:
        return ca_file
    target.write_bytes(ca_file.read_bytes())
    return target


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that end the program, so that clients get a goodbye."""
    received: list[int] = []
    # A handler that raises may do so anywhere, inside of a lock too; this one does not.
    previous = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""The command ``emulate``: an emulator in a process of its own."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve


if TYPE_CHECKING:
    from .emulator import Fault, RealtimeEmulator


__all__ = ["add_emulate"]

_SLICE = 0.1  # seconds in which a signal is heard
_FAULTS = """\
faults, each of them once, in the order given:
  --fault http=429                     refuse the next connection
  --fault refuse                       end the TCP connection without an answer
  --fault close=1011@response.created  close before the first event of that type
  --fault cut@@5                       reset TCP after the fifth event
  --fault freeze@response.output_audio.delta
  --fault slow=8000                    send no more than 8,000 bytes a second
  --fault expire=60                    end the session after 60 s
  --fault drop@response.done           also: duplicate, reorder, corrupt, fragment
  --fault unknown_event                also: unknown_field, invalid_json, invalid_utf8,
                                       binary, giant, error, redirect=URL
"""


def add_emulate(commands: Any) -> None:
    """
    Add the command to a program's.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    parser = commands.add_parser(
        "emulate",
        help="serve the API on this machine",
        description="Serve the API on this machine, to any client of it. The first "
        "line of the output names the endpoint.",
        epilog=_FAULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_place(parser)
    _add_behaviour(parser)
    parser.set_defaults(run=_emulate)


def _add_place(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address (%(default)s)")
    add("--port", type=int, default=8765, help="0 takes a free one (%(default)s)")
    add("--tls", action="store_true", help="serve wss, with a certificate made for it")
    add(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="write the certificate of the authority, which clients are to trust, "
        "here; implies --tls",
    )
    add(
        "--api-key",
        action="append",
        metavar="KEY",
        help="a key or token that is good; may be repeated (default: all are)",
    )
    add(
        "--deployment",
        action="append",
        metavar="NAME",
        help="a deployment or model that there is; may be repeated (default: all)",
    )


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--speech",
        choices=["auto", "real", "tone"],
        default="auto",
        help="what hears and speaks; auto is real where the extra is installed",
    )
    add("--whisper-model", type=Path, metavar="FOLDER", help="hears in its place")
    add(
        "--speed",
        type=float,
        metavar="N",
        help="send audio N times faster than it plays; inf sends it at once (8)",
    )
    add("--response-delay", type=float, metavar="S", help="seconds to think (0.05)")
    add(
        "--session-seconds",
        type=float,
        metavar="S",
        help="the age at which a session is closed (3600)",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="what shall go wrong, see below; may be repeated",
    )
    add(
        "--repeat-faults",
        action="store_true",
        help="let each fault happen again and again",
    )


def _emulate(options: argparse.Namespace) -> None:
    emulator = _emulator(options)
    with _signals() as received, emulator:
        print(f"serving {emulator.endpoint}; Ctrl-C ends it", flush=True)
        if emulator.ca_file is not None:
            print(f"CA file: {_published(emulator.ca_file, options)}", flush=True)
        while not received:
            time.sleep(_SLICE)
    if signal.SIGINT in received:
        raise KeyboardInterrupt


def _emulator(options: argparse.Namespace) -> RealtimeEmulator:
    from .emulator import EmulatorSettings, RealtimeEmulator, default_speech

    speech = default_speech(options.speech, whisper_model=options.whisper_model)
    changes = {
        name: value
        for name in ("speed", "response_delay", "session_seconds")
        if (value := getattr(options, name)) is not None
    }
    emulator = RealtimeEmulator(
        options.port,
        options.host,
        speech=speech,
        tls=options.tls or options.ca_file is not None,
        api_keys=options.api_key,
        deployments=options.deployment,
        faults=_faults(options),
        # Nobody asks for the records of a process that may serve for days.
        settings=EmulatorSettings(record=False, **changes),
    )
    # Or the first to speak would wait for the models.
    if warm_up := getattr(speech, "warm_up", None):
        warm_up()
    return emulator


def _faults(options: argparse.Namespace) -> list[Fault]:
    from .emulator import Fault

    faults = [Fault.parse(text) for text in options.fault]
    if options.repeat_faults:
        return [evolve(fault, times=None) for fault in faults]
    return faults


def _published(ca_file: Path, options: argparse.Namespace) -> Path:
    if options.ca_file is None:
        return ca_file
    target: Path = options.ca_file
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

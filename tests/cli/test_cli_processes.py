"""The command line as a process: Ctrl-C, pipes, and what a terminal shows."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from running import QUESTION

from realtime_sync.emulator import (
    EmulatorSettings,
    Fault,
    RealtimeEmulator,
    Reply,
    SessionRecord,
)


pty = pytest.importorskip("pty", reason="terminals are those of POSIX")

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07)")


def _environment(**more: str) -> Mapping[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")},
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TERM": "xterm-256color",
        **more,
    }


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        parent, child = pty.openpty()
        self._parent = parent
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime_sync", *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            env=_environment(**environment),
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(child)

    @property
    def text(self) -> str:
        """All that was shown, without what steers the terminal."""
        lines = _ESCAPES.sub("", self.shown).replace("\r", "").split("\n")
        return "\n".join(line.rstrip() for line in lines)

    def wait_for(self, words: str) -> None:
        """Read until *words* are shown, or the process has ended."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.text and self._read():
            assert time.monotonic() < deadline, self.text
        assert words in self.text

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._parent, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C, again if need be; return the exit code."""
        deadline = time.monotonic() + PATIENCE
        self.type("\x03")
        # Python's prompt does not see one that comes as it is about to wait.
        while (read := self._read(timeout=2.0)) is not False:
            assert time.monotonic() < deadline, self.text
            if read is None:
                self.type("\x03")
        return self.process.wait(PATIENCE)

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._parent)

    def _read(self, timeout: float | None = None) -> bool | None:
        """Read some; tell whether there was any before the end, None if not in time."""
        ready, _, _ = select.select([self._parent], [], [], timeout or PATIENCE)
        if not ready:
            assert timeout, self.text
            return None
        try:
            data = os.read(self._parent, 65536)
        except OSError:  # how Linux tells that the other side has gone
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


def _own_terminal() -> None:
    """Make the terminal the one that Ctrl-C of its keyboard interrupts."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def _terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    terminal = Terminal(*arguments, **environment)
    try:
        yield terminal
    finally:
        terminal.close()


def test_chat_on_a_terminal(service: list[str]) -> None:
    """A prompt, an answer as Markdown, a command completed by tab, and Ctrl-D."""
    with _terminal("chat", *service, "--no-history") as terminal:
        terminal.wait_for("you>")
        terminal.type("What is the capital of Norway?\r")
        terminal.wait_for("Oslo.\nyou>")
        terminal.type("/hi\t\r")
        # Ctrl-D would be lost ahead of the prompt.
        terminal.wait_for("assistant: The capital of Norway is Oslo.\nyou>")
        terminal.type("\x04")

        assert 0 == terminal.end()


def test_ctrl_c_stops_an_answer_and_then_the_chat(service: list[str]) -> None:
    """Ctrl-C stops an answer and the chat goes on; at the prompt it ends it."""
    settings = EmulatorSettings(text_interval=0.05, close_timeout=0.1)
    reply = Reply("one two three four five six seven eight nine ten. " * 40)
    with (
        RealtimeEmulator(
            speech="tone", settings=settings, replies=lambda turn: reply
        ) as slow,
        _terminal("chat", *service, "--endpoint", slow.endpoint) as terminal,
    ):
        terminal.wait_for("you>")
        terminal.type("Count!\r")
        terminal.wait_for("two three")
        terminal.type("\x03")
        terminal.wait_for("stopped\nyou>")

        assert 130 == terminal.interrupt()
        assert "Traceback" not in terminal.text


def test_history_is_kept_for_its_owner(service: list[str], tmp_path: Path) -> None:
    """What was typed is there the next time, in a file that nobody else reads."""
    pytest.importorskip("readline")
    for keys in ("Hello!\r", "\x1b[A\r"):
        with _terminal("chat", *service) as terminal:
            terminal.wait_for("you>")
            terminal.type(keys)
            terminal.wait_for("help you?\nyou>")
            terminal.type("\x04")

            assert 0 == terminal.end()
    history = tmp_path / "settings" / "realtime-sync" / "history"

    assert "Hello!" in history.read_text()
    assert 0o600 == history.stat().st_mode & 0o777


def test_colours_are_for_terminals(service: list[str]) -> None:
    """A terminal gets colours, but for NO_COLOR."""
    with _terminal("doctor", *service) as terminal:
        assert 0 == terminal.end()
        assert "\x1b[1;32mok" in terminal.shown
    with _terminal("doctor", *service, NO_COLOR="1") as terminal:
        assert 0 == terminal.end()
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.shown)


def test_bars_are_for_terminals(service: list[str]) -> None:
    """Sending a recording moves a bar on a terminal; a pipe gets text alone."""
    with _terminal("transcribe", str(QUESTION), "--turns", *service) as terminal:
        assert 0 == terminal.end()
        assert "question.wav ━" in terminal.text
    piped = _run("transcribe", str(QUESTION), *service)

    assert "" == piped.stderr
    assert "━" not in piped.stdout
    assert "\x1b" not in piped.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realtime_sync", *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def _was_asked(record: SessionRecord) -> bool:
    return "response.create" in [event.type for event in record.client_events]


def test_ctrl_c_while_it_waits(emulator: RealtimeEmulator, service: list[str]) -> None:
    """Ctrl-C ends a command that waits with code 130, and without a traceback."""
    emulator.inject(Fault.drop("response.created"))
    with subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "speak", "Hello", *service],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        record = emulator.wait_for_session(PATIENCE)
        record.wait_for(_was_asked, timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)

    assert 130 == process.returncode
    assert "" == errors


def test_broken_pipe_is_quiet(service: list[str]) -> None:
    """Whoever stops reading ends the command, without a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "doctor", *service, "--json"],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(PATIENCE)

    assert 141 == process.returncode
    assert "Traceback" not in errors
    assert "Exception" not in errors


def test_speech_to_a_pipe(service: list[str]) -> None:
    """`-o -` writes the WAV file to stdout, and nothing else."""
    ended = subprocess.run(
        [sys.executable, "-m", "realtime_sync", "speak", "Hi", "-o", "-", *service],
        env=_environment(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert 0 == ended.returncode
    assert ended.stdout.startswith(b"RIFF")


def test_shells_complete(tmp_path: Path) -> None:
    """Click's completion works: commands, options, and the kinds of faults."""

    def complete(words: str, index: int) -> str:
        return subprocess.run(
            [sys.executable, "-m", "realtime_sync"],
            env=_environment(
                _REALTIME_SYNC_COMPLETE="bash_complete",
                COMP_WORDS=words,
                COMP_CWORD=str(index),
            ),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        ).stdout

    assert "plain,transcribe\n" == complete("realtime-sync tran", 1)
    assert "plain,--microphone\n" in complete("realtime-sync talk --mi", 2)
    assert "plain,freeze\n" == complete("realtime-sync emulate --fault fre", 3)

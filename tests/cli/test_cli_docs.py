"""Every command line of the page about the command line runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import QUESTION, Run


ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text()
_BLOCK = re.compile(r"(<!-- not run: [^>]*-->\n)?```sh\n(.*?)```", re.DOTALL)
_SHELL = re.compile(r"[|><&$;]|^[A-Z_]+=")

LINES = [
    line
    for skipped, block in _BLOCK.findall(PAGE)
    if not skipped
    for line in block.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name in ("question.wav", "interview.wav", "second.wav"):
        shutil.copy(QUESTION, tmp_path / name)
    (tmp_path / "profiles.toml").write_text(
        '[staging]\nendpoint = "http://127.0.0.1:9"\nvoice = "sage"\n'
    )


@pytest.fixture(name="environment")
def _environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `realtime-sync` is a command."""
    program = tmp_path / "bin" / "realtime-sync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m realtime_sync "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def _serves(line: str, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        shlex.split(line, comments=True),
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        served = process.stdout.readline()
        process.terminate()
        process.communicate(timeout=60)

    assert served.startswith("serving ws")


@pytest.mark.parametrize("line", LINES)
def test_line_runs(line: str, run: Run, environment: dict[str, str]) -> None:
    """A line of the page does what it says, with exit code 0."""
    if line.endswith(".png"):
        pytest.importorskip("matplotlib", reason="needs the extra plot")
    if line.startswith("realtime-sync emulate"):
        _serves(line, environment)
        return
    if line.startswith("realtime-sync") and not _SHELL.search(line):
        ran = run(*shlex.split(line, comments=True)[1:])

        assert 0 == ran.code, ran.err
        return
    ended = subprocess.run(
        ["bash", "-c", line],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 0 == ended.returncode, ended.stderr


def test_page_names_every_command() -> None:
    """Each command has a section of its own on the page."""
    from realtime_sync.cli._app import _COMMANDS

    missing = [name for name in _COMMANDS if f"\n## `{name}`" not in PAGE]

    assert [] == missing


def test_page_names_every_exit_code() -> None:
    """The page's table has the exit codes that there are."""
    from realtime_sync.cli._outcome import ExitCode

    table = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    assert {int(code) for code in ExitCode} == table

"""Every block of Python and of shell in the pages of the documentation runs."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_sync


ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages whose commands have tests of their own, or start servers.
OTHERS = ("command-line", "emulator", "flask")
_BLOCK = re.compile(r"(<!-- not run: [^>]*-->\n)?```(python|sh)\n(.*?)```", re.DOTALL)


def _blocks(kind: str) -> list[object]:
    return [
        pytest.param(code, id=f"{path.stem}-{number}")
        for path in sorted(DOCS.glob("*.md"))
        for number, (skipped, language, code) in enumerate(
            _BLOCK.findall(path.read_text())
        )
        if language == kind and not skipped
        if kind == "python" or path.stem not in OTHERS
    ]


@pytest.fixture(autouse=True)
def _in_a_copy_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks find the project's files, and write theirs somewhere else."""
    for path in ROOT.iterdir():
        if not path.name.startswith((".", "conftest", "setup.cfg")):
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


def _run_as_tests(code: str, folder: Path) -> None:
    """Let pytest run *code*, as in the project of a user who installed the plugin."""
    project = folder / "project"
    project.mkdir()
    (project / "test_block.py").write_text(code)
    plugin = ["-p", "no:realtime_sync", "-p", "realtime_sync.pytest_plugin"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", "."],
        cwd=project,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert 0 == ended.returncode, ended.stdout


@pytest.mark.parametrize("code", _blocks("python"))
def test_block_runs(code: str, tmp_path: Path) -> None:
    """A block of a page runs as it is; one with tests is run by pytest."""
    if "def test_" in code:
        _run_as_tests(code, tmp_path)
    else:
        # Without what this module imports from the future.
        compiled = compile(code, "a page", "exec", dont_inherit=True)
        exec(compiled, {"__name__": "__main__"})


@pytest.mark.parametrize("code", _blocks("sh"))
def test_command_runs(code: str) -> None:
    """The commands of a page run as they are, where its files are."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-e", "-c", code],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert 0 == ended.returncode, ended.stderr


def test_every_page_is_in_the_contents() -> None:
    """No page is written that nobody finds."""
    contents = (DOCS / "index.md").read_text()
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    chapters = {path.stem for path in (DOCS / "api").glob("*.md")} - {"index"}
    listed = set(re.findall(r"^[\w-]+$", contents, re.MULTILINE))
    reference = (DOCS / "api" / "index.md").read_text()

    assert set() == pages - listed
    assert set() == chapters - set(re.findall(r"^[\w-]+$", reference, re.MULTILINE))


def test_every_public_name_is_in_the_reference() -> None:
    """What `realtime_sync` offers is in the pages of the whole API."""
    text = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    names = {"__version__"}
    for name in re.findall(r"\{public-names\} (\S+)", text):
        names.update(importlib.import_module(name).__all__)

    assert set() == set(realtime_sync.__all__) - names


def test_site_builds(tmp_path: Path) -> None:
    """The site is made of the pages without a single warning."""
    for needed in ("sphinx", "furo", "myst_parser", "anywidget", "wsproto"):
        pytest.importorskip(needed)
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", str(DOCS), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert 0 == built.returncode, built.stderr
    page = (tmp_path / "site" / "api" / "client.html").read_text()
    assert 'id="realtime_sync.RealtimeClient"' in page

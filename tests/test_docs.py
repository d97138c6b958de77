"""Every block of Python in the pages of the documentation runs."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- not run: [^>]*-->\n)?```python\n(.*?)```", re.DOTALL)
BLOCKS = [
    pytest.param(code, id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, (skipped, code) in enumerate(_BLOCK.findall(path.read_text()))
    if not skipped
]


def _run_as_tests(code: str, folder: Path) -> None:
    """Let pytest run *code*, as in the project of a user who installed the plugin."""
    (folder / "test_block.py").write_text(code)
    plugin = ["-p", "no:realtime_sync", "-p", "realtime_sync.pytest_plugin"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 0 == ended.returncode, ended.stdout


@pytest.mark.parametrize("code", BLOCKS)
def test_block_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of a page runs as it is; one with tests is run by pytest."""
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    if "def test_" in code:
        _run_as_tests(code, tmp_path)
        return
    monkeypatch.chdir(ROOT)
    # Without the annotations of this module, which would make those of the page text.
    block = compile(code, "a page", "exec", dont_inherit=True)
    exec(block, {"__name__": "__main__"})
    gc.collect()  # an emulator ends with its client, which a block's functions keep

"""In a real kernel: the notebooks of the examples, interrupts, and restarts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync._notebook.audio import DEFAULT_LIMIT
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, Reply, Turn


pytest.importorskip("ipykernel")
pytest.importorskip("anywidget")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
loop = pytest.importorskip("jupyter_core.utils")
manager = pytest.importorskip("jupyter_client.manager")

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
WAIT = 60.0

pytestmark = [
    # Of Jupyter's own, and of its event loop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    yield
    # Jupyter keeps an event loop for each thread, and so its sockets.
    loop.ensure_event_loop().close()
    asyncio.set_event_loop(None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path) -> None:
    """A notebook runs from top to bottom, shows itself, and stays small."""
    notebook = nbformat.read(path, 4)
    nbclient.NotebookClient(
        notebook,
        timeout=WAIT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    markup = [out["data"].get("text/html", "") for out in outputs if "data" in out]

    assert any("<audio" in each for each in markup)
    assert any("first words after" in each for each in markup)
    # Base64 takes 4 bytes for 3.
    assert max(map(len, markup)) < DEFAULT_LIMIT * 4 / 3 + 20_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    """What a notebook showed on somebody's machine is not part of the project."""
    cells = nbformat.read(path, 4).cells

    assert [] == [out for cell in cells for out in cell.get("outputs", ())]
    assert {None} == {cell.get("execution_count") for cell in cells}


class Kernel:
    """A kernel, and what its cells show."""

    def __init__(self) -> None:
        self.manager: Any = manager.KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=dict(os.environ))
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT)

    def start(self, code: str) -> None:
        self.client.execute(code, stop_on_error=False)

    def until(self, kind: str) -> Any:
        """Return the content of the next message of a kind."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT)
            if message["msg_type"] == kind:
                return message["content"]

    def interrupt(self) -> Any:
        """Interrupt the cell that runs; return its error once the kernel is idle."""
        self.manager.interrupt_kernel()
        error = self.until("error")
        # ipykernel 7 loses what is sent to it in between, now and then, whatever ran.
        while self.until("status")["execution_state"] != "idle":
            pass
        return error

    def run(self, code: str) -> Any:
        """Run a cell, and return the reply."""
        reply = self.client.execute_interactive(
            code, timeout=WAIT, output_hook=lambda message: None
        )
        return reply["content"]

    def run_cell(self, cell_id: str, code: str) -> None:
        """Run a cell as a front end does that tells which one it is."""
        content = {"code": code, "stop_on_error": False}
        session = self.client.session
        message = session.msg("execute_request", content, metadata={"cellId": cell_id})
        self.client.shell_channel.send(message)
        while True:
            reply = self.client.get_shell_msg(timeout=WAIT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert "ok" == reply["content"]["status"]
                return

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel()
        self._connect()

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(name="kernel")
def _kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.end()


def test_interrupt_and_restart(kernel: Kernel) -> None:
    """An interrupt keeps the session and cancels; a restart leaves nothing behind."""
    gate = threading.Event()

    def answer(turn: Turn) -> Reply:
        if "wait" in turn.heard:
            gate.wait(WAIT)
        return Reply(f"{turn.heard} indeed")

    with RealtimeEmulator(
        replies=answer, speech="tone", settings=EmulatorSettings.instant()
    ) as emulator:
        opening = kernel.run(
            "from realtime_sync import RealtimeClient, notebook\n"
            f"where = {emulator.endpoint!r}\n"
            "client = RealtimeClient(where, 'key', model='m', proxy='')\n"
            "text = {'output_modalities': ['text']}\n"
            "connection = notebook.connect(client, session=text)"
        )
        kernel.start("notebook.ask(connection, 'please wait')")
        shown = kernel.until("display_data")
        error = kernel.interrupt()
        gate.set()
        again = kernel.run("assert connection.ask('Hello').text == 'Hello indeed'")
        kernel.restart()
        session = emulator.sessions[0]
        code, _ = session.wait_closed(timeout=WAIT)

    assert ["ok", "ok"] == [opening["status"], again["status"]]
    assert "in progress" in shown["data"]["text/html"]
    assert "Interrupted" == error["ename"]
    assert 1 == len(error["traceback"])
    assert 1001 == code


def test_changed_cell_replaces_its_connection(kernel: Kernel) -> None:
    """A cell is known by what the front end calls it, whatever it says now."""
    with RealtimeEmulator(
        speech="tone", settings=EmulatorSettings.instant()
    ) as service:
        kernel.run(
            "from realtime_sync import RealtimeClient, notebook\n"
            f"where = {service.endpoint!r}\n"
            "client = RealtimeClient(where, 'key', model='m', proxy='')"
        )
        kernel.run_cell("cell-a", "one = notebook.connect(client)")
        kernel.run_cell("cell-b", "two = notebook.connect(client)")
        kernel.run_cell("cell-a", "three = notebook.connect(client)  # changed")
        kernel.run_cell("cell-c", "assert (one.closed, two.closed) == (True, False)")
        code, _ = service.sessions[0].wait_closed(timeout=WAIT)

        assert 1000 == code
        assert [None, None] == [session.closed for session in service.sessions[1:]]

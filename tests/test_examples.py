"""Every example, and every block of Python in the README, runs against the emulator."""

from __future__ import annotations

import gc
import os
import re
import runpy
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.emulator import ToneSpeech
from realtime_sync.emulator.speech import default_speech


ROOT = Path(__file__).parents[1]
# These have tests of their own.
OTHERS = ("dask_cluster", "flask_view", "voice_assistant")
SCRIPTS = sorted(
    path for path in (ROOT / "examples").glob("*.py") if path.stem not in OTHERS
)
# What an example has to print, or it does not show what it is for.
FUNCTION = [r"call: get_weather \{'city': 'Oslo'\}", "answer: .*sunny"]
PRINTED = {
    "alaw_file": [r"\d{3,} ms of speech"],
    "bad_command": [
        "refused: input_audio_buffer_commit_empty",
        "refused: session.max_output_tokens",
        "still there: The capital of Norway is Oslo",
    ],
    "function_call": FUNCTION,
    "function_callback": FUNCTION,
    "interruption": [
        r"truncated=\(Truncation\(.*audio_end_ms=300\)",
        "heard: 300 ms",
        "generated: .* cancelled",
    ],
    "items": [
        "number 7.*number 8.*number 9",
        "retrieved: And the number 8",
        "gone: ",
        r"left: \['Remember the number 7.', 'And the number 9.'\]",
    ],
    "session_configuration": [
        "voice: marin",
        "instructions: Answer in one short sentence.",
        "at most: 500 tokens",
    ],
    "text_only": ["Oslo.*Nairobi", "responses 2"],
    "translation": [r"<Audio \d{3,} ms at 24000 Hz>"],
    "turn_detection_off": ["before: ServerVad", "after: None"],
    "two_threads": ["Norway is Oslo.*Kenya is Nairobi"],
    "voice_activity": [r"speech at \d+.*silence at \d+"],
}
# What it prints besides where the emulator understands speech.
HEARD = {
    "alaw_file": "Oslo",
    "live_transcription": "(What is the capital of Norway.*){3}",
    "script": "Oslo",
    "translation": "What is the capital of Norway",
    "turn_detection_off": "Oslo",
    "voice_activity": "Oslo",
}
_BLOCK = re.compile(r"(<!-- not run: [^>]*-->\n)?```python\n(.*?)```", re.DOTALL)
BLOCKS = [
    code
    for skipped, code in _BLOCK.findall((ROOT / "README.md").read_text())
    if not skipped
]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    gc.collect()  # an emulator ends with its client, which a module's cycles keep


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An example runs to its end and prints what it is there to show."""
    runpy.run_path(str(script), run_name="__main__")

    printed = capsys.readouterr().out
    wanted = list(PRINTED.get(script.stem, ["."]))
    if script.stem in HEARD and not isinstance(default_speech(), ToneSpeech):
        wanted.append(HEARD[script.stem])
    assert [] == [each for each in wanted if not re.search(each, printed, re.DOTALL)]


def test_examples_are_there() -> None:
    """What is to be printed is that of an example."""
    assert {*PRINTED, *HEARD} <= {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_readme_block_runs(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A block of Python in the README does what the README says around it."""
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out.strip()


class FakeMicrophone:
    """Hears one question, then silence, until it is told that this is enough."""

    def __init__(self) -> None:
        self.enough = threading.Event()

    def __enter__(self) -> FakeMicrophone:
        _devices["microphone"] = self
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[bytes]:
        from realtime_sync.audio import load_audio

        yield load_audio(ROOT / "examples" / "audio" / "question.wav").pcm
        yield bytes(48_000)
        assert self.enough.wait(60.0)


class FakeSpeaker:
    """Has enough once it was given something to play."""

    played_ms = 0

    def __init__(self) -> None:
        self.played = bytearray()
        self.flushed = 0

    def __enter__(self) -> FakeSpeaker:
        _devices["speaker"] = self
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def write(self, pcm: bytes) -> None:
        self.played += pcm
        _devices["microphone"].enough.set()

    def flush(self) -> int:
        self.flushed += 1
        return 0


_devices: dict[str, Any] = {}


def test_voice_assistant_hears_and_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The voice assistant sends what is heard, and plays what is answered."""
    monkeypatch.setattr("realtime_sync.audio.Microphone", FakeMicrophone)
    monkeypatch.setattr("realtime_sync.audio.Speaker", FakeSpeaker)
    runpy.run_path(str(ROOT / "examples" / "voice_assistant.py"), run_name="__main__")

    speaker = _devices["speaker"]
    assert speaker.played
    assert speaker.flushed >= 1


def test_flask_view_streams_an_answer() -> None:
    """A Flask view answers with what the model writes."""
    pytest.importorskip("flask")
    app = runpy.run_path(str(ROOT / "examples" / "flask_view.py"))["app"]

    answer = app.test_client().get("/ask?q=What+is+the+capital+of+Norway")

    assert "Oslo" in answer.text


def test_notebook_cell_runs_inside_a_running_event_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A notebook cell, which runs inside an event loop, is the same blocking code."""
    import asyncio

    async def kernel() -> None:
        runpy.run_path(str(ROOT / "examples" / "notebook_cell.py"))

    asyncio.run(kernel())

    assert "Oslo" in capsys.readouterr().out


def test_talk_answers_the_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`talk` prints what was heard and answered, and writes the spoken answer."""
    from realtime_sync.audio import load_audio
    from realtime_sync.cli import main

    output = tmp_path / "answer.wav"
    code = main(["talk", "examples/audio/question.wav", "-o", str(output)])

    printed = capsys.readouterr().out
    assert code == 0
    assert "heard: " in printed
    assert "answer: " in printed
    assert load_audio(output).duration_ms > 500


def test_talk_says_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no recording ends `talk` with a sentence and exit code 1."""
    from realtime_sync.cli import main

    path = tmp_path / "not_audio.wav"
    path.write_bytes(b"hello")
    code = main(["talk", str(path), "-o", str(tmp_path / "answer.wav")])

    assert code == 1
    assert "not_audio.wav" in capsys.readouterr().err


def test_python_dash_m_shows_its_commands() -> None:
    """`python -m realtime_sync --help` names the commands."""
    import subprocess

    shown = subprocess.run(
        [sys.executable, "-m", "realtime_sync", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "talk" in shown
    assert "emulate" in shown

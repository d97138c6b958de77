"""The widget that talks, with a browser that is played by the test."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection, notebook
from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
)


pytest.importorskip("anywidget")

from realtime_sync._notebook.talk import (
    BrowserSpeaker,
    TalkWidget,
    _listen_while_blocked,
)


WAIT = 60.0
TONES = ToneSpeech()
TRANSCRIBING = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


class Browser(TalkWidget):
    """A widget whose messages go to a test instead of a front end."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.changed = threading.Condition()
        self.messages: list[tuple[dict[str, Any], bytes]] = []
        super().__init__(connection)

    def send(self, content: Any, buffers: Any = None) -> None:
        with self.changed:
            self.messages.append((content, b"".join(buffers or ())))
            self.changed.notify_all()

    def says(self, kind: str, *buffers: bytes, **fields: Any) -> None:
        """Do what a message of the browser does."""
        self._handle_custom_msg({"type": kind, **fields}, buffers)

    def got(self, kind: str, fits: Callable[[Any], bool] = lambda m: True) -> Any:
        """Wait for a message of Python's, and return it."""

        def found() -> Any:
            return [m for m, _ in self.messages if m["type"] == kind and fits(m)]

        with self.changed:
            assert self.changed.wait_for(found, WAIT)
            return found()[-1]

    def audio(self) -> bytes:
        with self.changed:
            return b"".join(data for m, data in self.messages if m["type"] == "audio")


@pytest.fixture(name="client")
def _client() -> Iterator[RealtimeClient]:
    with RealtimeEmulator(
        replies=lambda turn: Reply(f"You said {turn.heard}"),
        speech=TONES,
        settings=EmulatorSettings.instant(),
    ) as emulator:
        yield RealtimeClient(emulator.endpoint, "key", model="m", proxy="")


@pytest.fixture(name="connection")
def _connection(client: RealtimeClient) -> Iterator[RealtimeConnection]:
    with client.connect(session=TRANSCRIBING) as connection:
        yield connection


@pytest.fixture(autouse=True)
def _no_widget_is_left() -> Iterator[None]:
    yield
    import ipywidgets

    ipywidgets.Widget.close_all()
    gc.collect()


def speak(browser: Browser, words: str) -> None:
    """Say something into the microphone, and then nothing for a second."""
    pcm = TONES.speak(words) + bytes(48_000)
    for start in range(0, len(pcm), 4800):
        browser.says("heard", pcm[start : start + 4800])


def test_what_the_browser_hears_is_answered(connection: RealtimeConnection) -> None:
    """What the microphone hears is answered, in the speaker and as captions."""
    browser = Browser(connection)
    browser.says("started")
    speak(browser, "Hello there.")

    heard = browser.got(
        "caption", lambda m: m["who"] == "user" and "Hello" in m["words"]
    )
    said = browser.got("caption", lambda m: "You said" in m["words"])
    browser.got("audio")

    assert "Hello there" in heard["words"]
    assert "assistant" == said["who"]
    assert "talking" == browser.state


def test_speaker_plays_what_arrives(connection: RealtimeConnection) -> None:
    """All audio of a response is given to the browser."""
    browser = Browser(connection)
    result = connection.ask("Hello", timeout=WAIT)
    with browser.changed:
        assert browser.changed.wait_for(
            lambda: len(browser.audio()) >= len(result.audio), WAIT
        )

    assert result.audio == browser.audio()


def test_speech_of_the_user_silences_the_browser(
    connection: RealtimeConnection,
) -> None:
    """When the server hears the user, the browser is told to fall silent."""
    browser = Browser(connection)
    connection.ask("Hello, hello, hello, hello, hello, hello", timeout=WAIT)
    browser.got("audio")
    browser.says("started")
    speak(browser, "Stop.")

    assert browser.got("flush")["ms"] >= 0


def test_reloaded_page_gets_all_captions(connection: RealtimeConnection) -> None:
    """A page that says hello is told what was said before."""
    connection.ask("Hello", timeout=WAIT)
    browser = Browser(connection)
    browser.says("hello", page="1")

    browser.got("welcome")
    browser.got("caption", lambda m: m["words"] == "Hello")
    browser.got("caption", lambda m: m["words"] == "You said Hello")


def test_newer_widget_takes_over(connection: RealtimeConnection) -> None:
    """A cell that makes its widget again has the one that talks."""
    former = Browser(connection)
    newer = Browser(connection)
    connection.ask("Hello", timeout=WAIT)
    newer.got("audio")

    assert "stop" == former.messages[-1][0]["type"]
    assert "newer widget" in former.problem
    assert b"" == former.audio()


def test_run_waits_for_stop(connection: RealtimeConnection) -> None:
    """`run` opens the microphone and returns when the user presses Stop."""
    browser = Browser(connection)
    ended = threading.Event()

    def run() -> None:
        browser.run()
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    browser.got("greet")
    browser.says("hello", page="1")
    browser.got("start")
    browser.says("started")
    browser.says("stopped")
    thread.join(WAIT)

    assert ended.is_set()
    assert "ready" == browser.state
    assert not connection.closed


def test_run_keeps_to_its_time(connection: RealtimeConnection) -> None:
    """`run` closes the microphone when the time is over."""
    browser = Browser(connection)
    answer = _answering(browser)
    browser.run(seconds=0.01)
    answer.join(WAIT)

    assert "stop" == browser.messages[-1][0]["type"]


def test_run_says_when_nothing_is_heard(
    connection: RealtimeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A front end without subshells is told from a slow one, with a way out."""
    monkeypatch.setattr("realtime_sync._notebook.talk._HELLO_TIMEOUT", 0.01)

    with pytest.raises(RuntimeError, match="Let the cell end with the widget"):
        Browser(connection).run()


def test_interrupt_silences_and_keeps_the_session(
    connection: RealtimeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupting the kernel closes the microphone; the session goes on."""
    browser = Browser(connection)
    answer = _answering(browser)
    monkeypatch.setattr(browser._stopped, "wait", _interrupt)
    with pytest.raises(notebook.Interrupted, match="session goes on"):
        browser.run()
    answer.join(WAIT)

    assert "stop" == browser.messages[-1][0]["type"]
    assert "You said Hello" == connection.ask("Hello", timeout=WAIT).text


def _interrupt(timeout: float | None) -> bool:
    raise KeyboardInterrupt


def _answering(browser: Browser) -> threading.Thread:
    def answer() -> None:
        browser.got("greet")
        browser.says("hello", page="1")

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_problem_of_the_browser_is_shown(connection: RealtimeConnection) -> None:
    """A microphone that is not allowed is no reason to wait for ever."""
    browser = Browser(connection)
    browser.says("problem", words="no microphone: Permission denied")

    assert "Permission denied" in browser.problem
    assert browser._stopped.is_set()


def test_end_of_the_connection_is_shown(client: RealtimeClient) -> None:
    """The widget shows that the connection is closed, and what it hears is dropped."""
    with client.connect() as connection:
        browser = Browser(connection)
    browser.got("stop")
    browser.says("heard", bytes(4800))

    assert browser._stopped.wait(WAIT)
    assert "ended" == browser.state


def test_forgotten_connection_is_not_kept(client: RealtimeClient) -> None:
    """A widget, which is never forgotten, does not keep its connection alive."""

    def talk_and_forget() -> None:
        Browser(client.connect())
        gc.collect()

    with pytest.warns(ResourceWarning, match="never closed"):
        talk_and_forget()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ({"input": {"turn_detection": None}}, "no turn detection"),
        ({"input": {"format": {"type": "audio/pcmu"}}}, "PCM"),
    ],
)
def test_session_has_to_fit(
    client: RealtimeClient, audio: dict[str, Any], message: str
) -> None:
    """A session that a browser cannot talk to is told at once."""
    connection = client.connect(session={"audio": audio})
    with connection, pytest.raises(ValueError, match=message):
        TalkWidget(connection)


class Clock:
    """Stands still until it is told otherwise."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def speaker() -> tuple[BrowserSpeaker, Clock, list[dict[str, Any]]]:
    clock, sent = Clock(), list[dict[str, Any]]()
    made = BrowserSpeaker(
        lambda message, buffers=None: sent.append(message), clock=clock
    )
    return made, clock, sent


def test_speaker_guesses_between_two_reports() -> None:
    """What was heard grows with time after a report, to what there is at most."""
    made, clock, _ = speaker()
    made.write(bytes(48_000))
    made.told(300, 0)
    clock.now += 0.2
    guessed = made.played_ms
    clock.now += 5

    assert 500 == guessed
    assert 1000 == made.played_ms


def test_silence_is_not_played() -> None:
    """Time in which there was nothing to play does not count."""
    made, clock, _ = speaker()
    made.write(bytes(48_000))
    clock.now += 60
    made.write(bytes(48_000))
    clock.now += 0.25

    assert 1250 == made.played_ms


def test_flush_forgets_what_was_not_heard() -> None:
    """After a flush, what is written next begins where the last one ended."""
    made, clock, sent = speaker()
    made.write(bytes(96_000))
    clock.now += 0.5
    flushed = made.flush()
    made.told(2000, 0)  # on its way before the browser knew
    clock.now += 60
    made.write(bytes(4800))
    clock.now += 60

    assert 500 == flushed
    assert {"type": "flush", "ms": 500, "generation": 1} in sent
    assert 600 == made.played_ms


def test_messages_go_where_the_front_end_wants() -> None:
    """A comm that sends messages to the wrong shell is made to send them on."""

    class Comm:
        def _reply_subshell_for(self, data: Any, wanted: str) -> None:
            """Send all messages to the main shell."""

    comm = Comm()
    _listen_while_blocked(comm)
    _listen_while_blocked(object())

    assert "subshell" == comm._reply_subshell_for({}, "subshell")


def test_both_sides_know_the_same_messages() -> None:
    """Every message that one side sends, the other one takes."""
    folder = Path(notebook.__file__).parent
    python = (folder / "_notebook" / "talk.py").read_text()
    script = (folder / "_notebook" / "talk.js").read_text()
    to_python = set(re.findall(r'send\(\{ type: "(\w+)"', script))
    to_browser = set(re.findall(r'"type": "(\w+)"', python))
    conditions = re.findall(r"^ +(?:el)?if kind (?:==|in) (.*):$", python, re.MULTILINE)

    assert to_python == set(re.findall(r'"(\w+)"', " ".join(conditions)))
    assert to_browser == set(re.findall(r'message\.type === "(\w+)"', script))

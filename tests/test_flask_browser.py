"""The page of the example application in a real browser, with a recording to hear."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")
pytest.importorskip("selenium", reason="selenium is not installed")

from flask_pages import Page, needs_chromium, open_browser, open_page
from flask_processes import Process
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)


pytestmark = needs_chromium

SECOND = 48_000  # bytes of PCM
LONG = "This is a long answer that goes on for a while, so that one can interrupt it."

# The moments, by the clock of the sound, at which the user is heard.
WATCH = """
globalThis.loudAt = [];
realtime.addEventListener("level", ({ detail }) => {
  if (detail.heard > 0.05) loudAt.push(realtime.context.currentTime);
});
"""


def answer(turn: Turn) -> Reply | str:
    if "capital" in turn.heard:
        return LONG
    if "weather" in turn.heard and turn.last_output is None:
        return Reply(function_calls=[call("get_weather", city="Oslo")])
    return str(turn.last_output or f"You said: {turn.heard}")


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> None:
    """Nothing to look for: what all tests share has threads that come and go."""


@pytest.fixture(name="emulator", scope="module")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings(response_delay=0.0, text_interval=0.0)
    with RealtimeEmulator(speech="tone", settings=settings, replies=answer) as emulator:
        yield emulator


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(name="server", scope="module")
def _server(emulator: RealtimeEmulator, data: Path) -> Iterator[Process]:
    with Process("flask", emulator.endpoint, data) as server:
        yield server


@pytest.fixture(name="recording", scope="module")
def _recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A question, a pause in which it is answered, and another question into that."""
    voice = ToneSpeech().speak
    sound = bytes(SECOND // 2) + voice("What is the capital of Norway?")
    sound += bytes(3 * SECOND) + voice("Wait, what is this?") + bytes(2 * SECOND)
    path = tmp_path_factory.mktemp("sound") / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(sound)
    return path


@pytest.fixture(name="browser", scope="module")
def _browser(
    recording: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebDriver]:
    with open_browser(recording, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(name="page")
def _page(browser: WebDriver, server: Process) -> Iterator[Page]:
    with open_page(browser, server) as page:
        yield page


def test_a_wrong_login_is_refused(browser: WebDriver, server: Process) -> None:
    """A wrong password is told in words, and the page of the talk does not open."""
    page = Page(browser, server)
    page.log_in("ada", "wrong")
    words = page.find("[role=alert]").text
    name = page.find("#user").get_attribute("value")
    page.open("/")

    assert "do not belong together" in words
    assert "ada" == name
    assert browser.current_url.endswith("/login")


def test_an_answer_is_heard(page: Page) -> None:
    """What is written is answered in sound, which is shown as it is heard."""
    page.write("Hello from a page")
    page.until(lambda: "You said: Hello from a page" in page.entries("model"))
    page.until(lambda: page.state == "listening")

    heard = ToneSpeech().transcribe(page.played())
    assert "You said: Hello from a page" == heard
    assert ["Hello from a page"] == page.entries("user")


def test_functions_are_shown(page: Page) -> None:
    """A function that the model calls is shown, with what it found."""
    page.write("How is the weather?")
    page.until(lambda: any("sunny in Oslo" in each for each in page.entries("model")))

    assert ["get weather: Oslo → 22 degrees and sunny in Oslo"] == page.entries("tool")


def test_speaking_into_an_answer_silences_it(
    page: Page, emulator: RealtimeEmulator
) -> None:
    """
    A spoken question appears as text, its answer is heard, and speech stops it.

    From the first sound of the user to the last of the loudspeaker it takes no more
    than 300 ms, and the model learns how much of its answer was heard.
    """
    sessions = len(emulator.sessions)
    page.run(WATCH)
    page.find("#connect").click()
    page.until(lambda: page.state == "speaking")
    page.until(lambda: page.state == "hearing")
    page.until(lambda: len(page.entries("user")) == 2 and page.state == "listening")

    assert "What is the capital of Norway?" == page.entries("user")[0]
    assert "Wait, what is this?" == page.entries("user")[1]
    first, second = page.entries("model")
    assert first.endswith(" —")
    assert LONG.startswith(first[:-2].rstrip())
    assert "You said: Wait, what is this?" == second

    onset, silence = page.run(_BARGE_IN)
    assert 0.0 <= silence - onset < 0.3

    record = emulator.wait_for_session(index=sessions)
    cut = [e for e in record.client_events if e.type == "conversation.item.truncate"]
    assert 1 == len(cut)
    assert 500 < cut[0].audio_end_ms < 4000


# The first sound of the second question, and the last of the first answer: the answer
# to the second question begins after a pause of a second.
_BARGE_IN = """
const gap = loudAt.findIndex((at, i) => i && at - loudAt[i - 1] > 1);
const onset = loudAt[gap];
let silence = 0;
for (const [at, samples] of tapped) {
  const loud = samples.findLastIndex((sample) => Math.abs(sample) > 0.01);
  const end = at + loud / realtime.context.sampleRate;
  if (loud >= 0 && end < onset + 0.9) silence = end;
}
return [onset, silence];
"""


def test_the_stop_button_silences_an_answer(page: Page) -> None:
    """The button stops an answer, and what was not heard is not shown."""
    page.write("Tell me of the capital")
    page.until(lambda: page.state == "speaking" and page.entries("model"))
    page.find("#stop").click()
    page.until(lambda: page.entries("model")[0].endswith(" —"))

    assert "listening" == page.state
    assert len(page.entries("model")[0]) < len(LONG)


def test_push_to_talk_by_the_keyboard(page: Page) -> None:
    """With the space bar held down the user is heard; let go, an answer comes."""
    page.run(WATCH)
    page.find("[name=turns][value=push]").click()
    page.find("#connect").click()
    page.until(lambda: page.find("#push").is_displayed())
    page.browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **SPACE})
    focused = page.run("return document.activeElement.id")
    page.until(lambda: page.state == "hearing")
    page.until(lambda: page.run("return loudAt.length > 10"))  # of 40 ms each
    page.browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **SPACE})
    page.until(lambda: page.state == "speaking")

    assert "push" == focused


SPACE = {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "}


def test_a_microphone_at_another_rate_is_heard(page: Page) -> None:
    """Where a browser takes a microphone at its own rate only, it is converted."""
    page.run(
        """
        const make = AudioContext.prototype.createMediaStreamSource;
        AudioContext.prototype.createMediaStreamSource = function (stream) {
          if (this.sampleRate === 24000) throw new Error("another rate");
          return make.call(this, stream);
        };
        """
    )
    page.find("#connect").click()
    page.until(lambda: page.entries("user")[:1] == ["What is the capital of Norway?"])

    assert 24_000 != page.run("return realtime.microphone.ownContext.sampleRate")


def test_without_a_microphone_one_can_write(page: Page) -> None:
    """Who does not lend the microphone is told so, can write, and lend it later."""
    page.run(
        "globalThis.lend = navigator.mediaDevices.getUserMedia;"
        "navigator.mediaDevices.getUserMedia = () => "
        'Promise.reject(new DOMException("", "NotAllowedError"))'
    )
    page.find("#connect").click()
    page.until(lambda: page.state == "listening")
    words = page.find("#problem").text
    page.write("Hello")
    page.until(lambda: "You said: Hello" in page.entries("model"))

    assert "may not be used" in words
    assert not page.find("#mute").is_displayed()

    page.find("#microphone").click()
    page.until(lambda: page.find("#problem").is_displayed())
    page.run("navigator.mediaDevices.getUserMedia = lend")
    page.find("#microphone").click()
    page.until(lambda: page.find("#mute").is_displayed())

    assert not page.find("#microphone").is_displayed()
    assert not page.find("#problem").is_displayed()


def test_a_microphone_that_comes_too_late_stays_off(page: Page) -> None:
    """
    While the browser asks for the microphone one can write, and end.

    What is granted after the end is given back, and of two starts only one has it.
    """
    page.run(HELD)
    page.find("#connect").click()
    page.until(lambda: page.find("#microphone").text == "Asking for the microphone…")
    page.write("Hello")
    page.until(lambda: "You said: Hello" in page.entries("model"))
    page.find("#end").click()
    page.run("grant()")
    page.until(lambda: page.run("return tracks.length") == 1)

    assert "off" == page.state
    page.until(lambda: page.run(LIVE) == 0)

    page.run("for (const id of ['connect', 'end', 'connect']) press(id); grant()")
    page.until(lambda: page.run("return realtime.hasMicrophone"))
    page.until(lambda: page.run("return tracks.length") == 3)

    assert 1 == page.run(LIVE)

    page.find("#end").click()

    assert 0 == page.run(LIVE)
    page.until(lambda: page.run("return realtime.context.state") == "suspended")


LIVE = "return tracks.filter((track) => track.readyState === 'live').length"

# The question of the browser stays open until grant() answers it.
HELD = """
globalThis.press = (id) => document.getElementById(id).click();
globalThis.tracks = [];
const lend = navigator.mediaDevices.getUserMedia;
const waiting = [];
navigator.mediaDevices.getUserMedia = async () => {
  await new Promise((grant) => waiting.push(grant));
  const stream = await lend();
  tracks.push(...stream.getTracks());
  return stream;
};
globalThis.grant = () => waiting.splice(0).forEach((grant) => grant());
"""


def test_a_sentence_ends_when_the_microphone_is_muted(page: Page) -> None:
    """What was said until then is answered, and the page says that it is muted."""
    page.find("#connect").click()
    page.until(lambda: page.state == "hearing")
    page.find("#mute").click()
    muted = page.find("#state").text
    page.until(lambda: page.state == "speaking")
    page.until(lambda: page.find("#state").text == "Muted")

    assert "Muted" == muted
    assert "Unmute" == page.find("#mute").accessible_name


def test_a_question_that_is_no_recording_is_refused(page: Page) -> None:
    """The view for files says in words which it takes."""
    status, words = page.run("""
        const form = new FormData();
        form.append("question", new Blob(["no sound"]));
        const answer = fetch("/speak", { method: "POST", body: form });
        return answer.then(async (answer) => [answer.status, await answer.text()]);
    """)

    assert 415 == status
    assert "WAV file" in words


def test_everything_has_a_name(page: Page) -> None:
    """A screen reader finds a name at everything that can be used."""
    page.find("#connect").click()
    page.until(lambda: page.state == "listening")

    for element in page.browser.find_elements(By.CSS_SELECTOR, "button,input,meter"):
        assert element.accessible_name or not element.is_displayed()


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_fits(page: Page, width: int) -> None:
    """Nothing is cut off at the side, on a phone neither."""
    with page.sized(width, 700):
        page.write("Hello")
        page.until(lambda: "You said: Hello" in page.entries("model"))

        assert width >= page.run("return document.documentElement.scrollWidth")
        assert 700 >= page.run("return document.documentElement.scrollHeight")


def test_a_restart_of_the_server_is_survived(
    browser: WebDriver, emulator: RealtimeEmulator, data: Path
) -> None:
    """When the server comes back the page goes on, and the model knows what was."""
    with Process("flask", emulator.endpoint, data) as first:
        page = Page(browser, first)
        page.log_in()
        page.write("My name is Ada")
        page.until(lambda: "You said: My name is Ada" in page.entries("model"))
        port = first.port
        first.stop()
    page.until(lambda: page.state == "waiting")
    words = page.find("#problem").text
    with Process("flask", emulator.endpoint, data, port=port):
        page.until(lambda: page.state == "listening")
        page.write("Are you there?")
        page.until(lambda: "You said: Are you there?" in page.entries("model"))

        assert "Reconnecting" in words
        assert ["My name is Ada", "Are you there?"] == page.entries("user")
        page.run("realtime.end()")

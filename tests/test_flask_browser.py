"""The page of the example application in a real browser, with a recording to hear."""

from __future__ import annotations

import shutil
import wave
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")
pytest.importorskip("selenium", reason="selenium is not installed")

from flask_processes import Process
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs Chromium: apt-get install chromium chromium-driver",
)

WAIT = 60.0  # seconds that a correct run never needs
SECOND = 48_000  # bytes of PCM
LONG = "This is a long answer that goes on for a while, so that one can interrupt it."

# Before the page's own scripts: what goes to the loudspeaker is kept, with its time,
# and the microphone is left as it is, for tones are noise to a telephone's filters.
TAP = """
const TAPPER = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage([currentTime, samples.slice()]);
    return true;
  }
});`;
globalThis.tapped = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const url = URL.createObjectURL(new Blob([TAPPER], { type: "text/javascript" }));
    target.context.audioWorklet.addModule(url).then(() => {
      const tap = new AudioWorkletNode(target.context, "tap", { numberOfOutputs: 0 });
      tap.port.onmessage = ({ data }) => tapped.push(data);
      connect.call(this, tap);
    });
  }
  return connect.call(this, target, ...rest);
};
const media = navigator.mediaDevices;
const getUserMedia = media.getUserMedia.bind(media);
media.getUserMedia = () => getUserMedia({
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
});
"""

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
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}%noloop",
        "--window-size=1200,800",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TAP})
        # For the tap, which comes as a blob.
        driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        yield driver
    finally:
        driver.quit()


class Page:
    """What a person does with the page, and sees on it."""

    def __init__(self, browser: WebDriver, server: Process) -> None:
        self.browser = browser
        self._host = server.host
        browser.delete_all_cookies()  # of another test: ports do not tell them apart

    def open(self, path: str = "/") -> None:
        self.browser.get(f"http://{self._host}{path}")

    def find(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def log_in(self, user: str = "ada", password: str = "lovelace") -> None:
        self.browser.get(f"http://{self._host}/login")
        self.run("globalThis.isOld = true")
        self.find("#user").send_keys(user)
        self.find("#password").send_keys(password, Keys.ENTER)
        answered = "return !globalThis.isOld && document.readyState === 'complete'"
        self.until(lambda: self.run(answered))

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, WAIT, 0.05).until(lambda _: condition())

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def write(self, text: str) -> None:
        self.find("#text").send_keys(text, Keys.ENTER)

    def entries(self, kind: str) -> list[str]:
        """The words of what is shown of the user, the model, or tools."""
        return list(
            self.run(
                f"return [...document.querySelectorAll('.{kind} p')]"
                ".map((p) => p.textContent)"
            )
        )

    @property
    def state(self) -> str:
        return str(self.find("#state").get_attribute("data-state"))

    def played(self) -> bytes:
        """What the loudspeaker was given, as PCM."""
        samples = self.run("return tapped.flatMap(([, samples]) => [...samples])")
        return array("h", (round(sample * 32767) for sample in samples)).tobytes()


@pytest.fixture(name="page")
def _page(browser: WebDriver, server: Process) -> Iterator[Page]:
    """The page of a user who has just logged in."""
    page = Page(browser, server)
    page.log_in()
    page.run("sessionStorage.clear()")
    page.open()
    yield page
    page.run("globalThis.realtime?.end()")
    browser.delete_all_cookies()


def test_a_wrong_login_is_refused(browser: WebDriver, server: Process) -> None:
    """A wrong password is told in words, and the page of the talk does not open."""
    page = Page(browser, server)
    page.log_in("ada", "wrong")
    words = page.find("[role=alert]").text
    page.open("/")

    assert "do not belong together" in words
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

    assert 24_000 != page.run("return realtime.ownContext.sampleRate")


def test_without_a_microphone_one_can_write(page: Page) -> None:
    """Who does not lend the microphone is told so in words, and writes."""
    page.run(
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


def test_everything_has_a_name(page: Page) -> None:
    """A screen reader finds a name at everything that can be used."""
    page.find("#connect").click()
    page.until(lambda: page.state == "listening")

    for element in page.browser.find_elements(By.CSS_SELECTOR, "button,input,meter"):
        assert element.accessible_name or not element.is_displayed()


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_fits(page: Page, width: int) -> None:
    """Nothing is cut off at the side, on a phone neither."""
    metrics = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.write("Hello")
        page.until(lambda: "You said: Hello" in page.entries("model"))

        assert width >= page.run("return document.documentElement.scrollWidth")
        assert 700 >= page.run("return document.documentElement.scrollHeight")
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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

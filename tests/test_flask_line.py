"""The page of the example application, where a test says what comes over the socket."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")
pytest.importorskip("selenium", reason="selenium is not installed")

from flask_pages import Page, needs_chromium, open_browser, open_page
from flask_processes import Process
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver


pytestmark = needs_chromium

# Sockets that the test is the other end of; `socket` is the last one.
LINE = """
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() {
    Object.assign(this, { readyState: 0, bufferedAmount: 0, sent: [] });
    globalThis.socket = this;
  }
  send(data) {
    this.sent.push(typeof data === "string" ? JSON.parse(data) : data.byteLength);
  }
  close() {
    this.readyState = 3;
  }
  greet(items = [], resumed = false) {
    this.readyState = 1;
    this.onopen();
    this.say({ type: "connected", conversation: "token", resumed, items });
  }
  say(...messages) {
    for (const each of messages) this.onmessage({ data: JSON.stringify(each) });
  }
  drop(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
};
// Instead of the time until the next try.
globalThis.retry = () => dispatchEvent(new Event("online"));
globalThis.texts = () => socket.sent.filter(({ type }) => type === "text");
globalThis.started = (id) => ({ type: "response_started", response_id: id });
globalThis.done = (id, status = "completed") =>
  ({ type: "response_done", response_id: id, status });
globalThis.failures = [];
addEventListener("error", ({ message }) => failures.push(message));
"""


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> None:
    """Nothing to look for: what all tests share has threads that come and go."""


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("data")
    with Process("flask", "http://127.0.0.1:9", folder) as server:
        yield server


@pytest.fixture(name="browser", scope="module")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    folder = tmp_path_factory.mktemp("chromium")
    silence = folder / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(bytes(48_000))
    with open_browser(silence, folder / "profile") as browser:
        yield browser


@pytest.fixture(name="page")
def _page(browser: WebDriver, server: Process) -> Iterator[Page]:
    with open_page(browser, server) as page:
        page.run(LINE)
        yield page


def begin(page: Page) -> None:
    """Start, and have the microphone."""
    page.find("#connect").click()
    page.until(lambda: page.run("return globalThis.socket && realtime.hasMicrophone"))
    page.run("socket.greet()")


def test_what_was_written_is_sent_until_it_has_arrived(page: Page) -> None:
    """It is shown at once, in order, and sent again after a loss: once."""
    page.write("First")
    page.write("Second")
    page.until(lambda: page.run("return globalThis.socket"))
    pending = page.entries("pending")
    page.run("socket.greet()")

    assert ["First", "Second"] == pending
    assert ["First", "Second"] == page.run("return texts().map(({ text }) => text)")

    page.run("""
        socket.say({ type: "heard", item_id: "a", text: "First", final: true });
        socket.drop(1006);
        retry();
        socket.greet([{ item_id: "a", role: "user", text: "First" }], true);
    """)

    assert ["First", "Second"] == page.entries("user")
    assert ["Second"] == page.entries("pending")
    assert ["Second"] == page.run("return texts().map(({ text }) => text)")

    # This time it had arrived, and only the news of it was lost.
    page.run("""
        socket.drop(1006);
        retry();
        socket.greet([{ item_id: "a", role: "user", text: "First" },
                    { item_id: "b", role: "user", text: "Second" }], true);
    """)

    assert ["First", "Second"] == page.entries("user")
    assert [] == page.entries("pending")
    assert [] == page.run("return texts()")

    # The same words once more are another message.
    page.write("Second")
    page.run("socket.drop(1001); retry(); socket.greet()")

    assert ["First", "Second", "Second"] == page.entries("user")
    assert 1 == len(page.run("return texts()"))


def test_what_cannot_be_sent_stays_in_the_field(page: Page) -> None:
    """It goes back into the field, with a way to log in, and is there afterwards."""
    page.write("Do not lose me")
    page.until(lambda: page.run("return globalThis.socket"))
    page.run("socket.drop(4401)")

    assert [] == page.entries("user")
    assert "Do not lose me" == page.find("#text").get_attribute("value")
    assert "off" == page.state

    page.find("#login").click()
    page.until(lambda: page.browser.current_url.endswith("/login"))
    page.open()

    assert "Do not lose me" == page.find("#text").get_attribute("value")


def test_what_is_refused_stays_in_the_field(page: Page) -> None:
    """The user sees why, and can change it."""
    begin(page)
    page.write("Do not lose me")
    page.run("socket.say({ type: 'error', code: 'refused', message: 'Refused.' })")

    assert "Refused." == page.find("#problem").text
    assert [] == page.entries("user")
    assert "Do not lose me" == page.find("#text").get_attribute("value")


def test_a_server_that_takes_no_conversation_is_not_called_lost(page: Page) -> None:
    """After a few tries the page says so, and can be started again."""
    page.find("#connect").click()
    page.until(lambda: page.run("return globalThis.socket"))
    page.run("socket.drop(1006)")
    words = page.find("#problem").text
    page.run("for (let i = 0; i < 3; i++) { retry(); socket.drop(1006); }")

    assert "cannot be reached" in words
    assert "lost" not in words
    assert "off" == page.state
    assert "Trying" not in page.find("#problem").text
    assert page.find("#connect").is_displayed()


def test_one_can_stop_what_a_function_is_asked_for(page: Page) -> None:
    """The page thinks for as long as a function runs; who stops it hears no answer."""
    begin(page)
    page.run("""
        socket.say(started("r1"), { type: "tool_call", call_id: "c", name: "weather",
                                    arguments: '{"city": "Os' }, done("r1"));
    """)

    assert "thinking" == page.state
    assert [] == page.run("return failures")
    assert ["weather"] == page.entries("tool")

    page.find("#stop").click()

    assert "listening" == page.state

    page.run("""
        socket.say({ type: "tool_result", call_id: "c", output: "sun" }, started("r2"),
                   { type: "said", response_id: "r2", item_id: "i", delta: "It is " });
    """)

    assert "listening" == page.state
    assert [] == page.entries("model")
    stop = page.run(
        "return socket.sent.filter(({ type }) => type === 'interrupt').at(-1)"
    )
    assert "r2" == stop["response_id"]

    # The next question is answered.
    page.run("socket.say(done('r2', 'cancelled'), { type: 'speech_started' })")
    page.run("socket.say({ type: 'speech_stopped' }, started('r3'))")

    assert "thinking" == page.state


def test_a_call_of_an_answer_that_was_broken_off_is_not_waited_for(page: Page) -> None:
    """The service does not make it, so nothing follows."""
    begin(page)
    call = {"type": "tool_call", "call_id": "c", "name": "get_weather"}
    page.run(f"socket.say(started('r1'), {call}, done('r1', 'cancelled'))")

    assert "listening" == page.state


def test_a_problem_is_shown_until_it_is_over(page: Page) -> None:
    """A turn that goes well takes away what was said of the one before."""
    begin(page)
    page.run(
        "socket.say({ type: 'error', code: 'empty', message: 'Nothing was heard.' })"
    )
    words = page.find("#problem").text
    page.run("socket.say(started('r1'))")

    assert "Nothing was heard." == words
    assert not page.find("#problem").is_displayed()


def test_a_new_conversation_is_called_new(page: Page) -> None:
    """Only what the server should have known, and does not, has been forgotten."""
    begin(page)
    heard = {"type": "heard", "item_id": "a", "text": "Hello", "final": True}
    page.run(f"socket.say({heard})".replace("True", "true"))
    page.find("#end").click()
    page.find("#connect").click()
    page.until(lambda: page.run("return realtime.socket"))
    page.run("socket.greet()")
    page.run("socket.drop(1006); retry(); socket.greet()")

    assert [
        "A new conversation.",
        "The server has forgotten what was said before.",
    ] == page.entries("note")


def test_a_microphone_that_is_gone_is_missed(page: Page) -> None:
    """The page says so, offers it again, and lets the server end the sentence."""
    begin(page)
    page.run("""
        globalThis.track = realtime.microphone.stream.getTracks()[0];
        Object.defineProperty(track, "muted", { value: true });
        track.dispatchEvent(new Event("mute"));
    """)

    assert "The microphone is silent" == page.find("#state").text

    page.run("socket.say({ type: 'speech_started', interrupts: true })")
    page.run("socket.sent = []")
    page.run("track.dispatchEvent(new Event('ended'))")

    assert "listening" == page.state
    assert "Connected" == page.find("#state").text
    assert "microphone is gone" in page.find("#problem").text
    assert 96_000 in page.run("return socket.sent")

    page.find("#microphone").click()
    page.until(lambda: page.find("#state").text == "Listening")

    assert not page.find("#problem").is_displayed()


def test_the_button_to_talk_follows_the_turn(page: Page) -> None:
    """All that was said is sent before the turn ends, and a loss lets the button go."""
    page.find("[name=turns][value=push]").click()
    begin(page)
    page.run("realtime.press()")
    page.until(lambda: page.run("return socket.sent.filter(Number).length > 3"))
    button = page.find("#push")
    pressed = button.text, button.get_attribute("aria-pressed")
    page.run("globalThis.before = socket.sent.length; realtime.release()")
    page.until(lambda: page.run("return socket.sent.at(-1).type === 'commit'"))

    assert ("Release to send", "true") == pressed
    assert page.run("return typeof socket.sent[before] === 'number'")

    page.run(
        "socket.say(started('r1'), done('r1')); realtime.press(); socket.drop(1001)"
    )

    assert "waiting" == page.state
    assert ("Hold to talk", "false") == (
        button.text,
        button.get_attribute("aria-pressed"),
    )


def test_an_end_lets_go_of_the_microphone(page: Page) -> None:
    """What listened to it is gone, however often one begins, and no sound is made."""
    page.run("globalThis.listeners = []")
    for _ in range(3):
        begin(page)
        page.run("listeners.push(new WeakRef(realtime.microphone.node))")
        page.find("#end").click()

        page.until(lambda: page.run("return realtime.context.state") == "suspended")

    def left() -> int:
        page.browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        return int(page.run("return listeners.filter((each) => each.deref()).length"))

    page.until(lambda: left() <= 1)  # which Chromium keeps until the next one


@pytest.mark.parametrize(
    ("rate", "heard"),
    [(48_000, [1.0, 1.0, 0.0]), (44_100, [1.0, 1.0, 0.0]), (24_000, [1.0, 1.0])],
)
def test_no_sound_comes_back_as_another(
    page: Page, rate: int, heard: list[float]
) -> None:
    """Tones of 1 and 9 kHz are kept within 1 dB; one of 15 kHz is 40 dB down."""
    for hertz, expected in zip([1000, 9000, 15_000], heard, strict=False):
        level = page.run(f"return ({RESAMPLE})({rate}, {hertz})")

        assert (0.89 < level < 1.12) if expected else level < 0.01


# How loud a tone comes out of the worklet, of how loud it goes in.
RESAMPLE = """async (rate, hertz) => {
  const context = new OfflineAudioContext(1, rate, rate);
  await context.audioWorklet.addModule("/static/capture-worklet.js");
  const capture = new AudioWorkletNode(context, "realtime-capture");
  const tone = new OscillatorNode(context, { frequency: hertz });
  const pieces = [];
  const all = new Promise((resolve) => {
    capture.port.onmessage = ({ data }) => pieces.push(data) === 24 && resolve();
  });
  tone.connect(capture).connect(context.destination);
  tone.start();
  await context.startRendering();
  await all;
  return Math.hypot(...pieces.slice(1).map(({ level }) => level)) / Math.sqrt(23 / 2);
}"""


@pytest.mark.parametrize("size", [(844, 390), (640, 360), (320, 256)])
def test_a_low_window_has_room_for_the_conversation(
    page: Page, size: tuple[int, int]
) -> None:
    """A phone on its side, and a page at 200 or 400 %: the page scrolls instead."""
    with page.sized(*size):
        page.write("Hello")

        assert 150 <= page.run("return conversation.clientHeight")
        assert size[0] >= page.run("return document.documentElement.scrollWidth")

        page.run("text.scrollIntoView({ block: 'center' })")

        assert page.run(AT_ITS_PLACE)


# Nothing lies over the field, and it is in sight.
AT_ITS_PLACE = """
const { left, top, width, height } = text.getBoundingClientRect();
return document.elementFromPoint(left + width / 2, top + height - 2) === text;
"""


def test_assistive_technology_finds_its_way(page: Page) -> None:
    """The log is in the main part, buttons keep the focus, names are what is read."""
    begin(page)
    page.run("socket.say(started('r1'))")
    page.find("#stop").send_keys(Keys.ENTER)

    assert page.find("main [role=log]").is_displayed()
    assert "listening" == page.state
    assert "stop" == page.run("return document.activeElement.id")
    for name in ("stop", "mute", "end"):
        assert page.find(f"#{name}").text == page.find(f"#{name}").accessible_name


@pytest.mark.parametrize(("announced", "live"), [(False, "off"), (True, "polite")])
def test_spoken_answers_are_announced_if_wanted(
    page: Page, announced: bool, live: str
) -> None:
    """By default what is heard is not read out; for braille it can be."""
    box = page.find("#announce")
    if box.is_selected() != announced:
        box.click()
    detail = {"id": "i", "text": "Hello", "spoken": 1}
    page.run(f"realtime.emit('said', {detail})")

    assert live == page.find(".model").get_attribute("aria-live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_and_buttons_stand_out(page: Page, scheme: str) -> None:
    """Borders have a contrast of 3, the words in an empty field one of 4.5."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    colors: Any = page.run("""
        const style = getComputedStyle(text);
        const words = getComputedStyle(text, "::placeholder").color;
        const page = getComputedStyle(document.body).backgroundColor;
        return [style.borderColor, words, style.backgroundColor, page];
    """)
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    border, words, field, paper = (_luminance(color) for color in colors)

    assert min(_contrast(border, field), _contrast(border, paper)) >= 3.0
    assert _contrast(words, field) >= 4.5


def _luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(part) / 255 for part in color[4:-1].split(",")]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)

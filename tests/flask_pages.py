"""The page of the example application in a real browser, as its tests drive it."""

from __future__ import annotations

import contextlib
import shutil
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask_processes import Process
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs Chromium: apt-get install chromium chromium-driver",
)

WAIT = 60.0  # seconds that a correct run never needs

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


@contextlib.contextmanager
def open_browser(recording: Path, profile: Path) -> Iterator[WebDriver]:
    """
    Run Chromium.

    Args:
        recording: What its microphone hears, once each time that it is turned on.
        profile: A folder of its own.
    """
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
        f"--user-data-dir={profile}",
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

    @contextlib.contextmanager
    def sized(self, width: int, height: int) -> Iterator[None]:
        """Have a window of that size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": False}
        )
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@contextlib.contextmanager
def open_page(browser: WebDriver, server: Process) -> Iterator[Page]:
    """Open the page of a user who has just logged in."""
    page = Page(browser, server)
    page.log_in()
    page.run("sessionStorage.clear(); text.value = ''")  # of another test
    page.open()
    yield page
    page.run("globalThis.realtime?.end()")
    browser.delete_all_cookies()

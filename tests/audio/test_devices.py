"""Microphone and speaker: bookkeeping on a fake, sound through PulseAudio."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_sync.audio import Microphone, Speaker, devices
from realtime_sync.audio._samples import from_samples


class FakeStream:
    """A stream whose time and callbacks the test makes."""

    def __init__(self, samplerate: int, callback: Any, **options: Any) -> None:
        self.samplerate, self.callback, self.options = samplerate, callback, options
        self.time = 0.0
        self.running = self.closed = False

    def start(self) -> None:
        assert not self.running
        self.running = True

    def abort(self) -> None:
        self.running = False

    def close(self) -> None:
        self.running, self.closed = False, True

    def play(self, ms: int, *, ahead: float = 0.0) -> bytes:
        """Take *ms* of output, of which the first is heard *ahead* seconds from now."""
        out = bytearray(b"\xff" * (self.samplerate * ms // 1000 * 2))
        when = SimpleNamespace(outputBufferDacTime=self.time + ahead)
        self.callback(out, len(out) // 2, when, None)
        return bytes(out)

    def record(self, pcm: bytes) -> None:
        self.callback(pcm, len(pcm) // 2, None, None)


class FakeSoundDevice:
    """What is used of sounddevice, with one device that may be choosy."""

    class PortAudioError(Exception):
        """PortAudio says no."""

    def __init__(self, rates: tuple[int, ...] = (24_000, 48_000)) -> None:
        self.rates = rates
        self.streams: list[FakeStream] = []
        self.check_input_settings = self.check_output_settings = self._check
        self.RawInputStream = self.RawOutputStream = self._open

    def _check(self, *, samplerate: int, **_: Any) -> None:
        if samplerate not in self.rates:
            raise self.PortAudioError("Invalid sample rate")

    def _open(self, **options: Any) -> FakeStream:
        self._check(samplerate=options["samplerate"])
        self.streams.append(FakeStream(**options))
        return self.streams[-1]

    def query_devices(self, device: Any, kind: str) -> dict[str, Any]:
        return {"default_samplerate": float(self.rates[-1]) if self.rates else 1.0}


@pytest.fixture(name="sounddevice")
def _sounddevice(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice()
    monkeypatch.setattr(devices, "_sounddevice", lambda: fake)
    return fake


PCM = from_samples(range(2_400))  # 100 ms


class TestSpeaker:
    def test_plays_what_is_written(self, sounddevice: FakeSoundDevice) -> None:
        """What was written in pieces is played in order, then there is silence."""
        with Speaker() as speaker:
            for n in range(0, len(PCM), 701):
                speaker.write(PCM[n : n + 701])
            (stream,) = sounddevice.streams

            played = stream.play(60) + stream.play(60)

        assert PCM + bytes(960) == played
        assert stream.closed

    def test_starts_when_there_is_something(self, sounddevice: FakeSoundDevice) -> None:
        """The device runs from the first write on."""
        with Speaker() as speaker:
            (stream,) = sounddevice.streams
            before = stream.running
            speaker.write(PCM)
            speaker.write(PCM)

            assert (False, True) == (before, stream.running)

    def test_knows_what_was_heard(self, sounddevice: FakeSoundDevice) -> None:
        """Played is what has left the device, not what was handed to it."""
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = sounddevice.streams
            stream.play(40, ahead=0.5)
            positions = []
            for now in (0.0, 0.5, 0.52, 0.54, 9.0):
                stream.time = now
                positions.append(speaker.played_ms)

        assert [0, 0, 20, 40, 40] == positions
        assert 40 == speaker.played_ms

    def test_what_was_heard_stays_heard(self, sounddevice: FakeSoundDevice) -> None:
        """A pause in what is written does not take the position back."""
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = sounddevice.streams
            stream.play(110)
            stream.time = 9.0
            speaker.write(PCM)
            stream.play(10, ahead=0.5)
            paused = speaker.played_ms
            stream.time = 9.6

            assert (100, 110) == (paused, speaker.played_ms)

    def test_silence_is_not_played(self, sounddevice: FakeSoundDevice) -> None:
        """A speaker that waits for more does not count the silence."""
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = sounddevice.streams
            stream.play(300)
            stream.time = 9.0

            assert (100, 100) == (speaker.played_ms, speaker.written_ms)

    def test_flush_falls_silent(self, sounddevice: FakeSoundDevice) -> None:
        """After a flush nothing old is played, and positions go on from what was."""
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = sounddevice.streams
            stream.play(60)
            stream.time = 0.03
            heard = speaker.flush()
            after = stream.running, speaker.played_ms, speaker.written_ms
            speaker.write(PCM[:960])
            again = stream.play(30)

        assert 30 == heard
        assert (False, 30, 30) == after
        assert PCM[:960] + bytes(480) == again

    def test_flush_of_nothing(self, sounddevice: FakeSoundDevice) -> None:
        """There may be nothing to flush."""
        with Speaker() as speaker:
            assert 0 == speaker.flush() == speaker.flush()

    def test_drain_waits_for_the_last_sample(
        self, sounddevice: FakeSoundDevice
    ) -> None:
        """Draining ends when all was heard, and not before."""
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = sounddevice.streams
            drained = threading.Event()

            def drain() -> None:
                speaker.drain(timeout=60)
                drained.set()

            thread = threading.Thread(target=drain)
            thread.start()
            stream.play(100, ahead=0.2)
            early = drained.is_set()
            stream.time = 0.31
            stream.play(10)
            thread.join(10)

        assert not early
        assert drained.is_set()

    def test_drain_gives_up(self, sounddevice: FakeSoundDevice) -> None:
        """A device that plays nothing does not hold its user for ever."""
        with Speaker() as speaker:
            speaker.write(PCM)

            with pytest.raises(TimeoutError, match="more to play"):
                speaker.drain(timeout=0.01)
            with pytest.raises(
                ValueError, match="timeout is a number of seconds from 0"
            ):
                speaker.drain(timeout=-1)

    def test_is_closed_once(self, sounddevice: FakeSoundDevice) -> None:
        """Closing again does nothing; anything else says what to do."""
        speaker = Speaker()
        speaker.close()
        speaker.close()

        for use in (speaker.flush, speaker.drain, lambda: speaker.write(PCM)):
            with pytest.raises(RuntimeError, match="is closed"):
                use()

    def test_converts_for_the_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A device with a rate of its own gets that, and positions stay in time."""
        fake = FakeSoundDevice(rates=(48_000,))
        monkeypatch.setattr(devices, "_sounddevice", lambda: fake)
        with Speaker() as speaker:
            speaker.write(PCM)
            (stream,) = fake.streams
            stream.play(50)
            stream.time = 9.0

            assert 48_000 == stream.samplerate
            assert 50 == speaker.played_ms
            # The rest of the filter comes with the next piece.
            assert 98 <= speaker.written_ms <= 100

    def test_is_shared_by_threads(self, sounddevice: FakeSoundDevice) -> None:
        """Writing, flushing and playing at the same time lose no order and no lock."""
        with Speaker() as speaker:
            (stream,) = sounddevice.streams
            done = threading.Event()

            def play() -> None:
                while not done.is_set():
                    stream.play(10)
                    stream.time += 0.01

            player = threading.Thread(target=play)
            player.start()
            for n in range(300):
                speaker.write(PCM)
                if n % 7 == 0:
                    speaker.flush()
            speaker.drain(timeout=60)
            done.set()
            player.join(10)

            assert speaker.played_ms == speaker.written_ms


class TestMicrophone:
    def test_yields_what_is_recorded(self, sounddevice: FakeSoundDevice) -> None:
        """Chunks come in order, and closing from elsewhere ends the iteration."""
        with Microphone() as microphone:
            (stream,) = sounddevice.streams
            stream.record(PCM[:960])
            stream.record(PCM[960:1920])
            chunks = []
            for chunk in microphone:
                chunks.append(chunk)
                if len(chunks) == 2:
                    microphone.close()

        assert [PCM[:960], PCM[960:1920]] == chunks
        assert [] == list(microphone)

    def test_waits_for_sound(self, sounddevice: FakeSoundDevice) -> None:
        """Iterating blocks until there is something."""
        with Microphone() as microphone:
            (stream,) = sounddevice.streams
            got: list[bytes] = []
            thread = threading.Thread(target=lambda: got.extend(microphone))
            thread.start()
            stream.record(PCM)
            microphone.close()
            thread.join(10)

        assert [PCM] == got

    def test_says_what_it_lost(self, sounddevice: FakeSoundDevice) -> None:
        """Who comes too late gets what was kept, and can see how much was not."""
        with Microphone(chunk_ms=20, buffer_ms=60) as microphone:
            (stream,) = sounddevice.streams
            for n in range(5):
                stream.record(bytes([n]) * 960)
            lost = microphone.dropped_ms
            microphone.close()
            kept = [chunk[0] for chunk in microphone]

        assert 40 == lost
        assert [0, 1, 2] == kept

    def test_ends_with_its_device(self, sounddevice: FakeSoundDevice) -> None:
        """A device that goes away ends the iteration."""
        with Microphone() as microphone:
            (stream,) = sounddevice.streams
            stream.record(PCM)
            stream.options["finished_callback"]()

            assert [PCM] == list(microphone)

    def test_converts_from_the_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A device with a rate of its own is heard at the protocol's."""
        fake = FakeSoundDevice(rates=(48_000,))
        monkeypatch.setattr(devices, "_sounddevice", lambda: fake)
        with Microphone() as microphone:
            (stream,) = fake.streams
            stream.record(bytes(9_600))
            microphone.close()

            (chunk,) = microphone

        assert 960 == stream.options["blocksize"]
        assert 4_700 < len(chunk) <= 4_800

    def test_cannot_be_used_again(self, sounddevice: FakeSoundDevice) -> None:
        """A closed microphone says what to do."""
        microphone = Microphone()
        microphone.close()

        with pytest.raises(RuntimeError, match="is closed"):
            microphone.__enter__()

    @pytest.mark.parametrize("option", ["chunk_ms", "buffer_ms"])
    def test_hears_something(self, option: str, sounddevice: FakeSoundDevice) -> None:
        """A chunk or a buffer of nothing is refused."""
        with pytest.raises(ValueError, match=f"{option} is a whole number from 1"):
            Microphone(**{option: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("device", [Microphone, Speaker])
class TestMissing:
    def test_names_the_extra(
        self, device: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without sounddevice the message has the extra."""
        monkeypatch.setitem(sys.modules, "sounddevice", None)

        with pytest.raises(ImportError, match=r"realtime_sync\[devices\]"):
            device()

    def test_names_portaudio(
        self, device: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without PortAudio the message has the system's package."""

        def fail(name: str) -> Any:
            raise OSError("PortAudio library not found")

        monkeypatch.setattr(devices, "import_module", fail)

        with pytest.raises(ImportError, match="libportaudio2"):
            device()

    def test_names_the_device(
        self, device: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A device that cannot be opened is an OSError with its name."""
        fake = FakeSoundDevice(rates=())
        monkeypatch.setattr(devices, "_sounddevice", lambda: fake)

        with pytest.raises(OSError, match=r"'nowhere' .* cannot be opened"):
            device(device="nowhere")


# A real sound server, where there is one to start.

LOOPBACK = """
import sys
from realtime_sync.audio import Microphone, Speaker
from realtime_sync.emulator.speech import ToneSpeech

tones = ToneSpeech()
said = tones.speak("over the air")

def is_heard(microphone):
    heard = bytearray()
    for chunk in microphone:
        heard += chunk
        if len(heard) < len(said) or len(heard) % 9_600:
            continue
        if tones.transcribe(bytes(heard)) == "over the air":
            return True
        if len(heard) > len(said) + 3 * 48_000:
            return False

with Microphone(device="pulse") as microphone, Speaker(device="pulse") as speaker:
    # On a busy machine a device may stutter: say it again, as one would.
    for times in range(1, 6):
        speaker.write(said)
        if is_heard(microphone):
            break
    else:
        sys.exit("not heard")
    speaker.drain(timeout=60)
    played = speaker.played_ms
    speaker.write(bytes(20 * 48_000))
    flushed = speaker.flush()
    print(played == times * 780 == times * len(said) // 48)
    print(played <= flushed < played + 5_000)
"""


@pytest.fixture(name="sound_server")
def _sound_server() -> Iterator[dict[str, str]]:
    pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))
    if not shutil.which("pulseaudio") or not shutil.which("pacat"):
        pytest.skip("there is no PulseAudio")
    # A short path, for a socket's name has at most 108 bytes; and a home of its own:
    # neither the user's server nor the user's settings.
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **{
                name: os.environ[name]
                for name in ("PATH", "LANG")
                if name in os.environ
            },
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
        }
        _run_pulseaudio(environment, "--daemonize", *_PULSEAUDIO_MODULES)
        # The null sink takes audio in lumps of two seconds, unless somebody is in a
        # hurry.
        hurry = subprocess.Popen(
            ["pacat", "--verbose", "--raw", "--latency-msec=10", "/dev/zero"],
            env={**environment, "LANG": "C"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert hurry.stderr is not None
        with hurry, hurry.stderr as says:
            any("Stream started" in line for line in says)
            yield environment
            hurry.terminate()
        _run_pulseaudio(environment, "--kill")


_PULSEAUDIO_MODULES = (
    *("-n", "--exit-idle-time=-1", "--log-target=null"),
    "--load=module-native-protocol-unix",
    "--load=module-null-sink sink_name=virtual rate=48000",
)


def _run_pulseaudio(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        ["pulseaudio", *arguments],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"PulseAudio does not run here: {done.stderr.decode()}")


def test_hears_what_it_plays(sound_server: dict[str, str]) -> None:
    """What the speaker says, the microphone hears, word for word."""
    root = Path(devices.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LOOPBACK],
        env={**sound_server, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert ("True\nTrue\n", 0) == (done.stdout, done.returncode), done.stderr

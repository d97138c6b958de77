"""`talk`, `transcribe`, `speak`, `chat` and `doctor`, in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from running import QUESTION, Run

from realtime_sync import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionSegment,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
)
from realtime_sync.audio import Audio, load_audio, write_wav
from realtime_sync.cli._hearing import _Ledger
from realtime_sync.cli._subtitles import FORMATS, Segment, Transcript
from realtime_sync.emulator import Fault, RealtimeEmulator


# Talk


def test_talk_answers_each_file(run: Run, tmp_path: Path) -> None:
    """What was heard and answered is printed, and all answers are in one file."""
    ran = run("talk", QUESTION, QUESTION, "-o", "a.wav", "--emulated")

    assert 0 == ran.code
    assert 2 == len(re.findall(r"^heard:  .+\nanswer: .+$", ran.out, re.MULTILINE))
    assert ran.out.endswith("wrote a.wav\n")
    assert load_audio(tmp_path / "a.wav").duration_ms > 1000


def test_talk_does_without_a_transcript(
    emulator: RealtimeEmulator,
    service: list[str],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transcript that does not come in time holds up no answer."""
    monkeypatch.setattr("realtime_sync.cli.talk._HEARING", 0.3)
    kind = "conversation.item.input_audio_transcription.completed"
    emulator.inject(Fault.drop(kind))
    ran = run("talk", QUESTION, *service)

    assert 0 == ran.code
    assert "heard:  (the question could not be transcribed)\nanswer: " in ran.out


def test_talk_says_that_it_is_an_emulator(run: Run) -> None:
    """Where no endpoint is set, a line on stderr says who answers."""
    ran = run("talk", QUESTION)

    assert "nothing names an endpoint: talking to an emulator in this process\n" == (
        ran.err
    )


def test_talk_for_machines(service: list[str], run: Run, tmp_path: Path) -> None:
    """With --json there is an object for each answer, and one for the file."""
    ran = run("talk", QUESTION, *service, "--json")
    answer, wrote = ran.objects

    assert ("answer", str(QUESTION), "completed") == (
        answer["event"],
        answer["file"],
        answer["status"],
    )
    assert answer["first_audio_ms"] >= 0
    assert ("wrote", "answer.wav") == (wrote["event"], wrote["file"])
    assert load_audio(tmp_path / "answer.wav").duration_ms == wrote["duration_ms"]


def test_talk_uses_voice_and_instructions(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """Voice and instructions reach the session."""
    run("talk", QUESTION, *service, "--voice", "cedar", "--instructions", "Be brief.")
    config = emulator.sessions[0].config

    assert "cedar" == config.audio.output.voice
    assert "Be brief." == config.instructions


def test_preferences_come_from_the_profile(
    emulator: RealtimeEmulator, run: Run, tmp_path: Path
) -> None:
    """A profile says where to connect to, and which voice is liked."""
    (tmp_path / "c.toml").write_text(
        f'[mine]\nendpoint = "{emulator.endpoint}"\nmodel = "gpt-realtime"\n'
        'voice = "sage"\nkey = "k"\nproxy = ""\n'
    )
    ran = run("talk", QUESTION, "--profile-file", "c.toml", "--profile", "mine")

    assert 0 == ran.code
    assert "sage" == emulator.sessions[0].config.audio.output.voice
    assert "holds a key" in ran.err


# Talk with a microphone


class FakeMicrophone:
    """Hears one question, and ends when the speaker has something to play."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def __enter__(self) -> FakeMicrophone:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[bytes]:
        import threading

        FakeSpeaker.heard = threading.Event()
        yield load_audio(QUESTION).pcm
        yield bytes(96_000)
        assert FakeSpeaker.heard.wait(60.0)


class FakeSpeaker:
    """Has enough once it was given something to play."""

    heard: Any = None
    played_ms = 0

    def __init__(self, **options: Any) -> None:
        self.options = options

    def __enter__(self) -> FakeSpeaker:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def write(self, pcm: bytes) -> None:
        if self.heard is not None:
            self.heard.set()

    def drain(self, timeout: float | None = None) -> None:
        """Everything was heard."""

    def flush(self) -> int:
        return 0


@pytest.fixture(name="devices")
def _devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSpeaker, "heard", None)
    monkeypatch.setattr("realtime_sync.audio.Microphone", FakeMicrophone)
    monkeypatch.setattr("realtime_sync.audio.Speaker", FakeSpeaker)


@pytest.mark.usefixtures("devices")
def test_talk_with_the_microphone(service: list[str], run: Run) -> None:
    """The microphone is sent, and captions tell what both sides say."""
    ran = run("talk", "-m", *service, "--input-device", "3", "--no-interruptible")

    assert 0 == ran.code
    assert "you:    " in ran.out
    assert "Ctrl-C ends it" in ran.err


@pytest.mark.usefixtures("devices")
def test_talk_with_the_microphone_for_machines(service: list[str], run: Run) -> None:
    """Captions are objects with --json."""
    ran = run("talk", "-m", *service, "--json")

    assert "heard" in [each["event"] for each in ran.objects]


def test_talk_without_devices(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, what to install is said, and no connection is made."""
    import sys

    monkeypatch.setitem(sys.modules, "sounddevice", None)
    ran = run("talk", "-m")

    assert 1 == ran.code
    assert "pip install 'realtime_sync[devices]'" == ran.err.splitlines()[-1]


# Transcribe


@pytest.mark.parametrize(
    ("format_", "pattern"),
    [
        ("text", r"[^\n]+\n"),
        ("srt", r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n[^\n]+\n"),
        ("vtt", r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\n[^\n]+\n"),
    ],
)
def test_transcribe(format_: str, pattern: str, service: list[str], run: Run) -> None:
    """A recording is written down in the format that is asked for."""
    ran = run("transcribe", QUESTION, "-f", format_, *service)

    assert 0 == ran.code
    assert re.fullmatch(pattern, ran.out)


def test_transcribe_as_json(service: list[str], run: Run) -> None:
    """JSON tells each segment's times, and where they come from."""
    ran = run("transcribe", QUESTION, "-f", "json", *service)
    found = json.loads(ran.out)
    (segment,) = found["segments"]

    assert "turn" == segment["timing"]
    assert 0 <= segment["start_ms"] < segment["end_ms"] <= found["duration_ms"]
    assert segment["text"] == found["text"]


def test_transcribe_whole(service: list[str], run: Run) -> None:
    """Without turns there is one segment, as long as the recording."""
    ran = run("transcribe", QUESTION, "--json", "--whole", *service)
    (found,) = ran.objects
    (segment,) = found["segments"]

    assert ("recording", 0, found["duration_ms"]) == (
        segment["timing"],
        segment["start_ms"],
        segment["end_ms"],
    )


def test_transcribe_finds_several_turns(
    service: list[str], run: Run, tmp_path: Path
) -> None:
    """Two questions with a pause between them are two segments, in order."""
    pcm = load_audio(QUESTION).pcm
    write_wav(tmp_path / "two.wav", pcm + bytes(96_000) + pcm)
    ran = run("transcribe", "two.wav", "--json", *service)
    first, second = ran.objects[0]["segments"]

    assert first["end_ms"] <= second["start_ms"]


def test_transcribe_speech_to_the_very_end(
    service: list[str], run: Run, tmp_path: Path
) -> None:
    """Speech that goes on to the end of the recording is not lost."""
    pcm = load_audio(QUESTION).pcm
    write_wav(tmp_path / "cut.wav", pcm[: 48 * 1000])
    ran = run("transcribe", "cut.wav", "--json", *service)
    (segment,) = ran.objects[0]["segments"]

    assert segment["end_ms"] <= 1000


def test_transcribe_silence(service: list[str], run: Run, tmp_path: Path) -> None:
    """A recording in which nobody speaks has no segments."""
    write_wav(tmp_path / "quiet.wav", bytes(96_000))
    ran = run("transcribe", "quiet.wav", "--json", *service)

    assert [] == ran.objects[0]["segments"]


def test_transcribe_to_a_folder(service: list[str], run: Run, tmp_path: Path) -> None:
    """Each of several files has its own in the folder."""
    write_wav(tmp_path / "other.wav", load_audio(QUESTION).pcm)
    ran = run(
        "transcribe", QUESTION, "other.wav", "-f", "vtt", "-o", "subtitles", *service
    )

    assert 0 == ran.code
    assert ["other.vtt", "question.vtt"] == sorted(
        path.name for path in (tmp_path / "subtitles").iterdir()
    )
    assert f"wrote {Path('subtitles', 'question.vtt')}\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([QUESTION, QUESTION, "-f", "srt"], "-o DIR"),
        ([QUESTION, QUESTION, "-o", "folder"], "same name"),
    ],
)
def test_transcribe_needs_places(arguments: list[object], words: str, run: Run) -> None:
    """Transcripts that would be mixed up are refused."""
    ran = run("transcribe", *arguments)

    assert 2 == ran.code
    assert words in ran.err


def test_transcribe_goes_on_after_a_bad_file(
    service: list[str], run: Run, tmp_path: Path
) -> None:
    """A file that cannot be transcribed leaves the others alone, and its code."""
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    ran = run("transcribe", "bad.wav", QUESTION, *service)

    assert 1 == ran.code
    assert "bad.wav" in ran.err.splitlines()[0]
    assert str(QUESTION) in ran.out


def test_transcribe_hands_on_model_and_language(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """Model, language and prompt reach the session."""
    run(
        *("transcribe", QUESTION, *service, "--transcription-model", "mine"),
        *("--language", "nb", "--prompt", "Fjords"),
    )
    transcription = emulator.sessions[0].config.audio.input.transcription

    assert ("mine", "nb", "Fjords") == (
        transcription.model,
        transcription.language,
        transcription.prompt,
    )


def test_times_of_models_that_tell_speakers_apart() -> None:
    """Where the model gives times, they count from the start of the turn."""
    ledger = _Ledger(duration_ms=9_000, by_turns=True)
    part = ConversationItemInputAudioTranscriptionSegment(
        item_id="i", content_index=0, text=" Hi. ", start=0.5, end=1.0, speaker="A"
    )
    for event in (
        InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=2_000),
        InputAudioBufferSpeechStopped(item_id="i", audio_end_ms=4_000),
        InputAudioBufferCommitted(item_id="i"),
        part,
        attrs.evolve(part, start=1.0, end=1.5, speaker="B"),
        ConversationItemInputAudioTranscriptionCompleted(
            item_id="i", content_index=0, transcript="Hi. Hi."
        ),
    ):
        ledger.enter(event)

    assert [(2_500, 3_000, "A"), (3_000, 3_500, "B")] == [
        (each.start_ms, each.end_ms, each.speaker) for each in ledger.segments()
    ]


def test_subtitles_escape_what_would_be_markup() -> None:
    """Markup and empty lines in what is said do not break subtitles."""
    segment = Segment(
        start_ms=3_723_004,
        end_ms=3_724_000,
        text="<b>\n\n1 & 2 --> 3",
        timing="turn",
        speaker="A",
    )
    transcript = Transcript(file="f", duration_ms=1, segments=[segment])

    assert (
        "WEBVTT\n\n01:02:03.004 --> 01:02:04.000\nA: &lt;b&gt;\n1 &amp; 2 --&gt; 3\n"
        == FORMATS["vtt"](transcript)
    )
    assert "1\n01:02:03,004 --> 01:02:04,000\nA: <b>\n1 & 2 --> 3\n" == (
        FORMATS["srt"](transcript)
    )


# Speak


def test_speak_writes_a_file(service: list[str], run: Run, tmp_path: Path) -> None:
    """What is spoken is written, and how long it is."""
    ran = run("speak", "Hello", "there", "-o", "hello.wav", *service)
    audio = load_audio(tmp_path / "hello.wav")

    assert isinstance(audio, Audio)
    assert f"wrote hello.wav ({audio.duration_ms / 1000:.1f} s)\n" == ran.out


@pytest.mark.usefixtures("devices")
def test_speak_aloud(service: list[str], run: Run, tmp_path: Path) -> None:
    """A text from stdin can be played, and then there is no file."""
    ran = run("speak", "-", "--play", *service, "--json", stdin="Hello there\n")

    assert {"event": "wrote", "file": None} == {
        name: ran.objects[0][name] for name in ("event", "file")
    }
    assert [] == list(tmp_path.glob("*.wav"))


# Chat


def test_chat_answers_lines(service: list[str], run: Run) -> None:
    """Each line is a question of one conversation."""
    ran = run("chat", *service, stdin="Hello!\n\nWhat is the capital of Norway?\n")

    assert 0 == ran.code
    assert 2 == len(ran.out.splitlines())
    assert "Oslo" in ran.out.splitlines()[1]


def test_chat_for_machines(service: list[str], run: Run) -> None:
    """With --json there is an object for each answer."""
    ran = run("chat", *service, "--json", stdin="Hello!\n/cost\n")
    answer, cost = ran.objects

    assert ("answer", "completed") == (answer["event"], answer["status"])
    assert cost["usage"]["responses"] == 1


def test_chat_saves_and_restores(service: list[str], run: Run, tmp_path: Path) -> None:
    """A conversation can be saved, forgotten, and gone on with another day."""
    run(
        *("chat", *service),
        stdin="Hello!\n/save a.json\n/save 'b c.md'\n/save d e.txt\n/quit\nnever\n",
    )
    ran = run("chat", *service, "--restore", "a.json", stdin="/history\n/clear\n")

    assert {"a.json", "b c.md", "d e.txt"} <= {path.name for path in tmp_path.iterdir()}
    assert "Hello!" in ran.out
    assert "Hello!" in (tmp_path / "d e.txt").read_text()
    assert "never" not in ran.out


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 99}'])
def test_chat_restores_conversations_only(
    content: str, service: list[str], run: Run, tmp_path: Path
) -> None:
    """A file that is no saved conversation is refused."""
    (tmp_path / "x.json").write_text(content)
    ran = run("chat", *service, "--restore", "x.json")

    assert 1 == ran.code
    assert 2 == len(ran.err.splitlines())


def test_chat_tells_what_it_cost(
    emulator: RealtimeEmulator, run: Run, tmp_path: Path
) -> None:
    """With prices in the profile, /cost knows them."""
    (tmp_path / "c.toml").write_text(
        f'[default]\nendpoint = "{emulator.endpoint}"\nmodel = "m"\nproxy = ""\n'
        "[default.prices]\ninput_text = 4\noutput_text = 16\n"
    )
    ran = run("chat", "--profile-file", "c.toml", stdin="Hello!\n/cost\n")

    assert re.search(r"^0\.\d{4} by the prices of the profile$", ran.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/nope", "there is no command /nope"),
        ("/save", "no file is named"),
        ("/save no/such/folder/x.json", "no/such/folder"),
        ("/ask nothing.wav", "nothing.wav"),
        ("/voice loud", "voice"),
        ("/help", ""),
    ],
)
@pytest.mark.usefixtures("devices")
def test_chat_survives_mistakes(
    line: str, words: str, service: list[str], run: Run
) -> None:
    """What a command cannot do is told in two lines, and the chat goes on."""
    ran = run("chat", *service, stdin=f"{line}\nWhat is the capital of Norway?\n")

    assert 0 == ran.code
    assert words in ran.err
    assert "Oslo" in ran.out.splitlines()[-1]


@pytest.mark.usefixtures("devices")
def test_chat_by_voice(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """Answers can be spoken, by another voice, and questions be recordings."""
    stdin = f"/voice sage\n/ask {QUESTION}\n/voice off\nHello!\n"
    ran = run("chat", *service, stdin=stdin)
    spoken, written = emulator.sessions[0].responses

    assert 0 == ran.code
    assert ["audio"] == list(spoken.output_modalities or ())
    assert ["text"] == list(written.output_modalities or ())
    assert "sage" == emulator.sessions[0].config.audio.output.voice


@pytest.mark.usefixtures("devices")
def test_chat_talks(service: list[str], run: Run) -> None:
    """/talk goes over to the microphone, and back to typing."""
    ran = run("chat", *service, stdin="/talk\nWhat is the capital of Norway?\n")

    assert 0 == ran.code
    assert "you:    " in ran.out
    assert "Oslo" in ran.out.splitlines()[-1]


def test_chat_ends_with_its_connection(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """A connection that ends ends the chat, with the code that says so."""
    emulator.inject(Fault.close(1011, "bye", at="response.created"))
    ran = run("chat", *service, stdin="Hello!\nHello?\n")

    assert 5 == ran.code
    assert "bye" in ran.err


def test_chat_outlives_its_connection(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """A connection that is lost is opened again, and a remark says so."""
    emulator.inject(Fault.cut(at="conversation.item.added"))
    ran = run("chat", *service, "--reconnect", stdin="What is the capital of Norway?\n")

    assert 0 == ran.code
    assert "Oslo" in ran.out
    assert "opening a new one" in ran.err
    assert "1 commands sent again" in ran.err


# Doctor


def test_doctor_shows_every_step(service: list[str], run: Run) -> None:
    """Each step is a line with its time, and the first audio is the last."""
    ran = run("doctor", *service)

    assert 0 == ran.code
    assert re.search(r"^ok     upgrade +\d\.\d\d s  accepted", ran.out, re.MULTILINE)
    assert "first audio after" in ran.out.splitlines()[-1]
    assert "settings from: --endpoint\n" == ran.err


def test_doctor_says_what_to_do(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """A step that fails has its remedy below it, and decides on the exit code."""
    emulator.inject(Fault.http(401))
    ran = run("doctor", *service)

    assert 4 == ran.code
    assert re.search(r"^FAILED upgrade ", ran.out, re.MULTILINE)
    assert re.search(r"^ +> .*check that it belongs", ran.out, re.MULTILINE)
    assert re.search(r"^-      speech +not reached", ran.out, re.MULTILINE)


def test_doctor_for_machines(service: list[str], run: Run) -> None:
    """With --json each step is an object."""
    ran = run("doctor", *service, "--json")

    assert ["check"] * 11 == [each["event"] for each in ran.objects]
    assert {"ok", "skipped"} == {each["status"] for each in ran.objects}


def test_doctor_of_wrong_settings(run: Run) -> None:
    """Settings that contradict each other are the first step's finding."""
    ran = run("doctor", "--endpoint", "https://api.openai.com/openai/realtime")

    assert 1 == ran.code
    assert ran.out.startswith("FAILED settings")

"""Audio in: the buffer, turn detection and transcription."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from emulated import SILENCE, TONES, Client, Json, error, of_type, one, said, types

from realtime_sync.audio import resample
from realtime_sync.audio.g711 import alaw_encode, ulaw_encode
from realtime_sync.emulator import EmulatorSettings, ManualClock, Session
from realtime_sync.protocol.codec import encode


HELLO = TONES.speak("hello")


def manual(**options: object) -> Client:
    client = Client(**options)
    client.update(audio={"input": {"turn_detection": None}})
    return client


def vad(client: Client, kind: str = "server_vad", **settings: object) -> None:
    detection = {"type": kind, **settings}
    client.update(audio={"input": {"turn_detection": detection}})


def transcribing(client: Client, **settings: object) -> None:
    transcription = {"model": "gpt-4o-transcribe", **settings}
    client.update(audio={"input": {"transcription": transcription}})


class TestManual:
    def test_append_is_not_answered(self) -> None:
        """Appending has no acknowledgement."""
        assert [] == manual().hear(HELLO)

    def test_commit(self) -> None:
        """A commit makes an item and no response."""
        client = manual()
        client.hear(HELLO)
        answers = client.send("input_audio_buffer.commit")

        assert [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ] == types(answers)
        assert answers[0]["item_id"] == answers[1]["item"]["id"]

    @pytest.mark.parametrize("ms", [0, 99])
    def test_too_little(self, ms: int) -> None:
        """A commit needs 100 ms."""
        client = manual()
        client.hear(bytes(48 * ms))
        failure = one(client.send("input_audio_buffer.commit"), "error")["error"]

        assert "input_audio_buffer_commit_empty" == failure["code"]
        assert f"only has {ms}.00ms of audio" in failure["message"]

    def test_commit_empties(self) -> None:
        """What was committed is gone from the buffer."""
        client = manual()
        client.hear(HELLO)
        client.send("input_audio_buffer.commit")
        answers = client.send("input_audio_buffer.commit")

        assert "input_audio_buffer_commit_empty" == error(answers)["code"]

    def test_clear(self) -> None:
        """A clear is acknowledged and empties the buffer."""
        client = manual()
        client.hear(HELLO)

        assert ["input_audio_buffer.cleared"] == types(
            client.send("input_audio_buffer.clear")
        )
        assert "error" in types(client.send("input_audio_buffer.commit"))

    def test_halves_of_samples(self) -> None:
        """A sample may arrive in halves."""
        client = manual()
        for start in range(0, len(HELLO), 4801):
            piece = base64.b64encode(HELLO[start : start + 4801]).decode()
            client.send("input_audio_buffer.append", audio=piece)
        client.send("input_audio_buffer.commit")
        client.send("response.create")

        assert ["Hello! How can I help you?"] == list(said(client.events))

    def test_too_much(self) -> None:
        """One append holds 15 MiB at most."""
        client = manual(settings=EmulatorSettings.instant(max_append_bytes=1000))

        assert "audio" == error(client.hear(bytes(1002)))["param"]

    def test_previous_item(self) -> None:
        """A commit tells the item before it."""
        client = manual()
        client.write("first", id="first")
        client.hear(HELLO)
        committed = client.send("input_audio_buffer.commit")[0]

        assert "first" == committed["previous_item_id"]


class TestServerVad:
    def test_turn(self) -> None:
        """Speech and silence make an item and a response, in this order."""
        client = Client()
        events = types(client.hear(SILENCE + HELLO + SILENCE))

        assert [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
        ] == events[:8]
        assert ["Hello! How can I help you?"] == list(said(client.events))

    def test_one_item_id(self) -> None:
        """The id of the item is known when speech starts."""
        client = Client()
        client.hear(HELLO + SILENCE)
        named = {
            one(client.events, f"input_audio_buffer.{name}")["item_id"]
            for name in ("speech_started", "speech_stopped", "committed")
        }

        assert 1 == len(named)

    @pytest.mark.parametrize("padding", [0, 300, 640])
    def test_start_includes_padding(self, padding: int) -> None:
        """Speech starts where it does, less the padding: to a window of 32 ms."""
        client = Client()
        vad(client, prefix_padding_ms=padding)
        client.hear(SILENCE + HELLO + SILENCE)
        started = one(client.events, "input_audio_buffer.speech_started")

        assert abs(started["audio_start_ms"] - (1000 - padding)) <= 32

    @pytest.mark.parametrize("silence", [200, 480])
    def test_end_includes_silence(self, silence: int) -> None:
        """Speech stops where it does, and the silence that told so."""
        client = Client()
        vad(client, silence_duration_ms=silence)
        client.hear(SILENCE + HELLO + SILENCE)
        stopped = one(client.events, "input_audio_buffer.speech_stopped")
        length = len(HELLO) / 48

        assert abs(stopped["audio_end_ms"] - (1000 + length + silence)) <= 64

    def test_item_holds_the_turn(self) -> None:
        """The item has the audio from the one moment to the other."""
        client = Client()
        client.hear(SILENCE + HELLO + SILENCE)
        start = one(client.events, "input_audio_buffer.speech_started")
        end = one(client.events, "input_audio_buffer.speech_stopped")
        item = client.send("conversation.item.retrieve", item_id=end["item_id"])[0]
        pcm = base64.b64decode(item["item"]["content"][0]["audio"])

        assert end["audio_end_ms"] - start["audio_start_ms"] == len(pcm) // 48

    def test_two_turns_in_one_append(self) -> None:
        """Turns are found however the audio is cut."""
        client = Client()
        vad(client, create_response=False)
        pcm = HELLO + SILENCE + TONES.speak("bye") + SILENCE
        client.hear(pcm, piece_ms=60_000)
        started = of_type(client.events, "input_audio_buffer.speech_started")

        assert 2 == len(started)
        assert 2 == len(of_type(client.events, "input_audio_buffer.committed"))
        assert abs(started[1]["audio_start_ms"] + 300 - len(HELLO + SILENCE) / 48) <= 32

    def test_times_go_on(self) -> None:
        """Moments count from the first audio of the session, not of the buffer."""
        client = Client()
        client.hear(SILENCE * 2)
        client.send("input_audio_buffer.clear")
        client.hear(SILENCE + HELLO)
        started = one(client.events, "input_audio_buffer.speech_started")

        assert abs(started["audio_start_ms"] - 2700) <= 64

    def test_no_response(self) -> None:
        """The client may want to ask for the response itself."""
        client = Client()
        vad(client, create_response=False)
        client.hear(HELLO + SILENCE)

        assert "response.created" not in types(client.events)

    def test_manual_commit_while_speaking(self) -> None:
        """A manual commit takes the item's id, and speech does not stop then."""
        client = Client()
        client.hear(HELLO)
        committed = client.send("input_audio_buffer.commit")[0]
        started = one(client.events, "input_audio_buffer.speech_started")
        client.hear(SILENCE)

        assert started["item_id"] == committed["item_id"]
        assert "input_audio_buffer.speech_stopped" not in types(client.events)

    def test_threshold(self) -> None:
        """What is quieter than the threshold is no speech."""

        class Detector:
            def feed(self, pcm: bytes) -> list[float]:
                return [0.6] * (len(pcm) // 1536)

            def reset(self) -> None:
                pass

        class Speech:
            def detector(self) -> Detector:
                return Detector()

        heard = {}
        for threshold in (0.5, 0.7):
            client = Client(speech=Speech)
            vad(client, threshold=threshold)
            heard[threshold] = types(client.hear(SILENCE))

        assert {0.5: ["input_audio_buffer.speech_started"], 0.7: []} == heard

    def test_off_and_on(self) -> None:
        """Turn detection can be switched off and on within a session."""
        client = manual()
        client.hear(HELLO)
        vad(client)
        client.send("input_audio_buffer.clear")
        events = client.hear(HELLO + SILENCE)

        assert "input_audio_buffer.committed" in types(events)

    def test_idle_buffer_is_bounded(self) -> None:
        """Silence is not kept for ever."""
        client = Client(settings=EmulatorSettings.instant(max_idle_buffer_ms=1000))
        client.hear(SILENCE * 10)
        client.hear(HELLO + SILENCE)
        started = one(client.events, "input_audio_buffer.speech_started")

        assert abs(started["audio_start_ms"] - 9700) <= 32


class TestBargeIn:
    def test_cancels(self) -> None:
        """A user who speaks interrupts the model."""
        client = Client(settings=EmulatorSettings(response_delay=0, speed=1))
        client.write("hello")
        client.send("response.create")
        client.pass_time(0.5)
        events = client.hear(HELLO)
        done = one(events, "response.done")["response"]

        assert "cancelled" == done["status"]
        assert "turn_detected" == done["status_details"]["reason"]
        assert "incomplete" == done["output"][0]["status"]
        assert [
            "input_audio_buffer.speech_started",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ] == types(events)

    def test_not_wanted(self) -> None:
        """The client may want the model to talk on; then a turn gets no answer."""
        client = Client(settings=EmulatorSettings(response_delay=0, speed=1))
        vad(client, interrupt_response=False)
        client.write("hello")
        client.send("response.create")
        client.pass_time(0.5)
        events = client.hear(HELLO + SILENCE)

        assert "response.done" not in types(events)
        assert "conversation_already_has_active_response" == error(events)["code"]

    def test_spares_what_is_out_of_band(self) -> None:
        """A response outside of the conversation is not interrupted."""
        client = Client(settings=EmulatorSettings(response_delay=0, speed=1))
        client.send("response.create", response={"conversation": "none"})
        client.pass_time(0.5)

        assert "response.done" not in types(client.hear(HELLO))


class TestIdleTimeout:
    def test_prompts(self) -> None:
        """After a silence the model speaks up by itself."""
        client = Client()
        vad(client, idle_timeout_ms=5000)
        client.write("hello")
        client.send("response.create")
        client.pass_time(10)
        events = client.hear(SILENCE * 6)
        triggered = one(events, "input_audio_buffer.timeout_triggered")

        assert [
            "input_audio_buffer.timeout_triggered",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ] == types(events)[:5]
        assert 0 == triggered["audio_start_ms"]
        assert 5000 <= triggered["audio_end_ms"] <= 5100

    def test_waits_for_the_playback(self) -> None:
        """The silence counts once the answer would have been played."""
        client = Client()
        vad(client, idle_timeout_ms=5000)
        client.write("hello")
        client.send("response.create")
        events = client.hear(SILENCE * 6)

        assert [] == types(events)

    def test_speech_ends_the_wait(self) -> None:
        """A user who speaks is not idle."""
        client = Client()
        vad(client, idle_timeout_ms=5000, create_response=False)
        client.write("hello")
        client.send("response.create")
        client.pass_time(10)
        events = client.hear(SILENCE * 4 + HELLO + SILENCE * 6)

        assert "input_audio_buffer.timeout_triggered" not in types(events)


class TestSemanticVad:
    def test_finished_sentence(self) -> None:
        """A sentence that is complete ends the turn after a short pause."""
        client = Client()
        vad(client, "semantic_vad", eagerness="high")
        events = client.hear(TONES.speak("What time is it?") + SILENCE)

        assert "input_audio_buffer.committed" in types(events)

    def test_unfinished_sentence(self) -> None:
        """One that trails off gets time, but not for ever."""
        client = Client()
        vad(client, "semantic_vad", eagerness="high", create_response=False)
        events = client.hear(TONES.speak("What I want is, uhm") + SILENCE)

        assert ["input_audio_buffer.speech_started"] == types(events)
        assert "input_audio_buffer.committed" in types(client.hear(SILENCE * 2))


class TestTranscription:
    def test_events(self) -> None:
        """A transcript comes in pieces, and then whole, with its tokens."""
        client = manual()
        transcribing(client)
        client.hear(TONES.speak("good morning"))
        events = client.send("input_audio_buffer.commit")
        prefix = "conversation.item.input_audio_transcription"
        deltas = [event["delta"] for event in of_type(events, f"{prefix}.delta")]
        completed = one(events, f"{prefix}.completed")
        usage = completed["usage"]

        assert ["good", " morning"] == deltas
        assert "good morning" == completed["transcript"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]

    def test_off_by_default(self) -> None:
        """Nothing is transcribed unless it is asked for."""
        client = manual()
        client.hear(HELLO)
        events = types(client.send("input_audio_buffer.commit"))

        assert not any("transcription" in name for name in events)

    def test_whisper(self) -> None:
        """Whisper sends one piece, and is paid by the second."""
        client = manual()
        transcribing(client, model="whisper-1")
        client.hear(TONES.speak("good morning"))
        events = client.send("input_audio_buffer.commit")
        prefix = "conversation.item.input_audio_transcription"

        assert "good morning" == one(events, f"{prefix}.delta")["delta"]
        assert "duration" == one(events, f"{prefix}.completed")["usage"]["type"]

    def test_logprobs(self) -> None:
        """Log probabilities come where they are included."""
        client = manual()
        client.update(include=["item.input_audio_transcription.logprobs"])
        transcribing(client)
        client.hear(HELLO)
        events = client.send("input_audio_buffer.commit")
        prefix = "conversation.item.input_audio_transcription"

        assert "hello" == one(events, f"{prefix}.delta")["logprobs"][0]["token"]

    def test_speakers(self) -> None:
        """A model that tells speakers apart sends segments."""
        client = manual()
        transcribing(client, model="gpt-4o-transcribe-diarize")
        client.hear(HELLO)
        events = client.send("input_audio_buffer.commit")
        name = "conversation.item.input_audio_transcription.segment"

        assert "hello" == one(events, name)["text"]

    def test_failure(self) -> None:
        """A recogniser that fails is reported with the item, not as an error."""

        class Deaf:
            def transcribe(self, pcm: bytes) -> str:
                raise RuntimeError("no ears")

        client = manual(speech=Deaf)
        transcribing(client)
        client.hear(HELLO)
        events = client.send("input_audio_buffer.commit")
        name = "conversation.item.input_audio_transcription.failed"

        assert "transcription_error" == one(events, name)["error"]["type"]
        assert "error" not in types(events)

    def test_stays_with_the_item(self) -> None:
        """The transcript is in the item from then on."""
        client = manual()
        transcribing(client)
        client.hear(HELLO)
        item_id = client.send("input_audio_buffer.commit")[0]["item_id"]
        item = client.send("conversation.item.retrieve", item_id=item_id)[0]["item"]

        assert "hello" == item["content"][0]["transcript"]

    def test_delay(self) -> None:
        """It may come long after the response."""
        client = manual(settings=EmulatorSettings.instant(transcription_delay=5))
        transcribing(client)
        client.hear(HELLO)
        client.send("input_audio_buffer.commit")
        client.send("response.create")
        names = types(client.pass_time(5))

        assert "response.done" in types(client.events)
        assert "conversation.item.input_audio_transcription.completed" == names[-1]

    def test_transcription_session(self) -> None:
        """A transcription session writes down turns and answers none."""
        client = Client(transcription=True)
        client.hear(HELLO + SILENCE)
        completed = one(
            client.events, "conversation.item.input_audio_transcription.completed"
        )

        assert "hello" == completed["transcript"]
        assert "response.created" not in types(client.events)
        assert "error" in types(client.send("response.create"))


@pytest.mark.parametrize(
    ("name", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)]
)
def test_telephone(name: str, encode: object) -> None:
    """G.711 is heard and spoken, at 8 kHz, and moments count as with PCM."""
    client = Client()
    audio_format: Json = {"type": name}
    client.update(
        audio={"input": {"format": audio_format}, "output": {"format": audio_format}}
    )
    pcm = SILENCE + TONES.speak("hello") + SILENCE
    sound = encode(resample(pcm, 24_000, 8_000))  # type: ignore[operator]
    for start in range(0, len(sound), 800):
        audio = base64.b64encode(sound[start : start + 800]).decode()
        client.send("input_audio_buffer.append", audio=audio)
    started = one(client.events, "input_audio_buffer.speech_started")
    deltas = of_type(client.events, "response.output_audio.delta")
    spoken = b"".join(base64.b64decode(event["delta"]) for event in deltas)

    assert ["Hello! How can I help you?"] == list(said(client.events))
    assert abs(started["audio_start_ms"] - 700) <= 64
    assert 800 == len(base64.b64decode(deltas[0]["delta"]))
    assert (
        abs(len(spoken) / 8 - len(TONES.speak("Hello! How can I help you?")) / 48) < 5
    )


def test_a_commit_takes_all_of_a_telephone_turn() -> None:
    """Nothing of a turn in G.711 is held back: its smallest is as long as of PCM."""
    client = Client()
    client.update(
        audio={"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}}
    )
    loud = ulaw_encode(b"\0\x40" * 800)  # 100 ms
    client.send("input_audio_buffer.append", audio=base64.b64encode(loud).decode())
    events = client.send("input_audio_buffer.commit")
    again = client.send("input_audio_buffer.commit")

    assert "input_audio_buffer.committed" in types(events)
    assert "input_audio_buffer_commit_empty" == error(again)["code"]


def test_takes_a_hundredth_of_a_core() -> None:
    """Ten seconds of a conversation in tones take less than 0.1 s of computing."""
    session = Session(speech=lambda: TONES, clock=(clock := ManualClock()))
    session.start()
    sound = TONES.speak("What is the capital of Norway?") + SILENCE
    sound += bytes(480_000 - len(sound))
    pieces = [sound[start : start + 4_800] for start in range(0, len(sound), 4_800)]
    messages = [
        json.dumps({"type": "input_audio_buffer.append", "audio": audio.decode()})
        for audio in map(base64.b64encode, pieces)
    ]
    # The voice keeps what it said: other conversations of the same have it for nothing.
    TONES.speak("The capital of Norway is Oslo.")
    events: list[Any] = []
    started = time.thread_time()
    for message in messages:
        events += session.receive_message(message)
        for work in session.take_work():
            events += session.complete(work.run())
        clock.advance(0.1)
        events += session.advance()
    for event in events:
        encode(event)
    taken = time.thread_time() - started

    assert "response.done" in [event.type for event in events]
    assert taken < 0.1, f"{taken:.3f} s"

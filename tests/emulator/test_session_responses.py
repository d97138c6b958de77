"""Responses: their events, their modes, their limits and their ends."""

from __future__ import annotations

import json

import pytest
from emulated import TONES, Client, Json, audio_of, error, of_type, one, said, types

from realtime_sync.emulator import EmulatorSettings, Failure, Reply, Turn, call


WEATHER: Json = {
    "type": "function",
    "name": "get_weather",
    "description": "Returns the weather at a place.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def answer(client: Client, **response: object) -> list[Json]:
    return client.send(
        "response.create", **({"response": response} if response else {})
    )


def result(events: list[Json]) -> Json:
    response: Json = one(events, "response.done")["response"]
    return response


def writing(reply: object = "Good day.", **options: object) -> Client:
    replies = reply if callable(reply) or isinstance(reply, list) else [reply] * 9
    client = Client(replies=replies, **options)
    client.update(output_modalities=["text"])
    client.write("hello")
    return client


class TestText:
    def test_events(self) -> None:
        """A written answer has these events in this order."""
        assert [
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ] == types(answer(writing()))

    def test_pieces_make_the_text(self) -> None:
        """The deltas add up to the text, which all later events agree on."""
        text = "Two  spaces,\na line, and an end.\n"
        events = answer(writing(text))
        deltas = [
            event["delta"] for event in of_type(events, "response.output_text.delta")
        ]
        part = one(events, "response.content_part.done")["part"]

        assert text == "".join(deltas)
        assert text == one(events, "response.output_text.done")["text"]
        assert {"type": "text", "text": text} == part
        assert [text] == list(said(events))

    def test_created_is_in_progress(self) -> None:
        """A response begins empty."""
        created = one(answer(writing()), "response.created")["response"]

        assert ("in_progress", []) == (created["status"], created["output"])
        assert created["usage"] is None

    def test_item_is_in_the_conversation(self) -> None:
        """The answer follows the question, under its id."""
        client = writing()
        added = one(answer(client), "conversation.item.added")

        assert "item_1" == added["previous_item_id"]
        assert ["item_1", "item_2"] == [
            item.id for item in client.machine.conversation.items()
        ]

    def test_preview(self) -> None:
        """The preview names the same things otherwise."""
        client = Client(dialect="preview", replies=["Good day."])
        client.send("session.update", session={"modalities": ["text"]})
        client.write("hello")

        assert [
            "response.created",
            "response.output_item.added",
            "conversation.item.created",
            "response.content_part.added",
            "response.text.delta",
            "response.text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ] == types(answer(client))


class TestAudio:
    def test_speech(self) -> None:
        """A spoken answer says its transcript."""
        client = Client(replies=["Good day."])
        events = answer(client)

        assert "Good day." == TONES.transcribe(audio_of(events))
        assert ["Good day."] == list(said(events))

    def test_interleaved(self) -> None:
        """The transcript keeps ahead of the audio, piece by piece."""
        client = Client(replies=["One two three."])
        names = types(answer(client))
        words, sound = (
            "response.output_audio_transcript.delta",
            ("response.output_audio.delta"),
        )

        assert 3 == names.count(words)
        assert 3 == names.count(sound)
        assert names.index(words) < names.index(sound)

    def test_piece_size(self) -> None:
        """The size of the pieces is a setting."""
        settings = EmulatorSettings.instant(piece_ms=40)
        client = Client(replies=["Good day."], settings=settings)
        first = of_type(answer(client), "response.output_audio.delta")[0]

        assert 40 * 48 * 4 // 3 == len(first["delta"])

    @pytest.mark.parametrize("speed", [1, 8])
    def test_pace(self, speed: float) -> None:
        """Audio is sent so many times faster than it plays."""
        settings = EmulatorSettings(speed=speed, response_delay=0.5)
        client = Client(replies=["Good day, good day."], settings=settings)
        seconds = len(TONES.speak("Good day, good day.")) / 48_000
        answer(client)

        assert [] == audio_of(client.pass_time(0.49)).splitlines()
        assert "response.done" not in types(client.pass_time(0.9 * seconds / speed))
        assert "response.done" in types(client.pass_time(0.3 + 0.2 * seconds / speed))

    def test_own_audio(self) -> None:
        """A reply may bring its audio; its text is the transcript."""
        pcm = bytes(range(200)) * 96
        client = Client(replies=[Reply("noise", audio=pcm)])
        events = answer(client)

        assert pcm == audio_of(events)
        assert ["noise"] == list(said(events))

    def test_pace_of_a_late_machine(self) -> None:
        """A machine that does each step late does not speak more slowly."""
        settings = EmulatorSettings(speed=1.0, response_delay=0.0)
        client = Client(settings=settings, replies=[Reply("", audio=bytes(48_000))])
        client.send("response.create")
        late, began = 0.03, client.clock.now()
        while (due := client.machine.next_due) and due < began + 1.0 + late:
            client.clock.advance(due + late - client.clock.now())
            client.settle()

        assert 1.0 + late == pytest.approx(client.clock.now() - began)
        assert "response.done" in types(client.events)

    def test_speed(self) -> None:
        """The session's speed shortens the audio."""
        client = Client(replies=[Reply("x", audio=bytes(48_000))])
        client.update(audio={"output": {"speed": 1.25}})

        assert 38_400 == len(audio_of(answer(client)))

    def test_speed_of_speech(self) -> None:
        """What is spoken is shortened too, by the voice itself where it can."""

        class Paced(type(TONES)):  # type: ignore[misc]
            def speak_at(self, text: str, voice: str | None, speed: float) -> bytes:
                return bytes(round(4_800 / speed))

        lengths = []
        for speech in (type(TONES), Paced):
            client = Client(replies=["Good day."], speech=speech)
            client.update(audio={"output": {"speed": 1.25}})
            lengths.append(len(audio_of(answer(client))))

        assert [len(TONES.speak("Good day.")) * 4 // 5, 3_840] == lengths

    def test_webrtc_events(self) -> None:
        """The account of played audio is kept where a setting wants it."""
        settings = EmulatorSettings.instant(output_audio_buffer=True)
        client = Client(replies=["Good day."], settings=settings)
        events = answer(client) + client.pass_time(5)
        names = types(events)

        assert names.index("response.content_part.added") < names.index(
            "output_audio_buffer.started"
        )
        assert "output_audio_buffer.stopped" == names[-1]
        assert ["output_audio_buffer.cleared"] == types(
            client.send("output_audio_buffer.clear")
        )

    def test_no_webrtc_over_a_websocket(self) -> None:
        """Elsewhere there is no such buffer to clear."""
        assert ["error"] == types(Client().send("output_audio_buffer.clear"))


class TestFunctions:
    def test_events(self) -> None:
        """A call's arguments come in pieces, and then whole."""
        client = Client(replies=[Reply(function_calls=[call("f", city="Oslo")])])
        events = answer(client)
        done = one(events, "response.function_call_arguments.done")
        pieces = of_type(events, "response.function_call_arguments.delta")

        assert {"city": "Oslo"} == json.loads(done["arguments"])
        assert done["arguments"] == "".join(event["delta"] for event in pieces)
        assert "f" == done["name"]
        assert [
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ] == types(events)

    def test_several_items(self) -> None:
        """A response may hold words and calls, in this order."""
        reply = Reply("One moment.", function_calls=[call("f"), call("g", x=1)])
        output = result(answer(Client(replies=[reply])))["output"]

        assert ["message", "function_call", "function_call"] == [
            item["type"] for item in output
        ]
        assert output[1]["call_id"] != output[2]["call_id"]

    def test_round_trip(self) -> None:
        """A tool that fits is called, and what it gives is read out."""
        client = Client()
        client.update(tools=[WEATHER])
        client.write("What is the weather in Oslo?")
        called = result(answer(client))["output"][0]
        client.send(
            "conversation.item.create",
            item={
                "type": "function_call_output",
                "call_id": called["call_id"],
                "output": '{"temperature": 21}',
            },
        )

        assert {"city": "Oslo"} == json.loads(called["arguments"])
        assert ["The temperature is 21."] == list(said(answer(client)))


class TestOutOfBand:
    def test_leaves_the_conversation_alone(self) -> None:
        """A response outside of the conversation adds nothing to it."""
        client = writing()
        events = answer(client, conversation="none", metadata={"topic": "x"})

        assert not [name for name in types(events) if name.startswith("conversation")]
        assert result(events)["conversation_id"] is None
        assert {"topic": "x"} == result(events)["metadata"]
        assert 1 == len(client.machine.conversation)

    def test_own_input(self) -> None:
        """It reads what it is given instead, with references to items."""
        seen: list[Turn] = []

        def reply(turn: Turn) -> str:
            seen.append(turn)
            return "Yes."

        client = writing(reply)
        client.write("never mind")
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Is it so?"}],
        }
        reference = {"type": "item_reference", "id": "item_1"}
        answer(client, conversation="none", input=[reference, item])

        assert ["hello", "Is it so?"] == [
            text for role, text in seen[0].messages() if role == "user"
        ]

    def test_empty_input(self) -> None:
        """An empty list clears the context."""
        seen: list[Turn] = []

        def reply(turn: Turn) -> str:
            seen.append(turn)
            return "Yes."

        answer(writing(reply), conversation="none", input=[])

        assert [] == list(seen[0].items)

    def test_unknown_reference(self) -> None:
        """A reference to nothing is refused."""
        reference = {"type": "item_reference", "id": "nobody"}
        events = answer(writing(), conversation="none", input=[reference])

        assert ["error"] == types(events)

    def test_in_parallel(self) -> None:
        """Any number of them run beside the conversation's own."""
        client = Client(settings=EmulatorSettings(), replies=["a", "b", "c"])
        for conversation in ("auto", "none", "none"):
            client.send("response.create", response={"conversation": conversation})
        events = client.pass_time(5)

        assert 3 == len(of_type(events, "response.done"))

    def test_unknown_conversation(self) -> None:
        """There are two conversations to choose from: the default and none."""
        failure = error(answer(writing(), conversation="other"))

        assert "response.conversation" == failure["param"]


class TestOverrides:
    def test_for_this_response_only(self) -> None:
        """What a response asks for does not change the session."""
        seen: list[Turn] = []

        def reply(turn: Turn) -> str:
            seen.append(turn)
            return "Yes."

        client = writing(reply)
        answer(client, instructions="Shout.", tools=[WEATHER], tool_choice="none")
        answer(client)

        assert "Shout." == seen[0].instructions
        assert 1 == len(seen[0].tools)
        assert "Shout." != seen[1].instructions
        assert [] == list(seen[1].tools)

    def test_modality(self) -> None:
        """A session that speaks can be asked to write."""
        events = answer(Client(replies=["x"]), output_modalities=["text"])

        assert "response.output_text.done" in types(events)
        assert ["text"] == result(events)["output_modalities"]

    def test_bad_value(self) -> None:
        """A bad value is refused with its path, before there is a response."""
        events = answer(writing(), max_output_tokens=0)

        assert "response.max_output_tokens" == error(events)["param"]
        assert ["error"] == types(events)


class TestLimits:
    def test_written(self) -> None:
        """A response that would be too long is cut, and says so."""
        client = writing("one two three four five six")
        done = result(answer(client, max_output_tokens=3))

        assert "incomplete" == done["status"]
        assert "max_output_tokens" == done["status_details"]["reason"]
        assert "incomplete" == done["output"][0]["status"]
        assert done["usage"]["output_tokens"] <= 3

    def test_spoken(self) -> None:
        """Audio counts as well."""
        client = Client(replies=["A long speech, my friends."])
        done = result(answer(client, max_output_tokens=10))

        assert "incomplete" == done["status"]
        assert 0 < done["usage"]["output_token_details"]["audio_tokens"] <= 10

    def test_usage_adds_up(self) -> None:
        """Tokens add up, and what was read before is cached."""
        client = Client(replies=["A long speech, my friends."] * 2)
        client.update(instructions="Words. " * 200)
        client.write("hello")
        answer(client)
        usage = result(answer(client))["usage"]
        read, written = usage["input_token_details"], usage["output_token_details"]
        cached = read["cached_tokens_details"]

        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens"] == read["text_tokens"] + read["audio_tokens"]
        assert (
            usage["output_tokens"] == written["text_tokens"] + written["audio_tokens"]
        )
        assert 0 < read["cached_tokens"] <= usage["input_tokens"]
        assert read["cached_tokens"] == cached["text_tokens"] + cached["audio_tokens"]

    def test_rate_limits(self) -> None:
        """The limits fall by what was used, and by what is reserved."""
        client = writing()
        first = one(answer(client), "rate_limits.updated")["rate_limits"]
        second = one(answer(client), "rate_limits.updated")["rate_limits"]

        assert ["requests", "tokens"] == [limit["name"] for limit in first]
        assert (999, 998) == (first[0]["remaining"], second[0]["remaining"])
        assert second[1]["remaining"] < first[1]["remaining"] < first[1]["limit"]

    def test_rate_limits_recover(self) -> None:
        """After a minute what was used is free again."""
        client = writing()
        answer(client)
        client.pass_time(61)
        later = one(answer(client), "rate_limits.updated")["rate_limits"]

        assert 999 == later[0]["remaining"]

    def test_long_conversation(self) -> None:
        """Of a conversation that is too long the model reads the end."""
        seen: list[Turn] = []

        def reply(turn: Turn) -> str:
            seen.append(turn)
            return "Yes."

        client = writing(reply, settings=EmulatorSettings.instant(context_tokens=300))
        for number in range(20):
            client.write(f"{number} " + "x" * 100)
        answer(client)

        assert seen[0].heard.startswith("19 ")
        assert len(seen[0].items) < 15

    def test_truncation_disabled(self) -> None:
        """Where nothing may be left out the response fails."""
        client = writing(settings=EmulatorSettings.instant(context_tokens=100))
        client.update(truncation="disabled")
        client.write("x" * 1000)
        done = result(answer(client))

        assert "failed" == done["status"]
        assert "input_tokens_exceeded" == done["status_details"]["error"]["code"]

    def test_retention_ratio(self) -> None:
        """More is dropped than must be, where the client wants that."""
        counts = {}
        for ratio in (1.0, 0.5):
            seen: list[Turn] = []
            settings = EmulatorSettings.instant(context_tokens=300)

            def reply(turn: Turn, seen: list[Turn] = seen) -> str:
                seen.append(turn)
                return "Yes."

            client = writing(reply, settings=settings)
            rule = {"type": "retention_ratio", "retention_ratio": ratio}
            client.update(truncation=rule)
            for _ in range(20):
                client.write("x" * 100)
            answer(client)
            counts[ratio] = len(seen[0].items)

        assert counts[0.5] < counts[1.0]


class TestEnds:
    def test_one_at_a_time(self) -> None:
        """The conversation has one active response."""
        client = Client(settings=EmulatorSettings())
        answer(client)
        events = client.send("response.create", event_id="e")

        assert {
            "type": "invalid_request_error",
            "code": "conversation_already_has_active_response",
            "param": None,
            "event_id": "e",
        } == error(events)

    def test_next_after_done(self) -> None:
        """After the end of one the next may begin."""
        client = writing()
        answer(client)

        assert "completed" == result(answer(client))["status"]

    def test_cancel(self) -> None:
        """A cancelled response closes what it had opened, then is done."""
        client = writing("one two three", settings=EmulatorSettings(text_interval=1))
        answer(client)
        client.pass_time(1.5)
        events = client.send("response.cancel")

        assert [
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ] == types(events)
        assert "client_cancelled" == result(events)["status_details"]["reason"]
        assert ["one two "] == list(said(events))
        assert [] == client.pass_time(10)

    def test_cancel_before_the_first_word(self) -> None:
        """A response that has nothing yet ends with nothing."""
        client = writing(settings=EmulatorSettings(response_delay=5))
        answer(client)
        events = client.send("response.cancel")

        assert ["response.done"] == types(events)
        assert [] == result(events)["output"]

    def test_cancel_by_id(self) -> None:
        """A response outside of the conversation is cancelled by its id."""
        client = writing(settings=EmulatorSettings())
        created = one(answer(client, conversation="none"), "response.created")
        response_id = created["response"]["id"]

        assert ["error"] == types(client.send("response.cancel"))
        assert ["response.done"] == types(
            client.send("response.cancel", response_id=response_id)
        )

    def test_cancel_nothing(self) -> None:
        """Without an active response a cancel is a harmless error."""
        events = Client().send("response.cancel")

        assert "response_cancel_not_active" == error(events)["code"]

    def test_failure(self) -> None:
        """A reply may fail, after what it has said."""
        failure = Failure(
            code="rate_limit_exceeded", message="Too much.", type="tokens"
        )
        done = result(answer(writing(Reply("Well,", failure=failure))))

        assert "failed" == done["status"]
        assert {
            "type": "tokens",
            "code": "rate_limit_exceeded",
            "message": "Too much.",
        } == done["status_details"]["error"]
        assert 1 == len(done["output"])

    def test_content_filter(self) -> None:
        """A reply may be cut short."""
        done = result(answer(writing(Reply("Well,", incomplete="content_filter"))))

        assert "incomplete" == done["status"]
        assert "content_filter" == done["status_details"]["reason"]

    def test_replier_that_raises(self) -> None:
        """A replier's own fault fails the response and spares the session."""

        def reply(turn: Turn) -> str:
            raise KeyError("oops")

        client = writing(reply)
        done = result(answer(client))

        assert "server_error" == done["status_details"]["error"]["type"]
        assert ["session.updated"] == types(client.update())

    def test_delay(self) -> None:
        """A reply may take its time."""
        client = writing(Reply("x", delay=3))
        answer(client)

        assert [] == client.pass_time(2.9)
        assert "response.done" in types(client.pass_time(0.2))

    def test_deleted_while_it_is_made(self) -> None:
        """A client may delete the item that is being made."""
        client = writing("one two", settings=EmulatorSettings(text_interval=1))
        answer(client)
        client.pass_time(0.5)
        client.send("conversation.item.delete", item_id="item_2")

        assert "response.done" in types(client.pass_time(10))

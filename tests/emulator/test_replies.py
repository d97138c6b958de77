"""What the model answers: functions, scripts and manners."""

from __future__ import annotations

import json

import pytest
from emulated import SILENCE, TONES, Client, Json, one, said

from realtime_sync.emulator import Reply, Turn, call
from realtime_sync.emulator.replies import make_replier


def answer_to(text: str, *, tools: list[Json] | None = None, **session: object) -> Json:
    """Return the first item that the manners answer *text* with."""
    client = Client()
    client.update(output_modalities=["text"], tools=tools or [], **session)
    client.write(text)
    done = one(client.send("response.create"), "response.done")
    item: Json = done["response"]["output"][0]
    return item


def text_of(item: Json) -> str:
    text: str = item["content"][0]["text"]
    return text


def function(name: str, description: str = "", **properties: Json) -> Json:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
        },
    }


class TestManners:
    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ("Hello there", "Hello! How can I help you?"),
            ("What is the capital of Japan?", "The capital of Japan is Tokyo."),
            ("How is the weather in Oslo?", "The weather in Oslo is fine, 21 degrees."),
            ("What's the weather like?", "The weather is fine, 21 degrees."),
            ("Thank you!", "You are welcome."),
            ("Bye", "Goodbye!"),
            ("Parrots repeat.", "You said: Parrots repeat."),
            ("", "I did not catch that. Could you say it again?"),
        ],
    )
    def test_answers(self, text: str, answer: str) -> None:
        """Simple questions have answers, the rest is repeated."""
        assert answer == text_of(answer_to(text))

    def test_time(self) -> None:
        """It knows the time."""
        assert text_of(answer_to("What time is it?")).startswith("It is ")

    def test_without_a_question(self) -> None:
        """A response that nothing was said before asks for it."""
        client = Client()

        assert ["I did not catch that. Could you say it again?"] == list(
            said(client.send("response.create"))
        )

    def test_speech(self) -> None:
        """What was spoken is recognised without a transcription being on."""
        client = Client()
        client.hear(TONES.speak("What is the capital of Japan?") + SILENCE)

        assert ["The capital of Japan is Tokyo."] == list(said(client.events))


class TestTools:
    def test_by_name(self) -> None:
        """A tool whose name fits what was said is called."""
        tools = [
            function("play_music", "Plays a song."),
            function("getWeather", "Forecasts.", place={"type": "string"}),
        ]
        item = answer_to("How is the weather in New York today?", tools=tools)

        assert "getWeather" == item["name"]
        assert {"place": "New York"} == json.loads(item["arguments"])

    def test_by_description(self) -> None:
        """Or one whose description does."""
        tools = [function("tool_7", "Switches the kitchen lamp on or off.")]

        assert "tool_7" == answer_to("Switch off the kitchen lamp", tools=tools)["name"]

    def test_none_fits(self) -> None:
        """Otherwise none is."""
        tools = [function("play_music", "Plays a song.")]

        assert "You said: Good grief" == text_of(answer_to("Good grief", tools=tools))

    def test_choice_none(self) -> None:
        """Nor where the client forbids it."""
        tools = [function("play_music")]
        item = answer_to("Play music", tools=tools, tool_choice="none")

        assert "message" == item["type"]

    def test_choice_required(self) -> None:
        """Where one is required the best one is called."""
        tools = [function("a"), function("b")]
        item = answer_to("Good grief", tools=tools, tool_choice="required")

        assert "function_call" == item["type"]

    def test_choice_by_name(self) -> None:
        """Or the one that is named."""
        tools = [function("a"), function("b")]
        choice = {"type": "function", "name": "b"}

        assert "b" == answer_to("x", tools=tools, tool_choice=choice)["name"]

    def test_arguments(self) -> None:
        """Arguments are of the types that the schema wants."""
        tools = [
            function(
                "set_lamp",
                level={"type": "integer"},
                share={"type": "number"},
                on={"type": "boolean"},
                room={"type": "string", "enum": ["Attic", "Kitchen"]},
                mood={"type": "string", "enum": ["calm", "wild"]},
                tags={"type": "array"},
                more={"type": "object"},
                text={"type": "string"},
            )
        ]
        item = answer_to("Set the lamp to 40 in Kitchen", tools=tools)

        assert {
            "level": 40,
            "share": 40.0,
            "on": True,
            "room": "Kitchen",
            "mood": "calm",
            "tags": [],
            "more": {},
            "text": "Kitchen",
        } == json.loads(item["arguments"])

    @pytest.mark.parametrize(
        ("output", "answer"),
        [
            (
                '{"wind_speed": 3, "unit": "m/s"}',
                "The wind speed is 3. The unit is m/s.",
            ),
            ("[1, 2]", "1, 2"),
            ("It rains.", "It rains."),
            ("", "That is done."),
            ("null", "That is done."),
        ],
    )
    def test_output_is_read_out(self, output: str, answer: str) -> None:
        """What a function gave is said."""
        client = Client()
        client.update(output_modalities=["text"])
        item = {
            "type": "function_call",
            "name": "f",
            "arguments": "{}",
            "call_id": "c",
        }
        client.send("conversation.item.create", item=item)
        result = {"type": "function_call_output", "call_id": "c", "output": output}
        client.send("conversation.item.create", item=result)

        assert [answer] == list(said(client.send("response.create")))


class TestScript:
    def test_in_order(self) -> None:
        """Scripted replies come in order, then the manners."""
        client = Client(replies=["one", Reply("two")])
        for _ in range(3):
            client.send("response.create")

        assert ["one", "two"] == list(said(client.events))[:2]
        assert 3 == len(list(said(client.events)))

    @pytest.mark.parametrize("replies", ["text", 7, b"x"])
    def test_wrong(self, replies: object) -> None:
        """A single text is no list of replies."""
        with pytest.raises(TypeError, match="a function of a Turn, or a list"):
            make_replier(replies)  # type: ignore[arg-type]


class TestTurn:
    @pytest.fixture(name="turns")
    def _turns(self) -> list[Turn]:
        return []

    @pytest.fixture(name="client")
    def _client(self, turns: list[Turn]) -> Client:
        def reply(turn: Turn) -> str:
            turns.append(turn)
            return "Yes."

        return Client(replies=reply, model="gpt-mine")

    def test_what_it_tells(self, client: Client, turns: list[Turn]) -> None:
        """A turn tells all that a model would know."""
        client.update(instructions="Be brief.", output_modalities=["text"])
        client.write("hello")
        client.send("response.create", response={"metadata": {"a": "b"}})
        turn = turns[0]

        assert "hello" == turn.heard
        assert ("gpt-mine", "Be brief.", ["text"], {"a": "b"}) == (
            turn.model,
            turn.instructions,
            turn.output_modalities,
            turn.metadata,
        )
        assert [("system", "Be brief."), ("user", "hello")] == turn.messages()
        assert turn.last_output is None
        assert b"" == turn.audio

    def test_speech(self, client: Client, turns: list[Turn]) -> None:
        """Speech is there as text and as audio."""
        client.update(instructions="")
        client.hear(TONES.speak("hello") + SILENCE)
        client.hear(SILENCE)
        client.write("more")
        client.send("response.create")

        assert "hello" == turns[0].heard
        assert "hello" == TONES.transcribe(turns[0].audio)
        assert [
            ("user", "hello"),
            ("assistant", "Yes."),
            ("user", "more"),
        ] == turns[1].messages()

    def test_functions(self, client: Client, turns: list[Turn]) -> None:
        """The output of a function is the last item when it is to be read out."""
        item = {"type": "function_call", "name": "f", "arguments": "", "call_id": "c"}
        client.send("conversation.item.create", item=item)
        result = {"type": "function_call_output", "call_id": "c", "output": "7"}
        client.send("conversation.item.create", item=result)
        client.send("response.create")

        assert "7" == turns[0].last_output
        assert ("tool", "7") == turns[0].messages()[-1]


def test_call() -> None:
    """A call is made of a name and arguments."""
    made = call("get_weather", city="Oslo", name="x")

    assert ("get_weather", {"city": "Oslo", "name": "x"}) == (
        made.name,
        json.loads(made.arguments),
    )

"""Items: created, ordered, retrieved, deleted and truncated."""

from __future__ import annotations

import base64

import pytest
from emulated import SILENCE, TONES, Client, Json, error, of_type, one, types

from realtime_sync.emulator import EmulatorSettings


@pytest.fixture(name="client")
def _client() -> Client:
    return Client()


def ids(client: Client) -> list[str]:
    return [item.id for item in client.machine.conversation.items()]


class TestCreate:
    def test_events(self, client: Client) -> None:
        """An item is added and done, completed as the service does."""
        added, done = client.write("hello")

        assert "conversation.item.added" == added["type"]
        assert "conversation.item.done" == done["type"]
        assert added["item"] == done["item"]
        assert {
            "id": "item_1",
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_text", "text": "hello"}],
        } == added["item"]

    def test_preview_event(self) -> None:
        """The preview has one event for it."""
        client = Client(dialect="preview")

        assert ["conversation.item.created"] == types(client.write("hello"))

    def test_own_id(self, client: Client) -> None:
        """A client may name its item."""
        client.write("hello", id="mine")

        assert ["mine"] == ids(client)

    def test_previous_item(self, client: Client) -> None:
        """Items go to the end, to the root, or after another."""
        client.write("b", id="b")
        client.write("d", id="d")
        item = {"type": "message", "role": "user", "content": []}
        first = client.send(
            "conversation.item.create",
            item={**item, "id": "a"},
            previous_item_id="root",
        )
        middle = client.send(
            "conversation.item.create", item={**item, "id": "c"}, previous_item_id="b"
        )

        assert ["a", "b", "c", "d"] == ids(client)
        assert first[0]["previous_item_id"] is None
        assert "b" == middle[0]["previous_item_id"]

    def test_unknown_previous_item(self, client: Client) -> None:
        """An item after one that does not exist is not added."""
        answers = client.send(
            "conversation.item.create",
            event_id="e",
            item={"type": "message", "role": "user", "content": []},
            previous_item_id="nobody",
        )

        assert "item_create_invalid_previous_item_id" == error(answers)["code"]
        assert [] == ids(client)

    def test_same_id(self, client: Client) -> None:
        """Two items of one id cannot be."""
        client.write("a", id="a")

        assert "item.id" == error(client.write("b", id="a"))["param"]

    @pytest.mark.parametrize(
        ("item", "param"),
        [
            ({"type": "poem"}, "item.type"),
            ({"type": "item_reference", "id": "x"}, "item.type"),
            (
                {"type": "message", "role": "user", "content": [{"type": "smell"}]},
                "item.content[0].type",
            ),
            ({"type": "message", "role": "cat", "content": []}, "item.role"),
            (
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_audio", "audio": ""}],
                },
                "item.content[0].type",
            ),
            (
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "output_text", "text": ""}],
                },
                "item.content[0].type",
            ),
        ],
    )
    def test_refused(self, client: Client, item: Json, param: str) -> None:
        """What no conversation can hold is refused by its path."""
        answers = client.send("conversation.item.create", item=item)

        assert ("invalid_value", param) == (
            error(answers)["code"],
            error(answers)["param"],
        )

    def test_output_without_call(self, client: Client) -> None:
        """The output of a function needs the call that it is for."""
        item = {"type": "function_call_output", "call_id": "call_x", "output": "7"}
        answers = client.send("conversation.item.create", item=item)

        assert "invalid_tool_call_id" == error(answers)["code"]

    def test_history_of_calls(self, client: Client) -> None:
        """A call and its output can be put back, as after a reconnect."""
        call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
        output = {"type": "function_call_output", "call_id": "c", "output": "7"}
        client.send("conversation.item.create", item=call)
        answers = client.send("conversation.item.create", item=output)

        assert "completed" == answers[0]["item"]["status"]

    def test_images_and_calls_cost_tokens(self, client: Client) -> None:
        """Whatever the model reads is counted."""
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
        message = {"type": "message", "role": "user", "content": [image]}
        call = {"type": "function_call", "name": "f", "arguments": "{}"}
        before = one(client.send("response.create"), "response.done")
        client.send("conversation.item.create", item=message)
        client.send("conversation.item.create", item={**call, "call_id": "c"})
        after = one(client.send("response.create"), "response.done")
        details = [
            event["response"]["usage"]["input_token_details"]
            for event in (before, after)
        ]

        assert [0, 85] == [detail["image_tokens"] for detail in details]
        assert details[0]["text_tokens"] < details[1]["text_tokens"]

    def test_call_id_is_made(self, client: Client) -> None:
        """A call without an id gets one."""
        call = {"type": "function_call", "name": "f", "arguments": "{}"}
        added, _ = client.send("conversation.item.create", item=call)

        assert "call_1" == added["item"]["call_id"]

    def test_approval_of_nothing(self, client: Client) -> None:
        """An approval needs the request that it answers."""
        item = {
            "type": "mcp_approval_response",
            "approval_request_id": "nobody",
            "approve": True,
        }
        answers = client.send("conversation.item.create", item={**item, "id": "a"})

        assert "item.approval_request_id" == error(answers)["param"]

    def test_audio_is_left_out(self, client: Client) -> None:
        """Events about an item hold no audio; retrieving it does."""
        audio = base64.b64encode(TONES.speak("hi")).decode()
        content = [{"type": "input_audio", "audio": audio}]
        item = {"type": "message", "role": "user", "content": content, "id": "a"}
        added, _ = client.send("conversation.item.create", item=item)
        retrieved = one(
            client.send("conversation.item.retrieve", item_id="a"),
            "conversation.item.retrieved",
        )

        assert [{"type": "input_audio", "transcript": None}] == added["item"]["content"]
        assert audio == retrieved["item"]["content"][0]["audio"]


class TestMissing:
    @pytest.mark.parametrize("action", ["retrieve", "delete", "truncate"])
    def test_code(self, client: Client, action: str) -> None:
        """Each command has a code for an item that is not there."""
        more = {"content_index": 0, "audio_end_ms": 0} if action == "truncate" else {}
        answers = client.send(f"conversation.item.{action}", item_id="x", **more)

        assert f"item_{action}_invalid_item_id" == error(answers)["code"]


def test_delete(client: Client) -> None:
    """A deleted item is gone."""
    client.write("a", id="a")
    client.write("b", id="b")
    deleted = one(
        client.send("conversation.item.delete", item_id="a"),
        "conversation.item.deleted",
    )

    assert "a" == deleted["item_id"]
    assert ["b"] == ids(client)


class TestTruncate:
    @pytest.fixture(name="spoken")
    def _spoken(self, client: Client) -> str:
        client.write("hello")
        answers = client.send("response.create")
        item_id: str = one(answers, "response.output_item.done")["item"]["id"]
        return item_id

    def truncate(self, client: Client, item_id: str, ms: int, index: int = 0) -> Json:
        return client.send(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=index,
            audio_end_ms=ms,
        )[0]

    def test_cuts_audio_and_transcript(self, client: Client, spoken: str) -> None:
        """What was not heard is forgotten, and the transcript with it."""
        truncated = self.truncate(client, spoken, 500)
        retrieved = client.send("conversation.item.retrieve", item_id=spoken)[0]
        part = retrieved["item"]["content"][0]

        assert ("conversation.item.truncated", 500) == (
            truncated["type"],
            truncated["audio_end_ms"],
        )
        assert 500 * 48 == len(base64.b64decode(part["audio"]))
        assert "transcript" not in part

    def test_shorter_already(self, client: Client, spoken: str) -> None:
        """Audio cannot be cut where it has ended before."""
        failure = self.truncate(client, spoken, 60_000)["error"]

        assert "invalid_value" == failure["code"]
        assert "is already shorter than 60000ms" in failure["message"]

    def test_user_audio(self, client: Client) -> None:
        """Only the model's audio can be truncated."""
        client.write("hello", id="a")
        failure = self.truncate(client, "a", 0)["error"]

        assert "unsupported_content_type" == failure["code"]

    def test_text_answer(self, client: Client) -> None:
        """An answer in text has no audio to be truncated."""
        client.update(output_modalities=["text"])
        client.write("hello")
        answers = client.send("response.create")
        item_id = one(answers, "response.output_item.done")["item"]["id"]

        assert (
            "unsupported_content_type"
            == self.truncate(client, item_id, 0)["error"]["code"]
        )

    def test_content_index(self, client: Client, spoken: str) -> None:
        """There has to be such a part."""
        failure = self.truncate(client, spoken, 0, index=3)["error"]

        assert "content_index" == failure["param"]

    def test_while_it_is_made(self) -> None:
        """What was sent so far can be truncated before the item is done."""
        client = Client(settings=EmulatorSettings(response_delay=0, speed=1))
        client.write("hello")
        client.send("response.create")
        client.pass_time(1.0)
        added = of_type(client.events, "response.output_item.added")[-1]
        item_id = added["item"]["id"]

        assert 800 == self.truncate(client, item_id, 800)["audio_end_ms"]
        assert "error" == self.truncate(client, item_id, 5_000)["type"]


def test_retrieve_committed_audio(client: Client) -> None:
    """The audio that turn detection cut out can be looked at."""
    client.hear(TONES.speak("hello") + SILENCE)
    committed = one(client.events, "input_audio_buffer.committed")
    retrieved = client.send("conversation.item.retrieve", item_id=committed["item_id"])[
        0
    ]
    pcm = base64.b64decode(retrieved["item"]["content"][0]["audio"])

    assert "hello" == TONES.transcribe(pcm)

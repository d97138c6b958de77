"""Replies that come piece by piece, from a replier that is a generator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulated import TONES, Client, Json, audio_of, of_type, one, said, types

from realtime_sync.emulator import EmulatorSettings, Failure, Reply, Turn, call


def writing(*pieces: str | Reply, **options: object) -> Client:
    """Return a client that is answered in writing, with *pieces*."""
    client = Client(replies=lambda turn: iter(pieces), **options)
    client.update(output_modalities=["text"])
    return client


def deltas(events: list[Json], name: str = "response.output_text.delta") -> list[str]:
    return [event["delta"] for event in of_type(events, name)]


class Teller:
    """A replier that tells how far it has got."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_closed = False

    def __call__(self, turn: Turn) -> Iterator[str]:
        try:
            for piece in ("Once ", "upon ", "a ", "time."):
                self.told.append(piece)
                yield piece
        finally:
            self.is_closed = True


def test_text_comes_as_it_is_given() -> None:
    """Each piece of text is a delta of one message."""
    events = writing("Once upon", " a time", ".").send("response.create")

    assert ["Once upon", " a time", "."] == deltas(events)
    assert ["Once upon a time."] == list(said(events))
    assert 1 == len(of_type(events, "response.output_item.added"))


def test_the_first_piece_does_not_wait_for_the_last() -> None:
    """What is there is sent before the replier goes on."""
    client = Client(replies=(teller := Teller()))
    client.update(output_modalities=["text"])
    machine = client.machine
    client.machine.receive_message('{"type": "response.create"}')
    (first,) = machine.take_work()
    machine.complete(first.run())
    events = machine.advance()

    assert ["Once "] == teller.told
    assert "response.output_text.delta" in [event.type for event in events]


def test_speech_comes_by_sentences() -> None:
    """Spoken text is sent sentence by sentence, in one message."""
    pieces = ["He", "llo. How ", "are you? ", "Well"]
    client = Client(replies=lambda turn: iter(pieces))
    spoken: list[str] = []
    speak = TONES.speak

    class Listening(type(TONES)):  # type: ignore[misc]
        def speak(self, text: str, voice: str | None = None) -> bytes:
            spoken.append(text)
            return speak(text)

    client = Client(replies=lambda turn: iter(pieces), speech=Listening)
    events = client.send("response.create")

    assert ["Hello. ", "How are you? ", "Well"] == spoken
    assert ["Hello. How are you? Well"] == list(said(events))
    assert 1 == len(of_type(events, "response.output_item.added"))
    assert "Hello.  How are you?  Well" == TONES.transcribe(audio_of(events))


def test_replies_are_items_of_their_own() -> None:
    """A reply between texts begins an item of its own."""
    looking = call("look_up", word="whale")
    events = writing("One ", "moment.", Reply(function_calls=[looking]), "So.").send(
        "response.create"
    )
    output = one(events, "response.done")["response"]["output"]

    assert ["message", "function_call", "message"] == [item["type"] for item in output]
    assert ["One moment.", "So."] == list(said(events))


def test_failure_after_some_text() -> None:
    """A reply that fails ends what went before it."""
    events = writing("Well, ", Reply(failure=Failure())).send("response.create")

    assert "failed" == one(events, "response.done")["response"]["status"]
    assert ["Well, "] == list(said(events))


def test_generator_that_raises() -> None:
    """What was said before the replier broke is kept as incomplete."""

    def broken(turn: Turn) -> Iterator[str]:
        yield "Well, "
        raise KeyError("oops")

    client = Client(replies=broken)
    client.update(output_modalities=["text"])
    done = one(client.send("response.create"), "response.done")["response"]

    assert "failed" == done["status"]
    assert "incomplete" == done["output"][0]["status"]


def test_nothing() -> None:
    """A generator that has nothing to say makes an empty response."""
    events = writing().send("response.create")

    assert ["response.created", "rate_limits.updated", "response.done"] == types(events)
    assert "completed" == one(events, "response.done")["response"]["status"]


def test_cancel_ends_the_generator() -> None:
    """A cancelled response closes its replier, which can clean up."""
    teller = Teller()
    client = Client(replies=teller, settings=EmulatorSettings(text_interval=1))
    client.update(output_modalities=["text"])
    client.send("response.create")
    client.pass_time(1.5)
    events = client.send("response.cancel")

    assert "cancelled" == one(events, "response.done")["response"]["status"]
    assert teller.is_closed


def test_cancel_while_the_generator_thinks() -> None:
    """A replier that is at work when its response is cancelled is closed after it."""
    client = Client(replies=(teller := Teller()))
    machine = client.machine
    machine.receive_message('{"type": "response.create"}')
    (thinking,) = machine.take_work()
    client.send("response.cancel")
    machine.complete(thinking.run())
    (closing,) = machine.take_work()
    machine.complete(closing.run())

    assert teller.is_closed


@pytest.mark.parametrize("limit", [1, 2])
def test_limit(limit: int) -> None:
    """The client's limit of tokens counts over all pieces."""
    client = writing("one ", "two ", "three ")
    events = client.send("response.create", response={"max_output_tokens": limit})

    assert limit == len(deltas(events))
    assert "incomplete" == one(events, "response.done")["response"]["status"]

"""The conversation as the server has it: order, words, and taking it elsewhere."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import model_turns as turns
import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync._conversation.order import ItemOrder
from realtime_sync.conversation import (
    Conversation,
    Restoration,
    restoration,
    restore_events,
)
from realtime_sync.errors import (
    ConnectionClosedError,
    ConnectionLost,
    DecodeError,
    ServerError,
)
from realtime_sync.protocol._model import UNSET, Maybe, ServerEvent, UnknownObject
from realtime_sync.protocol.items import (
    Audio,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
    Text,
)
from realtime_sync.protocol.mcp_items import McpCall
from realtime_sync.protocol.responses import ErrorDetails
from realtime_sync.protocol.server_events import (
    ConversationCreated,
    ConversationInfo,
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    InputAudioBufferCommitted,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDone,
    SessionUpdated,
)
from realtime_sync.protocol.session_audio import (
    AudioPcmu,
    SessionAudio,
    SessionAudioOutput,
)
from realtime_sync.protocol.sessions import RealtimeSession


WAIT = 60.0  # seconds that a correct run never needs
REPEATS = 200


@pytest.fixture(name="conversation")
def _conversation() -> Conversation:
    return Conversation(Monitor())


@pytest.fixture(name="recorder")
def _recorder() -> Conversation:
    """A conversation that keeps audio."""
    return Conversation(Monitor(), keep_audio=True)


def feed(conversation: Conversation, *events: ServerEvent) -> None:
    handlers = conversation._handlers()
    for event in events:
        handlers[type(event)](event)


def wrote(text: str, item_id: str = "user_1", role: str = "user") -> Message:
    return Message(
        id=item_id, role=role, content=[InputText(text=text)], status="completed"
    )


def spoke(item_id: str = "user_1", transcript: Maybe[str] = None) -> Message:
    return Message(
        id=item_id,
        role="user",
        content=[InputAudio(transcript=transcript)],
        status="completed",
    )


def added(item: Item, previous: Maybe[str] = UNSET) -> ConversationItemAdded:
    return ConversationItemAdded(item=item, previous_item_id=previous)


def finished(item: Item, previous: Maybe[str] = UNSET) -> ConversationItemDone:
    return ConversationItemDone(item=item, previous_item_id=previous)


def begun(
    item_id: str = "item_1", previous: Maybe[str] = UNSET
) -> ConversationItemAdded:
    message = Message(id=item_id, role="assistant", content=[], status="in_progress")
    return added(message, previous)


def heard(
    transcript: str, item_id: str = "user_1"
) -> ConversationItemInputAudioTranscriptionCompleted:
    return ConversationItemInputAudioTranscriptionCompleted(
        item_id=item_id, content_index=0, transcript=transcript
    )


def hearing(
    delta: str, item_id: str = "user_1"
) -> ConversationItemInputAudioTranscriptionDelta:
    return ConversationItemInputAudioTranscriptionDelta(item_id=item_id, delta=delta)


def misheard(
    item_id: str = "user_1",
) -> ConversationItemInputAudioTranscriptionFailed:
    return ConversationItemInputAudioTranscriptionFailed(
        item_id=item_id, content_index=0, error=ErrorDetails(message="too noisy")
    )


def truncated(audio_end_ms: int, item_id: str = "item_1") -> ConversationItemTruncated:
    return ConversationItemTruncated(
        item_id=item_id, content_index=0, audio_end_ms=audio_end_ms
    )


def ids(conversation: Conversation) -> list[str]:
    return [item.id for item in conversation]


def texts(conversation: Conversation) -> list[str]:
    return [item.text for item in conversation.items]


class TestOrder:
    def test_by_predecessor(self, conversation: Conversation) -> None:
        """Each item stands behind the one that it names, not where it arrived."""
        feed(
            conversation,
            added(wrote("a", "a"), None),
            added(wrote("c", "c"), "a"),
            added(wrote("b", "b"), "a"),
        )

        assert ["a", "b", "c"] == ids(conversation)

    @pytest.mark.parametrize("front", [None, "root"])
    def test_front(self, conversation: Conversation, front: str | None) -> None:
        """An item without a predecessor comes first."""
        feed(conversation, added(wrote("b", "b"), None), added(wrote("a", "a"), front))

        assert ["a", "b"] == ids(conversation)

    def test_server_does_not_say(self, conversation: Conversation) -> None:
        """Where no predecessor is told, the order of arrival has to do."""
        feed(conversation, added(wrote("a", "a")), added(wrote("b", "b")))

        assert ["a", "b"] == ids(conversation)

    @pytest.mark.parametrize("arrival", list(itertools.permutations("abcde")))
    def test_any_arrival(self, arrival: Sequence[str]) -> None:
        """A chain of items has one order, in whatever order it arrives."""
        previous: dict[str, str | None] = dict(
            zip("abcde", [None, *"abcd"], strict=True)
        )
        order = ItemOrder()
        for item_id in arrival:
            order.place(item_id, previous[item_id])

        assert list("abcde") == list(order)
        assert {} == order._orphans

    def test_guess_is_corrected(self) -> None:
        """An item of unknown place moves once its place is told."""
        order = ItemOrder()
        order.place("a", None)
        order.place("c", UNSET)
        order.place("b", "a")
        guessed = list(order)
        order.place("c", "a")
        order.place("d", "missing")
        order.place("d", "a")

        assert ["a", "b", "c"] == guessed
        assert ["a", "d", "c", "b"] == list(order)
        assert {} == order._orphans

    def test_first_word_stands(self, conversation: Conversation) -> None:
        """Repeated events do not move an item."""
        feed(
            conversation,
            added(wrote("a", "a"), None),
            added(wrote("b", "b"), "a"),
            added(wrote("c", "c"), "b"),
            finished(wrote("b", "b"), None),
            finished(wrote("c", "c"), "a"),
            added(wrote("b", "b"), "c"),
        )

        assert ["a", "b", "c"] == ids(conversation)

    def test_removed_orphans(self) -> None:
        """An item that goes before its place is known leaves nothing behind."""
        order = ItemOrder()
        order.place("b", "a")
        order.place("c", "a")
        order.remove("b")
        order.remove("b")
        order.place("a", None)

        assert ["a", "c"] == list(order)
        assert {} == order._orphans

    def test_committed_audio_has_its_place(self, conversation: Conversation) -> None:
        """What the user said stands before the answer, though it arrives later."""
        feed(
            conversation,
            InputAudioBufferCommitted(item_id="user_1", previous_item_id=None),
            begun("item_1", "user_1"),
            added(spoke("user_1"), None),
            heard("Hello?"),
            InputAudioBufferCommitted(item_id="user_1", previous_item_id=None),
        )

        assert ["user_1", "item_1"] == ids(conversation)
        assert ["Hello?", ""] == texts(conversation)


class TestWhatTheUserSaid:
    def test_pieces_then_whole(self, conversation: Conversation) -> None:
        """A transcript grows by pieces, and its end replaces them."""
        seen = []
        for event in (added(spoke()), hearing("He"), hearing("lo"), heard("Hello!")):
            feed(conversation, event)
            item = conversation.items[0]
            seen.append((item.text, item.transcription))

        assert [
            ("", None),
            ("He", "in_progress"),
            ("Helo", "in_progress"),
            ("Hello!", "completed"),
        ] == seen

    def test_transcript_before_its_item(self, conversation: Conversation) -> None:
        """A transcript that comes before its item waits for it."""
        feed(conversation, hearing("Hi"), heard("Hi!"))
        before = conversation.items
        feed(conversation, added(spoke(), None), finished(spoke(), None))

        assert () == before
        assert ["Hi!"] == texts(conversation)

    def test_transcript_after_the_answer(self, conversation: Conversation) -> None:
        """A late transcript joins its item, ahead of the answer."""
        feed(
            conversation,
            added(spoke(), None),
            added(turns.said("Fine.", "item_1", aloud=True), "user_1"),
            heard("How are you?"),
        )

        assert ["How are you?", "Fine."] == texts(conversation)

    def test_failed(self, conversation: Conversation) -> None:
        """A failed transcript settles its item, with what was heard."""
        feed(conversation, added(spoke()), hearing("Hel"), misheard())
        item = conversation.items[0]

        assert ("Hel", "failed") == (item.text, item.transcription)
        assert ErrorDetails(message="too noisy") == item.transcription_error

    def test_repeated(self, conversation: Conversation) -> None:
        """Pieces and items after the end change nothing."""
        feed(conversation, added(spoke()), heard("Hi!"), hearing("x"), heard("Hi!"))
        feed(conversation, finished(spoke()))

        assert ["Hi!"] == texts(conversation)

    def test_early_transcripts_are_bounded(self, conversation: Conversation) -> None:
        """Transcripts of items that never come do not pile up."""
        for number in range(1000):
            feed(conversation, heard("x", f"ghost_{number}"))

        assert 64 == len(conversation._table._early)
        assert 0 == len(conversation)

    def test_wait_for_a_transcript(self, conversation: Conversation) -> None:
        """transcript() returns what was said, also where the item has it."""
        feed(conversation, added(spoke()), heard("Hi!"))
        feed(conversation, added(spoke("user_2", "Told at once.")))

        assert "Hi!" == conversation.transcript("user_1", timeout=0)
        assert "Told at once." == conversation.transcript("user_2", timeout=0)

    def test_wait_in_vain(self, conversation: Conversation) -> None:
        """transcript() raises where none comes, and says what to look at."""
        feed(conversation, added(spoke()), misheard("user_2"))

        with pytest.raises(TimeoutError, match=r"audio\.input\.transcription"):
            conversation.transcript("user_1", timeout=0)
        with pytest.raises(ServerError, match="too noisy"):
            conversation.transcript("user_2", timeout=0)
        conversation._end(lambda: ConnectionClosedError(1006, initiated_by="network"))
        with pytest.raises(ConnectionClosedError):
            conversation.transcript("user_1")


class TestAfterALoss:
    def test_known(self, conversation: Conversation) -> None:
        """A transcript is known in whatever form its item came back, or did not."""
        feed(conversation, *(added(spoke(f"user_{n}")) for n in range(3)))
        feed(conversation, *(heard(f"Hi {n}!", f"user_{n}") for n in range(3)))
        lose(conversation, added(wrote("Hi 0!", "user_0")), added(spoke("user_1")))

        for number in range(3):
            known = conversation.transcript(f"user_{number}", timeout=0)
            assert f"Hi {number}!" == known
        assert ["user_0", "user_1"] == [item.id for item in conversation]

    def test_again(self, conversation: Conversation) -> None:
        """It is known after the next loss, too."""
        feed(conversation, added(spoke()), heard("Hi!"))
        lose(conversation)
        lose(conversation)

        assert "Hi!" == conversation.transcript("user_1", timeout=0)

    def test_failed(self, conversation: Conversation) -> None:
        """So is why there is none."""
        feed(conversation, added(spoke()), hearing("Hel"), misheard())
        lose(conversation, added(wrote("Hel")))

        with pytest.raises(ServerError, match="too noisy"):
            conversation.transcript("user_1", timeout=0)

    def test_unknown(self, conversation: Conversation) -> None:
        """One that had not arrived will not, even if its item had not, either."""
        feed(conversation, added(spoke()), hearing("Hel"), hearing("X", "user_2"))
        lose(conversation, added(wrote("Hel")))

        for item_id in ("user_1", "user_2"):
            with pytest.raises(ConnectionLost):
                conversation.transcript(item_id, timeout=0)

    def test_bounded(self, conversation: Conversation) -> None:
        """Of items that did not come back, so many transcripts are known at most."""
        for number in range(100):
            feed(conversation, added(spoke(f"user_{number}")))
            feed(conversation, heard("Hi!", f"user_{number}"))
        lose(conversation)

        assert 64 == len(conversation._former)
        assert "Hi!" == conversation.transcript("user_99", timeout=0)
        with pytest.raises(ConnectionLost):
            conversation.transcript("user_0", timeout=0)


def lose(conversation: Conversation, *told: ConversationItemAdded) -> None:
    """Lose the connection, and tell the next session so much."""
    cause = ConnectionClosedError(1006, initiated_by="network")
    conversation._lose(lambda: ConnectionLost(cause))
    conversation._replace(told)


class TestWhatTheModelSays:
    def test_grows_while_it_speaks(self, conversation: Conversation) -> None:
        """An answer can be read while it arrives."""
        seen = []
        for event in (
            begun(),
            turns.transcript("He"),
            turns.transcript("llo"),
            ResponseOutputAudioTranscriptDone(
                response_id="resp_1",
                item_id="item_1",
                output_index=0,
                content_index=0,
                transcript="Hello!",
            ),
        ):
            feed(conversation, event)
            seen.append(conversation.items[0].text)
        item = conversation.items[0]

        assert ["", "He", "Hello", "Hello!"] == seen
        assert ("assistant", "in_progress") == (item.role, item.status)
        assert isinstance(item.item, Message)
        assert (OutputAudio(transcript="Hello!"),) == item.item.content

    def test_text(self, conversation: Conversation) -> None:
        """So can an answer in writing."""
        feed(conversation, begun(), turns.text("He"))
        during = texts(conversation)
        done = ResponseOutputTextDone(
            response_id="resp_1",
            item_id="item_1",
            output_index=0,
            content_index=0,
            text="Hello!",
        )
        feed(conversation, done, turns.text("late"))

        assert ["He"] == during
        assert ["Hello!"] == texts(conversation)

    def test_preview_has_no_done(self, conversation: Conversation) -> None:
        """Where items are only created, the response's items complete them."""
        message = Message(
            id="item_1", role="assistant", content=[], status="in_progress"
        )
        feed(
            conversation,
            ConversationItemCreated(item=message, previous_item_id=None),
            turns.text("Hel"),
            turns.item_done(turns.said("Hello")),
        )
        item = conversation.items[0]

        assert ("Hello", "completed") == (item.text, item.status)

    def test_end_of_the_response_completes(self, conversation: Conversation) -> None:
        """The end of a response tells how its items ended."""
        cut = turns.said("Hel", status="incomplete")
        feed(conversation, begun(), turns.text("Hel"))
        feed(conversation, turns.done(status="cancelled", output=[cut]))

        assert "incomplete" == conversation.items[0].status

    def test_an_item_ends_once(self, conversation: Conversation) -> None:
        """An item that has ended is not in progress again, whoever says so late."""
        feed(conversation, begun(), finished(turns.said("Hello")), begun())
        item = conversation.items[0]

        assert ("Hello", "completed") == (item.text, item.status)

    def test_out_of_band_leaves_no_trace(self, conversation: Conversation) -> None:
        """Responses outside the conversation are not in it."""
        feed(
            conversation,
            turns.text("secret", item_id="side_1"),
            turns.transcript("secret", item_id="side_1"),
            turns.item_done(turns.said("secret", "side_1")),
            turns.done(output=[turns.said("secret", "side_1")], conversation_id=None),
        )

        assert () == conversation.items

    def test_function_call(self, conversation: Conversation) -> None:
        """A call and its output are items, with arguments as soon as they are told."""
        call = FunctionCall(id="call_item", call_id="c1", name="f", arguments="")
        output = FunctionCallOutput(id="out", call_id="c1", output="22")
        feed(
            conversation,
            added(call, None),
            ResponseFunctionCallArgumentsDone(
                response_id="resp_1",
                item_id="call_item",
                output_index=0,
                arguments='{"a": 1}',
            ),
            added(output, "call_item"),
        )
        items = conversation.items

        assert ["function_call", "function_call_output"] == [i.type for i in items]
        assert isinstance(items[0].item, FunctionCall)
        assert '{"a": 1}' == items[0].item.arguments
        assert [None, None] == [i.role for i in items]
        assert output == items[1].item

    def test_unknown_items(self, conversation: Conversation) -> None:
        """Items of unknown type are kept; items without id cannot be."""
        novelty = UnknownObject(payload={"type": "novelty", "id": "x1"})
        feed(conversation, added(novelty), added(UnknownObject(payload={})))
        item = conversation.items[0]

        assert ["x1"] == ids(conversation)
        assert ("novelty", None, novelty) == (item.type, item.role, item.item)


class TestChanges:
    def test_deleted(self, conversation: Conversation) -> None:
        """A deleted item is gone, and one that never was may go too."""
        feed(conversation, added(wrote("a", "a"), None), added(wrote("b", "b"), "a"))
        feed(conversation, heard("x", "ghost"))
        for item_id in ("a", "a", "ghost", "never"):
            feed(conversation, ConversationItemDeleted(item_id=item_id))

        assert ["b"] == ids(conversation)
        assert {} == conversation._table._early

    def test_truncation_removes_the_transcript(
        self, conversation: Conversation
    ) -> None:
        """What was not heard is not in the conversation, whoever still says so."""
        whole = turns.said("Hello there", aloud=True)
        feed(conversation, begun(), turns.transcript("Hello there"), truncated(1500))
        feed(conversation, turns.transcript(" more"), finished(whole))
        feed(conversation, turns.done(output=[whole]), truncated(100, "never"))
        item = conversation.items[0]

        assert ("", 1500) == (item.text, item.audio_end_ms)

    def test_retrieved_after_truncation(self, conversation: Conversation) -> None:
        """Only what is retrieved tells what a truncated item has now."""
        feed(conversation, begun(), turns.transcript("Hello there"), truncated(500))
        heard_part = turns.said("Hello", aloud=True)
        feed(conversation, ConversationItemRetrieved(item=heard_part))
        with_words = conversation.items[0]
        feed(conversation, ConversationItemRetrieved(item=turns.said("", aloud=True)))
        without = conversation.items[0]

        assert ("Hello", 500) == (with_words.text, with_words.audio_end_ms)
        assert ("", 500) == (without.text, without.audio_end_ms)

    def test_retrieved_refreshes(self, conversation: Conversation) -> None:
        """Retrieving an item heals the view of it, and finds a missing one."""
        feed(conversation, added(wrote("old", "a")))
        feed(conversation, ConversationItemRetrieved(item=wrote("new", "a")))
        feed(conversation, ConversationItemRetrieved(item=wrote("found", "b")))
        nameless = Message(role="user", content=[])
        feed(conversation, ConversationItemRetrieved(item=nameless))

        assert ["new", "found"] == texts(conversation)

    def test_what_was_read_stays(self, conversation: Conversation) -> None:
        """Items that were read do not change under the reader."""
        feed(conversation, begun(), turns.text("He"))
        before = conversation.items
        feed(conversation, turns.text("llo"))

        assert "He" == before[0].text
        assert "Hello" == conversation.items[0].text

    def test_unchanged_items_are_not_made_again(
        self, conversation: Conversation
    ) -> None:
        """Reading a long conversation again costs little."""
        feed(conversation, added(wrote("a", "a")))

        assert conversation.items[0] is conversation.items[0]
        assert conversation.get("a") is conversation.items[0]
        assert conversation.get("b") is None

    def test_replace(self, conversation: Conversation) -> None:
        """A new session has its own items alone."""
        feed(conversation, added(wrote("a", "a"), None), heard("x", "ghost"))
        conversation._replace([added(wrote("b", "b"), None)])

        assert ["b"] == ids(conversation)

    def test_id(self, conversation: Conversation) -> None:
        """The conversation has the server's id."""
        info = ConversationInfo(id="conv_1")
        feed(conversation, ConversationCreated(conversation=info))

        assert "conv_1" == conversation.id
        assert "<Conversation conv_1 of 0 items>" == repr(conversation)
        assert conversation


class TestAudio:
    def test_none_is_kept(self, conversation: Conversation) -> None:
        """Audio is not kept unless asked for, from wherever it comes."""
        item = Message(
            id="item_1", role="assistant", content=[OutputAudio(audio=b"\1\2")]
        )
        feed(conversation, added(item), ConversationItemRetrieved(item=item))

        assert ResponseOutputAudioDelta not in conversation._handlers()
        assert isinstance(conversation.items[0].item, Message)
        assert (OutputAudio(),) == conversation.items[0].item.content
        with pytest.raises(RuntimeError, match="keep_audio"):
            conversation.attach_audio("item_1", b"")

    def test_kept_when_asked(self, recorder: Conversation) -> None:
        """Audio is joined, and may be read while it arrives."""
        feed(recorder, begun(), turns.audio(b"\1\2"))
        during = recorder.items[0].item
        feed(recorder, turns.audio(b"\3\4"), turns.transcript("Hi"))
        after = recorder.items[0].item

        assert isinstance(during, Message)
        assert isinstance(after, Message)
        assert (OutputAudio(audio=b"\1\2"),) == during.content
        assert (OutputAudio(audio=b"\1\2\3\4", transcript="Hi"),) == after.content

    def test_users_audio(self, recorder: Conversation) -> None:
        """The user's audio is there once it is attached or retrieved."""
        feed(recorder, added(spoke("a")), added(spoke("b"), "a"))
        recorder.attach_audio("a", b"\1\2")
        retrieved = Message(id="b", role="user", content=[InputAudio(audio=b"\3\4")])
        feed(recorder, ConversationItemRetrieved(item=retrieved))
        contents = [i.item.content for i in recorder if isinstance(i.item, Message)]

        assert (InputAudio(audio=b"\1\2", transcript=None),) == contents[0]
        assert (InputAudio(audio=b"\3\4"),) == contents[1]

    @pytest.mark.parametrize(("g711", "kept"), [(False, 96), (True, 16)])
    def test_truncation_cuts_it(
        self, recorder: Conversation, g711: bool, kept: int
    ) -> None:
        """Kept audio ends where it was truncated, by the format of the session."""
        if g711:
            output = SessionAudioOutput(format=AudioPcmu())
            session = RealtimeSession(audio=SessionAudio(output=output))
            feed(recorder, SessionUpdated(session=session))
        feed(recorder, begun(), turns.audio(b"\0" * 300), truncated(2))
        message = recorder.items[0].item

        assert isinstance(message, Message)
        assert isinstance(message.content[0], OutputAudio)
        assert b"\0" * kept == message.content[0].audio


class TestReading:
    @pytest.fixture(name="talk")
    def _talk(self, conversation: Conversation) -> Conversation:
        image = Message(
            id="u2",
            role="user",
            content=[
                InputText(text="See:"),
                InputImage(image_url="data:image/png;base64,AA=="),
                InputAudio(transcript=None),
            ],
        )
        feed(
            conversation,
            added(wrote("Be brief.", "s1", "system"), None),
            added(spoke("u1"), "s1"),
            heard("Weather?", "u1"),
            added(FunctionCall(id="f1", call_id="c1", name="w", arguments="{}"), "u1"),
            added(FunctionCallOutput(id="f2", call_id="c1", output="`dry`"), "f1"),
            begun("a1", "f2"),
            turns.transcript("It is dry", item_id="a1"),
            truncated(1500, "a1"),
            added(image, "a1"),
            begun("a2", "u2"),
            turns.transcript("I", item_id="a2"),
            added(spoke("u3"), "a2"),
            misheard("u3"),
            added(UnknownObject(payload={"type": "novelty", "id": "x"}), "u3"),
        )
        return conversation

    def test_print(self, talk: Conversation) -> None:
        """Printed, a conversation reads like a play."""
        expected = """\
system: Be brief.
user: Weather?
function call: w({})
function call output: `dry`
assistant: [audio] [interrupted after 1.5 s]
user: See:
[image]
[audio]
assistant: I […]
user: [audio] [not understood]
novelty: x"""

        assert expected == str(talk)

    def test_markdown(self, talk: Conversation) -> None:
        """As Markdown, code is marked as such, whatever backticks it has."""
        markdown = talk.to_markdown()

        assert markdown.startswith("**System:** Be brief.\n\n**User:** Weather?\n\n")
        assert "**Function call:** `w({})`\n" in markdown
        assert "**Function call output:** `` `dry` ``\n" in markdown
        assert markdown.endswith("**Novelty:** `x`\n")

    def test_json(self, talk: Conversation) -> None:
        """As JSON, it is the snapshot."""
        assert talk.snapshot() == json.loads(talk.to_json())
        assert "\n" not in talk.to_json(indent=None)


class TestRestore:
    def restored(self, conversation: Conversation) -> Restoration:
        return restoration(json.loads(json.dumps(conversation.snapshot())))

    def test_snapshot(self, conversation: Conversation) -> None:
        """A snapshot is plain JSON with a version."""
        feed(conversation, added(wrote("Hi", "u1")), begun("a1"), truncated(20, "a1"))

        assert {
            "version": 1,
            "conversation_id": None,
            "items": [
                {
                    "item": {
                        "type": "message",
                        "id": "u1",
                        "role": "user",
                        "status": "completed",
                        "content": [{"type": "input_text", "text": "Hi"}],
                    }
                },
                {
                    "item": {
                        "type": "message",
                        "id": "a1",
                        "role": "assistant",
                        "status": "in_progress",
                        "content": [],
                    },
                    "audio_end_ms": 20,
                },
            ],
        } == conversation.snapshot()

    def test_text_comes_back(self, conversation: Conversation) -> None:
        """Written words, images, calls and outputs come back in order, with ids."""
        image = Message(
            id="u2", role="user", content=[InputImage(image_url="data:image/png,")]
        )
        call = FunctionCall(id="f1", call_id="c1", name="f", arguments="{}")
        output = FunctionCallOutput(id="f2", call_id="c1", output="1")
        feed(
            conversation,
            added(wrote("Be brief.", "s1", "system"), None),
            added(wrote("Hi", "u1"), "s1"),
            added(turns.said("Hello", "a1"), "u1"),
            added(image, "a1"),
            added(call, "u2"),
            added(output, "f1"),
        )
        plan = self.restored(conversation)
        answer = Message(id="a1", role="assistant", content=[OutputText(text="Hello")])

        assert () == plan.losses
        assert "6 items restored" == str(plan)
        assert ["s1", "u1", "a1", "u2", "f1", "f2"] == [e.item.id for e in plan.events]
        assert [answer, image, call, output] == [e.item for e in plan.events[2:]]
        assert list(plan.events) == restore_events(conversation.snapshot())

    def test_speech_becomes_text(self, conversation: Conversation) -> None:
        """Where audio cannot come back, its transcript does, and that is told."""
        feed(
            conversation,
            added(spoke("u1"), None),
            heard("How are you?", "u1"),
            added(turns.said("Fine.", "a1", aloud=True), "u1"),
        )
        plan = self.restored(conversation)

        assert [
            Message(id="u1", role="user", content=[InputText(text="How are you?")]),
            Message(id="a1", role="assistant", content=[OutputText(text="Fine.")]),
        ] == [event.item for event in plan.events]
        assert [
            "u1: the user's audio, which was not kept (its transcript instead)",
            "a1: the assistant's audio (its transcript instead)",
        ] == [str(loss) for loss in plan.losses]

    def test_kept_audio_comes_back(self, recorder: Conversation) -> None:
        """The user's audio comes back where it was kept, the assistant's never."""
        feed(recorder, added(spoke("u1"), None), heard("Hi", "u1"))
        feed(recorder, begun("a1", "u1"), turns.audio(b"\1\2", item_id="a1"))
        feed(recorder, finished(turns.said("Hello", "a1", aloud=True)))
        recorder.attach_audio("u1", b"\3\4")
        plan = self.restored(recorder)

        assert [
            [InputAudio(audio=b"\3\4", transcript="Hi")],
            [OutputText(text="Hello")],
        ] == [e.item.content for e in plan.events if isinstance(e.item, Message)]
        assert ["a1"] == [loss.item_id for loss in plan.losses]

    @pytest.mark.parametrize(
        ("item", "lost"),
        [
            (spoke("x"), "the user's audio"),
            (turns.said("", "x", aloud=True), "the assistant's audio"),
            (turns.said("Hel", "x", status="in_progress"), "still in progress"),
            (FunctionCallOutput(id="x", call_id="c", output=""), "its call is not"),
            (Message(id="x", role="user", content=[]), "without content"),
            (McpCall(id="x", server_label="s", name="f", arguments=""), "mcp_call"),
            (UnknownObject(payload={"type": "novelty", "id": "x"}), "novelty"),
            (
                Message(
                    id="x",
                    role="user",
                    content=[UnknownObject(payload={"type": "hologram"})],
                ),
                "does not know",
            ),
        ],
    )
    def test_what_is_lost_is_told(
        self, conversation: Conversation, item: Item, lost: str
    ) -> None:
        """Whatever cannot come back is in the account."""
        feed(conversation, added(item))
        plan = self.restored(conversation)

        assert () == plan.events
        assert ["x"] == [loss.item_id for loss in plan.losses]
        assert lost in str(plan)

    def test_truncated_speech_is_lost(self, conversation: Conversation) -> None:
        """An interrupted answer has no words to come back with."""
        feed(conversation, begun(), turns.transcript("Hello there"), truncated(500))
        feed(conversation, finished(turns.said("Hello there", aloud=True)))
        plan = self.restored(conversation)

        assert () == plan.events
        assert 1 == len(plan.losses)

    def test_long_ids_are_left_to_the_server(self, conversation: Conversation) -> None:
        """An id that the service would refuse is not sent."""
        feed(conversation, added(wrote("Hi", "x" * 33)))
        plan = self.restored(conversation)

        assert UNSET is plan.events[0].item.id
        assert "too long (a new id instead)" in str(plan)

    def test_older_spellings(self, conversation: Conversation) -> None:
        """Content in the older spelling of the assistant comes back in the new one."""
        message = Message(
            id="a1",
            role="assistant",
            content=[Text(text="written"), Audio(transcript="spoken")],
        )
        feed(conversation, added(message))
        item = self.restored(conversation).events[0].item

        assert isinstance(item, Message)
        assert [OutputText(text="written"), OutputText(text="spoken")] == item.content

    @pytest.mark.parametrize("taken", [{}, {"version": 2, "items": []}, {"version": 1}])
    def test_no_snapshot(self, taken: dict[str, object]) -> None:
        """What is no snapshot of this version is refused."""
        with pytest.raises(ValueError, match="expected a snapshot of version 1"):
            restoration(taken)

    def test_damaged_snapshot(self) -> None:
        """A damaged item is a decoding error."""
        broken = {"type": "message", "role": 1, "content": []}
        with pytest.raises(DecodeError):
            restoration({"version": 1, "items": [{"item": broken}]})

    def test_restored_conversation_is_equal(self, conversation: Conversation) -> None:
        """A server that takes the events has the same conversation again."""
        feed(
            conversation,
            added(wrote("Hi", "u1"), None),
            added(turns.said("Hello", "a1"), "u1"),
        )
        other = Conversation(Monitor())
        previous = None
        for event in restore_events(conversation.snapshot()):
            feed(other, added(event.item, previous))
            previous = event.item.id

        assert str(conversation) == str(other)


class TestThreads:
    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_readable_while_it_changes(self, repeat: int) -> None:
        """Threads that read during a conversation always see a consistent one."""
        conversation = Conversation(Monitor(), keep_audio=True)
        start = threading.Barrier(3)
        over = threading.Event()

        def read() -> bool:
            start.wait(WAIT)
            consistent = True
            while not over.is_set():
                words = [item.text for item in conversation.items]
                whole = all("one two".startswith(w) for w in words)
                consistent = consistent and whole and len(str(conversation)) >= 0
            return consistent

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            start.wait(WAIT)
            previous = None
            for number in range(5):
                name = f"item_{number}"
                feed(conversation, begun(name, previous))
                feed(conversation, turns.text("one ", item_id=name))
                feed(conversation, turns.text("two", item_id=name))
                feed(conversation, finished(turns.said("one two", name)))
                previous = name
            over.set()
            results = [reader.result(WAIT) for reader in readers]

        assert [True, True] == results
        assert ["one two"] * 5 == texts(conversation)

    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_transcript_wakes(self, repeat: int) -> None:
        """Threads that wait for transcripts each wake for their own."""
        conversation = Conversation(Monitor())
        names = [f"u{number}" for number in range(3)]
        start = threading.Barrier(len(names) + 1)

        def wait(name: str) -> str:
            start.wait(WAIT)
            return conversation.transcript(name, timeout=WAIT)

        with ThreadPoolExecutor(len(names)) as pool:
            futures = [pool.submit(wait, name) for name in names]
            start.wait(WAIT)
            for name in reversed(names):
                feed(conversation, heard(f"from {name}", name), added(spoke(name)))
            said = [future.result(WAIT) for future in futures]

        assert [f"from {name}" for name in names] == said

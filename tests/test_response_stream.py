"""One response: its pieces, its end, and many threads that read it at once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import model_turns as turns
import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    ResponseError,
    ServerError,
)
from realtime_sync.protocol._model import ServerEvent
from realtime_sync.protocol.items import (
    Audio,
    FunctionCall,
    Message,
    OutputText,
    UnknownObject,
)
from realtime_sync.protocol.responses import ErrorDetails, Usage
from realtime_sync.protocol.server_events import (
    ResponseContentPartDone,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDone,
)
from realtime_sync.response_stream import ResponseStream


WAIT = 60.0  # seconds that a correct run never needs
REPEATS = 200


def broken() -> ConnectionClosedError:
    return ConnectionClosedError(1006, initiated_by="network")


@pytest.fixture(name="monitor")
def _monitor() -> Monitor:
    return Monitor()


@pytest.fixture(name="cancelled")
def _cancelled() -> list[str | None]:
    """The ids of responses that the server was asked to cancel."""
    return []


@pytest.fixture(name="stream")
def _stream(monitor: Monitor, cancelled: list[str | None]) -> ResponseStream:
    return ResponseStream(monitor, lambda stream: cancelled.append(stream.id))


def feed(stream: ResponseStream, *events: ServerEvent) -> None:
    for event in events:
        stream._absorb(event)


def end(
    monitor: Monitor, stream: ResponseStream, error: Callable[[], Exception]
) -> None:
    with monitor.lock:
        stream._end(error)


class TestPieces:
    def test_text_yields_the_pieces_in_order(self, stream: ResponseStream) -> None:
        """The text comes in the pieces in which the server sent it."""
        feed(stream, turns.created(), turns.text("Hel"), turns.text("lo"), turns.done())

        assert ["Hel", "lo"] == list(stream.text())

    def test_speech_is_text_transcript_and_audio(self, stream: ResponseStream) -> None:
        """Of a response that speaks, text() yields the transcript."""
        feed(stream, *turns.spoken_turn(["Hi ", "there"], [b"\1\2", b"\3\4"]))

        assert ["Hi ", "there"] == list(stream.text())
        assert ["Hi ", "there"] == list(stream.transcript())
        assert [b"\1\2", b"\3\4"] == list(stream.audio())

    def test_written_text_is_no_transcript(self, stream: ResponseStream) -> None:
        """Only what is spoken has a transcript."""
        feed(stream, turns.created(), turns.text("Hello"), turns.done())

        assert [] == list(stream.transcript())
        assert "" == stream.result().transcript

    def test_every_generator_starts_at_the_start(self, stream: ResponseStream) -> None:
        """A second reader, and one who comes late, miss nothing."""
        feed(stream, turns.created(), turns.text("a"), turns.text("b"))
        first = stream.text()
        early = [next(first)]
        feed(stream, turns.text("c"), turns.done())

        assert ["a", "b", "c"] == early + list(first)
        assert ["a", "b", "c"] == list(stream.text())

    def test_events_are_all_of_them(self, stream: ResponseStream) -> None:
        """events() yields each event of the response, from created to done."""
        turn = turns.spoken_turn(["Hi"], [b"\1\2"])
        feed(stream, *turn)

        assert turn == list(stream.events())

    def test_items_come_when_they_are_finished(self, stream: ResponseStream) -> None:
        """items() yields an item when it is done and not once more at the end."""
        item = turns.said("Hi")
        call = FunctionCall(id="item_2", call_id="call_1", name="f", arguments="{}")
        feed(stream, turns.created(), turns.item_done(item))
        items = stream.items()
        first = next(items)
        feed(stream, turns.done(output=[item, call]))

        assert item == first
        assert [call] == list(items)

    def test_empty_pieces_are_left_out(self, stream: ResponseStream) -> None:
        """A delta without characters is no piece."""
        feed(stream, turns.created(), turns.text(""), turns.text("a"), turns.done())

        assert ["a"] == list(stream.text())

    def test_a_late_event_is_ignored(self, stream: ResponseStream) -> None:
        """What arrives after the end changes nothing."""
        feed(stream, turns.created(), turns.text("a"), turns.done(), turns.text("b"))

        assert "a" == stream.result().text
        assert 3 == len(list(stream.events()))

    def test_timeout_is_for_each_wait(self, stream: ResponseStream) -> None:
        """A generator that waits too long raises, and the response goes on."""
        feed(stream, turns.created(), turns.text("a"))
        pieces = stream.text(timeout=0)
        first = next(pieces)
        with pytest.raises(TimeoutError, match="resp_1 sent nothing"):
            next(pieces)
        feed(stream, turns.text("b"), turns.done())

        assert "a" == first
        assert ["a", "b"] == list(stream.text(timeout=0))


class TestGaps:
    """The whole is right although some of its pieces never came."""

    def test_text_of_done_alone(self, stream: ResponseStream) -> None:
        """Text that is only in response.done is yielded too."""
        feed(stream, turns.created(), turns.done(output=[turns.said("Hello")]))

        assert ["Hello"] == list(stream.text())
        assert "Hello" == stream.result().text

    def test_transcript_of_done_alone(self, stream: ResponseStream) -> None:
        """So is a transcript."""
        whole = turns.said("Hello", aloud=True)
        feed(stream, turns.created(), turns.done(output=[whole]))

        assert ["Hello"] == list(stream.transcript())
        assert "Hello" == stream.result().transcript

    def test_missing_tail_is_added(self, stream: ResponseStream) -> None:
        """Where the last deltas are missing, the rest comes as one piece."""
        feed(
            stream,
            turns.created(),
            turns.text("Hel"),
            ResponseOutputTextDone(
                response_id="resp_1",
                item_id="item_1",
                output_index=0,
                content_index=0,
                text="Hello",
            ),
            turns.item_done(turns.said("Hello")),
            turns.done(output=[turns.said("Hello")]),
        )

        assert ["Hel", "lo"] == list(stream.text())
        assert "Hello" == stream.result().text

    def test_content_part_done_fills(self, stream: ResponseStream) -> None:
        """A finished content part counts, in its older spelling too."""
        feed(
            stream,
            turns.created(),
            ResponseContentPartDone(
                response_id="resp_1",
                item_id="item_1",
                output_index=0,
                content_index=0,
                part=Audio(transcript="Hello"),
            ),
            turns.done(),
        )

        assert ["Hello"] == list(stream.transcript())

    def test_transcript_done_fills(self, stream: ResponseStream) -> None:
        """So does a finished transcript."""
        feed(
            stream,
            turns.created(),
            turns.transcript("Hel"),
            ResponseOutputAudioTranscriptDone(
                response_id="resp_1",
                item_id="item_1",
                output_index=0,
                content_index=0,
                transcript="Hello",
            ),
            turns.done(),
        )

        assert ["Hel", "lo"] == list(stream.transcript())

    def test_contradiction_ends_with_the_servers_words(
        self, stream: ResponseStream
    ) -> None:
        """Where a delta in the middle was lost, the result has the final text."""
        feed(
            stream,
            turns.created(),
            turns.text("Hel"),
            turns.text(" world"),
            turns.done(output=[turns.said("Hello world")]),
        )

        assert ["Hel", " world"] == list(stream.text())
        assert "Hello world" == stream.result().text

    def test_cut_final_text_takes_nothing_back(self, stream: ResponseStream) -> None:
        """A cancelled response whose item is shorter than its pieces keeps them."""
        short = turns.said("Hel", status="incomplete")
        feed(
            stream,
            turns.created(),
            turns.text("Hel"),
            turns.text("lo"),
            turns.done(status="cancelled", output=[short]),
        )

        assert "Hello" == stream.result().text

    def test_items_without_ids(self, stream: ResponseStream) -> None:
        """Items that have no id are told apart by their place."""
        first = Message(role="assistant", content=[OutputText(text="a")])
        second = Message(role="assistant", content=[OutputText(text="b")])
        feed(stream, turns.created(), turns.done(output=[first, second]))

        assert "ab" == stream.result().text
        assert [first, second] == list(stream.items())

    def test_unknown_items_and_parts(self, stream: ResponseStream) -> None:
        """What this version does not know is an item, and says nothing."""
        unknown = UnknownObject(payload={"type": "novelty", "id": "item_9"})
        odd = Message(
            id="item_8",
            role="assistant",
            content=[UnknownObject(payload={"type": "hologram"})],
        )
        feed(stream, turns.created(), turns.item_done(unknown, output_index=0))
        feed(stream, turns.done(output=[unknown, odd]))

        assert [unknown, odd] == list(stream.items())
        assert "" == stream.result().text

    def test_items_that_done_leaves_out(self, stream: ResponseStream) -> None:
        """A response.done without output has the items that arrived."""
        item = turns.said("Hi")
        feed(stream, turns.created(), turns.item_done(item), turns.done())

        assert (item,) == stream.result().items


class TestEnd:
    def test_result_is_the_whole(self, stream: ResponseStream) -> None:
        """The result has everything that the response was."""
        usage = Usage(total_tokens=3)
        call = FunctionCall(id="item_2", call_id="call_1", name="f", arguments="{}")
        items = (turns.said("Hi there", aloud=True), call)
        feed(stream, *turns.spoken_turn(["Hi ", "there"], [b"\1\2", b"\3\4"])[:-1])
        feed(stream, turns.done(output=items, usage=usage))
        result = stream.result()

        assert "resp_1" == result.id
        assert "completed" == result.status
        assert result.reason is None
        assert "Hi there" == result.text == result.transcript
        assert b"\1\2\3\4" == result.audio
        assert items == result.items
        assert (call,) == result.function_calls
        assert usage == result.usage
        assert result is result.raise_for_status()

    def test_result_repr_hides_audio(self, stream: ResponseStream) -> None:
        """The audio is not printed."""
        feed(stream, *turns.spoken_turn(["Hi"], [b"\1\2"]))

        assert "audio=<2 bytes>" in repr(stream.result())

    def test_failed_raises(self, stream: ResponseStream) -> None:
        """A failed response raises the service's words, after its last piece."""
        feed(stream, turns.created(), turns.text("Hel"))
        feed(stream, turns.done(status="failed", message="out of quota"))
        pieces = stream.text()
        first = next(pieces)
        with pytest.raises(ResponseError, match="out of quota"):
            next(pieces)
        with pytest.raises(ResponseError, match="out of quota") as caught:
            stream.result()

        assert "Hel" == first
        assert "failed" == caught.value.response.status
        assert stream.done()

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("incomplete", "max_output_tokens"), ("cancelled", "client_cancelled")],
    )
    def test_partial_says_why(
        self, stream: ResponseStream, status: str, reason: str
    ) -> None:
        """Cancelled and incomplete responses have a result that says why."""
        feed(stream, turns.created(), turns.text("Hel"))
        feed(stream, turns.done(status=status, reason=reason))
        result = stream.result()

        assert ["Hel"] == list(stream.text())
        assert (status, reason) == (result.status, result.reason)
        with pytest.raises(ResponseError, match=f"{status}: {reason}"):
            result.raise_for_status()

    def test_status_follows(self, stream: ResponseStream) -> None:
        """Id and status are unknown until created, and then what the server says."""
        seen = [(stream.id, stream.status, stream.response)]
        feed(stream, turns.created())
        seen.append((stream.id, stream.status, stream.response))
        feed(stream, turns.done())

        assert (None, None, None) == seen[0]
        assert ("resp_1", "in_progress") == seen[1][:2]
        assert "completed" == stream.status
        assert "<ResponseStream resp_1 completed>" == repr(stream)

    def test_own_metadata_is_left_out(self, monitor: Monitor) -> None:
        """The caller finds the metadata that he sent, without the library's entry."""
        stream = ResponseStream(monitor, lambda _: None, hidden_metadata="secret")
        feed(stream, turns.created(metadata={"secret": "1", "mine": "2"}))
        during = stream.response
        feed(stream, turns.done(metadata={"secret": "1"}))

        assert during is not None
        assert {"mine": "2"} == during.metadata
        assert stream.result().response.metadata is None

    def test_result_times_out(self, stream: ResponseStream) -> None:
        """result() and wait() give up after their timeout."""
        feed(stream, turns.created())

        with pytest.raises(TimeoutError, match="resp_1 did not end within 0 s"):
            stream.result(timeout=0)
        assert not stream.wait(timeout=0)
        assert not stream.done()

    def test_refused(self, monitor: Monitor, stream: ResponseStream) -> None:
        """A response that the server refuses raises its error everywhere."""
        refusal = ServerError(ErrorDetails(message="no", code="invalid_value"))
        end(monitor, stream, lambda: refusal)

        with pytest.raises(ServerError, match="no"):
            stream.wait_created(timeout=0)
        with pytest.raises(ServerError, match="no"):
            stream.result(timeout=0)

    def test_wait_created(self, stream: ResponseStream) -> None:
        """wait_created() tells whether the response has its id."""
        before = stream.wait_created(timeout=0)
        feed(stream, turns.created())

        assert not before
        assert stream.wait_created(timeout=0)

    def test_connection_ends(self, monitor: Monitor, stream: ResponseStream) -> None:
        """When the connection ends, what arrived is yielded, then its end raised."""
        feed(stream, turns.created(), turns.text("Hel"))
        end(monitor, stream, lambda: ConnectionClosedOK(1000, initiated_by="client"))
        pieces = stream.text()
        first = next(pieces)
        with pytest.raises(ConnectionClosedOK):
            next(pieces)
        with pytest.raises(ConnectionClosedOK):
            stream.result()

        assert "Hel" == first

    def test_end_after_done_is_ignored(
        self, monitor: Monitor, stream: ResponseStream
    ) -> None:
        """A response that has ended stays as it was when the connection ends."""
        feed(stream, turns.created(), turns.text("a"), turns.done())
        end(monitor, stream, broken)

        assert "a" == stream.result().text


class TestCancel:
    def test_leaving_the_block_cancels(
        self, stream: ResponseStream, cancelled: list[str | None]
    ) -> None:
        """Breaking out of a generator and leaving the block cancels."""
        feed(stream, turns.created(), turns.text("a"), turns.text("b"))
        with stream as entered:
            for _ in entered.text():
                break

        assert ["resp_1"] == cancelled
        assert stream.cancelling

    def test_leaving_after_the_end_does_not(
        self, stream: ResponseStream, cancelled: list[str | None]
    ) -> None:
        """A response that has ended is not cancelled."""
        feed(stream, turns.created(), turns.done())
        with stream:
            pass
        stream.cancel()

        assert [] == cancelled
        assert not stream.cancelling

    def test_cancel_before_created_waits(
        self, stream: ResponseStream, cancelled: list[str | None]
    ) -> None:
        """Without an id there is nothing to cancel yet, only the wish."""
        stream.cancel()

        assert [] == cancelled
        assert stream.cancelling

    def test_cancel_on_a_dead_connection(self, monitor: Monitor) -> None:
        """cancel() is content when the connection has gone."""

        def refuse(stream: ResponseStream) -> None:
            raise broken()

        stream = ResponseStream(monitor, refuse)
        feed(stream, turns.created())
        stream.cancel()

        assert stream.cancelling


class TestThreads:
    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_parallel_readers_lose_nothing(self, repeat: int) -> None:
        """Threads that read text, audio, items and result at once get everything."""
        monitor = Monitor()
        stream = ResponseStream(monitor, lambda _: None)
        words = [f"{n} " for n in range(20)]
        pcm = [bytes([n, 0]) for n in range(20)]
        turn = turns.spoken_turn(words, pcm)
        readers: list[Callable[[], Any]] = [
            lambda: list(stream.text(WAIT)),
            lambda: list(stream.text(WAIT)),
            lambda: list(stream.audio(WAIT)),
            lambda: list(stream.events(WAIT)),
            lambda: stream.result(WAIT).text,
        ]
        start = threading.Barrier(len(readers) + 1)

        def run(read: Callable[[], Any]) -> Any:
            start.wait(WAIT)
            return read()

        with ThreadPoolExecutor(len(readers)) as pool:
            futures = [pool.submit(run, read) for read in readers]
            start.wait(WAIT)
            feed(stream, *turn)
            results = [future.result(WAIT) for future in futures]

        assert [words, words, pcm, turn, "".join(words)] == results

    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_everybody_wakes_when_the_connection_ends(self, repeat: int) -> None:
        """Each waiting thread raises an exception of its own."""
        monitor = Monitor()
        stream = ResponseStream(monitor, lambda _: None)
        feed(stream, turns.created())
        waiters: list[Callable[[], Any]] = [
            stream.result,
            lambda: list(stream.text()),
            lambda: list(stream.audio()),
        ]
        start = threading.Barrier(len(waiters) + 1)

        def run(wait: Callable[[], Any]) -> Exception | None:
            start.wait(WAIT)
            try:
                wait()
            except ConnectionClosedError as exc:
                return exc
            return None

        with ThreadPoolExecutor(len(waiters)) as pool:
            futures = [pool.submit(run, wait) for wait in waiters]
            start.wait(WAIT)
            end(monitor, stream, broken)
            errors = [future.result(WAIT) for future in futures]

        assert all(isinstance(error, ConnectionClosedError) for error in errors)
        assert len(waiters) == len({id(error) for error in errors})

    def test_a_callback_can_follow(
        self, monitor: Monitor, stream: ResponseStream
    ) -> None:
        """On the reader thread, waiting reads on by itself."""
        arriving: Iterator[ServerEvent] = iter(
            turns.spoken_turn(["Hi ", "there"], [b"\1\2", b"\3\4"])
        )
        monitor.bind_reader(lambda timeout: stream._absorb(next(arriving)))

        assert ["Hi ", "there"] == list(stream.text())
        assert b"\1\2\3\4" == stream.result().audio

    def test_nothing_is_kept_for_nobody(self, monitor: Monitor) -> None:
        """A stream that nobody holds is gone, with all that it had."""
        stream = ResponseStream(monitor, lambda _: None)
        feed(stream, *turns.spoken_turn(["Hi"], [b"\1\2"]))
        list(stream.text())
        gone = weakref.ref(stream)
        del stream
        gc.collect()

        assert gone() is None

"""Which response is whose: by token, by order, by nobody's asking."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import model_turns as turns
import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync._responses.expectations import TOKEN_KEY, tag
from realtime_sync._responses.router import ResponseRouter
from realtime_sync.conversation import Conversation, restoration
from realtime_sync.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    ServerError,
)
from realtime_sync.protocol._model import UNSET, ServerEvent
from realtime_sync.protocol.codec import Dialect, decode_server_event
from realtime_sync.protocol.mcp_items import McpCall
from realtime_sync.protocol.responses import ErrorDetails, ResponseCreateParams
from realtime_sync.protocol.server_events import (
    ResponseMcpCallCompleted,
    ResponseOutputAudioDelta,
    SessionUpdated,
    UnknownEvent,
)
from realtime_sync.response_stream import ResponseStream
from realtime_sync.usage import UsageMeter


WAIT = 60.0  # seconds that a correct run never needs
REPEATS = 200


def broken() -> ConnectionClosedError:
    return ConnectionClosedError(1006, initiated_by="network")


def closed() -> ConnectionClosedOK:
    return ConnectionClosedOK(1000, initiated_by="client")


@pytest.fixture(name="cancelled")
def _cancelled() -> list[str]:
    """The ids of responses that the server was asked to cancel."""
    return []


@pytest.fixture(name="router")
def _router(cancelled: list[str]) -> ResponseRouter:
    return ResponseRouter(Monitor(), cancelled.append)


def feed(router: ResponseRouter, *events: ServerEvent) -> None:
    handlers = router.handlers()
    for event in events:
        handlers[type(event)](event)


def mine(token: str) -> dict[str, str]:
    return {TOKEN_KEY: token}


class TestTag:
    def test_keeps_what_the_caller_sends(self) -> None:
        """The token joins the caller's metadata and leaves the rest alone."""
        params = ResponseCreateParams(instructions="Be brief.", metadata={"a": "b"})
        tagged, token = tag(params)

        assert {"a": "b", TOKEN_KEY: token} == tagged.metadata
        assert "Be brief." == tagged.instructions
        assert {"a": "b"} == params.metadata

    def test_every_token_is_new(self) -> None:
        """Two responses never share a token."""
        assert tag(None)[1] != tag(None)[1]

    @pytest.mark.parametrize(
        ("metadata", "words"),
        [
            ({TOKEN_KEY: "x"}, "belongs to the library"),
            ({str(n): "x" for n in range(16)}, "pass 15 at most"),
        ],
    )
    def test_refuses_what_leaves_no_room(
        self, metadata: dict[str, str], words: str
    ) -> None:
        """Without room for the token, the response could not be told from others."""
        with pytest.raises(ValueError, match=words):
            tag(ResponseCreateParams(metadata=metadata))


class TestCorrelation:
    def test_by_token(self, router: ResponseRouter) -> None:
        """Each response goes to who asked for it, in whatever order they come."""
        first, second = router.expect("t1"), router.expect("t2", out_of_band=True)
        feed(
            router,
            turns.created("resp_b", metadata=mine("t2"), conversation_id=None),
            turns.created("resp_a", metadata=mine("t1")),
            turns.text("for two", "resp_b"),
            turns.text("for one", "resp_a"),
            turns.done("resp_a", metadata=mine("t1")),
            turns.done("resp_b", metadata=mine("t2"), conversation_id=None),
        )

        assert ("resp_a", "for one") == (first.id, first.result(0).text)
        assert ("resp_b", "for two") == (second.id, second.result(0).text)

    def test_a_response_of_the_server_is_nobodys(self, router: ResponseRouter) -> None:
        """Who waits for a token does not get a response that has none."""
        stream = router.expect("t1")
        feed(router, turns.created("resp_vad", metadata=None))
        feed(router, turns.created("resp_vad2", metadata={"other": "x"}))

        assert stream.id is None

    def test_by_order(self, router: ResponseRouter) -> None:
        """Where there are no tokens, the oldest command gets the response."""
        first, second = router.expect(None), router.expect(None)
        feed(router, turns.created("resp_a", metadata=UNSET, conversation_id=UNSET))
        feed(router, turns.done("resp_a", metadata=UNSET, conversation_id=UNSET))
        feed(router, turns.created("resp_b", metadata=UNSET, conversation_id=UNSET))

        assert ("resp_a", "resp_b") == (first.id, second.id)

    def test_by_order_where_the_server_swallows_tokens(
        self, router: ResponseRouter
    ) -> None:
        """A server that knows no metadata answers in order."""
        stream = router.expect("t1")
        feed(router, turns.created("resp_a", metadata=UNSET))

        assert "resp_a" == stream.id

    def test_never_by_order_after_a_token_came_back(
        self, router: ResponseRouter
    ) -> None:
        """Once the server has returned a token, it is expected to return them all."""
        feed(router, turns.created("resp_a", metadata=mine("t0")), turns.done("resp_a"))
        stream = router.expect("t1")
        feed(router, turns.created("resp_b", metadata=UNSET))

        assert stream.id is None

    def test_done_without_created(self, router: ResponseRouter) -> None:
        """A response of which only the end arrives is found all the same."""
        stream = router.expect("t1")
        feed(
            router,
            turns.done("resp_a", metadata=mine("t1"), output=[turns.said("Hello")]),
        )

        assert "Hello" == stream.result(0).text

    def test_end_of_another_response_is_no_answer(self, router: ResponseRouter) -> None:
        """The end of the server's own response ends nobody's expectation."""
        feed(router, turns.created("resp_vad", metadata=UNSET))
        stream = router.expect(None)
        feed(router, turns.done("resp_vad", metadata=UNSET))

        assert not stream.done()

    def test_repeated_events(self, router: ResponseRouter) -> None:
        """Created twice, done twice, and created after done change nothing."""
        stream = router.expect("t1")
        later = router.expect("t2")
        feed(
            router,
            turns.created("resp_a", metadata=mine("t1")),
            turns.created("resp_a", metadata=mine("t1")),
            turns.done("resp_a", metadata=mine("t1")),
            turns.done("resp_a", metadata=mine("t1")),
            turns.created("resp_a", metadata=mine("t1")),
            turns.text("late", "resp_a"),
        )

        assert "completed" == stream.result(0).status
        assert later.id is None
        assert router.active is None

    def test_unknown_responses(self, router: ResponseRouter) -> None:
        """Events of a response that nobody knows are tolerated."""
        feed(
            router,
            turns.text("a", "resp_x"),
            turns.audio(b"\0\0", "resp_x"),
            turns.done("resp_x"),
        )

        assert router.active is None

    def test_unknown_events_of_a_response(self, router: ResponseRouter) -> None:
        """An event of unknown type that names the response is one of its events."""
        stream = router.expect("t1")
        novelty = UnknownEvent(payload={"type": "response.x", "response_id": "resp_a"})
        stray = UnknownEvent(payload={"type": "x"})
        feed(router, turns.created("resp_a", metadata=mine("t1")), novelty, stray)
        feed(router, turns.done("resp_a"))

        assert novelty in list(stream.events(0))
        assert stray not in list(stream.events(0))

    def test_mcp_events_find_their_response(self, router: ResponseRouter) -> None:
        """Events that name only their item reach the response of that item."""
        stream, other = router.expect("t1"), router.expect("t2", out_of_band=True)
        call = McpCall(id="mcp_1", server_label="s", name="f", arguments="{}")
        finished = ResponseMcpCallCompleted(item_id="mcp_1", output_index=0)
        feed(
            router,
            turns.created("resp_a", metadata=mine("t1")),
            turns.created("resp_b", metadata=mine("t2")),
            turns.item_added(call, "resp_a"),
            finished,
            turns.done("resp_a"),
            turns.done("resp_b"),
        )

        assert finished in list(stream.events(0))
        assert finished not in list(other.events(0))

    def test_other_events_cost_nothing(self, router: ResponseRouter) -> None:
        """Classes of events that no response has are not asked for."""
        assert ResponseOutputAudioDelta in router.handlers()
        assert SessionUpdated not in router.handlers()

    def test_refused(self, router: ResponseRouter) -> None:
        """A refused command ends its stream and leaves the next one alone."""
        first, second = router.expect(None), router.expect(None)
        router.fail(first, ServerError(ErrorDetails(message="no")))
        feed(router, turns.created("resp_a", metadata=UNSET))

        with pytest.raises(ServerError, match="no"):
            first.result(0)
        assert "resp_a" == second.id

    def test_abandoned_keeps_its_place(self, router: ResponseRouter) -> None:
        """A response that came too late is not taken for the next one's."""
        first = router.expect(None)
        router.abandon(first)
        second = router.expect(None)
        feed(router, turns.created("resp_a", metadata=UNSET), turns.done("resp_a"))
        feed(router, turns.created("resp_b", metadata=UNSET))

        assert "resp_b" == second.id


class TestActive:
    def test_follows_the_conversation(self, router: ResponseRouter) -> None:
        """The active response is the one that writes to the conversation."""
        seen = [router.active]
        feed(router, turns.created("resp_a"))
        seen.append(router.active)
        feed(router, turns.done("resp_a", status="failed"))
        seen.append(router.active)

        assert [None, "resp_a", None] == seen

    def test_out_of_band_is_never_active(self, router: ResponseRouter) -> None:
        """Responses beside the conversation come and go without touching it."""
        router.expect("t1", out_of_band=True)
        feed(router, turns.created("resp_a"))
        feed(router, turns.created("side_1", conversation_id=None))
        # This server does not say it, but this side asked for it.
        stream = router.expect("t2", out_of_band=True)
        feed(
            router,
            turns.created("side_2", metadata=mine("t2"), conversation_id=UNSET),
            turns.done("side_1", conversation_id=None),
            turns.done("side_2", metadata=mine("t2"), conversation_id=UNSET),
            turns.done("side_3", conversation_id=None),
        )

        assert stream.done()
        assert "resp_a" == router.active

    def test_any_end_clears(self, router: ResponseRouter) -> None:
        """There is one at most, so the end of an unknown one means there is none."""
        feed(router, turns.created("resp_a"), turns.done("resp_b"))

        assert router.active is None

    def test_busy_from_the_command_on(self, router: ResponseRouter) -> None:
        """The conversation is taken as soon as a response is asked for."""
        seen = [router.busy]
        stream = router.expect("t1")
        seen.append(router.busy)
        router.abandon(stream)
        seen.append(router.busy)
        router.expect("t2", out_of_band=True)
        seen.append(router.busy)

        assert [False, True, False, False] == seen

    def test_a_dropped_expectation_takes_no_turn(self, router: ResponseRouter) -> None:
        """A caller who is gone does not keep the others waiting."""
        stream = router.expect("t1")
        del stream
        gc.collect()

        assert not router.busy

    def test_expect_when_idle(self, router: ResponseRouter) -> None:
        """The turn is taken only if it is free."""
        feed(router, turns.created("resp_a"))
        refused = router.expect_when_idle("t1", timeout=0)
        feed(router, turns.done("resp_a"))
        granted = router.expect_when_idle("t1", timeout=0)

        assert refused is None
        assert granted is not None
        assert router.expect_when_idle("t2", timeout=0) is None

    def test_wait_idle(self, router: ResponseRouter) -> None:
        """wait_idle() tells whether the conversation is free."""
        feed(router, turns.created("resp_a"))
        busy = router.wait_idle(timeout=0)
        feed(router, turns.done("resp_a"))

        assert not busy
        assert router.wait_idle(timeout=0)

    def test_the_end_comes_after_the_turn_is_free(self, router: ResponseRouter) -> None:
        """Who has the result can ask for the next response at once."""
        stream = router.expect("t1")
        free: list[bool] = []
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        finished = threading.Event()

        def wait() -> None:
            stream.result(WAIT)
            free.append(not router.busy)
            finished.set()

        thread = threading.Thread(target=wait)
        thread.start()
        feed(router, turns.done("resp_a", metadata=mine("t1")))
        finished.wait(WAIT)
        thread.join(WAIT)

        assert [True] == free


class TestCancel:
    def test_by_its_stream(self, router: ResponseRouter, cancelled: list[str]) -> None:
        """A stream cancels its own response."""
        stream = router.expect("t1")
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        stream.cancel()

        assert ["resp_a"] == cancelled
        assert router.cancelling

    def test_before_it_was_created(
        self, router: ResponseRouter, cancelled: list[str]
    ) -> None:
        """A wish to cancel is sent as soon as the response has an id."""
        stream = router.expect("t1")
        stream.cancel()
        early = list(cancelled)
        feed(router, turns.created("resp_a", metadata=mine("t1")))

        assert [] == early
        assert ["resp_a"] == cancelled

    def test_the_active_one(self, router: ResponseRouter, cancelled: list[str]) -> None:
        """Without an id the active response is meant, and none is fine."""
        router.cancel()
        feed(router, turns.created("resp_a"))
        router.cancel()
        was_cancelling = router.cancelling
        feed(router, turns.done("resp_a", status="cancelled"))

        assert ["resp_a"] == cancelled
        assert was_cancelling
        assert not router.cancelling


class TestServerResponses:
    def test_offers_what_nobody_asked_for(self, router: ResponseRouter) -> None:
        """Subscribers get the server's responses from their beginning, and no other."""
        with router.responses() as responses, router.responses() as others:
            asked = router.expect("t1")
            feed(router, turns.created("resp_a", metadata=mine("t1")))
            feed(router, turns.done("resp_a"))
            feed(router, *turns.spoken_turn(["Hi"], [b"\1\2"], "resp_vad"))
            taken = responses.take(timeout=0)
            same = others.take(timeout=0)

        assert asked.done()
        assert ("resp_vad", "Hi", b"\1\2") == (
            taken.id,
            taken.result(0).text,
            taken.result(0).audio,
        )
        assert taken is same

    def test_a_running_response_is_not_offered(self, router: ResponseRouter) -> None:
        """Half a response is no use: it has to begin after the call."""
        feed(router, turns.created("resp_vad"))
        responses = router.responses()
        feed(router, turns.text("half", "resp_vad"), turns.done("resp_vad"))

        with pytest.raises(TimeoutError, match="next response"):
            responses.take(timeout=0)

    def test_late_response_of_ours_is_not_offered(self, router: ResponseRouter) -> None:
        """A response that this side gave up on is not the server's own."""
        responses = router.responses()
        feed(router, turns.created("resp_a", metadata=mine("forgotten")))

        with pytest.raises(TimeoutError):
            responses.take(timeout=0)

    def test_iteration_ends_with_the_connection(self, router: ResponseRouter) -> None:
        """What began is yielded, and a proper end ends the loop."""
        responses = router.responses()
        feed(router, turns.created("resp_vad"))
        router.end(closed)

        assert ["resp_vad"] == [response.id for response in responses]
        with pytest.raises(ConnectionClosedOK):
            responses.take(timeout=0)

    def test_iteration_raises_when_it_breaks(self, router: ResponseRouter) -> None:
        """A broken connection is no proper end, for late subscribers neither."""
        early = router.responses()
        router.end(broken)

        with pytest.raises(ConnectionClosedError):
            next(early)
        with pytest.raises(ConnectionClosedError):
            next(router.responses())

    def test_iteration_times_out(self, router: ResponseRouter) -> None:
        """Each wait of a loop has the timeout."""
        with pytest.raises(TimeoutError, match="next response of the server"):
            next(router.responses(timeout=0))

    def test_closed(self, router: ResponseRouter) -> None:
        """After close() a loop ends, and take() says what to do."""
        responses = router.responses()
        feed(router, turns.created("resp_vad"))
        responses.close()
        feed(router, turns.done("resp_vad"), turns.created("resp_vad2"))

        assert [] == list(responses)
        with pytest.raises(RuntimeError, match=r"call responses\(\) again"):
            responses.take(timeout=0)

    def test_untaken_responses_are_bounded(self, router: ResponseRouter) -> None:
        """Who takes none keeps the newest ones only."""
        responses = router.responses()
        for number in range(100):
            feed(router, turns.created(f"r{number}"), turns.done(f"r{number}"))
        router.end(closed)
        ids = [response.id for response in responses]

        assert [f"r{number}" for number in range(68, 100)] == ids

    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_each_goes_to_one_thread(self, repeat: int) -> None:
        """Threads that share an iterator share the responses out."""
        router = ResponseRouter(Monitor(), lambda _: None)
        responses = router.responses()
        with ThreadPoolExecutor(3) as pool:
            futures = [
                pool.submit(lambda: [response.id for response in responses])
                for _ in range(3)
            ]
            for number in range(10):
                feed(router, turns.created(f"r{number}"), turns.done(f"r{number}"))
            router.end(closed)
            taken = [id_ for future in futures for id_ in future.result(WAIT)]

        assert {f"r{number}" for number in range(10)} == set(taken)
        assert 10 == len(taken)


class TestEveryEvent:
    @pytest.mark.parametrize("dialect", ["ga", "preview"])
    def test_is_tolerated(self, router: ResponseRouter, dialect: Dialect) -> None:
        """No event that a server sends breaks what follows, in whatever order."""
        conversation = Conversation(Monitor(), keep_audio=True)
        meter = UsageMeter(Monitor())
        tables = (router.handlers(), conversation._handlers(), meter.handlers())
        folder = {"ga": "server", "preview": "preview/server"}[dialect]
        samples = sorted((Path(__file__).parent / "wire" / folder).glob("*.json"))
        responses = router.responses()
        for sample in (*samples, *reversed(samples)):
            event = decode_server_event(sample.read_bytes(), dialect)
            for table in tables:
                if type(event) in table:
                    table[type(event)](event)
        router.end(closed)
        streams = list(responses)

        assert samples
        assert len(streams) > 0
        assert str(conversation)
        assert conversation.to_markdown()
        assert restoration(conversation.snapshot()).events
        assert meter.totals.responses > 0


class TestMemory:
    def test_a_dropped_stream_is_gone(self, router: ResponseRouter) -> None:
        """A stream that its caller dropped is not kept, during the response neither."""
        stream = router.expect("t1")
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        gone = weakref.ref(stream)
        del stream
        gc.collect()
        feed(router, turns.audio(b"\0" * 100, "resp_a"))

        assert gone() is None
        assert {} == router._followed

    def test_a_dropped_subscriber_is_gone(self, router: ResponseRouter) -> None:
        """So are responses whose subscriber is dropped."""
        responses = router.responses()
        feed(router, turns.created("resp_vad"))
        gone = weakref.ref(responses)
        del responses
        gc.collect()
        feed(router, turns.audio(b"\0" * 100, "resp_vad"))

        assert gone() is None
        assert {} == router._followed

    def test_a_stream_keeps_no_connection(self) -> None:
        """A finished response can be kept without what it came from."""
        router = ResponseRouter(Monitor(), lambda _: None)
        stream = router.expect("t1")
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        gone = weakref.ref(router)
        del router
        gc.collect()
        stream.cancel()

        assert gone() is None

    def test_many_turns_leave_nothing(self, router: ResponseRouter) -> None:
        """Hundreds of turns, followed or not, leave nothing behind."""
        for number in range(300):
            name, token = f"r{number}", f"t{number}"
            stream: ResponseStream | None = router.expect(token)
            feed(router, turns.created(name, metadata=mine(token)))
            feed(router, turns.audio(b"\0\0", name), turns.done(name))
            feed(router, turns.created(f"vad{number}"), turns.done(f"vad{number}"))
            router.abandon(router.expect(f"never{number}"))
        stream = None

        assert stream is None
        assert {} == router._followed
        assert set() == router._side
        assert 1 >= len(router._expected._waiting)


class TestEnd:
    def test_everything_ends(self, router: ResponseRouter) -> None:
        """When the connection ends, so do streams, expectations and turns."""
        running, expected = router.expect("t1"), router.expect("t2")
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        router.end(broken)

        for stream in (running, expected):
            with pytest.raises(ConnectionClosedError):
                stream.result(0)
        assert router.active is None
        with pytest.raises(ConnectionClosedError):
            router.expect("t3")
        with pytest.raises(ConnectionClosedError):
            router.expect_when_idle("t3", timeout=0)
        with pytest.raises(ConnectionClosedError):
            router.wait_idle(timeout=0)

    def test_lost(self, router: ResponseRouter) -> None:
        """After a reconnect, old responses are over and new ones work."""
        old = router.expect("t1")
        responses = router.responses()
        feed(router, turns.created("resp_a", metadata=mine("t1")))
        router.lose(broken)
        new = router.expect_when_idle("t2", timeout=0)
        feed(router, turns.created("resp_b", metadata=mine("t2")), turns.done("resp_b"))
        feed(router, turns.created("resp_vad"))

        with pytest.raises(ConnectionClosedError):
            old.result(0)
        assert new is not None
        assert "completed" == new.result(0).status
        assert "resp_vad" == responses.take(0).id


class TestThreads:
    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_two_threads_get_their_own(self, repeat: int) -> None:
        """Threads that ask for out-of-band responses at once get their own."""
        router = ResponseRouter(Monitor(), lambda _: None)
        tokens = [f"t{number}" for number in range(4)]
        asked = threading.Barrier(len(tokens) + 1)

        def ask(token: str) -> str:
            stream = router.expect(token, out_of_band=True)
            asked.wait(WAIT)
            return stream.result(WAIT).text

        with ThreadPoolExecutor(len(tokens)) as pool:
            futures = [pool.submit(ask, token) for token in tokens]
            asked.wait(WAIT)
            for token in reversed(tokens):
                created = turns.created(
                    f"r-{token}", metadata=mine(token), conversation_id=None
                )
                feed(router, created)
            for token in tokens:
                feed(router, turns.text(f"for {token}", f"r-{token}"))
                feed(router, turns.done(f"r-{token}", conversation_id=None))
            texts = [future.result(WAIT) for future in futures]

        assert [f"for {token}" for token in tokens] == texts

    @pytest.mark.parametrize("repeat", range(REPEATS))
    def test_waiting_threads_take_turns(self, repeat: int) -> None:
        """Of threads that wait for the conversation, one has it at a time."""
        router = ResponseRouter(Monitor(), lambda _: None)
        count = 4
        at_once: list[int] = []
        inside = 0

        def take_turn(token: str) -> None:
            nonlocal inside
            stream = router.expect_when_idle(token, timeout=WAIT)
            assert stream is not None
            inside += 1
            at_once.append(inside)
            feed(router, turns.created(f"r-{token}", metadata=mine(token)))
            inside -= 1
            feed(router, turns.done(f"r-{token}", metadata=mine(token)))
            stream.result(WAIT)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(take_turn, [f"t{number}" for number in range(count)]))

        assert [1] * count == at_once
        assert not router.busy

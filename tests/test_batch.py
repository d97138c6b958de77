"""Batches: results of many items, over sessions that are kept, on any executor."""

from __future__ import annotations

import contextlib
import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from batch_kills import PATIENCE, kill_and_count

from realtime_sync import (
    AuthenticationError,
    BatchProgress,
    ConnectionClosed,
    HandshakeError,
    Prices,
    RateLimit,
    RateLimitsUpdated,
    RealtimeClient,
    RealtimeConnection,
    RealtimeError,
    ResponseError,
    UsageTotals,
    ask_many,
    run_many,
    transcribe_many,
)
from realtime_sync._batch import worker
from realtime_sync._batch.journal import Journal
from realtime_sync._batch.limits import SharedLimits
from realtime_sync._batch.worker import Outcome
from realtime_sync.emulator import (
    EmulatorSettings,
    Failure,
    Fault,
    ManualClock,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
)


ROOT = Path(__file__).parents[1]
QUESTION = ROOT / "examples" / "audio" / "question.wav"


def echo(turn: Turn) -> Reply:
    if "fail" in turn.heard:
        return Reply(failure=Failure(message="I am tired.", code="tired"))
    return Reply(turn.heard.upper())


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        speech=ToneSpeech(), settings=EmulatorSettings.instant(), replies=echo
    ) as emulator:
        yield emulator


def make_client(endpoint: str) -> RealtimeClient:
    return RealtimeClient(endpoint, "any", model="m", proxy="")


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    return make_client(emulator.endpoint)


def double(connection: RealtimeConnection, item: int) -> int:
    return 2 * item


def process_of(connection: RealtimeConnection, item: int) -> int:
    return multiprocessing.current_process().pid or 0


class Given(Executor):
    """Runs nothing: its futures are those that a test made."""

    def __init__(self, *futures: Future[Any]) -> None:
        self.futures = list(futures)

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        return self.futures.pop(0)


def ended_with(error: BaseException) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


class TestAsk:
    def test_answers(self, client: RealtimeClient) -> None:
        """Each question has its answer, whatever the others are."""
        questions = [f"number {each}" for each in range(10)]
        results = list(ask_many(questions, client))

        assert set(questions) == {result.item for result in results}
        assert all(result.item.upper() == result.unwrap() for result in results)

    def test_sessions_are_kept(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """There are no more sessions than were asked for, each for many questions."""
        assert 12 == len(list(ask_many([*"abcdefghijkl"], client, sessions=3)))
        for record in emulator.sessions:
            record.wait_closed()

        assert 1 <= len(emulator.sessions) <= 3

    def test_independent(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """A question leaves nothing in the session for those after it."""
        list(ask_many(["one", "two"], client, sessions=1))

        assert [] == emulator.sessions[0].items

    def test_recordings(self, client: RealtimeClient) -> None:
        """Questions may be recordings, which are answered in speech."""
        (result,) = ask_many([QUESTION], client)

        assert str(QUESTION) == result.key
        assert result.unwrap()

    def test_response(self, emulator: RealtimeEmulator, client: RealtimeClient) -> None:
        """What differs from the session goes with each response."""
        list(ask_many(["a"], client, response={"instructions": "Be rude."}))
        event: Any = emulator.sessions[0].client_events[-1]

        assert "Be rude." == event.response.instructions
        assert ["text"] == list(event.response.output_modalities)

    def test_error_is_a_result(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """An item that fails is a result, and its session goes on."""
        results = list(ask_many(["a", "fail", "b"], client, sessions=1))
        errors = [result.error for result in results]

        assert [type(None), ResponseError, type(None)] == list(map(type, errors))
        with pytest.raises(ResponseError):
            results[1].unwrap()
        assert 1 == len(emulator.sessions)


def test_transcribe(emulator: RealtimeEmulator, client: RealtimeClient) -> None:
    """Recordings are transcribed, in sessions that do nothing else."""
    speech = ToneSpeech()
    spoken = {"a": speech.speak("First."), "b": speech.speak("Second.")}
    found = {
        result.key: result.value
        for result in transcribe_many(
            spoken, client, language="en", source_rate=24_000, sessions=1
        )
    }

    assert {"a": "First.", "b": "Second."} == found
    assert {"intent": "transcription"} == emulator.sessions[0].query
    assert "en" == emulator.sessions[0].config.audio.input.transcription.language


def test_transcribe_paths(client: RealtimeClient) -> None:
    """Paths are keys; what cannot be read is an error of its own."""
    results = {
        result.key: result
        for result in transcribe_many([str(QUESTION), "missing.wav"], client)
    }

    assert results[str(QUESTION)].value
    assert isinstance(results["missing.wav"].error, FileNotFoundError)


class TestOrder:
    def test_as_they_complete(self, client: RealtimeClient) -> None:
        """Results come as they complete."""
        first = threading.Event()

        def wait_for_second(connection: Any, item: int) -> int:
            if item == 0:
                assert first.wait(PATIENCE)
            first.set()
            return item

        results = run_many(wait_for_second, range(2), client, sessions=2)

        assert [1, 0] == [result.value for result in results]

    def test_ordered(self, client: RealtimeClient) -> None:
        """Results come in the order of the items, if that is asked for."""
        first = threading.Event()

        def wait_for_second(connection: Any, item: int) -> int:
            if item == 0:
                assert first.wait(PATIENCE)
            first.set()
            return item

        results = run_many(wait_for_second, range(9), client, sessions=2, ordered=True)

        assert list(range(9)) == [result.value for result in results]

    def test_lazy(self, client: RealtimeClient) -> None:
        """No more is begun than there are sessions, and nothing before it is asked."""
        taken: list[int] = []

        def items() -> Iterator[int]:
            for item in range(100):
                taken.append(item)
                yield item

        with run_many(double, items(), client, sessions=3) as batch:
            assert [] == taken
            next(batch)

            assert len(taken) <= 4

    def test_bounded_when_ordered(self, client: RealtimeClient) -> None:
        """While the first item takes long, the results of the others do not pile up."""
        first: Future[Any] = Future()
        begun: list[int] = []

        class Quick(Executor):
            def submit(self, function: Any, /, *args: Any, **_: Any) -> Future[Any]:
                (task,) = args
                begun.append(task.item)
                if task.item == 0:
                    return first
                if task.item == 16:
                    first.set_result(Outcome(key="0", value=0))
                future: Future[Any] = Future()
                future.set_result(Outcome(key=task.key, value=task.item))
                return future

        batch = run_many(
            double,
            range(100),
            lambda: client,
            sessions=2,
            ordered=True,
            executor=Quick(),
        )

        assert 0 == next(batch).value
        assert list(range(17)) == begun
        assert list(range(1, 100)) == [result.value for result in batch]


class TestConnections:
    def test_renewed_when_it_broke(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """An item whose connection breaks is tried again on a new one."""
        emulator.inject(Fault.cut(at="response.created"))
        (result,) = ask_many(["a"], client)

        assert ("A", 2) == (result.value, result.tries)
        assert 2 == len(emulator.sessions)

    def test_renewed_before_it_expires(self) -> None:
        """A session that is about to expire is not used for another item."""
        settings = EmulatorSettings.instant(session_seconds=59)
        with RealtimeEmulator(speech=ToneSpeech(), settings=settings) as emulator:
            client = make_client(emulator.endpoint)
            results = list(run_many(double, range(3), client, sessions=1))

            assert [1, 1, 1] == [result.tries for result in results]
            assert 3 == len(emulator.sessions)

    def test_function_raised(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """After a function raised, who knows how it left the session: it is renewed."""

        def divide(connection: Any, item: int) -> float:
            return 1 / item

        results = list(run_many(divide, [0, 1], client, sessions=1, ordered=True))

        assert [ZeroDivisionError, type(None)] == [type(each.error) for each in results]
        assert [1, 1] == [result.tries for result in results]
        assert 2 == len(emulator.sessions)

    def test_given_up(self, emulator: RealtimeEmulator, client: RealtimeClient) -> None:
        """An item that breaks each of its connections has failed in the end."""
        emulator.inject(Fault.cut(at="response.created", times=2))
        (result,) = ask_many(["a"], client, retries=1)

        assert isinstance(result.error, ConnectionClosed)
        assert 2 == result.tries

    def test_wrong_key(self) -> None:
        """What will not get better is not tried again."""
        with RealtimeEmulator(api_keys=["good"]) as emulator:
            (result,) = ask_many(["a"], make_client(emulator.endpoint))

        assert isinstance(result.error, AuthenticationError)
        assert 1 == result.tries

    def test_unusable_client(self) -> None:
        """A client that cannot be made is an error of each item."""

        def broken() -> RealtimeClient:
            raise ValueError("no such file")

        results = list(ask_many(["a", "b"], broken))

        assert ["no such file"] * 2 == [str(result.error) for result in results]

    def test_closed_when_idle(
        self,
        emulator: RealtimeEmulator,
        client: RealtimeClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """In another process, whose batch may be over, idle connections are closed."""
        monkeypatch.setattr(worker, "_IDLE", 0.0)
        work = worker.Work(
            batch="far away",
            function=double,
            client=client,
            session=None,
            retries=0,
            tokens=0,
            process=-1,
        )
        outcomes = []
        for item in range(3):
            task = worker.Task(work=work, key=str(item), item=item)
            outcomes.append(worker.run_task(task))
            emulator.wait_for_session(index=len(emulator.sessions) - 1).wait_closed()
        worker.close_site("far away")

        assert [0, 2, 4] == [outcome.value for outcome in outcomes]
        assert [None] * 3 == [outcome.error for outcome in outcomes]

    def test_closed_early(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """A batch that is left early ends its sessions and its threads."""
        arrived = threading.Event()

        def never(connection: RealtimeConnection, item: int) -> int:
            if item:
                arrived.set()
                connection.recv(PATIENCE)
            return item

        with run_many(never, range(10), client, sessions=2) as batch:
            next(batch)
            assert arrived.wait(PATIENCE)
        for record in emulator.sessions:
            record.wait_closed()

        assert [] == list(batch)


class TestLimits:
    @pytest.fixture(name="clock")
    def _clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture(name="limits")
    def _limits(self, clock: ManualClock) -> SharedLimits:
        return SharedLimits(clock.now)

    @staticmethod
    def tell(limits: SharedLimits, **left: int) -> None:
        """Say how much is left, for ten seconds."""
        told = [
            RateLimit(name=name, limit=100, remaining=count, reset_seconds=10.0)
            for name, count in left.items()
        ]
        limits.update(RateLimitsUpdated(rate_limits=told))

    def test_nothing_known(self, limits: SharedLimits) -> None:
        """Nothing is held back as long as nothing is known."""
        limits.wait(1_000_000)

        assert limits._seconds_until({"requests": 1}) == 0

    def test_counted_down(self, limits: SharedLimits) -> None:
        """What was taken is not there for others, until the service says more."""
        self.tell(limits, requests=2, tokens=100)
        limits.wait(40)
        limits.wait(40)

        assert 10 == limits._seconds_until({"requests": 1})
        assert 10 == limits._seconds_until({"tokens": 21})
        assert 0 == limits._seconds_until({"tokens": 20})

    def test_reset(self, limits: SharedLimits, clock: ManualClock) -> None:
        """After the reset nothing is known again."""
        self.tell(limits, requests=0)
        clock.advance(9)

        assert 1 == limits._seconds_until({"requests": 1})
        clock.advance(1)

        assert limits._seconds_until({"requests": 1}) <= 0

    def test_news_wake(self, limits: SharedLimits) -> None:
        """Those who wait go on as soon as there is more."""
        self.tell(limits, requests=0)
        thread = threading.Thread(target=limits.wait)
        thread.start()
        self.tell(limits, requests=1)
        thread.join(PATIENCE)

        assert not thread.is_alive()

    def test_pause(self, limits: SharedLimits, clock: ManualClock) -> None:
        """A refusal holds everybody back for as long as it asks to."""
        limits.pause(5)
        limits.pause(2)

        assert 5 == limits._seconds_until({})

    def test_close(self, limits: SharedLimits) -> None:
        """At the end those who wait are sent away."""
        limits.pause(1000)
        limits.close()
        with pytest.raises(RuntimeError, match="closed"):
            limits.wait()

    def test_refused_with_429(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """A 429 is waited out, and is no failure of the item."""
        emulator.inject(Fault.http(429, retry_after=0.01, times=5))
        (result,) = ask_many(["a"], client, retries=0)

        assert ("A", 6) == (result.value, result.tries)

    def test_refused_for_good(
        self, emulator: RealtimeEmulator, client: RealtimeClient
    ) -> None:
        """A 429 without end is a failure in the end."""
        emulator.inject(Fault.http(429, retry_after=0.0, times=100))
        (result,) = ask_many(["a"], client)

        assert isinstance(result.error, HandshakeError)
        assert 21 == result.tries

    def test_told_to_sessions(self, client: RealtimeClient) -> None:
        """What a session is told holds for the whole batch."""
        heard = threading.Event()

        def ask(connection: RealtimeConnection, item: str) -> int:
            connection.on(RateLimitsUpdated)(lambda event: heard.set())
            connection.ask(item)
            assert heard.wait(PATIENCE)
            return connection.rate_limits["requests"].remaining or 0

        (result,) = run_many(ask, ["a"], client)

        assert result.unwrap() > 0


class TestExecutors:
    def test_context(self, client: RealtimeClient) -> None:
        """Items run in the context of whoever iterates, as traces need it."""
        variable: ContextVar[str] = ContextVar("variable", default="none")
        variable.set("mine")
        results = run_many(lambda connection, item: variable.get(), [1], client)

        assert ["mine"] == [result.value for result in results]

    def test_own_threads_stay(self, client: RealtimeClient) -> None:
        """An executor that was given is used, and stays open."""
        with ThreadPoolExecutor(2) as executor:
            list(run_many(double, range(4), client, executor=executor))

            assert 1 == executor.submit(int, 1).result()

    def test_processes(self, emulator: RealtimeEmulator) -> None:
        """The same call runs in processes, each of which makes its client."""
        context = multiprocessing.get_context("spawn")
        factory = partial(make_client, emulator.endpoint)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            results = list(
                run_many(process_of, range(8), factory, executor=executor, sessions=2)
            )
            asked = list(ask_many(["a", "fail"], factory, executor=executor))
            with pytest.raises(TypeError, match="credential would travel"):
                ask_many(["a"], factory(), executor=executor)

        assert [None] * 8 == [result.error for result in results]
        assert multiprocessing.current_process().pid not in {
            result.value for result in results
        }
        assert {"A", None} == {result.value for result in asked}
        assert [ResponseError] == [type(each.error) for each in asked if each.error]

    def test_unpicklable_result(self, client: RealtimeClient) -> None:
        """What the executor itself says of an item is the item's error."""
        executor = Given(ended_with(pickle.PicklingError("no way")))
        (result,) = run_many(double, [1], lambda: client, executor=executor)

        assert "no way" == str(result.error)

    @pytest.mark.parametrize("broken", [BrokenProcessPool, KeyboardInterrupt])
    def test_broken_executor(
        self, client: RealtimeClient, tmp_path: Path, broken: type[BaseException]
    ) -> None:
        """An executor that cannot go on ends the batch, and none of its items."""
        path = tmp_path / "journal.jsonl"
        executor = Given(ended_with(broken()))
        with pytest.raises(broken):
            next(run_many(double, [1], lambda: client, executor=executor, journal=path))

        assert 1 == len(path.read_text().splitlines())

    def test_cancelled(self, client: RealtimeClient) -> None:
        """An executor that was shut down ends the batch."""
        future: Future[Any] = Future()
        future.cancel()
        with pytest.raises(CancelledError):
            next(run_many(double, [1], lambda: client, executor=Given(future)))


def test_dask_cluster() -> None:
    """On a Dask cluster a worker is killed: nothing is lost, and nothing doubled."""
    ended = subprocess.run(
        [sys.executable, "examples/dask_cluster.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert 0 == ended.returncode, ended.stderr
    assert [
        "killed a worker after 15 answers",
        "60 of 60 questions answered",
        "0 of them twice",
    ] == ended.stdout.splitlines()[:3]


class TestPickling:
    def test_secret_stays(self) -> None:
        """A client with a key is not pickled; it may be copied."""
        client = RealtimeClient("ws://localhost", "secret", model="m")
        with pytest.raises(TypeError, match="credential would travel"):
            pickle.dumps(client)

        assert client is copy.copy(client)
        assert client is copy.deepcopy(client)

    @pytest.mark.parametrize("credential", [None, contextlib.nullcontext])
    def test_function(self, credential: Any) -> None:
        """A client whose credential is asked where it is used is pickled."""
        client = RealtimeClient("ws://localhost", None, model="m", ping_interval=3)
        if credential is not None:
            client = attrs.evolve(client, credential=secret_of_this_place)

        assert client == pickle.loads(pickle.dumps(client))


def secret_of_this_place() -> str:
    return "made here"


class TestJournal:
    def test_goes_on(
        self, emulator: RealtimeEmulator, client: RealtimeClient, tmp_path: Path
    ) -> None:
        """What has ended is replayed, and the rest is run."""
        path = tmp_path / "journal.jsonl"
        with ask_many([*"abcd"], client, sessions=1, journal=path) as batch:
            first = next(batch)
        second = list(ask_many([*"abcd"], client, sessions=1, journal=path))
        asked = sum(len(record.responses) for record in emulator.sessions)

        assert list("ABCD") == [result.value for result in second]
        assert second[0].replayed
        assert second[-1].replayed is False
        assert first.usage == second[0].usage
        assert asked <= 5

    def test_nothing_left(
        self, emulator: RealtimeEmulator, client: RealtimeClient, tmp_path: Path
    ) -> None:
        """A batch that is over opens no session when it is begun again."""
        path = tmp_path / "journal.jsonl"
        list(ask_many([*"abcd"], client, journal=path))
        sessions = len(emulator.sessions)
        batch = ask_many([*"abcd"], client, journal=path)
        replayed = [result.replayed for result in batch]

        assert [True] * 4 == replayed
        assert sessions == len(emulator.sessions)
        assert (4, 4) == (batch.progress.done, batch.progress.replayed)

    def test_errors(self, client: RealtimeClient, tmp_path: Path) -> None:
        """Items that failed have ended, unless they are to run again."""
        path = tmp_path / "journal.jsonl"
        list(ask_many(["a", "fail"], client, journal=path))
        replayed = list(ask_many(["a", "fail"], client, journal=path, ordered=True))
        again = list(
            ask_many(
                ["a", "fail"], client, journal=path, ordered=True, retry_errors=True
            )
        )

        assert isinstance(replayed[1].error, RealtimeError)
        assert "ResponseError: response" in str(replayed[1].error)
        assert [True, True] == [result.replayed for result in replayed]
        assert [True, False] == [result.replayed for result in again]

    @pytest.mark.parametrize("kept", [0, 1, 40])
    def test_torn(self, tmp_path: Path, kept: int) -> None:
        """Wherever a write was torn, what was written before it is there."""
        path = tmp_path / "journal.jsonl"
        journal = Journal(path, "f")
        for key in "ab":
            journal.write(Outcome(key=key, value=key * 20))
        journal.close()
        whole = path.read_bytes()
        head, first, _ = whole.splitlines(keepends=True)
        path.write_bytes(head + first + whole[:kept])
        journal = Journal(path, "f")
        journal.write(Outcome(key="b", value=1))
        journal.close()
        journal = Journal(path, "f")
        values = [journal.read(key).value for key in "ab"]
        journal.close()

        assert ["a" * 20, 1] == values
        assert 3 == len(path.read_bytes().splitlines())

    def test_torn_anywhere(self, tmp_path: Path) -> None:
        """A journal that is cut anywhere can be gone on with."""
        path = tmp_path / "journal.jsonl"
        journal = Journal(path, "f")
        for key in "ab":
            journal.write(Outcome(key=key, value="ä\n"))
        journal.close()
        whole = path.read_bytes()
        for size in range(0, len(whole) + 1, 7):
            path.write_bytes(whole[:size])
            journal = Journal(path, "f")
            for key in "ab":
                if key not in journal:
                    journal.write(Outcome(key=key, value="ä\n"))
            journal.close()

            assert whole == path.read_bytes()

    def test_twice(self, tmp_path: Path) -> None:
        """An item cannot end twice, and two batches cannot share a journal."""
        path = tmp_path / "journal.jsonl"
        with contextlib.closing(Journal(path, "f")) as journal:
            journal.write(Outcome(key="a"))
            with pytest.raises(ValueError, match="ended twice"):
                journal.write(Outcome(key="a"))
            with pytest.raises(RuntimeError, match="another batch"):
                Journal(path, "f")

    def test_of_something_else(self, client: RealtimeClient, tmp_path: Path) -> None:
        """The journal of another batch is refused."""
        path = tmp_path / "journal.jsonl"
        list(ask_many(["a"], client, journal=path))
        with pytest.raises(ValueError, match="journal of ask_many, not of double"):
            next(run_many(double, [1], client, journal=path))

    @pytest.mark.parametrize("text", ["hello\n", "[]\n", '{"format": 1}\n'])
    def test_no_journal(self, tmp_path: Path, text: str) -> None:
        """A file that is none is refused, and left as it is."""
        path = tmp_path / "journal.jsonl"
        path.write_text(text)
        with pytest.raises(ValueError, match="name another file"):
            Journal(path, "f")

        assert text == path.read_text()

    def test_other_version(self, tmp_path: Path) -> None:
        """A journal of a later version is refused."""
        path = tmp_path / "journal.jsonl"
        Journal(path, "f").close()
        head = json.loads(path.read_text())
        path.write_text(json.dumps({**head, "version": 2}) + "\n")
        with pytest.raises(ValueError, match="another version"):
            Journal(path, "f")

    def test_unwritable(self, client: RealtimeClient, tmp_path: Path) -> None:
        """A value that JSON cannot hold is told as such."""
        batch = run_many(
            lambda connection, item: object(), [1], client, journal=tmp_path / "j"
        )
        with pytest.raises(TypeError, match="what JSON can hold"):
            next(batch)

    def test_killed(self, tmp_path: Path) -> None:
        """A batch that is killed at random moments ends each item exactly once."""
        counts = kill_and_count(tmp_path / "j.jsonl", items=30, kills=2, seed=7)

        assert [1] * 30 == counts


class TestProgress:
    def test_numbers(self, client: RealtimeClient) -> None:
        """A function is told how far the batch is, after each item."""
        told: list[BatchProgress] = []
        batch = ask_many(["a", "fail"], client, sessions=1, progress=told.append)
        list(batch)

        assert [(1, 0), (2, 1)] == [(each.done, each.failed) for each in told]
        assert [2, 2] == [each.total for each in told]
        assert told[-1] == batch.progress
        assert 2 == batch.progress.usage.responses

    def test_cost(self, client: RealtimeClient) -> None:
        """What it took so far has a price."""
        batch = ask_many(["a", "b"], client)
        list(batch)
        used = batch.progress.usage

        assert used.input_text + used.output_text == pytest.approx(
            1e6 * used.estimate_cost(Prices(input_text=1, output_text=1))
        )

    def test_bar(
        self, client: RealtimeClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A bar shows the items, those that failed, and the tokens."""
        list(ask_many(["a", "fail"], client, progress=True))
        shown = capsys.readouterr().err

        assert "2/2" in shown
        assert "failed=1" in shown

    def test_unknown_total(self, client: RealtimeClient) -> None:
        """Of an iterator nobody knows the length."""
        batch = run_many(double, iter([1]), client)

        assert batch.progress.total is None

    def test_no_tqdm(
        self, client: RealtimeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without tqdm the bar says what to install."""
        monkeypatch.setitem(sys.modules, "tqdm", None)
        with pytest.raises(ImportError, match=r"realtime_sync\[progress\]"):
            next(ask_many(["a"], client, progress=True))


class TestArguments:
    def test_unknown_option(self, client: RealtimeClient) -> None:
        """An option that there is not is refused, with those that there are."""
        with pytest.raises(
            TypeError, match="unknown options: session_count; there are"
        ):
            ask_many(["a"], client, session_count=3)  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("option", "error", "words"),
        [
            ({"sessions": 0}, ValueError, "sessions is a whole number from 1, not 0"),
            (
                {"sessions": "2"},
                TypeError,
                "sessions is a whole number .* str",
            ),
            ({"retries": -1}, ValueError, "retries is a whole number from 0, not -1"),
            ({"tokens": 0.5}, ValueError, "tokens is a whole number from 0, not 0.5"),
            ({"executor": 8}, TypeError, "by sessions=….*, not 8"),
            ({"journal": ""}, ValueError, "journal is an empty path"),
            ({"journal": 7}, TypeError, "journal is a path .*, not 7"),
            ({"key": "id"}, TypeError, "key is a function .*, not str"),
            ({"progress": 1}, TypeError, "progress is True, or a function, not 1"),
            ({"session": "x"}, TypeError, "session is a RealtimeSession .*, not str"),
            ({"timeout": -1}, ValueError, "timeout is a number of seconds from 0"),
        ],
    )
    def test_option(
        self,
        client: RealtimeClient,
        option: dict[str, Any],
        error: type[Exception],
        words: str,
    ) -> None:
        """What no item could be run with is refused at the call."""
        with pytest.raises(error, match=words):
            ask_many(["a"], client, **option)

    @pytest.mark.parametrize("items", ["hi", b"hi", Path("hi.wav"), None, 7], ids=repr)
    @pytest.mark.parametrize("many", [ask_many, transcribe_many, partial(run_many, id)])
    def test_one_item(
        self, client: RealtimeClient, many: Callable[..., object], items: object
    ) -> None:
        """One item is not taken for many, so that no letter is asked for itself."""
        with pytest.raises(TypeError, match=r"are a list \(for one: \[item\]\) or"):
            many(items, client)

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (None, "such as RealtimeClient.from_environment, not None"),
            ("https://r.openai.azure.com", "not str"),
            (RealtimeClient, "not the class itself"),
        ],
    )
    def test_no_client(self, wrong: Any, words: str) -> None:
        """What is no client and makes none is refused once, and not for each item."""
        with pytest.raises(TypeError, match=words):
            ask_many(["a"], wrong)

    def test_maker_of_something_else(self) -> None:
        """A function that makes no client is named in what came of the item."""
        (result,) = ask_many(["a"], lambda: 7)  # type: ignore[arg-type, return-value]

        assert "the function that makes a client returns one, not 7" == str(
            result.error
        )

    def test_no_function(self, client: RealtimeClient) -> None:
        """What cannot be called is refused once, and not for each item."""
        with pytest.raises(TypeError, match="connection and an item, not None"):
            run_many(None, [1], client)  # type: ignore[arg-type]

    def test_no_rate(self, client: RealtimeClient) -> None:
        """A sampling rate that is none is refused at the call."""
        with pytest.raises(ValueError, match="whole number of Hz above 0, not 0"):
            transcribe_many(["a.pcm"], client, source_rate=0)

    def test_same_key(self, client: RealtimeClient) -> None:
        """Two items with the same key are refused."""
        with pytest.raises(ValueError, match="two items have the key 'a'"):
            list(transcribe_many(["a", "a"], client))

    def test_own_keys(self, client: RealtimeClient) -> None:
        """Keys are those of a function, if there is one."""
        results = run_many(double, [1, 2], client, key=lambda item: f"item {item}")

        assert {"item 1", "item 2"} == {result.key for result in results}

    def test_usage(self, client: RealtimeClient) -> None:
        """Each result has the tokens that it took, and no others."""
        results = list(ask_many(["a", "b", "c"], client, sessions=1))

        assert [1, 1, 1] == [result.usage.responses for result in results]
        assert sum((each.usage for each in results), UsageTotals()).responses == 3

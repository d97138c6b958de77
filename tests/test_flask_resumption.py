"""Conversations that several sessions, of several processes, hold one after one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask import Flask
from flask_bridge import WAIT, Served

from realtime_sync import ConversationItem, RealtimeClient
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator
from realtime_sync.flask import Limits, MemoryStore, Realtime, SnapshotStore
from realtime_sync.flask._codes import SessionEnd
from realtime_sync.flask._resumption import Conversations, Held
from realtime_sync.protocol.items import InputText, Message


class Window:
    """A session that holds a conversation, and waits until it is to end."""

    def __init__(self) -> None:
        self.has_begun, self.was_ended = threading.Event(), threading.Event()

    def resume(self, conversations: Conversations, token: str) -> None:
        held = conversations.begin(self, "ada", token)
        self.has_begun.set()
        self.was_ended.wait(WAIT)
        conversations.leave(self, held)

    def end(self, code: object, reason: str) -> None:
        self.was_ended.set()


@attrs.define
class Talk:
    """A conversation, as far as it is saved."""

    items: list[ConversationItem]
    id: str = "conv_1"

    def __len__(self) -> int:
        return len(self.items)


def talk(*texts: str) -> Any:
    items = []
    for index, text in enumerate(texts):
        message = Message(role="user", content=[InputText(text=text)])
        items.append(ConversationItem(id=f"item_{index}", item=message, text=text))
    return Talk(items)


def texts_of(taken: bytes | None) -> list[str] | None:
    """Return what a snapshot says, oldest first."""
    if taken is None:
        return None
    items = [each["item"] for each in json.loads(taken)["items"]]
    return [part["text"] for item in items for part in item["content"]]


class Worker:
    """A process whose store is shared with others."""

    def __init__(self, store: SnapshotStore) -> None:
        self.conversations = Conversations(store, 60.0)

    def begin(self, token: str | None = None) -> Held:
        return self.conversations.begin(Window(), "ada", token)

    def says(self, held: Held, *texts: str) -> None:
        self.conversations.save(held, talk(*texts))


def kept(store: SnapshotStore, token: str) -> list[str] | None:
    """Return what the next session of a conversation finds, in a further process."""
    return texts_of(Worker(store).begin(token).taken)


# One process after another


def test_an_older_session_leaves_a_newer_one_its_words() -> None:
    """Who has lost a conversation to another process learns so, and writes nothing."""
    store = MemoryStore()
    first, second = Worker(store), Worker(store)
    old = first.begin()
    first.says(old, "one")
    new = second.begin(old.token)
    second.says(new, "one", "two")

    with pytest.raises(SessionEnd, match="goes on in another window") as lost:
        first.says(old, "one", "stale")

    assert 4409 == lost.value.code
    assert ["one"] == texts_of(new.taken)
    assert ["one", "two"] == kept(store, old.token)


def test_a_conversation_is_lost_as_soon_as_it_is_resumed() -> None:
    """The newer session need not have said anything yet."""
    store = MemoryStore()
    first, second = Worker(store), Worker(store)
    old = first.begin()
    first.says(old, "one")
    second.begin(old.token)

    with pytest.raises(SessionEnd):
        first.says(old, "one", "stale")


def test_what_was_ended_stays_so() -> None:
    """A session that had a conversation before does not bring it back."""
    store = MemoryStore()
    first, second = Worker(store), Worker(store)
    old = first.begin()
    first.says(old, "a secret")
    new = second.begin(old.token)
    second.conversations.forget(new)

    with pytest.raises(SessionEnd):
        first.says(old, "a secret", "and more")

    assert kept(store, old.token) is None
    assert b"secret" not in store.get(new.key)


def test_an_older_session_does_not_end_the_newer_ones() -> None:
    """To end a conversation that goes on elsewhere takes nothing from there."""
    store = MemoryStore()
    first, second = Worker(store), Worker(store)
    old = first.begin()
    first.says(old, "one")
    second.begin(old.token)

    first.conversations.forget(old)

    assert ["one"] == kept(store, old.token)


def test_what_nobody_else_had_leaves_nothing() -> None:
    """Of a conversation that was never resumed there is no trace after its end."""
    store = MemoryStore()
    worker = Worker(store)
    held = worker.begin()
    worker.says(held, "one")

    worker.conversations.forget(held)

    assert store.get(held.key) is None


def test_of_two_that_resume_at_once_one_goes_on() -> None:
    """When both have read before either wrote, the one who wrote last has it."""

    class Slow(MemoryStore):
        """A store in which somebody else is faster, once."""

        meanwhile: Callable[[], object] | None = None

        def put(self, key: str, value: bytes, expires: float) -> None:
            if self.meanwhile is not None:
                then, self.meanwhile = self.meanwhile, None
                then()
            super().put(key, value, expires)

    store = Slow()
    first, second = Worker(store), Worker(store)
    held = Worker(store).begin()
    Worker(store).says(held, "one")
    faster: list[Held] = []
    store.meanwhile = lambda: faster.append(first.begin(held.token))
    slower = second.begin(held.token)

    with pytest.raises(SessionEnd):
        first.says(faster[0], "one", "lost")
    second.says(slower, "one", "kept")

    assert ["one", "kept"] == kept(store, held.token)


def test_a_late_write_of_an_older_session_is_mended() -> None:
    """What an older session writes after it looked stands until the newer one saves."""
    store = MemoryStore()
    first, second = Worker(store), Worker(store)
    old = first.begin()
    first.says(old, "one")
    late = store.get(old.key)
    new = second.begin(old.token)
    assert late is not None
    store.put(old.key, late, 60.0)

    second.says(new, "one", "two")

    assert ["one", "two"] == kept(store, old.token)


def test_a_store_with_other_things_in_it_is_no_harm() -> None:
    """What the bridge has not written is not resumed."""
    store = MemoryStore()
    held = Worker(store).begin()
    store.put(held.key, b"something else", 60.0)

    assert kept(store, held.token) is None


def test_of_many_windows_one_goes_on() -> None:
    """Of those that resume a conversation at the same moment, all but one are ended."""
    conversations = Conversations(MemoryStore(), 60.0)
    first = Window()
    held = conversations.begin(first, "ada", None)
    conversations.save(held, talk("one"))
    windows = [Window() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(window.resume, conversations, held.token) for window in windows
        ]
        assert first.was_ended.wait(WAIT)
        conversations.leave(first, held)
        assert all(window.has_begun.wait(WAIT) for window in windows)
        (last,) = (window for window in windows if not window.was_ended.is_set())
        last.end(None, "")
        for each in running:
            each.result(WAIT)


# What saving costs


def test_saving_takes_a_small_share_of_the_time() -> None:
    """After a save that took long, the next one waits for twenty times as long."""
    now = [100.0]

    class Slow(MemoryStore):
        def put(self, key: str, value: bytes, expires: float) -> None:
            super().put(key, value, expires)
            now[0] += 0.5

    conversations = Conversations(Slow(), 60.0, clock=lambda: now[0])
    held = conversations.begin(Window(), "ada", None)
    due = [conversations.is_due(held)]
    conversations.save(held, talk("one"))
    for passed in (0.0, 9.9, 0.2):
        now[0] += passed
        due.append(conversations.is_due(held))

    assert [True, False, False, True] == due


def test_the_oldest_items_of_a_long_conversation_are_let_go() -> None:
    """What is kept has a size, so that one conversation does not push out others."""
    store = MemoryStore()
    conversations = Conversations(store, 60.0, max_bytes=2_000)
    held = conversations.begin(Window(), "ada", None)

    conversations.save(held, talk(*(f"word {index} " * 20 for index in range(100))))

    value = store.get(held.key)
    found = kept(store, held.token)
    assert value is not None
    assert found is not None
    assert len(value) < 2_200
    assert [f"word {index} " * 20 for index in range(100 - len(found), 100)] == found


def test_an_item_that_is_too_large_leaves_the_others() -> None:
    """One long output of a function does not cost all that was said before it."""
    store = MemoryStore()
    conversations = Conversations(store, 60.0, max_bytes=2_000)
    held = conversations.begin(Window(), "ada", None)

    conversations.save(held, talk("one", "x" * 2_000, "two"))

    assert ["one", "two"] == kept(store, held.token)


# Bridges


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings) as emulator:
        yield emulator


Serve = Callable[..., Served]


@pytest.fixture(name="serve")
def _serve(emulator: RealtimeEmulator) -> Iterator[Serve]:
    """A function that serves an application: each one stands for a process."""
    opened: list[Served] = []

    def serve(**options: Any) -> Served:
        app = Flask(__name__)
        client = RealtimeClient(emulator.endpoint, "key", model="m", reconnect=None)
        bridge = Realtime(app, client, public=True, **options)
        app.extensions["bridges"] = [bridge]
        opened.append(Served(app).__enter__())
        return opened[-1]

    yield serve
    for served in opened:
        served.__exit__(None, None, None)


def bridge(served: Served) -> Realtime:
    return served.app.extensions["bridges"][0]


def write(browser: Any, text: str) -> None:
    browser.send(type="text", text=text)
    browser.expect("response_done")


def said(browser: Any) -> list[str]:
    """Return what the user had said before."""
    items = browser.greeting["items"]
    return [item["text"] for item in items if item["role"] == "user"]


class Counting(MemoryStore):
    """A store that lets one wait until something was put."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[bytes] = []
        self._changed = threading.Condition()

    def put(self, key: str, value: bytes, expires: float) -> None:
        super().put(key, value, expires)
        with self._changed:
            self.puts.append(value)
            self._changed.notify_all()

    def wait_for(self, words: bytes) -> None:
        """Wait until the last that was put has these words."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: bool(self.puts) and words in self.puts[-1], WAIT
            )


def test_a_dead_line_does_not_overwrite_what_was_said_elsewhere(serve: Serve) -> None:
    """A worker that notices late that a browser has left keeps what others saved."""
    store = Counting()
    first, second, third = (serve(store=store) for _ in range(3))
    with first.open() as browser:
        write(browser, "Turn one")
        store.wait_for(b"Turn one")
        start = {"resume": browser.greeting["conversation"]}
        with second.open(start=start) as again:
            write(again, "Turn two")
            store.wait_for(b"Turn two")
            bridge(first).close()
            with third.open(start=start) as later:
                assert ["Turn one", "Turn two"] == said(later)


def test_a_window_learns_that_another_process_has_its_conversation(
    serve: Serve,
) -> None:
    """What is said in it is kept no more, so it ends, and says where it goes on."""
    store = Counting()
    first, second = serve(store=store), serve(store=store)
    with first.open() as browser:
        write(browser, "Turn one")
        store.wait_for(b"Turn one")
        start = {"resume": browser.greeting["conversation"]}
        with second.open(start=start):
            browser.send(type="text", text="Said too late")

            assert 4409 == browser.wait_closed()[0]
    with second.open(start=start) as again:
        assert ["Turn one"] == said(again)


def test_an_end_elsewhere_is_the_end(serve: Serve) -> None:
    """What the user has ended does not come back with an older socket."""
    store = Counting()
    first, second = serve(store=store), serve(store=store)
    with first.open() as browser:
        write(browser, "My secret")
        store.wait_for(b"My secret")
        start = {"resume": browser.greeting["conversation"]}
        with second.open(start=start) as again:
            again.send(type="end")
            assert 1000 == again.wait_closed()[0]
        browser.send(type="text", text="One more word")
        browser.wait_closed()
    with second.open(start=start) as later:
        assert not later.greeting["resumed"]


def test_a_turn_is_saved_once(serve: Serve) -> None:
    """A turn is put into the store when it is complete, and not again at the end."""
    store = Counting()
    served = serve(store=store)
    with served.open() as browser:
        write(browser, "Hello")
        store.wait_for(b"Hello")
        bridge(served).close()

    assert 1 == len(store.puts)


def test_raw_mode_keeps_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can resume a conversation of raw mode, so none is put anywhere."""
    puts: list[str] = []
    monkeypatch.setattr(MemoryStore, "put", lambda self, key, *rest: puts.append(key))
    served = serve(mode="raw")
    with served.open(start=False) as browser:
        browser.expect("session.created")
        part = {"type": "input_text", "text": "My secret"}
        item = {"type": "message", "role": "user", "content": [part]}
        browser.send(type="conversation.item.create", item=item)
        browser.send(type="response.create")
        browser.expect("response.done")
        bridge(served).close()

    assert [] == puts


@pytest.mark.parametrize("limits", [{"sessions_per_user": 1}, {"sessions": 1}])
def test_a_browser_that_comes_back_replaces_its_own_session(
    serve: Serve, limits: dict[str, int]
) -> None:
    """A line that is dead, and not known to be, does not keep its browser out."""
    served = serve(limits=Limits(**limits))
    with served.open() as browser:
        write(browser, "Turn one")
        start = {"resume": browser.greeting["conversation"]}
        with served.open(start=start) as again:
            assert again.greeting["resumed"]
            assert ["Turn one"] == said(again)
            assert 4409 == browser.wait_closed()[0]


def test_a_browser_that_replaces_nothing_is_one_too_many(serve: Serve) -> None:
    """A token that nobody holds here opens no session beyond the limits."""
    served = serve(limits=Limits(sessions_per_user=1))
    with served.open(), served.open(start=False) as other:
        other.send(type="start", resume="made up")

        assert 4429 == other.wait_closed()[0]

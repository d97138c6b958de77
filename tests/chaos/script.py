"""
What the threads of a program do with a connection, drawn from a seed.

Each caller runs its steps in order on a thread of its own, and notes in a `Ledger` what
came of them.
"""

from __future__ import annotations

import collections
import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

import attrs

from realtime_sync import (
    ConnectionClosed,
    ConnectionLost,
    InputAudioBufferCommitted,
    RealtimeConnection,
    ResponseDone,
    ServerEvent,
)
from realtime_sync.emulator import Reply, Turn, call


__all__ = ["Caller", "Ledger", "Writer", "answer", "callers", "one_caller"]

_LEEWAY = 5.0  # seconds beyond its timeout that a step on a busy machine may take


def answer(turn: Turn) -> Reply:
    """Answer for the model: as the metadata of the response wishes."""
    wish = (turn.metadata or {}).get("wish", "")
    if wish.startswith("call"):
        return Reply(function_calls=[call("note", wish=wish)])
    return Reply(said(wish) if wish else "noted")


def said(wish: str) -> str:
    """What the model says to a wish; some answers are long."""
    words = 1 + 40 * (hash_of(wish) % 3)
    return f"{wish}:" + " word" * words


def hash_of(text: str) -> int:
    """Return a number for a text, the same in each process."""
    return sum(text.encode())


@attrs.define
class Ledger:
    """
    What callers did, as they know it. Lists grow by whole entries, on any thread.

    Attributes:
        created: Items that were created, by thread: ids in order.
        texts: What they say, by id.
        deleted: Ids of items that were deleted.
        turns: The audio of each committed turn, by the id of its item.
        settings: The numbers that the session's instructions were set to.
        answered: The text of complete responses, by wish.
        lost_responses: Ids of responses whose streams ended with `ConnectionLost`.
        noted: Wishes for which the function ran.
        outputs: Ids of calls whose output was sent.
        begun: Wishes by how often a response to them was seen to begin.
        errors: What should not have been raised, in words.
        slow: Steps that took too long, in words.
    """

    created: dict[str, list[str]] = attrs.field(factory=dict)
    texts: dict[str, str] = attrs.field(factory=dict)
    deleted: list[str] = attrs.field(factory=list)
    turns: dict[str, bytes] = attrs.field(factory=dict)
    settings: list[int] = attrs.field(factory=list)
    answered: dict[str, str] = attrs.field(factory=dict)
    lost_responses: list[str] = attrs.field(factory=list)
    noted: list[str] = attrs.field(factory=list)
    outputs: list[str] = attrs.field(factory=list)
    begun: collections.Counter[str] = attrs.field(factory=collections.Counter)
    errors: list[str] = attrs.field(factory=list)
    slow: list[str] = attrs.field(factory=list)


Step = Callable[[], object]


@attrs.define
class Caller:
    """
    One thread of the program.

    Attributes:
        name: Tells the callers of a connection apart.
        ledger: Where it notes what came of it.
        patience: Seconds that each call of a step is given.
        steps: What it does, and how that is called.
        pauses: Seconds before each step.
        permitted: What steps may raise.
    """

    name: str
    ledger: Ledger
    patience: float
    steps: list[tuple[str, Step]] = attrs.field(factory=list)
    pauses: Sequence[float] = ()
    permitted: tuple[type[Exception], ...] = (ConnectionLost,)

    def run(self) -> None:
        """Take every step, also after one that failed."""
        pause = threading.Event()
        for number, (words, step) in enumerate(self.steps):
            if self.pauses:
                pause.wait(self.pauses[number % len(self.pauses)])
            began = monotonic()
            try:
                step()
            except self.permitted:
                pass
            except ConnectionClosed as exc:
                self.ledger.errors.append(f"{self.name}: {words}: {exc!r}")
                return
            except Exception as exc:
                self.ledger.errors.append(f"{self.name}: {words}: {exc!r}")
            if monotonic() - began > 2 * self.patience + _LEEWAY:
                self.ledger.slow.append(f"{self.name}: {words}")


class Writer:
    """Draws the steps of callers; the connection is used when they are run."""

    def __init__(
        self,
        chance: random.Random,
        connection: RealtimeConnection,
        ledger: Ledger,
        patience: float,
    ) -> None:
        self._chance = chance
        self._connection = connection
        self._ledger = ledger
        self._patience = patience

    def caller(self, name: str, steps: Iterator[tuple[str, Step]]) -> Caller:
        pauses = [self._chance.choice((0.0, 0.0, 0.001, 0.004)) for _ in range(5)]
        return Caller(name, self._ledger, self._patience, list(steps), pauses)

    # Items

    def items(self, name: str) -> Iterator[tuple[str, Step]]:
        """Create items, waiting for the answer or not, and delete some of them."""
        chance = self._chance
        self._ledger.created[name] = []
        mine: list[str] = []
        for number in range(chance.randint(3, 10)):
            item_id = f"{name}_{number}"
            text = f"{item_id} " + "x" * chance.choice((0, 10, 3_000))
            waits = chance.random() < 0.5
            yield f"create {item_id}", self.create(name, item_id, text, waits=waits)
            mine.append(item_id)
            if chance.random() < 0.2:
                gone = mine.pop(chance.randrange(len(mine)))
                yield f"delete {gone}", self.delete(gone)
            if mine and chance.random() < 0.2:
                known = chance.choice(mine)
                yield f"retrieve {known}", self.retrieve(known)

    def create(self, name: str, item_id: str, text: str, *, waits: bool) -> Step:
        def create() -> None:
            self._ledger.created[name].append(item_id)
            self._ledger.texts[item_id] = text
            item = message(item_id, text)
            if waits:
                self._connection.create_item(item, timeout=self._patience)
            else:
                event = {"type": "conversation.item.create", "item": item}
                self._connection.send(event, timeout=self._patience)

        return create

    def delete(self, item_id: str) -> Step:
        def delete() -> None:
            self._ledger.deleted.append(item_id)
            self._connection.delete_item(item_id, timeout=self._patience)

        return delete

    def retrieve(self, item_id: str) -> Step:
        def retrieve() -> None:
            item: Any = self._connection.retrieve_item(item_id, timeout=self._patience)
            if item.content[0].text != self._ledger.texts[item_id]:
                raise AssertionError(f"retrieved {item!r}")

        return retrieve

    # Audio

    def audio(self) -> Iterator[tuple[str, Step]]:
        """Speak turns of random pieces; throw a few of them away."""
        chance = self._chance
        for turn in range(chance.randint(1, 4)):
            pieces = [
                chance.randbytes(chance.choice((2, 4_801, 9_600, 20_001, 100_000)))
                for _ in range(chance.randint(1, 4))
            ]
            pieces.append(bytes(4_800 + sum(map(len, pieces)) % 2))
            for number, piece in enumerate(pieces):
                yield f"append {turn}.{number}", self.append(piece)
            if chance.random() < 0.2:
                yield f"clear {turn}", self._clear
            else:
                yield f"commit {turn}", self.commit(b"".join(pieces))

    def append(self, piece: bytes) -> Step:
        return lambda: self._connection.append_input_audio(
            piece, timeout=self._patience
        )

    def _clear(self) -> None:
        self._connection.clear_input_audio(timeout=self._patience)

    def commit(self, audio: bytes) -> Step:
        def commit() -> None:
            made = self._connection.commit_input_audio(timeout=self._patience)
            self._ledger.turns[made.item_id] = audio

        return commit

    # The session

    def settings(self) -> Iterator[tuple[str, Step]]:
        """Change the session again and again."""
        for number in range(1, self._chance.randint(2, 8)):
            yield f"update {number}", self.update(number)

    def update(self, number: int) -> Step:
        def update() -> None:
            self._ledger.settings.append(number)
            session: Any = self._connection.update_session(
                {"instructions": str(number)}, timeout=self._patience
            )
            if session.instructions != str(number):
                raise AssertionError(f"{session.instructions} is in effect")

        return update

    # Responses

    def responses(self, name: str) -> Iterator[tuple[str, Step]]:
        """Ask for responses; cancel some of them, and let some call a function."""
        for number in range(self._chance.randint(1, 5)):
            kind = self._chance.choice(("say", "say", "call", "cancel", "aside"))
            wish = f"{kind} {name}{number}"
            yield wish, self.ask(wish)

    def ask(self, wish: str) -> Step:
        def ask() -> None:
            params: dict[str, Any] = {"metadata": {"wish": wish}}
            if wish.startswith("aside"):
                params["conversation"] = "none"
            stream = self._connection.create_response(
                params, when_busy="wait", timeout=self._patience
            )
            if wish.startswith("cancel"):
                stream.cancel()
            self._settle(wish, stream)

        return ask

    def _settle(self, wish: str, stream: Any) -> None:
        try:
            result = stream.result(self._patience)
        except ConnectionLost:
            self._ledger.lost_responses.append(stream.id)
            raise
        if wish.startswith("cancel"):
            return
        if wish.startswith("call"):
            self._follow(result)
        else:
            self._ledger.answered[wish] = result.text

    def _follow(self, result: Any) -> None:
        functions = self._connection.functions
        assert functions is not None
        self._ledger.outputs += [each.call_id for each in result.function_calls]
        stream = functions.follow_up(result.id, self._patience)
        assert stream is not None
        try:
            stream.result(self._patience)
        except ConnectionLost:
            self._ledger.lost_responses.append(stream.id or "")
            raise

    # Who only waits

    def waiter(self) -> Iterator[tuple[str, Step]]:
        """Wait for events that may never come."""
        for number in range(3):
            yield f"wait {number}", self._wait

    def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._connection.wait_for(ResponseDone, timeout=0.05)


def message(item_id: str, text: str) -> dict[str, Any]:
    """A user's message in wire form."""
    content = [{"type": "input_text", "text": text}]
    return {"id": item_id, "type": "message", "role": "user", "content": content}


def one_caller(
    chance: random.Random,
    connection: RealtimeConnection,
    ledger: Ledger,
    patience: float,
) -> list[Caller]:
    """Return a program of one thread that does a bit of everything."""
    writer = Writer(chance, connection, ledger, patience)
    _register_callbacks(chance, connection, ledger, patience)
    ledger.created["only"] = []
    first, second, third = (bytes([number]) * 9_600 for number in (1, 2, 3))
    steps = [
        writer.create("only", "only_1", "one", waits=True),
        writer.create("only", "only_2", "two", waits=False),
        writer.create("only", "only_3", "three", waits=True),
        writer.append(first),
        writer.append(second),
        writer.commit(first + second),
        writer.ask("say one"),
        writer.update(1),
        writer.retrieve("only_1"),
        writer.delete("only_2"),
        writer.append(third),
        writer.commit(third),
        writer.ask("call two"),
        writer.ask("aside three"),
        writer.update(2),
        writer.create("only", "only_4", "four", waits=False),
    ]
    numbered = [(f"step {number}", step) for number, step in enumerate(steps)]
    return [Caller("only", ledger, patience, numbered)]


def callers(
    chance: random.Random,
    connection: RealtimeConnection,
    ledger: Ledger,
    patience: float,
) -> list[Caller]:
    """Draw a program: several threads that use a connection as they like."""
    writer = Writer(chance, connection, ledger, patience)
    _register_callbacks(chance, connection, ledger, patience)
    found = [
        writer.caller(name, writer.items(name))
        for name in ("first", "second", "third")[: chance.randint(1, 3)]
    ]
    found.append(writer.caller("speaker", writer.audio()))
    found.append(writer.caller("setter", writer.settings()))
    found += [
        writer.caller(name, writer.responses(name))
        for name in ("asker", "other")[: chance.randint(1, 2)]
    ]
    found.append(writer.caller("waiter", writer.waiter()))
    return found


def _register_callbacks(
    chance: random.Random,
    connection: RealtimeConnection,
    ledger: Ledger,
    patience: float,
) -> None:
    def note(wish: str) -> str:
        """
        Note a wish.

        Args:
            wish: The wish.
        """
        ledger.noted.append(wish)
        return f"noted {wish}"

    connection.use_functions([note])
    if chance.random() < 0.5:
        connection.on(
            InputAudioBufferCommitted, _Answering(connection, ledger, patience)
        )
    connection.on("response.created", _count_in(ledger))


class _Answering:
    """A callback that waits for the server."""

    def __init__(
        self, connection: RealtimeConnection, ledger: Ledger, patience: float
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._patience = patience
        self._ledger.created["callback"] = []

    def __call__(self, event: ServerEvent) -> None:
        number = len(self._ledger.created["callback"])
        item_id = f"callback_{number}"
        self._ledger.created["callback"].append(item_id)
        self._ledger.texts[item_id] = "from a callback"
        try:
            item = message(item_id, "from a callback")
            self._connection.create_item(item, timeout=self._patience)
        except Exception as exc:
            self._ledger.errors.append(f"callback: {exc!r}")


def _count_in(ledger: Ledger) -> Callable[[Any], None]:
    def count(event: Any) -> None:
        wish = (event.response.metadata or {}).get("wish")
        if wish:
            ledger.begun[wish] += 1

    return count

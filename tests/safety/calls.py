"""
Every public call of what a session gives you, with arguments that it may be made with.

Methods are found by inspection; one that is missing in `ARGUMENTS` fails a test, so
that what is tried here is never less than what there is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

import realtime_sync
from realtime_sync import (
    Conversation,
    Playback,
    RealtimeConnection,
    RealtimeError,
    ResponseStream,
    ServerEvent,
    TranscriptionConnection,
    TranslationConnection,
)
from realtime_sync._connection.base import BaseConnection
from realtime_sync.protocol import InputAudioBufferSpeechStarted


__all__ = ["ALL", "ARGUMENTS", "Call", "World", "calls_of", "documented", "public"]

WAIT = 0.3  # seconds that a call may wait
AUDIO = bytes(4800)  # 100 ms
SPECIAL = ("__enter__", "__exit__", "__iter__", "__len__", "__bool__", "__repr__")


@attrs.frozen
class World:
    """
    What calls are made on.

    Attributes:
        connection: A connection of any kind.
        response: A response of it, where there are some.
        item_id: An item of its conversation.
    """

    connection: Any
    response: ResponseStream | None = None
    item_id: str = "item_1"

    def subject(self, cls: type) -> Any:
        """Return the object of a class."""
        if issubclass(cls, BaseConnection):
            return self.connection
        if cls is ResponseStream:
            return self.response
        return (
            self.connection.conversation
            if cls is Conversation
            else self.connection.playback
        )


class Silence:
    """A player that plays nothing, at once."""

    def write(self, data: bytes) -> None:
        """Take audio."""

    def flush(self) -> float:
        """Drop what was taken; return how much was played."""
        return 0.0

    @property
    def played_ms(self) -> float:
        """How much was played."""
        return 0.0


def tool(city: str) -> str:
    """
    Tell the weather.

    Args:
        city: Where.
    """
    return "fine"


def some(events: Iterator[Any]) -> list[Any]:
    """Take a few things of an iterator."""
    return list(islice(events, 3))


def message() -> dict[str, Any]:
    """Return an item."""
    content = [{"type": "input_text", "text": "Hello."}]
    return {"type": "message", "role": "user", "content": content}


def _restore(connection: Any, world: World) -> object:
    items = [{"item": {"id": "again", **message()}}]
    return connection.restore({"version": 1, "items": items}, timeout=WAIT)


Maker = Callable[[Any, World], object]
_EVERY: Mapping[str, Maker] = {
    "__enter__": lambda c, w: c.__enter__(),
    "__exit__": lambda c, w: c.__exit__(None, None, None),
    "__repr__": lambda c, w: repr(c),
    "append_audio": lambda c, w: c.append_audio(
        [AUDIO], source_rate=24_000, timeout=WAIT
    ),
    "append_input_audio": lambda c, w: c.append_input_audio(AUDIO, timeout=WAIT),
    "close": lambda c, w: c.close(),
    "events": lambda c, w: some(c.events(timeout=0.05)),
    "flush": lambda c, w: c.flush(WAIT),
    "off": lambda c, w: c.off(ServerEvent),
    "on": lambda c, w: c.on(ServerEvent, lambda event: None),
    "on_error": lambda c, w: c.on_error(lambda error: None),
    "once": lambda c, w: c.once(ServerEvent, lambda event: None),
    "recv": lambda c, w: c.recv(0.05),
    "send": lambda c, w: c.send({"type": "response.cancel"}, timeout=WAIT),
    "update_session": lambda c, w: c.update_session({}, timeout=WAIT),
    "wait_closed": lambda c, w: c.wait_closed(0.05),
    "wait_for": lambda c, w: c.wait_for(ServerEvent, timeout=0.05),
}
_BUFFERED: Mapping[str, Maker] = {
    "clear_input_audio": lambda c, w: c.clear_input_audio(timeout=WAIT),
    "commit_input_audio": lambda c, w: c.commit_input_audio(timeout=WAIT),
}
_TALKING: Mapping[str, Maker] = {
    "ask": lambda c, w: c.ask("Hello?", timeout=WAIT),
    "cancel_response": lambda c, w: c.cancel_response(),
    "clear_output_audio": lambda c, w: c.clear_output_audio(),
    "create_item": lambda c, w: c.create_item(message(), timeout=WAIT),
    "create_response": lambda c, w: c.create_response(when_busy="wait", timeout=WAIT),
    "delete_item": lambda c, w: c.delete_item(w.item_id, timeout=WAIT),
    "function": lambda c, w: c.function(tool),
    "interrupt": lambda c, w: c.interrupt(),
    "play": lambda c, w: c.play(Silence()),
    "responses": lambda c, w: c.responses(0.05),
    "restore": _restore,
    "retrieve_item": lambda c, w: c.retrieve_item(w.item_id, timeout=WAIT),
    "truncate_item": lambda c, w: c.truncate_item(
        w.item_id, audio_end_ms=0, timeout=WAIT
    ),
    "use_functions": lambda c, w: c.use_functions([tool]),
    "use_player": lambda c, w: c.use_player(Silence()),
    "wait_for_capacity": lambda c, w: c.wait_for_capacity(timeout=WAIT),
}
_STREAM: Mapping[str, Maker] = {
    "__enter__": lambda r, w: r.__enter__(),
    "__exit__": lambda r, w: r.__exit__(None, None, None),
    "__repr__": lambda r, w: repr(r),
    "audio": lambda r, w: some(r.audio(WAIT)),
    "cancel": lambda r, w: r.cancel(),
    "done": lambda r, w: r.done(),
    "events": lambda r, w: some(r.events(WAIT)),
    "items": lambda r, w: some(r.items(WAIT)),
    "result": lambda r, w: r.result(WAIT),
    "text": lambda r, w: some(r.text(WAIT)),
    "transcript": lambda r, w: some(r.transcript(WAIT)),
    "wait": lambda r, w: r.wait(WAIT),
    "wait_created": lambda r, w: r.wait_created(WAIT),
}
_ITEMS: Mapping[str, Maker] = {
    "__bool__": lambda c, w: bool(c),
    "__iter__": lambda c, w: list(c),
    "__len__": lambda c, w: len(c),
    "__repr__": lambda c, w: repr(c),
    "attach_audio": lambda c, w: c.attach_audio(w.item_id, AUDIO),
    "get": lambda c, w: c.get(w.item_id),
    "snapshot": lambda c, w: c.snapshot(),
    "to_json": lambda c, w: c.to_json(),
    "to_markdown": lambda c, w: c.to_markdown(),
    "transcript": lambda c, w: c.transcript(w.item_id, 0.05),
}
_ACCOUNT: Mapping[str, Maker] = {
    "audio": lambda p, w: some(p.audio(timeout=0.05)),
    "interrupt": lambda p, w: p.interrupt(),
    "played": lambda p, w: p.played(10),
    "played_bytes": lambda p, w: p.played_bytes(480),
    "speech_started": lambda p, w: p.speech_started(
        InputAudioBufferSpeechStarted(event_id="e", audio_start_ms=0, item_id="i")
    ),
}

ARGUMENTS: Mapping[type, Mapping[str, Maker]] = {
    RealtimeConnection: {**_EVERY, **_BUFFERED, **_TALKING},
    TranscriptionConnection: {**_EVERY, **_BUFFERED},
    TranslationConnection: {
        **_EVERY,
        "close_session": lambda c, w: c.close_session(),
    },
    ResponseStream: _STREAM,
    Conversation: _ITEMS,
    Playback: _ACCOUNT,
}
"""How each method of each class is called, with the object and the world."""


def public(cls: type) -> Iterator[tuple[str, bool]]:
    """Yield the public names of a class, and whether each is a method."""
    for name, member in inspect.getmembers(cls):
        wanted = not name.startswith("_") or (
            name in SPECIAL and member is not getattr(object, name, None)
        )
        if wanted:
            yield name, callable(member)


@attrs.frozen
class Call:
    """A public call: a method with arguments, or a property."""

    cls: type
    name: str

    def __str__(self) -> str:
        return f"{self.cls.__name__}.{self.name}"

    def __call__(self, world: World) -> object:
        """Make the call."""
        subject = world.subject(self.cls)
        maker = ARGUMENTS[self.cls].get(self.name)
        return getattr(subject, self.name) if maker is None else maker(subject, world)

    def allowed(self, exc: BaseException) -> bool:
        """Tell whether the call may end with *exc*, as the documentation has it."""
        always = (RealtimeError, TimeoutError, RuntimeError)
        return isinstance(exc, (*always, *documented(self.cls, self.name)))


def calls_of(*classes: type) -> list[Call]:
    """Return every public call of some classes."""
    return [Call(cls, name) for cls in classes for name, _ in public(cls)]


ALL = calls_of(RealtimeConnection, ResponseStream, Conversation, Playback)
"""Every public call of a session that holds a conversation."""


def documented(cls: type, name: str) -> tuple[type[BaseException], ...]:
    """Return the exceptions that the docstring of a method names."""
    text = inspect.getdoc(getattr(cls, name)) or ""
    _, _, raises = text.partition("Raises:")
    found = re.findall(r"\b[A-Z]\w+(?:Error|Closed|Lost|Full|Expired)\b", raises)
    kinds = [_named(each) for each in found]
    return tuple(kind for kind in kinds if kind is not None)


def _named(name: str) -> type[BaseException] | None:
    import builtins

    kind = getattr(builtins, name, None) or getattr(realtime_sync, name, None)
    return kind if isinstance(kind, type) else None

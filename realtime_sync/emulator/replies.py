"""
What the emulated model answers.

A *replier* is a function from a `Turn` to a `Reply`: the emulator calls it for every
response, on a thread of its own, and it may take as long as a model would::

    def answer(turn: Turn) -> Reply:
        if turn.tools and turn.last_output is None:
            return Reply(function_calls=[call("get_weather", city="Oslo")])
        return Reply(f"You said: {turn.heard}")

    RealtimeEmulator(replies=answer)

A function that is a generator answers as a model does that writes word by word: the
texts that it yields are sent as they come, in speech sentence by sentence::

    def answer(turn: Turn) -> Iterator[str]:
        yield from my_model.stream(turn.messages())

A list of replies does too: they are given in order, whichever session asks, and the
built-in manners answer after the last one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from .._checks import TEXT, Kind, ListOf, Range
from ..protocol import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    Item,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    Message,
    Tool,
    ToolChoice,
)
from ._conversation import Entry


__all__ = ["Failure", "Replier", "Reply", "Turn", "call", "call_mcp", "make_replier"]

_MAYBE_TEXT = Kind(str, "a str", or_none=True)
_PCM = Kind((bytes, bytearray, memoryview), "PCM as bytes", or_none=True)
_CALLS = ListOf(FunctionCall, "what call() makes")
_MCP_CALLS = ListOf(McpCall, "what call_mcp() makes")


@frozen(kw_only=True)
class Failure:
    """
    How a response fails.

    Attributes:
        message: What went wrong, for people.
        code: What went wrong, for programs.
        type: The class of the error.
    """

    message: str = field(
        default="The server had an error while processing your request.",
        validator=TEXT,
    )
    code: str | None = field(default=None, validator=_MAYBE_TEXT)
    type: str = field(default="server_error", validator=TEXT)


_FAILURE = Kind(Failure, "a Failure", or_none=True)


def _check_audio(instance: object, attribute: Any, value: bytes | None) -> None:
    _PCM.check(attribute.name, value)
    if value is not None and len(value) % 2:
        raise ValueError("audio has half a sample at its end: give 16-bit PCM")


@frozen
class Reply:
    """
    What the model answers.

    Attributes:
        text: What it writes, or says: the emulator's voice speaks it where the client
            asks for audio.
        audio: What it says, as 16-bit mono PCM at 24 kHz; *text* is the transcript.
        function_calls: The functions that it calls after that, see `call`.
        mcp_calls: The tools of MCP servers that it calls then, see `call_mcp`.
        failure: Fails the response, after what comes before it.
        incomplete: Ends the response early, after what comes before it, for a reason
            such as ``"content_filter"``.
        delay: Seconds before it begins, over those of the settings.
    """

    text: str | None = field(default=None, validator=_MAYBE_TEXT)
    audio: bytes | None = field(
        default=None, kw_only=True, repr=False, validator=_check_audio
    )
    function_calls: Sequence[FunctionCall] = field(
        default=(), kw_only=True, validator=_CALLS
    )
    mcp_calls: Sequence[McpCall] = field(default=(), kw_only=True, validator=_MCP_CALLS)
    failure: Failure | None = field(default=None, kw_only=True, validator=_FAILURE)
    incomplete: str | None = field(default=None, kw_only=True, validator=_MAYBE_TEXT)
    delay: float = field(default=0.0, kw_only=True, validator=Range(0))


def call(name: str, /, **arguments: Any) -> FunctionCall:
    """Return a call of the function *name*, for `Reply.function_calls`."""
    return FunctionCall(name=name, arguments=json.dumps(arguments))


def call_mcp(server: str, name: str, /, **arguments: Any) -> McpCall:
    """Return a call of a tool of the MCP server of a label, for `Reply.mcp_calls`."""
    return McpCall(server_label=server, name=name, arguments=json.dumps(arguments))


@frozen(kw_only=True)
class Turn:
    """
    What the model has before it when it is to answer.

    Attributes:
        session_id: Whose turn it is.
        response_id: The response that the reply is for.
        model: The model, or deployment, that the client asked for.
        instructions: Those of the response, else of the session.
        tools: Those of the response, else of the session.
        tool_choice: That of the response, else of the session.
        output_modalities: ``["audio"]`` or ``["text"]``.
        metadata: That of the response.
        items: The conversation so far, or the response's own input; without audio.
    """

    session_id: str
    response_id: str
    model: str
    instructions: str
    tools: Sequence[Tool]
    tool_choice: ToolChoice
    output_modalities: Sequence[str]
    metadata: Mapping[str, str] | None
    items: Sequence[Item]
    _entries: Sequence[Entry] = field(repr=False, alias="entries")

    @property
    def heard(self) -> str:
        """What the user said or wrote last; recognises speech where it has to."""
        for entry in reversed(self._entries):
            if isinstance(entry.item, Message) and entry.item.role == "user":
                return _text(entry)
        return ""

    @property
    def audio(self) -> bytes:
        """The user's last audio as 16-bit mono PCM at 24 kHz; empty without any."""
        for entry in reversed(self._entries):
            for heard in reversed(entry.heard.values()):
                return heard.pcm
        return b""

    @property
    def last_output(self) -> str | None:
        """The output of a function or an MCP tool, where that came last; else None."""
        for item in reversed(self.items):
            if isinstance(item, FunctionCallOutput):
                return item.output
            if isinstance(item, McpCall):
                return _output(item)
            if not isinstance(item, (McpApprovalRequest, McpApprovalResponse)):
                return None
        return None

    def messages(self) -> list[tuple[str, str]]:
        """
        Return the conversation as text, for a model that reads.

        Returns:
            Pairs of a role (``system``, ``user``, ``assistant`` or ``tool``) and what
            was said, the instructions first. Speech that was not recognised yet is.
        """
        pairs = [("system", self.instructions)] if self.instructions else []
        for entry in self._entries:
            if isinstance(entry.item, FunctionCallOutput):
                pairs.append(("tool", entry.item.output))
            elif isinstance(entry.item, McpCall):
                pairs.append(("tool", _output(entry.item) or ""))
            elif isinstance(entry.item, Message):
                pairs.append((entry.item.role, _text(entry)))
        return pairs


def _output(call: McpCall) -> str | None:
    """Return what a tool gave, or why it did not; None while that is not known."""
    return call.output or getattr(call.error, "message", None) or None


def _text(entry: Entry) -> str:
    words: list[str] = []
    for index, part in enumerate(entry.item.content):
        if isinstance(part, InputAudio) and index in entry.heard:
            words.append(part.transcript or entry.heard[index].text())
        else:
            text = getattr(part, "text", None) or getattr(part, "transcript", None)
            words.append(text or "")
    return " ".join(filter(None, words))


Replier = Callable[[Turn], Reply | str | Iterable[Reply | str]]
"""
Answers a turn; a plain string stands for a reply of that text.

Of several, the texts that follow each other are one message, and each `Reply` begins
an item of its own.
"""


class _Script:
    """Replies in order, then somebody else's. Thread-safe."""

    def __init__(self, replies: Iterable[Reply | str], then: Replier) -> None:
        listed = list(replies)
        ListOf((Reply, str), "texts and Reply objects").check("replies", listed)
        self._replies = iter(listed)
        self._then = then
        self._lock = threading.Lock()

    def __call__(self, turn: Turn) -> Reply | str | Iterable[Reply | str]:
        with self._lock:
            reply = next(self._replies, None)
        return self._then(turn) if reply is None else reply


def make_replier(replies: Replier | Iterable[Reply | str] | None) -> Replier:
    """
    Return a replier for what users may give as *replies*.

    Args:
        replies: A replier, a list of replies, or None for the built-in manners.

    Raises:
        TypeError: It is something else.
    """
    from ._manners import manners

    if replies is None:
        return manners
    if callable(replies):
        return replies
    is_other = isinstance(replies, (str, bytes, Mapping))
    if is_other or not isinstance(replies, Iterable):
        raise TypeError(
            "replies is a function of a Turn, or a list of replies, not "
            f"{type(replies).__name__}"
        )
    return _Script(replies, manners)

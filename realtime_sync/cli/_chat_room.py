"""What is done with each line of a chat: it is a question, or a command."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from .._asking.question import Question, user_message
from ..connection import RealtimeConnection
from ..errors import ConnectionClosed, RealtimeError
from ..protocol import ResponseCreateParams
from ..response_stream import ResponseStream
from ..usage import Prices
from ._live_text import LiveText
from ._options import Link
from ._outcome import outcome_of
from ._voice import follow_microphone, open_device


__all__ = ["ChatRoom"]

# Errors after which the chat goes on.
_TOLD = (RealtimeError, OSError, ValueError, TypeError, TimeoutError, ImportError)
_STOPPING = 5.0  # seconds to wait for the end of an answer that was cancelled


@attrs.frozen
class _Command:
    usage: str
    help: str
    run: Callable[[str], None]


class ChatRoom:
    """
    A chat on a connection. For one thread.

    Args:
        connection: The connection; its session finds no turns by itself.
        link: Where it prints, and what the profile prefers.
        devices: Closes what is opened for speech; after the connection.
        timeout: Seconds to wait for each piece of an answer.
    """

    def __init__(
        self,
        connection: RealtimeConnection,
        link: Link,
        devices: contextlib.ExitStack,
        *,
        timeout: float,
    ) -> None:
        self._devices = devices
        self._connection = connection
        self._output = link.output
        self._prices = link.preference(None, "prices")
        self._timeout = timeout
        self._spoken = False
        self._speaker: Any = None
        self._commands = {
            "/help": _Command("/help", "list the commands", self._help),
            "/voice": _Command(
                "/voice [on|off|NAME]",
                "let answers be spoken, by the voice NAME (extra devices)",
                self._voice,
            ),
            "/talk": _Command(
                "/talk", "talk with the microphone, until Ctrl-C", self._talk
            ),
            "/ask": _Command("/ask FILE", "ask with a recording", self._ask),
            "/history": _Command("/history", "show the conversation", self._history),
            "/save": _Command(
                "/save FILE",
                "write it to FILE: .json for --restore, .md, or text",
                self._save,
            ),
            "/cost": _Command("/cost", "show the tokens that it took", self._cost),
            "/clear": _Command("/clear", "forget the conversation", self._clear),
            "/quit": _Command("/quit", "end the chat", lambda _: None),
        }

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the commands."""
        return tuple(self._commands)

    def enter(self, line: str) -> bool:
        """
        Do what a line asks for; tell whether the chat goes on.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        line = line.strip()
        if line == "/quit":
            return False
        try:
            if line.startswith("/"):
                self.obey(line)
            elif line:
                self._question(line)
        except ConnectionClosed:
            raise
        except _TOLD as exc:
            self._output.failure(outcome_of(exc, "/help"))
        return True

    def obey(self, line: str) -> None:
        """
        Do what a line with a command asks for.

        Raises:
            ValueError: There is no such command.
        """
        name, _, argument = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            known = " ".join(self._commands)
            raise ValueError(f"there is no command {name}; there are: {known}")
        command.run(argument.strip())

    # Questions

    def _question(self, question: Question) -> None:
        self._connection.create_item(user_message(question))
        params = None
        if self._spoken:
            params = ResponseCreateParams(output_modalities=["audio"])
        response = self._connection.create_response(params, when_busy="wait")
        try:
            self._show(response)
        except KeyboardInterrupt:
            self._stop(response)
            return
        result = response.result(timeout=self._timeout)
        if result.status != "completed":
            self._output.notice(f"the answer is {result.status}: {result.reason}")
        self._output.record(
            "answer",
            text=result.text,
            status=result.status,
            tokens=getattr(result.usage, "total_tokens", None) or None,
        )

    def _show(self, response: ResponseStream) -> None:
        with LiveText(self._output) as shown:
            for piece in response.text(timeout=self._timeout):
                shown.add(piece)

    def _stop(self, response: ResponseStream) -> None:
        """Stop an answer, and its sound, and go on with the chat."""
        if self._speaker is not None:
            self._connection.interrupt()
        response.cancel()
        response.wait(_STOPPING)
        self._output.notice("stopped")
        self._output.record("answer", text=None, status=response.status)

    # Commands

    def _help(self, _: str) -> None:
        width = max(len(command.usage) for command in self._commands.values()) + 2
        for command in self._commands.values():
            self._output.line(command.help, label=f"{command.usage:<{width}}")

    def _voice(self, argument: str) -> None:
        if argument == "off":
            self._spoken = False
            self._output.notice("answers are written")
            return
        self._open_speaker()
        if argument not in ("", "on"):
            self._connection.update_session({"audio": {"output": {"voice": argument}}})
        self._spoken = True
        self._output.notice("answers are spoken; /voice off ends that")

    def _talk(self, _: str) -> None:
        self._open_speaker()
        update = self._connection.update_session
        with open_device("Microphone", None) as microphone:
            detection = {"turn_detection": {"type": "server_vad"}}
            update({"output_modalities": ["audio"], "audio": {"input": detection}})
            with contextlib.suppress(KeyboardInterrupt):
                follow_microphone(self._connection, microphone, self._output)
        update(
            {
                "output_modalities": ["text"],
                "audio": {"input": {"turn_detection": None}},
            }
        )
        self._output.notice("you are typing again")

    def _ask(self, argument: str) -> None:
        self._question(_path(argument, "/ask FILE"))

    def _history(self, _: str) -> None:
        self._output.line(str(self._connection.conversation))
        self._output.record("history", **self._connection.conversation.snapshot())

    def _save(self, argument: str) -> None:
        path = _path(argument, "/save FILE")
        conversation = self._connection.conversation
        content = {".json": conversation.to_json, ".md": conversation.to_markdown}.get(
            path.suffix.lower(), conversation.__str__
        )()
        path.write_text(content.rstrip("\n") + "\n", encoding="utf-8")
        self._output.notice(f"wrote {path}")

    def _cost(self, _: str) -> None:
        usage = self._connection.usage
        self._output.line(str(usage) or "nothing yet")
        fields: dict[str, Any] = {"usage": attrs.asdict(usage)}
        if self._prices:
            fields["cost"] = usage.estimate_cost(Prices(**self._prices))
            self._output.line(f"{fields['cost']:.4f} by the prices of the profile")
        elif usage.total_tokens:
            self._output.notice("a profile with prices shows what that costs")
        self._output.record("cost", **fields)

    def _clear(self, _: str) -> None:
        for item in self._connection.conversation.items:
            self._connection.delete_item(item.id)
        if self._output.is_live:
            self._output.out.clear()
        self._output.notice("the conversation is forgotten")

    def _open_speaker(self) -> None:
        if self._speaker is None:
            speaker = self._devices.enter_context(open_device("Speaker", None))
            self._connection.play(speaker)
            self._speaker = speaker


def _path(argument: str, usage: str) -> Path:
    """Return the file that is named, in quotes or not."""
    quoted = len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "'\""
    name = argument[1:-1] if quoted else argument
    if not name:
        raise ValueError(f"no file is named; write {usage}")
    return Path(name).expanduser()

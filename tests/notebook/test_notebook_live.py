"""Responses that grow in a cell, and one connection for each cell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import model_turns
import pytest

from realtime_sync import RealtimeClient, ResponseError, notebook
from realtime_sync._deadline import Deadline
from realtime_sync._notebook.live import LiveView, show_live
from realtime_sync.emulator import (
    EmulatorSettings,
    Failure,
    RealtimeEmulator,
    Reply,
    Turn,
    call,
)


GATE = threading.Event()


def answer(turn: Turn) -> Reply:
    """A model that may have to be waited for, fail, or call a function."""
    if turn.last_output is not None:
        return Reply(f"It is {turn.last_output}.")
    if "wait" in turn.heard:
        GATE.wait(60.0)
    if "fail" in turn.heard:
        return Reply(failure=Failure(message="I am <b>tired</b>."))
    if turn.tools:
        return Reply(function_calls=[call("add", a=2, b=3)])
    return Reply(f"{turn.heard} indeed")


@pytest.fixture(name="client")
def _client() -> Iterator[RealtimeClient]:
    GATE.clear()
    with RealtimeEmulator(
        replies=answer, speech="tone", settings=EmulatorSettings.instant()
    ) as emulator:
        yield RealtimeClient(emulator.endpoint, "key", model="m", proxy="")
        GATE.set()


class Cell:
    """What a cell shows, one version after the other."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.texts: list[str] = []

    def update(self, markup: str, text: str) -> None:
        self.versions.append(markup)
        self.texts.append(text)


def live(stream: Any, update: Any, *, refresh: float = 0.0) -> None:
    show_live(stream, Deadline(20.0), refresh=refresh, begun=0.0, update=update)


def ask(connection: Any, question: str, **params: Any) -> Any:
    text = {"type": "input_text", "text": question}
    connection.create_item({"type": "message", "role": "user", "content": [text]})
    return connection.create_response(params or None)


def test_words_grow_in_place(client: RealtimeClient) -> None:
    """Each version of the display has the words so far, the last one all of them."""
    cell = Cell()
    with client.connect(session={"output_modalities": ["text"]}) as connection:
        live(ask(connection, "one two three"), cell.update)

    assert cell.texts == sorted(cell.texts, key=len)
    assert "one two three indeed" == cell.texts[-1]
    assert len(set(cell.texts)) > 1
    assert "completed" in cell.versions[-1]
    assert "first words after" in cell.versions[-1]


def test_speech_has_levels_and_a_player(client: RealtimeClient) -> None:
    """Beside spoken words are levels and timings, and a player at the end."""
    cell = Cell()
    with client.connect() as connection:
        live(ask(connection, "Hello"), cell.update)

    assert "<svg" in cell.versions[-1]
    assert "s of audio" in cell.versions[-1]
    assert "<audio" in cell.versions[-1]
    assert not any("<audio" in version for version in cell.versions[:-1])


def test_updates_are_not_more_frequent_than_asked_for(client: RealtimeClient) -> None:
    """However many pieces arrive, the display is updated now and then."""
    cell = Cell()
    with client.connect(session={"output_modalities": ["text"]}) as connection:
        live(ask(connection, "word " * 200), cell.update, refresh=60.0)

    assert 2 == len(cell.versions)  # the first and the last


def test_interrupt_cancels_and_keeps_the_session(client: RealtimeClient) -> None:
    """An interrupted kernel has a cancelled response, and a session to go on with."""
    cell = Cell()

    def interrupted(markup: str, text: str) -> None:
        cell.update(markup, text)
        if len(cell.versions) == 1:
            raise KeyboardInterrupt

    with client.connect(session={"output_modalities": ["text"]}) as connection:
        stream = ask(connection, "please wait")
        with pytest.raises(notebook.Interrupted, match="session goes on") as caught:
            live(stream, interrupted)
        GATE.set()
        again = connection.ask("Hello", timeout=60.0)

    assert "cancelled" == stream.status
    assert "cancelled" in cell.versions[-1]
    assert "Hello indeed" == again.text
    assert ["Interrupted: the response was cancelled; the session goes on"] == (
        caught.value._render_traceback_()
    )


@pytest.mark.parametrize(
    "wait",
    [
        lambda answer: answer.result(),
        lambda answer: list(answer.text()),
        lambda answer: answer.responses[0].wait(60.0),
    ],
    ids=["result", "text", "wait"],
)
def test_interrupted_wait_cancels_too(
    client: RealtimeClient, monkeypatch: pytest.MonkeyPatch, wait: Any
) -> None:
    """Who interrupts the kernel while anything waits may ask something else."""
    with client.connect(session={"output_modalities": ["text"]}) as connection:
        answer = connection.ask("please wait", stream=True, timeout=60.0)
        with monkeypatch.context() as patch:
            patch.setattr(answer.responses[0]._monitor, "wait", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                wait(answer)
        answer.responses[0].wait(60.0)
        GATE.set()

        assert "cancelled" == answer.responses[0].status
        assert "two indeed" == connection.ask("two", timeout=60.0).text


def _interrupt(*arguments: object) -> bool:
    raise KeyboardInterrupt


def test_response_that_begins_anew_is_shown_anew() -> None:
    """What was shown before a connection was lost is not shown twice."""
    view = LiveView(begun=0.0)
    for words in ("Hello wor", "Hello world"):
        view.add(model_turns.created())
        view.add(model_turns.transcript(words))

    assert "Hello world" == view.text


def test_failure_is_shown_and_raised(client: RealtimeClient) -> None:
    """A response that fails says so in the cell, escaped, and raises."""
    cell = Cell()
    with client.connect() as connection:
        stream = ask(connection, "please fail")
        with pytest.raises(ResponseError):
            live(stream, cell.update)

    assert "ResponseError" in cell.versions[-1]
    assert "&lt;b&gt;tired" in cell.versions[-1]


def test_deadline_is_kept(client: RealtimeClient) -> None:
    """A response that does not end in time is left as it is."""
    with client.connect() as connection:
        stream = ask(connection, "please wait")
        with pytest.raises(TimeoutError, match="too long"):
            show_live(
                stream,
                Deadline(0.05, "too long: it"),
                refresh=0.01,
                begun=0.0,
                update=Cell().update,
            )

        assert not stream.done()


def test_timings_are_those_of_the_clock() -> None:
    """First words and first audio are told in seconds since they were asked for."""
    times = iter([11.25, 12.5, 12.75])
    view = LiveView(begun=10.0, clock=lambda: next(times))
    view.add(model_turns.created())
    view.add(model_turns.transcript("Hello"))
    view.add(model_turns.audio(bytes(48_000)))

    assert [
        "first words after 2.50 s",
        "first audio after 2.75 s",
        "1.0 s of audio",
    ] == list(view._facts())


def test_terminal_prints_words(
    client: RealtimeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no notebook, `ask` and `show` print the words."""
    pytest.importorskip("IPython")
    with client.connect() as connection:
        notebook.ask(connection, "Hello")
        notebook.show(ask(connection, "again"))

    assert "Hello indeed\nagain indeed\n" == capsys.readouterr().out


def test_function_calls_are_followed(
    client: RealtimeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ask` goes on with the answer after the functions."""
    pytest.importorskip("IPython")

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with client.connect(functions=[add]) as connection:
        notebook.ask(connection, "How much?")

    assert "It is 5." in capsys.readouterr().out


CELL = "connection = notebook.connect(client)"


def run(code: str, client: RealtimeClient, name: str) -> Any:
    space = {"notebook": notebook, "client": client}
    exec(compile(code, name, "exec"), space)
    return space["connection"]


def test_cell_replaces_its_connection(client: RealtimeClient) -> None:
    """A cell that runs again closes what it opened before, and nothing else."""
    first = run(CELL, client, "<cell 1>")
    other = run(CELL, client, "<cell 2>")
    second = run(CELL, client, "<cell 1>")

    assert [True, False, False] == [first.closed, other.closed, second.closed]
    other.close()
    second.close()


def test_name_stands_for_the_cell(client: RealtimeClient) -> None:
    """Connections of one name replace each other, whichever cell opens them."""
    first = run(CELL.replace("(client", "(client, name='a'"), client, "<cell 1>")
    other = run(CELL.replace("(client", "(client, name='b'"), client, "<cell 1>")
    second = run(CELL.replace("(client", "(client, name='a'"), client, "<cell 2>")

    assert [True, False, False] == [first.closed, other.closed, second.closed]
    other.close()
    second.close()


def test_other_kinds_are_kept_too(client: RealtimeClient) -> None:
    """`keep` does for every connection what `connect` does for one."""
    code = "connection = notebook.keep(client.connect_transcription())"
    first = run(code, client, "<cell 3>")
    second = run(code, client, "<cell 3>")

    assert [True, False] == [first.closed, second.closed]
    second.close()


def test_forgotten_connection_is_not_kept(client: RealtimeClient) -> None:
    """Keeping account of connections keeps none of them alive."""
    run(CELL, client, "<cell 4>").close()
    with pytest.warns(ResourceWarning, match="never closed"):
        run(CELL, client, "<cell 5>")


def test_unknown_names_are_unknown() -> None:
    """The widget is found when it is asked for; other names are not there."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        notebook.Nothing  # noqa: B018

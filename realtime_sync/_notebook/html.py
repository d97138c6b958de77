"""How results, conversations, connections and errors show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from statistics import median
from typing import Any

import attrs

from .._connection.base import BaseConnection
from .._connection.stats import ConnectionStats
from .._conversation.entry import ConversationItem
from .._conversation.export import what_was_said, who_said
from ..audio import Audio
from ..conversation import Conversation
from ..errors import RealtimeError
from ..protocol._markup import Html, joined, tag
from ..protocol._model_html import FAINT, rows
from ..protocol.items import Audio as AudioPart
from ..protocol.items import FunctionCall, InputAudio, Message, OutputAudio
from ..response_stream import ResponseResult, ResponseStream
from ..usage import UsageTotals
from .audio import Budget, audio_of, limits, player


__all__ = [
    "card",
    "format_of",
    "html_of",
    "levels_html",
    "result_html",
    "status_line",
    "words_html",
]

_COLOURS = {
    "good": "#2e8b57",
    "busy": "#3f7fbf",
    "doubtful": "#b8860b",
    "bad": "#c0392b",
}
_STATUS = {
    "completed": "good",
    "open": "good",
    "in_progress": "busy",
    "connecting": "busy",
    "incomplete": "doubtful",
    "cancelled": "doubtful",
    "closing": "doubtful",
    "closed": "doubtful",
}
_WORDS = "white-space:pre-wrap;overflow-wrap:anywhere"
_SMALL = "font-size:90%"
_GRID = "display:grid;grid-template-columns:auto 1fr;gap:4px 12px;max-width:56em"
_SAID = ("body", "message", "hint")  # of an error; its text has these already
_MOST_BARS = 120
_ERROR_LIMIT = 500  # characters of one detail of an error


# Pieces


def card(*content: str, colour: str = "busy") -> Html:
    """Return a box with a line of colour at its left."""
    style = (
        f"border-left:3px solid {_COLOURS[colour]};padding:2px 0 2px 12px;"
        "margin:2px 0;line-height:1.5;max-width:56em"
    )
    return tag("div", *content, style=style)


def badge(status: str) -> Html:
    """Return a status in its colour."""
    style = f"color:{_COLOURS[colour_of(status)]};font-weight:600"
    return tag("span", status.replace("_", " "), style=style)


def colour_of(status: str) -> str:
    """Return the name of the colour that a status has."""
    return _STATUS.get(status, "bad")


def faint(*content: str) -> Html:
    """Return a line of less importance."""
    return tag("div", *content, style=f"{FAINT};{_SMALL}")


def status_line(status: str, *facts: str) -> Html:
    """Return a status, and what else there is to say, each a few words."""
    rest = "".join(f" · {fact}" for fact in facts)
    return tag("div", badge(status), tag("span", rest, style=FAINT), style=_SMALL)


def words_html(words: str) -> Html:
    """Return what was said or written, with its line breaks."""
    return tag("div", words, style=_WORDS) if words else Html()


def calls_html(calls: tuple[FunctionCall, ...]) -> Html:
    """Return a line for each function call."""
    lines = (tag("code", f"{c.name}({c.arguments})", style=_WORDS) for c in calls)
    return joined(*(tag("div", "called ", line) for line in lines))


def levels_html(levels: Sequence[float]) -> Html:
    """Return levels, each from 0 to 1, as bars; of many, the loudest ones."""
    if not levels:
        return Html()
    step = -(-len(levels) // _MOST_BARS)
    bars = [max(levels[n : n + step]) for n in range(0, len(levels), step)]
    shapes = (_bar(index, level) for index, level in enumerate(bars))
    return tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {4 * len(bars)} 28",
        width=str(4 * len(bars)),
        height="28",
        style="display:block;max-width:100%;color:inherit",
        role="img",
        **{"aria-label": "level of the audio"},
    )


def _bar(index: int, level: float) -> Html:
    height = max(1.0, 28 * level)
    return tag(
        "rect",
        x=str(4 * index),
        y=f"{14 - height / 2:.1f}",
        width="3",
        height=f"{height:.1f}",
        fill="#3f7fbf",
    )


# Objects


@singledispatch
def html_of(thing: object) -> Html:
    """Return how *thing* shows itself."""
    return tag("pre", repr(thing))


@html_of.register
def _result(result: ResponseResult) -> Html:
    return result_html(result, Budget(limits.audio_bytes))


def result_html(
    result: ResponseResult, budget: Budget, *facts: str, above: str = ""
) -> Html:
    """
    Return a result with its player.

    Args:
        result: The result.
        budget: For the audio.
        facts: More to say at the end, each a few words.
        above: Goes above the player.
    """
    audio = audio_of(result.audio, format_of(result.response.audio))
    return card(
        words_html(result.text),
        calls_html(result.function_calls),
        above,
        player(audio, budget) if result.audio else "",
        status_line(result.status, *_facts(result), *facts),
        colour=colour_of(result.status),
    )


def _facts(result: ResponseResult) -> Iterator[str]:
    if result.reason:
        yield result.reason.replace("_", " ")
    if result.usage:
        usage = UsageTotals.of(result.usage)
        yield f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"


def format_of(audio: Any) -> object:
    """Return the output format of the audio settings of a response, if they say it."""
    return audio.output.format if audio and audio.output else None


@html_of.register
def _stream(stream: ResponseStream) -> Html:
    status = stream.status or "in_progress"
    return card(
        badge(status), faint(stream.id or "not created yet"), colour=colour_of(status)
    )


@html_of.register
def _conversation(conversation: Conversation) -> Html:
    budget = Budget(limits.audio_bytes)
    cells = (cell for item in conversation for cell in _entry(item, budget))
    return (
        tag("div", *cells, style=_GRID) if len(conversation) else faint("nothing yet")
    )


@html_of.register
def _item(item: ConversationItem) -> Html:
    return tag("div", *_entry(item, Budget(limits.audio_bytes)), style=_GRID)


def _entry(item: ConversationItem, budget: Budget) -> Iterator[Html]:
    """Yield the two cells of an item: who, and what."""
    yield tag("div", who_said(item), style=f"{FAINT};text-align:right;font-weight:600")
    said = what_was_said(item)
    what = words_html(said) if item.role else tag("code", said, style=_WORDS)
    yield tag("div", what, *_players(item, budget))


def _players(item: ConversationItem, budget: Budget) -> Iterator[Html]:
    parts = item.item.content if isinstance(item.item, Message) else ()
    for part in parts:
        if isinstance(part, (AudioPart, InputAudio, OutputAudio)) and part.audio:
            yield player(audio_of(part.audio, None), budget)


@html_of.register
def _connection(connection: BaseConnection) -> Html:
    session = connection.session
    state = "closed" if connection.closed else "open"
    title = tag("b", type(connection).__name__)
    facts: dict[str, str | None] = {
        "session": getattr(session, "id", None) or None,
        **_settings(session),
        **_statistics(connection),
    }
    told = {name: value for name, value in facts.items() if value}
    return card(joined(title, " ", badge(state)), rows(told), colour=colour_of(state))


def _settings(session: Any) -> Mapping[str, str | None]:
    """Return what is worth knowing of a session, as words."""
    audio = getattr(session, "audio", None) or None
    heard, said = getattr(audio, "input", None), getattr(audio, "output", None)
    return {
        "model": getattr(session, "model", None) or None,
        "answers in": ", ".join(getattr(session, "output_modalities", None) or ()),
        "voice": str(getattr(said, "voice", None) or ""),
        "turn detection": _turns(heard) if heard else None,
        "transcription": str(getattr(heard and heard.transcription, "model", "") or ""),
        "functions": ", ".join(
            str(getattr(tool, "name", None) or tool.type)
            for tool in getattr(session, "tools", None) or ()
        ),
    }


def _turns(heard: Any) -> str | None:
    if heard.turn_detection is None:
        return "off: commit_input_audio() ends a turn"
    return str(getattr(heard.turn_detection, "type", "")) or None


def _statistics(connection: BaseConnection) -> Mapping[str, str | None]:
    """Return what there is to count, as words."""
    left = None if connection.closed else connection.time_left
    stats = connection.stats
    conversation = getattr(connection, "conversation", None)
    return {
        "conversation": None if conversation is None else f"{len(conversation)} items",
        "responses": _spent(stats.usage) if stats.usage.responses else None,
        **_traffic(stats),
        "time left": f"{left / 60:.0f} min" if left else None,
    }


def _spent(usage: UsageTotals) -> str:
    return f"{usage.responses}, {usage.total_tokens:,} tokens"


def _traffic(stats: ConnectionStats) -> Mapping[str, str | None]:
    sent, received = stats.bytes_sent / 1000, stats.bytes_received / 1000
    waited = stats.first_audio.values()
    return {
        "first audio": f"after {median(waited):.2f} s (median)" if waited else None,
        "traffic": f"{sent:,.0f} kB sent, {received:,.0f} kB received",
        "ping": None if stats.ping is None else f"{stats.ping * 1000:.0f} ms",
        "reconnects": str(stats.reconnects) if stats.reconnects else None,
        "errors": _counted(stats.errors),
    }


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


@html_of.register
def _stats(stats: ConnectionStats) -> Html:
    longest = f"{stats.callback_longest * 1000:.0f} ms"
    facts = {
        "age": f"{stats.age:.0f} s",
        "responses": _counted(stats.responses),
        "tokens": f"{stats.usage.total_tokens:,}",
        **_traffic(stats),
        "waited for space": f"{stats.blocked:.2f} s" if stats.blocked else None,
        "callbacks": f"{stats.callbacks}, the longest {longest}",
    }
    return rows({name: value for name, value in facts.items() if value})


@html_of.register
def _error(error: RealtimeError) -> Html:
    details = {
        name: str(value)[:_ERROR_LIMIT]
        for name, value in vars(error).items()
        if isinstance(value, (str, int, float)) and value and name not in _SAID
    }
    title = tag("b", type(error).__name__)
    return card(title, words_html(str(error)), rows(details), colour="bad")


@html_of.register
def _usage(usage: UsageTotals) -> Html:
    used = {
        name.replace("_", " "): f"{count:,}"
        for name, count in attrs.asdict(usage).items()
        if count
    }
    return rows(used) if used else faint("nothing was used yet")


@html_of.register
def _audio(audio: Audio) -> Html:
    return joined(player(audio, Budget(limits.audio_bytes)), faint(repr(audio)[1:-1]))

"""
The manners of a model that was brought up well and taught little.

It calls a tool that fits what was said, reads out what a tool gave, greets, tells the
time, knows the weather (it is always fine) and some capitals, and repeats the rest.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..protocol import (
    FunctionCall,
    FunctionTool,
    McpCall,
    McpListTools,
    McpTool,
    ToolChoiceMcp,
)
from .replies import Reply, Turn


__all__ = ["manners"]

_CAPITALS = {
    "australia": "Canberra",
    "austria": "Vienna",
    "belgium": "Brussels",
    "brazil": "Brasilia",
    "canada": "Ottawa",
    "china": "Beijing",
    "denmark": "Copenhagen",
    "egypt": "Cairo",
    "england": "London",
    "finland": "Helsinki",
    "france": "Paris",
    "germany": "Berlin",
    "greece": "Athens",
    "india": "New Delhi",
    "ireland": "Dublin",
    "italy": "Rome",
    "japan": "Tokyo",
    "kenya": "Nairobi",
    "mexico": "Mexico City",
    "netherlands": "Amsterdam",
    "norway": "Oslo",
    "poland": "Warsaw",
    "portugal": "Lisbon",
    "spain": "Madrid",
    "sweden": "Stockholm",
    "switzerland": "Bern",
    "turkey": "Ankara",
    "ukraine": "Kyiv",
    "united states": "Washington",
}

_COMMON = frozenset(
    [
        *("a", "an", "and", "are", "as", "at", "be", "by", "call", "can", "current"),
        *("do", "does", "for", "from", "function", "get", "give", "in", "is", "it"),
        *("me", "of", "on", "or", "please", "return", "set", "some", "tell", "that"),
        *("the", "this", "to", "tool", "use", "user", "was", "we", "what", "when"),
        *("where", "which", "who", "will", "with", "you", "your"),
    ]
)
_PLACE = re.compile(r"\b(?:in|at|for|near|of|from|to) ((?:[A-Z][\w'-]*\s?)+)")


def manners(turn: Turn) -> Reply:
    """Answer *turn* as the module says."""
    if turn.last_output is not None:
        return Reply(_read_out(turn.last_output))
    heard = turn.heard.strip()
    tool = _fitting_tool(turn, heard)
    if tool is None:
        return Reply(_answer(heard))
    call = _call(tool, heard)
    server = _servers(turn).get(call.name)
    if server is None:
        return Reply(function_calls=[call])
    mcp_call = McpCall(server_label=server, name=call.name, arguments=call.arguments)
    return Reply(mcp_calls=[mcp_call])


def _answer(heard: str) -> str:
    words = heard.lower()
    if not heard:
        return "I did not catch that. Could you say it again?"
    if "capital" in words:
        for country, capital in _CAPITALS.items():
            if country in words:
                return f"The capital of {country.title()} is {capital}."
    if "weather" in words:
        place = _place(heard)
        return f"The weather{f' in {place}' if place else ''} is fine, 21 degrees."
    if re.search(r"\bwhat(?:'s| is)? (?:the )?time\b|\btime is it\b", words):
        return f"It is {time.strftime('%H:%M')}."
    if re.match(r"(hello|hi|hey|good (morning|afternoon|evening))\b", words):
        return "Hello! How can I help you?"
    if re.search(r"\bthank(s| you)\b", words):
        return "You are welcome."
    if re.match(r"(good)?bye\b", words):
        return "Goodbye!"
    return f"You said: {heard}"


# Tools


def _words(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")
    words = re.findall(r"[a-z]+", spaced.lower())
    return {word[:-1] if word.endswith("s") else word for word in words} - _COMMON


def _lists(turn: Turn) -> list[McpListTools]:
    """Return what the MCP servers of the turn have listed."""
    labels = [tool.server_label for tool in turn.tools if isinstance(tool, McpTool)]
    lists = [item for item in turn.items if isinstance(item, McpListTools)]
    return [each for each in lists if each.server_label in labels]


def _servers(turn: Turn) -> dict[str, str]:
    """Return whose tools there are: labels by the names of tools."""
    return {
        tool.name: each.server_label
        for each in _lists(turn)
        for tool in each.tools or ()
    }


def _tools(turn: Turn) -> list[FunctionTool]:
    """Return the tools of the turn, those of MCP servers as if they were functions."""
    own = [tool for tool in turn.tools if isinstance(tool, FunctionTool)]
    listed = (tool for each in _lists(turn) for tool in each.tools or ())
    return own + [
        FunctionTool(
            name=tool.name,
            description=tool.description or "",
            parameters=tool.input_schema,
        )
        for tool in listed
    ]


def _fitting_tool(turn: Turn, heard: str) -> FunctionTool | None:
    tools = _tools(turn)
    choice = turn.tool_choice
    forced = getattr(choice, "name", None)
    if forced:
        return next((tool for tool in tools if tool.name == forced), None)
    if not tools or choice == "none":
        return None
    if isinstance(choice, ToolChoiceMcp):
        servers = _servers(turn)
        mine = [
            tool
            for tool in tools
            if servers.get(tool.name or "") == choice.server_label
        ]
        return mine[0] if mine else None
    said = _words(heard)
    best = max(tools, key=lambda tool: _fit(tool, said))
    return best if choice == "required" or _fit(best, said) > 0 else None


def _fit(tool: FunctionTool, said: set[str]) -> int:
    # A word of the name says more than one of the description, which needs two.
    named = len(_words(tool.name or "") & said)
    described = len(_words(tool.description or "") & said)
    return 4 * named + (described if named or described > 1 else 0)


def _call(tool: FunctionTool, heard: str) -> FunctionCall:
    schema = tool.parameters if isinstance(tool.parameters, Mapping) else {}
    properties = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    found = {
        name: _argument(name, prop, heard, needed=name in required)
        for name, prop in properties.items()
        if isinstance(prop, Mapping)
    }
    arguments = {name: value for name, value in found.items() if value is not None}
    return FunctionCall(name=tool.name or "", arguments=json.dumps(arguments))


def _argument(name: str, prop: Mapping[str, Any], heard: str, *, needed: bool) -> Any:
    """Return what *heard* says about a parameter; a stopgap where it is needed."""
    kind = prop.get("type")
    if isinstance(prop.get("enum"), Sequence) and prop["enum"]:
        said = heard.lower()
        hit = next((word for word in prop["enum"] if str(word).lower() in said), None)
        return hit if hit is not None or not needed else prop["enum"][0]
    if kind in ("integer", "number"):
        numbers = re.findall(r"-?\d+(?:\.\d+)?", heard)
        number = float(numbers[0]) if numbers else (0.0 if needed else None)
        return int(number) if number is not None and kind == "integer" else number
    if kind == "boolean":
        return True if needed else None
    if kind == "array":
        return [] if needed else None
    if kind == "object":
        return {} if needed else None
    return _place(heard) or (heard if needed else None)


def _place(heard: str) -> str | None:
    match = _PLACE.search(heard)
    return re.sub(r"'s$", "", match.group(1).strip()) if match else None


# What a tool gave


def _read_out(output: str) -> str:
    try:
        value = json.loads(output)
    except ValueError:
        return output or "That is done."
    return _say(value) or "That is done."


def _say(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs: Iterable[str] = (
            f"The {str(key).replace('_', ' ')} is {_say(item)}."
            for key, item in value.items()
        )
        return " ".join(pairs).replace("..", ".")
    if isinstance(value, list):
        return ", ".join(map(_say, value))
    return "" if value is None else str(value)

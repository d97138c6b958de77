"""A conversation for people to read: as plain lines and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol.items import (
    Audio,
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Message,
    OutputAudio,
    OutputText,
    Text,
)
from ..protocol.mcp_items import McpCall
from .entry import ConversationItem


__all__ = ["as_lines", "as_markdown", "what_was_said", "who_said"]


def as_lines(items: Iterable[ConversationItem]) -> str:
    """Return a line for each item: who, and what."""
    return "\n".join(f"{who_said(item)}: {what_was_said(item)}" for item in items)


def as_markdown(items: Iterable[ConversationItem]) -> str:
    """Return a paragraph for each item, code in backticks."""
    return "\n\n".join(_paragraph(item) for item in items) + "\n"


def _paragraph(item: ConversationItem) -> str:
    who = who_said(item).capitalize()
    what = what_was_said(item)
    return f"**{who}:** {what}" if item.role else f"**{who}:** {_code(what)}"


def who_said(item: ConversationItem) -> str:
    """Return the role of who said it, or else what kind of item it is."""
    return item.role or item.type.replace("_", " ") or "item"


def what_was_said(item: ConversationItem) -> str:
    """Return the words of an item, and what became of them."""
    thing = item.item
    if isinstance(thing, Message):
        words = "\n".join(filter(None, map(_shown, thing.content)))
        return f"{words}{_remark(item)}".strip()
    if isinstance(thing, (FunctionCall, McpCall)):
        return f"{thing.name}({thing.arguments})"
    if isinstance(thing, FunctionCallOutput):
        return thing.output
    return item.id


def _remark(item: ConversationItem) -> str:
    if item.audio_end_ms is not None:
        return f" [interrupted after {item.audio_end_ms / 1000:g} s]"
    if item.transcription == "failed":
        return " [not understood]"
    return " […]" if item.status == "in_progress" else ""


def _shown(part: ContentPart) -> str:
    if isinstance(part, (InputText, OutputText, Text)):
        return part.text or ""
    if isinstance(part, (InputAudio, OutputAudio, Audio)):
        return part.transcript or "[audio]"
    return "[image]" if isinstance(part, InputImage) else "[content]"


def _code(text: str) -> str:
    """Return *text* as inline code, whatever backticks are in it."""
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"

"""What a recording must not hold: keys, tokens, and what its maker leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from .._logging import redact_text, redact_url


__all__ = ["drop_nested_audio", "drop_nested_images", "redact"]

_REDACTED: Final = "REDACTED"

_SECRET: Final = re.compile(
    r"secret|authorization|password|api.?key|^headers$|(access|auth|refresh)_?token",
    re.IGNORECASE,
)
# Ids may look like keys (32 hexadecimal digits), and so may base64; what answers them
# must be found again. The schema of a function may name its parameters as it likes.
_EXACT: Final = re.compile(r"(^|_)ids?$|^(type|metadata|audio|delta|image_url)$")
_SCHEMA: Final = "parameters"


def redact(value: Any) -> Any:
    """
    Return a message without secrets.

    By name go headers, keys, passwords and client secrets; wherever they stand go words
    that look like a key or a token, and the user and parameters of an MCP server's URL.

    Args:
        value: Plain JSON types.

    Returns:
        The very same object if there was nothing to hide, or else a copy.
    """
    return _walk("", value, hidden=False, schema=False)


def _walk(name: str, value: Any, *, hidden: bool, schema: bool) -> Any:
    if isinstance(value, str):
        return _text(name, value, hidden)
    if isinstance(value, dict):
        return _mapping(value, hidden=hidden, schema=schema)
    if isinstance(value, list):
        items = [_walk(name, each, hidden=hidden, schema=schema) for each in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    return value


def _mapping(value: dict[str, Any], *, hidden: bool, schema: bool) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name, item in value.items():
        if type(item) is str and not hidden and name == "audio":
            continue  # base64, the bulk of what there is
        secret = hidden or (not schema and _is_secret(name))
        below = schema or name == _SCHEMA
        new = _walk(name, item, hidden=secret, schema=below)
        if new is not item:
            changed[name] = new
    return {**value, **changed} if changed else value


def _text(name: str, text: str, hidden: bool) -> str:
    if hidden:
        return _REDACTED
    if name == "server_url":
        clean = _server_url(text)
        return text if clean == text else clean
    if len(text) < 8 or _is_exact(name):
        return text
    clean = redact_text(text)
    return text if clean == text else clean


# There are few names, and many messages.


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


@lru_cache(maxsize=1024)
def _is_exact(name: str) -> bool:
    return _EXACT.search(name) is not None


def _server_url(url: str) -> str:
    try:
        return redact_url(url)
    except ValueError:
        return _REDACTED


# What its maker leaves out


def drop_nested_audio(value: Any) -> Any:
    """Return a message whose items hold no audio; the same object if none did."""
    return _replace(value, "audio", lambda text: "")


def drop_nested_images(value: Any) -> Any:
    """Return a message whose images are the beginning of a data URL only."""
    return _replace(
        value,
        "image_url",
        lambda url: (
            url.partition(",")[0] + "," if url.startswith("data:") else redact_url(url)
        ),
    )


def _replace(value: Any, name: str, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        items = [_replace(each, name, change) for each in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, item in value.items():
        if key == name and isinstance(item, str):
            new: Any = change(item)
        else:
            new = _replace(item, name, change)
        if new is not item and new != item:
            changed[key] = new
    return {**value, **changed} if changed else value

"""What an application passes to the bridge, checked where it passes it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from .._checks import not_this
from ._limits import Limits
from .stores import MemoryStore, SnapshotStore


__all__ = ["check_limits", "check_origins", "checked_function", "store_of"]

F = TypeVar("F", bound=Callable[..., Any])

_STORE = ("get", "put", "delete")
_NO_ORIGIN = "no origin: name scheme and host and no more: https://www.example.com"


def check_limits(limits: object) -> None:
    """
    Refuse what are no limits.

    Raises:
        TypeError: They are none.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise not_this("limits is a Limits(...), or None", limits)


def check_origins(origins: Any) -> None:
    """
    Refuse what no browser sends as an origin.

    Raises:
        TypeError: It is no list of texts.
        ValueError: There is a path in one of them, or no scheme.
    """
    if isinstance(origins, str) or not isinstance(origins, Collection):
        raise not_this("origins is a list of str", origins)
    for origin in origins:
        if not isinstance(origin, str):
            raise not_this("an origin is a str", origin)
        if origin != "*" and not _is_origin(origin):
            raise ValueError(f"{origin!r} is {_NO_ORIGIN}")


def _is_origin(origin: str) -> bool:
    scheme, colon, host = origin.rstrip("/").partition("://")
    return all((scheme, colon, host)) and not any(mark in host for mark in "/?#@*")


def checked_function(name: str, function: F) -> F:
    """
    Return what a decorator was given.

    Raises:
        TypeError: It is no function.
    """
    if not callable(function):
        raise not_this(f"{name} takes a function", function)
    return function


def store_of(store: Any, mode: str) -> SnapshotStore | None:
    """
    Return where conversations are kept in a mode of the bridge, if anywhere.

    Raises:
        TypeError: *store* has not the methods of a store.
        ValueError: It is some text, or a store that the mode has no use for.
    """
    by_default = isinstance(store, str) and store == "memory"
    if isinstance(store, str) and not by_default:
        words = f'"memory", or FileStore({store!r}) for a folder'
        raise ValueError(f"store is {words}, not a text")
    if mode == "raw" and not by_default and store is not None:
        raise ValueError("in raw mode nothing is resumed: leave out the store")
    if mode == "raw" or store is None:
        return None
    if by_default:
        return MemoryStore()
    if not all(callable(getattr(store, name, None)) for name in _STORE):
        raise not_this("a store has get, put and delete, as FileStore(folder)", store)
    found: SnapshotStore = store
    return found

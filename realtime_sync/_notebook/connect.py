"""The connections that the cells of a notebook have made, one for each cell."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Hashable
from types import FrameType
from typing import Any

from .._connection.base import BaseConnection


__all__ = ["cell_of", "former", "kept"]

# Weak: a connection that nobody holds any more closes itself.
_kept: weakref.WeakValueDictionary[Hashable, BaseConnection] = (
    weakref.WeakValueDictionary()
)


def former(key: Hashable) -> BaseConnection | None:
    """Return the connection that was kept under *key*, and forget it."""
    return _kept.pop(key, None)


def kept(key: Hashable, connection: BaseConnection) -> None:
    """Remember *connection* under *key*."""
    _kept[key] = connection


def cell_of(frame: FrameType | None) -> Hashable:
    """
    Return what tells the cell that runs from all others.

    That is the id that the front end gives it. From one that gives none it is the code
    of the cell, so that a cell that was changed is another one.

    Args:
        frame: Of the code in the cell.
    """
    return _cell_id() or (frame and frame.f_code.co_filename)


def _cell_id() -> str | None:
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent = kernel.get_parent()
    return (parent.get("metadata") or {}).get("cellId")

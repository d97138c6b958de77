"""Libraries that only some need: found when first used, and named when missing."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any


__all__ = ["installed", "require"]


def installed(module: str) -> bool:
    """Tell whether *module* can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def require(module: str, *, extra: str, purpose: str) -> Any:
    """
    Import *module*, or say what needs it and which extra has it.

    Raises:
        ImportError: It is not installed.
    """
    found = sys.modules.get(module)
    # Not by way of an import each time: it takes locks, and Python 3.10 keeps them for
    # ever if Ctrl-C comes then.
    if found is not None and not getattr(found.__spec__, "_initializing", False):
        return found
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ImportError(
            f"{purpose} needs {module}: pip install 'realtime_sync[{extra}]'"
        ) from exc

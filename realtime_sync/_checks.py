"""What callers pass, checked where they pass it, before anything was done with it."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any


__all__ = [
    "check_amount",
    "check_choice",
    "check_count",
    "check_path",
    "check_rate",
    "check_text",
    "check_timeout",
    "not_this",
    "type_name",
]


def not_this(expected: str, value: object) -> TypeError:
    """
    Return the error for a value of the wrong type, which is told with its module.

    Args:
        expected: What is expected, and of which types.
        value: What was passed.
    """
    return TypeError(f"{expected}, not {type_name(value)}")


def type_name(value: object) -> str:
    """Return the name of a value's class, with its module unless it is built in."""
    kind = type(value)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{home}{kind.__qualname__}"


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """
    Refuse what is none of *choices*.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        allowed = " or ".join(repr(each) for each in choices)
        raise ValueError(f"{name} is {allowed}, not {value!r}")


def check_count(name: str, value: Any, least: int = 0) -> None:
    """
    Refuse what is no whole number of *least* or more.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is less.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise not_this(f"{name} is a whole number", value)
    if value < least:
        raise ValueError(f"{name} is at least {least}, not {value}")


def check_amount(name: str, value: Any, *, or_zero: bool = True) -> None:
    """
    Refuse what is no number of more than 0, *or_zero*.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative, infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise not_this(f"{name} is a number", value)
    if not 0 <= float(value) < math.inf or not (value or or_zero):
        least = "at least" if or_zero else "more than"
        raise ValueError(f"{name} is {least} 0, and finite, not {value}")


def check_rate(*rates: Any) -> None:
    """
    Refuse what is no sampling rate.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is not positive.
    """
    for rate in rates:
        if isinstance(rate, bool) or not isinstance(rate, Integral):
            raise not_this("a sampling rate is a whole number of Hz", rate)
        if rate <= 0:
            raise ValueError(f"a sampling rate is a positive number of Hz, not {rate}")


def check_timeout(timeout: Any) -> None:
    """
    Refuse what nobody can wait for.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative or NaN.
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise not_this("timeout is a number of seconds, or None for no limit", timeout)
    if not float(timeout) >= 0:
        raise ValueError(
            f"timeout is at least 0 seconds, or None for no limit, not {timeout}"
        )


def check_text(name: str, text: object) -> None:
    """
    Refuse what is no text.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty.
    """
    if not isinstance(text, str):
        raise not_this(f"{name} is a str", text)
    if not text:
        raise ValueError(f"{name} is empty")


def check_path(name: str, path: object) -> None:
    """
    Refuse what names no file.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise not_this(f"{name} is a path (str or pathlib.Path)", path)
    if not os.fspath(path):
        raise ValueError(f"{name} is an empty path: name a file")

"""
What callers pass, checked where they pass it: a slip is told in its own line of code.

A `Check` tells whether a value fits. It is a validator of attrs, and its `check()` is
for arguments. Its words say what would fit, and follow the name: "port is a whole
number". The functions below are checks that many have need of.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from attrs import field, frozen


__all__ = [
    "FLAG",
    "FUNCTION",
    "TEXT",
    "Check",
    "Kind",
    "ListOf",
    "Range",
    "check_amount",
    "check_choice",
    "check_count",
    "check_path",
    "check_rate",
    "check_text",
    "check_timeout",
    "named",
    "nearest",
    "not_this",
    "number_of",
]

_FINITE = sys.float_info.max


def named(value: object) -> str:
    """Return what *value* is, for an error: not its content, which may be a secret."""
    if value is None or isinstance(value, (bool, Real)):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    kind = type(value)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{home}{kind.__qualname__}"


def not_this(expected: str, value: object) -> TypeError:
    """
    Return the error for a value of the wrong type, which is told with its module.

    Args:
        expected: What is expected, and of which types.
        value: What was passed.
    """
    return TypeError(f"{expected}, not {named(value)}")


class Check:
    """The base of the checks."""

    def __call__(self, instance: object, attribute: Any, value: Any) -> None:
        """Check an attribute of a class of attrs."""
        self.check(attribute.name, value)

    def check(self, name: str, value: object) -> None:
        """
        Check the argument *name*.

        Raises:
            TypeError: *value* is of a wrong type.
            ValueError: It is of the right one, and does not fit.
        """
        raise NotImplementedError


@frozen
class Kind(Check):
    """
    A value of a type.

    Attributes:
        kinds: The type, or several.
        words: What it is, for people; of a list, what is in it.
        or_none: Whether None fits too.
    """

    kinds: Any
    words: str
    or_none: bool = field(default=False, kw_only=True)

    def check(self, name: str, value: object) -> None:
        """Check that *value* is of the type."""
        if value is None and self.or_none:
            return
        # True is an integer to Python, and a mistake to whoever asks for a number.
        is_flag = isinstance(value, bool) and self.kinds is not bool
        if is_flag or not isinstance(value, self.kinds):
            words = f"{self.words} or None" if self.or_none else self.words
            raise not_this(f"{name} is {words}", value)


@frozen
class ListOf(Kind):
    """A list, or another collection, of values of a type; see `Kind`."""

    def check(self, name: str, value: object) -> None:
        """Check that *value* has values of the type only."""
        if value is None and self.or_none:
            return
        # Both could be gone through, with results that nobody meant.
        is_other = isinstance(value, (str, bytes, Mapping))
        if is_other or not isinstance(value, Collection):
            raise not_this(f"{name} is a list of {self.words}", value)
        for each in value:
            if not isinstance(each, self.kinds):
                raise TypeError(
                    f"{name} is a list of {self.words}, and has {named(each)} in it"
                )


@frozen
class Range(Check):
    """
    A number.

    Attributes:
        least: The smallest that fits.
        most: The largest that fits.
        is_above: Whether *least* itself does not fit.
        is_whole: Whether only whole numbers fit.
        or_none: Whether None fits too.
        unit: Of what it is a number, such as seconds.
    """

    least: float = 0
    most: float = math.inf
    is_above: bool = field(default=False, kw_only=True)
    is_whole: bool = field(default=False, kw_only=True)
    or_none: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)

    def check(self, name: str, value: Any) -> None:
        """Check that *value* is such a number."""
        Kind(Real, self._words, or_none=self.or_none).check(name, value)
        if value is None:
            return
        is_in = self.least <= value <= self.most  # NaN is not
        is_edge = self.is_above and value == self.least
        if not is_in or is_edge or (self.is_whole and not isinstance(value, Integral)):
            raise ValueError(f"{name} is {self._words}, not {value!r}")

    @property
    def _words(self) -> str:
        number = "a whole number" if self.is_whole else "a number"
        number += f" of {self.unit}" if self.unit else ""
        start = f"above {self.least:g}" if self.is_above else f"from {self.least:g}"
        end = "" if self.most >= _FINITE else f" to {self.most:g}"
        return f"{number} {start}{end}"


FLAG = Kind(bool, "True or False")
FUNCTION = Kind(Callable, "a function")
TEXT = Kind(str, "a str")

_TIMEOUT = Range(0, or_none=True, unit="seconds")
_RATE = Range(0, is_above=True, is_whole=True, unit="Hz")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that *word* may be a slip of; None if there is none."""
    import difflib  # here, for it is seldom needed

    found = difflib.get_close_matches(word, list(known), n=1)
    return found[0] if found else None


def number_of(text: str, name: str) -> float:
    """
    Return the number that a text is, whole if it can be.

    Raises:
        ValueError: It is none.
    """
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} takes a number, not {text!r}") from None
    return int(number) if number.is_integer() else number


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """
    Refuse what is none of *choices*.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        allowed = " or ".join(repr(each) for each in choices)
        raise ValueError(f"{name} is {allowed}, not {value!r}")


def check_count(name: str, value: object, least: int = 0) -> None:
    """Refuse what is no whole number of *least* or more; see `Check.check()`."""
    Range(least, is_whole=True).check(name, value)


def check_amount(name: str, value: object, *, or_zero: bool = True) -> None:
    """Refuse what is no finite number above 0, *or_zero*; see `Check.check()`."""
    Range(0, _FINITE, is_above=not or_zero).check(name, value)


def check_rate(*rates: object) -> None:
    """Refuse what is no sampling rate in Hz; see `Check.check()`."""
    for rate in rates:
        _RATE.check("a sampling rate", rate)


def check_timeout(timeout: object) -> None:
    """Refuse what nobody can wait for; see `Check.check()`."""
    _TIMEOUT.check("timeout", timeout)


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

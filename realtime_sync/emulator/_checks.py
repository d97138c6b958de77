"""
What users give, checked where they give it: a mistake is told in its own line of code.

A check tells whether a value fits. It is a validator of attrs, and `check()` is for
arguments. Its words say what would fit, and follow the name: "port is a whole number".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import Any

from attrs import field, frozen


__all__ = ["FLAG", "FUNCTION", "TEXT", "Check", "Kind", "ListOf", "Range", "named"]


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
        words: What it is, for people.
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
            raise TypeError(f"{name} is {words}, not {named(value)}")


@frozen
class ListOf(Check):
    """
    A list, or another collection, of values of a type.

    Attributes:
        kinds: The type, or several.
        words: What they are, for people.
        or_none: Whether None fits too.
    """

    kinds: Any
    words: str
    or_none: bool = field(default=False, kw_only=True)

    def check(self, name: str, value: object) -> None:
        """Check that *value* has values of the type only."""
        if value is None and self.or_none:
            return
        # Both could be gone through, with results that nobody meant.
        is_other = isinstance(value, (str, bytes, Mapping))
        if is_other or not isinstance(value, Collection):
            raise TypeError(f"{name} is a list of {self.words}, not {named(value)}")
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
    """

    least: float = 0
    most: float = math.inf
    is_above: bool = field(default=False, kw_only=True)
    is_whole: bool = field(default=False, kw_only=True)
    or_none: bool = field(default=False, kw_only=True)

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
        start = f"above {self.least:g}" if self.is_above else f"from {self.least:g}"
        end = "" if self.most == math.inf else f" to {self.most:g}"
        return f"{number} {start}{end}"


def named(value: object) -> str:
    """Return what *value* is, for an error: not its content, which may be a secret."""
    if value is None or isinstance(value, (bool, Real)):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return type(value).__name__


FLAG = Kind(bool, "True or False")
FUNCTION = Kind(Callable, "a function")
TEXT = Kind(str, "a str")

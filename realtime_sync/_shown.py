"""What lets an object show itself as HTML in a notebook, with no ceremony."""

from __future__ import annotations


__all__ = ["Shown"]


class Shown:
    """
    A class whose objects show themselves in notebooks.

    Notebooks look for the method below. Nothing is imported before one calls it.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        from ._notebook.html import html_of

        return html_of(self)

"""HTML that cannot be made wrong: whatever is not HTML already is escaped."""

from html import escape


__all__ = ["Html", "joined", "tag"]

_VOID = frozenset({"br", "img", "source"})


class Html(str):
    """Text that is HTML already, and goes into other HTML as it is."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str | bool | None) -> Html:
    """
    Return an element.

    Args:
        name: Of the element.
        content: What is in it; text is escaped, `Html` is not.
        attributes: Their values are escaped. True stands for a name without a value,
            None and False for none. An underscore at the end is dropped.
    """
    shown = "".join(_attribute(*each) for each in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{joined(*content)}</{name}>")


def joined(*content: str) -> Html:
    """Return pieces in a row; text is escaped, `Html` is not."""
    return Html("".join(map(_markup, content)))


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_")
    return f" {name}" if value is True else f' {name}="{_safe(value)}"'


def _markup(content: str) -> str:
    return content if isinstance(content, Html) else _safe(content)


def _safe(text: str) -> str:
    # Lone surrogates, which JSON may hold, are no characters and cannot be sent.
    return escape(text.encode("utf-8", "replace").decode())

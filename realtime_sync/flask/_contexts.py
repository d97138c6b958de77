"""The contexts of Flask on the threads on which a model's functions run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask, g


__all__ = ["in_context"]

Functions = Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]]


def in_context(
    functions: Functions, app: Flask, environ: Mapping[str, Any], user: str | None
) -> dict[str, Callable[..., Any]]:
    """
    Return *functions* so that each call has a context of the request, of its own.

    ``current_app``, ``request``, ``session`` (as it was when the request came) and
    ``g`` with ``g.realtime_user`` work in them; what was registered with
    ``teardown_appcontext`` runs after each call.

    Args:
        functions: What the model may call.
        app: The application.
        environ: Of the request.
        user: Whose session it is, or None where that is not known.
    """
    own = {
        name: value for name, value in environ.items() if name not in _NOT_FOR_OTHERS
    }
    named: Iterable[tuple[str, Callable[..., Any]]]
    if isinstance(functions, Mapping):
        named = functions.items()
    else:
        named = ((_name(function), function) for function in functions)
    return {name: _wrap(function, app, own, user) for name, function in named}


# Werkzeug keeps the request there, which must not be shared by threads.
_NOT_FOR_OTHERS = ("werkzeug.request",)


def _wrap(
    function: Callable[..., Any], app: Flask, environ: dict[str, Any], user: str | None
) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        # A new context each time: several calls may run at once.
        with app.request_context(dict(environ)):
            if user is not None:
                g.realtime_user = user
            return function(*arguments, **named)

    return call


def _name(function: Callable[..., Any]) -> str:
    body = getattr(function, "func", function)  # of a partial
    return str(getattr(body, "__name__", "function"))

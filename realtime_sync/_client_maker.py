"""A client, or a function that makes one: what batches and the doctor take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ._checks import not_this
from .client import RealtimeClient


__all__ = ["MakeClient", "check_maker", "make_client"]

MakeClient: TypeAlias = "RealtimeClient | Callable[[], RealtimeClient]"


def check_maker(client: object) -> None:
    """
    Refuse what is neither a client nor a function.

    Raises:
        TypeError: It is none of both, or the class itself.
    """
    expected = (
        "client is a RealtimeClient, or a function without parameters that makes one, "
        "such as RealtimeClient.from_environment"
    )
    if client is RealtimeClient:
        raise TypeError(f"{expected}, not the class itself")
    if not isinstance(client, RealtimeClient) and not callable(client):
        raise not_this(expected, client)


def make_client(client: MakeClient) -> RealtimeClient:
    """
    Return the client, which is made here if *client* is a function.

    Raises:
        TypeError: The function made something else.
    """
    made = client if isinstance(client, RealtimeClient) else client()
    if not isinstance(made, RealtimeClient):
        raise not_this("the function that makes a client returns one", made)
    return made

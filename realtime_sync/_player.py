"""What a playback has to do with: a player and a connection, as far as it uses them."""

from __future__ import annotations

from typing import Protocol

from .protocol._model import ClientEvent


__all__ = ["PlaybackConnection", "Player"]


class Player(Protocol):
    """What a playback needs of a player, which plays nothing else. Thread-safe."""

    @property
    def played_ms(self) -> int:
        """Milliseconds that were heard of all that was written."""

    def flush(self) -> int:
        """
        Fall silent at once, and forget what was not heard.

        Returns:
            *played_ms*. What is written next begins there.
        """


class PlaybackConnection(Protocol):
    """What a playback needs of a connection."""

    def send(self, event: ClientEvent) -> None:
        """Queue an event; do not wait for the server. Thread-safe."""

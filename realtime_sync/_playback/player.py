"""What a playback has to do with: a player and a connection, as far as it uses them."""

from __future__ import annotations

from numbers import Real
from typing import Protocol

from .._checks import named
from ..protocol._model import ClientEvent


__all__ = ["Loudspeaker", "PlaybackConnection", "Player", "check_player"]


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


class Loudspeaker(Player, Protocol):
    """A player that is written to, such as a `Speaker`. Thread-safe."""

    def write(self, pcm: bytes) -> None:
        """
        Play *pcm* after what is there.

        Args:
            pcm: 16-bit mono PCM at 24 kHz, 100 ms at most. Who blocks for longer than
                these last holds up interruptions.
        """


def check_player(player: object, *methods: str) -> None:
    """
    Refuse what is no player, when it is named and not when somebody interrupts.

    Args:
        player: What was passed.
        methods: What it must have besides *played_ms*.

    Raises:
        TypeError: It lacks something.
    """
    lacking = [f"{name}()" for name in methods if not _has(player, name)]
    if not isinstance(getattr(player, "played_ms", None), Real):
        lacking.append("played_ms")
    if lacking:
        raise TypeError(
            f"a player, such as a Speaker, has {'(), '.join(methods)}() and the number "
            f"of milliseconds played_ms; {named(player)} lacks {', '.join(lacking)}"
        )


def _has(player: object, method: str) -> bool:
    return callable(getattr(player, method, None))


class PlaybackConnection(Protocol):
    """What a playback needs of a connection."""

    def send(self, event: ClientEvent) -> None:
        """Queue an event; do not wait for the server. Thread-safe."""

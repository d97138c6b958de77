"""
What was sent and may have to be sent once more.

A command is *confirmed* when the server acknowledged or refused it, and input audio
when it is committed. What is not confirmed when a connection is lost is unknown to the
session that comes after it, whether it arrived or not: sending it again, in its order,
delivers it exactly once.

Some things cannot be, or must not be, sent again. The audio of turns that the server
finds would be a turn out of its time: it is only counted. What overtakes (cancelling a
response, say) speaks of responses that are lost. And of a message that nothing ever
confirms nobody knows whether it arrived, if the connection broke while it was written.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

import attrs

from .lanes import Entry, Lane


__all__ = ["Repeated", "Retained"]

_COMMANDS = frozenset({Lane.COMMAND, Lane.COMMIT, Lane.CLEAR})


@attrs.frozen(kw_only=True)
class Repeated:
    """
    What becomes of what was sent before a loss.

    Attributes:
        entries: What is sent again, in order.
        lost_audio: Bytes of appended audio, in wire form, that are not.
        uncertain: Messages that are not, though they may not have arrived.
    """

    entries: Sequence[Entry] = ()
    lost_audio: int = 0
    uncertain: Sequence[bytes] = ()

    @property
    def uncertain_types(self) -> tuple[str, ...]:
        """The wire types of the uncertain ones."""
        return tuple(str(json.loads(each).get("type")) for each in self.uncertain)

    @property
    def commands(self) -> int:
        """How many commands are sent again."""
        return sum(lane in _COMMANDS for lane, _, _ in self.entries)


class Retained:
    """
    Everything that is not confirmed, in order. Holds no lock: the queue has one.

    Args:
        max_audio: Bytes of audio in wire form to retain; older audio is let go.

    Attributes:
        manual_turns: Whether audio waits for a commit of this side.
    """

    def __init__(self, max_audio: int) -> None:
        self._max_audio = max_audio
        self.manual_turns = False
        self._entries: deque[Entry] = deque()
        self._audio = 0  # bytes of audio among them
        self._lost_audio = 0
        self._unconfirmable = False  # whether there are entries without a key

    def take(self, entry: Entry) -> None:
        """Retain what is about to be written, as far as that makes sense."""
        lane, (_, payload), key = entry
        if lane is Lane.AUDIO:
            if self.manual_turns:
                self._take_audio(entry)
            else:
                self._lost_audio += len(payload)
        elif lane in _COMMANDS:
            self._entries.append(entry)
            self._unconfirmable = self._unconfirmable or key is None

    def written(self) -> None:
        """Let go what nothing will confirm, since it is written now."""
        if self._unconfirmable:
            self._entries = deque(
                each for each in self._entries if each[0] is Lane.AUDIO or each[2]
            )
            self._unconfirmable = False

    def confirm(self, key: str) -> Sequence[bytes]:
        """
        Let go a command that the server has answered.

        Returns:
            The messages with the audio that it committed, if that is what it did.
        """
        for index, (lane, _, found) in enumerate(self._entries):
            if found == key:
                del self._entries[index]
                settles_audio = lane in (Lane.COMMIT, Lane.CLEAR)
                audio = self._let_audio_go(index) if settles_audio else ()
                return audio if lane is Lane.COMMIT else ()
        return ()

    def give_up(self, key: str) -> None:
        """Let go a command of which nobody will learn whether the server took it."""
        self._entries = deque(each for each in self._entries if each[2] != key)

    def committed(self) -> None:
        """Let go all audio: the server ended a turn by itself."""
        self._let_audio_go(len(self._entries))
        self._lost_audio = 0

    def take_back(self) -> Repeated:
        """Return what is to be sent again, and retain nothing of it any more."""
        uncertain = [
            frame[1]
            for lane, frame, key in self._entries
            if lane is not Lane.AUDIO and not key
        ]
        self.written()
        repeated = Repeated(
            entries=self._entries, lost_audio=self._lost_audio, uncertain=uncertain
        )
        self._entries = deque()
        self._audio = self._lost_audio = 0
        return repeated

    def _take_audio(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._audio += len(entry[1][1])
        while self._audio > self._max_audio:
            oldest = next(e for e in self._entries if e[0] is Lane.AUDIO)
            self._entries.remove(oldest)
            self._audio -= len(oldest[1][1])
            self._lost_audio += len(oldest[1][1])

    def _let_audio_go(self, end: int) -> Sequence[bytes]:
        """Remove the audio among the first *end* entries; return its messages."""
        first = [self._entries.popleft() for _ in range(end)]
        kept = [entry for entry in first if entry[0] is not Lane.AUDIO]
        self._entries.extendleft(reversed(kept))
        audio = [payload for lane, (_, payload), _ in first if lane is Lane.AUDIO]
        self._audio -= sum(map(len, audio))
        return audio

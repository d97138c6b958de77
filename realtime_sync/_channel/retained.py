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

The audio of a turn that was committed is retained until somebody has answered it, since
the server does not repeat it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

import attrs

from .lanes import Entry, Lane


__all__ = ["Repeated", "Retained"]

_COMMANDS = frozenset({Lane.COMMAND, Lane.COMMIT, Lane.CLEAR})
_AUDIO = b'"audio":"'


@attrs.frozen(kw_only=True)
class Repeated:
    """
    What becomes of what was sent before a loss.

    Attributes:
        entries: What is sent again, in order.
        lost_audio: Bytes of appended audio, in wire form, that are not.
        passed_audio: Bytes of audio, in wire form, that waited for no commit of this
            side; since the last commit.
        sent_audio: Bytes of all audio that the session was sent, in its own format.
        uncertain_types: Wire types of messages that are not sent again, though they may
            not have arrived.
    """

    entries: Sequence[Entry] = ()
    lost_audio: int = 0
    passed_audio: int = 0
    sent_audio: int = 0
    uncertain_types: tuple[str, ...] = ()

    @property
    def commands(self) -> int:
        """How many commands are sent again."""
        return sum(lane in _COMMANDS for lane, _, _ in self.entries)


class Retained:
    """
    Everything that is not confirmed, in order. Holds no lock: the queue has one.

    Args:
        max_audio: Bytes of audio in wire form to retain, with that of turns that were
            committed; the oldest is let go first.

    Attributes:
        manual_turns: Whether audio waits for a commit of this side.
    """

    def __init__(self, max_audio: int) -> None:
        self._max_audio = max_audio
        self.manual_turns = False
        self._entries: deque[Entry] = deque()
        self._audio = 0  # bytes of audio among them
        # The audio of turns that were committed, by the keys of their commits.
        self._turns: dict[str, list[bytes]] = {}
        self._turns_audio = 0  # bytes of it
        self._lost_audio = 0  # bytes that were let go before they were committed
        self._passed_audio = 0  # bytes that were not retained, since the last commit
        self._sent_audio = 0
        self._unconfirmable = False  # whether there are entries without a key

    def take(self, entry: Entry) -> None:
        """Retain what is about to be written, as far as that makes sense."""
        lane, (_, payload), key = entry
        if lane is Lane.AUDIO:
            self._sent_audio += _audio_bytes(payload)
            if self.manual_turns:
                self._take_audio(entry)
            else:
                self._passed_audio += len(payload)
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
            The messages with the audio that it committed, if that is what it did and
            all of it is here. They are retained until `give_up()`, or until there is
            no more room for them: then the sequence is empty.
        """
        for index, (lane, _, found) in enumerate(self._entries):
            if found == key:
                del self._entries[index]
                settles_audio = lane in (Lane.COMMIT, Lane.CLEAR)
                turn = self._settle_audio(index) if settles_audio else []
                return self._keep(key, turn) if lane is Lane.COMMIT else ()
        return ()

    def give_up(self, key: str) -> None:
        """
        Let go what is retained under a key.

        It is a command of which nobody will learn whether the server took it, or the
        audio of a turn that nobody has to be told again.
        """
        self._entries = deque(each for each in self._entries if each[2] != key)
        turn = self._turns.pop(key, [])
        self._turns_audio -= _size(turn)
        turn.clear()

    def committed(self) -> None:
        """Let go all audio: the server ended a turn by itself."""
        self._settle_audio(len(self._entries))

    def take_back(self) -> Repeated:
        """Return what is to be sent again, and retain nothing of it any more."""
        uncertain = [
            frame[1]
            for lane, frame, key in self._entries
            if lane is not Lane.AUDIO and not key
        ]
        self.written()
        repeated = Repeated(
            entries=self._entries,
            lost_audio=self._lost_audio,
            passed_audio=self._passed_audio,
            sent_audio=self._sent_audio,
            uncertain_types=tuple(str(json.loads(m).get("type")) for m in uncertain),
        )
        self._entries = deque()
        self._audio = self._lost_audio = self._passed_audio = self._sent_audio = 0
        return repeated

    def _take_audio(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._audio += len(entry[1][1])
        while self._turns and self._audio + self._turns_audio > self._max_audio:
            self.give_up(next(iter(self._turns)))
        while self._audio > self._max_audio:
            oldest = next(e for e in self._entries if e[0] is Lane.AUDIO)
            self._entries.remove(oldest)
            self._audio -= len(oldest[1][1])
            self._lost_audio += len(oldest[1][1])

    def _settle_audio(self, end: int) -> list[bytes]:
        """
        Remove the audio among the first *end* entries, of a turn that is over.

        Returns:
            Its messages; none if some were let go before.
        """
        first = [self._entries.popleft() for _ in range(end)]
        kept = [entry for entry in first if entry[0] is not Lane.AUDIO]
        self._entries.extendleft(reversed(kept))
        turn = [payload for lane, (_, payload), _ in first if lane is Lane.AUDIO]
        self._audio -= _size(turn)
        is_whole = not (self._lost_audio or self._passed_audio)
        self._lost_audio = self._passed_audio = 0
        return turn if is_whole else []

    def _keep(self, key: str, turn: list[bytes]) -> Sequence[bytes]:
        if turn:
            self._turns[key] = turn
            self._turns_audio += _size(turn)
        return turn


def _size(messages: Sequence[bytes]) -> int:
    return sum(map(len, messages))


def _audio_bytes(message: bytes) -> int:
    """Return how much audio a message appends, which is in base64."""
    start = message.find(_AUDIO) + len(_AUDIO)
    end = message.find(b'"', start)
    padding = message.count(b"=", end - 2, end)
    return (end - start) * 3 // 4 - padding

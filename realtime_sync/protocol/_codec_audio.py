"""
The audio that a server sends, without parsing again what was parsed before.

The messages of one piece of speech are the same bytes but for two strings: the id of
the event, and the audio, which is most of a message. What is before the one (the head)
and between the two (the middle) is remembered with its meaning once a message was
decoded as all others are. The next one takes a look-up and its base64. Where anything
is unusual, or JSON might read one of the two strings differently, it is decoded as all
others again.
"""

from __future__ import annotations

from typing import Final

from pybase64 import b64decode, b64encode

from .server_events import ResponseOutputAudioDelta


__all__ = ["AudioFrames"]

_EVENT_ID: Final = b'"event_id":"'
_DELTA: Final = b'"delta":"'
_END: Final = b'"}'
_KEYS: Final = 7  # of an audio delta: the fields of its class, and the type
_MOST: Final = 1024  # middles that are remembered; each is one response's

_Meaning = tuple[str, str, int, int]


class AudioFrames:
    """What is known of audio deltas in one dialect; thread-safe."""

    def __init__(self) -> None:
        # One head, and the meanings of middles behind it; both are replaced together.
        self._known: tuple[bytes, dict[bytes, _Meaning]] = (b"nothing", {})
        self._length = 0  # of the middle that came last; the next is likely to be it

    def decode(self, data: bytes) -> ResponseOutputAudioDelta | None:
        """Return the event of a message whose head and middle are known, or None."""
        head, meanings = self._known
        if not data.startswith(head) or not data.endswith(_END):
            return None
        start = len(head)
        stop = data.find(b'"', start)
        audio = stop + self._length
        meaning = meanings.get(data[stop:audio])
        if meaning is None:
            audio = data.find(_DELTA, stop) + len(_DELTA)
            meaning = meanings.get(data[stop:audio])
            if meaning is None:
                return None
            self._length = audio - stop
        return _event(data[start:stop], data[audio:-2], meaning)

    def learn(self, data: bytes, event: object) -> None:
        """Remember head and middle of *data*, if *event* is an audio delta."""
        if type(event) is not ResponseOutputAudioDelta or event.extra:
            return
        if data.count(b'":') != _KEYS:  # a key that is there twice, or an odd string
            return
        start = data.find(_EVENT_ID) + len(_EVENT_ID)
        stop = data.find(b'"', start)
        audio = data.find(_DELTA, stop) + len(_DELTA)
        meaning = (
            event.response_id,
            event.item_id,
            event.output_index,
            event.content_index,
        )
        # Not so if there are spaces, or the audio is not the last field.
        if _event(data[start:stop], data[audio:-2], meaning) == event:
            head, meanings = self._known
            if head != data[:start] or len(meanings) >= _MOST:
                self._known = (data[:start], meanings := {})
            meanings[data[stop:audio]] = meaning


def _event(
    event_id: bytes, text: bytes, meaning: _Meaning
) -> ResponseOutputAudioDelta | None:
    try:
        name, delta = event_id.decode("ascii"), b64decode(text, None, True)
    except ValueError:
        return None
    if not name.isprintable() or "\\" in name:
        return None
    rest = len(delta) % 3
    if rest and b64encode(delta[-rest:]) != text[-4:]:  # its text is to be kept
        return None
    response_id, item_id, output_index, content_index = meaning
    return ResponseOutputAudioDelta(
        event_id=name,
        response_id=response_id,
        item_id=item_id,
        output_index=output_index,
        content_index=content_index,
        delta=delta,
    )

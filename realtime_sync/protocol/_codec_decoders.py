"""
What makes an event of its decoded JSON, by wire type and dialect.

Three layers, each optional: translation from the preview dialect, a quick way for text
and the audio of a client, and for everything the hooks of `_codec_structure`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, cast

import attrs

from . import preview
from ._codec_base64 import from_base64
from ._codec_structure import FAST, Converter, Hook, check_depth, wrong
from ._model import UNSET, Model, Unset
from .client_events import InputAudioBufferAppend, UnknownClientEvent
from .server_events import (
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    UnknownEvent,
)


__all__ = ["Decoders", "Dialect", "spell_preview"]

Dialect = Literal["ga", "preview"]
"""What a connection speaks: the GA protocol, or the preview that came before it."""

_Json = dict[str, Any]


# The events that come 10 to 50 times a second, but for the server's audio, which has a
# way of its own (`_codec_audio`). Whatever is unusual about them is left to
# `structure_any`, the hook for all events.


def _delta_hook(cls: Any, structure_any: Hook) -> Hook:
    def structure_delta(payload: _Json) -> Any:
        event_id = payload.get("event_id")
        response_id = payload["response_id"]
        item_id = payload["item_id"]
        output_index = payload["output_index"]
        content_index = payload["content_index"]
        delta = payload["delta"]
        if (
            len(payload) == 7  # these and the type
            and type(event_id) is str
            and type(response_id) is str
            and type(item_id) is str
            and type(output_index) is int
            and type(content_index) is int
            and type(delta) is str
        ):
            return cls(
                event_id=event_id,
                response_id=response_id,
                item_id=item_id,
                output_index=output_index,
                content_index=content_index,
                delta=delta,
            )
        return structure_any(payload)

    return structure_delta


def _append_hook(structure_any: Hook) -> Hook:
    def structure_append(payload: _Json) -> InputAudioBufferAppend:
        audio = payload["audio"]
        if len(payload) == 2 and type(audio) is str:
            return InputAudioBufferAppend(audio=from_base64(audio))
        return cast(InputAudioBufferAppend, structure_any(payload))

    return structure_append


_HOT: Final[Mapping[type[Model], Callable[[Hook], Hook]]] = {
    InputAudioBufferAppend: _append_hook,
    ResponseOutputAudioTranscriptDelta: partial(
        _delta_hook, ResponseOutputAudioTranscriptDelta
    ),
    ResponseOutputTextDelta: partial(_delta_hook, ResponseOutputTextDelta),
}


# The preview dialect


class _AsSent(dict[str, Any]):
    """The `extra` of an event that its GA form does not tell the exact spelling of."""

    payload: _Json


def _from_preview(structure_ga: Hook) -> Hook:
    def structure_preview(payload: _Json) -> Any:
        ga = preview.to_ga(payload)
        event = structure_ga(ga)
        if preview.to_preview(ga) == payload:
            return event
        extra = _AsSent(event.extra)
        extra.payload = payload
        return attrs.evolve(event, extra=extra)

    return structure_preview


def spell_preview(event: object, wire: _Json) -> _Json:
    """Translate *wire*, the JSON of *event*, to the preview as it was once spelt."""
    extra = getattr(event, "extra", None)
    # What was changed since it arrived is spelt anew.
    if type(extra) is _AsSent and preview.to_ga(extra.payload) == wire:
        return extra.payload
    return preview.to_preview(wire)


class Decoders(dict[str, Hook]):
    """
    What makes an event of its JSON, by wire type.

    Each is made when it is first needed: all of them would make the import slow.
    """

    def __init__(
        self,
        classes: Mapping[str, type[Model]],
        unknown: type[UnknownEvent | UnknownClientEvent],
        dialect: Dialect,
    ) -> None:
        super().__init__()
        self._classes = classes
        self._unknown = unknown
        self._dialect = dialect

    def __missing__(self, wire_type: str) -> Hook:
        hook = self.make(wire_type, FAST)
        if hook != self._structure_unknown:  # whose names have no end
            self[wire_type] = hook
        return hook

    def make(self, wire_type: str, converter: Converter) -> Hook:
        ga_type, usual_type = wire_type, wire_type
        if self._dialect == "preview":
            ga_type = preview.PREVIEW_ALIASES.get(wire_type, wire_type)
            usual_type = preview.to_preview({"type": ga_type})["type"]
        cls = self._classes.get(ga_type)
        if cls is None:
            return self._structure_unknown
        hook = converter.get_structure_hook(cls)
        if self._dialect == "preview":
            hook = _from_preview(hook)
        is_hot = cls in _HOT and converter is FAST and wire_type == usual_type
        return _HOT[cls](hook) if is_hot else hook

    def _structure_unknown(self, payload: _Json) -> UnknownEvent | UnknownClientEvent:
        if type(payload["type"]) is not str:
            raise wrong(payload["type"], "a string")  # told by `_decode_again`
        check_depth(payload)
        event_id = payload.get("event_id", UNSET)
        is_known = event_id is None or type(event_id) in (str, Unset)
        return self._unknown(event_id=event_id if is_known else UNSET, payload=payload)

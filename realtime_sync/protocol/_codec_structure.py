"""
From decoded JSON to model objects: the hooks that make cattrs strict.

They check the types of JSON values and never convert: ``"5"`` is no number, ``true`` no
integer. What is unknown they keep: fields in ``extra``, objects of unknown ``type`` as
`UnknownObject`. What is wrong raises, and the detailed converter tells where.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Union, get_args, get_origin

from cattrs import Converter, IterableValidationError, transform_error
from cattrs.errors import IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from ._codec_base64 import from_base64
from ._codec_unstructure import Word, class_tag, wire_fields
from ._model import UNSET, Model, UnknownObject, Unset
from .session_audio import AudioPcm, ServerVad
from .sessions import RealtimeSession
from .tools import FunctionTool


__all__ = [
    "ABSENT",
    "DETAILED",
    "FAST",
    "Converter",
    "Hook",
    "check_depth",
    "faults",
    "structure_items",
    "wrong",
]

Hook = Callable[..., Any]
"""A hook of cattrs: called with a value and, if need be, its annotation."""

ABSENT: Final = "required, but absent"
"""What is wrong with a field that is not there."""

_Json = dict[str, Any]

_MAX_DEPTH: Final = 200  # of unknown JSON; orjson writes 254 levels at most
_MAX_FAULTS: Final = 10  # told of one array, so that errors stay small
_NESTED: Final = frozenset({dict, list})
_EXTRA: Final = "what the class has no attribute for"  # no name on the wire

_JSON_NAMES: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
    dict: "an object",
}

# What an object without a `type` is read as, where there is a choice.
_UNTYPED: Final = (AudioPcm, FunctionTool, RealtimeSession, ServerVad)


def wrong(value: object, expected: str) -> TypeError:
    """Return the error of a *value* that is not what was *expected*."""
    return TypeError(f"expected {expected}, got {_JSON_NAMES[type(value)]}")


def check_depth(value: Any) -> None:
    """Raise ValueError if unknown JSON is nested too deeply to be written again."""
    level = [value] if type(value) in _NESTED else []
    for _ in range(_MAX_DEPTH):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _NESTED
        ]
    raise ValueError(f"expected at most {_MAX_DEPTH} levels of nesting, got more")


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def _model_hook(cls: type[Model], converter: Converter) -> Hook:
    tag = class_tag(cls)
    known = {*wire_fields(cls), "type"} if tag else {*wire_fields(cls)}
    keep_extra = override(rename=_EXTRA, struct_hook=_keep)
    structure_fields = make_dict_structure_fn(cls, converter, extra=keep_extra)

    def structure_model(payload: _Json, _: object = cls) -> Any:
        if type(payload) is not dict:
            raise wrong(payload, "an object")
        if not known.issuperset(payload) or (tag and payload.get("type") != tag):
            extra = {key: payload[key] for key in payload if key not in known}
            if tag and payload.get("type") != tag:
                extra["type"] = payload.get("type", UNSET)
            check_depth(extra)
            payload = {**payload, _EXTRA: extra}
        return structure_fields(payload, cls)

    return structure_model


def _value_hook(annotation: Any, converter: Converter) -> Hook:
    # Which types of JSON value are allowed, which of them stay as they are, and what
    # becomes of the others.
    members = _members(annotation)
    kept: set[type] = set()
    changed: dict[type, Hook] = {}
    for member in members:
        if member is bytes:
            changed[str] = from_base64
        elif get_origin(member) is Sequence:
            changed[list] = _list_hook(get_args(member)[0], converter)
        elif get_origin(member) is Mapping:
            changed[dict] = _mapping_hook(get_args(member)[1], converter)
        elif not _is_model(member):
            kept.update(_json_types(member))
    models = [member for member in members if _is_model(member)]
    if models:
        changed[dict] = _object_hook(models, converter)
    if AudioPcm in models:  # some services name it in one word, as the preview does
        changed[str] = _named_object
    expected = _expected(kept, changed)

    def structure_value(value: Any, _: object = annotation) -> Any:
        kind = type(value)
        if kind in kept:
            return value
        if kind in changed:
            return changed[kind](value)
        raise wrong(value, expected)

    return structure_value


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(arg for arg in get_args(annotation) if arg is not Unset)
    return (annotation,)


def _json_types(annotation: Any) -> set[type]:
    if get_origin(annotation) is Literal:
        return {type(word) for word in get_args(annotation)}
    if annotation is float:  # 1 is a number as good as 1.0
        return {float, int}
    return {annotation}


def _expected(kept: set[type], changed: Mapping[type, Hook]) -> str:
    kinds = {*kept, *changed} - {type(None)}
    names = {_JSON_NAMES[kind] for kind in kinds}
    if int in kinds and float not in kinds:
        names = {*names, "an integer"} - {"a number"}
    return " or ".join(sorted(names))


def _object_hook(classes: Sequence[type[Model]], converter: Converter) -> Hook:
    known = [cls for cls in classes if cls is not UnknownObject]
    hooks: dict[str, Hook] = {
        class_tag(cls): converter.get_structure_hook(cls) for cls in known
    }
    if list(hooks) == [""]:
        return hooks[""]
    usual = known if len(known) == 1 else [cls for cls in known if cls in _UNTYPED]
    untyped: Hook = hooks[class_tag(usual[0])] if usual else _unknown_object

    def structure_object(value: _Json) -> Any:
        tag = value.get("type")
        hook = hooks.get(tag, _unknown_object) if type(tag) is str else untyped
        return hook(value)

    return structure_object


def _unknown_object(value: _Json) -> UnknownObject:
    check_depth(value)
    return UnknownObject(payload=value)


def _named_object(word: str) -> UnknownObject:
    return UnknownObject(payload=Word({"type": word}))


def _list_hook(annotation: Any, converter: Converter) -> Hook:
    hook: Hook = converter.get_structure_hook(annotation)
    return lambda value: structure_items(enumerate(value), hook, converter)


def _mapping_hook(annotation: Any, converter: Converter) -> Hook:
    if annotation is Any:
        return _keep_json
    hook: Hook = converter.get_structure_hook(annotation)
    return lambda value: dict(
        zip(value, structure_items(value.items(), hook, converter), strict=True)
    )


def structure_items(
    items: Iterable[tuple[Any, Any]], hook: Hook, converter: Converter
) -> list[Any]:
    """Return the values of *items* structured; an index or a key is their path."""
    # cattrs has this as well, but would make an exception of every bad item, which
    # for one large message are millions.
    if not converter.detailed_validation:
        return [hook(value) for _, value in items]
    structured, faults = [], []
    for index, value in items:
        try:
            structured.append(hook(value))
        except Exception as exc:  # told together, below
            note = IterableValidationNote("in an array or mapping", index, None)
            exc.__notes__ = [*getattr(exc, "__notes__", []), note]  # type: ignore[attr-defined, unused-ignore]
            faults.append(exc)
        if len(faults) == _MAX_FAULTS:
            break
    if faults:
        raise IterableValidationError("in an array or mapping", faults, list)
    return structured


def _keep(value: Any, _: object = None) -> Any:
    return value


def _keep_json(value: Any) -> Any:
    check_depth(value)
    return value


def _make_converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook_factory(_is_model, _model_hook)
    converter.register_structure_hook_factory(
        lambda annotation: not _is_model(annotation), _value_hook
    )
    for scalar in (bool, bytes, float, int, str):  # which cattrs looks up first
        converter.register_structure_hook(scalar, _value_hook(scalar, converter))
    return converter


FAST: Final = _make_converter(detailed=False)
DETAILED: Final = _make_converter(detailed=True)  # slower, but tells every path


def faults(exc: BaseException) -> list[tuple[str, str]]:
    """
    Tell the faults behind an error of the detailed converter.

    Returns:
        Pairs of a path, such as ``$.item.content[0]``, and what is wrong there; at
        least one.
    """
    told = (text.partition(" @ ") for text in transform_error(exc, "$", _in_words))
    return [(path, words) for words, _, path in told]


def _in_words(exc: BaseException, _: object) -> str:
    return ABSENT if isinstance(exc, KeyError) else str(exc)

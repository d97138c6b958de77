"""
From the arguments of a function call to Python objects, and from its result to text.

This is a part of the codec, and beside it the only place that knows cattrs and JSON. It
differs in one thing: the types are those of the user's functions, not of the wire.

As in the codec nothing is converted that is not of its type: ``"5"`` is no integer and
``true`` no number. What JSON cannot tell apart goes: 5 for a float, and 5.0, which JSON
schema counts as one, for an integer. Fields that nobody asked for are faults.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
)

import attrs
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn
from cattrs.gen.typeddicts import make_dict_structure_fn as make_typeddict_structure_fn
from typing_extensions import is_typeddict

from ..errors import DecodeError
from ._codec_structure import ABSENT, Hook, faults, structure_items, wrong
from ._model import UNSET


__all__ = ["Arguments", "output_text"]

_Factory = Callable[[Any, Converter], Hook]

_ARRAYS: Final[Mapping[Any, type]] = {
    list: list,
    Sequence: list,
    set: set,
    AbstractSet: set,
    frozenset: frozenset,
}
_OBJECTS: Final = (dict, Mapping)


class Arguments:
    """
    What structures the arguments of one function. Thread-safe.

    Args:
        annotations: The type of each parameter, by name. They are those that
            `parameters_schema()` has a schema for.
        required: The names of those that have no default.
    """

    def __init__(
        self, annotations: Mapping[str, Any], required: AbstractSet[str]
    ) -> None:
        self._hooks = {name: _hook(each) for name, each in annotations.items()}
        self._required = required

    def structure(self, text: str) -> dict[str, Any]:
        """
        Return the arguments by name; those that are absent have their default.

        Args:
            text: The arguments as the model wrote them: a JSON object. A model that has
                nothing to say may say nothing, so no text is an empty object.

        Raises:
            DecodeError: They do not fit. It names the path of every fault.
        """
        values = self._load(text)
        given: dict[str, Any] = {}
        told: list[tuple[str, str]] = []
        for name in sorted(values.keys() | self._required):
            try:
                given[name] = self._structure_one(name, values)
            except Exception as exc:  # told together, below
                told += [(f"$.{name}{path[1:]}", words) for path, words in faults(exc)]
        if told:
            raise _error(told, text)
        return given

    def _load(self, text: str) -> dict[str, Any]:
        try:
            values = orjson.loads(text) if text.strip() else {}
        except orjson.JSONDecodeError as exc:
            raise _error([("$", f"expected JSON, got an error: {exc}")], text) from exc
        if type(values) is not dict:
            raise _error([("$", str(wrong(values, "an object")))], text)
        return values

    def _structure_one(self, name: str, values: dict[str, Any]) -> Any:
        if name not in self._hooks:
            raise TypeError("unknown; there is no such parameter")
        if name not in values:
            raise TypeError(ABSENT)
        return self._hooks[name](values[name])


def _error(told: list[tuple[str, str]], text: str) -> DecodeError:
    message = "; ".join(f"{path}: {words}" for path, words in told)
    payload = text[:4096].encode(errors="replace")
    return DecodeError(message, path=told[0][0], payload=payload)


# The hooks: called with a value as JSON has it, they return it as its type has it


def _hook(annotation: Any) -> Hook:
    hook: Hook = _CONVERTER.get_structure_hook(annotation)
    # cattrs passes the type along; some of its own hooks insist on it.
    return lambda value, _=None: hook(value, annotation)


def _exactly(kind: type, expected: str) -> Hook:
    def structure(value: Any, _: object = None) -> Any:
        if type(value) is not kind:
            raise wrong(value, expected)
        return value

    return structure


def _structure_float(value: Any, _: object = None) -> float:
    if type(value) not in (int, float):
        raise wrong(value, "a number")
    return float(value)


def _structure_int(value: Any, _: object = None) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise wrong(value, "an integer")
    return value


def _choice_factory(annotation: Any, _: Converter) -> Hook:
    """Literal and Enum: one of several values, with its type."""
    if get_origin(annotation) is Literal:
        choices = {(type(word), word): word for word in get_args(annotation)}
    else:
        choices = {(type(each.value), each.value): each for each in annotation}
    names = ", ".join(orjson.dumps(value).decode() for _, value in choices)

    def structure(value: Any, _: object = None) -> Any:
        if isinstance(value, (list, dict)) or (type(value), value) not in choices:
            raise TypeError(f"expected one of {names}")
        return choices[type(value), value]

    return structure


def _union_factory(annotation: Any, _: Converter) -> Hook:
    hooks = {member: _hook(member) for member in get_args(annotation)}

    def structure(value: Any, _: object = None) -> Any:
        exact = hooks.get(type(value))  # or 5 could become 5.0 in a union of both
        failures = []
        for hook in [exact, *hooks.values()] if exact else hooks.values():
            try:
                return hook(value)
            except Exception as exc:  # the next one may like it
                failures.append(exc)
        raise _best(failures, value)

    return structure


def _best(failures: list[Exception], value: object) -> Exception:
    """Return the error to tell: that of the member that came furthest, if one did."""
    inside = [exc for exc in failures if getattr(exc, "exceptions", ())]
    if inside:
        return min(inside, key=lambda exc: len(faults(exc)))
    words = [str(exc).removeprefix("expected ").split(", got ")[0] for exc in failures]
    return wrong(value, " or ".join(dict.fromkeys(words)))


def _array_factory(annotation: Any, converter: Converter) -> Hook:
    make = _ARRAYS[get_origin(annotation) or annotation]
    hook = _hook((get_args(annotation) or (Any,))[0])

    def structure(value: Any, _: object = None) -> Any:
        if type(value) is not list:
            raise wrong(value, "an array")
        return make(structure_items(enumerate(value), hook, converter))

    return structure


def _tuple_factory(annotation: Any, converter: Converter) -> Hook:
    members = get_args(annotation) or (Any, ...)
    is_open = len(members) == 2 and members[1] is ...
    hooks = [_hook(member) for member in members if member is not ...]

    def structure(value: Any, _: object = None) -> tuple[Any, ...]:
        if type(value) is not list:
            raise wrong(value, "an array")
        if not is_open and len(value) != len(hooks):
            raise TypeError(f"expected {len(hooks)} elements, got {len(value)}")
        pairs = zip(value, hooks * len(value) if is_open else hooks, strict=True)
        return tuple(structure_items(enumerate(pairs), _apply, converter))

    return structure


def _apply(pair: tuple[Any, Hook]) -> Any:
    value, hook = pair
    return hook(value)


def _mapping_factory(annotation: Any, converter: Converter) -> Hook:
    hook = _hook((get_args(annotation) or (str, Any))[1])

    def structure(value: Any, _: object = None) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong(value, "an object")
        structured = structure_items(value.items(), hook, converter)
        return dict(zip(value, structured, strict=True))

    return structure


def _class_factory(cls: Any, converter: Converter) -> Hook:
    if attrs.has(cls):
        attrs.resolve_types(cls)  # annotations may be strings
    make = make_typeddict_structure_fn if is_typeddict(cls) else make_dict_structure_fn
    structure_fields = make(cls, converter, _cattrs_forbid_extra_keys=True)

    def structure(value: Any, _: object = None) -> Any:
        if type(value) is not dict:
            raise wrong(value, "an object")
        return structure_fields(value, cls)

    return structure


def _annotated_factory(annotation: Any, _: Converter) -> Hook:
    return _hook(get_args(annotation)[0])


def _origin_in(origins: Any) -> Callable[[Any], bool]:
    return lambda annotation: (get_origin(annotation) or annotation) in origins


def _is_class(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    is_record = attrs.has(annotation) or hasattr(annotation, "__dataclass_fields__")
    return is_record or is_typeddict(annotation)


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, enum.Enum)


def _is_any(annotation: Any) -> bool:
    return annotation is Any or annotation is object


_FACTORIES: Final[Sequence[tuple[Callable[[Any], bool], _Factory]]] = [
    (_origin_in(_ARRAYS), _array_factory),
    (_origin_in(_OBJECTS), _mapping_factory),
    (_origin_in((tuple,)), _tuple_factory),
    (_origin_in((Union, types.UnionType)), _union_factory),
    (_origin_in((Literal,)), _choice_factory),
    (_origin_in((Annotated,)), _annotated_factory),
    (_is_class, _class_factory),
    (_is_enum, _choice_factory),
    (_is_any, lambda annotation, converter: lambda value, _=None: value),
]


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook(str, _exactly(str, "a string"))
    converter.register_structure_hook(bool, _exactly(bool, "a boolean"))
    converter.register_structure_hook(type(None), _exactly(type(None), "null"))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(int, _structure_int)
    for predicate, factory in _FACTORIES:
        converter.register_structure_hook_factory(predicate, factory)
    return converter


_CONVERTER: Final = _make_converter()


# The other way


def output_text(value: Any) -> str:
    """
    Return what a function returned as text for the model.

    Args:
        value: Text stays as it is. All else becomes JSON: what JSON knows, and objects
            of attrs classes and dataclasses, enums, sets, dates and UUIDs.

    Raises:
        TypeError: JSON has no form for it.
        ValueError: It is text that is no Unicode.
    """
    if isinstance(value, str):
        value.encode()  # lone surrogates cannot be sent
        return str.__str__(value)  # of an enum that is a string: its value
    return orjson.dumps(
        value, default=_simpler, option=orjson.OPT_NON_STR_KEYS
    ).decode()


def _simpler(value: Any) -> Any:
    if attrs.has(type(value)):
        fields = {
            each.name: getattr(value, each.name) for each in attrs.fields(type(value))
        }
        return {name: each for name, each in fields.items() if each is not UNSET}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (AbstractSet, tuple)):
        return list(value)
    raise TypeError(f"JSON has no form for {type(value).__name__}")

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
import functools
import types
import typing
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
from cattrs.errors import AttributeValidationNote, ClassValidationError
from cattrs.gen import make_dict_structure_fn
from typing_extensions import is_typeddict

from ..errors import DecodeError
from ._codec_structure import ABSENT, Hook, faults, structure_items, wrong
from ._model import UNSET


__all__ = ["Arguments", "output_text", "typeddict_fields"]

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
        self._structure = _fields_hook(annotations, required)

    def structure(self, text: str) -> dict[str, Any]:
        """
        Return the arguments by name; those that are absent have their default.

        Args:
            text: The arguments as the model wrote them: a JSON object. A model that has
                nothing to say may say nothing, so no text is an empty object.

        Raises:
            DecodeError: They do not fit. It names the path of every fault.
        """
        try:
            values = orjson.loads(text) if text.strip() else {}
        except orjson.JSONDecodeError as exc:
            raise _error([("$", f"expected JSON, got an error: {exc}")], text) from exc
        try:
            given: dict[str, Any] = self._structure(values)
        except Exception as exc:
            raise _error(faults(exc), text) from exc
        return given


def _error(told: list[tuple[str, str]], text: str) -> DecodeError:
    message = "; ".join(f"{path}: {words}" for path, words in told)
    payload = text[:4096].encode(errors="replace")
    return DecodeError(message, path=told[0][0], payload=payload)


# The hooks: called with a value as JSON has it, they return it as its type has it


def _hook(annotation: Any) -> Hook:
    if annotation is None:
        annotation = type(None)
    hook: Hook = _CONVERTER.get_structure_hook(annotation)
    # cattrs passes the type along; some of its own hooks insist on it.
    return lambda value, _=None: hook(value, annotation)


def _scalar_hook(structure_scalar: Hook) -> Hook:
    def structure(value: Any, annotation: Any) -> Any:
        if _is_enum(annotation):  # cattrs takes an enum of strings for a string
            return _choice_hook(annotation)(value)
        return structure_scalar(value)

    return structure


def _exactly(kind: type, expected: str) -> Hook:
    def structure(value: Any) -> Any:
        if type(value) is not kind:
            raise wrong(value, expected)
        return value

    return structure


def _structure_float(value: Any) -> float:
    if type(value) not in (int, float):
        raise wrong(value, "a number")
    return float(value)


def _structure_int(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise wrong(value, "an integer")
    return value


def _choice_factory(annotation: Any, _: Converter) -> Hook:
    return _choice_hook(annotation)


@functools.cache
def _choice_hook(annotation: Any) -> Hook:
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
    structure_fields = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True
    )

    def structure(value: Any, _: object = None) -> Any:
        if type(value) is not dict:
            raise wrong(value, "an object")
        return structure_fields(value, cls)

    return structure


def _typeddict_factory(cls: Any, _: Converter) -> Hook:
    fields = typeddict_fields(cls)
    required = {name for name, (_, is_required) in fields.items() if is_required}
    return _fields_hook({name: hint for name, (hint, _) in fields.items()}, required)


def typeddict_fields(cls: Any) -> dict[str, tuple[Any, bool]]:
    """
    Return the type of each key of a ``TypedDict``, and whether it is required.

    Raises:
        NameError: An annotation cannot be resolved.
    """
    fields = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        is_required = name in cls.__required_keys__
        # String annotations hide these markers from the class; resolved ones show them.
        while (marker := getattr(get_origin(hint), "_name", None)) in _MARKERS:
            is_required = marker == "Required" or (marker == "ReadOnly" and is_required)
            hint = get_args(hint)[0]
        fields[name] = (hint, is_required)
    return fields


_MARKERS: Final = ("Required", "NotRequired", "ReadOnly")


def _fields_hook(annotations: Mapping[str, Any], required: AbstractSet[str]) -> Hook:
    hooks = {name: _hook(annotation) for name, annotation in annotations.items()}

    def structure_one(name: str, values: dict[str, Any]) -> Any:
        if name not in hooks:
            raise TypeError("unknown, so it must not be there")
        if name not in values:
            raise TypeError(ABSENT)
        return hooks[name](values[name])

    def structure(value: Any, _: object = None) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong(value, "an object")
        given, failures = {}, []
        for name in sorted(value.keys() | required):
            try:
                given[name] = structure_one(name, value)
            except Exception as exc:  # told together, below
                note = AttributeValidationNote("in an object", name, None)
                exc.__notes__ = [*getattr(exc, "__notes__", []), note]  # type: ignore[attr-defined, unused-ignore]
                failures.append(exc)
        if failures:
            raise ClassValidationError("in an object", failures, dict)
        return given

    return structure


def _annotated_factory(annotation: Any, _: Converter) -> Hook:
    return _hook(get_args(annotation)[0])


def _origin_in(origins: Any) -> Callable[[Any], bool]:
    return lambda annotation: (get_origin(annotation) or annotation) in origins


def _is_class(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    return attrs.has(annotation) or hasattr(annotation, "__dataclass_fields__")


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
    (is_typeddict, _typeddict_factory),
    (_is_enum, _choice_factory),
    (_is_any, lambda annotation, converter: lambda value, _=None: value),
]


_SCALARS: Final[Mapping[type, Hook]] = {
    str: _exactly(str, "a string"),
    bool: _exactly(bool, "a boolean"),
    type(None): _exactly(type(None), "null"),
    float: _structure_float,
    int: _structure_int,
}


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    for scalar, hook in _SCALARS.items():
        converter.register_structure_hook(scalar, _scalar_hook(hook))
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

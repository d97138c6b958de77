"""JSON schemas of Python types: what a model may put there."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs
from typing_extensions import is_typeddict

from ..protocol._arguments import typeddict_fields
from .docstrings import parse_docstring


__all__ = ["JSON_TYPES", "Schema", "described", "object_schema", "type_schema"]

Schema = dict[str, Any]

JSON_TYPES: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_ARRAYS: Final = (list, Sequence, set, AbstractSet, frozenset)
_SETS: Final = (set, AbstractSet, frozenset)
_OBJECTS: Final = (dict, Mapping)
_SUPPORTED: Final = (
    "str, int, float, bool, None, Literal, Union, Enum, list, set, tuple, dict with "
    "str keys, TypedDict, attrs classes and dataclasses"
)


def described(schema: Schema, description: str) -> Schema:
    # What stands in an annotation is nearer to the parameter than a docstring is.
    return {"description": description, **schema} if description else schema


def type_schema(annotation: Any, where: str, outer: tuple[Any, ...] = ()) -> Schema:
    """
    Return the JSON schema of a type.

    Args:
        annotation: The type.
        where: What has it, for the error message.
        outer: The classes that it is a part of.

    Raises:
        TypeError: There is no schema for it.
    """
    origin = get_origin(annotation) or annotation
    if annotation in (Any, object, inspect.Parameter.empty):
        return {}
    if annotation is None or annotation in JSON_TYPES:
        return {"type": JSON_TYPES[type(None) if annotation is None else annotation]}
    if origin is Annotated:
        return _annotated(annotation, where, outer)
    if origin is Literal:
        return _choice(get_args(annotation), where)
    if origin in (Union, types.UnionType):
        return _union(annotation, where, outer)
    if origin in _ARRAYS:
        return _array(annotation, where, outer)
    if origin is tuple:
        return _tuple(get_args(annotation), where, outer)
    if origin in _OBJECTS:
        return _mapping(get_args(annotation), where, outer)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice([member.value for member in annotation], where)
    if hasattr(annotation, "__supertype__"):  # a NewType
        return type_schema(annotation.__supertype__, where, outer)
    return _record(annotation, where, outer)


def _annotated(annotation: Any, where: str, outer: tuple[Any, ...]) -> Schema:
    inner, *metadata = get_args(annotation)
    schema = type_schema(inner, where, outer)
    words = [each for each in metadata if isinstance(each, str)]
    return {**schema, "description": " ".join(words)} if words else schema


def _choice(values: Sequence[Any], where: str) -> Schema:
    for value in values:
        if type(value) not in JSON_TYPES:
            raise TypeError(f"{where} has {value!r} to choose, which JSON cannot tell")
    schema: Schema = {"enum": list(values)}
    kinds = dict.fromkeys(JSON_TYPES[type(value)] for value in values)
    return {"type": next(iter(kinds)), **schema} if len(kinds) == 1 else schema


def _union(annotation: Any, where: str, outer: tuple[Any, ...]) -> Schema:
    members = [each for each in get_args(annotation) if each is not type(None)]
    schemas = [type_schema(each, where, outer) for each in get_args(annotation)]
    if len(members) > 1:
        return {"anyOf": schemas}
    # Of an optional type the words belong to the whole.
    words = "".join(schema.pop("description", "") for schema in schemas)
    return described({"anyOf": schemas}, words)


def _array(annotation: Any, where: str, outer: tuple[Any, ...]) -> Schema:
    item = (get_args(annotation) or (Any,))[0]
    schema = {"type": "array", "items": type_schema(item, where, outer)}
    is_set = (get_origin(annotation) or annotation) in _SETS
    return {**schema, "uniqueItems": True} if is_set else schema


def _tuple(members: tuple[Any, ...], where: str, outer: tuple[Any, ...]) -> Schema:
    if not members or members[-1] is ...:
        return _array(list[members[0] if members else Any], where, outer)  # type: ignore[misc]
    schemas = [type_schema(each, where, outer) for each in members]
    items = [each for at, each in enumerate(schemas) if each not in schemas[:at]]
    # "items" says less than "prefixItems", but some services want every array to have
    # it.
    return {
        "type": "array",
        "prefixItems": schemas,
        "items": items[0] if len(items) == 1 else {"anyOf": items},
        "minItems": len(members),
        "maxItems": len(members),
    }


def _mapping(arguments: tuple[Any, ...], where: str, outer: tuple[Any, ...]) -> Schema:
    key, value = arguments or (str, Any)
    if key is not str:
        raise TypeError(f"{where} is a dict with keys of {key!r}; JSON has str keys")
    return {"type": "object", "additionalProperties": type_schema(value, where, outer)}


# Classes


def _record(cls: Any, where: str, outer: tuple[Any, ...]) -> Schema:
    if cls in outer:
        raise TypeError(f"{where} has a type that contains itself: {cls.__name__}")
    fields = _fields(cls)
    if fields is None:
        raise TypeError(f"{where} is of type {cls!r}; there are {_SUPPORTED}")
    words = parse_docstring(_class_docstring(cls))
    properties = {
        name: described(
            type_schema(hint, f"{where}, field {name}", (*outer, cls)),
            words.parameters.get(name, ""),
        )
        for name, (hint, _) in fields.items()
    }
    required = [name for name, (_, is_required) in fields.items() if is_required]
    return described(object_schema(properties, required), words.summary)


def object_schema(properties: Schema, required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _fields(cls: Any) -> dict[str, tuple[Any, bool]] | None:
    """Return type and necessity of the fields of *cls*, or None if it has none."""
    if not isinstance(cls, type):
        return None
    try:
        return _fields_of(cls)
    except NameError as exc:
        raise TypeError(
            f"an annotation of {cls.__qualname__} is not known: {exc}; define the "
            "class, and import its types, at the top of a module"
        ) from exc


def _fields_of(cls: type) -> dict[str, tuple[Any, bool]] | None:
    if is_typeddict(cls):
        return typeddict_fields(cls)
    if attrs.has(cls):
        hints = typing.get_type_hints(cls, include_extras=True)
        return {
            each.name: (hints.get(each.name, Any), each.default is attrs.NOTHING)
            for each in attrs.fields(cls)
            if each.init
        }
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls, include_extras=True)
        return {
            each.name: (hints[each.name], _is_required(each))
            for each in dataclasses.fields(cls)
            if each.init
        }
    return None


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _class_docstring(cls: type) -> str:
    words = inspect.cleandoc(cls.__doc__ or "")
    # Dataclasses without a docstring have their signature there.
    return "" if words.startswith(f"{cls.__name__}(") else words

"""
What a Python function looks like to a model: a JSON schema of its parameters.

Types come from the annotations, words from the docstring, and what has a default is not
required. What a model could not call is refused here, when the function is registered,
and not in the middle of a conversation.
"""

from __future__ import annotations

import enum
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

import attrs

from .docstrings import Docstring, parse_docstring
from .type_schema import JSON_TYPES, Schema, described, object_schema, type_schema


__all__ = ["Signature", "describe"]

# What the service accepts as a name.
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@attrs.frozen(kw_only=True)
class Signature:
    """
    A function as the model and the runner need to know it.

    Attributes:
        name: The name by which the model calls it.
        description: What it does, from its docstring; may be empty.
        parameters: JSON schema of its arguments.
        annotations: The type of each parameter that the model gives, by name.
        required: The names of those that have no default.
        injected: The names of those that the runner gives.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    annotations: Mapping[str, Any]
    required: frozenset[str]
    injected: tuple[str, ...]


def describe(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    inject: type | None = None,
) -> Signature:
    """
    Look at *function* as a tool for a model.

    Args:
        function: A function, a bound method, a partial, or another callable object.
        name: What to call it, instead of its own name.
        description: What it does, instead of its docstring.
        inject: Parameters of this type are not for the model.

    Raises:
        TypeError: No model could call it. The message says why and what to do.
    """
    label = _check(function)
    hints = _hints(function, label)
    injected, annotations, required = [], {}, []
    parameters = _parameters(function, label)
    for parameter in parameters:
        hint = _hint(parameter, hints)
        if inject is not None and _is_injected(hint, inject):
            injected.append(parameter.name)
            continue
        annotations[parameter.name] = hint
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    words = parse_docstring(inspect.getdoc(_body(function)) or "")
    given = [each for each in parameters if each.name in annotations]
    return Signature(
        name=_name(function, name, label),
        description=words.summary if description is None else description,
        parameters=object_schema(
            {each.name: _parameter(each, annotations, words, label) for each in given},
            required,
        ),
        annotations={key: _bare(hint) for key, hint in annotations.items()},
        required=frozenset(required),
        injected=tuple(injected),
    )


# What can be called at all


def _check(function: Any) -> str:
    """Refuse what can be seen to be no tool; return what to call it in messages."""
    label = getattr(_inner(function), "__qualname__", None) or repr(function)
    if isinstance(function, classmethod) or not callable(function):
        raise TypeError(f"{label} is not callable; pass a function or a bound method")
    if isinstance(function, type):
        raise TypeError(f"{label} is a class; pass a function that makes one")
    body = _body(function)
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        raise TypeError(
            f"{label} is async and there is no event loop here; pass a function that "
            "blocks, such as one that calls asyncio.run()"
        )
    if inspect.isgeneratorfunction(body):
        raise TypeError(f"{label} is a generator; pass a function returning a list")
    return label


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _body(function: Any) -> Any:
    """Return what has the code, the annotations and the docstring of a call."""
    inner = _inner(function)
    return inner if hasattr(inner, "__name__") else type(inner).__call__


def _name(function: Any, name: str | None, label: str) -> str:
    own = getattr(_inner(function), "__name__", None)
    chosen = own if name is None else name
    if chosen is None or not _NAME.fullmatch(chosen):
        raise TypeError(
            f"{label} has no name that a model could call it by (1 to 64 letters, "
            f"digits, _ or -); give one with name=..."
        )
    return str(chosen)


def _parameters(function: Any, label: str) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(function).parameters.values())
    except ValueError as exc:
        raise TypeError(f"{label} does not tell its parameters; wrap it") from exc
    bound = _bound_keywords(function)
    if found and found[0].name in ("self", "cls") and "." in label:
        raise TypeError(f"{label} is not bound; pass the method of an object")
    for parameter in found:
        _check_parameter(parameter, label)
    return [each for each in found if each.name not in bound]


def _bound_keywords(function: Any) -> set[str]:
    bound: set[str] = set()
    while isinstance(function, functools.partial):
        bound.update(function.keywords)
        function = function.func
    return bound


def _check_parameter(parameter: inspect.Parameter, label: str) -> None:
    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        return
    advice = {
        "VAR_POSITIONAL": "use a list",
        "VAR_KEYWORD": "name its parts, or use a dict",
        "POSITIONAL_ONLY": "remove the slash, for models name all arguments",
    }
    name, kind = parameter.name, parameter.kind
    raise TypeError(f"{label} has {name}, {kind.description}; {advice[kind.name]}")


# Types of parameters


def _hints(function: Any, label: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_body(function), include_extras=True)
    except NameError as exc:
        raise TypeError(
            f"an annotation of {label} is not known: {exc}; import its name at the top "
            "of the module, outside of TYPE_CHECKING"
        ) from exc


def _hint(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    hint = hints.get(parameter.name, Any)
    if parameter.default is not None or _allows_none(hint):
        return _simplest(hint)
    return hint | None  # Python 3.10 does so by itself, later ones do not


def _allows_none(hint: Any) -> bool:
    bare = _bare(hint)
    return bare in (Any, object, None, type(None)) or type(None) in _members(hint)


def _simplest(hint: Any) -> Any:
    """Undo what Python 3.10 does where it is not needed."""
    if get_origin(hint) is Union and len(_members(hint)) == 2:
        inner, outer = _members(hint)
        if outer is type(None) and _allows_none(inner):
            return inner
    return hint


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(_bare(hint))


def _is_injected(hint: Any, inject: type) -> bool:
    return hint is inject or inject in get_args(hint)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _parameter(
    parameter: inspect.Parameter,
    annotations: Mapping[str, Any],
    words: Docstring,
    label: str,
) -> Schema:
    where = f"parameter {parameter.name} of {label}"
    schema = described(
        type_schema(annotations[parameter.name], where),
        words.parameters.get(parameter.name, ""),
    )
    default = parameter.default
    if isinstance(default, enum.Enum):
        default = default.value
    if type(default) in JSON_TYPES:
        schema["default"] = default
    return schema

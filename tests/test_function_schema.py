"""From a Python function to a JSON schema, and from JSON to its arguments."""

# ruff: noqa: UP007, UP045  (the old spellings of unions are tested as well)

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import attrs
import pytest
from typing_extensions import NotRequired, Required

from realtime_sync._functions.docstrings import parse_docstring
from realtime_sync._functions.schema import describe
from realtime_sync.errors import DecodeError
from realtime_sync.protocol._arguments import Arguments, output_text
from realtime_sync.protocol.responses import RateLimit


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, enum.Enum):
    YES = "yes"


UserId = NewType("UserId", str)


@attrs.frozen
class Place:
    """
    A place on Earth.

    Attributes:
        lat: Degrees
            north.
        lon: Degrees east.
    """

    lat: float
    lon: float = 0.0
    hash: int = attrs.field(init=False, default=0)


@dataclasses.dataclass
class Trip:
    stops: list[Place]
    tags: list[str] = dataclasses.field(default_factory=list)
    days: int = 1


class Options(TypedDict, total=False):
    limit: Required[int]
    order: str


class Filter(TypedDict):
    name: str
    user: NotRequired[UserId]


@attrs.frozen
class Tree:
    children: list[Tree]


class Context:
    """Stands for what the runner passes by itself."""


def schema_of(annotation: Any) -> dict[str, Any]:
    """Return the schema of a parameter of that type."""

    def function(value):
        pass

    function.__annotations__["value"] = annotation
    return describe(function).parameters["properties"]["value"]


def structure(annotation: Any, text: str) -> Any:
    """Return the argument that the JSON text makes of that type."""
    return Arguments({"v": annotation}, frozenset()).structure(f'{{"v": {text}}}')["v"]


def fault(annotation: Any, text: str) -> str:
    """Return what is told about JSON text that does not fit the type."""
    with pytest.raises(DecodeError) as caught:
        structure(annotation, text)
    return str(caught.value)


NUMBER = {"type": "number"}
STRING = {"type": "string"}
NULL = {"type": "null"}
PLACE = {
    "description": "A place on Earth.",
    "type": "object",
    "properties": {
        "lat": {"description": "Degrees north.", **NUMBER},
        "lon": {"description": "Degrees east.", **NUMBER},
    },
    "required": ["lat"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, STRING),
        (int, {"type": "integer"}),
        (float, NUMBER),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (Any, {}),
        (object, {}),
        (UserId, STRING),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1, None], {"enum": ["a", 1, None]}),
        (Unit, {"type": "string", "enum": ["celsius", "kelvin"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (Optional[str], {"anyOf": [STRING, NULL]}),
        (Union[str, float], {"anyOf": [STRING, NUMBER]}),
        (str | None, {"anyOf": [STRING, NULL]}),
        (list, {"type": "array", "items": {}}),
        (list[str], {"type": "array", "items": STRING}),
        (Sequence[str], {"type": "array", "items": STRING}),
        (set[str], {"type": "array", "items": STRING, "uniqueItems": True}),
        (tuple[str, ...], {"type": "array", "items": STRING}),
        (tuple, {"type": "array", "items": {}}),
        (
            tuple[str, float, str],
            {
                "type": "array",
                "prefixItems": [STRING, NUMBER, STRING],
                "items": {"anyOf": [STRING, NUMBER]},
                "minItems": 3,
                "maxItems": 3,
            },
        ),
        (dict, {"type": "object", "additionalProperties": {}}),
        (dict[str, float], {"type": "object", "additionalProperties": NUMBER}),
        (Mapping[str, float], {"type": "object", "additionalProperties": NUMBER}),
        (Place, PLACE),
        (
            Trip,
            {
                "type": "object",
                "properties": {
                    "stops": {"type": "array", "items": PLACE},
                    "tags": {"type": "array", "items": STRING},
                    "days": {"type": "integer"},
                },
                "required": ["stops"],
                "additionalProperties": False,
            },
        ),
        (
            Options,
            {
                "type": "object",
                "properties": {"limit": {"type": "integer"}, "order": STRING},
                "required": ["limit"],
                "additionalProperties": False,
            },
        ),
        (
            Filter,
            {
                "type": "object",
                "properties": {"name": STRING, "user": STRING},
                "required": ["name"],
                "additionalProperties": False,
            },
        ),
        (Annotated[str, "A city."], {"description": "A city.", **STRING}),
        (
            Annotated[str, "A city."] | None,
            {"description": "A city.", "anyOf": [STRING, NULL]},
        ),
        (
            list[Annotated[str, "A city.", 5]],
            {"type": "array", "items": {"description": "A city.", **STRING}},
        ),
    ],
)
def test_types_have_schemas(annotation: Any, expected: dict[str, Any]) -> None:
    """Every type that parameters may have becomes its JSON schema."""
    schema = schema_of(annotation)

    assert expected == schema


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bytes, "of type <class 'bytes'>; there are str, int"),
        (complex, "there are str"),
        (Tree, "contains itself: Tree"),
        (dict[int, str], "JSON has str keys"),
        (Literal[b"a"], "b'a' to choose"),
        (list[bytes], "parameter value of"),
        ("Nobody", "annotation of .* is not known: name 'Nobody'"),
    ],
)
def test_types_without_schema_are_refused(annotation: Any, words: str) -> None:
    """A type that JSON cannot tell is refused with what to use instead."""
    with pytest.raises(TypeError, match=words):
        schema_of(annotation)


def test_field_of_unknown_type_is_refused() -> None:
    """A class whose annotations cannot be resolved is named in the error."""

    @attrs.frozen
    class Local:
        what: Nothing  # noqa: F821

    with pytest.raises(TypeError, match=r"Local is not known: name 'Nothing'"):
        schema_of(Local)


def test_defaults_are_not_required() -> None:
    """Parameters with a default are optional, and simple defaults are told."""

    def function(
        city: str,
        days: int = 3,
        unit: Unit = Unit.KELVIN,
        place: Place = Place(1.0),
        note: Annotated[str, "Any."] = None,  # noqa: RUF013
        anything=None,
    ) -> str:
        return ""

    schema = describe(function).parameters

    properties = schema["properties"]
    assert ["city"] == schema["required"]
    assert 3 == properties["days"]["default"]
    assert "kelvin" == properties["unit"]["default"]
    assert "default" not in properties["place"]
    assert {
        "description": "Any.",
        "anyOf": [STRING, NULL],
        "default": None,
    } == properties["note"]
    assert {"default": None} == properties["anything"]
    assert False is schema["additionalProperties"]


def test_optional_types_are_not_made_optional_twice() -> None:
    """A default of None changes nothing about a type that has it already."""

    def function(
        a: int | None = None,
        b: Annotated[int | None, "B."] = None,
        c: Any = None,
        d: None = None,
    ) -> None:
        pass

    properties = describe(function).parameters["properties"]

    integer = {"anyOf": [{"type": "integer"}, NULL], "default": None}
    assert {
        "a": integer,
        "b": {"description": "B.", **integer},
        "c": {"default": None},
        "d": {**NULL, "default": None},
    } == properties


def test_name_and_description_come_from_the_function() -> None:
    """The docstring is the description, up to its first section."""

    def tell_weather(city: str) -> str:
        """
        Tell the weather.

        It is always good.

        Args:
            city: Where.

        Returns:
            Words.
        """
        return city

    signature = describe(tell_weather)

    assert "tell_weather" == signature.name
    assert "Tell the weather.\n\nIt is always good." == signature.description
    assert "Where." == signature.parameters["properties"]["city"]["description"]


def test_name_and_description_can_be_given() -> None:
    """What is given wins over what the function has; an empty one too."""
    named = describe(lambda city: city, name="find-it", description="Find it.")
    empty = describe(test_types_have_schemas, description="")

    assert ("find-it", "Find it.") == (named.name, named.description)
    assert "" == empty.description


def test_annotated_words_win_over_the_docstring() -> None:
    """Words in an annotation are nearer than those of the docstring."""

    def function(city: Annotated[str, "Near."]) -> None:
        """
        Do it.

        Args:
            city: Far.
        """

    assert "Near." == describe(function).parameters["properties"]["city"]["description"]


class Service:
    """Has methods of all kinds."""

    def look_up(self, key: str) -> str:
        """Look it up."""
        return f"method {key}"

    @classmethod
    def count(cls, key: str) -> str:
        """Count it."""
        return f"class {key}"

    @staticmethod
    def drop(key: str) -> str:
        """Drop it."""
        return f"static {key}"

    def __call__(self, key: str) -> str:
        """Call it."""
        return f"object {key}"


@pytest.mark.parametrize(
    ("function", "name", "description"),
    [
        (Service().look_up, "look_up", "Look it up."),
        (Service.count, "count", "Count it."),
        (Service().drop, "drop", "Drop it."),
        (functools.partial(Service().look_up), "look_up", "Look it up."),
        (functools.wraps(Service.drop)(lambda *a: ""), "drop", "Drop it."),
    ],
)
def test_methods_are_functions(function: Any, name: str, description: str) -> None:
    """Bound methods, partials and wrapped functions are told like functions."""
    signature = describe(function)

    assert (name, description) == (signature.name, signature.description)
    assert {"key": STRING} == signature.parameters["properties"]


def test_an_object_that_is_called_needs_a_name() -> None:
    """An object with ``__call__`` has no name, but all the rest."""
    signature = describe(Service(), name="call_it")

    assert "Call it." == signature.description
    assert {"key": STRING} == signature.parameters["properties"]
    with pytest.raises(TypeError, match="give one with name="):
        describe(Service())


def test_what_a_partial_binds_is_not_for_the_model() -> None:
    """The model is told of no parameter that a partial has bound."""

    def function(a: int, b: int, c: int, d: int = 4) -> None:
        pass

    inner = functools.partial(function, 1, c=3)
    signature = describe(functools.partial(inner, d=5))

    assert ["b"] == list(signature.parameters["properties"])
    assert {"b"} == signature.required


async def coroutine(key: str) -> None:
    """Is async."""


async def async_generator(key: str) -> Any:
    """Is an async generator."""
    yield key


def generator(key: str) -> Any:
    """Is a generator."""
    yield key


class AsyncService:
    """Is async when called."""

    async def __call__(self, key: str) -> None:
        """Call it."""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (coroutine, "coroutine is async and there is no event loop"),
        (async_generator, "is async"),
        (functools.partial(coroutine), "coroutine is async"),
        (AsyncService(), "is async"),
        (generator, "generator is a generator; .* a list"),
        (5, "5 is not callable"),
        (vars(Service)["count"], "is not callable; pass .* a bound method"),
        (Service, "Service is a class"),
        (Service.look_up, "Service.look_up is not bound"),
        (lambda *, key: key, "<lambda> has no name .* name="),
        (lambda *names: 1, "has names, variadic positional; use a list"),
        (lambda **names: 1, "has names, variadic keyword; name its parts"),
        (eval("lambda key, /: 1"), "has key, positional-only; remove the slash"),
        (types.SimpleNamespace, "is a class"),
        (print, "print has args, variadic positional|does not tell its parameters"),
        (min, "min does not tell its parameters|variadic"),
    ],
)
def test_what_no_model_can_call_is_refused(function: Any, words: str) -> None:
    """What cannot be called by name with JSON is refused, with what to do."""
    with pytest.raises(TypeError, match=words):
        describe(function)


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "naïve"])
def test_names_that_services_refuse_are_refused(name: str) -> None:
    """Names have letters, digits, underscores and hyphens, 64 at most."""
    with pytest.raises(TypeError, match="has no name that a model could call it by"):
        describe(lambda: 1, name=name)


def test_injected_parameters_are_not_for_the_model() -> None:
    """A parameter of the injected type is left out of the schema."""

    def function(context: Context, city: str, *, also: Context | None = None) -> None:
        pass

    signature = describe(function, inject=Context)

    assert ["city"] == list(signature.parameters["properties"])
    assert ["context", "also"] == list(signature.injected)
    assert {"city"} == signature.required


GOOGLE = """
Find a hotel.

Args:
    city: The city,
        as people call it.
    stars (Optional[int], optional): How many; see ``a: b``.

    *names: All names.

Returns:
    hotel: A hotel.

Nobody reads this.
"""
NUMPY = """
Find a hotel.

Parameters
----------
city : str
    The city,
    as people call it.
stars, most : int, optional
    How many.
plain

Returns
-------
hotel
    A hotel.

Notes
-----
Nobody.
"""
REST = """
Find a hotel.

:param city: The city,
    as people call it.
:param int stars: How many.
:type city: str
:returns: A hotel.
:raises ValueError: Never.
"""


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (
            GOOGLE,
            {
                "city": "The city, as people call it.",
                "stars": "How many; see ``a: b``.",
                "names": "All names.",
            },
        ),
        (
            NUMPY,
            {
                "city": "The city, as people call it.",
                "stars": "How many.",
                "most": "How many.",
                "plain": "",
            },
        ),
        (REST, {"city": "The city, as people call it.", "stars": "How many."}),
        ("Find a hotel.", {}),
        ("", {}),
        ("Args:\n", {}),
        ("Find.\n\nArgs:\n    No names here\n", {}),
    ],
)
def test_docstrings_tell_parameters(text: str, parameters: dict[str, str]) -> None:
    """The three styles of docstrings give the words for each parameter."""
    words = parse_docstring(text)

    assert parameters == words.parameters


@pytest.mark.parametrize(
    "text", [NUMPY, REST, GOOGLE.replace("Nobody reads this.", "")]
)
def test_sections_are_not_in_the_summary(text: str) -> None:
    """The summary is what stands outside of sections."""
    assert "Find a hotel." == parse_docstring(text).summary


def test_text_after_a_section_is_in_the_summary() -> None:
    """A section ends where the indentation does."""
    assert "Find a hotel.\n\nNobody reads this." == parse_docstring(GOOGLE).summary


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (str, '"a"', "a"),
        (int, "5", 5),
        (int, "5.0", 5),
        (float, "5", 5.0),
        (bool, "true", True),
        (None, "null", None),
        (Any, '{"a": [1]}', {"a": [1]}),
        (UserId, '"u"', "u"),
        (Literal["a", 1], "1", 1),
        (Unit, '"kelvin"', Unit.KELVIN),
        (Level, "2", Level.HIGH),
        (Optional[int], "null", None),
        (Union[int, float], "5.0", 5.0),
        (Union[float, int], "5", 5),
        (Union[str, list[str]], '["a"]', ["a"]),
        (Union[Place, Options], '{"limit": 1}', {"limit": 1}),
        (list, "[1]", [1]),
        (list[float], "[1]", [1.0]),
        (Sequence[int], "[1]", [1]),
        (set[int], "[1, 1]", {1}),
        (frozenset[int], "[1, 1]", frozenset({1})),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (tuple, "[1]", (1,)),
        (dict, '{"a": 1}', {"a": 1}),
        (dict[str, float], '{"a": 1}', {"a": 1.0}),
        (Place, '{"lat": 1}', Place(1.0)),
        (Trip, '{"stops": [{"lat": 1}]}', Trip([Place(1.0)])),
        (Filter, '{"name": "a"}', {"name": "a"}),
        (Annotated[int, "Words."], "1", 1),
        (list[Annotated[int, "Words."]], "[1]", [1]),
    ],
)
def test_arguments_get_their_types(annotation: Any, text: str, expected: Any) -> None:
    """JSON becomes an object of the annotated type."""
    value = structure(annotation, text)

    assert expected == value
    assert type(expected) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "words"),
    [
        (int, '"5"', "$.v: expected an integer, got a string"),
        (int, "5.5", "$.v: expected an integer, got a number"),
        (int, "true", "$.v: expected an integer, got a boolean"),
        (float, '"5"', "$.v: expected a number, got a string"),
        (float, "true", "$.v: expected a number, got a boolean"),
        (str, "5", "$.v: expected a string, got a number"),
        (bool, "1", "$.v: expected a boolean, got a number"),
        (None, "1", "$.v: expected null, got a number"),
        (Literal["a", 1], "true", '$.v: expected one of "a", 1'),
        (Literal["a"], "[]", '$.v: expected one of "a"'),
        (Unit, '"Celsius"', '$.v: expected one of "celsius", "kelvin"'),
        (list[int], '"ab"', "$.v: expected an array, got a string"),
        (tuple[int, str], "[1]", "$.v: expected 2 elements, got 1"),
        (tuple[int, ...], "5", "$.v: expected an array, got a number"),
        (dict[str, int], "[]", "$.v: expected an object, got an array"),
        (Place, '"here"', "$.v: expected an object, got a string"),
        (Optional[int], '"5"', "$.v: expected an integer or null, got a string"),
        (list[int], '[1, "2"]', "$.v[1]: expected an integer, got a string"),
        (dict[str, int], '{"a": "b"}', "$.v['a']: expected an integer, got a string"),
        (Place, "{}", "$.v.lat: required, but absent"),
        (
            Trip,
            '{"stops": [{"lat": "1"}]}',
            "$.v.stops[0].lat: expected a number, got a string",
        ),
        (Optional[Place], '{"lat": "1"}', "$.v.lat: expected a number, got a string"),
        (
            Options,
            '{"order": 1, "limit": 1}',
            "$.v.order: expected a string, got a number",
        ),
    ],
)
def test_nothing_is_converted_silently(annotation: Any, text: str, words: str) -> None:
    """What is not of its type is a fault that names its path."""
    assert words == fault(annotation, text)


@pytest.mark.parametrize("annotation", [Place, Trip, Filter])
def test_fields_that_nobody_asked_for_are_faults(annotation: Any) -> None:
    """A field that the class does not have is named, not dropped."""
    known = {Place: '"lat": 1', Trip: '"stops": []', Filter: '"name": "a"'}

    assert "colour" in fault(annotation, f'{{{known[annotation]}, "colour": 1}}')


def test_all_faults_are_told_at_once() -> None:
    """A model that repairs its arguments learns of every fault in one go."""
    arguments = Arguments({"a": int, "b": list[int], "c": str}, frozenset({"c"}))

    with pytest.raises(DecodeError) as caught:
        arguments.structure('{"a": "1", "b": ["x", 2, "y"], "d": 0}')

    assert [
        "$.a: expected an integer, got a string",
        "$.b[0]: expected an integer, got a string",
        "$.b[2]: expected an integer, got a string",
        "$.c: required, but absent",
        "$.d: unknown, so it must not be there",
    ] == str(caught.value).split("; ")
    assert "$.a" == caught.value.path


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_no_text_is_no_arguments(text: str) -> None:
    """Models that have nothing to say may say nothing."""
    assert {} == Arguments({"a": int}, frozenset()).structure(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "expected JSON"), ("[1]", "expected an object, got an array")],
)
def test_arguments_are_a_json_object(text: str, words: str) -> None:
    """What is no JSON object is a fault of the whole."""
    with pytest.raises(DecodeError, match=words) as caught:
        Arguments({}, frozenset()).structure(text)

    assert "$" == caught.value.path
    assert text.encode() == caught.value.payload


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sunny.", "Sunny."),
        (Word.YES, "yes"),
        (None, "null"),
        (True, "true"),
        (5, "5"),
        ({"a": (1, 2)}, '{"a":[1,2]}'),
        ({1: "a"}, '{"1":"a"}'),
        ([Unit.KELVIN], '["kelvin"]'),
        ({5}, "[5]"),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        (
            Trip([Place(1.0)]),
            '{"stops":[{"lat":1.0,"lon":0.0,"hash":0}],"tags":[],"days":1}',
        ),
        (RateLimit(name="tokens"), '{"extra":{},"name":"tokens"}'),
        (sys.version_info[:1], f"[{sys.version_info[0]}]"),
    ],
)
def test_outputs_become_text(value: Any, expected: str) -> None:
    """Text stays as it is, and all else becomes JSON."""
    assert expected == output_text(value)


def test_outputs_without_json_are_refused() -> None:
    """What has no form in JSON, or cannot be sent as text, is an error."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        output_text(object())
    with pytest.raises(ValueError, match="surrogates not allowed"):
        output_text("\ud800")

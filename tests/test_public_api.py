"""Every public name, and that it is one."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import realtime_sync
from realtime_sync import errors, protocol


NAMES = [name for name in realtime_sync.__all__ if name != "__version__"]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(realtime_sync, name))]


def members(cls: type) -> list[tuple[str, Any]]:
    """Return the public methods and properties that a class has of its own."""
    return [
        (name, member)
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, (property, classmethod)))
    ]


def test_all_is_sorted() -> None:
    """The public names are sorted, and none is there twice."""
    assert sorted(set(realtime_sync.__all__)) == realtime_sync.__all__


def test_all_is_complete() -> None:
    """Whatever a public module offers is public here, and nothing else is there."""
    everything = {
        name
        for name, value in vars(realtime_sync).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert everything == set(NAMES)
    assert set(protocol.__all__) <= set(NAMES)
    assert set(errors.__all__) <= set(NAMES)


def test_all_is_importable() -> None:
    """`from realtime_sync import *` gives every name."""
    namespace: dict[str, Any] = {}
    exec("from realtime_sync import *", namespace)

    assert set(realtime_sync.__all__) <= set(namespace)


@pytest.mark.parametrize("name", CLASSES)
def test_home(name: str) -> None:
    """Public classes say that they live here."""
    cls = getattr(realtime_sync, name)

    assert ("realtime_sync", name) == (cls.__module__, cls.__name__)


@pytest.mark.parametrize("name", NAMES)
def test_documented(name: str) -> None:
    """Every public class or function has a docstring, its public methods included."""
    value = getattr(realtime_sync, name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return  # aliases of types and constants cannot have one
    # attrs writes a docstring for nobody, dataclasses do: the signature is none.
    undocumented = (
        [member for member, each in members(value) if not inspect.getdoc(each)]
        if inspect.isclass(value)
        else []
    )

    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")
    assert [] == undocumented


@pytest.mark.parametrize("name", errors.__all__)
def test_errors(name: str) -> None:
    """Every error has one root, so that one clause catches all."""
    assert issubclass(getattr(errors, name), realtime_sync.RealtimeError)


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_are_drawn(name: str) -> None:
    """Every error is in the tree that the module opens with."""
    assert f" {name} " in f"{errors.__doc__} ".replace("\n", " ")


def test_keywords() -> None:
    """All but the first two settings of a client are given by keyword."""
    fields = attrs.fields(realtime_sync.RealtimeClient)

    assert ["endpoint", "credential"] == [
        field.name for field in fields if not field.kw_only
    ]


def test_type_checkers_see_the_same() -> None:
    """The stub of the package offers what the package does."""
    stub = ast.parse(Path(realtime_sync.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    offered = [alias.asname or alias.name for node in imports for alias in node.names]

    assert {*offered, *protocol.__all__} == {*NAMES, "*"}


def test_import_is_lazy() -> None:
    """Importing the package alone imports nothing that takes time."""
    command = "import sys, realtime_sync; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    modules = set(shown.stdout.split())

    assert set() == modules & {"attr", "ssl", "orjson", "websocket"}
    assert {"realtime_sync", "realtime_sync._version"} == {
        name for name in modules if name.startswith("realtime_sync")
    }


def test_modules_are_attributes() -> None:
    """A module of the package need not be imported by its own name."""
    command = "import realtime_sync; print(realtime_sync.transport.TEXT)"
    shown = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )

    assert "1" == shown.stdout.strip()


@pytest.mark.parametrize("name", ["nothing", "_nothing", "__wrapped__"])
def test_unknown_names(name: str) -> None:
    """A name that there is not is an `AttributeError`, as of any module."""
    with pytest.raises(AttributeError, match=name):
        getattr(realtime_sync, name)


def test_version() -> None:
    """There is one version, and it can be read."""
    assert realtime_sync.__version__.count(".") >= 1

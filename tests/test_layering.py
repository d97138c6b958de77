"""The three floors of the package: who may import whom, and who may start a thread."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import realtime_sync


PACKAGE = Path(realtime_sync.__file__).parent
MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

# A foreign library, and the modules that know it.
IMPORTERS = {
    # The model's way from and to mappings; and a function's arguments from JSON.
    "cattrs": ["protocol/_codec_structure.py", "protocol/_arguments.py"],
    # The connection's socket, and the upgrade request that it begins with.
    "websocket": ["transport.py", "_wire/upgrade.py"],
    # The emulator's server; and its C function that masks frames, if it is there.
    "websockets": ["emulator/*.py", "_wire/frames.py"],
    # Spans and metrics, for those who asked for them.
    "opentelemetry": ["_telemetry/*.py", "telemetry.py"],
    # JSON and base64 of messages.
    "pybase64": ["protocol/_codec_base64.py", "protocol/_codec_audio.py"],
    # The bridge's server: routes and contexts; and its half of a WebSocket. And the
    # web request that a log record was made in.
    "flask": ["flask/*.py", "_log_fields.py"],
    "wsproto": ["flask/*.py"],
}

# Who may start threads, and which.
THREADS = {
    "_channel/channel.py",  # the reader and the writer of a connection
    "_wire/line.py",  # a look-up of a name, which has no timeout of its own
    "_recording/intake.py",  # writes what was captured, so that sessions need not wait
    "flask/_outbox.py",  # sends to a browser
    "_worker_pool.py",  # the user's functions that a model calls, and a player's feed
    "_batch/worker.py",  # closes what a batch's process has no use for any more
    "audio/devices.py",  # feeds a device
    "audio/pacing.py",  # plays as time goes by
    "_batch/iterator.py",  # runs items, unless the caller has an executor
    "emulator/*.py",  # serves
}
STARTERS = {"Thread", "Timer", "ThreadPoolExecutor"}

# Whose waiting Ctrl-C cannot disturb, as no signal is handled on their threads; and who
# hands an event to functions of the user's.
STANDARD_WAITERS = {
    *{"emulator/_clock.py", "emulator/_carrier.py"},
    *{"_functions/calls.py", "audio/pacing.py"},
}

# What the lower floors know of the package, besides themselves; all else is above them.
BELOW = {
    "_wire": {"_deadline", "_waiting", "errors", "protocol"},
    "_conversation": {"_shown", "protocol"},
    "_channel": {
        *{"_checks", "_deadline", "_logging", "_recovery", "_waiting", "_wire"},
        *{"errors", "protocol", "reconnect", "transport"},
    },
    "_responses": {"_channel", "_deadline", "errors", "protocol", "response_stream"},
    "_functions": {
        *{"_channel", "_deadline", "_worker_pool", "errors", "protocol"},
        "response_stream",
    },
    "_timeline": {"_recording", "audio", "protocol"},
}

# Public names are nobody's business there: what the module is for is to be run or read.
# The package finds its names when they are asked for; they have a test of theirs.
NO_ALL = {"__init__.py", "__main__.py", "_version.py"}
# Folders of machinery say what they are for, and hand nothing on.
NO_ALL |= {name for name in MODULES if re.fullmatch(r"_\w+/__init__\.py", name)}


def imports(name: str) -> Iterator[str]:
    """Yield the modules that a module imports, those of this package with a dot."""
    package = [".", *Path(name).parts[:-1]]
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                path = [*base[1:], *(node.module or "").split(".")]
                stem = ".".join(part for part in path if part)
                yield f".{stem}"
                yield from (f".{stem}.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def called(name: str) -> set[str]:
    """Return the last names of what a module calls."""
    names = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Call):
            names.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
    return names


def is_one_of(name: str, patterns: object) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)  # type: ignore[attr-defined]


def rank(name: str) -> tuple[int, str]:
    """Order as ruff does: constants, then classes, then everything else."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def importers(*libraries: str) -> set[str]:
    return {
        name
        for name in MODULES
        for found in imports(name)
        if found.split(".")[0] in libraries
    }


def test_imports_are_seen() -> None:
    """The check sees imports of this package and of others."""
    assert {".errors", "websocket", ".transport"} & set(imports("transport.py"))
    assert ".protocol.codec" in set(imports("_channel/absorber.py"))
    assert ".protocol._model" in set(imports("protocol/codec.py"))


@pytest.mark.parametrize("name", [name for name in MODULES if "protocol/" in name])
def test_protocol_is_data(name: str) -> None:
    """What is said knows no thread, no queue, no socket, and no other floor."""
    found = set(imports(name))
    foreign = {each.split(".")[0] for each in found}

    assert set() == foreign & {"threading", "queue", "socket", "ssl", "asyncio"}
    assert set() == {
        each
        for each in found
        if each.startswith(".")
        and not each.startswith((".protocol", ".errors"))
        and each != "."
    }


@pytest.mark.parametrize("folder", BELOW)
def test_floors(folder: str) -> None:
    """A lower floor imports nothing from the floors above it."""
    found = {
        each.split(".")[1]
        for name in MODULES
        if name.startswith(f"{folder}/")
        for each in imports(name)
        if each.startswith(".")
    }

    assert BELOW[folder] >= found - {folder, ""}


@pytest.mark.parametrize("library", IMPORTERS)
def test_one_importer(library: str) -> None:
    """A foreign library is known to the modules that wrap it, and to no other."""
    strangers = {
        name for name in importers(library) if not is_one_of(name, IMPORTERS[library])
    }

    assert set() == strangers


def test_no_event_loop() -> None:
    """There is no event loop anywhere."""
    assert set() == importers("asyncio", "trio", "anyio")


def test_threads() -> None:
    """Threads are started in a few modules that are known for it."""
    starters = {name for name in MODULES if called(name) & STARTERS}

    assert set() == {name for name in starters if not is_one_of(name, THREADS)}


def test_waiting() -> None:
    """Threads wait by what Ctrl-C may end at any moment, but for a few."""
    waiters = {
        name
        for name in MODULES
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Attribute)
        if ast.unparse(node) in ("threading.Condition", "threading.Event")
    }

    assert waiters == STANDARD_WAITERS


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all in it that is no function of its own."""
    if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.GeneratorExp)):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from within(child)


@pytest.mark.parametrize(
    "name", [name for name in MODULES if not name.startswith("emulator/_")]
)
def test_no_loop_with_a_lock(name: str) -> None:
    """
    No `with` of a lock has a loop of its own: a method that it calls has it.

    Since 3.12 Python has the way back of a loop outside of the `with` around it. Ctrl-C
    comes there first of all, and would leave the lock locked.
    """
    loops = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)
    found = [
        node.lineno
        for block in ast.walk(MODULES[name])
        if isinstance(block, ast.With)
        if any(ast.unparse(item).endswith(("lock", "sending")) for item in block.items)
        for statement in block.body
        for node in within(statement)
        if isinstance(node, loops)
    ]

    assert [] == found


@pytest.mark.parametrize("name", [name for name in MODULES if "emulator/" in name])
def test_emulator_is_a_server(name: str) -> None:
    """The emulator does not know the client that it is there for."""
    client = {".client", ".connection", ".transport", "._channel", "._connection"}

    assert set() == client & set(imports(name))


@pytest.mark.parametrize("name", sorted(set(MODULES) - NO_ALL))
def test_all(name: str) -> None:
    """Every module says, in order, what others may use of it."""
    (names,) = [
        node.value
        for node in MODULES[name].body
        if isinstance(node, ast.Assign)
        and any(getattr(target, "id", None) == "__all__" for target in node.targets)
    ]
    if isinstance(names, ast.Call):  # put together; the test of public names reads it
        return
    exported = ast.literal_eval(names)

    assert sorted(exported, key=rank) == list(exported)


@pytest.mark.parametrize("name", MODULES)
def test_title(name: str) -> None:
    """Every module but a marker says what it is for."""
    assert ast.get_docstring(MODULES[name]) or not MODULES[name].body

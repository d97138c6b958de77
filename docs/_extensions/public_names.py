"""The directive `public-names`: everything that a module offers, by its public name."""

import importlib
import inspect
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.parsing import nested_parse_to_nodes

import realtime_sync


class PublicNames(SphinxDirective):
    """
    Document the names in ``__all__`` of a module.

    What the package offers at its root is documented there, wherever it is defined.
    """

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Return the descriptions of all names."""
        module = importlib.import_module(self.arguments[0])
        text = "\n".join(_described(module, name) for name in module.__all__)
        return nested_parse_to_nodes(
            self.state, _as_markdown(text), source="public-names"
        )


def _described(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    # Some names are used twice, such as Audio: a part of a message, and a recording.
    root = name in realtime_sync.__all__ and getattr(realtime_sync, name) is value
    home = "realtime_sync" if root else module.__name__
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return _data(module, name, home)
    if inspect.isroutine(value):
        return f".. autofunction:: {home}.{name}\n"
    if issubclass(value, BaseException):
        return f".. autoexception:: {home}.{name}\n   :show-inheritance:\n"
    return f".. autoclass:: {home}.{name}\n{_inherited(value)}"


def _inherited(cls: type) -> str:
    """Return the option that has the methods of this package's own, private bases."""
    ours = [base for base in cls.__mro__[1:] if _is_ours(base)]
    if not any(_is_private(base) for base in ours):
        return ""
    others = {base.__name__ for base in cls.__mro__[1:] if not _is_private(base)}
    return f"   :inherited-members: {', '.join(sorted(others))}\n"


def _is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "realtime_sync"


def _is_private(cls: type) -> bool:
    """Tell whether a class is of this package, and has no page of its own."""
    return _is_ours(cls) and any(
        part.startswith("_") for part in cls.__module__.split(".")
    )


def _public_bases(
    app: Sphinx, name: str, cls: type, options: object, bases: list[type]
) -> None:
    bases[:] = [base for base in bases if not _is_private(base)]


def _data(module: ModuleType, name: str, home: str) -> str:
    """Describe a constant or an alias, whose words are in the module that has it."""
    analyzer = ModuleAnalyzer.for_module(module.__name__)
    words = analyzer.find_attr_docs().get(("", name), [])
    lines = [f".. py:data:: {home}.{name}", "", *(f"   {line}" for line in words), ""]
    return "\n".join(lines)


def _as_markdown(text: str) -> str:
    return f"```{{eval-rst}}\n{text}\n```"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-bases", _public_bases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

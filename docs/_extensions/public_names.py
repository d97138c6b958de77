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
    kind = "function" if inspect.isroutine(value) else "class"
    if kind == "class" and issubclass(value, BaseException):
        kind = "exception"
    return f".. auto{kind}:: {home}.{name}\n"


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
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The site: `python -m sphinx -W docs docs/_build`, with the extra ``docs``."""

import sys
from pathlib import Path


HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

from sphinx.domains.python import PyObject  # noqa: E402

import realtime_sync  # noqa: E402


project = "realtime_sync"
author = "realtime_sync contributors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx calls it so
version = release = realtime_sync.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "public_names",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "realtime_sync"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings write `Name`, which is a link wherever the name is known.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# Docstrings call them attributes, and so does everybody.
for _field in PyObject.doc_field_types:
    if _field.name == "variable":
        _field.label = "Attributes"

"""The documentation site: `make docs`, then open docs/_build/html/index.html. Nothing is fetched, then or now."""

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import generate  # noqa: E402

project = "matterlearn"
author = copyright = "The matterlearn developers"
release = version = re.findall(r'^version = "(.*)"', (DOCS.parent / "pyproject.toml").read_text(), re.M)[0]

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton", "sphinxcontrib.bibtex", "mathml"]
exclude_patterns = ["_build", "_ext", "**/.ipynb_checkpoints"]
highlight_language = "none"
nitpicky = True
# What others document is not linked: links need inventories from the network.
nitpick_ignore_regex = [(r"py:.*", r"(?!matterlearn\b).*")]
python_maximum_signature_line_length = 90
toc_object_entries = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline", "fieldlist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.strikethrough"]

# Every notebook is run, here and on every change; what has not changed is taken from the cache.
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "jupyter-cache")
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_excludepatterns = os.environ.get("MATTERLEARN_DOCS_NOT_RUN", "").split()
nb_merge_streams = True
nb_ipywidgets_js = {}  # widgets would be drawn by scripts from the network
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # `!matterlearn`

generate.update(DOCS / "bibliography.bib", generate.literature(DOCS))  # read before any other page is made
bibtex_bibfiles = ["bibliography.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

html_theme = "pydata_sphinx_theme"
html_title = "matterlearn"
html_static_path = ["_static"]
html_css_files = ["matterlearn.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_depth": 2,
    "show_nav_level": 1,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
}
html_sidebars = {"index": [], "gallery/*": [], "changelog": [], "references": []}


def setup(app) -> None:
    """Writes the pages that are made of the sources, the scenarios and the equations before anything is read."""
    app.connect("builder-inited", lambda _: generate.write(DOCS))

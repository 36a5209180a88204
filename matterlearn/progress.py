"""A progress bar where somebody looks: in a terminal or a notebook, never in a file.

Example:
    >>> with bar(total=10, desc="recall", quiet=True) as shown:
    ...     shown.update(10)
"""

import importlib.util
import sys
from typing import Any

from tqdm import tqdm


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    here = shell.get_ipython() if shell is not None else None
    return type(here).__name__ == "ZMQInteractiveShell"


def bar(*, quiet: bool, **options: Any) -> tqdm:
    """tqdm's bar: its widget in a notebook that can show it, else text; none if nobody would see it.

    Args:
        quiet: no bar.
        options: what tqdm takes; TQDM_DISABLE=1 in the environment turns all bars off.
    """
    notebook = in_notebook()
    if quiet or not (notebook or sys.stderr.isatty()):  # in a file it would be thousands of lines
        return tqdm(disable=True, **options)
    if notebook and importlib.util.find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as widget

        return widget(**options)
    return tqdm(**options)

"""Simulate matter that learns: energies whose couplings follow the statistics they produce.

Everything that a YAML file can say is a few lines of Python. A scenario is a name, a path, YAML text, or a mapping
whose sections are mappings or Configs of their kinds::

    import matterlearn as ml

    tree = ml.run("hopfield_recall", set={"task.count": 10, "run.seed": 3})   # xarray.DataTree, also in runs/
    tree.ml                                # table of what was measured, and verdicts on what was expected
    tree.ml.plot.overlap()                 # a figure; printed, tree.ml.plot lists what can be drawn
    tree.ml.report("recall.html"), tree.ml.cite()

    both = ml.compare({"Hebb": tree, "hotter": ml.run("hopfield_recall", set={"dynamics.kT": 0.4})})
    both.table                             # differences with their standard errors, a pandas.DataFrame
    phases = ml.sweep("hopfield_recall", {"run.seed": range(8), "task.count": [10, 25, 50]})

`load` checks a scenario and returns it, `run` simulates it, `sweep` does so over values of its quantities, `open`
opens results, `compare` holds runs against each other, `cite` gives BibTeX, and `allow` lets scenarios name kinds of
other packages. Nothing is imported before it is used, so importing the package starts no jax.

>>> import matterlearn
>>> matterlearn.load("title: a\\nsystem: {kind: spam}\\ndynamics: {}\\nrun: {}")
Traceback (most recent call last):
matterlearn.errors.ScenarioError: ...
"""

import sys
from importlib import import_module
from types import ModuleType

_LAZY = {
    "Comparison": "matterlearn.compare",
    "Scenario": "matterlearn.scenario",
    "allow": "matterlearn.kinds",
    "load": "matterlearn.scenario",
    "open": "matterlearn.results",
}
_CALLABLE = ("cite", "compare", "run", "sweep")  # submodules that answer to a call with their function of that name
__all__ = ["__version__", *_CALLABLE, *_LAZY]  # pyright: ignore[reportUnsupportedDunderAll]


class _Callable(ModuleType):
    """`matterlearn.run(...)` is `matterlearn.run.run(...)`, whoever imported the submodule."""

    def __call__(self, *args, **kwargs):
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)

    @property
    def __wrapped__(self):  # help and signatures are those of the function
        return getattr(self, self.__name__.rpartition(".")[2])


class _Package(ModuleType):
    """Importing a submodule binds it here."""

    def __setattr__(self, name, value):
        if name in _CALLABLE and isinstance(value, ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("matterlearn")
        except PackageNotFoundError:
            return "0+unknown"
    if name in _CALLABLE:
        return import_module(f"matterlearn.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'matterlearn' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package

"""Simulate matter that learns: energies whose couplings follow the statistics they produce.

>>> import matterlearn
>>> matterlearn.load("title: a\\nsystem: {kind: spam}\\ndynamics: {}\\nrun: {}")
Traceback (most recent call last):
matterlearn.errors.ScenarioError: ...

`load` checks a scenario, `run` simulates it, `open` opens its results. Nothing is imported before
it is used, so importing the package starts no jax.
"""

import sys
from importlib import import_module
from types import ModuleType

_LAZY = {
    "allow": "matterlearn.kinds",
    "Scenario": "matterlearn.scenario",
    "load": "matterlearn.scenario",
    "open": "matterlearn.results",
}
__all__ = ["Scenario", "__version__", "allow", "load", "open", "run"]


class _Run(ModuleType):
    """The submodule `run` answers to a call with its function of the same name."""

    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)


class _Package(ModuleType):
    """Importing a submodule binds it here; `matterlearn.run` stays callable whoever imports it."""

    def __setattr__(self, name, value):
        if name == "run" and isinstance(value, ModuleType):
            value.__class__ = _Run
        super().__setattr__(name, value)


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("matterlearn")
        except PackageNotFoundError:
            return "0+unknown"
    if name == "run":
        return import_module("matterlearn.run")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'matterlearn' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package

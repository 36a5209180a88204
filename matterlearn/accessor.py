"""`tree.ml`: what can be asked of the results of a run, a sweep or a comparison. No jax.

Example:
    >>> import numpy as np
    >>> from matterlearn import results  # registers the accessor, as matterlearn.open and matterlearn.run do
    >>> energy = (("replica", "step"), np.array([[0.0, -2.0], [0.0, -4.0]]), {"units": "kT"})
    >>> tree = xr.DataTree(xr.Dataset({"energy": energy}))
    >>> tree.ml.table.loc["energy_final", "mean"]
    np.float64(-3.0)
    >>> tree.ml.plot
    Figures of these results, as in .plot.energy():
      energy  Energy against time, mean over replicas with its standard error; of long records, means over blocks.
    >>> tree.ml.plot("energi")
    Traceback (most recent call last):
    matterlearn.errors.InputError: no figure 'energi'; did you mean 'energy'?
"""

import textwrap
from dataclasses import asdict
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from matterlearn import cite, notes, plots, plots_sweep, report, results, style
from matterlearn.errors import InputError, did_you_mean


class Accessor:
    """What can be asked of a tree of results; printed, it is a summary of the run."""

    def __init__(self, tree: xr.DataTree):
        self._tree = tree

    @property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario, as plain values; `matterlearn.run` and `matterlearn.load` take it."""
        return results.scenario_of(self._tree)

    @property
    def directory(self) -> Path | None:
        """Where the run lies, if the tree came from a file or a run."""
        source = self._tree.encoding.get("source")
        return Path(source).parent if source else None

    @property
    def table(self) -> pd.DataFrame:
        """Final value of everything measured: mean over replicas, standard error, units, replicas, what it is.

        Of a sweep: final values and standard errors at every point.
        """
        if self._swept:
            return plots_sweep.table(self._tree)
        rows = [asdict(row) for row in results.summary(self._tree)]
        columns = ["name", "mean", "sem", "units", "replicas", "long_name"]
        return pd.DataFrame(rows, columns=columns).set_index("name").rename_axis("observable")

    @property
    def verdicts(self) -> list[results.Verdict]:
        """What the scenario expects, held against what was measured; the points of a sweep have their own."""
        return [] if self._swept else results.judge(self._tree, self.scenario.get("expect") or {})

    @property
    def _swept(self) -> bool:
        return plots_sweep.ATTRIBUTE in self._tree.attrs

    @property
    def notes(self) -> tuple[str, ...]:
        """What to beware of."""
        return notes.of(self._tree)

    @cached_property
    def plot(self) -> "Plots":
        """The standard figures: `plot()` all that fit, `plot("overlap")` or `plot.overlap()` one of them."""
        return Plots(self._tree)

    def cite(self) -> str:
        """BibTeX of the software and the literature that the run used."""
        return cite.cite(self._tree)

    def report(self, path: str | Path | None = None) -> Path:
        """Writes the page about these results; default: `report.html` in their directory.

        Raises:
            InputError: if no path is given and the results have no directory.
        """
        if path is None and self.directory is None:
            raise InputError("these results lie in no directory; say where the page should go, as in report('a.html')")
        return report.write_tree(self._tree, Path(path or self.directory / report.PAGE), self.directory)  # pyright: ignore[reportOptionalOperand]

    def __repr__(self) -> str:
        title = str(self._tree.attrs.get("title") or "results")
        rows = self.table.to_string(max_rows=30) if self._swept else results.table(results.summary(self._tree))
        lines = [title, *map(str, self.verdicts), *self.notes, rows]
        return "\n".join([*lines, *([f"files: {self.directory}"] if self.directory else [])])

    def _repr_html_(self) -> str:
        title = escape(str(self._tree.attrs.get("title") or "results"))
        said = "".join(f"<li>{escape(str(line))}</li>" for line in (*self.verdicts, *self.notes))
        where = f"<p>files: <code>{escape(str(self.directory))}</code></p>" if self.directory else ""
        rows = self.table.to_html(na_rep="—", float_format="%.4g", max_rows=30)
        return f"<p><b>{title}</b></p><ul>{said}</ul>{rows}{where}"


class Plots:
    """The figures that can be drawn from a tree; printed, it lists them."""

    def __init__(self, tree: xr.DataTree):
        self._tree = tree

    def __call__(self, name: str | None = None, **arguments) -> Figure | dict[str, Figure]:
        """One figure, or all that fit by their names.

        Raises:
            InputError: if there is no figure of this name, or the results lack what it needs.
        """
        if name is not None:
            return self._draw(name, **arguments)
        return self._all()

    def _all(self) -> dict[str, Figure]:
        return {name: figure for name in self._drawings if (figure := self._attempt(name)) is not None}

    @cached_property
    def _drawings(self) -> dict[str, plots.Drawing]:
        return {drawing.name: drawing for drawing in plots.drawings(self._tree)}

    def _attempt(self, name: str, **arguments) -> Figure | None:
        with style.look():
            return self._drawings[name].draw(self._tree, **arguments)

    def _draw(self, name: str, **arguments) -> Figure:
        if name not in self._drawings:
            raise InputError(f"no figure {name!r}{did_you_mean(name, self._drawings)}")
        figure = self._attempt(name, **arguments)
        if figure is None:
            raise InputError(f"these results lack what the figure {name!r} needs{did_you_mean('', self._all())}")
        return figure

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._drawings:
            raise AttributeError(f"no figure {name!r}{did_you_mean(name, self._drawings)}")
        return lambda **arguments: self._draw(name, **arguments)

    def __dir__(self):
        return sorted(self._drawings)

    def __repr__(self) -> str:
        names = list(self._all())
        width = max(map(len, names), default=0)
        below = " " * (width + 4)
        rows = [
            textwrap.fill(f"  {name:<{width}}  {self._drawings[name].caption}", 110, subsequent_indent=below)
            for name in names
        ]
        first = f", as in .plot.{names[0]}()" if names else ": none"
        return "\n".join([f"Figures of these results{first}:" if names else "No figures of these results", *rows])

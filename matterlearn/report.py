"""One page about one run: verdicts, numbers, figures, the scenario and where it all came from.

The page is a single file (`matterlearn.pages`); everything that came from a scenario is escaped. Pages of sweeps
and of comparisons have tables of their own and are otherwise alike.

Example:
    >>> str(verdicts(xr.DataTree(), {}))
    '<p class="soft">This scenario expects nothing.</p>'
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import xarray as xr
import yaml

from matterlearn import plots, plots_compare, plots_sweep, results, snapshots
from matterlearn.errors import MatterlearnError
from matterlearn.pages import cell, document, paragraphs, picture_file, section, table
from matterlearn.report_many import comparison, sweep

__all__ = ["FIGURES", "MOVIE", "PAGE", "paragraphs", "table", "write", "write_tree"]

FIGURES, MOVIE, PAGE = "figures", "movie.gif", "report.html"
LARGEST_MOVIE = 6_000_000


def write(run_dir: str | Path) -> Path:
    """Writes `report.html` into the directory of a run, a sweep or a comparison and returns its path.

    Figures and the movie that are newer than the results are used; else they are drawn first.

    Raises:
        MatterlearnError: if the directory holds no complete results.
    """
    run_dir = Path(run_dir)
    return write_tree(results.open(run_dir), run_dir / PAGE, run_dir)


def write_tree(tree: xr.DataTree, page: Path, run_dir: Path | None = None) -> Path:
    """Writes the page about these results, with the figures of their directory if they have one."""
    scenario = results.scenario_of(tree)
    title = str(scenario.get("title") or tree.attrs.get("title") or (run_dir or page).stem)
    with tempfile.TemporaryDirectory() as spare:
        pictures = _pictures(tree, run_dir) if run_dir else _drawn(tree, Path(spare))
    if plots_compare.ATTRIBUTE in tree.attrs:
        sections = comparison(tree, pictures)
    else:
        measured = sweep(tree, pictures) if plots_sweep.ATTRIBUTE in tree.attrs else _run(tree, scenario, pictures)
        source, made = _scenario_text(run_dir, scenario), provenance(tree)
        sections = [_head(title, scenario), *measured, section("Scenario", source), section("Provenance", made)]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(document(title, sections), encoding="utf-8")
    return page


def _run(tree: xr.DataTree, scenario: dict[str, Any], pictures: str) -> list[str]:
    """What one run gave."""
    return [
        section("Verdicts", verdicts(tree, scenario.get("expect"))),
        section("Observables", _observables(tree)),
        section("Figures", pictures),
    ]


def _head(title: str, scenario: dict[str, Any]) -> str:
    text = f"<h1>{escape(title)}</h1>\n" + paragraphs(str(scenario.get("description") or ""))
    references = [escape(str(r)) for r in scenario.get("references") or []]
    if references:
        text += f'\n<p class="soft">References: {", ".join(references)}</p>'
    return text


def verdicts(tree: xr.DataTree, expect: dict[str, Any] | None) -> str:
    """Expectations held against the measurement, as a table."""
    if not expect:
        return '<p class="soft">This scenario expects nothing.</p>'
    try:
        judged = results.judge(tree, expect)
    except MatterlearnError as error:
        return f'<p class="fail">Not judged: {escape(str(error))}</p>'
    rows = [
        (
            cell("PASS" if v.passed else "FAIL", "pass" if v.passed else "fail"),
            cell(v.name),
            cell(results.format_value(v.value, v.sem), "number"),
            cell(v.bound_text, "number"),
            cell(v.source),
        )
        for v in judged
    ]
    return table(("", "quantity", "measured", "expected", "source"), rows)


def _observables(tree: xr.DataTree) -> str:
    rows = [
        (
            cell(row.name),
            cell(row.value_text, "number"),
            cell("" if row.units == "1" else row.units),
            cell(row.replicas, "number"),
            cell(row.long_name),
        )
        for row in results.summary(tree)
    ]
    head = ("observable", "mean ± standard error", "units", "replicas", "what it is")
    return table(head, rows) if rows else ""


def _drawn(tree: xr.DataTree, folder: Path) -> str:
    captions = {drawing.name: drawing.caption for drawing in plots.drawings(tree)}
    written = plots.figures(tree, folder)
    return "\n".join(picture_file(path, captions.get(path.stem, path.stem)) for path in written)


def _pictures(tree: xr.DataTree, run_dir: Path) -> str:
    folder = run_dir / FIGURES
    if not _fresh(folder.glob("*.png"), tree):
        unfinished = folder.with_name(f"{folder.name}.part")  # so that a run that is cut off here leaves all or none
        shutil.rmtree(unfinished, ignore_errors=True)
        plots.figures(tree, unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    captions = {drawing.name: drawing.caption for drawing in plots.drawings(tree)}
    order = list(captions)
    drawn = sorted(folder.glob("*.png"))
    drawn.sort(key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p.stem))
    pictures = [picture_file(path, captions.get(path.stem, path.stem)) for path in drawn]
    return "\n".join(_movie(tree, run_dir) + pictures)


def _movie(tree: xr.DataTree, run_dir: Path) -> list[str]:
    found = _fresh([*run_dir.glob("*.gif"), *run_dir.glob(f"{FIGURES}/*.gif")], tree)
    if not found and snapshots.painter_of(tree) and tree["trajectory"].sizes["frame"] > 1:
        found = snapshots.movie(tree, run_dir / MOVIE)[:1]
    fit = [path for path in found if path.stat().st_size <= LARGEST_MOVIE]
    return [picture_file(path, "The run, a few replicas side by side.") for path in fit]


def _fresh(pictures: Iterable[Path], tree: xr.DataTree) -> list[Path]:
    """Those pictures that are not older than the results."""
    written = Path(tree.encoding["source"]).stat().st_mtime_ns
    return [path for path in pictures if path.stat().st_mtime_ns >= written]


def _scenario_text(run_dir: Path | None, scenario: dict[str, Any]) -> str:
    file = run_dir / "scenario.yaml" if run_dir else Path()
    if file.is_file():
        text = file.read_text(encoding="utf-8")
    else:
        text = yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True)
    return f"<pre>{escape(text)}</pre>"


def provenance(tree: xr.DataTree) -> str:
    """Where, when and with what the results were made, as a table."""
    record = json.loads(tree.attrs.get("matterlearn_provenance", "{}"))
    versions = record.pop("versions", {})
    entries = record | {f"{name} version": version for name, version in versions.items()}
    rows = [(cell(key.replace("_", " ")), cell(value)) for key, value in entries.items()]
    return table(("entry", "value"), rows) if rows else ""

"""One page about one run: verdicts, numbers, figures, the scenario and where it all came from.

The page is a single file. Pictures are embedded, nothing is fetched, and it follows the reader's
light or dark setting. Everything that came from a scenario is escaped.

Example:
    >>> paragraphs("a < b\\n\\nand c")
    '<p>a &lt; b</p>\\n<p>and c</p>'
"""

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import xarray as xr
import yaml

from matterlearn import plots, results, snapshots
from matterlearn.errors import MatterlearnError

FIGURES, MOVIE, PAGE = "figures", "movie.gif", "report.html"
LARGEST_MOVIE = 6_000_000

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5a6572; --line: #d5dbe1;
  --back: #ffffff; --card: #f5f7f9; --good: #00664a; --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #a3afbb; --line: #3a444e;
  --back: #14181c; --card: #1d2329; --good: #58d0a5; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
.soft, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.pass { color: var(--good); font-weight: 700; }
.fail { color: var(--bad); font-weight: 700; }
figure { margin: 0 0 1.8rem; }
figure img { display: block; max-width: 100%; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); padding: .5rem; }
figcaption { margin-top: .4rem; font-size: .92rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .9rem;
  overflow-x: auto; font: .85rem/1.45 ui-monospace, monospace; }
"""


def write(run_dir: str | Path) -> Path:
    """Writes `report.html` into a run directory and returns its path.

    Figures and the movie that are newer than the results are used; else they are drawn first.

    Raises:
        MatterlearnError: if the directory holds no complete results.
    """
    run_dir = Path(run_dir)
    tree = results.open(run_dir)
    scenario = results.scenario_of(tree)
    title = str(scenario.get("title") or tree.attrs.get("title") or run_dir.name)
    sections = [
        _head(title, scenario),
        _section("Verdicts", _verdicts(tree, scenario.get("expect"))),
        _section("Observables", _observables(tree)),
        _section("Figures", _pictures(tree, run_dir)),
        _section("Scenario", _scenario_text(run_dir, scenario)),
        _section("Provenance", _provenance(tree)),
    ]
    page = run_dir / PAGE
    page.write_text(_document(title, sections), encoding="utf-8")
    return page


def _document(title: str, sections: Iterable[str]) -> str:
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def _head(title: str, scenario: dict[str, Any]) -> str:
    text = f"<h1>{escape(title)}</h1>\n" + paragraphs(str(scenario.get("description") or ""))
    references = [escape(str(r)) for r in scenario.get("references") or []]
    if references:
        text += f'\n<p class="soft">References: {", ".join(references)}</p>'
    return text


def paragraphs(text: str) -> str:
    """Plain text as HTML paragraphs, split at empty lines."""
    blocks = [block.strip() for block in text.split("\n\n")]
    return "\n".join(f"<p>{escape(block)}</p>" for block in blocks if block)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; cells are taken as HTML, so escape what came from outside."""
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{top}</tr>\n{body}\n</table></div>'


def _cell(text: Any, kind: str = "") -> str:
    return (
        f'<td class="{kind}">{escape(str(text))}</td>' if kind else f"<td>{escape(str(text))}</td>"
    )


def _verdicts(tree: xr.DataTree, expect: dict[str, Any] | None) -> str:
    if not expect:
        return '<p class="soft">This scenario expects nothing.</p>'
    try:
        verdicts = results.judge(tree, expect)
    except MatterlearnError as error:
        return f'<p class="fail">Not judged: {escape(str(error))}</p>'
    rows = [
        (
            f'<td class="{"pass" if v.passed else "fail"}">{"PASS" if v.passed else "FAIL"}</td>',
            _cell(v.name),
            _cell(results.format_value(v.value, v.sem), "number"),
            _cell(v.bound_text, "number"),
            _cell(v.source),
        )
        for v in verdicts
    ]
    return table(("", "quantity", "measured", "expected", "source"), rows)


def _observables(tree: xr.DataTree) -> str:
    rows = [
        (
            _cell(row.name),
            _cell(row.value_text, "number"),
            _cell("" if row.units == "1" else row.units),
            _cell(row.replicas, "number"),
            _cell(row.long_name),
        )
        for row in results.summary(tree)
    ]
    head = ("observable", "mean ± standard error", "units", "replicas", "what it is")
    return table(head, rows) if rows else ""


def _pictures(tree: xr.DataTree, run_dir: Path) -> str:
    folder = run_dir / FIGURES
    if not _fresh(folder.glob("*.png"), run_dir):
        plots.figures(tree, folder)
    drawn = sorted(folder.glob("*.png"))
    order = list(plots.CAPTIONS)
    drawn.sort(key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p.stem))
    pictures = [_picture(path, plots.CAPTIONS.get(path.stem, path.stem)) for path in drawn]
    return "\n".join(_movie(tree, run_dir) + pictures)


def _movie(tree: xr.DataTree, run_dir: Path) -> list[str]:
    found = _fresh([*run_dir.glob("*.gif"), *run_dir.glob(f"{FIGURES}/*.gif")], run_dir)
    if not found and snapshots.painter_of(tree) and tree["trajectory"].sizes["frame"] > 1:
        found = snapshots.movie(tree, run_dir / MOVIE)[:1]
    fit = [path for path in found if path.stat().st_size <= LARGEST_MOVIE]
    return [_picture(path, "The run, a few replicas side by side.") for path in fit]


def _fresh(pictures: Iterable[Path], run_dir: Path) -> list[Path]:
    """Those pictures that are not older than the results."""
    written = (run_dir / results.FILE_NAME).stat().st_mtime_ns
    return [path for path in pictures if path.stat().st_mtime_ns >= written]


def _picture(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    kind = path.suffix.removeprefix(".")
    return (
        f'<figure><img alt="{escape(path.stem)}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _scenario_text(run_dir: Path, scenario: dict[str, Any]) -> str:
    file = run_dir / "scenario.yaml"
    if file.is_file():
        text = file.read_text(encoding="utf-8")
    else:
        text = yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True)
    return f"<pre>{escape(text)}</pre>"


def _provenance(tree: xr.DataTree) -> str:
    record = json.loads(tree.attrs.get("matterlearn_provenance", "{}"))
    versions = record.pop("versions", {})
    entries = record | {f"{name} version": version for name, version in versions.items()}
    rows = [(_cell(key.replace("_", " ")), _cell(value)) for key, value in entries.items()]
    return table(("entry", "value"), rows) if rows else ""

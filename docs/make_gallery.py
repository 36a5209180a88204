"""Figures and measured values of finished runs for the gallery.

    python docs/make_gallery.py RUNS...     take from the runs below these directories what belongs to today's scenarios
    python docs/make_gallery.py --list      say which scenarios have no run, or one of an older version

For every scenario in scenarios/ the newest finished run with the same content is taken (a stored scenario is read with
today's defaults for keys that it lacks); failing that, the newest one that differs in its texts, expectations or what
it observes alone, and the page says so. Its standard figures are drawn afresh and kept as small pictures beside a JSON
file with what was measured, the verdicts on today's expectations, versions and time, in docs/gallery.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).with_name("_ext")))
from gallery_pages import TEXTS, changed, sections  # noqa: E402  # pyright: ignore[reportMissingImports]

from matterlearn import plots, results, scenario, style, verdicts
from matterlearn.errors import MatterlearnError

GALLERY = Path(__file__).with_name("gallery")
MOST_FIGURES, LARGEST, WIDEST = 3, 60_000, 900
MOST_ROWS = 24


@dataclass(frozen=True)
class Run:
    """A finished run: its directory, when it was written, and its scenario in today's form."""

    directory: Path
    written: float
    scenario: dict


def runs(directories: list[Path]) -> Iterator[Run]:
    """All finished runs below some directories, but for single variants of a run and for sweeps."""
    folders = {Path(folder) for directory in directories for folder, _, files in os.walk(directory)
               if results.FILE_NAME in files}  # fmt: skip
    for file in sorted(folder / results.FILE_NAME for folder in folders if folder.parent.name != "variants"):
        try:
            with h5py.File(file) as opened:
                if "matterlearn_sweep" in opened.attrs:
                    continue
                stored = json.loads(str(opened.attrs["matterlearn_scenario"]))
            yield Run(file.parent, file.stat().st_mtime, scenario.resolve(scenario.load(stored)))
        except (OSError, KeyError, ValueError, MatterlearnError):
            continue  # another version's, or no run of ours


def best(wanted: dict, found: list[Run]) -> tuple[Run, list[str]] | None:
    """The run that fits a resolved scenario best, and the sections in which it differs."""
    fitting = [(run, differences(wanted, run.scenario)) for run in found]
    fitting = [(run, differing) for run, differing in fitting if set(differing) <= set(TEXTS)]
    return min(fitting, key=lambda pair: (len(pair[1]), -pair[0].written), default=None)


def differences(wanted: dict, have: dict) -> list[str]:
    """Names of the sections that are not the same."""
    return sorted(key for key in wanted.keys() | have.keys() if wanted.get(key) != have.get(key))


def record(name: str, run: Run, differing: list[str], folder: Path = GALLERY) -> dict:
    """Draws a run's figures into the gallery and returns what its page needs to know, as plain data."""
    today = scenario.load(scenario.library()[name])
    tree = results.open(run.directory)
    provenance = json.loads(tree.attrs["matterlearn_provenance"])
    for old in folder.glob(f"{name}-*.png"):
        old.unlink()
    return {
        "sections": sections(written(name)),
        "changed": differing,
        "created": provenance["created"],
        "wall_time_s": provenance["wall_time_s"],
        "device": provenance["device"],
        "precision": provenance["precision"],
        "versions": {key: provenance["versions"].get(key, "unknown") for key in ("matterlearn", "jax")},
        "verdicts": judged(tree, scenario.resolve(today)["expect"]),
        "measured": [{"name": row.name, "value": row.value_text, "units": row.units, "replicas": row.replicas,
                      "what": row.long_name} for row in verdicts.summary(tree)[:MOST_ROWS]],
        "figures": list(figures(name, tree, folder)),
    }  # fmt: skip


def judged(tree, expect: dict) -> list[dict]:
    """Today's expectations held against the run; one that it did not measure is said to be so."""
    rows, expect = [], dict(expect)
    default = {"source": expect.pop("source", None) or ""}
    for name, entries in expect.items():
        for given in entries if isinstance(entries, list) else [entries]:
            entry = default | {key: value for key, value in given.items() if value is not None}
            try:
                (row,) = verdicts.judge(tree, {name: entry})
                value = verdicts.format_value(row.value, row.sem)
                rows.append({"name": row.name, "value": value, "bound": row.bound_text, "passed": row.passed,
                             "source": row.source})  # fmt: skip
            except MatterlearnError:
                value = "not measured in this run"
                rows.append({"name": name, "value": value, "bound": "", "passed": None, "source": entry["source"]})
    return rows


def figures(name: str, tree, folder: Path) -> Iterator[dict]:
    """The first few figures that can be drawn, as small pictures."""
    drawn = 0
    for drawing in plots.DRAWINGS:
        if drawn == MOST_FIGURES:
            return
        with style.look():
            figure = drawing.draw(tree)
            if figure is None:
                continue
            page = io.BytesIO()
            figure.savefig(page, format="png", dpi=100, bbox_inches="tight")
        (folder / f"{name}-{drawing.name}.png").write_bytes(small(page))
        drawn += 1
        yield {"file": f"{name}-{drawing.name}.png", "caption": drawing.caption}


def small(page: io.BytesIO) -> bytes:
    """A picture with a palette, no wider than the page, in at most `LARGEST` bytes."""
    picture = Image.open(page).convert("RGB")
    width, out = min(picture.width, WIDEST), io.BytesIO()
    while out.tell() == 0 or out.tell() > LARGEST:
        size = (width, round(picture.height * width / picture.width))
        # Of pillow's methods the octree alone keeps the few red or orange bonds among many pale discs.
        reduced = picture.resize(size, Image.Resampling.LANCZOS).quantize(
            64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
        out = io.BytesIO()
        reduced.save(out, format="png", optimize=True)
        width = round(width * 0.9)
    return out.getvalue()


def main(arguments: list[str]) -> int:
    """Fills the gallery, or lists what it lacks."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="directories below which finished runs lie")
    parser.add_argument("--list", action="store_true", help="say what has no run")
    parser.add_argument("--only", nargs="*", default=None, help="these scenarios alone")
    chosen = parser.parse_args(arguments)
    found = list(runs(chosen.runs))
    GALLERY.mkdir(exist_ok=True)
    for name, path in sorted(scenario.library().items()):
        if chosen.only is not None and name not in chosen.only:
            continue
        wanted = scenario.resolve(scenario.load(path))
        fitting = best(wanted, found)
        file = GALLERY / f"{name}.json"
        if fitting and not chosen.list:
            file.write_text(json.dumps(record(name, *fitting), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name:32} {state(name, file, fitting)}", flush=True)
    return 0


def state(name: str, file: Path, fitting: tuple[Run, list[str]] | None) -> str:
    """What the gallery has of a scenario, in words."""
    if fitting:
        return f"{fitting[0].directory}" + (f" (differs in {', '.join(fitting[1])})" if fitting[1] else "")
    if not file.exists():
        return "not run yet"
    kept = json.loads(file.read_text(encoding="utf-8"))
    differing = changed(kept, written(name))
    return "kept" + (f" (differs in {', '.join(differing)})" if differing else "")


def written(name: str) -> dict:
    """A scenario as its file says it."""
    return yaml.safe_load(scenario.library()[name].read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The report: one file, complete, escaped, and independent of any network."""

import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from matterlearn import report, results
from matterlearn.errors import MatterlearnError
from synthetic import SCENARIO, fabricate


class Reader(HTMLParser):
    """Collects tags, their attributes and the text; complains about tags that do not match."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.text, self.tags = [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if not self.open or self.open[-1] != "style" else ""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    results.save(fabricate(), folder / "results.nc")
    (folder / "scenario.yaml").write_text("title: <b>bold</b> & more\n# é\n", encoding="utf-8")
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def page(run_dir):
    return (run_dir / "report.html").read_text(encoding="utf-8")


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_everything_is_on_the_page(page, run_dir):
    reader = read(page)
    for words in (SCENARIO["title"], "Two memories", "murugan2015multifarious", "overlap_final",
                  "min 0.8", "PASS", "energy_final", "kT", "<b>bold</b> & more", "é",
                  "numpy version", "wall time"):  # fmt: skip
        assert words in reader.text, words
    images = [attrs["src"][:15] for tag, attrs in reader.tags if tag == "img"]
    assert images.count("data:image/gif;") == 1
    assert images.count("data:image/png;") == len(list((run_dir / "figures").glob("*.png"))) == 8


def test_scenario_text_is_escaped(page):
    assert "<b>" not in page
    assert "two structures &lt;and&gt; recalls" in page


def test_nothing_is_fetched(page):
    without_data = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.search(r"https?://|url\(|@import|<script|<link", without_data)


def test_figures_already_there_are_used(run_dir):
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.png")}
    report.write(run_dir)
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.png")} == before


def test_old_figures_are_drawn_again(tmp_path):
    root = xr.Dataset({"energy": (("replica", "step"), np.zeros((2, 3)))})
    old = tmp_path / "figures" / "energy.png"
    old.parent.mkdir()
    Image.new("RGB", (4, 4)).save(old)
    os.utime(old, (1, 1))
    results.save(xr.DataTree(root), tmp_path / "results.nc")
    report.write(tmp_path)
    with Image.open(old) as image:
        assert image.size > (400, 300)


def test_a_failure_is_said_loudly(tmp_path):
    tree = fabricate()
    scenario = SCENARIO | {"expect": {"overlap_final": {"min": 2.0}}}
    tree.attrs |= results.provenance(scenario, seed=1, device="cpu", precision="f64", wall_time=1)
    results.save(tree.drop_nodes("trajectory"), tmp_path / "results.nc")
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "figures" / "other.png")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert '<td class="fail">FAIL</td>' in text
    assert "image/gif" not in text
    scenario["expect"] = {"<i>": {"min": 0}}
    tree.attrs |= results.provenance(scenario, seed=1, device="cpu", precision="f64", wall_time=1)
    results.save(xr.DataTree(xr.Dataset(attrs=tree.attrs)), tmp_path / "results.nc")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "Not judged: &lt;i&gt;" in text


def test_no_results_no_report(tmp_path):
    with pytest.raises(MatterlearnError, match=r"no results\.nc"):
        report.write(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(MatterlearnError, match="no such file"):
        report.write(tmp_path)


TEMPERATURES, LOADS = np.linspace(0.2, 1.4, 7), np.array([0.02, 0.05, 0.1])


def swept():
    """Overlap 1 − T² − load over temperature, load, two seeds and three replicas; one point is missing."""
    exact = 1 - TEMPERATURES[:, None] ** 2 - LOADS
    noise = np.random.default_rng(0).normal(0, 0.01, (7, 3, 2, 3))
    last = exact[:, :, None, None] + noise
    last[2, 1] = np.nan
    paths = {"kT": (TEMPERATURES, "dynamics.kT"), "load": (LOADS, "system.load"), "seed": ([0, 1], "run.seed")}
    coords = {name: (name, values, {"path": path, "units": "1"}) for name, (values, path) in paths.items()}
    dims = ("kT", "load", "seed", "replica", "step")
    root = xr.Dataset(
        {"overlap": (dims, np.stack([0 * last, last], -1), {"units": "1", "long_name": "overlap"}),
         "overlap_theory": (("kT", "load"), exact)},
        coords | {"step": [0, 10]},
        results.provenance(SCENARIO, seed=0, device="cpu", precision="f32", wall_time=1)
        | {"matterlearn_sweep": '{"kT": "dynamics.kT", "load": "system.load", "seed": "run.seed"}'},
    )  # fmt: skip
    return xr.DataTree(root), exact, last


def test_a_sweep_is_a_phase_diagram_with_theory_and_missing_points():
    tree, exact, last = swept()
    (mesh,) = (child for child in tree.ml.plot.overlap().axes[0].get_children() if type(child).__name__ == "QuadMesh")
    drawn = mesh.get_array()
    np.testing.assert_allclose(drawn.filled(np.nan), last.mean((2, 3)).T, rtol=1e-12)
    assert drawn.mask.sum() == 1
    assert drawn.mask[1, 2]
    edges = mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, np.linspace(0.1, 1.5, 8))


def test_one_swept_quantity_is_a_curve_with_the_error_over_seeds():
    tree, exact, last = swept()
    line = xr.DataTree(tree.to_dataset().isel(load=0, drop=True).drop_vars("overlap_theory").assign_attrs(tree.attrs))
    row = line.ml.table.loc[0.2]
    seeds = last[0, 0].mean(-1)
    assert row["overlap"] == pytest.approx(seeds.mean(), rel=1e-12)
    assert row["overlap_sem"] == pytest.approx(abs(seeds[0] - seeds[1]) / 2, rel=1e-12)
    (axes,) = line.ml.plot.overlap().axes
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), last[:, 0].mean((1, 2)), rtol=1e-12)
    assert axes.get_xlabel() == "kT"


def test_the_page_of_a_sweep(tmp_path):
    tree, _, _ = swept()
    results.save(tree, tmp_path / "results.nc")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    reader = read(text)
    for words in ("What was swept", "dynamics.kT", "2 of 42 points have no results.", "0.02, 0.05, 0.1", "Points"):
        assert words in reader.text, words
    assert text.count("data:image/png") == 1
    assert "kT" in repr(results.open(tmp_path).ml)


def test_words_and_decades_along_an_axis():
    from matterlearn import finals, plots_sweep

    coords = {"rule": ("rule", ["hebb", "dreaming"], {"path": "system.storage"}),
              "size": ("size", [10, 100, 1000], {"path": "system.units"})}  # fmt: skip
    node = xr.Dataset({"error": (("rule", "size", "replica"), np.ones((2, 3, 2)))}, coords)
    (axes, _) = plots_sweep.drawing(finals.finals(node), "error").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["hebb", "dreaming"]
    assert axes.get_xscale() == "log"

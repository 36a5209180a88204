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

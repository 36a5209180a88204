"""Runs held against each other: exact differences, alignment by label, what is refused, figures and the page."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import matterlearn as ml
from matterlearn import finals, results
from matterlearn.cli import app
from matterlearn.errors import InputError
from synthetic import fabricate


def run(title="a", seed=0, **variables):
    """A tree of variables `(dims, values, units)` with labels 0, 1, … along step and replica."""
    attrs = results.provenance(
        {"title": title, "run": {"seed": seed}}, seed=seed, device="cpu", precision="f32", wall_time=1
    )
    arrays = {name: (dims, values, {"units": units}) for name, (dims, values, units) in variables.items()}
    root = xr.Dataset(arrays, attrs=attrs)
    return xr.DataTree(root.assign_coords({d: np.arange(n) for d, n in root.sizes.items() if d in ("step", "replica")}))


def labelled(tree, **labels):
    return xr.DataTree(tree.to_dataset().assign_coords(labels))


def test_the_difference_of_two_runs_by_hand():
    """Finals −4, −6 against −1, −3, −5: means −5 and −3, variances of the means 1 and 4/3."""
    over = ("replica", "step")
    a = run(energy=(over, [[0.0, -4.0], [0.0, -6.0]], "kT"))
    b = run(energy=(over, [[0.0, -1.0], [0.0, -3.0], [0.0, -5.0]], "kT"))
    row = ml.compare({"a": a, "b": b}).table.loc["energy_final"]
    assert row[["a", "b", "difference"]].tolist() == [-5.0, -3.0, 2.0]
    assert row["error"] == pytest.approx(np.sqrt(1 + 4 / 3), rel=1e-14)
    assert row["z"] == pytest.approx(2 / np.sqrt(7 / 3), rel=1e-14)


def test_errors_of_equal_runs_are_calibrated():
    """z of runs with the same law: normal, as the error bars claim; 400 comparisons of 60 and 90 replicas.

    The variance of z is within 4 standard errors, √(2/400), of that of Student's difference.
    """
    draws = np.random.default_rng(1).normal(size=(400, 150))
    a = labelled(run(x=(("replica", "case"), draws[:, :60].T, "1")), case=np.arange(400))
    b = labelled(run(x=(("replica", "case"), draws[:, 60:].T, "1")), case=np.arange(400))
    z = [value for value in _all_z(a, b)]
    assert len(z) == 400
    assert abs(np.mean(z)) < 4 / 20
    assert abs(np.var(z) - 1.03) < 4 * np.sqrt(2 / 400)


def _all_z(a, b):
    from matterlearn import differences

    each = [differences.measured_values(finals.groups(tree))["x"] for tree in (a, b)]
    return [row["z"] for _, row in differences.compared("x", *each)]


def test_labels_align_and_nothing_is_interpolated():
    a = labelled(run(m=(("replica", "load"), [[0.9, 0.5, 0.1]] * 2, "1")), load=[0.1, 0.2, 0.3])
    b = labelled(run(m=(("replica", "load"), [[0.4, 0.8, 0.2]] * 2, "1")), load=np.float32([0.3, 0.1, 0.25]))
    found = ml.compare({"a": a, "b": b})
    assert found.table.index.tolist() == ["m at load 0.1", "m at load 0.3"]
    np.testing.assert_allclose(found.table["difference"], [0.8 - 0.9, 0.4 - 0.1], rtol=1e-12)
    assert "only a was measured at load 0.2: m" in found.remarks
    assert "only b was measured at load 0.25: m" in found.remarks
    aligned = found.tree["aligned/m"]
    assert aligned.dims[0] == "run"
    assert bool(aligned.sel(run="b", load=0.2).isnull().all())


def test_replicas_under_several_conditions_are_compared_condition_by_condition():
    strength = xr.Variable("replica", [1.0, 1.0, 2.0, 2.0], {"units": "kT"})
    a = labelled(run(x=("replica", [0.0, 2.0, 5.0, 7.0], "1")), strength=strength)
    b = labelled(run(x=("replica", [1.0, 3.0, 5.0, 9.0], "1")), strength=strength)
    found = ml.compare({"a": a, "b": b}).table
    assert found.index.tolist() == ["x at strength 1", "x at strength 2"]
    assert found["difference"].tolist() == [1.0, 1.0]
    assert found["error"].tolist() == pytest.approx([np.sqrt(2), np.sqrt(1 + 4)])


def test_swept_seeds_are_samples():
    """Replicas of one seed share what is drawn from it: the error is that of the means over seeds."""
    seed = xr.Variable("seed", [0, 1, 2], {"path": "run.seed"})
    values = np.array([[1.0, 1.2], [3.0, 3.2], [5.0, 5.2]])
    tree = labelled(run(x=(("seed", "replica"), values, "1")), seed=seed)
    final = finals.finals(tree.to_dataset())
    assert float(final["x"]) == pytest.approx(3.1)
    assert float(final["x_sem"]) == pytest.approx(2 / np.sqrt(3))
    assert final["x"].attrs["samples"] == 3
    np.testing.assert_allclose(finals.samples(tree["x"]), [1.1, 3.1, 5.1])


def test_what_cannot_be_compared_is_said():
    shared = {"x": ("replica", [1.0, 2.0], "1")}
    a = run(**shared, y=("replica", [1.0, 2.0], "kT"), w=(("replica", "site"), np.ones((2, 3)), "1"),
            own=("replica", [1.0, 2.0], "1"))  # fmt: skip
    b = run(**shared, y=("replica", [1.0, 2.0], "sigma"), w=(("replica", "site"), np.ones((2, 3)), "1"))
    found = ml.compare({"a": a, "b": b})
    assert found.table.index.tolist() == ["x"]
    assert set(found.remarks) == {
        "y not compared: in kT in a, in sigma in b",
        "w not compared: 'site' has no labels to align by",
        "only a has: own",
    }
    with pytest.raises(InputError, match=r"no quantity in common; only a has: x"):
        ml.compare({"a": run(x=shared["x"]), "b": run(z=shared["x"])})
    with pytest.raises(InputError, match="two runs or more"):
        ml.compare([a])
    with pytest.raises(InputError, match="no such file"):
        ml.compare(["nowhere", "nowhere else"])
    with pytest.raises(InputError, match="2 runs but 1 names"):
        ml.compare([a, b], names=["one"])
    with pytest.raises(InputError, match="is a comparison already"):
        ml.compare([a, found.tree])


def test_more_than_two_are_held_against_the_first():
    trees = [run(x=("replica", [float(i), i + 2.0], "1"), title="same name") for i in range(3)]
    found = ml.compare(trees)
    assert found.names == ["same-name (1)", "same-name (2)", "same-name (3)"]
    assert found.table.index.names == ["quantity", "run"]
    assert found.table["difference"].tolist() == [1.0, 2.0]
    assert "x · same-name (3)" in repr(found)


def test_scenarios_are_compared_path_by_path():
    found = ml.compare({"a": run("one", 0, x=("replica", [1.0, 2.0], "1")),
                        "b": run("other", 7, x=("replica", [1.0, 2.0], "1"))})  # fmt: skip
    assert found.settings.to_dict("index") == {"run.seed": {"a": "0", "b": "7"}}


@pytest.fixture(scope="module")
def pair():
    first, second = (fabricate(seed).drop_nodes("trajectory") for seed in (0, 3))
    second["energy"] = second["energy"] * 1.05
    return first, second


def test_figures_are_laid_over_each_other(pair):
    found = ml.compare({"Hebb": pair[0], "dreaming": pair[1]})
    figures = found.plot()
    assert {"overlap", "energy", "loss", "last_values"} <= set(figures)
    (axes,) = figures["energy"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["dreaming"].get_ydata(), pair[1]["energy"].mean("replica"))
    assert axes.get_ylabel() == "potential energy (kT)"
    assert len({line.get_color() for line in lines.values()}) == 2
    with pytest.raises(InputError, match="did you mean 'energy'"):
        found.plot("energi")


def test_a_comparison_is_a_directory_that_opens_again(pair, tmp_path):
    for name, tree in zip(("one", "two"), pair, strict=True):
        results.save(tree, tmp_path / name / "results.nc")
    shown = CliRunner().invoke(app, ["compare", str(tmp_path / "one"), str(tmp_path / "two" / "results.nc"),
                                     "--names", "Hebb,<b>dreaming</b>", "--out", str(tmp_path / "c")])  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "overlap_final" in shown.output
    page = (tmp_path / "c" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;dreaming&lt;-b&gt;" in page
    assert "<b>dreaming" not in page
    assert page.count("data:image/png") == len(list((tmp_path / "c" / "figures").glob("*.png"))) > 4
    opened = ml.Comparison(ml.open(tmp_path / "c"))
    direct = ml.compare({"Hebb": tmp_path / "one", "<b>dreaming</b>": tmp_path / "two"})
    assert opened.table.equals(direct.table)
    assert repr(opened) == repr(direct)
    assert "overlap" in repr(opened.plot)
    (tmp_path / "one" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run"):
        direct.save(tmp_path / "one")


def test_variants_of_one_run_are_compared(tmp_path):
    for name, shift in (("cold", 0.0), ("hot", 3.0)):
        tree = run(name, x=("replica", [shift, shift + 2], "1"))
        results.save(tree, tmp_path / "variants" / name / "results.nc")
    results.save(run(), tmp_path / "results.nc")
    found = ml.compare([tmp_path])
    assert found.names == ["cold", "hot"]
    assert found.table.loc["x", "difference"] == 3.0
    assert json.loads(found.tree.attrs["matterlearn_comparison"])["sources"][1]["title"] == "hot"


def test_phase_diagrams_are_subtracted_where_both_have_points():
    def diagram(shift, kT):
        coords = {"kT": ("kT", kT, {"path": "dynamics.kT"}), "load": ("load", [0.1, 0.2], {"path": "system.load"})}
        values = shift + np.add.outer(kT, [0.1, 0.2])[..., None] + np.array([-0.1, 0.1])
        return xr.DataTree(xr.Dataset({"m": (("kT", "load", "replica"), values)}, coords))

    found = ml.compare({"a": diagram(0.0, np.array([0.5, 1.0, 1.5])), "b": diagram(0.3, np.array([1.0, 1.5, 2.0]))})
    axes = found.plot.m().axes[0]
    (mesh,) = (child for child in axes.get_children() if type(child).__name__ == "QuadMesh")
    np.testing.assert_allclose(mesh.get_array(), np.full((2, 2), 0.3))
    assert axes.get_title(loc="left").startswith("b − a\nlargest |z| 2.1 of 4")


def test_the_order_of_dimensions_does_not_matter():
    coords = {"load": [0.1, 0.2, 0.3], "kT": [0.5, 1.0]}
    values = np.arange(12.0).reshape(2, 3, 2)
    other = ("kT", "replica"), np.zeros((2, 2)), "1"
    a = labelled(run(z=other, m=(("replica", "load", "kT"), values, "1")), **coords)
    b = labelled(run(m=(("kT", "replica", "load"), values.transpose(2, 0, 1), "1")), **coords)
    table = ml.compare({"a": a, "b": b}).table
    assert len(table) == 6
    assert (table["difference"] == 0).all()

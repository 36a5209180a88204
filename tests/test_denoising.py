"""The task of denoising: what is measured against closed forms, smooth images, and the figures."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from matterlearn import run, style
from matterlearn.errors import ScenarioError
from matterlearn.plots_denoising import denoising, pictures
from matterlearn.scenario import load
from matterlearn.tasks._smooth import Smooth, images, random_field
from matterlearn.theory import lattice_field, wiener

SMOOTH = {"source": "smooth", "side": 16, "alpha": 2.0, "count": 300, "test_fraction": 0.4}


def scenario(score, data=SMOOTH, shape=(16, 16), times=(0.2, 1.0), **task):
    return {
        "title": "denoising",
        "system": {"kind": "score_model", "shape": list(shape), "process": {"kind": "noise_level"}, "score": score,
                   "start": 0.1, "end": 2.0},
        "dynamics": {"kind": "reverse_diffusion", "steps": 2},
        "task": {"kind": "denoising", "data": data, "times": list(times), "oracle": "haar", **task},
        "run": {"steps": 2, "replicas": 2},
    }  # fmt: skip


def measured(score, **settings):
    experiment = run.build(scenario(score, **settings))
    found = experiment.task.references(experiment.system, experiment.dynamics)
    return {summary.name: summary.values for summary in found}


@pytest.mark.slow
@pytest.mark.parametrize("score", [
    {"kind": "wiener", "basis": "fourier"}, {"kind": "wiener", "basis": "principal"},
    {"kind": "threshold", "wavelet": "db2"},
])  # fmt: skip
def test_classical_denoisers_lose_what_they_should(score):
    found = measured(score)
    for part in ("train", "test"):
        z = (found[f"mse_{part}"] - found[f"mse_{part}_theory"]) / found[f"mse_{part}_sem"]
        assert np.all(np.abs(z) < 4)
        assert found[f"mse_{part}_theory"][-1] < 0.4 * found["noise"][-1] ** 2
    if score["kind"] == "wiener":
        linear = found["mse_train_linear"]
        assert np.all(found["mse_train_theory"] > (1 - 1e-5) * linear)
    else:
        assert np.all(found["mse_test_theory"] > found["mse_test_oracle"])


@pytest.mark.slow
def test_gaussian_data_have_the_wiener_risk(tmp_path):
    """A free field: the score knows its spectrum, and the loss is that of the law, not only of the samples."""
    shape, mass = (8, 8), 0.5
    rows = lattice_field.free_samples(shape, mass, count=600, seed=0)
    np.save(tmp_path / "fields.npy", rows)
    data = {"source": "file", "path": str(tmp_path / "fields.npy")}
    found = measured({"kind": "gaussian", "mass": mass}, data=data, shape=shape, times=[0.3, 1.0], count=600)
    risk = [wiener.risk(lattice_field.free_spectrum(shape, mass), noise**2) / 64 for noise in (0.3, 1.0)]
    assert np.all(np.abs(found["mse_train"] - risk) < 4 * found["mse_train_sem"])
    assert np.all(found["mse_train_sem"] < 0.01 * np.array(risk))
    peak = rows.max() - rows.min()
    assert np.allclose(found["psnr_train"], 10 * np.log10(peak**2 / found["mse_train"]), rtol=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_random_series_are_as_smooth_as_asked(alpha):
    """|f(x + h) − f(x)|² ~ h^{2α} for α < 1; for larger α, differences of higher order, here of third."""
    lines = random_field(np.random.default_rng(0), (1024,), alpha, 400)
    sizes = np.array([4, 8, 16, 32])
    third = [np.mean((x[3] - 3 * x[2] + 3 * x[1] - x[0]) ** 2)
             for h in sizes for x in [[lines[:, k * h : (k - 3) * h or None] for k in range(4)]]]  # fmt: skip
    slope = np.polyfit(np.log(sizes), np.log(third), 1)[0]
    assert slope == pytest.approx(2 * alpha, abs=0.1)


def test_smooth_images_have_an_edge_and_are_standardised():
    samples = Smooth(source="smooth", side=16, count=400).build()
    assert samples.train.mean() == pytest.approx(0, abs=1e-12) and samples.train.std() == pytest.approx(1)
    drawn = images(32, 3.0, 200, 0)
    steps = np.abs(np.diff(drawn, axis=1))
    largest = np.maximum(steps.max((1, 2)), np.abs(np.diff(drawn, axis=2)).max((1, 2)))
    assert np.median(largest) > 20 * np.median(steps)


@pytest.mark.slow
def test_a_blind_network_is_not_told_the_noise():
    experiment = run.build(scenario({"kind": "blind", "width": 3, "depth": 2}))
    shaken = jax.tree.map(lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape),
                          experiment.system.score.network)  # its last layer starts at zero  # fmt: skip
    score = eqx.tree_at(lambda s: s.network, experiment.system.score, shaken)
    y = jax.random.normal(jax.random.key(0), (16, 16))
    out, slope = jax.jvp(score.network, (y,), (y,))
    assert np.abs(out - y).max() > 0.1
    assert np.allclose(out, slope, atol=1e-5)  # f(y) = J_f(y) y
    assert np.allclose(score.denoise(3 * y, jnp.asarray(0.1)), 3 * score.denoise(y, jnp.asarray(1.0)), atol=1e-5)


@pytest.mark.parametrize(("changes", "words"), [
    ({"times": [0.0]}, "positive"),
    ({"shape": (8, 8)}, "256 entries"),
    ({"score": {"kind": "threshold", "scales": 9}}, "multiples of 512"),
    ({"score": {"kind": "threshold", "wavelet": "bior2.2"}}, "orthogonal"),
    ({"data": {"source": "smooth", "side": 9, "count": 20}, "shape": (9, 9)}, "9 is odd"),
])  # fmt: skip
def test_bad_input_names_the_fix(changes, words):
    with pytest.raises(ScenarioError, match=words):
        load(scenario(**{"score": {"kind": "wiener"}, **changes}))


def tree():
    levels, shape = np.array([0.1, 0.5, 1.0]), (2, 3, 4, 8, 8)
    mse = np.stack([0.3 * levels**2, 0.2 * levels**2])
    rng = np.random.default_rng(0)
    values = {"mse": mse, "psnr": 10 * np.log10(36 / mse)}
    node = xr.Dataset({f"{kind}_train": (("variant", "noise_level"), array) for kind, array in values.items()})
    node["psnr_train_sem"] = node["psnr_train"] * 0.01
    node["psnr_train_theory"] = node["psnr_train"]
    node["noise"] = "noise_level", levels
    node["picture_clean"] = ("picture", "row", "column"), rng.normal(size=shape[2:])
    node["picture_noisy"] = ("noise_level", "picture", "row", "column"), rng.normal(size=shape[1:])
    node["picture_denoised"] = ("variant", "noise_level", "picture", "row", "column"), rng.normal(size=shape)
    return xr.DataTree.from_dict({"/": xr.Dataset(), "/variants": node.assign_coords(variant=["first", "second"])})


def test_figures_show_gains_and_pictures():
    with style.look():
        curves, sheet = denoising(tree()), pictures(tree())
    assert curves is not None and sheet is not None
    gain = curves.axes[1].lines[0].get_ydata()
    assert np.allclose(gain, -10 * np.log10(0.3))  # dB over noisy samples, whatever the peak
    assert len(sheet.axes) == 3 * 4

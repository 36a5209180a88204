"""Coupling flows: volumes, inverses, normalisation, and normal laws that they represent exactly."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.field import FieldState
from matterlearn.core.system import couplings, with_couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.testing._examples import moved, noise_like
from matterlearn.testing.systems import in_double


def flow(shape, layers=5, width=8, spread=0.4, **fields) -> Any:
    """A flow with random weights."""
    fields = {"kind": "coupling_flow", "shape": shape, "layers": layers, "width": width, "depth": 1} | fields
    model = load_kind("systems", "coupling_flow")(**fields).build(jax.random.key(1))
    theta = couplings(model)
    return with_couplings(model, moved(theta, noise_like(2, theta), spread))


def normal_flow(mean, scale, correlation) -> Any:
    """Two layers that whiten a normal law in the plane; silu(u) − silu(−u) = u makes a network linear."""
    blank = flow([2], layers=2, width=2, spread=0.0, bound=4.0)
    slope, rest = correlation * scale[1] / scale[0], scale[1] * np.sqrt(1 - correlation**2)
    raw = -blank.bound * jnp.arctanh(jnp.log(jnp.asarray([rest, scale[0]])) / blank.bound)  # s of entry 1, of entry 0
    first = jnp.stack([jnp.asarray([[1.0, 0.0], [-1.0, 0.0]]), jnp.zeros((2, 2))])  # the first layer sees entry 0
    weight = jnp.zeros((2, 4, 2)).at[0, 3].set(jnp.asarray([-slope, slope]) / rest)
    shifts = jnp.asarray([-(mean[1] - slope * mean[0]) / rest, -mean[0] / scale[0]])
    bias = jnp.zeros((2, 4)).at[0, 1].set(raw[0]).at[1, 0].set(raw[1]).at[0, 3].set(shifts[0]).at[1, 2].set(shifts[1])
    leaves = lambda s: (  # noqa: E731
        s.network.layers[0].weight, s.network.layers[0].bias, s.network.layers[1].weight, s.network.layers[1].bias
    )  # fmt: skip
    return eqx.tree_at(leaves, blank, (first, jnp.zeros((2, 2)), weight, bias))


@eqx.filter_jit
def mapped(model, x):
    """z, the volume, and the Jacobian."""
    return *model.to_base(x), jax.jacobian(lambda y: model.to_base(y)[0])(x)


@eqx.filter_jit
def inverted(model, z):
    return model.from_base(z)


@pytest.mark.parametrize("shape", [[3], [2, 3]])
@in_double
def test_volume_is_the_determinant_and_the_inverse_inverts(shape):
    model = flow(shape, spread=0.2)
    x = jnp.asarray(np.random.default_rng(3).normal(size=model.size))
    z, volume, jacobian = mapped(model, x)
    assert abs(volume - jnp.linalg.slogdet(jacobian)[1]) < 1e-12
    assert abs(volume) > 0.1, "nothing was tested"
    np.testing.assert_allclose(inverted(model, z), x, atol=1e-12)
    np.testing.assert_allclose(mapped(model, inverted(model, x))[0], x, atol=1e-12)


@in_double
def test_a_layer_passes_one_colour_and_scales_the_other_by_what_that_is():
    """The Jacobian of the first layer is 1 on what passes, e^s on the diagonal of the rest, and Σ s is its volume."""
    model = flow([2, 3], layers=2)
    still = eqx.tree_at(lambda s: s.network, model, jax.tree.map(lambda leaf: leaf.at[1].set(0.0), model.network))
    x = jnp.asarray(np.random.default_rng(4).normal(size=6))
    _, volume, jacobian = map(np.asarray, mapped(still, x))
    kept = np.indices((2, 3)).sum(0).ravel() % 2 == 0
    np.testing.assert_allclose(jacobian[kept], np.eye(6)[kept], atol=1e-15)
    free = jacobian[np.ix_(~kept, ~kept)]
    np.testing.assert_allclose(free, np.diag(np.diag(free)), atol=1e-15)
    assert abs(np.sum(np.log(np.diag(free))) - volume) < 1e-14


@in_double
def test_density_integrates_to_one():
    """Midpoints of a grid, in the plane: the density is smooth, so the rule converges fast."""
    model = flow([2], layers=3, spread=0.1)
    axis = 8.0 * ((2 * np.arange(200) + 1) / 200 - 1)
    places = jnp.asarray(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    one = lambda s, y: -s.energy(FieldState(y))  # noqa: E731
    logs = eqx.filter_jit(lambda s: jax.lax.map(lambda y: one(s, y), places, batch_size=4000))(model)
    assert abs(float(jnp.sum(jnp.exp(logs))) * (16 / 200) ** 2 - 1) < 1e-8


@in_double
def test_a_normal_law_is_exact():
    """E is −ln p of the correlated law to rounding, and draws are its affine image of the base."""
    mean, scale, correlation = np.array([0.5, -1.0]), np.array([1.5, 0.7]), 0.6
    model = normal_flow(mean, scale, correlation)
    covariance = np.outer(scale, scale) * np.array([[1, correlation], [correlation, 1]])
    x = np.random.default_rng(5).normal(size=(7, 2))
    gap = x - mean
    volume = np.log(np.linalg.det(2 * np.pi * covariance))
    exact = 0.5 * np.sum(gap @ np.linalg.inv(covariance) * gap, -1) + 0.5 * volume
    found = eqx.filter_jit(lambda s: jax.vmap(lambda y: s.energy(FieldState(y)))(jnp.asarray(x)))(model)
    np.testing.assert_allclose(found, exact, rtol=1e-13)
    jacobian = np.asarray(eqx.filter_jit(lambda s: jax.jacobian(s.from_base)(jnp.zeros(2)))(model))
    np.testing.assert_allclose(jacobian @ jacobian.T, covariance, rtol=1e-12)


@in_double
def test_gradient_three_ways():
    """By the shift of entry 1, z_1; by its raw s, (z_1 x_1 e^s − 1) ∂s/∂raw: autodiff, differences, by hand."""
    model = normal_flow(np.array([0.5, -1.0]), np.array([1.5, 0.7]), 0.6)
    x = jnp.asarray([0.3, 0.9])
    bias = lambda s: s.network.layers[1].bias  # noqa: E731

    @jax.jit
    def energy(values):
        return eqx.tree_at(bias, model, values).energy(FieldState(x))

    slope, at, h = jax.jit(jax.grad(energy))(bias(model)), bias(model), 1e-5
    z, _ = model.to_base(x)
    gain = 1 - jnp.tanh(at[0, 1] / model.bound) ** 2
    scaled = x[1] * jnp.exp(model.bound * jnp.tanh(at[0, 1] / model.bound))
    for place, exact in (((0, 3), z[1]), ((0, 1), (z[1] * scaled - 1) * gain)):
        numeric = (energy(at.at[place].add(h)) - energy(at.at[place].add(-h))) / (2 * h)
        assert abs(slope[place] - exact) < 1e-13
        assert abs(numeric - exact) < 1e-9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": {"kind": "coupling_flow", "shape": [1]}, "task.data.rows": [[0.5]]}, "2 entries or more"),
        ({"dynamics": {"kind": "brownian", "dt": 0.01, "kT": 0.5}}, "set dynamics.kT to 1"),
        ({"system": {"kind": "coupling_flow", "shape": [3]}}, "sample has 2 entries"),
        ({"task.given": [0]}, "leave task.given empty"),
        ({"system": {"kind": "deep_energy"}}, "cannot draw independent samples"),
    ],
)
def test_bad_input_says_what_to_do(change, words):
    scenario: dict = {
        "title": "any", "system": {"kind": "coupling_flow", "shape": [2]}, "dynamics": {"kind": "direct_sampling"},
        "task": {"kind": "data", "data": {"source": "rows", "rows": [[0.5, 1.0]], "values": 0}},
        "learning": {"rule": {"kind": "maximum_likelihood"}, "updates": 2, "replicas": 2},
        "run": {"steps": 2},
    }  # fmt: skip
    load(scenario)
    for path, value in change.items():
        *heads, last = path.split(".")
        section = scenario
        for head in heads:
            section = section[head]
        section[last] = value
    with pytest.raises(ScenarioError, match=words):
        load(scenario)

"""Continuous flows: linear fields in closed form, volumes, inverses, adjoints, and the order of the solver."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from matterlearn.core.field import FieldState
from matterlearn.core.system import coupling_gradient, couplings, with_couplings
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import agree, moved, noise_like
from matterlearn.testing.systems import in_double

MATRIX = np.array([[0.3, -0.8], [0.5, -0.6]])
SHARP = {"tolerance": 1e-10}


def flow(spread=0.4, integration=SHARP, **fields) -> Any:
    """A flow with random weights."""
    fields = {"kind": "continuous_flow", "shape": [2], "width": 6, "depth": 1, "integration": integration} | fields
    model = load_kind("systems", "continuous_flow")(**fields).build(jax.random.key(1))
    theta = couplings(model)
    return with_couplings(model, moved(theta, noise_like(2, theta), spread))


def linear_flow(**fields) -> Any:
    """v = A x; silu(u) − silu(−u) = u makes a network linear."""
    blank = flow(width=4, spread=0.0, **fields)
    first = jnp.asarray(np.concatenate([np.eye(2, 3), -np.eye(2, 3)]))  # time is the third input
    leaves = lambda s: (  # noqa: E731
        s.network.layers[0].weight, s.network.layers[0].bias, s.network.layers[1].weight, s.network.layers[1].bias
    )  # fmt: skip
    second = jnp.asarray(np.concatenate([MATRIX, -MATRIX], 1))
    return eqx.tree_at(leaves, blank, (first, jnp.zeros(4), second, jnp.zeros(2)))


def energy_of(model):
    return eqx.filter_jit(lambda s, x: s.energy(FieldState(x)))(model, jnp.asarray([0.4, -0.9]))


@eqx.filter_jit
def there_and_back(model, x):
    """x(1), the volume, the Jacobian of the map, and where the way back from x(1) ends."""
    z, volume = model.to_base(x)
    return z, volume, jax.jacfwd(lambda y: model.to_base(y)[0])(x), model.from_base(z)


@in_double
def test_a_linear_field_is_an_exponential_and_its_volume_the_trace():
    """x(1) = e^A x, ln |det| = tr A, so that p = N(0, e^{−A} e^{−Aᵀ})."""
    x = jnp.asarray([0.4, -0.9])
    z, volume, jacobian, back = there_and_back(linear_flow(), x)
    np.testing.assert_allclose(z, expm(MATRIX) @ x, atol=1e-9)
    np.testing.assert_allclose(jacobian, expm(MATRIX), atol=1e-9)
    np.testing.assert_allclose(back, x, atol=1e-9)
    assert abs(volume - np.trace(MATRIX)) < 1e-12
    covariance = expm(-MATRIX) @ expm(-MATRIX).T
    exact = 0.5 * x @ np.linalg.inv(covariance) @ x + 0.5 * np.log(np.linalg.det(2 * np.pi * covariance))
    assert abs(energy_of(linear_flow()) - exact) < 1e-9


@pytest.mark.slow
@in_double
def test_density_changes_by_the_divergence_of_any_field():
    """d ln p/dt = −∇·v: its integral is ln |det| of the map; and the flow back undoes the map."""
    x = jnp.asarray([0.4, -0.9])
    _, volume, jacobian, back = there_and_back(flow(), x)
    assert abs(volume - jnp.linalg.slogdet(jacobian)[1]) < 1e-8
    assert abs(volume) > 0.1, "nothing was tested"
    np.testing.assert_allclose(back, x, atol=1e-8)


@in_double
def test_density_integrates_to_one():
    model = flow(integration={"steps": 8})
    axis = 8.0 * ((2 * np.arange(80) + 1) / 80 - 1)
    places = jnp.asarray(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    logs = eqx.filter_jit(
        lambda s: jax.lax.map(lambda y: -s.energy(FieldState(y)), places, batch_size=3200)
    )(model)  # fmt: skip
    assert abs(float(jnp.sum(jnp.exp(logs))) * (16 / 80) ** 2 - 1) < 1e-6


@pytest.mark.slow
@in_double
def test_adjoints_agree():
    """Of fixed steps, direct and checkpointed are one derivative; backsolve is off by the solver's error."""
    x, gradient = FieldState(jnp.asarray([0.4, -0.9])), eqx.filter_jit(coupling_gradient)
    direct, checkpointed, backsolve = (
        jax.tree.leaves(gradient(flow(integration={"steps": 6}, adjoint=name), x))
        for name in ("direct", "checkpointed", "backsolve")
    )
    agree(direct, checkpointed, 1e-12, "direct is not checkpointed")
    off = max(float(jnp.max(jnp.abs(a - b))) for a, b in zip(direct, backsolve, strict=True))
    assert 1e-13 < off < 1e-4


@pytest.mark.slow
@in_double
def test_error_of_fixed_steps_falls_with_the_fifth_power():
    exact = energy_of(flow(spread=0.8, integration={"tolerance": 1e-11}))
    errors = [abs(energy_of(flow(spread=0.8, integration={"steps": n})) - exact) for n in (4, 8)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(5, abs=1.0)

"""Adversarial learning: what the best discriminator is worth, and what its generator descends, against quadrature."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy import stats

from matterlearn.core.drive import Drive
from matterlearn.core.field import AbstractGenerative, FieldState
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.theory import gan

COUNT = 40_000
SHIFT = 1.0


class Shifted(AbstractGenerative):
    """Data are N(0, 1), the generator draws N(μ, 1); E = a + b x is −ln p/q at a = −μ²/2, b = μ."""

    shape: tuple[int, ...] = eqx.field(static=True)
    shift: Float[Array, ""]
    offset: Float[Array, ""]
    slope: Float[Array, ""]

    def energy(self, x, neighbors=None):
        return self.offset + self.slope * x.field[0]

    def draw(self, key):
        return FieldState(self.shift + jax.random.normal(key, (1,)))


def system(shift=SHIFT) -> Any:
    return Shifted((1,), *(jnp.asarray(value) for value in (shift, -(shift**2) / 2, shift)))


def estimated(**fields):
    """Slopes and numbers at the best discriminator, with their standard errors."""
    rule = load_kind("rules", "adversarial")(kind="adversarial", **fields).build()
    x = FieldState(jax.random.normal(jax.random.key(1), (COUNT, 1)))
    batch = Batch(Drive(target=x), x, jnp.ones(()))
    slope, _, info = eqx.filter_jit(rule.estimate)(
        jax.random.key(2), system(), None, None, batch, parameters=couplings(system())
    )
    return slope, info


def test_divergence_of_shifted_normal_laws():
    known = {1.0: 0.111421, 2.0: 0.336831, 4.0: 0.632720}
    for shift, value in known.items():
        assert abs(gan.jensen_shannon_of_shift(shift) - value) < 6e-7
    assert abs(gan.jensen_shannon_of_shift(0.0)) < 1e-12
    assert abs(gan.jensen_shannon_of_shift(40.0) - np.log(2)) < 1e-9
    assert abs(gan.best_value(0.0) + np.log(4)) < 1e-15


def test_the_best_discriminator_is_the_best():
    """C(D) by quadrature: −ln 4 + 2 JSD at D* = p/(p + q), and less at others."""
    axis = np.linspace(-12, 14, 20_001)
    p, q = stats.norm.pdf(axis), stats.norm.pdf(axis - SHIFT)

    def value(judge):
        return np.trapezoid(p * np.log(judge) + q * np.log1p(-judge), axis)

    best = gan.best_discriminator(p, q)
    assert abs(value(best) - gan.best_value(gan.jensen_shannon_of_shift(SHIFT))) < 1e-10
    for bend in (-0.1, 0.1):
        assert value(best ** (1 + bend)) < value(best)


def test_loss_at_the_best_discriminator_is_the_divergence():
    """The recorded divergence is JSD(N(0, 1), N(1, 1)), and the discriminator has no slope; |z| < 4."""
    slope, info = estimated()
    each = np.log1p(np.exp(np.random.default_rng(0).normal(size=COUNT) * SHIFT - SHIFT**2 / 2))
    error = np.sqrt(2 * each.var() / COUNT) / 2
    assert error < 2e-3
    assert abs(info.numbers["divergence"] - gan.jensen_shannon_of_shift(SHIFT)) < 4 * error
    sem = info.phases["wake"].sem
    for name in ("offset", "slope"):
        assert abs(getattr(slope, name)) < 4 * getattr(sem, name)


@pytest.mark.parametrize("generator", ["saturating", "non_saturating"])
def test_slope_of_the_generator(generator):
    """At D*: that of 2 JSD, and that of KL(q ‖ p) − 2 JSD where it does not saturate; KL = μ²/2. |z| < 4."""
    slope, info = estimated(generator=generator)
    h = 1e-3
    towards = (gan.jensen_shannon_of_shift(SHIFT + h) - gan.jensen_shannon_of_shift(SHIFT - h)) / h  # of 2 JSD
    exact = towards if generator == "saturating" else SHIFT - towards
    error = float(info.phases["wake"].sem.shift)
    assert error < 0.02 * exact
    assert abs(float(slope.shift) - exact) < 4 * error


def test_one_update_moves_each_network_by_its_own_loss():
    """The generator feels the discriminator, but no data."""
    config = load_kind("systems", "adversarial_network")
    model = config(kind="adversarial_network", shape=[2], width=5, depth=1).build(jax.random.key(0))
    rule = load_kind("rules", "adversarial")(kind="adversarial").build()
    x = [FieldState(jax.random.normal(jax.random.key(s), (8, 2))) for s in (1, 2)]
    go = eqx.filter_jit(lambda x: rule.estimate(jax.random.key(3), model, None, None, Batch(Drive(), x, jnp.ones(())),
                                                parameters=couplings(model))[0])  # fmt: skip
    first, other = map(go, x)
    same = lambda a, b: all(np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (a, b)), strict=True))  # noqa: E731
    assert same(first.generator, other.generator), "the generator's slope depends on the data"
    assert not same(first.discriminator, other.discriminator)


def test_another_system_is_refused():
    scenario = {
        "title": "any", "system": {"kind": "coupling_flow", "shape": [2]}, "dynamics": {"kind": "direct_sampling"},
        "task": {"kind": "data", "data": {"source": "points", "shape": "ring", "count": 9}},
        "learning": {"rule": {"kind": "adversarial"}, "updates": 2}, "run": {"steps": 2},
    }  # fmt: skip
    with pytest.raises(ScenarioError, match="no discriminator beside its generator"):
        load(scenario)

"""Couplings from moments: the rule lands where theory says, whatever the units' values and the graph."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import diagonal
from matterlearn.core import pairwise
from matterlearn.core.drive import Drive
from matterlearn.core.network import NetworkState
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings
from matterlearn.kinds import load_kind
from matterlearn.theory import inverse_ising as inverse
from matterlearn.theory.enumeration import configurations, ensemble

N = 6
STATES = configurations(N, 2)
I, J = np.indices((N, N))
TRUTH = inverse.Model(0.4 * np.cos(1 + 3 * I * J + I + J) * (I != J), 0.3 * np.sin(2 * np.arange(N) + 1))
COMPLETE = {"kind": "complete", "nodes": N}
SYSTEMS = [
    {"kind": kind, "values": values, **size}
    for kind, size in (("spin_network", {"units": N}), ("boltzmann_machine", {"graph": COMPLETE}))
    for values in ("spins", "threshold")
]


def build(family, kind, **config):
    return load_kind(family, kind)(kind=kind, **config)


def machine(**config):
    return build("systems", **config).build(None)


def shown(rows):
    """All units of every replica clamped to one row of 0 and 1."""
    x = NetworkState(jnp.asarray(rows, jnp.int8))
    hold = jax.vmap(lambda x: Drive(target=x, clamped=NetworkState(jnp.ones(N, bool))))
    return Batch(hold(x), x, jnp.ones(()), None, None, None)


def draws(samples, seed):
    """Rows of independent samples of the truth."""
    spins = 2.0 * STATES - 1
    model = ensemble(-np.einsum("si,ij,sj->s", spins, TRUTH.J, spins) / 2 - spins @ TRUTH.h)
    return STATES[np.random.default_rng(seed).choice(len(STATES), samples, p=model.probabilities)]


@eqx.filter_jit
def estimated(rule, system, dynamics, state, batch, theta):
    return rule.estimate(jax.random.key(1), system, dynamics, state, batch, parameters=theta)


def learned(system, rule, batches, kT=1.0):
    """The system after one update with a learning rate of 1 per batch."""
    matter = "network" if type(system).__name__ == "SpinNetwork" else "discrete"
    dynamics = build("dynamics", {"network": "sequential", "discrete": "heat_bath"}[matter], kT=kT).build()
    state = rule.init(jax.random.key(0), system, dynamics, 1)
    for batch in batches:
        theta = rule.parameters(system)
        step, state, _ = estimated(rule, system, dynamics, state, batch, theta)
        system = rule.couple(system, jax.tree.map(jnp.subtract, theta, step))
    return system


@pytest.mark.parametrize("config", SYSTEMS, ids=lambda c: f"{c['kind']}-{c['values']}")
def test_conventions(config):
    """E of the system and −kT(J σσ + h σ) differ by a constant, and couplings come back."""
    kT = 0.7
    system = pairwise.with_law(machine(**config), jnp.asarray(TRUTH.J), jnp.asarray(TRUTH.h), jnp.asarray(kT))
    spins = 2.0 * STATES - 1
    papers = -kT * (np.einsum("si,ij,sj->s", spins, TRUTH.J, spins) / 2 + spins @ TRUTH.h)
    ours = jax.jit(jax.vmap(system.energy))(NetworkState(jnp.asarray(STATES)))
    assert np.ptp(ours - papers) < 1e-5
    back = pairwise.law(system, jnp.asarray(kT))
    assert np.allclose(back[0], TRUTH.J, atol=1e-6) and np.allclose(back[1], TRUTH.h, atol=1e-6)


FEW = diagonal(len(SYSTEMS), len(inverse.METHODS))


@pytest.mark.parametrize(("config", "method"), [
    pytest.param(config, method, id=f"{method}-{config['kind']}-{config['values']}",
                 marks=[] if (row, column) in FEW else [pytest.mark.slow])
    for row, config in enumerate(SYSTEMS) for column, method in enumerate(inverse.METHODS)
])  # fmt: skip
def test_lands_on_the_inversion(config, method):
    """One update takes any machine to the couplings of theory, at any temperature."""
    rows, kT = draws(2000, seed=1), 1.7
    rule = build("rules", "mean_field_inversion", method=method).build()
    found = pairwise.law(learned(machine(**config), rule, [shown(rows)], kT), jnp.asarray(kT))
    expected = inverse.METHODS[method](inverse.moments(2.0 * rows - 1))
    assert np.allclose(found[0], expected.J, atol=3e-5)
    assert np.allclose(found[1], expected.h, atol=3e-5)


@pytest.mark.slow
def test_moments_of_all_updates_count():
    """Three updates know as much as all their data at once."""
    rows = draws(900, seed=2)
    rule = build("rules", "mean_field_inversion", method="sessak_monasson").build()
    parts = learned(machine(**SYSTEMS[0]), rule, [shown(part) for part in np.split(rows, 3)])
    whole = learned(machine(**SYSTEMS[0]), rule, [shown(rows)])
    for a, b in zip(jax.tree.leaves(couplings(parts)), jax.tree.leaves(couplings(whole)), strict=True):
        assert np.allclose(a, b, atol=2e-5)


def test_pairs_that_are_not_joined_are_left_out():
    ring = {"kind": "boltzmann_machine", "graph": {"kind": "cycle", "nodes": N}}
    rows = draws(2000, seed=3)
    rule = build("rules", "mean_field_inversion", method="naive").build()
    system = learned(machine(**ring), rule, [shown(rows)])
    expected = inverse.naive(inverse.moments(2.0 * rows - 1))
    first, second = system.pairs.T
    assert len(first) == N
    assert np.allclose(system.coupling, -expected.J[first, second], atol=3e-5)


def test_pseudocount():
    """λ = ½ mixes the data with as many unbiased rows; without it a constant unit has no answer, and nothing moves."""
    rows = np.vstack([draws(50, seed=4)[:, :-1].T, np.ones(50, np.int8)]).T
    rule = build("rules", "mean_field_inversion", pseudocount=0.5).build()
    system = learned(machine(**SYSTEMS[0]), rule, [shown(rows)])
    spins = 2.0 * rows - 1
    mean, both = spins.mean(axis=0) / 2, (spins.T @ spins / len(spins) + np.eye(N)) / 2
    expected = inverse.naive(inverse.Moments(mean, both - np.outer(mean, mean)))
    assert np.allclose(pairwise.law(system, jnp.ones(()))[0], expected.J, atol=3e-5)
    nothing = learned(machine(**SYSTEMS[0]), build("rules", "mean_field_inversion").build(), [shown(rows)])
    assert (np.asarray(nothing.coupling) == 0).all() and (np.asarray(nothing.threshold) == 0).all()


@pytest.mark.parametrize(
    ("system", "kT", "words"),
    [
        ({"kind": "pattern_network", "units": 10, "memories": 1}, 1.0, "pairwise"),
        ({"kind": "boltzmann_machine", "graph": COMPLETE, "hidden": 1}, 1.0, "hidden"),
        ({"kind": "spin_network", "units": N}, 0.0, "temperature"),
    ],
)
def test_refusals(system, kT, words):
    scene = SimpleNamespace(system=build("systems", **system), dynamics=build("dynamics", "sequential", kT=kT))
    (problem,) = build("rules", "mean_field_inversion").check(scene)
    assert words in str(problem)

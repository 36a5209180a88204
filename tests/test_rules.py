"""Hebbian linkers against closed forms, both laws of binding, and rules that know no material."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import matterlearn
from matterlearn import testing
from matterlearn.core.drive import Drive
from matterlearn.core.rule import Batch
from matterlearn.core.symmetric import pack, unpack
from matterlearn.kinds import load_kind
from matterlearn.theory import linkers as exact

pytestmark = pytest.mark.usefixtures("x64")


def rule(**numbers):
    config = {"kind": "hebbian_linkers", "rate": 0.5, "saturation": 8.0, **numbers}
    return load_kind("rules", "hebbian_linkers")(**config).build()


CONTACTS = np.array([0.0, 0.01, 0.5, 1.0, 3.0])


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("start", [0.0, 2.5])
def test_flow_is_the_saturating_law(decay, start):
    linkers = jnp.full(5, start)
    for time in (1e-3, 1.0, 20.0):
        expected = exact.saturating_flow(
            time, rate=0.5, correlation=CONTACTS, decay=decay, maximum=8.0, initial=start
        )
        np.testing.assert_allclose(rule(decay=decay).flow(linkers, jnp.asarray(CONTACTS), time), expected, rtol=1e-12)


def test_flow_without_saturation_is_the_plain_law():
    flow = rule(decay=0.3, saturation=1e12).flow(jnp.ones(5), jnp.asarray(CONTACTS), 2.0)
    expected = exact.coupling_flow(2.0, rate=0.5, correlation=CONTACTS, decay=0.3, initial=1.0)
    np.testing.assert_allclose(flow, expected, rtol=1e-9)


def test_flow_ends_at_the_stationary_linkers():
    end = rule(decay=0.3).flow(jnp.full(5, 7.0), jnp.asarray(CONTACTS), 1e4)
    np.testing.assert_allclose(end, exact.saturating_stationary(0.5, CONTACTS, 0.3, 8.0), rtol=1e-12)
    end = rule(decay=0.3, saturation=1e12).flow(jnp.zeros(5), jnp.asarray(CONTACTS), 1e4)
    np.testing.assert_allclose(end, exact.stationary_coupling(0.5, CONTACTS, 0.3), rtol=1e-9)


def test_flow_composes():
    """Two exposures of one pattern are one of twice the length: no slow time step enters."""
    learn = rule(decay=0.2)
    contacts = jnp.asarray(CONTACTS)
    twice = learn.flow(learn.flow(jnp.ones(5), contacts, 0.7), contacts, 1.3)
    np.testing.assert_allclose(twice, learn.flow(jnp.ones(5), contacts, 2.0), rtol=1e-12)


def test_older_patterns_fade_exponentially():
    """After m patterns in turn each weighs e^{−λτk}, k the number of patterns shown since."""
    learn, tau = rule(decay=0.4, saturation=1e12), 1.5
    linkers = jnp.zeros(4)
    for pattern in np.eye(4):
        linkers = learn.flow(linkers, jnp.asarray(pattern), tau)
    expected = exact.sequential_coupling(np.eye(4), rate=0.5, decay=0.4, duration=tau)
    np.testing.assert_allclose(linkers, expected, rtol=1e-9)
    np.testing.assert_allclose(linkers[::-1] / linkers[-1], exact.forgetting_weights(4, tau, 0.4), rtol=1e-9)


def test_negative_contacts_do_not_remove_linkers():
    np.testing.assert_array_equal(rule().flow(jnp.ones(3), jnp.asarray([-5.0, -0.1, 0.0]), 1.0), np.ones(3))


def test_linear_law_is_minus_energy_times_linkers():
    learn = rule(coupling={"law": "linear", "energy": 1.5})
    np.testing.assert_allclose(learn.law(jnp.asarray([0.0, 2.0])), [0.0, -3.0])


def bivalent(affinity=2.0, bridge=30.0):
    return rule(coupling={"law": "bivalent", "affinity": affinity, "bridge": bridge}).law


def test_bivalent_law_is_that_of_competing_linkers():
    z = np.random.default_rng(0).uniform(0, 2, (4, 4))
    z = z + z.T
    expected = exact.competing_bond_energy(z, np.full(4, 2.0), 30.0)
    np.testing.assert_allclose(unpack(bivalent()(pack(jnp.asarray(z)))), expected, rtol=1e-12)


def test_bivalent_law_is_the_two_site_partition_function():
    z = np.array([[0.0, 0.3, 0.0], [0.3, 0.0, 0.8], [0.0, 0.8, 0.0]])
    energy = unpack(bivalent()(pack(jnp.asarray(z))))
    for i, j in ((0, 1), (1, 2), (0, 2)):
        brute = exact.enumerate_two_sites(z, np.full(3, 2.0), i, j, 30.0)
        np.testing.assert_allclose(energy[i, j], brute.energy, rtol=1e-12, atol=1e-15)


def one_pair(z):
    """Two species, linkers only between them."""
    return bivalent()(jnp.asarray([0.0, z, 0.0]))[1]


def test_bond_is_strongest_where_half_the_sites_are_taken():
    """zK = 1 is the maximum, exactly, and beyond it more linkers weaken the bond: the hook."""
    best = exact.optimal_fugacity(2.0, 2.0)
    assert best * 2.0 == 1.0
    np.testing.assert_allclose(one_pair(best), exact.strongest_bond_energy(2.0, 2.0, 30.0), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(one_pair)(best), 0.0, atol=1e-12)
    assert one_pair(0.9 * best) > one_pair(best) < one_pair(1.1 * best)
    np.testing.assert_allclose(one_pair(best * 7), one_pair(best / 7), rtol=1e-12)  # symmetric in log z
    assert -1e-3 < one_pair(1e6) < 0.0


def test_few_linkers_are_the_linear_law():
    z = 1e-7
    np.testing.assert_allclose(one_pair(z), exact.hebbian_bond_energy(z, 2.0, 2.0, 30.0), rtol=1e-4)


def test_linkers_of_other_partners_weaken_a_bond():
    alone = bivalent()(pack(jnp.asarray([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])))
    shared = bivalent()(pack(jnp.asarray([[0.0, 0.5, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]])))
    assert alone[1] < shared[1] < 0.0


def test_estimate_follows_the_law_on_measured_contacts():
    """A tethered pair of discs: contacts are measured, then the closed form says how many linkers there are."""
    discs = load_kind("systems", "particles")(kind="particles", species=2).build(jax.random.key(0))
    x = discs.arrange(jnp.array([[0.0, 0.0], [1.05, 0.0]]))
    drive = Drive(target=x, stiffness=testing.trap(x, 1e3).stiffness)
    batch = Batch(*jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), (drive, x)), jnp.asarray(2.0))
    learn = rule(decay=0.1, samples=10, stride=5, relax=50)
    walk = load_kind("dynamics", "brownian")(kind="brownian", dt=1e-4).build()
    old = jnp.asarray([0.0, 0.3, 0.1])
    direction, _, info = learn.estimate(jax.random.key(1), discs, walk, None, batch, parameters=with_leaf(discs, old))
    new = old - direction.coupling
    contacts = np.asarray(info.phases["wake"].mean.coupling)
    assert 0.5 < contacts[1] <= 1.0 and contacts[0] == contacts[2] == 0.0
    expected = exact.saturating_flow(
        2.0, rate=0.5, correlation=contacts, decay=0.1, maximum=8.0, initial=np.asarray(old)
    )
    np.testing.assert_allclose(new, expected, rtol=1e-12)
    np.testing.assert_allclose(learn.couple(discs, with_leaf(discs, new)).coupling, -new)


def with_leaf(system, values):
    """Parameters of a system with one coupling vector."""
    parameters = rule().parameters(system)
    return jax.tree.map(lambda leaf: values, parameters)


FOLDER = Path(matterlearn.__file__).parent
MATERIALS = {"matterlearn.systems", "matterlearn.tasks", "matterlearn.rules", "matterlearn.dynamics"}


@pytest.mark.parametrize("family", ["core", "rules", "dynamics", "tasks", "observables"])
def test_nothing_but_the_material_knows_the_material(family):
    """No rule, dynamics, task or observable imports a system, nor the core any of them."""
    for file in (FOLDER / family).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                own = name == f"matterlearn.{family}" or name.startswith(f"matterlearn.{family}.")
                other = any(name == m or name.startswith(m + ".") for m in MATERIALS)
                assert own or not other, f"{file.name} imports {name}"

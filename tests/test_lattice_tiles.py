"""Directional tiles: energies and contacts by recount, and the sparse heat bath against the dense one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.bits import Bits
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.lattice_kernel import LatticeState
from matterlearn.core.partner_kernel import PartnerKernel
from matterlearn.core.system import coupling_gradient
from matterlearn.dynamics import heat_bath, metropolis
from matterlearn.systems.lattice_tiles import Config
from matterlearn.testing import check_spec, examples

MANY = 64  # species: the fewest for which bonds are looked up one by one
BOXES = [([3, 4], False), ([4, 4], True), ([3, 3], True), ([2, 3, 2], [True, False, False])]


def made(shape, periodic, species, couplings=None, mu=0.0):
    config = Config(kind="lattice_tiles", shape=shape, periodic=periodic, species=species, chemical_potential=mu)
    system = config.build(None)
    return system if couplings is None else eqx.tree_at(lambda s: s.coupling, system, jnp.asarray(couplings, float))


def sticky(axes, species, partners, seed=0):
    """Attractive couplings to at most ``partners`` species on either side, few distinct ones, so that they coincide."""
    random = np.random.default_rng(seed)
    J = np.zeros((axes, species, species))
    for table in J:
        for _ in range(partners):
            # Shifted diagonals: one more partner on either side for every species below 8.
            table[np.arange(8), (np.arange(8) + random.integers(8)) % 8] = -random.uniform(0.5, 3.0, 8)
    return J


def contacts(species, periodic, axis, n):
    """Ordered contacts of species, counted one by one."""
    counts, shape = np.zeros((n, n)), species.shape
    for site in np.ndindex(*shape):
        other = list(site)
        other[axis] += 1
        if other[axis] == shape[axis]:
            if not periodic[axis]:
                continue
            other[axis] = 0
        a, b = species[site], species[tuple(other)]
        if a and b:
            counts[a - 1, b - 1] += 1
    return counts


def test_spec():
    for config in examples("systems", "lattice_tiles"):
        check_spec(config)


@pytest.mark.parametrize(("shape", "periodic"), BOXES)
def test_gradient_counts_contacts(shape, periodic):
    """∂E/∂J[axis, a, b] is the number of contacts exactly, and the energy their sum; μ counts tiles."""
    random = np.random.default_rng(0)
    n, axes = 5, len(shape)
    system = made(shape, periodic, n, random.normal(size=(axes, n, n)), list(random.normal(size=n)))
    x = random.integers(0, n + 1, shape)
    state = LatticeState(jnp.asarray(x, jnp.int8))
    gradient, energy = eqx.filter_jit(lambda s, y: (coupling_gradient(s, y), s.energy(y)))(system, state)
    found = np.asarray(gradient.coupling)
    wraps = system.lattice.periodic
    expected = np.stack([contacts(x, wraps, axis, n) for axis in range(axes)])
    np.testing.assert_array_equal(found, expected)
    tiles = np.bincount(x.ravel(), minlength=n + 1)[1:]
    total = (expected * np.asarray(system.coupling)).sum() + tiles @ np.asarray(system.chemical_potential)
    assert float(energy) == pytest.approx(total, rel=1e-5)
    assert gradient.chemical_potential is None, "μ is learned only if asked for"


@eqx.filter_jit
def costs(kernel, x, value):
    """Energy of putting ``value`` on each site, over the empty one, colour by colour."""
    parts, out = kernel.split(x), []
    for colour, part in enumerate(parts):
        around = kernel.environment(parts, colour)
        put, none = (kernel.site_energy(jnp.full(part.shape, v), around) for v in (value, 0))
        out.append(put - none)
    return kernel.join(out).species


@eqx.filter_jit
def energies(system, states):
    return jax.vmap(lambda y: system.energy(LatticeState(y)))(states)


@pytest.mark.parametrize(("shape", "periodic", "species"), [(*BOXES[0], 3), (*BOXES[2], MANY), (*BOXES[3], MANY)])
def test_site_energies_are_energy_differences(shape, periodic, species):
    """Every site, in the kernels for few and for many species."""
    random = np.random.default_rng(1)
    axes = len(shape)
    J = sticky(axes, species, 2) if species == MANY else random.normal(size=(axes, species, species))
    system = made(shape, periodic, species, J, 0.7)
    x = random.integers(0, min(species, 9) + 1, shape)
    changed = np.stack([x.ravel()] * (2 * x.size)).reshape(x.size, 2, x.size)
    for site in range(x.size):
        changed[site, :, site] = 0, 2
    ends = energies(system, jnp.asarray(changed.reshape(-1, *shape), jnp.int8)).reshape(-1, 2)
    kernel = (system.sparse() if species == MANY else system).kernel()
    found = costs(kernel, LatticeState(jnp.asarray(x, jnp.int8)), 2)
    np.testing.assert_allclose(np.ravel(found), ends[:, 1] - ends[:, 0], atol=1e-4)


def test_sparse_only_where_it_is_right_and_gains():
    J = sticky(2, MANY, 3)
    assert made([4, 4], True, MANY, J).sparse().partners == 3
    assert isinstance(made([4, 4], True, MANY, J).sparse().kernel(), PartnerKernel)
    both = np.stack([J, np.where(np.arange(MANY) < 5, -1.0, 0.0) + 0 * J])
    stacked = eqx.tree_at(lambda s: s.coupling, made([4, 4], True, MANY), jnp.asarray(both))
    assert stacked.sparse().partners is None, "64 partners on a side: nothing to gain"
    repulsive = J.copy()
    repulsive[0, 20, 21] = 0.1
    assert made([4, 4], True, MANY, repulsive).sparse().partners is None
    assert made([4, 4], True, 9, np.zeros((2, 9, 9))).sparse().partners is None, "few species have pair tables"


def test_terms_add_up_to_the_conditional_law():
    """Empty, unbound and bound terms together are exp(−e/kT), duplicates included; double precision."""

    @eqx.filter_jit
    def weights(system, sparse, x, kT):
        kernel, terms = system.kernel(), sparse.kernel()
        around = kernel.environment(kernel.split(x), 1)
        values = jnp.arange(MANY + 1).reshape(-1, *[1] * around[0].ndim) + 0 * around[0]
        exact = jnp.exp(-kernel.site_energy(values, [a[None] for a in around]) / kT)
        return exact, terms.unbound(kT), terms.terms(around, kT)

    with jax.enable_x64(True):
        random = np.random.default_rng(2)
        for shape, mu, kT in (([4, 4], 1.3, 0.7), ([2, 4, 4], list(random.normal(size=MANY)), 1.4)):
            system = made(shape, True, MANY, sticky(len(shape), MANY, 3), mu)
            x = LatticeState(jnp.asarray(random.integers(0, 9, shape)))
            exact, (levels, background), terms = weights(system, system.sparse(), x, jnp.asarray(kT))
            law = np.zeros(exact.shape)
            law[0] = 1.0
            share = np.diff(np.asarray(levels), prepend=0.0).reshape(-1, *[1] * len(shape))
            law[1:] += np.exp(float(background)) * share
            for t in terms:
                weight = np.exp(np.asarray(t.height)) * -np.expm1(-np.asarray(t.strength))
                for species, own in zip(np.asarray(t.species), weight, strict=True):
                    np.add.at(law, (species, *np.indices(species.shape)), own)
            np.testing.assert_allclose(law, exact, rtol=1e-12)


@pytest.mark.parametrize("seed", [0])
def test_draws_follow_the_conditional_law(seed):
    """Frequencies of 3·10⁵ draws in one environment: χ² over the likely species, and e^−9 events are not lost.

    A relative error of 1 % in any of the likely weights would be seen.
    """
    system = made([2, 2], False, MANY, 2 * sticky(2, MANY, 3, seed), 4.0)
    x, copies = LatticeState(jnp.asarray([[0, 3], [5, 2]], jnp.int8)), 300_000

    @eqx.filter_jit
    def draw(system):
        kernel, kT = system.kernel(), jnp.asarray(1.0)
        around = [jnp.broadcast_to(a.ravel()[:1], (copies,)) for a in kernel.environment(kernel.split(x), 0)]
        energies = kernel.site_energy(jnp.arange(MANY + 1), [a[: MANY + 1] for a in around])
        drawn = kernel.conditional(Bits(jax.random.key(seed)), jnp.zeros(copies, jnp.int8), around, kT)
        return drawn, jax.nn.softmax(-energies / kT)

    drawn, p = (np.asarray(a) for a in draw(system.sparse()))
    p = p.astype(float)
    counts = np.bincount(drawn, minlength=MANY + 1)
    likely = p * copies > 10
    z = (counts - copies * p) / np.sqrt(copies * p * (1 - p))
    assert np.abs(z[likely]).max() < 4, z
    rest = p[~likely].sum() * copies
    assert abs(counts[~likely].sum() - rest) < 4 * np.sqrt(rest) + 1


def exact_mean(J, mu):
    """⟨E⟩ and the mean number of tiles on 2 × 2 open sites, by contraction of the four bonds."""

    def log_z(beta, mu):
        vertical, horizontal = (jnp.exp(-beta * jnp.pad(table, ((1, 0), (1, 0)))) for table in J)
        field = jnp.exp(-beta * mu * (jnp.arange(MANY + 1) > 0))
        top = field[:, None] * horizontal * field[None, :]
        return jnp.log(jnp.einsum("ab,cd,ac,bd->", top, top, vertical, vertical, optimize=True))

    with jax.enable_x64(True):
        by_beta, by_mu = jax.jit(jax.grad(log_z, (0, 1)))(1.0, mu)
        return -float(by_beta), -float(by_mu)


@pytest.mark.slow
@pytest.mark.parametrize("move", [heat_bath, metropolis])
def test_sparse_tiles_in_equilibrium(move):
    """⟨E⟩ and the number of tiles on 2 × 2 sites against the exact sums: 1500 chains, errors below 1 %.

    Reusing a random word between colours or drawing a partner twice shifts these by several per cent.
    """
    J, mu = sticky(2, MANY, 3), 4.5
    system = made([2, 2], False, MANY, J, mu).sparse()
    dynamics, copies = move.Config(kind=move.__name__.split(".")[-1]).build(), 1500
    sweeps = 30 if move is heat_bath else 800
    key = jax.random.key(3)

    @eqx.filter_jit
    def sample(system):
        def one(r):
            mine = jax.random.fold_in(key, r)
            state = dynamics.init(mine, system, Drive(), system.init_state(mine))
            x = advance(mine, system, dynamics, Drive(), state, sweeps).x
            return system.energy(x), jnp.sum(x.species > 0)

        return jax.vmap(one)(jnp.arange(copies))

    for values, expected in zip(sample(system), exact_mean(J, mu), strict=True):
        values = np.asarray(values, float)
        z = (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(copies))
        assert abs(z) < 4, (values.mean(), expected)

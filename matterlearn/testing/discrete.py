"""Checks of a discrete system: names, reproducibility, ∂E/∂θ, and that its kernel says what its energy says."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from matterlearn.core.bits import Bits
from matterlearn.core.discrete import AbstractKernel, Parts
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.system import coupling_gradient, couplings, with_couplings
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import Counted, agree, dot, moved, noise_like, same_bits
from matterlearn.testing.systems import in_double, start_is_reproducible, state_is_named

NEVER = 1e3  # kT_ref: a kernel may give values that do not exist, or that cannot stand there, more than this
DRAWS = 4000
FEWEST = 10  # expected draws of a value that counts towards χ²


class DiscreteCase(NamedTuple):
    """A discrete system with random couplings, and a configuration where it feels them; double precision."""

    system: Any
    x: Any


def discrete_case(config: Any) -> DiscreteCase:
    """The liveliest of 4 starts of the system, with random couplings; stirred where no start feels them."""
    with jax.enable_x64(True):
        blank = config.build(jax.random.key(0))
        theta = couplings(blank)
        system = with_couplings(blank, moved(theta, noise_like(1, theta), 0.5)).constrain()
        for begin in (_start, _stirred):
            starts = [begin(system, jax.random.key(seed)) for seed in range(4)]
            lively = [dot(m, m) for m in (_slope(system, x)[1] for x in starts)]
            if max(lively) > 0:
                break
        return DiscreteCase(system, starts[int(np.argmax(lively))])


@eqx.filter_jit
def _start(system, key):
    return system.init_state(key)


@eqx.filter_jit
def _stirred(system, key):
    """A few heat-bath sweeps after a start."""
    sampler = load_kind("dynamics", "heat_bath")(kind="heat_bath").build()
    start = sampler.init(key, system, Drive(), system.init_state(key))
    return advance(key, system, sampler, Drive(), start, jnp.asarray(4)).x


@eqx.filter_jit
def _slope(system, x):
    return system.energy(x), coupling_gradient(system, x)


@in_double
def energy_is_a_number(case: DiscreteCase) -> None:
    """Energy is a finite scalar, and the configuration feels the couplings."""
    energy, moments = _slope(case.system, case.x)
    assert jnp.shape(energy) == () and jnp.isfinite(energy), f"energy {energy} is not a finite number"
    assert dot(moments, moments) > 0, "no coupling matters in a disordered state"


@in_double
def moments_are_derivatives_of_the_energy(case: DiscreteCase) -> None:
    """∂E/∂θ against central differences."""
    theta = couplings(case.system)
    tilt, h = noise_like(8, theta), 1e-5
    ends = [_slope(with_couplings(case.system, moved(theta, tilt, by)), case.x)[0] for by in (h, -h)]
    measured = (ends[0] - ends[1]) / (2 * h)
    agree(dot(_slope(case.system, case.x)[1], tilt), measured, 1e-6, "coupling_gradient is not ∂E/∂θ")


@in_double
def energy_is_compiled_once(case: DiscreteCase) -> None:
    """New couplings never recompile."""
    energy = Counted(lambda system, x: system.energy(x))
    theta = couplings(case.system)
    other = with_couplings(case.system, moved(theta, noise_like(9, theta), 0.2))
    first, second = energy(case.system, case.x), energy(other, case.x)
    assert first != second and energy.traces == 1, f"new couplings compiled the energy {energy.traces} times"


@in_double
def parts_hold_the_whole_state(case: DiscreteCase) -> None:
    """``join`` undoes ``split``, for numbers and for masks; no entry of the state is missing or doubled."""

    @eqx.filter_jit
    def there_and_back(system, x):
        kernel = system.kernel()
        parts = kernel.split(x)
        return kernel.join(parts), parts

    numbers = iter(np.random.default_rng(0).permutation(10_000))
    labels = jax.tree.map(lambda leaf: _numbered(leaf, numbers), case.x)
    for tree in (labels, jax.tree.map(lambda leaf: leaf % 2 == 0, labels)):
        back, _ = there_and_back(case.system, tree)
        assert same_bits(back, tree), "join(split(x)) is not x"
    _, parts = there_and_back(case.system, labels)
    held = np.sort(np.concatenate([np.ravel(part) for part in parts]))
    assert np.array_equal(held, np.sort(np.concatenate([np.ravel(leaf) for leaf in labels]))), "parts differ from x"


def _numbered(leaf, numbers):
    return jnp.asarray([next(numbers) for _ in range(leaf.size)], jnp.int16).reshape(leaf.shape)


def _local_energies(kernel: AbstractKernel, parts: Parts, colour: int):
    """e_i(w) of one part, [value, …]."""
    environment = kernel.environment(parts, colour)
    like = jnp.zeros_like(parts[colour])
    return jnp.stack([kernel.site_energy(like + w, environment) for w in range(kernel.values)])


def _changed(parts: Parts, colour: int, site, value) -> Parts:
    part = parts[colour]
    new = part.ravel().at[site].set(value.astype(part.dtype)).reshape(part.shape)
    return (*parts[:colour], new, *parts[colour + 1 :])


@eqx.filter_jit
def _single_changes(system, x):
    """By colour: local energies, energies of all single changes [site, value], local energies after each change."""
    kernel = system.kernel()
    parts = kernel.split(x)

    def after(colour, site, value):
        new = _changed(parts, colour, site, value)
        return system.energy(kernel.join(new)), _local_energies(kernel, new, colour)

    found = []
    for colour, part in enumerate(parts):
        grid = jnp.meshgrid(jnp.arange(part.size), jnp.arange(kernel.values), indexing="ij")
        energies, local = jax.vmap(jax.vmap(functools.partial(after, colour)))(*grid)
        found.append((_local_energies(kernel, parts, colour), energies, local))
    return system.energy(x), parts, found


@in_double
def local_energies_are_those_of_the_energy(case: DiscreteCase) -> None:
    """e_i(w) − e_i(s_i) is what the energy changes by, for every site and value that can stand there."""
    energy, parts, found = _single_changes(case.system, case.x)
    for part, (local, energies, _) in zip(parts, found, strict=True):
        local = np.asarray(local).reshape(len(local), -1).T
        own = np.take_along_axis(local, np.ravel(part)[:, None].astype(int), 1)
        possible = local - local.min(1, keepdims=True) < NEVER
        assert possible.sum(1).min() > 1, "a site can take one value only"
        changes = np.asarray(energies) - float(energy)
        agree((local - own)[possible], changes[possible], 1e-8, "local energies are not those of the energy")


@in_double
def sites_of_a_part_do_not_interact(case: DiscreteCase) -> None:
    """Whatever one site of a part becomes, the others of that part feel the same."""
    _, parts, found = _single_changes(case.system, case.x)
    for part, (local, _, after) in zip(parts, found, strict=True):
        after = np.asarray(after).reshape(part.size, len(local), len(local), part.size)
        same = np.isclose(after, np.asarray(local).reshape(1, 1, len(local), -1), rtol=1e-9, atol=1e-9)
        others = ~np.eye(part.size, dtype=bool)[:, None, None]
        assert np.all(same | ~others), "two sites that are updated together interact"


@in_double
def conditional_law_is_boltzmann(case: DiscreteCase) -> None:
    """Draws from ``conditional`` follow exp(−e_i(w)/kT): χ² over all sites, 4000 draws each, |z| < 4.

    It finds a probability that is wrong by a tenth.
    """
    kT = 0.7

    @eqx.filter_jit
    def draw(system, x, keys):
        kernel = system.kernel()
        parts = kernel.split(x)

        def one(key):
            bits = Bits(key)
            around = [kernel.environment(parts, colour) for colour in range(len(parts))]
            return [kernel.conditional(bits, p, e, jnp.asarray(kT)) for p, e in zip(parts, around, strict=True)]

        drawn = jax.vmap(one)(keys)
        counts = [jnp.sum(d[:, None] == _values(kernel, d.ndim), 0) for d in drawn]
        return counts, [_local_energies(kernel, parts, colour) for colour in range(len(parts))]

    counts, local = draw(case.system, case.x, jax.random.split(jax.random.key(3), DRAWS))
    square, freedom = 0.0, 0.0
    for count, energy in zip(counts, local, strict=True):
        expected = DRAWS * np.asarray(jax.nn.softmax(-energy / kT, 0))
        enough = expected > FEWEST
        square += np.sum(((np.asarray(count) - expected) ** 2 / np.maximum(expected, 1e-30))[enough])
        freedom += np.sum(1 - expected[enough] / DRAWS)
        assert np.all(np.asarray(count)[expected < 1e-6] == 0), "an impossible value was drawn"
    z = stats.norm.isf(stats.chi2.sf(square, freedom))
    assert abs(z) < 4, f"χ² = {square:.1f} at {freedom:.1f} degrees of freedom, z = {z:.1f}"


def _values(kernel: AbstractKernel, ndim: int):
    return jnp.arange(kernel.values).reshape(-1, *[1] * (ndim - 1))


DISCRETE_SYSTEM_CHECKS = (
    state_is_named,
    start_is_reproducible,
    energy_is_a_number,
    moments_are_derivatives_of_the_energy,
    energy_is_compiled_once,
    parts_hold_the_whole_state,
    local_energies_are_those_of_the_energy,
    sites_of_a_part_do_not_interact,
    conditional_law_is_boltzmann,
)

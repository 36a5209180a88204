"""Checks of a dynamics on discrete matter: against exact enumeration, keys and chunks, clamps, compilation.

The matter is a mixture of two species and solvent on six sites, 3^6 states. Chains are independent, and all checks of
one dynamics share one compiled program.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.kinds import load_kind
from matterlearn.testing._examples import Counted, same_bits
from matterlearn.theory import enumeration

CHAINS = 8192
SHAPE = (2, 3)
LONG = 40  # steps: a sensible example forgets six sites long before
FEWEST = 10
FEW = 64


class Mixture(NamedTuple):
    """A small system, its states, their species as leading axis, and their Boltzmann probabilities."""

    system: Any
    states: Any
    ensemble: enumeration.Ensemble


@functools.cache
def mixture(kT: float) -> Mixture:
    """Attractive and repulsive contacts, all six local environments different enough to be told apart."""
    config = load_kind("systems", "lattice_condensate")(
        kind="lattice_condensate", shape=list(SHAPE), periodic=False, species=2,
        couplings=[[-1.0, 0.5], [0.5, -0.6]], chemical_potential=[0.3, 0.5],
    )  # fmt: skip
    system = config.build(jax.random.key(0))
    template = system.init_state(jax.random.key(0))
    table = enumeration.configurations(int(np.prod(SHAPE)), 3).reshape(-1, *SHAPE)
    states = template._replace(species=jnp.asarray(table, template.species.dtype))
    energies = jax.jit(jax.vmap(system.energy))(states)
    return Mixture(system, states, enumeration.ensemble(np.asarray(energies, float), kT))


def _started(key, dynamics, system, drive, x):
    """Independent chains at their start."""
    keys = jax.random.split(jax.random.fold_in(key, 2**31), len(x.species))
    return jax.vmap(lambda k, y: dynamics.init(k, system, drive, y))(keys, x)


def _advanced(key, dynamics, system, drive, states, steps):
    """The chains ``steps`` steps later."""
    keys = jax.random.split(key, len(states.step))
    return jax.vmap(lambda k, state: advance(k, system, dynamics, drive, state, steps))(keys, states)


class Trial(NamedTuple):
    """A dynamics, the mixture at its temperature, and compiled chains."""

    config: Any
    dynamics: Any
    mixture: Mixture
    started: Any
    advanced: Counted

    def run(self, seed: int, x, steps: int, *, drive=None, dynamics=None, system=None):
        """Chains of this seed from x."""
        parts = (dynamics or self.dynamics, system or self.mixture.system, drive or clamp(x))
        start = self.started(jax.random.key(seed), *parts, x)
        return self.advanced(jax.random.key(seed), *parts, start, jnp.asarray(steps))


@functools.lru_cache(maxsize=1)
def _trial(config_type: type, written: str) -> Trial:
    config = config_type.model_validate_json(written)
    dynamics = config.build()
    model = mixture(float(dynamics.kT(jnp.zeros(()))))
    return Trial(config, dynamics, model, eqx.filter_jit(_started), Counted(_advanced))


def trial(config: Any) -> Trial:
    """What the checks of one dynamics share."""
    return _trial(type(config), config.model_dump_json())


def clamp(x, held: tuple[int, ...] = (), species: int = 0) -> Drive:
    """These sites clamped to a species; with none it is still the same program."""
    mask = jnp.zeros(SHAPE, bool).ravel().at[np.asarray(held, int)].set(True).reshape(SHAPE)
    target = jnp.full(SHAPE, species, x.species.dtype)
    return Drive(target=x._replace(species=target), clamped=x._replace(species=mask))


def _at(states, rows):
    return jax.tree.map(lambda leaf: leaf[jnp.asarray(rows)], states)


def _some(config: Any) -> int:
    """Chains for what needs no statistics: the usual ones, already compiled, or few where they run one by one."""
    return FEW if getattr(config, "one_by_one", False) else CHAINS


def _index(x) -> np.ndarray:
    """Which state of the enumeration each chain is in."""
    flat = np.asarray(x.species).reshape(len(x.species), -1)
    return flat.astype(int) @ 3 ** np.arange(flat.shape[1])[::-1]


def deviation(rows: np.ndarray, probability: np.ndarray) -> float:
    """z of χ² over states that are expected often enough."""
    expected = len(rows) * probability
    enough = expected > FEWEST
    count = np.bincount(rows, minlength=len(probability))
    square = np.sum((count[enough] - expected[enough]) ** 2 / expected[enough])
    return float(stats.norm.isf(stats.chi2.sf(square, np.sum(1 - probability[enough]))))


def keeps_the_boltzmann_law(config: Any) -> None:
    """8192 chains that start from exact samples are exact samples later: energy, composition, whole law, |z| < 4.

    It finds an energy that drifts by 0.05 of its standard deviation.
    """
    t = trial(config)
    model = t.mixture.ensemble
    start = np.random.default_rng(0).choice(len(model.energies), CHAINS, p=model.probabilities)
    rows = _index(t.run(1, _at(t.mixture.states, start), LONG // 3).x)
    species = np.asarray(t.mixture.states.species).reshape(len(model.energies), -1)
    for name, values in {"energy": model.energies, **{f"n_{a}": np.sum(species == a, 1) for a in (1, 2)}}.items():
        z = (np.mean(values[rows]) - model.mean(values)) / np.sqrt(model.variance(values) / CHAINS)
        assert abs(z) < 4, f"⟨{name}⟩ = {np.mean(values[rows]):.4f}, exactly {model.mean(values):.4f}, z = {z:.1f}"
    z = deviation(rows, model.probabilities)
    assert abs(z) < 4, f"the states do not follow the Boltzmann law, z = {z:.1f}"


def forgets_its_start(config: Any) -> None:
    """From one state, every state that can be reached is reached as often as the Boltzmann law says, |z| < 4.

    Dynamics that conserve the composition of all chains are held against the law at that composition.
    """
    t = trial(config)
    model, species = t.mixture.ensemble, np.asarray(t.mixture.states.species).reshape(-1, np.prod(SHAPE))
    first = int(np.flatnonzero((np.sort(species, 1) == [0, 0, 0, 1, 1, 2]).all(1))[0])
    rows = _index(t.run(2, _at(t.mixture.states, np.full(CHAINS, first)), LONG).x)
    composition = np.sort(species, 1)
    conserved = (composition[rows] == composition[first]).all()
    allowed = (composition == composition[first]).all(1) if conserved else np.ones(len(species), bool)
    weight = np.where(allowed, model.probabilities, 0.0)
    z = deviation(rows, weight / weight.sum())
    assert abs(z) < 4, f"{LONG} steps do not lead to equilibrium, z = {z:.1f}"


def steps_are_counted_and_chunked(config: Any) -> None:
    """The same key gives the same bits, however a run is cut into chunks; another key gives other bits."""
    t = trial(config)
    key, x = jax.random.key(3), _at(t.mixture.states, np.full(_some(config), 140))
    parts = t.dynamics, t.mixture.system, clamp(x)
    start = t.started(key, *parts, x)
    whole = t.advanced(key, *parts, start, jnp.asarray(12))
    assert np.all(whole.step == start.step + 12), f"12 steps count as {int(whole.step[0] - start.step[0])}"
    for cut in ((5, 7), (1,) * 12):
        state = start
        for steps in cut:
            state = t.advanced(key, *parts, state, jnp.asarray(steps))
        assert same_bits(state, whole), f"chunks of {cut} steps give other bits"
    other = t.advanced(jax.random.key(4), *parts, start, jnp.asarray(12))
    assert not np.array_equal(_index(other.x), _index(whole.x)), "the noise ignores its key"


def clamps_hold(config: Any) -> None:
    """Clamped sites stay on their target, every other site moves."""
    t = trial(config)
    start = np.random.default_rng(1).choice(len(t.mixture.ensemble.energies), _some(config))
    x, held = _at(t.mixture.states, start), (1, 2)
    ends = (t.run(6, x, n, drive=clamp(x, held, 2)).x.species for n in (0, 5))
    before, after = (np.asarray(end).reshape(len(start), -1) for end in ends)
    assert np.all(before[:, held] == 2) and np.all(after[:, held] == 2), "a clamped site moved"
    free = np.setdiff1d(np.arange(after.shape[1]), held)
    assert np.all(np.any(before != after, 0)[free]), "a free site did not move"


def numbers_are_leaves(config: Any) -> None:
    """Other couplings or another temperature never recompile."""
    t = trial(config)
    x = _at(t.mixture.states, np.full(_some(config), 140))
    t.run(7, x, 1)
    traces = t.advanced.traces
    for name, value in t.config.model_dump().items():
        if isinstance(value, float):
            changed = type(config).model_validate({**t.config.model_dump(), name: 0.9 * value}).build()
            t.run(7, x, 1, dynamics=changed)
            assert t.advanced.traces == traces, f"another {name} compiles again: make it an array leaf"
    other = jax.tree.map(lambda leaf: 1.1 * leaf if eqx.is_inexact_array(leaf) else leaf, t.mixture.system)
    t.run(7, x, 1, system=other)
    assert t.advanced.traces == traces, "other couplings compile again"


SAMPLER_CHECKS = (
    keeps_the_boltzmann_law,
    forgets_its_start,
    steps_are_counted_and_chunked,
    clamps_hold,
    numbers_are_leaves,
)

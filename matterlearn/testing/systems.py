"""Checks of a continuous system: names, reproducibility, derivatives, symmetries, compilation, neighbour lists."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from matterlearn.core.dynamics import at_rest
from matterlearn.core.system import AbstractSystem, coupling_gradient, couplings, with_couplings
from matterlearn.testing._examples import Counted, agree, dot, moved, noise_like, same_bits


class SystemCase(NamedTuple):
    """A system with random couplings, a configuration where it feels them, and a direction to move in."""

    system: AbstractSystem
    x: Any
    direction: Any


def continuous_case(config: Any) -> SystemCase:
    """The liveliest of 16 disordered configurations of the system, with random couplings; double precision."""
    with jax.enable_x64(True):
        blank = config.build(jax.random.key(0))
        theta = couplings(blank)
        system = with_couplings(blank, moved(theta, noise_like(1, theta), 0.5)).constrain()
        starts = [_start(system, jax.random.key(seed)) for seed in range(16)]
        starts = [moved(x, noise_like(seed, x), 0.12) for seed, x in enumerate(starts)]
        lively = [dot(moments, moments) for _, _, moments in (_slopes(system, x) for x in starts)]
        x = starts[int(np.argmax(lively))]
        return SystemCase(system, x, noise_like(4, x))


def in_double(check: Callable) -> Callable:
    """The check in double precision."""

    @functools.wraps(check)
    def inside(*args, **kwargs):
        with jax.enable_x64(True):
            return check(*args, **kwargs)

    return inside


@eqx.filter_jit
def _slopes(system, x):
    """Energy and its derivatives by state and by couplings: one compilation serves most checks."""
    energy, gradient = jax.value_and_grad(system.energy)(x)
    return energy, gradient, coupling_gradient(system, x)


@eqx.filter_jit
def _turned(system, x, along):
    """∂²E/∂x² · along."""
    return jax.jvp(jax.grad(system.energy), (x,), (along,))[1]


@eqx.filter_jit
def _start(system, key):
    return system.init_state(key)


@in_double
def state_is_named(case: SystemCase) -> None:
    """``dims`` names every axis of every leaf of the state, and axes of one name have one length."""
    lengths: dict[str, int] = {}
    for name, leaf in case.x._asdict().items():
        dims = case.system.dims.get(name)
        assert dims is not None, f"dims says nothing of {name!r}"
        assert len(dims) == leaf.ndim, f"dims names {len(dims)} axes of {name!r}, which has {leaf.ndim}"
        for dim, length in zip(dims, leaf.shape, strict=True):
            assert lengths.setdefault(dim, length) == length, f"axis {dim!r} has two lengths"
    for name, (dims, values) in case.system.named_couplings().items():
        assert len(dims) == jnp.ndim(values), f"{name!r} has {jnp.ndim(values)} axes but {len(dims)} names"


@in_double
def start_is_reproducible(case: SystemCase) -> None:
    """The same key gives the same finite start, another key another; shapes are as announced."""
    first, again = (_start(case.system, jax.random.key(5)) for _ in range(2))
    assert same_bits(first, again), "init_state depends on more than its key"
    assert not same_bits(first, _start(case.system, jax.random.key(6))), "init_state ignores its key"
    assert all(np.isfinite(leaf).all() for leaf in first), "init_state is not finite"
    announced = case.system.state_shape()
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(first, announced, strict=True))
    for factor in (case.system.mobility(), case.system.inertia()):
        assert all(jnp.broadcast_shapes(f.shape, y.shape) == y.shape for f, y in zip(factor, first, strict=True))


@in_double
def energy_is_a_number(case: SystemCase) -> None:
    """Energy is a finite scalar, at a start too, and the configuration feels the couplings, if there are any."""
    for x in (case.x, _start(case.system, jax.random.key(7))):
        energy, _, moments = _slopes(case.system, x)
        assert jnp.shape(energy) == () and jnp.isfinite(energy), f"energy {energy} is not a finite number"
    moments = _slopes(case.system, case.x)[2]
    assert not jax.tree.leaves(moments) or dot(moments, moments) > 0, "no coupling matters in a disordered state"


@in_double
def derivatives_are_those_of_the_energy(case: SystemCase) -> None:
    """Force, coupling gradient and curvature against central differences."""
    system, x, along = case
    theta = couplings(system)
    tilt = noise_like(8, theta)
    h = 1e-5

    def slope(function, at, way):
        ends = [function(moved(at, way, h)), function(moved(at, way, -h))]
        return jax.tree.map(lambda a, b: (a - b) / (2 * h), *ends)

    _, gradient, moments = _slopes(system, x)
    scale = 1.0 + float(jnp.sqrt(dot(gradient, gradient)))
    measured = slope(lambda y: _slopes(system, y)[0], x, along)
    agree(dot(gradient, along), measured, 1e-6 * scale, "force is not −∂E/∂x")
    measured = slope(lambda t: _slopes(with_couplings(system, t), x)[0], theta, tilt)
    agree(dot(moments, tilt), measured, 1e-6, "coupling_gradient is not ∂E/∂θ")
    turned = _turned(system, x, along)
    stiff = 1.0 + float(jnp.sqrt(dot(turned, turned)))
    agree(turned, slope(lambda y: _slopes(system, y)[1], x, along), 1e-5 * stiff, "the second derivative is wrong")


@in_double
def claimed_symmetries_hold(case: SystemCase) -> None:
    """Energy does not change under what ``symmetries`` claims, nor by whole periods of the box."""

    def energy(system, x):
        return _slopes(system, x)[0]

    expected = energy(case.system, case.x)
    for name in case.system.symmetries:
        assert name in SYMMETRIES, f"unknown symmetry {name!r}; there are {sorted(SYMMETRIES)}"
        agree(energy(*SYMMETRIES[name](case.system, case.x)), expected, 1e-9, f"{name} changes the energy")
    box = getattr(case.system, "box", None)
    if box is not None:
        shifted = _vectors(case.system, case.x, lambda v: v.at[0].add(box))
        agree(energy(case.system, shifted), expected, 1e-9, "moving one particle by the box changes the energy")


def _vectors(system, x, change: Callable):
    """The state with ``change`` applied to every leaf whose last axis is a direction in space."""
    directed = [name for name in x._fields if system.dims[name][-1:] == ("axis",)]
    return x._replace(**{name: change(getattr(x, name)) for name in directed})


def _translated(system, x):
    return system, _vectors(system, x, lambda v: v + jnp.arange(1.0, 1.0 + v.shape[-1]) * 0.37)


def _rotated(system, x):
    """In the plane of the first two axes; by a right angle where a box allows no other."""
    angle = 0.7 if getattr(system, "box", None) is None else np.pi / 2

    def turn(v):
        c, s = np.cos(angle), np.sin(angle)
        return v.at[..., :2].set(v[..., :2] @ jnp.array([[c, s], [-s, c]]))

    step = at_rest(system, x)
    turned = {
        name: leaf + angle if leaf.ndim == 1 else leaf.at[..., -1].add(angle)
        for name, leaf in step._asdict().items() if name in ("orientation", "rotation")
    }  # fmt: skip
    return system, system.displace(_vectors(system, x, turn), step._replace(**turned))


def _permuted(system, x):
    """Particles renamed, with their species."""
    count = next(leaf.shape[0] for name, leaf in x._asdict().items() if system.dims[name][0] == "particle")
    order = np.random.default_rng(0).permutation(count)
    if hasattr(system, "with_species"):
        system = system.with_species(system.species[order])
    return system, type(x)(*(leaf[order] for leaf in x))


def _flipped(system, x):
    return system, jax.tree.map(jnp.negative, x)


SYMMETRIES = {"translation": _translated, "rotation": _rotated, "permutation": _permuted, "flip": _flipped}


@in_double
def energy_is_compiled_once(case: SystemCase) -> None:
    """New couplings never recompile; vmap over configurations gives the energies of each."""
    energy = Counted(lambda system, x: system.energy(x))
    theta = couplings(case.system)
    other = with_couplings(case.system, moved(theta, noise_like(9, theta), 0.2))
    first, second = energy(case.system, case.x), energy(other, case.x)
    assert energy.traces == 1, f"new couplings compiled the energy {energy.traces} times"
    assert first != second or not jax.tree.leaves(theta), "new couplings give the same energy"
    pair = jax.tree.map(lambda leaf, d: jnp.stack([leaf, leaf + 0.01 * d]), case.x, case.direction)
    one_by_one = [energy(case.system, jax.tree.map(lambda leaf, r=r: leaf[r], pair)) for r in (0, 1)]
    agree(jax.jit(jax.vmap(case.system.energy))(pair), jnp.stack(one_by_one), 1e-9, "vmap changes the energy")


@in_double
def list_changes_nothing(case: SystemCase) -> None:
    """With what ``allocate`` returns, energy and force are those of all pairs, before and after moving on."""
    neighbors = case.system.allocate(case.x)
    if neighbors is None:
        return
    listed = eqx.filter_jit(lambda s, y, n: jax.value_and_grad(s.energy)(y, n))
    refresh = eqx.filter_jit(lambda s, n, y: s.refresh(n, y))
    for step in (0.0, 0.05, 0.1, 0.5):
        x = moved(case.x, case.direction, step)
        neighbors = refresh(case.system, neighbors, x)
        agree(listed(case.system, x, neighbors), _slopes(case.system, x)[:2], 1e-7, "the neighbour list loses pairs")


SYSTEM_CHECKS = (
    state_is_named,
    start_is_reproducible,
    energy_is_a_number,
    derivatives_are_those_of_the_energy,
    claimed_symmetries_hold,
    energy_is_compiled_once,
    list_changes_nothing,
)

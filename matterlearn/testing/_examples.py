"""Small instances of Configs, and a solvable system to try dynamics and rules on."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from matterlearn.core.drive import Drive
from matterlearn.core.system import AbstractSystem
from matterlearn.kinds import load_kind


def examples(family: str, kind: str) -> list[Any]:
    """Small instances of a kind's Config.

    >>> [config.kind for config in examples("dynamics", "brownian")]
    ['brownian']
    """
    return examples_of(load_kind(family, kind))


def examples_of(config: type) -> list[Any]:
    """Small instances of a Config, from the examples of its fields.

    Raises:
        AssertionError: if a required field has no example.
    """
    given = {}
    for name, field in config.model_fields.items():
        if name == "kind":
            given[name] = get_args(field.annotation)
        elif field.examples:
            given[name] = field.examples
        else:
            assert not field.is_required(), f"{config.__module__}: field {name!r} needs Field(..., examples=[...])"
    count = max(map(len, given.values()))
    return [config(**{name: values[min(i, len(values) - 1)] for name, values in given.items()}) for i in range(count)]


def check_spec(config: Any) -> None:
    """The Config survives being written as plain data and read again, with and without jax."""
    import yaml

    data = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    assert type(config).model_validate(data) == config, "reading the written Config gives another one"
    for name, field in type(config).model_fields.items():
        assert name == "kind" or field.description or not field.is_required(), f"{name!r} has no description"


def noise_like(seed: int, tree: Any) -> Any:
    """Standard normal numbers in the shape of a tree of floating arrays."""
    leaves, treedef = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    return treedef.unflatten([jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) for leaf in leaves])


def moved(tree: Any, direction: Any, by: float) -> Any:
    """tree + by · direction."""
    return jax.tree.map(lambda a, d: a + by * d, tree, direction)


def dot(a, b) -> Float[Array, ""]:
    return sum(jnp.sum(x * y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))  # pyright: ignore[reportReturnType]  # noqa: E501


def agree(a, b, rtol: float, what: str) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=rtol, err_msg=what)


def same_bits(a: Any, b: Any) -> bool:
    """Whether two trees hold the same numbers, bit by bit."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(np.asarray(x), np.asarray(y), equal_nan=True) for x, y in pairs)


class Counted:
    """A compiled function that counts how often it is traced."""

    def __init__(self, function: Callable):
        self.traces = 0

        def counted(*args):
            self.traces += 1
            return function(*args)

        self.compiled = eqx.filter_jit(counted)

    def __call__(self, *args):
        return self.compiled(*args)


class WellState(NamedTuple):
    """Points on a line and angles."""

    position: Float[Array, "particle axis"]
    orientation: Float[Array, " particle"]


class Well(AbstractSystem):
    """E = ½ θ (Σ x² + Σ a²): in equilibrium every coordinate is normal with variance kT/θ."""

    stiffness: Float[Array, ""]
    count: int = eqx.field(static=True)

    dims: ClassVar = {"position": ("particle", "axis"), "orientation": ("particle",)}
    symmetries: ClassVar = frozenset({"flip", "permutation"})

    def energy(self, x: WellState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        return 0.5 * self.stiffness * (jnp.sum(x.position**2) + jnp.sum(x.orientation**2))

    def log_partition(self, kT) -> Float[Array, ""]:
        """½ ln(2π kT/θ) for each coordinate."""
        return self.count * jnp.log(2 * np.pi * kT / self.stiffness)

    def init_state(self, key) -> WellState:
        """Standard normal coordinates."""
        x, a = jax.random.normal(key, (2, self.count))
        return WellState(x[:, None], a)

    def mobility(self) -> WellState:
        """Angles move three times as fast."""
        return WellState(jnp.ones(()), jnp.full((), 3.0))

    def inertia(self) -> WellState:
        """Angles are eight times as light."""
        return WellState(jnp.ones(()), jnp.full((), 0.125))


def well(stiffness: float = 1.0, count: int = 4) -> Well:
    """A harmonic well.

    >>> well(2.0, 1).energy(WellState(jnp.ones((1, 1)), jnp.zeros(1))).item()
    1.0
    """
    return Well(jnp.asarray(stiffness, float), count)


def trap(x: Any, stiffness: float, at: float = 0.0) -> Drive:
    """A tether of every coordinate to one value."""
    return Drive(
        target=jax.tree.map(lambda leaf: jnp.full_like(leaf, at), x),
        stiffness=jax.tree.map(lambda leaf: jnp.full_like(leaf, stiffness), x),
    )

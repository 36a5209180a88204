"""The material: an energy whose array leaves are its couplings.

    P(x) ∝ exp(−E(θ, x)/kT),      θ = the inexact array leaves of the system

Because the system *is* its couplings, ``jax.grad`` of the energy with respect to the system has the system's
own shape, and a learning rule works for every material without a line of material-specific code.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

EXPLODED = 1e7  # kT_ref: no scenario's energy is near this; a diverging integrator passes it within a few steps
State = Any  # a NamedTuple of arrays: one sample, no batch axis


class AbstractSystem(eqx.Module):
    """An energy E(θ, x) in units of kT_ref.

    ``dims`` names the axes of each leaf of the state, for results: a class variable, or a property where they differ
    between instances. ``symmetries`` are claims that the conformance battery tests (``"translation"``,
    ``"rotation"``, ``"permutation"``, ``"flip"``). ``largest`` is the size from which on a number of the state has lost
    its meaning, and ``coupling_units`` are units and words of the couplings in results.
    """

    dims: ClassVar[Any] = {}
    symmetries: ClassVar[frozenset[str]] = frozenset()
    # σ: unwrapped coordinates beyond this have lost a hundredth of σ in single precision, or were flung there.
    largest: ClassVar[float] = 1e5
    coupling_units: ClassVar[tuple[str, str]] = ("kT_ref", "coupling, negative sticks")

    @abc.abstractmethod
    def energy(self, x: State, neighbors: Any = None) -> Float[Array, ""]:
        """Energy of one sample; ``neighbors`` is what :meth:`allocate` returned, kept fresh."""

    @abc.abstractmethod
    def init_state(self, key: Key[Array, ""]) -> State:
        """A typical disordered state, from which an unprepared run starts."""

    def learnable(self) -> PyTree[bool]:
        """Which leaves are couplings: a pytree of booleans of the system's shape. Default: every inexact array."""
        return jax.tree.map(eqx.is_inexact_array, self)

    def constrain(self) -> "AbstractSystem":
        """The nearest system with allowed couplings (for example positive stiffness). Default: itself."""
        return self

    def named_couplings(self) -> dict[str, tuple[tuple[str, ...], Array]]:
        """Couplings as results show them: name → (dims, values). Default: every learnable leaf by its field name."""
        leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(self, self.learnable()))
        names = [jax.tree_util.keystr(path).strip(".").replace(".", "_") for path, _ in leaves]
        return {
            name: (tuple(f"{name}_{axis}" for axis in range(jnp.ndim(leaf))), leaf)
            for name, (_, leaf) in zip(names, leaves, strict=True)
        }

    def geometry(self) -> dict[str, tuple[tuple[str, ...], Any, str, str]]:
        """What results need to say whom the couplings join: name → (dims, values, units, words). Default: nothing."""
        return {}

    def mobility(self) -> State:
        """Mobility of each degree of freedom in units of the dynamics' own; broadcasts against the state."""
        return jax.tree.map(lambda leaf: jnp.ones((), leaf.dtype), self.state_shape())

    def inertia(self) -> State:
        """Mass or moment of inertia of each degree of freedom; broadcasts against the state."""
        return jax.tree.map(lambda leaf: jnp.ones((), leaf.dtype), self.state_shape())

    def displace(self, x: State, step: State) -> State:
        """x moved by a step of its tangent space. Default: x + step.

        A state with rotations in it moves on a curved space: a step then has another shape than the state.
        """
        return jax.tree.map(jnp.add, x, step)

    def difference(self, x: State, other: State) -> State:
        """The shortest step from x to ``other``: what :meth:`displace` takes there. Default: other − x."""
        return jax.tree.map(jnp.subtract, other, x)

    def energy_of(self, x: State, particle: Int[Array, ""]) -> Float[Array, ""]:
        """The part of the energy that changes when one particle moves alone. Default: all of it."""
        del particle
        return self.energy(x)

    def state_shape(self) -> State:
        """Shapes and dtypes of the state, without computing one."""
        return jax.eval_shape(self.init_state, jax.eval_shape(lambda: jax.random.key(0)))

    def bounded(self, x: State, neighbors: Any = None) -> Bool[Array, ""]:
        """Whether the energy of x is that of a system that has not blown up: below 10⁷ kT_ref. NaN is not.

        Models whose energy costs as much as a likelihood say so in another way.
        """
        return jnp.abs(self.energy(x, neighbors)) < EXPLODED

    def marginal_energy(
        self, x: State, kT: Float[Array, ""], held: State = None, neighbors: Any = None
    ) -> Float[Array, ""]:
        """F = −kT ln Σ_h exp(−E/kT): the energy with the hidden part h of x summed out where that has a closed form.

        What is ``held`` (booleans shaped like the state) is not summed over. ∂F/∂θ is the mean of ∂E/∂θ over the
        hidden part, so averages of it have the same mean and less noise. Default: nothing is hidden, F = E.
        """
        del kT, held
        return self.energy(x, neighbors)

    def minimum(self, x: State) -> State | None:
        """The free state of least energy with the inputs of x, where the couplings give it explicitly.

        Differentiable in the couplings, and valid where nothing but inputs is clamped. Default: ``None``, it has to be
        searched for.
        """
        del x

    def log_partition(self, kT: Float[Array, ""]) -> Float[Array, ""] | None:
        """ln Z at temperature kT, differentiable in the couplings, or ``None`` where it cannot be had exactly.

        Z sums exp(−E/kT) over discrete values and integrates over continuous ones. Default: ``None``.
        """
        del kT
        return None

    def independent(self, kT: Float[Array, ""]) -> "tuple[AbstractSystem, Float[Array, '']] | None":
        """The system without the couplings between its units, and its ln Z; one heat-bath sweep samples it.

        Its energy and this one's are ends of a line along which annealed importance sampling goes: energies are linear
        in the couplings. Default: ``None``, there is no such system.
        """
        del kT
        return None

    def show(self, pattern: Array) -> tuple[State, State]:
        """A pattern on the visible part: target and which entries are held there. Default: everything is visible."""
        leaves, treedef = jax.tree.flatten(self.state_shape())
        ends = np.cumsum([leaf.size for leaf in leaves])
        pieces = jnp.split(jnp.ravel(pattern), ends[:-1])
        target = [p.reshape(leaf.shape).astype(leaf.dtype) for p, leaf in zip(pieces, leaves, strict=True)]
        return treedef.unflatten(target), treedef.unflatten([jnp.ones(leaf.shape, bool) for leaf in leaves])

    def read(self, x: State) -> Array:
        """The pattern on the visible part of a state, inverse of :meth:`show`. Default: the whole state, flattened."""
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(x)])

    def allocate(self, x: State, needed: int = 0) -> Any:
        """Host side: whatever speeds up :meth:`energy` near x, with room for ``needed`` entries. Default: nothing."""
        del x, needed
        return None

    def refresh(self, neighbors: Any, x: State) -> Any:
        """Traced side: keep what :meth:`allocate` made valid at x. Default: unchanged."""
        del x
        return neighbors


def couplings(system: AbstractSystem) -> AbstractSystem:
    """The learnable part of a system, everything else ``None``: the θ that rules and optimisers see."""
    return eqx.partition(system, system.learnable())[0]


def with_couplings(system: AbstractSystem, theta: AbstractSystem) -> AbstractSystem:
    """The system with its learnable leaves replaced by those of ``theta``."""
    return eqx.combine(theta, eqx.partition(system, system.learnable())[1])


def coupling_gradient(system: AbstractSystem, x: State, neighbors: Any = None) -> AbstractSystem:
    """∂E/∂θ at fixed x, shaped like :func:`couplings`: for a pair energy J_ab these are the ab contacts."""
    theta, rest = eqx.partition(system, system.learnable())
    return jax.grad(lambda t: eqx.combine(t, rest).energy(x, neighbors))(theta)


def marginal_gradient(
    system: AbstractSystem, x: State, kT: Float[Array, ""], held: State = None, neighbors: Any = None
) -> AbstractSystem:
    """∂F/∂θ = ⟨∂E/∂θ⟩ over the hidden part of x, as far as it has a closed form; see ``marginal_energy``."""
    theta, rest = eqx.partition(system, system.learnable())
    return jax.grad(lambda t: eqx.combine(t, rest).marginal_energy(x, kT, held, neighbors))(theta)

"""Monte Carlo: moves on discrete matter, and the dynamics that strings them together.

A move updates the colours of a kernel (see ``matterlearn.core.discrete``) and satisfies detailed balance for
P ∝ exp(−E/kT) at every colour; a sweep over all colours is stationary. One step is one sweep of every move.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from matterlearn.core.bits import Bits
from matterlearn.core.discrete import AbstractDiscreteSystem, AbstractKernel, Parts
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.schedule import Schedule


class AbstractMove(eqx.Module):
    """One kind of Monte Carlo move.

    ``conserving`` says that the numbers of each value never change.
    """

    conserving: ClassVar[bool] = False

    @abc.abstractmethod
    def sweep(
        self, bits: Bits, kernel: AbstractKernel, clamped: Parts | None, parts: Parts, kT: Float[Array, ""]
    ) -> tuple[Parts, Float[Array, ""]]:
        """Every site once; the parts and the fraction of attempts that changed something."""

    def log_choice(
        self, kernel: AbstractKernel, old: Int[Array, "..."], new: Int[Array, "..."], environment: Any,
        kT: Float[Array, ""],
    ) -> Float[Array, "..."]:  # fmt: skip
        """ln of the probability that the move turns old into new at each site of a colour, proposals summed over.

        Raises:
            TypeError: if the sites of a colour do not change independently. Default.
        """
        raise TypeError(f"{type(self).__name__} knows no probability of its moves; use heat_bath or metropolis")


class Sampler(AbstractDynamics):
    """Sweeps of one or several moves at temperature kT."""

    kT: Schedule
    moves: tuple[AbstractMove, ...]

    @property
    def conserving(self) -> bool:
        """Whether the numbers of each value never change."""
        return all(move.conserving for move in self.moves)

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped sites on their targets."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def enter(self, system, drive, state):
        """Tabulate local energies and lay the state out by colour.

        Raises:
            TypeError: if the system is not discrete.
            ValueError: if the drive pulls, which only continuous states can follow.
        """
        if not isinstance(system, AbstractDiscreteSystem):
            raise TypeError(f"Monte Carlo moves need a discrete system, not {type(system).__name__}")
        if drive.stiffness is not None or drive.force is not None:
            raise ValueError("tethers and forces act on continuous states; clamp discrete ones instead")
        kernel = system.kernel()
        clamped = None if drive.clamped is None else kernel.split(drive.clamped)
        return kernel, clamped, state._replace(x=kernel.split(state.x))

    def leave(self, system, state):
        """The state as the system reads it; ``system`` is the kernel that :meth:`enter` made."""
        return state._replace(x=system.join(state.x))

    def step(self, key, system: Any, drive: Any, state) -> tuple[DynState, StepInfo]:
        """One sweep of every move; kernel, clamped parts and state as :meth:`enter` returned them."""
        kT = self.kT(state.step.astype(float))
        bits, parts, changed = Bits(key), state.x, []
        for move in self.moves:
            parts, fraction = move.sweep(bits, system, drive, parts, kT)
            changed.append(fraction)
        info = StepInfo(jnp.mean(jnp.stack(changed)))
        return state._replace(x=parts, step=state.step + 1), info

    def log_probability(self, system: Any, drive: Any, before, after, memory):
        """Sum over colours: each was updated with the new values of those before it and the old of those after it.

        Raises:
            TypeError: if a step makes several moves, so that what lay between them is not known.
        """
        if len(self.moves) != 1:
            raise TypeError("a step of several moves has no probability of its own; use a single move per step")
        (move,) = self.moves
        kT = self.kT(before.step.astype(float))
        now, total = list(before.x), jnp.zeros(())
        for colour, (old, new) in enumerate(zip(before.x, after.x, strict=True)):
            environment = system.environment(tuple(now), colour)
            log = move.log_choice(system, old.astype(int), new.astype(int), environment, kT)
            total = total + jnp.sum(log if drive is None else jnp.where(drive[colour], 0.0, log))
            now[colour] = new
        return total, memory


def all_energies(kernel: AbstractKernel, like: Int[Array, "..."], environment: Any) -> Float[Array, "value ..."]:
    """e_i(w) of every value w at the sites of a colour."""
    return jax.vmap(lambda w: kernel.site_energy(jnp.zeros_like(like) + w, environment))(jnp.arange(kernel.values))


def colour_by_colour(kernel: AbstractKernel, clamped: Parts | None, parts: Parts, update) -> tuple[Parts, Array]:
    """Replace every colour's values by ``update(colour, values, environment)``, clamped sites excepted."""
    now, changed, sites = list(parts), jnp.zeros(()), 0
    for colour, old in enumerate(parts):
        new = update(colour, old, kernel.environment(tuple(now), colour)).astype(old.dtype)
        if clamped is not None:
            new = jnp.where(clamped[colour], old, new)
        changed, sites = changed + jnp.sum(new != old), sites + old.size
        now[colour] = new
    return tuple(now), changed / sites

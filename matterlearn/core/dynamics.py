"""How the state of the matter moves at fixed couplings.

One step is a pure function of (key, system, drive, state); the system is an argument, so couplings may
change between calls without recompilation. Keys come from ``fold_in(key, step)``: any chunking of a run
gives the same bits.
"""

import abc
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from matterlearn.core.drive import Drive
from matterlearn.core.system import AbstractSystem, State


class DynState(NamedTuple):
    """What the next step needs: the sample, the step count, memory of the integrator, and a neighbour list."""

    x: State
    step: Int[Array, ""]
    memory: Any = None
    neighbors: Any = None


class StepInfo(NamedTuple):
    """Diagnostics of one step: acceptance rate of samplers, 1 for integrators."""

    acceptance: Float[Array, ""]


class AbstractDynamics(eqx.Module):
    """An integrator or sampler whose numbers (dt, kT, friction) are leaves: annealed, swept, differentiated.

    ``stationary`` is the law that it samples at constant kT, ``"boltzmann"`` or ``"none"``; the battery tests it.
    ``hosted`` says that steps are made on the host (``matterlearn.core.host``) or by libraries that cannot be divided
    between devices: replicas then stay on one device.
    """

    stationary: ClassVar[str] = "boltzmann"
    hosted: ClassVar[Any] = False

    @abc.abstractmethod
    def init(
        self, key: Key[Array, ""], system: AbstractSystem, drive: Drive, x: State, neighbors: Any = None
    ) -> DynState:
        """State of the dynamics that starts at the sample x, with the lists that the system allocated there."""

    def enter(self, system: AbstractSystem, drive: Drive, state: DynState) -> tuple[Any, Any, DynState]:
        """System, drive and state as :meth:`step` wants them for many steps. Default: as they are.

        What does not change between steps (tables of local energies, memory layout) is made here, once per loop.
        """
        return system, drive, state

    def leave(self, system: Any, state: DynState) -> DynState:
        """Undo :meth:`enter` for the state. Default: unchanged."""
        del system
        return state

    @abc.abstractmethod
    def step(
        self, key: Key[Array, ""], system: AbstractSystem, drive: Drive, state: DynState
    ) -> tuple[DynState, StepInfo]:
        """One time step or sweep of what :meth:`enter` returned."""

    def remember(self, state: DynState) -> Any:
        """What another phase needs to go on from here, whatever becomes of couplings and drive. Default: the sample."""
        return state.x

    def resume(
        self, key: Key[Array, ""], system: AbstractSystem, drive: Drive, kept: Any, neighbors: Any = None
    ) -> DynState:
        """A new start at what was remembered; steps count from 0. Default: as from any sample."""
        return self.init(key, system, drive, kept, neighbors)

    def temperature(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """kT of the sample at a step, kT_ref: that of the schedule ``kT``; 0 where there is none."""
        schedule = getattr(self, "kT", None)
        return jnp.zeros(()) if schedule is None else schedule(step.astype(float))

    def path_memory(self, system: Any, drive: Any, state: DynState) -> Any:
        """What :meth:`log_probability` carries along a recorded path because it depends on couplings. Default: none."""
        del system, drive, state

    def log_probability(
        self, system: Any, drive: Any, before: DynState, after: DynState, memory: Any
    ) -> tuple[Float[Array, ""], Any]:
        """ln p(after | before) of a step made by :meth:`step`, up to a constant without couplings, and the next memory.

        Differentiable in the couplings at a fixed path: the sum along the path is its log-likelihood.

        Raises:
            TypeError: if the dynamics has no such density. Default.
        """
        raise TypeError(f"{type(self).__name__} knows no probability of its steps; use another estimator")


def potential(system: AbstractSystem, drive: Drive, state: DynState) -> Float[Array, ""]:
    """Energy of the material plus that of the drive."""
    return system.energy(state.x, state.neighbors) + drive.energy(state.x, state.step)


def force(system: AbstractSystem, drive: Drive, state: DynState) -> State:
    """−∂E/∂u of material and drive for a step u from x: forces, and torques where x has rotations."""
    gradient = jax.grad(lambda x: potential(system, drive, state._replace(x=x)))(state.x)
    _, along_steps = jax.vjp(partial(system.displace, state.x), at_rest(system, state.x))
    return jax.tree.map(jnp.negative, along_steps(gradient)[0])


def at_rest(system: AbstractSystem, x: State) -> State:
    """The step that leads nowhere."""
    return jax.tree.map(jnp.zeros_like, jax.eval_shape(system.difference, x, x))


def normal_like(key: Key[Array, ""], x: State) -> State:
    """Standard normal noise shaped like a state, one independent stream per leaf."""
    leaves, treedef = jax.tree.flatten(x)
    keys = jax.random.split(key, len(leaves))
    return treedef.unflatten([jax.random.normal(k, y.shape, y.dtype) for k, y in zip(keys, leaves, strict=True)])


def advance(
    key: Key[Array, ""],
    system: AbstractSystem,
    dynamics: AbstractDynamics,
    drive: Drive,
    state: DynState,
    steps: int | Int[Array, ""],
) -> DynState:
    """``steps`` steps; the key of step t is ``fold_in(key, t)``, whatever the chunking."""
    system, drive, state = dynamics.enter(system, drive, state)

    def body(_, state):
        return dynamics.step(jax.random.fold_in(key, state.step), system, drive, state)[0]

    return dynamics.leave(system, jax.lax.fori_loop(0, steps, body, state))

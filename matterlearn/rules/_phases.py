"""The two phases of contrastive rules: awake, the matter is driven; asleep, it is free.

``wake_and_sleep`` runs both; a rule makes a direction of their moments, or of their last states.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.nudging import free_drive
from matterlearn.core.rule import Batch, PhaseStats, phase_statistics, resume_phase, start_phase
from matterlearn.core.system import AbstractSystem
from matterlearn.rules._chains import Clamped, Disordered, Persistent, Replay
from matterlearn.spec import Spec

Chains = Persistent | Clamped | Disordered | Replay
CHAINS = {"persistent": Persistent(), "clamped": Clamped(), "disordered": Disordered()}


class Phases(NamedTuple):
    """Statistics of ∂E/∂θ in both phases, their last states, the free drive, and the chains' memory."""

    wake: PhaseStats
    sleep: PhaseStats
    awake: DynState
    asleep: DynState
    free: Drive
    memory: Any


def wake_and_sleep(
    key: Key[Array, ""], system: AbstractSystem, dynamics: AbstractDynamics, chains: Chains, memory: Any, batch: Batch,
    *, samples: int, stride: int, relax: int,
) -> Phases:  # fmt: skip
    """Both phases of one update; the sleeping one starts where ``chains`` says."""
    wake_key, sleep_key = jax.random.split(key)
    settings = {"samples": samples, "stride": stride, "relax": relax}
    start = start_phase(wake_key, system, dynamics, batch.drive, batch.x, batch.neighbors)
    wake, awake = phase_statistics(wake_key, system, dynamics, batch.drive, start, **settings)
    free = free_drive(batch)
    kept, place = chains.start(jax.random.fold_in(sleep_key, 1), memory, awake, system, dynamics)
    start = resume_phase(sleep_key, system, dynamics, free, kept, awake.neighbors)
    sleep, asleep = phase_statistics(sleep_key, system, dynamics, free, start, **settings)
    memory = chains.store(memory, place, jax.vmap(dynamics.remember)(asleep))
    return Phases(wake, sleep, awake, asleep, free, memory)


class Buffer(Spec):
    """A replay buffer: more chains than replicas, of which every update draws some."""

    size: int = Field(ge=1, le=10**7, description="chains in the buffer; at least as many as there are replicas")
    restart: float = Field(default=0.05, ge=0, le=1, description="probability that a drawn chain starts from disorder")


Start = Literal["persistent", "clamped", "disordered"] | Buffer


def strategy(chains: Start) -> Chains:
    """The chains that a Config names."""
    return Replay(jnp.asarray(chains.restart), chains.size) if isinstance(chains, Buffer) else CHAINS[chains]

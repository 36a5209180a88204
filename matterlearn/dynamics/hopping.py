"""Particles that hop and turn in continuous time, rejection-free: the numbers of all particles are conserved.

Species come in families of ``states`` internal states: species 1 … T are the states of the first particle, and so on.

    hop    into an empty neighbour site, one attempt per direction at unit rate
    turn   into another state of the family, each attempted at unit rate

both accepted with min(1, exp(−ΔE/kT)). A step is ``duration`` of physical time; the memory counts events, and the
process ends after ``most_events`` of them.

| quantity | unit |
|---|---|
| kT | kT_ref |
| duration | 1/attempt rate |

Source: [bortz1975], moves of [bisker2018]. Limits: needs numba (``pip install "matterlearn[fast]"``), one replica at a
time; no drive of the internal states.

Example:
    >>> Config(kind="hopping", duration=10.0, states=2).build().states
    2
"""

import functools
import importlib.util
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.host import on_host
from matterlearn.core.matter import check_matter, matter
from matterlearn.core.mixture import check_species
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.dynamics import _nfold
from matterlearn.dynamics.rejection_free import KEPT_TABLES, flattened, replaced
from matterlearn.spec import PositiveSchedule, Problem, Spec


class Hopping(AbstractDynamics):
    """Hops and turns until ``duration`` or ``most_events`` is over."""

    kT: Schedule
    duration: Float[Array, ""]
    most_events: Int[Array, ""]
    states: int = eqx.field(static=True)
    hosted: ClassVar[bool] = True
    conserving: ClassVar[bool] = True

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped sites on their targets; the memory counts events."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """All moves of one ``duration``."""
        lattice, states = system.lattice, self.states

        def host(words, sites, frozen, bonds, field, kT, duration, events):
            from matterlearn.dynamics import _nfold_hops

            arrays = (np.asarray(a) for a in (bonds, field, frozen))
            tables = _tables(lattice, states, float(kT), *((a.tobytes(), a.shape, str(a.dtype)) for a in arrays))
            words = [int(w) for w in np.asarray(words)]
            chain = _nfold.start(np.asarray(sites), (words[0], words[1]))
            chain, done, _ = _nfold_hops.run_hops(tables, chain, max(int(events), 0), float(duration))
            return chain.sites.astype(np.int32), np.int32(done)

        arrays = flattened(system, drive, state)
        shapes = (jax.ShapeDtypeStruct(arrays[0].shape, jnp.int32), jax.ShapeDtypeStruct((), jnp.int32))
        numbers = (self.kT(state.step.astype(float)), self.duration, self.most_events - state.memory)
        words = jax.random.key_data(key)
        sites, done = on_host(host, shapes, words, *arrays, *numbers)
        return replaced(state, sites, done), StepInfo(jnp.ones(()))


@functools.lru_cache(maxsize=KEPT_TABLES)
def _tables(lattice, states, kT, *arrays):
    from matterlearn.dynamics import _nfold_hops

    bonds, field, frozen = (np.frombuffer(data, kind).reshape(shape) for data, shape, kind in arrays)
    return _nfold_hops.tabulate_hops(lattice.neighbor_table(), bonds, field, frozen, states=states, kT=kT)


class Config(Spec):
    """Hopping particles in a scenario."""

    kind: Literal["hopping"]
    matter: ClassVar[str] = "discrete"
    conserving: ClassVar[bool] = True
    one_by_one: ClassVar[bool] = True
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    duration: float = Field(default=1.0, gt=0, description="physical time of one step, 1/attempt rate")
    states: int = Field(default=1, ge=1, description="internal states of a particle; species come in such families")
    most_events: int = Field(default=2**31 - 1, ge=1, lt=2**31, description="moves after which the process ends")

    def check(self, scenario):
        """Whole families of species on a lattice, and numba."""
        yield from check_matter(self, scenario)
        if matter(scenario.system) == "discrete":
            yield from check_species(scenario)
        species = getattr(scenario.system, "species", None)
        if isinstance(species, int) and species % self.states:
            yield Problem(("states",), f"{species} species are not whole families of {self.states} states")
        if importlib.util.find_spec("numba") is None:
            yield Problem(("kind",), 'hopping needs numba: pip install "matterlearn[fast]"')

    def build(self) -> Hopping:
        """The dynamics."""
        events = jnp.asarray(self.most_events, jnp.int32)
        return Hopping(schedule(self.kT), jnp.asarray(float(self.duration)), events, self.states)

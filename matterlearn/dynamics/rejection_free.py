"""Rejection-free continuous time (n-fold way): the next change is drawn, then the clock moves on by its waiting time.

Every free site i attempts each other value w at unit rate, and succeeds with probability

    metropolis   min(1, exp(−[e_i(w) − e_i(s_i)]/kT)),
    heat_bath    exp(−e_i(w)/kT) / Σ_v exp(−e_i(v)/kT).

The equilibrium is that of the sweeps; the paths are those of a process in physical time, in which strongly bound
matter costs nothing while nothing happens. Waiting times have no memory, so a step (``duration`` of physical time)
starts its clock anew and any number of steps is one and the same process.

| quantity | unit |
|---|---|
| kT | kT_ref |
| duration | 1/attempt rate; a sweep of q values corresponds to 1/q |

Source: [bortz1975]. Limits: one replica at a time. ``engine: numba`` (millions of events per second) needs
``pip install "matterlearn[fast]"``; ``engine: jax`` obeys the same law and is differentiated by nobody, compiled
everywhere, and slow.

Example:
    >>> Config(kind="rejection_free", duration=0.5, engine="jax").build().duration.item()
    0.5
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

from matterlearn.core.bits import Bits, uniform
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo
from matterlearn.core.host import on_host
from matterlearn.core.matter import check_matter, matter
from matterlearn.core.mixture import check_species
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.dynamics import _nfold
from matterlearn.spec import PositiveSchedule, Problem, Spec

MOST_EVENTS = 1 << 62
KEPT_TABLES = 8


class RejectionFree(AbstractDynamics):
    """Events until ``duration`` is over; ``run`` is the engine."""

    kT: Schedule
    duration: Float[Array, ""]
    law: str = eqx.field(static=True)
    engine: str = eqx.field(static=True)

    @property
    def hosted(self) -> bool:
        """Whether steps are made on the host."""
        return self.engine == "numba"

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x with clamped sites on their targets; the memory counts events."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), neighbors)

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """All events of one ``duration``."""
        kT = self.kT(state.step.astype(float))
        engine = ENGINES[self.engine]
        arrays = flattened(system, drive, state)
        sites, events = engine(system.lattice, self.law, system.mobile + 1, key, *arrays, kT, self.duration)
        return replaced(state, sites, events), StepInfo(jnp.ones(()))


def flattened(system, drive, state):
    """Sites, which of them are frozen, bonds with the wall and fields, as the engines take them."""
    sites = state.x.species
    frozen = jnp.zeros(sites.shape, bool) if drive.clamped is None else drive.clamped.species
    bonds, field = system.pair_energies()
    bonds = jnp.tile(bonds, (2 * sites.ndim // len(bonds), 1, 1))
    bonds = jnp.pad(bonds, ((0, 0), (0, 1), (0, 1)))
    return sites.ravel().astype(jnp.int32), frozen.ravel(), bonds, field


def replaced(state: DynState, sites, events) -> DynState:
    """The state one step later, with new sites and so many more events in its memory."""
    old = state.x.species
    x = state.x._replace(species=sites.reshape(old.shape).astype(old.dtype))
    return DynState(x, state.step + 1, state.memory + events, state.neighbors)


def by_numba(lattice, law, values, key, sites, frozen, bonds, field, kT, duration):
    """The compiled engine, called from the program for one step at a time."""

    def host(words, sites, frozen, bonds, field, kT, duration):
        arrays = (np.asarray(a) for a in (bonds, field, frozen))
        tables = _tables(lattice, law, values, float(kT), *((a.tobytes(), a.shape, str(a.dtype)) for a in arrays))
        words = [int(w) for w in np.asarray(words)]
        chain, events = _nfold.run_events(
            tables, _nfold.start(np.asarray(sites), (words[0], words[1])), MOST_EVENTS, float(duration)
        )
        return chain.sites.astype(np.int32), np.int32(events)

    shapes = (jax.ShapeDtypeStruct(sites.shape, jnp.int32), jax.ShapeDtypeStruct((), jnp.int32))
    arguments = (jax.random.key_data(key), sites, frozen, bonds, field, kT, duration)
    return on_host(host, shapes, *arguments)


@functools.lru_cache(maxsize=KEPT_TABLES)
def _tables(lattice, law, values, kT, *arrays):
    """Tables of the engine; building them costs as much as thousands of events."""
    bonds, field, frozen = (np.frombuffer(data, kind).reshape(shape) for data, shape, kind in arrays)
    return _nfold.tabulate(lattice.neighbor_table(), bonds, field, frozen, mobile=values, kT=kT, law=law)


def by_jax(lattice, law, values, key, sites, frozen, bonds, field, kT, duration):
    """The same process in pure JAX: rates of all sites kept in a table, five rows renewed per event."""
    table = jnp.asarray(lattice.neighbor_table())
    words = Bits(key).sequence((2,), 1 << 30)

    def rates(padded, site) -> Float[Array, " value"]:
        """Rate of every value at a site; 0 for its own and at frozen sites and the wall."""
        near = padded[table[site]]
        energy = field[:values] + jnp.sum(bonds[jnp.arange(table.shape[1]), :values, near], 0)
        own = padded[site]
        chance = LAWS[law](energy / kT, own)
        return jnp.where((jnp.arange(values) == own) | frozen[site], 0.0, chance)

    def event(carry):
        padded, rows, sums, clock, count = carry
        first, second = words(count)
        wait, where = uniform(first, second)
        clock = clock - jnp.log(wait) / jnp.sum(sums)
        level = jnp.cumsum(sums)
        site = jnp.minimum(jnp.searchsorted(level, where * level[-1]), len(sums) - 1)
        left = where * level[-1] - (level[site] - sums[site])
        value = jnp.minimum(jnp.searchsorted(jnp.cumsum(rows[site]), left), values - 1)
        happens = clock < duration
        padded = padded.at[site].set(jnp.where(happens, value, padded[site]))
        touched = jnp.append(table[site], site)
        inside = jnp.minimum(touched, len(sums) - 1)  # a missing neighbour renews some site to what it was
        renewed = jax.vmap(rates, (None, 0))(padded, inside)
        rows, sums = rows.at[inside].set(renewed), sums.at[inside].set(jnp.sum(renewed, -1))
        return padded, rows, sums, clock, count + happens

    padded = jnp.append(sites, field.shape[0])
    rows = jax.vmap(rates, (None, 0))(padded, jnp.arange(len(sites)))
    start = (padded, rows, jnp.sum(rows, -1), jnp.zeros(()), jnp.zeros((), jnp.int32))
    padded, *_, events = jax.lax.while_loop(lambda carry: carry[3] < duration, event, start)
    return padded[:-1], events


def _metropolis(energy: Float[Array, " value"], own: Int[Array, ""]) -> Float[Array, " value"]:
    return jnp.exp(jnp.minimum(energy[own] - energy, 0.0))


LAWS = {"metropolis": _metropolis, "heat_bath": lambda energy, own: jax.nn.softmax(-energy)}
ENGINES = {"numba": by_numba, "jax": by_jax}


class Config(Spec):
    """Rejection-free dynamics in a scenario."""

    kind: Literal["rejection_free"]
    matter: ClassVar[str] = "discrete"
    kT: PositiveSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    duration: float = Field(default=1.0, gt=0, description="physical time of one step, 1/attempt rate", examples=[0.2])
    law: Literal["metropolis", "heat_bath"] = Field(
        default="metropolis", description="success probability of an attempt", examples=["metropolis", "heat_bath"]
    )
    engine: Literal["numba", "jax"] = Field(
        default="numba", description="numba is fast and optional; jax is always there", examples=["jax", "jax"]
    )

    def check(self, scenario):
        """Species on a lattice, and the engine is installed."""
        yield from check_matter(self, scenario)
        if matter(scenario.system) == "discrete":
            yield from check_species(scenario)
        if self.engine == "numba" and importlib.util.find_spec("numba") is None:
            yield Problem(("engine",), 'numba is not installed: pip install "matterlearn[fast]", or use engine: jax')

    def build(self) -> RejectionFree:
        """The dynamics."""
        return RejectionFree(schedule(self.kT), jnp.asarray(float(self.duration)), self.law, self.engine)

"""How surely stored structures grow: the mean log-probability that the heat bath does right beside a growing structure.

    ℓ = mean over structures, sites and sets S of neighbours in place of  ln P(σ = wanted | S),      P ∝ exp(−e_S/kT)

e_S(w) is the energy of a tile w bound to the neighbours in S and to no others. Right is the structure's own tile where
at least two neighbours are in place, and nothing where only one is, in the structure or beside it. All sets are
counted, so growth may come from any side. ℓ is a function of the couplings alone: maximising it is design by
``closed_form``, and the gradient is exact.

Source: ours; conditional likelihoods as in [besag1975]. Limits: structures of ``tile_structures``; two neighbours have
to suffice, as in the window of growth from a seed.

Example:
    >>> Config(kind="growth_likelihood").kT
    1.0
"""

import itertools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.observable import Observable
from matterlearn.spec import Problem, Spec


class GrowthLikelihood(Observable):
    """ℓ, one number.

    ``near`` are the tiles in place by direction, 0 where there is none, ``wanted`` what the site should become.
    """

    near: Int[Array, "case direction"]
    wanted: Int[Array, " case"]
    kT: Float[Array, ""]

    def __call__(self, system: Any, drive, state):
        del drive, state
        bonds, field = system.pair_energies()
        energies = field[:, None] + sum(
            bonds[direction % len(bonds)][:, tiles] for direction, tiles in enumerate(self.near.T)
        )
        log = jax.nn.log_softmax(-energies / self.kT, axis=0)
        return jnp.mean(jnp.take_along_axis(log, self.wanted[None], axis=0))


def cases(patterns: Int[np.ndarray, "memory ..."]):
    """Every site of every structure or beside it, with every set of its neighbours in place: tiles near, tile wanted.

    Directions are behind and ahead along every axis in turn.

    >>> near, wanted = cases(np.array([[[0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]]]))
    >>> len(wanted), wanted.any()    # two tiles: a neighbour each, and six sites beside them; nothing has two
    (8, np.False_)
    """
    near, wanted = [], []
    for structure in patterns:
        padded = np.pad(structure, 1)
        for site in np.ndindex(padded.shape):
            around = neighbours(padded, site)
            bound = [direction for direction, tile in enumerate(around) if tile]
            for count in range(1, len(bound) + 1):
                if count > 1 and not padded[site]:
                    continue
                for chosen in itertools.combinations(bound, count):
                    near.append([tile if direction in chosen else 0 for direction, tile in enumerate(around)])
                    wanted.append(padded[site] if count > 1 else 0)
    return np.array(near), np.array(wanted)


def neighbours(structure: Int[np.ndarray, "..."], site: tuple[int, ...]) -> list[int]:
    """What is behind and ahead of a site along every axis; 0 beyond the edge."""
    found = []
    for axis, step in itertools.product(range(structure.ndim), (-1, 1)):
        there = list(site)
        there[axis] += step
        inside = 0 <= there[axis] < structure.shape[axis]
        found.append(int(structure[tuple(there)]) if inside else 0)
    return found


class Config(Spec):
    """Growth likelihood in a scenario."""

    kind: Literal["growth_likelihood"]
    kT: float = Field(default=1.0, gt=0, description="temperature of the heat bath, kT_ref")
    every: int = Field(default=1000, ge=1, description="steps between records")

    def check(self, scenario):
        """There are structures of tiles."""
        if getattr(scenario.task, "kind", "") != "tile_structures":
            yield Problem(("kind",), "needs structures of tiles: use task tile_structures")

    def build(self, system, task) -> GrowthLikelihood:
        """The observable, with all cases."""
        del system
        near, wanted = cases(np.asarray(task.patterns))
        words = "log-probability of the right choice beside a growing structure"
        return GrowthLikelihood("growth_likelihood", (), "nat", words, self.every, jnp.asarray(near),
                                jnp.asarray(wanted), jnp.asarray(self.kT))  # fmt: skip

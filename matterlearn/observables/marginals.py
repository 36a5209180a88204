"""Which species stands on which site: probabilities of every species on every site, over time and replicas.

    marginal(site, component) = time and replica average of δ(σ_site, species)

Sites are numbered in C order. With some sites clamped these are conditional probabilities: what the matter infers.
Tasks that know them exactly put ``marginal_theory`` beside them. Errors are standard errors over replicas, whose time
averages are independent however slowly each of them moves.

Limits: every record keeps all sites, one byte each.

Example:
    >>> Config(kind="marginals", every=5).discard
    0.2
"""

from typing import ClassVar, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Spec


class Marginals(Observable):
    """The species on every site."""

    species: int = eqx.field(static=True)
    discard: float = eqx.field(static=True)

    def __call__(self, system, drive, state):
        """Species, int8 or int16."""
        return state.x.species.ravel()

    def summary(self, values, labels) -> list[Summary]:
        """Probabilities with standard errors over replicas."""
        kept = values[:, int(self.discard * values.shape[1]) :]
        shares = np.stack([(kept == a).mean(1) for a in range(self.species)], -1)  # [replica, site, species]
        return averaged("marginal", ("site", "component"), shares, "1", "probability of a species on a site")


class Config(Spec):
    """Marginal probabilities in a scenario."""

    kind: Literal["marginals"]
    provides: ClassVar[tuple[str, ...]] = ("marginal", "marginal_deviation")
    every: int = Field(default=10, ge=1, description="steps between records")
    discard: float = Field(default=0.2, ge=0, lt=1, description="first fraction of the records that is left out")

    def check(self, scenario):
        """There are species on sites."""
        yield from check_species(scenario)

    def build(self, system, task) -> Marginals:
        """The observable."""
        del task
        species = len(system.site_energies())
        return Marginals("site_species", ("site",), "label", "species on a site", self.every, species, self.discard)

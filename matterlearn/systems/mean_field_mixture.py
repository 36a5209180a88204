"""Mean-field mixture: N solutes and a solvent in well-mixed compartments, with the Flory–Huggins free energy.

    E = M Σ_n V_n f(φ_n),
    f(φ) = ½ Σ_ij J_ij φ_i φ_j + (a/p) N^(p−1) Σ_i φ_i^p + T Σ_i (φ_i/l_i) ln φ_i,        φ_0 = 1 − Σ_i φ_i (solvent)

The couplings J are those between solutes, in the gauge where the solvent has none: chi_ij = (J_ij − (J_ii + J_jj)/2)/T.
Lower J sticks, and ∂E/∂J_ij counts the contacts that mean field gives. The repulsion of order p > 2 is what pairs of
components cannot express. Two ensembles:

* *open* (no ``totals``): each compartment keeps its filling Σ_i φ_i and exchanges solute for solute with a reservoir in
  which all solutes have the same potential. Compositions relax to minima of f.
* *closed*: compartments share the ``totals``; every component goes where its potential is lower, volumes follow. They
  relax to phases that coexist.

The state is the roots of fractions (``matterlearn.core.fractions``), so every dynamics of continuous coordinates moves
it: ``brownian`` at kT = 0 is steepest descent, d ln φ_i/dt = −4 M (μ_i − μ̄) per volume. E is a free energy: kT > 0 adds
the fluctuations of compartments of M sites, at the same temperature if kT = T. The norm of the roots means nothing; a
harmonic term M (|r|² − 1)²/8 holds it, at a cost of ½ kT each.

| quantity | unit |
|---|---|
| J, a, T, f | kT_ref per site |
| φ, V | 1 |

Source: [flory1942], [huggins1941]; repulsion of higher order: [brazteixeira2024liquid]. Limits: no interfaces, no
nucleation barriers but those of mean field; the noise of long molecules (l > 1) is that of free sites.

Example:
    >>> system = Config(kind="mean_field_mixture", components=2, filling=0.5).build(None)
    >>> round(system.energy(MixtureState(jnp.full((1, 2), 0.5 ** 0.5))).item(), 4)        # ½ ln ¼ + ½ ln ½
    -1.0397
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.fractions import MixtureState, normalised, xlogx
from matterlearn.core.symmetric import order as order_of
from matterlearn.core.symmetric import pack, unpack
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec

MOST_COMPONENTS = 500


class Open(eqx.Module):
    """One volume per compartment, of which solutes fill a fixed part; their norms are of compartments."""

    filling: Float[Array, ""]
    axis: ClassVar[int] = 1

    def amounts(self, share: Float[Array, "compartment component"]) -> Float[Array, "compartment component+1"]:
        """Volumes of solutes, and of the solvent last."""
        solvent = jnp.broadcast_to(1 - self.filling, (len(share), 1))
        return jnp.concatenate([self.filling * share, solvent], 1)


class Closed(eqx.Module):
    """Fixed total volumes of all components, the solvent last; norms are of components."""

    totals: Float[Array, " component+1"]
    axis: ClassVar[int] = 0

    @property
    def filling(self) -> Float[Array, ""]:
        """Fraction of solutes in all compartments together."""
        return 1 - self.totals[-1]

    def amounts(self, share: Float[Array, "compartment component+1"]) -> Float[Array, "compartment component+1"]:
        """Volumes of solutes, and of the solvent last."""
        return self.totals * share


class MeanFieldMixture(AbstractSystem):
    """Flory–Huggins compartments; see the module's docstring."""

    coupling: Float[Array, " pair"]
    repulsion: Float[Array, ""]
    temperature: Float[Array, ""]
    sizes: Float[Array, " component+1"]
    sites: Float[Array, ""]
    ensemble: Open | Closed
    order: int = eqx.field(static=True)
    compartments: int = eqx.field(static=True)

    dims: ClassVar = {"root": ("compartment", "component")}
    symmetries: ClassVar = frozenset({"flip"})

    def learnable(self):
        """J alone."""
        return eqx.tree_at(lambda s: s.coupling, jax.tree.map(lambda _: False, self), True)

    @property
    def components(self) -> int:
        """Solutes."""
        return order_of(self.coupling.shape[-1])

    @property
    def filling(self) -> Float[Array, ""]:
        """Volume fraction of all solutes."""
        return self.ensemble.filling

    def amounts(self, x: MixtureState) -> Float[Array, "compartment component+1"]:
        """Volume of every component in every compartment, the solvent last."""
        return self.ensemble.amounts(normalised(x.root, self.ensemble.axis))

    def volumes(self, x: MixtureState) -> Float[Array, " compartment"]:
        """V_n: one each if open, adding up to one if closed."""
        return jnp.sum(self.amounts(x), 1)

    def fractions(self, x: MixtureState) -> Float[Array, "compartment component"]:
        """φ of the solutes."""
        amounts = self.amounts(x)
        return (amounts / _positive(jnp.sum(amounts, 1, keepdims=True)))[:, :-1]

    def free_energy(self, phi: Float[Array, "*phase component+1"]) -> Float[Array, "*phase"]:
        """f of compositions, the solvent last, kT_ref per site."""
        solute, p = phi[..., :-1], self.order
        pairs = 0.5 * jnp.einsum("...i,ij,...j->...", solute, unpack(self.coupling), solute)
        crowding = self.repulsion / p * self.components ** (p - 1) * jnp.sum(solute**p, -1)
        return pairs + crowding + self.temperature * jnp.sum(xlogx(phi) / self.sizes, -1)

    def energy(self, x: MixtureState, neighbors=None) -> Float[Array, ""]:
        """Free energy of all compartments, kT_ref."""
        amounts = self.amounts(x)
        volume = jnp.sum(amounts, 1)
        free = jnp.sum(volume * self.free_energy(amounts / _positive(volume)[:, None]))
        norms = jnp.sum(x.root**2, self.ensemble.axis)
        return self.sites * (free + jnp.sum((norms - 1) ** 2) / 8)

    def init_state(self, key) -> MixtureState:
        """Shares drawn uniformly from the simplex."""
        columns = self.components + (self.ensemble.axis == 0)
        share = jax.random.exponential(key, (self.compartments, columns), self.coupling.dtype)
        return MixtureState(jnp.sqrt(share / jnp.sum(share, self.ensemble.axis, keepdims=True)))

    def named_couplings(self):
        """J as a matrix."""
        return {"couplings": (("component", "component_other"), unpack(self.coupling))}


def _positive(volume: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 in place of a volume that is too small for floating point: what is in there does not matter."""
    return jnp.where(volume > 0, volume, 1.0)


class Config(Spec):
    """Mean-field mixture in a scenario."""

    kind: Literal["mean_field_mixture"]
    positions: ClassVar[bool] = False
    components: int = Field(
        ge=1, le=MOST_COMPONENTS, description="solutes N, without the solvent", examples=[4, 3, 2]
    )
    compartments: int = Field(default=1, ge=1, le=1000, description="well-mixed compartments", examples=[1, 1, 3])
    filling: float = Field(default=0.5, gt=0, le=1, description="volume fraction of solutes, where it is fixed")
    totals: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, examples=[None, None, [0.3, 0.3, 0.4]],
        description="total volume fraction of each solute and of the solvent (last), shared by all compartments; "
        "null: every compartment keeps its filling",
    )  # fmt: skip
    coupling: float = Field(default=0.0, description="initial J between all solutes, kT_ref; negative sticks")
    couplings: list[list[float]] | None = Field(default=None, description="initial J_ij, symmetric, kT_ref")
    repulsion: float = Field(default=0.0, ge=0, description="strength a of the repulsion, kT_ref", examples=[1.0, 0.5])
    order: int = Field(default=3, ge=2, le=10, description="order p of the repulsion", examples=[3, 2])
    temperature: float = Field(default=1.0, gt=0, description="T that weighs the entropy, kT_ref")
    sizes: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="sites l per molecule of each solute and of the solvent (last); null: 1 each",
        examples=[None, None, [1.0, 2.0, 1.0]],
    )  # fmt: skip
    sites: float = Field(default=1.0, gt=0, description="sites M per unit of volume, a factor on the free energy")

    @property
    def stiffness(self) -> float:
        """Curvature of E along a root in a mixture twice as rich as the mean in half of its components."""
        n, q, filled = self.components, self.order - 1, 1.0 if self.totals else self.filling
        pairs = np.abs(np.asarray(self.couplings or [[self.coupling] * n] * n)).sum(1).max() / n
        crowding = self.repulsion * q * (2 * filled) ** q
        return float(4 * self.sites * filled * (self.temperature + filled * pairs + crowding))

    def check(self, scenario):
        """Numbers per component, and a closed set of compartments, make sense."""
        n = self.components
        for name in ("totals", "sizes"):
            given = getattr(self, name)
            if given is not None and len(given) != n + 1:
                yield Problem((name,), f"needs {n + 1} numbers, the solvent's last; these are {len(given)}")
        if self.totals is not None and abs(sum(self.totals) - 1) > 1e-6:
            yield Problem(("totals",), f"volume fractions add up to one, these to {sum(self.totals):g}")
        if self.totals is not None and self.filling != 0.5:
            yield Problem(("filling",), "follows from the totals; leave one of the two out")
        if self.totals is None and self.compartments > 1:
            yield Problem(
                ("compartments",),
                "without totals they would not know of each other; give totals, or use one compartment and replicas",
            )
        rows = self.couplings
        if rows is not None and [len(row) for row in rows] != [n] * n:
            yield Problem(("couplings",), f"needs {n} rows of {n} numbers, without the solvent")
        elif rows is not None and any(rows[a][b] != rows[b][a] for a in range(n) for b in range(a)):
            yield Problem(("couplings",), "is not symmetric; J_ij and J_ji are one coupling")

    def build(self, key) -> MeanFieldMixture:
        """The system; ``key`` is unused because couplings start as given."""
        del key
        n = self.components
        matrix = self.couplings or np.full((n, n), self.coupling)
        closed = self.totals is not None
        return MeanFieldMixture(
            coupling=pack(jnp.asarray(matrix, float)),
            repulsion=jnp.asarray(float(self.repulsion)),
            temperature=jnp.asarray(float(self.temperature)),
            sizes=jnp.asarray(self.sizes or [1.0] * (n + 1), float),
            sites=jnp.asarray(float(self.sites)),
            ensemble=Closed(jnp.asarray(self.totals, float)) if closed else Open(jnp.asarray(float(self.filling))),
            order=self.order,
            compartments=self.compartments,
        )

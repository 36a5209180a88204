"""Particles of one kind with a pair potential of free form: a hard core and B-splines whose coefficients are learned.

    E = Σ_{i<j} [ ε (r⁻⁶ − 1)² for r < 1  +  Σ_k c_k B((r − r_k)/h) ],     B(u) = [(2 − |u|)³₊ − 4 (1 − |u|)³₊]/6

B is the cubic B-spline, a smooth bump of width 4h and height 2/3; the centres r_k lie h apart so that the potential,
its force and its curvature vanish at the cutoff and where the splines begin. ∂E/∂c_k = Σ_{i<j} B_k(r_ij): the couplings
are fields on a smooth histogram of distances.

| quantity | unit |
|---|---|
| length | core diameter σ |
| c, ε | kT_ref |

Source: isotropic potentials for open crystals [rechtsman2005optimized]; splines [deboor1978]. Limits: one species; all
pairs up to a hundred particles, then a neighbour list.

Example:
    >>> import jax, jax.numpy as jnp
    >>> pair = Config(kind="pair_potential", particles=2, splines=5, start=0.9, values=[0.0] * 5).build(None)
    >>> round(float(pair.energy(pair.arrange(jnp.array([[0.0, 0.0], [1.2, 0.0]])))), 6)
    0.0
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from pydantic import Field

from matterlearn.core.mixture import SPACING
from matterlearn.core.neighbors import Neighbors, allocate, pair_energy, pays, refresh
from matterlearn.core.space import scatter_points
from matterlearn.core.system import AbstractSystem
from matterlearn.spec import Problem, Spec
from matterlearn.systems._pair_potentials import WCACore

SKIN = 0.5  # of the neighbour list, σ


# B-splines that overlap on an interval, as cubics in the position t ∈ [0, 1) on it: rows 1, t, t², t³.
CUBICS = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6


class PairState(NamedTuple):
    """Centres, not wrapped into the box."""

    position: Float[Array, "particle axis"]


class PairPotential(AbstractSystem):
    """Isotropic particles; the coefficients of the splines learn."""

    coefficients: Float[Array, " spline"]
    core: WCACore
    start: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    particles: int = eqx.field(static=True)
    box: float | None = eqx.field(static=True)
    dimension: int = eqx.field(static=True)

    dims: ClassVar = {"position": ("particle", "axis")}
    symmetries: ClassVar = frozenset({"translation", "rotation", "permutation"})
    coupling_units: ClassVar = ("kT_ref", "coefficient of a spline, negative attracts")

    @property
    def spacing(self) -> float:
        """h, the distance between centres of splines."""
        return (self.cutoff - self.start) / (self.coefficients.shape[-1] + 3)

    @property
    def centers(self) -> Float[np.ndarray, " spline"]:
        """r_k."""
        return self.start + self.spacing * (2.0 + np.arange(self.coefficients.shape[-1]))

    def potential(self, r: Float[Array, "..."]) -> Float[Array, "..."]:
        """Energy of a pair at distance r, kT_ref."""
        intervals = self.coefficients.shape[-1] + 3
        # A cubic per interval: four gathers per pair, however many splines there are.
        windows = jnp.pad(self.coefficients, 3)[np.arange(intervals)[:, None] + np.arange(4)]
        cubics = (windows @ CUBICS.T).T
        place = (r - self.start) / self.spacing
        interval = jnp.clip(jnp.floor(place), 0, intervals - 1)
        t = jnp.clip(place - interval, 0.0, 1.0)
        a, b, c, d = cubics[:, interval.astype(jnp.int32)]
        return a + t * (b + t * (c + t * d)) + self.core(r, jnp.zeros(()))

    def energy(self, x: PairState, neighbors: Neighbors | None = None) -> Float[Array, ""]:
        """Energy of one configuration (equation above), kT_ref."""
        return pair_energy(x.position, neighbors, self.box, self._pair)

    def _pair(self, separation, first, second):
        del first, second
        return self.potential(jnp.sqrt(jnp.maximum(sum(c * c for c in separation), 1e-12)))

    def init_state(self, key: Key[Array, ""]) -> PairState:
        """Particles at random grid points, displaced as far as cores that do not overlap allow."""
        place, shake = jax.random.split(key)
        position = scatter_points(place, self.particles, self.dimension, self.box, spacing=SPACING)
        free = (SPACING - 1.0) / 2
        return PairState(position + jax.random.uniform(shake, position.shape, minval=-free, maxval=free))

    def arrange(self, position: Float[Array, "particle axis"]) -> PairState:
        """Particles at given points."""
        return PairState(position)

    def learnable(self):
        """The coefficients."""
        return eqx.tree_at(lambda s: s.coefficients, jax.tree.map(lambda _: False, self), True)

    def named_couplings(self):
        """Coefficients by spline."""
        return {"coefficients": (("spline",), self.coefficients)}

    def allocate(self, x: PairState, needed: int = 0) -> Neighbors | None:
        """A neighbour list where it pays, else ``None`` for all pairs."""
        if not pays(self.particles, self.cutoff, self.box, skin=SKIN):
            return None
        return allocate(x.position, cutoff=self.cutoff, skin=SKIN, box=self.box, needed=needed)

    def refresh(self, neighbors: Neighbors | None, x: PairState) -> Neighbors | None:
        """Rebuild the list once a particle has moved half the skin."""
        return neighbors if neighbors is None else refresh(neighbors, x.position)


class Config(Spec):
    """Free-form pair potential in a scenario."""

    kind: Literal["pair_potential"]
    particles: int = Field(ge=2, le=20_000, description="number of particles", examples=[6, 6, 120])
    dimension: Literal[2, 3] = Field(default=2, description="space dimension", examples=[2, 3, 2])
    box: float | None = Field(
        default=None, gt=0, description="side of the periodic box, σ; null is free space", examples=[None, 5.5, 14.0]
    )
    splines: int = Field(default=12, ge=1, le=100, description="number of splines")
    start: float = Field(default=0.75, ge=0, description="distance where the splines begin, σ")
    cutoff: float = Field(default=2.5, gt=1, description="distance where they end, σ", examples=[2.5])
    strength: float = Field(default=1.0, gt=0, description="strength ε of the core, kT_ref")
    values: list[Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        default=None, description="initial potential at the centres of the splines, kT_ref; null: 0 everywhere",
        examples=[[1.0 - 0.1 * k for k in range(12)]],
    )  # fmt: skip

    @property
    def stiffness(self) -> float:
        """Largest curvature of the pair potential that a time step must resolve, kT_ref/σ²."""
        height = max(map(abs, self.values or [0.0])) + 1.0
        return 72 * self.strength + 2 * height * ((self.splines + 3) / (self.cutoff - self.start)) ** 2

    def check(self, scenario):
        """Splines have a range, and the box holds the particles and the range."""
        if self.start >= self.cutoff:
            yield Problem(("start",), f"splines from {self.start:g} to {self.cutoff:g}; begin before the end")
        if self.values is not None and len(self.values) != self.splines:
            yield Problem(("values",), f"{len(self.values)} numbers for {self.splines} splines; give one per spline")
        if self.box is None:
            return
        if self.box < 2 * self.cutoff:
            yield Problem(
                ("box",),
                f"side {self.box:g} is smaller than twice the cutoff {self.cutoff:g}, so a particle would meet its own "
                f"image; use at least {2 * self.cutoff:g}",
            )
        if self.particles > int(self.box / SPACING) ** self.dimension:
            needed = SPACING * np.ceil(round(self.particles ** (1 / self.dimension), 9))
            yield Problem(("box",), f"{self.particles} particles do not fit a box of side {self.box:g}; use {needed:g}")

    def build(self, key) -> PairPotential:
        """The system; ``key`` is unused because coefficients start as given."""
        del key
        n = self.splines
        # Values at the centres of splines: a tridiagonal matrix of 2/3 and 1/6 turns coefficients into them.
        matrix = (4 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)) / 6
        coefficients = np.linalg.solve(matrix, np.asarray(self.values or [0.0] * n, float))
        return PairPotential(
            coefficients=jnp.asarray(coefficients, float),
            core=WCACore(jnp.asarray(float(self.strength))),
            start=float(self.start),
            cutoff=float(self.cutoff),
            particles=self.particles,
            box=self.box,
            dimension=self.dimension,
        )

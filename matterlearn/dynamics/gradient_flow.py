"""Gradient flow of a quadratic energy: heat on a graph, a network of resistors that settles, a free field that relaxes.

    ẋ = −∂(E + E_drive)/∂x,        x ← x − h r(hH) g,        H = ∂²E/∂x²

g is the gradient. A choice of ``step`` is a choice of r: explicit Euler (r = 1), implicit Euler (r = 1/(1 + z)), and
the exact solution (r = (1 − e^{−z})/z) in eigenmodes or as a Chebyshev series. On a graph with the Laplacian L a step
multiplies x by 1 − hL, (1 + hL)⁻¹, or the heat kernel e^{−hL}. H enters by products only, but for ``exact``, which
decomposes it. What a drive clamps stays put; its forces and tethers count.

| quantity | unit |
|---|---|
| dt = h | 1/curvature: σ²/kT_ref where x is a length |
| accuracy, tolerance | 1 |

Explicit steps amplify the stiffest mode by |1 − h λ_max| and diverge for h > 2/λ_max: a longer ``dt`` is refused. On a
graph temperatures stay between the lowest and the highest one for h ≤ 1/d_max, d_max the largest degree. Implicit and
exact steps take any ``dt``.

Source: [leveque2007finite]; heat kernels of graphs: [chung1997spectral]. Limits: systems that claim ``quadratic``;
every degree of freedom has mobility 1; ``exact`` up to some thousands of degrees of freedom, with tethers of constant
strength; the bound on explicit steps is that at the start, and couplings that are learned may stiffen. In single
precision a long step is exact to about 10⁻⁶ h λ_max.

Example:
    >>> Config(kind="gradient_flow", dt=0.1, step={"scheme": "exact"}).build().scheme
    Eigenmodes()
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.curvature import flat_moves, no_step
from matterlearn.core.drive import harmonic
from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, potential
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Constant
from matterlearn.core.spectra import dense_complaint
from matterlearn.dynamics._gradient_steps import BackwardEuler, ChebyshevSeries, Eigenmodes, Euler
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec, schedule_range


class Prepared(eqx.Module):
    """A system, and what the scheme keeps of its Hessian for many steps."""

    system: Any
    kept: Any


class GradientFlow(AbstractDynamics):
    """Steps of one scheme."""

    dt: Float[Array, ""]
    scheme: Euler | BackwardEuler | Eigenmodes | ChebyshevSeries

    stationary: ClassVar = "none"

    @property
    def hosted(self) -> bool:
        """Decompositions that threads of several devices of one processor call at once may wait for each other."""
        return self.scheme.decomposes

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between steps."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def enter(self, system, drive, state):
        """The Hessian is that of the whole loop, so whatever the scheme needs of it is made here.

        Raises:
            InputError: if tethers are no springs, or springs whose stiffness changes with time, or there is too much to
                decompose.
        """
        if drive.stiffness is not None and drive.tether is not harmonic:
            raise InputError(
                "a gradient flow needs a quadratic energy, but the task's tethers are no springs; use fire"
            )
        changing = drive.stiffness is not None and not isinstance(drive.strength, Constant)
        if changing and not isinstance(self.scheme, Euler | BackwardEuler):
            raise InputError("tethers of changing strength change the Hessian; use explicit or implicit steps")
        slope, origin = self._slope(system, drive, state)
        kept = self.scheme.prepare(self.dt, jax.linearize(slope, origin)[1], origin)
        return Prepared(system, kept), drive, state

    def step(self, key, system: Any, drive, state) -> tuple[DynState, StepInfo]:
        """One step; ``system`` is what :meth:`enter` returned."""
        del key
        slope, origin = self._slope(system.system, drive, state)
        gradient, product = jax.linearize(slope, origin)
        u = -self.dt * self.scheme.filtered(self.dt, product, system.kept, gradient)
        x = flat_moves(system.system, drive, state.x)(u)
        neighbors = system.system.refresh(state.neighbors, x)
        return DynState(x, state.step + 1, None, neighbors), StepInfo(jnp.ones(()))

    @staticmethod
    def _slope(system, drive, state):
        """u ↦ ∂E/∂u at x ⊕ u, without what is clamped, and u = 0."""
        move = flat_moves(system, drive, state.x)
        slope = jax.grad(lambda u: potential(system, drive, state._replace(x=move(u))))
        return slope, no_step(system, state.x)


class Explicit(Spec):
    """Explicit Euler steps: x ← x − h g."""

    scheme: Literal["explicit"]
    smooth: ClassVar[bool] = True

    def complaint(self, system: Any, dt: float, tethers: float) -> str | None:
        """Too long a step."""
        largest = system.largest_eigenvalue + tethers
        if dt * largest < 2:
            return None
        positive = 1 / (system.largest_diagonal + tethers)
        return (
            f"explicit steps of {dt:.10g} diverge: the stiffest mode has eigenvalue {largest:.10g}; use a step below "
            f"{2 / largest:.10g} (at most {positive:.10g} keeps values between the lowest and the highest one), or "
            "implicit or exact steps"
        )

    def build(self) -> Euler:
        """The step."""
        return Euler()


class Implicit(Spec):
    """Implicit Euler steps: x ← x − h (1 + hH)⁻¹ g, by conjugate gradients."""

    scheme: Literal["implicit"]
    smooth: ClassVar[bool] = True
    tolerance: float = Field(default=1e-8, gt=0, lt=1, description="relative residual; not below rounding")

    def complaint(self, system: Any, dt: float, tethers: float) -> str | None:
        """None: any step goes."""

    def build(self) -> BackwardEuler:
        """The step."""
        return BackwardEuler(float(self.tolerance))


class Exact(Spec):
    """The exact solution, in eigenmodes of a dense Hessian."""

    scheme: Literal["exact"]
    smooth: ClassVar[bool] = False  # derivatives of eigenvectors diverge where eigenvalues coincide

    def complaint(self, system: Any, dt: float, tethers: float) -> str | None:
        """Too much to decompose."""
        del dt, tethers
        return dense_complaint(system.degrees_of_freedom)

    def build(self) -> Eigenmodes:
        """The step."""
        return Eigenmodes()


class Chebyshev(Spec):
    """The exact solution to a given accuracy, as a Chebyshev series in products with the Hessian."""

    scheme: Literal["chebyshev"]
    smooth: ClassVar[bool] = False  # the number of terms follows the couplings
    accuracy: float = Field(default=1e-8, gt=0, lt=1, description="of the coefficients; not below rounding")

    def complaint(self, system: Any, dt: float, tethers: float) -> str | None:
        """None: any step goes."""

    def build(self) -> ChebyshevSeries:
        """The step."""
        return ChebyshevSeries(float(self.accuracy))


Scheme = Annotated[Explicit | Implicit | Exact | Chebyshev, Field(discriminator="scheme")]


class Config(Spec):
    """A gradient flow in a scenario."""

    kind: Literal["gradient_flow"]
    stationary: ClassVar[str] = "none"
    minimises: ClassVar[bool] = True
    dt: float = Field(gt=0, description="time step h", examples=[0.2, 0.2, 0.2, 0.2])
    step: Scheme = Field(
        default=Exact(scheme="exact"),
        description="{scheme: explicit, implicit, exact or chebyshev}; tolerance of implicit, accuracy of chebyshev",
        examples=[{"scheme": "explicit"}, {"scheme": "implicit"}, {"scheme": "exact"}, {"scheme": "chebyshev"}],
    )  # fmt: skip

    @property
    def smooth(self) -> bool:
        """Whether derivatives go through a step."""
        return self.step.smooth

    def check(self, scenario):
        """A quadratic energy, explicit steps within their bound, decompositions within their size."""
        yield from check_matter(self, scenario)
        system = scenario.system
        if not getattr(system, "quadratic", False):
            yield Problem(("kind",), f"needs a quadratic energy, which {system.kind!r} has not; use fire or newton")
            return
        complaint = self.step.complaint(system, self.dt, tether_stiffness(scenario.task))
        if complaint:
            yield Problem(("dt",) if self.step.scheme == "explicit" else ("step",), complaint)

    def build(self) -> GradientFlow:
        """The flow."""
        return GradientFlow(jnp.asarray(float(self.dt)), self.step.build())


def tether_stiffness(task: Any) -> float:
    """Stiffest tether that a task puts on a degree of freedom: a trap, or what pulls outputs to targets."""
    trap = getattr(task, "trap", 0.0) * schedule_range(getattr(task, "strength", 1.0))[1]
    return max(trap, getattr(task, "stiffness", 0.0))

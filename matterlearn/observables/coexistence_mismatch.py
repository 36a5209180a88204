"""How far couplings are from making target phases coexist, in mean-field theory: a function of the couplings alone.

The targets are fractions φ^a of the species in n dense phases; where a species has fraction 0 it does not belong to
the phase. With eps = z J/kT, z the contacts per site, the five conditions of coexistence and by how much they fail:

    potential    Σ_a Σ_{i∈a} (μ_i^a − μ_i)²,      μ_i^a = ln φ_i − ln(1 − φ_T) + (eps φ^a)_i,  μ_i its mean over phases
    pressure     Σ_a (P^a − P_0)²,                P^a = −ln(1 − φ_T) + ½ φ^a·eps·φ^a + Σ_i t_i
    traces       Σ_a Σ_{i∉a} max(0, ln t_i/t_max)²,        t_i = (1 − φ_T) exp(μ_i − (eps φ^a)_i)
    stability    Σ_a max(0, 1 − λ)²,              λ the lowest eigenvalue of ∂μ/∂φ in the phase
    dilution     max(0, ln Σ_i exp(μ_i)/0.45)²,   the ideal dilute phase; t_max and 0.45 as in theory.phase_programs

The dilute phase, of pressure P_0, is the one that φ_i = exp(μ_i − (eps φ)_i)(1 − φ_T) leads to from an empty lattice.
All five are smooth in J but for kinks, and 0 where the phases coexist.

With ``reference: convex_program`` the least specific couplings that solve the problem stand beside the designed ones,
as ``program_couplings_theory``. Needs cvxpy.

| quantity | unit |
|---|---|
| mismatch | kT² |
| J | kT |

``contacts`` corrects mean field for a given lattice: with z = 4.51 kT/J rather than 6 the critical point of the simple
cubic lattice gas is where it should be (J_c = −0.8866 kT), with 2.27 rather than 4 that of the square one (−1.763 kT).

Source: [chen2023programmable]; one site per molecule and a dilute phase of finite pressure. Limits: mean field, so
ordering of species on sublattices is not seen.

Example:
    >>> Config(kind="coexistence_mismatch", phases=[[0.45, 0.45, 0], [0.45, 0, 0.45]]).contacts is None
    True
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.mixture import check_species
from matterlearn.core.observable import Observable, Summary
from matterlearn.observables._phases import check_phases
from matterlearn.spec import Problem, Spec
from matterlearn.theory import phase_programs
from matterlearn.theory.phase_programs import solvable

CONDITIONS = ("potential", "pressure", "traces", "stability", "dilution")
SWEEPS = 60  # of the self-consistent dilute phase


def dilute_phase(potential: Float[Array, " N"], interactions: Float[Array, "N N"]) -> Float[Array, " N"]:
    """Fractions of the dilute phase: φ_i ∝ exp(μ_i − (eps φ)_i), the solvent's weight being 1, from φ = 0 on.

    >>> gas = dilute_phase(jnp.array([-3.0]), jnp.array([[-4.0]]))
    >>> bool(jnp.isclose(jnp.log(gas[0] / (1 - gas[0])) - 4 * gas[0], -3.0))
    True
    """

    def sweep(phi, _):
        weight = jnp.exp(potential - interactions @ phi)
        return weight / (1 + jnp.sum(weight)), None

    return jax.lax.scan(sweep, jnp.zeros_like(potential), length=SWEEPS)[0]


def mismatch(
    interactions: Float[Array, "N N"], phases: Float[np.ndarray, "phase N"], zeta: float
) -> Float[Array, " condition"]:
    """The five numbers of the module's docstring.

    >>> phases = phase_programs.equimolar([[0, 1], [0, 2]], 3, 0.9)
    >>> found = phase_programs.design_coexisting(phases).interactions
    >>> bool(jnp.max(mismatch(jnp.asarray(found), phases, 0.01)) < 1e-4)
    True
    """
    member = phases > 0
    filled = phase_programs.tolerated(phases, zeta)
    empty = 1 - phases.sum(1)
    field = phases @ interactions
    own = jnp.where(member, np.log(filled) - np.log(empty)[:, None] + field, 0.0)
    potential = jnp.sum(own, 0) / member.sum(0)
    trace = jnp.where(member, 0.0, empty[:, None] * jnp.exp(potential - field))
    excess = jnp.where(member, 0.0, np.log(empty)[:, None] + potential - field - np.log(filled))
    pressure = -np.log(empty) + 0.5 * jnp.sum(phases * field, 1) + jnp.sum(trace, 1)
    gas = dilute_phase(potential, interactions)
    vapour = -jnp.log1p(-jnp.sum(gas)) + 0.5 * gas @ interactions @ gas
    hessian = jax.vmap(jnp.diag)(jnp.asarray(1 / filled)) + 1 / empty[:, None, None] + interactions
    lowest = jnp.linalg.eigvalsh(hessian)[:, 0]
    failures = (
        jnp.where(member, own - potential, 0.0),
        pressure - vapour,
        jnp.maximum(excess, 0.0),
        jnp.maximum(1.0 - lowest, 0.0),
        jnp.maximum(jax.nn.logsumexp(potential) - np.log(phase_programs.DILUTE / 2), 0.0),
    )
    return jnp.stack([jnp.sum(failure**2) for failure in failures])


class CoexistenceMismatch(Observable):
    """The conditions of coexistence; the state does not matter."""

    phases: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    zeta: float = eqx.field(static=True)
    contacts: float = eqx.field(static=True)
    reference: str | None = eqx.field(static=True)

    def __call__(self, system: Any, drive, state):
        n = len(self.phases[0])
        interactions = self.contacts * system.contact_energies()[1 : n + 1, 1 : n + 1]
        return mismatch(interactions, np.array(self.phases), self.zeta)

    def coords(self):
        """Names of the conditions."""
        return {"condition": np.array(CONDITIONS)}

    def summary(self, values, labels) -> list[Summary]:
        """Couplings of the convex program, solvent included."""
        if self.reference is None:
            return []
        found = phase_programs.design_coexisting(np.array(self.phases), zeta=self.zeta).interactions
        couplings, words = np.pad(found, (1, 0)) / self.contacts, "least specific couplings of the convex program"
        return [Summary("program_couplings_theory", ("component", "component_other"), couplings, "kT_ref", words)]


class Config(Spec):
    """Mean-field mismatch in a scenario."""

    kind: Literal["coexistence_mismatch"]
    provides: ClassVar[tuple[str, ...]] = ("program_couplings_theory",)
    every: int = Field(default=100, ge=1, description="steps between records")
    phases: Annotated[list[list[Annotated[float, Field(ge=0, lt=1)]]], Field(min_length=1)] = Field(
        description="fractions of the moving species in every target phase; 0: does not belong to it",
        examples=[[[0.45, 0.45], [0.9, 0.0]]],
    )
    zeta: float = Field(
        default=0.01, gt=0, lt=1, description="species that do not belong to a phase, at most, over those that do"
    )
    contacts: float | None = Field(
        default=None, gt=0, description="contacts per site z of the mean field; null: those of the lattice"
    )
    reference: Literal["convex_program"] | None = Field(
        default=None, description="what to solve for couplings to compare with; needs cvxpy"
    )

    def check(self, scenario):
        """There are species on sites, phases of them, and a solver if one is asked for."""
        yield from check_species(scenario)
        if not getattr(scenario.system, "isotropic", True):
            yield Problem(("kind",), "needs bonds that are the same in all directions: use system lattice_condensate")
        yield from check_phases(self.phases, scenario)
        if self.reference is not None and not solvable():
            yield Problem(("reference",), "needs cvxpy: pip install 'matterlearn[design]', or leave it out")

    def build(self, system, task) -> CoexistenceMismatch:
        """The observable."""
        del task
        contacts = self.contacts or 2.0 * len(system.lattice.shape)
        words, phases = "mean-field mismatch of coexistence", tuple(map(tuple, self.phases))
        return CoexistenceMismatch(
            "coexistence_mismatch", ("condition",), "kT_ref²", words, self.every,
            phases, self.zeta, contacts, self.reference,
        )  # fmt: skip

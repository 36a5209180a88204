"""Coupled learning: the free equilibrium against one whose outputs are clamped a little closer to what is wanted.

    o_C = o_F + η (y − o_F),        Δθ ∝ −[∂E/∂θ(x_C) − ∂E/∂θ(x_F)]/η

A supervisor only has to hold outputs. For small η the contrast is the gradient of ½ Σ (o − y)², each output weighted by
the stiffness with which the matter holds it, so it points downhill: one output of stiffness S gives S times that.
η = 1 clamps the outputs to their targets: contrastive Hebbian learning, whose direction differs from the gradient's.

In resistor networks the rule is Δk_e ∝ [(ΔV_e)²_free − (ΔV_e)²_clamped]/(2η): every resistor sees only its own voltage.
Outputs are what the batch tethers (``matterlearn.core.nudging``); the stiffness of the tethers does not matter.
``loss`` in results is the cost of the free phase, averaged over replicas.

Source: [stern2021supervised]; η = 1: [movellan1991contrastive]. Limits: at rest at zero temperature; at a temperature
the outputs that are clamped are those of one sample. In single precision use η ≥ 10⁻².

Example:
    >>> Config(kind="coupled_learning", eta=0.5).build().eta.item()
    0.5
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.matter import check_trains
from matterlearn.core.nudging import free_drive, held, mean_cost
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo, phase_statistics, start_phase
from matterlearn.spec import Spec


class CoupledLearning(AbstractRule):
    """Contrast of ∂E/∂θ between free and held outputs."""

    eta: Float[Array, ""]
    relax: int = eqx.field(static=True)

    sign: ClassVar[int] = 0

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Contrast over η, with statistics of both phases."""
        del parameters
        free_key, held_key = jax.random.split(key)

        def phase(key, drive, x, neighbors):
            start = start_phase(key, system, dynamics, drive, x, neighbors)
            return phase_statistics(key, system, dynamics, drive, start, samples=1, stride=1, relax=self.relax)

        free, rest = phase(free_key, free_drive(batch), batch.x, batch.neighbors)
        drive = jax.vmap(lambda drive, x: held(drive, x, self.eta))(batch.drive, rest.x)
        clamped, after = phase(held_key, drive, rest.x, rest.neighbors)
        contrast = jax.tree.map(lambda c, f: (c - f) / self.eta, clamped.mean, free.mean)
        numbers = {"loss": mean_cost(batch.drive, rest.x)}
        return contrast, state, RuleInfo({"free": free, "clamped": clamped}, after.neighbors, numbers)


class Config(Spec):
    """Coupled learning in a scenario."""

    kind: Literal["coupled_learning"]
    trains: ClassVar[tuple[str, ...]] = ("continuous",)
    provides: ClassVar[tuple[str, ...]] = ("loss",)
    eta: float = Field(default=0.1, gt=0, le=1, description="fraction of the way to the target", examples=[0.1, 1.0])
    relax: int = Field(default=20, ge=0, description="steps of the dynamics per phase")

    def check(self, scenario):
        """The matter moves continuously."""
        yield from check_trains(self, scenario)

    def build(self) -> CoupledLearning:
        """The rule."""
        return CoupledLearning(jnp.asarray(float(self.eta)), self.relax)

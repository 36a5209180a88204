"""Descent on losses of two energies per replica: E⁺ of the state shown, E⁻ of that which the free matter took."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics, DynState
from matterlearn.core.rule import AbstractRule, Batch, RuleInfo
from matterlearn.core.system import AbstractSystem, couplings, with_couplings
from matterlearn.rules._phases import Chains, wake_and_sleep

Energies = Float[Array, " replica"]


class EnergyLoss(AbstractRule):
    """Descent on the mean over replicas of ``loss(E⁺, E⁻)``, at the last states of both phases.

    Hidden parts are summed out in closed form, where there is one.
    """

    loss: Callable[[Energies, Energies], Energies]
    chains: Chains
    relax: int = eqx.field(static=True)

    def init(self, key, system, dynamics, replicas):
        """Memory of the chains."""
        return self.chains.begin(key, system, dynamics, replicas)

    def estimate(self, key, system, dynamics, state, batch: Batch, *, parameters):
        """Slope of the loss by the couplings; statistics of both phases."""
        del parameters
        settings = {"samples": 1, "stride": 1, "relax": self.relax}
        phases = wake_and_sleep(key, system, dynamics, self.chains, state, batch, **settings)
        ends = (batch.drive, phases.awake), (phases.free, phases.asleep)
        numbers, slope = descend(system, dynamics, self.loss, *ends)
        stats = {"wake": phases.wake, "sleep": phases.sleep}
        return slope, phases.memory, RuleInfo(stats, phases.asleep.neighbors, numbers)


def descend(
    system: AbstractSystem,
    dynamics: AbstractDynamics,
    loss: Callable[[Energies, Energies], Energies],
    awake: tuple[Drive, DynState],
    asleep: tuple[Drive, DynState],
) -> tuple[dict[str, Float[Array, ""]], PyTree]:
    """The mean loss and the mean energies of both phases, and the slope of the loss by the couplings."""

    def energies(taught: Any, drive: Drive, state: DynState) -> Energies:
        def one(drive, x, step: Int[Array, ""], neighbors):
            return taught.marginal_energy(x, dynamics.temperature(step), drive.clamped, neighbors)

        return jax.vmap(one)(drive, state.x, state.step, state.neighbors)

    def total(theta):
        taught = with_couplings(system, theta)
        pair = energies(taught, *awake), energies(taught, *asleep)
        return jnp.mean(loss(*pair)), pair

    (value, pair), slope = jax.value_and_grad(total, has_aux=True)(couplings(system))
    return {"loss": value, "energy_shown": jnp.mean(pair[0]), "energy_free": jnp.mean(pair[1])}, slope

"""Gradients along trajectories, carried forward with every step: for few couplings (forward mode).

    d⟨O⟩/dθ_p = ⟨ dO/dθ_p ⟩,      dx_{t+1}/dθ_p = ∂step/∂x · dx_t/dθ_p + ∂step/∂θ_p

The same number as ``pathwise`` gives, with no memory of the path at all and one more trajectory per coupling.

Source: [goodrich2021designing]. Limits: those of ``pathwise``; the cost grows with the number of couplings.

Example:
    >>> Config(kind="tangent", stride=10).build().sampling.steps
    10
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from pydantic import Field

from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.design._paths import frozen
from matterlearn.design.pathwise import Pathwise, check_horizon
from matterlearn.sections import ALONG_PATHS
from matterlearn.spec import Spec


class Tangent(AbstractEstimator):
    """Forward mode: values with the Jacobian as their derivative."""

    path: Pathwise

    responds: ClassVar[bool] = True

    @property
    def sampling(self):
        """When the trajectory is measured."""
        return self.path.sampling

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """O_r + Σ_p (dO_r/dθ_p)(θ_p − θ_p), the bracket being zero with derivative one."""
        n = setup.replicas
        flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], thetas))

        def run(change):
            shifted = jax.tree.map(lambda leaf, c: leaf + c, frozen(thetas), unravel(change))
            values, neighbors = self.path.values(key, shifted, setup, memory)
            return values, (values, neighbors)

        slopes, (values, neighbors) = jax.jacfwd(run, has_aux=True)(jnp.zeros_like(flat))
        each = jnp.concatenate([leaf.reshape(n, -1) for leaf in jax.tree.leaves(thetas)], 1)
        step = each - frozen(each)
        return Values(frozen(values) + jnp.einsum("rkp,rp->rk", frozen(slopes), step), frozen(neighbors))


class Config(Spec):
    """Forward-mode gradients in a scenario."""

    kind: Literal["tangent"]
    reductions: ClassVar[tuple[str, ...]] = ALONG_PATHS
    relax: int = Field(default=0, ge=0, description="steps before the first sample's stride")
    samples: int = Field(default=1, ge=1, description="samples per trajectory")
    stride: int = Field(default=100, ge=1, description="steps before each sample")
    horizon: int | None = Field(default=None, ge=1, description="last steps that are differentiated; default: all")

    def check(self, scenario):
        """Samples lie inside the horizon, and trajectories respond smoothly."""
        yield from check_horizon(self, scenario)

    def build(self) -> Tangent:
        """The estimator."""
        from matterlearn.design.pathwise import Config as PathConfig

        path = PathConfig(kind="pathwise", relax=self.relax, samples=self.samples, stride=self.stride,
                          horizon=self.horizon)  # fmt: skip
        return Tangent(path.build())

"""How alike the nodes of a graph have become, layer by layer of a network: oversmoothing.

| variable | formula | of Z, node × channel |
|---|---|---|
| dirichlet_energy | Σ_edges ‖z_i − z_j‖² | unnormalised: 0 if all neighbours are alike |
| rayleigh_quotient | tr Zᵀ(1 − S)Z / tr ZᵀZ | 0 at the stationary features of S, ∝ √(d + 1) |
| mean_average_distance | mean of 1 − cos(z_i, z_j) over pairs | directions alone |
| stable_rank | ‖Z‖_F²/‖Z‖₂² | 1 if all nodes differ by a factor only |
| effective_rank | exp of the entropy of σ_k/Σσ | Z's singular values |

S is the symmetric propagator. Where a layer multiplies every mode λ of S by a number a(λ), weights aside (λ for a
convolution, 1 − τ(1 − λ) for a step of diffusion), distances from the stationary features fade by the largest |a(λ)|
but that of λ = 1, ρ, per layer, their squares by ρ². Two predictions, ``rayleigh_quotient_prediction`` and
``mean_average_distance_prediction``, start at the first measured layer. Energies can miss damage that ranks show, and
ranks do not know the graph.

Source: [oono2020graph], [cai2020note], [chen2020measuring], [rusch2023survey], [zhang2025rethinking]. Limits: nodes
without any feature count as different from all others; predictions for up to 3000 nodes.

Example:
    >>> z = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> round(float(mean_average_distance(z)), 4), round(float(stable_rank(z)), 4)
    (0.6667, 1.5)
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.core.spectra import MOST_DENSE
from matterlearn.spec import Problem, Spec

Features = Float[Array, "node channel"]
MEASURES = (
    ("dirichlet_energy", "Dirichlet energy Σ|z_i − z_j|²"),
    ("rayleigh_quotient", "Rayleigh quotient of 1 − S"),
    ("mean_average_distance", "mean average distance 1 − cos"),
    ("stable_rank", "stable rank"),
    ("effective_rank", "effective rank"),
)
FADING = ("rayleigh_quotient", "mean_average_distance")


def mean_average_distance(z: Features) -> Float[Array, ""]:
    """Mean of 1 − cos over pairs of different nodes: n/(n − 1) times the variance of unit vectors, no cancellation."""
    square = jnp.sum(z**2, -1, keepdims=True)
    unit = jnp.where(square > 0, z * jax.lax.rsqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return jnp.mean(jnp.sum((unit - jnp.mean(unit, 0)) ** 2, -1)) * len(z) / max(len(z) - 1, 1)


def stable_rank(z: Features) -> Float[Array, ""]:
    """|Z|_F²/|Z|₂², 0 of zeros."""
    square = jnp.maximum(jnp.linalg.eigvalsh(z.T @ z), 0.0)
    return jnp.where(square[-1] > 0, jnp.sum(square) / jnp.where(square[-1] > 0, square[-1], 1.0), 0.0)


def effective_rank(z: Features) -> Float[Array, ""]:
    """exp(−Σ p ln p) with p_k = σ_k/Σσ, 0 of zeros."""
    values = jnp.linalg.svd(z, compute_uv=False)
    total = jnp.sum(values)
    shares = values / jnp.where(total > 0, total, 1.0)
    entropy = -jnp.sum(shares * jnp.log(jnp.where(shares > 0, shares, 1.0)))
    return jnp.where(total > 0, jnp.exp(entropy), 0.0)


class Smoothness(Observable):
    """All measures of all members and layers."""

    edges: Int[np.ndarray, "edge 2"]
    fading: float  # ρ² per layer, NaN where a layer has no such number
    layers: int

    def __call__(self, system: Any, drive, state):
        del drive
        by_layer = jax.vmap(jax.vmap(lambda z: self._of(system, z), out_axes=-1), out_axes=1)
        return by_layer(system.features(state.x))

    def _of(self, system, z: Features) -> Float[Array, " measure"]:
        i, j = self.edges.T
        rough = jnp.sum(z * (z - system.smooth(z)))
        square = jnp.sum(z**2)
        quotient = rough / jnp.where(square > 0, square, 1.0)
        return jnp.stack([
            jnp.sum((z[i] - z[j]) ** 2), quotient, mean_average_distance(z), stable_rank(z), effective_rank(z),
        ])  # fmt: skip

    def coords(self):
        """Layers count from 1, the first that has seen the graph or the encoder."""
        return {"layer": np.arange(1, self.layers + 1), "measure": np.array([name for name, _ in MEASURES])}

    def summary(self, values, labels) -> list[Summary]:
        """Every measure at the end, mean and standard error over members, and what fades with the spectrum."""
        del labels
        last, found = np.asarray(values, float)[:, -1].mean(0), []
        for (name, words), each in zip(MEASURES, last, strict=True):
            found += averaged(name, ("layer",), each, "1", words)
            if name in FADING and np.isfinite(self.fading):
                curve = each[:, 0].mean() * self.fading ** np.arange(self.layers)
                words += ", fading with the spectrum"
                found.append(Summary(f"{name}_prediction", ("layer",), curve, "1", words))
        return found


def fading(system) -> float:
    """ρ² of a system's layers, NaN where they have no such number.

    S is made symmetric by √(S_ij S_ji), which has the eigenvalues of S.
    """
    if system.nodes > MOST_DENSE:
        return float("nan")
    dense = np.asarray(system.propagate(jnp.eye(system.nodes)), float)
    eigenvalues = np.linalg.eigvalsh(np.sqrt(dense * dense.T))
    factors = system.amplification(eigenvalues[:-1])
    return float("nan") if factors is None else float(np.max(np.abs(factors)) ** 2)


class Config(Spec):
    """Smoothness in a scenario."""

    kind: Literal["smoothness"]
    provides: ClassVar[tuple[str, ...]] = (
        "smoothness", *(name for name, _ in MEASURES), *(f"{name}_prediction" for name in FADING)
    )  # fmt: skip
    every: int = Field(default=1, ge=1, description="steps between records")

    def check(self, scenario):
        """There are hidden layers of features of nodes."""
        system = scenario.system
        if not getattr(system, "node_features", False):
            yield Problem(("kind",), f"is about features of nodes, which {system.kind!r} has not; use graph_network")
        elif system.hidden_layers == 0:
            yield Problem(("kind",), "is about hidden layers, and there are none at this depth: increase system.depth")

    def build(self, system, task) -> Smoothness:
        """The observable."""
        del task
        return Smoothness("smoothness", ("measure", "member", "layer"), "1", "measure of smoothness", self.every,
                          system.edges, fading(system), system.hidden)  # fmt: skip

"""Linear regression that is refitted: least squares, or the shortest weights where data are fewer than dimensions.

    y = X w + σ_0 z,   X ~ N(0, Σ),        fit: w = (XᵀX)⁺ Xᵀ y,        E(w) = (w − w_0)ᵀ Σ (w − w_0)

E is the excess risk, the mean square by which predictions for new inputs miss those of the truth; |w_0| = ``signal`` in
that norm. Data keep their weights apart: X and Xᵀy of several sets add. Every label has noise σ_0 of ``noise``, but for
those of a last fit (observable ``downstream``), which have ``last_noise``: E then is what the last model of a chain is
worth. Σ has eigenvalues i^−decay.

For every input, labels are drawn until the verifier accepts one, which leaves the law of inputs as it is; the labels
are normal again, a fraction σ_0²/(σ_0² + width²) of the way to the verifier's.

| quantity | unit |
|---|---|
| signal, noise, width and bias of a verifier | that of labels |

Source: [dohmatob2024demystified]; theory in ``matterlearn.theory.model_collapse``. Limits: closed forms need T > d + 1,
or T < d − 1 where Σ is the identity and data are replaced; near T = d means do not exist. Single precision inverts XᵀX
up to d^decay ≈ 10³.

Example:
    >>> learner = Config(kind="linear_learner", dimension=3).build(jax.random.key(0))
    >>> round(float(learner.energy(LinearModel(jnp.zeros(3), jnp.zeros(())))), 5)
    1.0
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.learner import AbstractLearner, Loop, Sums, Verifier
from matterlearn.spec import Problem, Spec
from matterlearn.theory import model_collapse

LARGEST_CONDITION = 1000.0  # of Σ: more of it, and of XᵀX, is lost in single precision


class LinearModel(NamedTuple):
    """Weights, and the standard deviation of labels that are drawn with them."""

    weights: Float[Array, " dimension"]
    noise: Float[Array, ""]


class Moments(Sums):
    """XᵀX and Xᵀy."""

    gram: Float[Array, "dimension dimension"]
    product: Float[Array, " dimension"]


class LinearLearner(AbstractLearner):
    """The true weights, Σ's eigenvalues, and the noise of labels."""

    weights: Float[Array, " dimension"]
    spectrum: Float[Array, " dimension"]
    noise: Float[Array, ""]
    last_noise: Float[Array, ""]

    dims: ClassVar = {"weights": ("dimension",), "noise": ()}
    quantities: ClassVar = (
        ("excess_risk", "1", "excess risk of predictions"),
        ("squared_norm", "1", "squared norm of the weights"),
    )

    def truth(self) -> LinearModel:
        """w_0."""
        return LinearModel(self.weights, self.noise)

    def statistics(self, key, x: LinearModel, count: int) -> Moments:
        """Of independent inputs and their labels."""
        inputs, noise = jax.random.split(key)
        X = jax.random.normal(inputs, (count, len(self.weights))) * jnp.sqrt(self.spectrum)
        y = X @ x.weights + x.noise * jax.random.normal(noise, (count,))
        return Moments(X.T @ X, X.T @ y)

    def fit(self, statistics: Moments) -> LinearModel:
        """Least squares; the shortest of all solutions."""
        return LinearModel(jnp.linalg.pinv(statistics.gram, hermitian=True) @ statistics.product, self.noise)

    def accepted(self, x: LinearModel, verifier: Verifier) -> LinearModel:
        """Labels nearer to the verifier's, and less noisy."""
        offset = verifier.bias / jnp.sqrt(len(self.weights) * self.spectrum)  # of norm ``bias``, along all axes
        total = x.noise**2 + verifier.width**2
        weights = x.weights + x.noise**2 / total * (self.weights + offset - x.weights)
        return LinearModel(weights, x.noise * verifier.width / jnp.sqrt(total))

    def measure(self, x: LinearModel) -> Float[Array, " quantity"]:
        """Excess risk, and squared norm."""
        return jnp.stack([self.energy(x), jnp.sum(x.weights**2)])

    def energy(self, x: LinearModel, neighbors=None) -> Float[Array, ""]:
        """Excess risk."""
        del neighbors
        return jnp.sum(self.spectrum * (x.weights - self.weights) ** 2)

    def downstream(self, x: LinearModel, size: int) -> Float[Array, ""]:
        """Excess risk after one more fit, to labels with the last noise."""
        d, noise = len(self.weights), self.last_noise**2
        if size > d + 1:
            return self.energy(x) + noise * d / (size - d - 1)
        if size >= d - 1:
            return jnp.full((), jnp.nan)
        seen = jnp.sum((x.weights - self.weights) ** 2) - jnp.sum(self.weights**2)
        risk = jnp.sum(self.weights**2) + size / d * seen + noise * size / (d - size - 1)
        return jnp.where(jnp.all(self.spectrum == 1), risk, jnp.nan)

    def exact(self, loop: Loop) -> dict[str, Any]:
        """Excess risk: exactly, but for real data that are mixed in, where it is the leading order in d/T."""
        generation, d = np.arange(1, len(loop.shares) + 1), len(self.weights)
        real, kept, _ = loop.shares[-1]
        if loop.size <= d + 1:
            return self._shortest(generation, loop) if not real and not kept else {}
        noise = float(self.noise)
        fit = model_collapse.fit_risk(d, loop.size, noise)
        if loop.verifier is not None:
            bias, width = loop.verifier
            strictness = noise**2 / (noise**2 + width**2)
            return {"excess_risk_theory": model_collapse.verified_risk(generation, fit, strictness, bias)}
        if real:
            return {"excess_risk_leading_theory": fit * model_collapse.pooled_risk(loop.shares)}
        risk = model_collapse.accumulated_risk(generation, d, loop.size, noise) if kept else fit * generation
        return {"excess_risk_theory": risk} | ({"squared_norm_theory": self._signal**2 + risk} if self._round else {})

    @property
    def _signal(self) -> float:
        return float(np.linalg.norm(np.asarray(self.weights, float)))

    @property
    def _round(self) -> bool:
        """Whether inputs are alike in all directions."""
        return bool(np.all(np.asarray(self.spectrum) == 1))

    def _shortest(self, generation, loop: Loop) -> dict[str, Any]:
        """Of fewer data than dimensions, where these are all alike."""
        d, noise = len(self.weights), float(self.noise)
        if loop.verifier is not None or not self._round or loop.size >= d - (noise > 0):
            return {}
        shortest = model_collapse.minimum_norm(generation, d, loop.size, noise, self._signal)
        return {"excess_risk_theory": shortest.risk, "squared_norm_theory": shortest.squared_norm}

    def exact_downstream(self, loop: Loop, sizes) -> Any:
        """The risk of a generation and that of the last fit add."""
        risk, d = self.exact(loop).get("excess_risk_theory"), len(self.weights)
        if risk is None:
            return None
        last = [model_collapse.fit_risk(d, T, float(self.last_noise)) if d + 1 < T else np.nan for T in sizes]
        return risk[:, None] + np.array(last)


class Config(Spec):
    """A linear regression in a scenario."""

    kind: Literal["linear_learner"]
    matter: ClassVar[str] = "learner"
    dimension: int = Field(ge=1, le=1000, description="d, of the inputs", examples=[3])
    noise: float = Field(default=0.5, ge=0, le=1e6, description="σ_0, standard deviation of labels", examples=[0.5])
    last_noise: float | None = Field(
        default=None, ge=0, le=1e6, description="σ of labels that a last model is fitted to; null: as all others"
    )
    signal: float = Field(default=1.0, ge=0, le=1e6, description="norm of the true weights, that of true labels")
    decay: float = Field(
        default=0.0, ge=0, description="eigenvalues of the inputs' covariance fall as i^-decay", examples=[0.0, 1.0]
    )

    @property
    def numbers(self) -> int:
        """That make up a datum."""
        return self.dimension + 1

    def check(self, scenario):
        """The covariance can be inverted, and a verifier has something to choose from."""
        if self.dimension**self.decay > LARGEST_CONDITION:
            yield Problem(("decay",), f"the smallest eigenvalue would be {self.dimension**-self.decay:.1e}, too small "
                          "for single precision; use at most "
                          f"{np.log(LARGEST_CONDITION) / np.log(self.dimension):.2g}")  # fmt: skip
        policy = getattr(scenario.dynamics, "policy", None)
        if getattr(policy, "kind", None) == "verify" and self.noise == 0:
            yield Problem(("noise",), "labels without noise are all alike, and a verifier cannot choose; use noise > 0")

    def build(self, key) -> LinearLearner:
        """The learner, with weights in a random direction."""
        spectrum = np.arange(1.0, self.dimension + 1) ** -self.decay
        direction = jax.random.normal(key, (self.dimension,))
        weights = self.signal * direction / jnp.linalg.norm(direction) / jnp.sqrt(jnp.asarray(spectrum, float))
        last = self.noise if self.last_noise is None else self.last_noise
        return LinearLearner(
            weights, jnp.asarray(spectrum, float), jnp.asarray(float(self.noise)), jnp.asarray(float(last))
        )

"""A normal law that is fitted to data: mean and variance.

    E(m, v) = ½ [v/v_0 + (m − m_0)²/v_0 − 1 − ln(v/v_0)]        relative entropy of the model to the truth

which is the free energy, in kT, that the law of the model has in excess of the equilibrium law N(m_0, v_0). Models are
fitted by maximum likelihood, v = Σ(y − m)²/T, or without bias, with T − 1. A pool of data is kept by its number, mean
and sum of squares around that mean, so that v loses no digits however small it becomes and wherever m has gone.

| quantity | unit |
|---|---|
| mean, variance, width and bias of a verifier | real standard deviations are √``variance`` |

Source: [shumailov2024collapse]; theory in ``matterlearn.theory.model_collapse``. Limits: v > 10⁻³⁵ v_0,
below which few data come within some ten generations, and which is checked. Verified data: a normal law times the
verifier's is normal, and narrower.

Example:
    >>> learner = Config(kind="gaussian_learner").build(None)
    >>> float(learner.energy(GaussianModel(jnp.asarray(1.0), jnp.asarray(1.0))))
    0.5
"""

import math
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.learner import AbstractLearner, Loop, Verifier
from matterlearn.spec import Problem, Spec
from matterlearn.theory import model_collapse

DEEPEST = 80.0  # −ln v/v_0 that single precision holds, with some room


class GaussianModel(NamedTuple):
    """A normal law."""

    mean: Float[Array, ""]
    variance: Float[Array, ""]


class Scatter(eqx.Module):
    """Number, mean, and sum of squares around the mean; adding is that of Chan, Golub and LeVeque."""

    count: Float[Array, ""]
    mean: Float[Array, ""]
    squares: Float[Array, ""]

    def __add__(self, other: "Scatter") -> "Scatter":
        count, gap = self.count + other.count, other.mean - self.mean
        share = other.count / count
        return Scatter(count, self.mean + share * gap, self.squares + other.squares + self.count * share * gap**2)

    def __rmul__(self, weight) -> "Scatter":
        return Scatter(weight * self.count, self.mean, weight * self.squares)


class GaussianLearner(AbstractLearner):
    """The truth, and how many degrees of freedom a fit takes from the data: 0 or 1."""

    mean: Float[Array, ""]
    variance: Float[Array, ""]
    taken: int = eqx.field(static=True)

    dims: ClassVar = {"mean": (), "variance": ()}
    quantities: ClassVar = (
        ("excess_risk", "kT_ref", "relative entropy of the model to the truth"),
        ("mean_square", "1", "squared error of the mean over the true variance"),
        ("variance", "1", "variance over the true one"),
        ("log_variance", "1", "ln of the variance over the true one"),
    )

    def truth(self) -> GaussianModel:
        """m_0 and v_0."""
        return GaussianModel(self.mean, self.variance)

    def statistics(self, key, x: GaussianModel, count: int) -> Scatter:
        """Of independent draws."""
        z = jax.random.normal(key, (count,))
        centre = jnp.mean(z)
        mean = x.mean + jnp.sqrt(x.variance) * centre
        return Scatter(jnp.full((), float(count)), mean, x.variance * jnp.sum((z - centre) ** 2))

    def fit(self, statistics: Scatter) -> GaussianModel:
        """Mean and variance of the pool."""
        return GaussianModel(statistics.mean, statistics.squares / (statistics.count - self.taken))

    def accepted(self, x: GaussianModel, verifier: Verifier) -> GaussianModel:
        """The product of two normal laws."""
        centre, width = self.mean + verifier.bias * jnp.sqrt(self.variance), verifier.width**2 * self.variance
        share = x.variance / (x.variance + width)
        return GaussianModel(x.mean + share * (centre - x.mean), share * width)

    def measure(self, x: GaussianModel) -> Float[Array, " quantity"]:
        """Relative entropy, squared error, variance and its logarithm."""
        error, ratio = (x.mean - self.mean) ** 2 / self.variance, x.variance / self.variance
        log = jnp.log(ratio)
        return jnp.stack([0.5 * (ratio + error - 1 - log), error, ratio, log])

    def energy(self, x: GaussianModel, neighbors=None) -> Float[Array, ""]:
        """Relative entropy to the truth, kT_ref."""
        del neighbors
        return self.measure(x)[0]

    def downstream(self, x: GaussianModel, size: int) -> Float[Array, ""]:
        """Averages of mean, variance and its logarithm after one more fit, by χ² of size − 1 degrees of freedom."""
        _, error, ratio, log = self.measure(x)
        half = (size - self.taken) / 2
        spread, fitted = ratio / float(size), ratio * ((size - 1) / (2 * half))
        return 0.5 * (fitted + error + spread - 1 - log - digamma((size - 1) / 2) + jnp.log(half))

    def exact(self, loop: Loop) -> dict[str, Any]:
        """Moments where nothing is verified; the logarithm where data are replaced; verified data for T → ∞."""
        generation = np.arange(1, len(loop.shares) + 1)
        if loop.verifier is not None:
            variance = 1 / (1 + generation / loop.verifier.width**2)
            error = loop.verifier.bias**2 * (1 - variance) ** 2
            return {"variance_leading_theory": variance, "mean_square_leading_theory": error}
        moments = model_collapse.gaussian_moments(loop.shares, loop.size, unbiased=bool(self.taken))
        known = {"mean_square_theory": moments.mean_square, "variance_theory": moments.variance}
        if np.all(loop.shares[:, 2] == 1):
            log = model_collapse.mean_log_variance(generation, loop.size, unbiased=bool(self.taken))
            risk = 0.5 * (moments.variance + moments.mean_square - 1 - log)
            known |= {"log_variance_theory": log, "excess_risk_theory": risk}
        return known


def longest_run(size: int) -> int:
    """Generations n in which no variance fitted to T data is likely to fall below 10⁻³⁵: n a + 6 √(n b) = 80.

    a = −⟨ln χ²/T⟩ and b is the variance of ln χ², both a little too large, at T − 1 degrees of freedom.

    >>> longest_run(2), longest_run(20)
    (13, 387)
    """
    x = (size - 1) / 2
    a, b = math.log(size / (size - 1)) + 1 / (2 * x) + 1 / (12 * x**2), 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3)
    return int(((math.sqrt(36 * b + 4 * a * DEEPEST) - 6 * math.sqrt(b)) / (2 * a)) ** 2)


class Config(Spec):
    """A normal law in a scenario."""

    kind: Literal["gaussian_learner"]
    matter: ClassVar[str] = "learner"
    fewest: ClassVar[int] = 2
    estimator: Literal["maximum_likelihood", "unbiased"] = Field(
        default="maximum_likelihood", description="of the variance", examples=["maximum_likelihood", "unbiased"]
    )
    mean: float = Field(default=0.0, description="m_0 of real data")
    variance: float = Field(default=1.0, gt=0, description="v_0 of real data")

    def check(self, scenario):
        """No variance falls below what single precision holds."""
        dynamics, steps = scenario.dynamics, scenario.run.steps
        alone = getattr(getattr(dynamics, "policy", None), "kind", None) in ("replace", "verify")
        if alone and dynamics.size >= self.fewest and steps > longest_run(dynamics.size):
            yield Problem(("kind",), f"variances of models fitted to {dynamics.size} data would fall below what single "
                          f"precision holds after {longest_run(dynamics.size)} generations, and run.steps is {steps}: "
                          "use more data or fewer steps")  # fmt: skip

    def build(self, key) -> GaussianLearner:
        """The learner."""
        del key
        taken = {"maximum_likelihood": 0, "unbiased": 1}[self.estimator]
        return GaussianLearner(jnp.asarray(float(self.mean)), jnp.asarray(float(self.variance)), taken)

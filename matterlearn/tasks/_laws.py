"""Samples of laws that are known: a normal law, normal clusters, and Curie and Weiss's magnet.

What a score learns from such data can be compared with what it should have learned. Samples are not standardised:
variances and centres are those that are asked for.
"""

from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.tasks._samples import Samples, divided

LARGEST = 100_000  # entries of a sample


class Drawn(Spec):
    """What samples of known laws share."""

    size: int = Field(ge=1, le=LARGEST, description="entries of a sample, d")
    count: int = Field(default=1000, ge=2, le=10**6, description="samples")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="fraction held out")
    seed: int = Field(default=0, ge=0, description="of the samples")

    @property
    def values(self) -> int:
        """Real numbers."""
        return 0

    def draw(self, rng: np.random.Generator) -> Float[np.ndarray, "sample entry"]:
        """All samples, in random order."""
        raise NotImplementedError

    def moments(self) -> tuple[float, float]:
        """Means over samples of (1/d) Σ x_i² and of ((1/d) Σ x_i)²."""
        raise NotImplementedError

    def score(self, process, end, shape) -> Any:
        """The perfect score."""
        raise NotImplementedError

    def build(self) -> Samples:
        """The samples, divided."""
        samples = self.draw(np.random.default_rng(self.seed))
        return Samples(*divided(samples, self.test_fraction, self.seed), (self.size,))


class Normal(Drawn):
    """Independent normal entries with mean 0, of one variance or of a spectrum."""

    source: Literal["normal"]
    variance: float | list[float] = Field(default=1.0, description="of every entry, or a list of one for each")

    def complaint(self) -> str | None:
        """Variances are positive and as many as entries."""
        values = self.variance if isinstance(self.variance, list) else [self.variance]
        if isinstance(self.variance, list) and len(values) != self.size:
            return f"{len(values)} variances are given for {self.size} entries"
        return "variances have to be positive" if min(values) <= 0 else None

    @property
    def width(self) -> float | None:
        """Standard deviation of an entry, if it is the same for all."""
        return None if isinstance(self.variance, list) else self.variance**0.5

    @property
    def symmetric(self) -> tuple[float, float] | None:
        """Root mean square of the centres ±m, here 0, and width of a law of one or two clusters."""
        return None if self.width is None else (0.0, self.width)

    def draw(self, rng):
        """Normal numbers."""
        return np.sqrt(np.asarray(self.variance, float)) * rng.normal(size=(self.count, self.size))

    def moments(self):
        """Mean of the variances, and a d-th of it."""
        mean = float(np.mean(self.variance))
        return mean, mean / self.size

    def score(self, process, end, shape):
        """A normal law's."""
        import jax.numpy as jnp

        from matterlearn.diffusion.bases import Sites
        from matterlearn.diffusion.scores import GaussianScore

        variance = np.broadcast_to(np.asarray(self.variance, float), self.size).reshape(shape)
        return GaussianScore(process, end, jnp.zeros(shape), jnp.asarray(variance, float), Sites())


class NormalClusters(Drawn):
    """Normal clusters of equal weight and width."""

    source: Literal["normal_clusters"]
    means: list[list[float]] = Field(
        default=[[1.0], [-1.0]], min_length=1, description="centres; a list of one number stands for all entries"
    )
    width: float = Field(default=1.0, ge=0, description="standard deviation of every entry within a cluster")

    def complaint(self) -> str | None:
        """Centres have one number for each entry, or one for all."""
        if any(len(mean) not in (1, self.size) for mean in self.means):
            return f"a centre needs {self.size} entries, or one for all"
        return None

    @property
    def centres(self) -> Float[np.ndarray, "cluster entry"]:
        """Where the clusters are."""
        return np.array([np.broadcast_to(mean, self.size) for mean in self.means], float)

    @property
    def symmetric(self) -> tuple[float, float] | None:
        """Root mean square of the centres, if they are ±m, and width."""
        if len(self.means) != 2 or any(a != -b for a, b in zip(*self.means, strict=True)):
            return None
        return float(np.sqrt((self.centres**2).mean())), self.width

    def draw(self, rng):
        """Centres in turn, and noise."""
        which = rng.permutation(np.arange(self.count) % len(self.means))
        return self.centres[which] + self.width * rng.normal(size=(self.count, self.size))

    def moments(self):
        """Centres and width together."""
        square = self.width**2
        return float((self.centres**2).mean() + square), float((self.centres.mean(1) ** 2).mean() + square / self.size)

    def score(self, process, end, shape):
        """A mixture's."""
        import jax.numpy as jnp

        from matterlearn.diffusion.scores import mixture_score

        means = jnp.asarray(self.centres.reshape(-1, *shape), float)
        return mixture_score(process, end, jnp.ones(len(means)), means, self.width**2)


class Magnet(Drawn):
    """Spins ±1 with P(a) ∝ exp[β (Σ a)²/2d], drawn exactly: first how many are up, then which."""

    source: Literal["curie_weiss"]
    beta: float = Field(ge=0, le=10, description="inverse temperature β, 1 at the transition")

    def complaint(self) -> str | None:
        """Nothing."""

    @property
    def centres(self) -> Float[np.ndarray, "cluster entry"]:
        """All up and all down: what is nearer has the sign of the magnetisation."""
        return np.ones((2, self.size)) * np.array([[1.0], [-1.0]])

    def draw(self, rng):
        """Magnets."""
        from matterlearn.theory import curie_weiss

        return curie_weiss.draw(rng, self.count, self.size, self.beta)

    def moments(self):
        """1, and the sum over all magnetisations of a finite magnet."""
        from matterlearn.theory import curie_weiss

        return 1.0, curie_weiss.magnetisation_squared(self.size, self.beta)

    def score(self, process, end, shape):
        """By an integral in one dimension."""
        from matterlearn.diffusion.scores import curie_weiss_score

        del shape
        return curie_weiss_score(process, self.beta, self.size, end)


Classes = Annotated[NormalClusters | Magnet, Field(discriminator="source")]
Laws = Annotated[Normal | NormalClusters | Magnet, Field(discriminator="source")]

"""Pairs of views: every sample of some data is seen twice, with independent noise.

    x = v + σ ξ,    x' = v + σ ξ',        what an embedding should keep is what both views have in common

Learning shows pairs that belong together, clamped. Whether the embedding z of all training samples has collapsed is
seen in two numbers, recorded while learning and at the end:

    spread = √(mean variance of a feature),        dimension = (Σ λ)²/Σ λ²,   λ eigenvalues of Cov(z)

0 and 1 after a collapse to a point or onto a line. In recall, every replica holds another pair of views.

| quantity | unit |
|---|---|
| v, σ | as the data |
| spread | that of z |

Source: noise as the simplest augmentation of [bardes2022vicreg]. Limits: the views differ by normal noise alone.

Example:
    >>> Config(kind="views", samples={"source": "points", "shape": "moons"}).noise
    0.1
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._data import Source, complaint


class Views(AbstractTask):
    """Two noisy views of each sample."""

    samples: Float[Array, "sample entry"]
    noise: Float[Array, ""]

    @property
    def memory_count(self) -> int:
        """One: all samples are shown together."""
        return 1

    def pairs(self, key, system, shown) -> tuple[Drive, Float[Array, "replica ..."]]:
        """Drives that hold a fresh pair of views of each of these samples, and the states they hold."""
        noise = jax.random.normal(key, (len(shown), 2, self.samples.shape[1]), self.samples.dtype)
        target, held = jax.vmap(system.show)(self.samples[shown][:, None] + self.noise * noise)
        return Drive(target=target, clamped=held, strength=replicated(Drive().strength, len(shown))), target

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """Pairs of views of random samples."""
        del memory
        draw, shake = jax.random.split(key)
        drive, x = self.pairs(shake, system, jax.random.randint(draw, (replicas,), 0, len(self.samples)))
        return Batch(drive, x, jnp.asarray(duration))

    def recall(self, key, system, replicas) -> Recall:
        """One pair of views per replica, held."""
        shown = jnp.arange(replicas) % len(self.samples)
        drive, x = self.pairs(key, system, shown)
        labels = {"cue": Label(np.asarray(shown), "1", "sample that the replica holds two views of")}
        return Recall(replicated(system, replicas), drive, x, labels)

    def evaluate(self, system, dynamics) -> dict[str, float]:
        """Spread and dimension of the embedding of all samples."""
        del dynamics
        spread, dimension = _extent(system, self.samples)
        return {"embedding_spread": float(spread), "embedding_dimension": float(dimension)}

    def references(self, system, dynamics) -> list[Summary]:
        """The same at the end."""
        words = {"embedding_spread": "standard deviation of a feature over the samples",
                 "embedding_dimension": "participation ratio of the features' covariance"}  # fmt: skip
        found = self.evaluate(system, dynamics)
        return [Summary(name, (), np.asarray(found[name]), "1", words[name]) for name in words]


@eqx.filter_jit
def _extent(system, samples) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Spread and dimension."""
    z, _ = jax.vmap(lambda v: system.embed(system.show(jnp.concatenate([v, v]))[0]))(samples)
    table = jnp.cov(z.T).reshape(z.shape[1], z.shape[1])
    return jnp.sqrt(jnp.trace(table) / len(table)), jnp.trace(table) ** 2 / jnp.sum(table**2)


class Config(Spec):
    """Views in a scenario."""

    kind: Literal["views"]
    provides: ClassVar[tuple[str, ...]] = ("embedding_spread", "embedding_dimension")
    samples: Source = Field(
        description="where samples come from", examples=[{"source": "points", "shape": "moons", "count": 20}]
    )
    noise: float = Field(default=0.1, ge=0, description="σ, standard deviation of a view around its sample")

    def check(self, scenario):
        """The system embeds views of this size."""
        system, wrong = scenario.system, complaint(self.samples)
        if wrong:
            yield Problem(("samples",), wrong)
        elif not getattr(system, "embeds", False):
            yield Problem(("kind",), f"{system.kind!r} embeds no views: use system joint_embedding")
        elif 2 * self.samples.size != system.pattern_size:
            yield Problem(("samples",), f"a sample has {self.samples.size} entries, but a view of {system.kind!r} "
                                     f"{system.pattern_size // 2}")  # fmt: skip

    def build(self, system) -> Views:
        """The task."""
        del system
        return Views(jnp.asarray(self.samples.build().train, float), jnp.asarray(float(self.noise)))

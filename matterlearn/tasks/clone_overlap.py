"""Clones: samples are noised to several times, and two reverse trajectories start from each noisy sample.

    φ(t) = P(both end in the same class)        1 as t → 0;  Σ_k P(k)² as t → ∞

A trajectory has decided for its class where φ has risen well above that floor. For two normal clusters half a distance
Δ apart and s wide, φ depends on u = α Δ/√(σ² + α² s²) alone (``theory.speciation``), and the speciation time
t_S = ½ ln Λ of the largest variance Λ ≈ Δ² has u ≈ 1, φ = 0.7752. Replicas are pairs of clones, ``replicas/(2 times)``
for each time; observable ``clone_overlap`` says how many agree. Learning shows clean samples, as task data does.

| quantity | unit |
|---|---|
| x, centres | as the data |
| t | that of the process |

Source: [biroli2024]. Limits: classes are the nearest of the source's centres; theory for two clusters only.

Example:
    >>> config = Config(kind="clone_overlap", data={"source": "normal_clusters", "size": 4}, times=[1.0, 2.0])
    >>> config.tells_classes
    True
"""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.field import FieldState
from matterlearn.core.observable import Summary
from matterlearn.core.task import Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._about_data import AboutData, clean
from matterlearn.tasks._laws import Classes
from matterlearn.tasks.data import Data
from matterlearn.theory import speciation


class CloneOverlap(AboutData):
    """Clean data, classes, and the times from which clones start."""

    data: Data
    centres: Float[Array, "cluster *site"]
    times: Float[Array, " time"]
    width: float | None = eqx.field(static=True)

    @property
    def states(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(f"cluster {k}" for k in range(len(self.centres)))

    def classify(self, system, state):
        """The nearest centre."""
        del system
        gaps = self.centres - state.x.field
        return jnp.argmin(jnp.sum(gaps**2, tuple(range(1, gaps.ndim))))

    def recall(self, key, system: Any, replicas) -> Recall:
        """Clones side by side; the process of each replica ends where it starts."""
        pairs = replicas // (2 * len(self.times))
        time, pair, _ = np.unravel_index(np.arange(replicas), (len(self.times), pairs, 2))
        a = self.data.train[pair].reshape(replicas, *self.centres.shape[1:])

        def noised(number, a, t):
            return system.score.process.perturb(jax.random.fold_in(key, number), a, t)

        starts = self.times[time]
        x = jax.jit(jax.vmap(noised))(jnp.asarray(time * pairs + pair), a, starts)
        systems = eqx.tree_at(lambda s: s.score.end, replicated(system, replicas), starts)
        labels = {"start_time": Label(np.asarray(self.times, float)[time], "1", "time t from which clones start")}
        return Recall(systems, replicated(Drive(), replicas), FieldState(x), labels)

    def coords(self):
        """Times from which clones start, and of the curve of the theory."""
        return {"noise_time": np.asarray(self.times, float), "curve_time": self._fine}

    @property
    def _fine(self):
        return np.linspace(float(self.times.min()), float(self.times.max()), 200)

    @property
    def _half(self) -> float:
        """Half the distance of the first two centres."""
        return float(jnp.linalg.norm(self.centres[0] - self.centres[1])) / 2

    def references(self, system: Any, dynamics) -> list[Summary]:
        """φ(t) of two clusters, and their speciation time."""
        del dynamics
        if self.width is None or len(self.centres) != 2:
            return []
        half, words = self._half, "probability that two clones end in the same class, theory"
        process = system.score.process

        def overlap(times):
            t = jnp.asarray(times, float)
            signal, noise = (np.asarray(jax.vmap(level)(t), float) for level in (process.signal, process.noise))
            return np.asarray(speciation.clone_overlap(half * signal / np.hypot(noise, self.width * signal)))

        return [
            Summary("clone_overlap_theory", ("noise_time",), overlap(self.times), "1", words),
            Summary("clone_overlap_curve", ("curve_time",), overlap(self._fine), "1", words),
            Summary("speciation_time_theory", (), np.asarray(np.log(half)), "1", "speciation time t_S = ½ ln Λ"),
        ]


class Config(Spec):
    """Clones in a scenario."""

    kind: Literal["clone_overlap"]
    tells_classes: ClassVar[bool] = True
    provides: ClassVar[tuple[str, ...]] = ("clone_overlap_deviation", "speciation_time_deviation")
    data: Classes = Field(
        description="where clean samples come from: normal_clusters or curie_weiss",
        examples=[{"source": "normal_clusters", "size": 4}],
    )
    times: list[float] = Field(min_length=1, max_length=100, description="from which clones start", examples=[[0.5, 2]])

    def check(self, scenario):
        """Classes, a process of one end for each time, and as many pairs as there are samples."""
        if min(self.times) <= 0:
            yield Problem(("times",), f"should be positive, so that there is noise; got {min(self.times):g}")
        if not getattr(scenario.dynamics, "reverses", False):
            yield Problem(("kind",), f"{scenario.dynamics.kind!r} leads nowhere from noise: use reverse_diffusion")
            return
        yield from clean(self.data).check(scenario)
        share = 2 * len(self.times)
        pairs, rest = divmod(scenario.run.replicas, share)
        if rest:
            yield Problem(("times",), f"{len(self.times)} times with pairs of clones need run.replicas to be a "
                          f"multiple of {share}, got {scenario.run.replicas}")  # fmt: skip
        kept = self.data.count - round(self.data.count * self.data.test_fraction)
        if pairs > kept:
            yield Problem(("data",), f"{pairs} pairs for each time need as many samples, but there are {kept}: use a "
                          "larger count, or fewer replicas")  # fmt: skip

    def build(self, system) -> CloneOverlap:
        """The task; samples have the system's shape."""
        centres = jnp.asarray(self.data.centres, float).reshape(-1, *system.shape)
        data = clean(self.data).build(system)
        return CloneOverlap(data, centres, jnp.asarray(self.times, float), getattr(self.data, "width", None))

"""A score model: data, the noise that destroys them, and the score that brings them back.

    noising     c_t = α(t) c_0 + σ(t) z                          (``process``)
    score       ∇ ln p_t(x) = (α ⟨a|x⟩ − x)/σ²                    (``score``: known, empirical, linear or fitted)
    energy      E(x) = −ln p(x) at the time ``start``            with ln Z = 0 at kT_ref

Where the law of the data is known, so is ln p. Otherwise it is that of the probability flow dx/dt = v(x, t),

    ln p(x) = ln π(x_end) + ∫ ∇·v dt        from start to end along the flow,

π being what the reverse process starts from; the divergence is exact, d forward derivatives at every evaluation. The
couplings are the weights of a fitted network; other scores have none. A score takes what it needs of the data (samples,
variances) from the task's training samples before anything is learned.

State: what reverse dynamics moves; at the beginning a draw of π.

| quantity | unit |
|---|---|
| x | as the data |
| t | that of the process |
| E | kT_ref |

Source: [songscore2021], [karras2022]. Limits: likelihoods of the flow cost hundreds of times d evaluations of the
network for every sample.

Example:
    >>> config = Config(kind="score_model", shape=[2], process={"kind": "ornstein_uhlenbeck"}, end=4.0,
    ...                 score={"kind": "gaussian", "variance": 1.0})
    >>> model = config.build(jax.random.key(0))
    >>> round(float(model.energy(FieldState(jnp.zeros(2)))), 3)  # ln 2π
    1.838
"""

import math
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractField, FieldState, normalised
from matterlearn.diffusion.likelihood import flow_log_density
from matterlearn.diffusion.scores import AbstractScore
from matterlearn.spec import Problem, Spec
from matterlearn.systems._process_specs import Process, time_complaint
from matterlearn.systems._score_specs import Score, kinds_with


class ScoreModel(AbstractField):
    """A score and the shape of its data."""

    score: AbstractScore
    begin: Float[Array, ""]
    shape: tuple[int, ...] = eqx.field(static=True)

    coupling_units: ClassVar = ("1", "weight of the network")

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ln p of the data at the time ``start``, kT_ref."""
        del neighbors
        known = self.score.log_density(x.field, self.begin)
        return -(flow_log_density(self.score, x.field, self.begin) if known is None else known)

    def bounded(self, x, neighbors=None):
        """Finite: the energy of a fitted score costs too much to look at it after every chunk."""
        del neighbors
        return jnp.all(jnp.isfinite(x.field))

    def log_partition(self, kT):
        """0 at kT_ref."""
        return normalised(kT)

    def init_state(self, key) -> FieldState:
        """A draw of what the reverse process starts from."""
        return FieldState(self.score.prior(key, self.shape))

    def learnable(self):
        """The weights of the network, if there is one."""
        none = jax.tree.map(lambda _: False, self)
        if not hasattr(self.score, "network"):
            return none
        every = jax.tree.map(eqx.is_inexact_array, self.score.network)  # pyright: ignore[reportAttributeAccessIssue]
        return eqx.tree_at(lambda s: s.score.network, none, every)

    def named_couplings(self):
        """Weights by their place in the network."""
        network = getattr(self.score, "network", None)
        found = jax.tree_util.tree_leaves_with_path(eqx.filter(network, eqx.is_inexact_array))
        named = {"_".join(_word(part) for part in path): leaf for path, leaf in found}
        return {name: (tuple(f"{name}_{i}" for i in range(leaf.ndim)), leaf) for name, leaf in named.items()}


def _word(part) -> str:
    return str(getattr(part, "name", getattr(part, "idx", part)))


class Config(Spec):
    """A score model in a scenario."""

    kind: Literal["score_model"]
    positions: ClassVar[bool] = False
    denoises: ClassVar[bool] = True
    pattern_values: ClassVar[int] = 0
    exact: ClassVar[bool] = True
    shape: list[int] = Field(min_length=1, max_length=3, description="of a sample", examples=[[2]])
    process: Process = Field(
        description="how data become noise",
        examples=[{"kind": "ornstein_uhlenbeck"}],
    )
    score: Score = Field(
        description="how noise becomes data",
        examples=[
            {"kind": "clusters", "means": [[1.0], [-1.0]]},
            {"kind": "fitted", "network": {"kind": "perceptron", "width": 3, "depth": 1}},
        ],
    )
    end: float = Field(gt=0, description="time at which reverse processes start", examples=[3.0])
    start: float = Field(
        default=1e-3, gt=0, description="time of the likelihood, and of the least noise that is learned"
    )

    @property
    def pattern_size(self) -> int:
        """Entries of a sample."""
        return math.prod(self.shape)

    @property
    def fitted(self) -> bool:
        """Whether there is a network to be learned."""
        return self.score.fits

    def check(self, scenario):
        """Score, process and times go together."""
        shape, where = tuple(self.shape), getattr(scenario.task, "data", None)
        for name, wrong in (("score", self.score.complaint(shape)), ("process", self.process.complaint(shape))):
            if wrong:
                yield Problem((name,), wrong)
        late = time_complaint(self.process, self.end)
        if late:
            yield Problem(("end",), late)
        if self.start >= self.end:
            yield Problem(("start",), f"should come before the end {self.end:g}")
        if self.score.needs_samples and where is None:
            yield Problem(("score",), f"a score that is {self.score.kind} needs samples: use task data")
        yield from self._check_pair()

    def _check_pair(self):
        """What the score needs of its process."""
        score, process = self.score, self.process
        if score.needs_uniform and not process.uniform:
            yield Problem(("score",), f"{score.kind} needs the same noise in all components: use a white process")
        if score.needs_signal and not process.keeps_signal:
            yield Problem(("process",), f"{score.kind} needs a process that keeps the signal: use noise_level")
        if score.needs_gaussian and not process.gaussian:
            others = kinds_with(Score, "needs_gaussian", False)
            yield Problem(("score",), f"{score.kind} scores belong to Gaussian noise: use {others}")

    def build(self, key) -> ScoreModel:
        """The model, before it has seen data."""
        return self._built(key, None)

    def inform(self, system, samples) -> Any:
        """The model with what its score and process take from samples; the network stays."""
        return self._built(None, samples.reshape(-1, *self.shape), getattr(system.score, "network", None))

    def _built(self, key, samples, network=None):
        shape = tuple(self.shape)
        process, end = self.process.build(shape, samples), jnp.asarray(float(self.end))
        score = self.score.build(process, end, shape, samples, jax.random.key(0) if key is None else key)
        if network is not None:
            score = eqx.tree_at(lambda s: s.network, score, network)
        return ScoreModel(score=score, begin=jnp.asarray(float(self.start)), shape=shape)

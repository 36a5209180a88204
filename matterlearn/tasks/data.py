"""Data to be modelled: samples on the visible part of the matter, which the free matter should fluctuate like.

    clamped phase: the visible part is held at samples of the data;        free phase, recall: nothing is held

How well it is modelled is the mean log-likelihood per sample, at the final temperature of the dynamics,

    ⟨ln P(v)⟩ = −⟨F(v)⟩/kT − ln Z,        F(v) = −kT ln Σ_h exp(−E(v, h)/kT),

with ln Z exact where the system can sum it, and by annealed importance sampling (``likelihood: {levels, chains}``)
where it cannot. Where the hidden part has no closed form, but an encoder guesses it, ``{guesses: K}`` gives the
importance-weighted bound (``matterlearn.core.latent``), on average below the likelihood. Beside it stand the likelihood
of independent entries with the data's own frequencies (or normal laws), which ignores all correlations, and the entropy
of the training set, which no model exceeds on discrete data.

Recall starts from disorder, or from training samples (``start: data``), each replica from another one; the entries
``given`` stay clamped at test samples (training samples if none are held out), so the matter completes the rest.

Source: [ackley1985]; annealing [salakhutdinov2008]; digits [alpaydin1998digits] through scikit-learn; bound
[burda2016]. Limits: hidden parts that can neither be summed out nor guessed have no likelihood.

Example:
    >>> config = Config(kind="data", data={"source": "bars_and_stripes", "side": 3})
    >>> len(config.data.build().train)
    14
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from pydantic import Field

from matterlearn.core.annealing import LATE, Levels, anneal
from matterlearn.core.cost import operations_per_step
from matterlearn.core.drive import Drive
from matterlearn.core.field import AXES
from matterlearn.core.latent import importance_weighted
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, alike, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._data import Source, complaint
from matterlearn.theory.independent_entries import gaussian_log_likelihood, log_likelihood

STARTS = ("disordered", "data")
MOST_EXAMPLES = 400


class Share(Spec):
    """Likelihoods that are dear: of the first samples of both sets, and only in the end."""

    samples: int = Field(default=200, ge=2, le=10**6, description="training and test samples that are looked at")


class Data(AbstractTask):
    """Samples on the visible part; see the module's docstring."""

    train: Float[Array, "sample entry"]
    test: Float[Array, "other entry"]
    given: Bool[Array, " entry"]
    shape: tuple[int, ...] = eqx.field(static=True)
    values: int = eqx.field(static=True)
    start: str = eqx.field(static=True)
    annealing: tuple[int, int] | None = eqx.field(static=True)
    exact: bool = eqx.field(static=True)
    guesses: int = eqx.field(static=True)
    share: int | None = eqx.field(static=True)

    @property
    def training_samples(self):
        """All of them."""
        return self.train

    @property
    def memory_count(self) -> int:
        """One: samples of all kinds are shown together."""
        return 1

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """A random batch of different samples; all of them, over and over, if there are no more than replicas.

        Samples, which come in random order, are cut into as many strata as there are replicas: one is drawn from each.
        """
        del memory
        draw, fill = jax.random.split(key)
        count, place = len(self.train), jnp.arange(replicas)
        drawn = (place + jax.random.uniform(draw, (replicas,))) * (count / replicas)
        chosen = jnp.minimum(drawn.astype(int), count - 1) if replicas < count else place % count
        target, held = jax.vmap(system.show)(self.train[chosen])
        drive = Drive(target=target, clamped=held, strength=replicated(Drive().strength, replicas))
        x = jax.vmap(system.init_state)(jax.random.split(fill, replicas))
        return Batch(drive, jax.vmap(Drive.project)(drive, x), jnp.asarray(duration))

    def recall(self, key, system, replicas) -> Recall:
        """Free matter, or matter of which the given entries are clamped to samples."""
        asked = self.test if len(self.test) else self.train
        shown = jnp.arange(replicas) % len(asked)
        target, held = jax.vmap(system.show)(asked[shown])
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(replicas))
        x = jax.vmap(system.init_state)(keys)
        if self.start == "data":
            begin, _ = jax.vmap(system.show)(self.train[jnp.arange(replicas) % len(self.train)])
            x = jax.tree.map(jnp.where, held, begin, x)
        held = jax.tree.map(jnp.logical_and, held, system.show(self.given)[0])
        partly = bool(jnp.any(self.given))
        drive = Drive(target=target, clamped=held if partly else None, strength=replicated(Drive().strength, replicas))
        cue = np.asarray(shown) if partly else np.full(replicas, -1)
        labels = {"cue": Label(cue, "1", "sample whose given entries are clamped, −1 if none are")}
        return Recall(alike(system, replicas), drive, jax.vmap(Drive.project)(drive, x), labels)

    def evaluate(self, system, dynamics) -> dict[str, float]:
        """Mean log-likelihood of the training samples, where ln Z is exact."""
        if not self.exact:
            return {}
        return {"log_likelihood": float(np.asarray(_exact(system, dynamics, self.train)))}

    def references(self, system, dynamics) -> list[Summary]:
        """Log-likelihoods of training and test samples, of independent entries, and the bound by the data's entropy."""
        found = [self._alone(), *self._bound(), _price(system, dynamics)]
        if not self.exact and self.annealing is None and not self.guesses and not self.share:
            return found
        log_partition, error, known = self._partition(system, dynamics)
        for name, samples in (("train", self.train), ("test", self.test)):
            if len(samples):
                each = np.asarray(self._logs(system, dynamics, samples[: self.share])) - log_partition
                # The training set is what is asked for; test samples stand for others of their kind.
                some = name == "test" or len(each) < len(samples)
                scatter = each.std() / np.sqrt(len(each)) if some else 0.0
                words = f"mean log-likelihood of {name} samples"
                sem = np.asarray(np.hypot(scatter, error))
                found += [
                    Summary(f"log_likelihood_{name}", (), np.asarray(each.mean()), "nat", words),
                    Summary(f"log_likelihood_{name}_sem", (), sem, "nat", f"standard error of the {words}"),
                ]
        return found + known

    def _logs(self, system, dynamics, samples) -> Float[Array, " sample"]:
        """−F(v)/kT of every sample, or its bound."""
        if self.guesses:
            return importance_weighted(jax.random.key(0), system, samples, self.guesses)
        return _logs(system, dynamics, samples)

    def _partition(self, system, dynamics) -> tuple[float, float, list[Summary]]:
        """ln Z, its standard error, and what to say of them."""
        known = []
        if self.annealing is None:
            value, error = np.asarray(system.log_partition(_end(dynamics))), 0.0
        else:
            levels, chains = self.annealing
            annealed = eqx.filter_jit(anneal)(jax.random.key(0), system, dynamics, levels=levels, chains=chains)
            value, error = np.asarray(annealed.log_partition), float(annealed.sem)
            words = "annealed chains that the estimate of ln Z is worth"
            known.append(Summary("effective_chains", (), np.asarray(annealed.effective_samples), "1", words))
        return float(value), error, [*known, Summary("log_partition", (), value, "nat", "ln Z")]

    def groups(self, system) -> dict[str, list[Summary]]:
        """Examples, and principal axes of the training samples: modes that learning may find one by one."""
        del system
        train = np.asarray(self.train, float)
        axes = AXES[len(self.shape)]
        examples = train[:MOST_EXAMPLES].reshape(-1, *self.shape)
        found = [Summary("examples", ("example", *axes), examples, "1", "training sample")]
        if self.values <= 2:
            variances, modes = np.linalg.eigh(np.atleast_2d(np.cov(train.T, bias=True)))
            words = "principal axis of the training samples"
            found += [
                Summary("principal_variance", ("mode",), variances[::-1], "1", "variance along a principal axis"),
                Summary("principal_axis", ("mode", "entry"), modes.T[::-1], "1", words),
            ]
        return {"memories": found}

    def _alone(self) -> Summary:
        asked = np.asarray(self.test if len(self.test) else self.train)
        law = log_likelihood if self.values else gaussian_log_likelihood
        settings = {"values": self.values} if self.values else {}
        value = law(np.asarray(self.train), asked, **settings).mean()
        return Summary("log_likelihood_independent", (), np.asarray(value), "nat",
                       "mean log-likelihood of a model of independent entries")  # fmt: skip

    def _bound(self) -> list[Summary]:
        if not self.values:
            return []
        _, counts = np.unique(np.asarray(self.train), axis=0, return_counts=True)
        share = counts / counts.sum()
        words = "largest mean log-likelihood that training samples can have: minus their entropy"
        return [Summary("log_likelihood_bound", (), np.asarray(np.sum(share * np.log(share))), "nat", words)]


def _price(system, dynamics) -> Summary:
    words = "floating-point operations of one step of one replica"
    return Summary("operations_per_step", (), np.asarray(operations_per_step(system, dynamics)), "1", words)


def _end(dynamics) -> Float[Array, ""]:
    """Temperature with which the dynamics ends."""
    return dynamics.temperature(jnp.asarray(LATE))


@eqx.filter_jit
def _logs(system, dynamics, samples) -> Float[Array, " sample"]:
    """−F(v)/kT of every sample."""
    kT = _end(dynamics)
    one = lambda v: -system.marginal_energy(system.show(v)[0], kT) / kT  # noqa: E731
    return jax.lax.map(one, samples, batch_size=256)


@eqx.filter_jit
def _exact(system, dynamics, samples) -> Any:
    return jnp.mean(_logs(system, dynamics, samples)) - system.log_partition(_end(dynamics))


class Guesses(Spec):
    """Settings of the importance-weighted bound."""

    guesses: int = Field(ge=1, le=100_000, description="K, guesses of the hidden part for every sample")


class Config(Spec):
    """Data in a scenario."""

    kind: Literal["data"]
    data: Source = Field(description="where samples come from", examples=[{"source": "bars_and_stripes", "side": 2}])
    likelihood: Literal["exact", "none"] | Levels | Guesses | Share = Field(
        default="exact",
        description="ln Z: exact, annealed with {levels, chains}, bounded with {guesses}, exact of so many {samples} "
        "and in the end only, or none",
    )
    given: list[int] = Field(default=[], description="entries that recall clamps to samples, to complete the others")
    start: Literal[STARTS] = Field(default="disordered", description="where recall starts: disorder, or samples")

    @property
    def provides(self) -> tuple[str, ...]:
        """What is recorded of the likelihood."""
        names = ["operations_per_step", "log_likelihood_independent"]
        names += ["log_likelihood_bound"] * bool(self.data.values)
        if self.likelihood != "none":
            names += ["log_likelihood_train", "log_partition"]
            names += ["log_likelihood_test"] * bool(getattr(self.data, "test_fraction", 0))
            names += ["log_likelihood"] * (self.likelihood == "exact")
            names += ["effective_chains"] * isinstance(self.likelihood, Levels)
        return tuple(names)

    def check(self, scenario):
        """The matter has a visible part of this size and these values, and its ln Z can be had."""
        system, wrong = scenario.system, complaint(self.data)
        if wrong:
            yield Problem(("data",), wrong)
        elif not hasattr(system, "pattern_size"):
            yield Problem(("kind",), f"{system.kind!r} has no visible part that data could be shown on: use a "
                          "Boltzmann machine, or another system with a pattern_size")  # fmt: skip
        elif self.data.size != system.pattern_size:
            yield Problem(("data",), f"a sample has {self.data.size} entries, but {system.kind!r} shows "
                                     f"{system.pattern_size}")  # fmt: skip
        elif self.data.values != system.pattern_values:
            words = {0: "real numbers"}
            have, want = (words.get(v, f"{v} values") for v in (self.data.values, system.pattern_values))
            yield Problem(("data",), f"entries of a sample take {have}, but those of {system.kind!r} {want}")
        elif any(not 0 <= entry < self.data.size for entry in self.given):
            yield Problem(("given",), f"entries are numbered 0 … {self.data.size - 1}")
        yield from self._check_likelihood(scenario)

    def _check_likelihood(self, scenario):
        system = scenario.system
        known = self.likelihood == "exact" or isinstance(self.likelihood, Share)
        if known and not getattr(system, "exact", False):
            yield Problem(("likelihood",), f"{system.kind!r} cannot sum its partition function, or it has too many "
                          "terms; use {levels: 1000, chains: 200}, or none")  # fmt: skip
        if isinstance(self.likelihood, Levels) and not getattr(scenario.dynamics, "draws", False):
            yield Problem(("likelihood",), "annealing needs dynamics heat_bath; use it, or likelihood: none")
        if isinstance(self.likelihood, Guesses):
            if not getattr(system, "infers", False):
                yield Problem(("likelihood",), f"{system.kind!r} guesses no hidden part; use exact, or none")
        elif self.likelihood != "none" and getattr(system, "sampled_hidden", False):
            use = "{guesses: 500}" if getattr(system, "infers", False) else "none"
            yield Problem(("likelihood",), f"{system.kind!r} has a hidden part that cannot be summed out; use {use}")

    def build(self, system) -> Data:
        """The task."""
        del system
        samples = self.data.build()
        given = np.zeros(self.data.size, bool)
        given[self.given] = True
        annealing = self.likelihood if isinstance(self.likelihood, Levels) else None
        return Data(
            jnp.asarray(samples.train, float), jnp.asarray(samples.test, float), jnp.asarray(given), samples.shape,
            self.data.values, self.start, annealing and (annealing.levels, annealing.chains),
            self.likelihood == "exact", self.likelihood.guesses if isinstance(self.likelihood, Guesses) else 0,
            self.likelihood.samples if isinstance(self.likelihood, Share) else None,
        )  # fmt: skip

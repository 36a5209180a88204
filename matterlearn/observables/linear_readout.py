"""How well a linear map recovers from the state what the matter was given: a label of the replicas, or its cue.

    x̄ = average of the free degrees of freedom over the second half of the run (discrete ones as indicators 1[s = v])
    ŷ = argmax_a (W x̄ + b)_a  for classes,        ŷ = w·x̄ + b  for numbers

fitted to some of the replicas and asked about the others (k-fold cross-validation): logistic regression for labels
that are whole numbers, ridge regression for others. ``linear_readout`` is the fraction of correct classes, or the
coefficient of determination R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)²; ``linear_readout_chance`` is what the commonest class gives,
or 0. Clamped degrees of freedom are left out: they were written, not computed.

Source: [pedregosa2011scikit] for the regressions. Limits: R² ≤ 1 but may be negative, a map can be worse than the mean;
replicas that share their input make the readout look better at inputs it has not seen; classes of fewer replicas than
folds are left out; positions are read as they are, without removing translations or rotations.

Example:
    >>> config = Config(kind="linear_readout", every=50)
    >>> config.label, config.folds
    ('cue', 5)
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary
from matterlearn.spec import Problem, Spec

STIFFNESSES = tuple(10.0**k for k in range(-3, 4))


class LinearReadout(Observable):
    """Free degrees of freedom, flat; all the rest is done with the whole record."""

    label: str = eqx.field(static=True)
    folds: int = eqx.field(static=True)
    discrete: bool = eqx.field(static=True)

    def __call__(self, system, drive, state):
        del system
        x = state.x
        if drive.clamped is not None:
            x = jax.tree.map(lambda held, leaf: jnp.where(held, jnp.zeros_like(leaf), leaf), drive.clamped, x)
        leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(x)]
        return jnp.concatenate(leaves) if self.discrete else jnp.concatenate([leaf.astype(float) for leaf in leaves])

    def summary(self, values, labels) -> list[Summary]:
        """Cross-validated score, its standard error over replicas, and the score without any knowledge of the state."""
        target = np.asarray(labels.get(self.label, np.full(len(values), np.nan)))
        features = averages(values[:, values.shape[1] // 2 :], self.discrete)
        use = target >= 0 if self.label == "cue" else np.isfinite(target)
        score = classes if target.dtype.kind in "iub" else numbers
        names = ("linear_readout", "linear_readout_sem", "linear_readout_chance")
        words = f"linear readout of {self.label} from the state, cross-validated"
        found = score(features[use], target[use], self.folds)
        return [Summary(name, (), np.asarray(v), "1", words) for name, v in zip(names, found, strict=True)]


def averages(values: np.ndarray, discrete: bool) -> Float[np.ndarray, "replica feature"]:
    """Time averages of the coordinates, or of the indicator of every value; what never varies is dropped.

    >>> averages(np.array([[[1, 2], [1, 3]], [[1, 3], [1, 3]]]), discrete=True)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    parts = [values == v for v in np.unique(values)] if discrete else [values]
    mean = np.concatenate([part.mean(1) for part in parts], -1)
    return mean[:, np.ptp(mean, 0) > 0]


def classes(features: np.ndarray, target: np.ndarray, folds: int) -> tuple[float, float, float]:
    """Fraction of correct classes, its standard error, and that of always saying the commonest class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    names, count = np.unique(target, return_counts=True)
    kept = np.isin(target, names[count >= folds])
    features, target = features[kept], target[kept]
    if len(np.unique(target)) < 2 or not features.shape[1]:
        return np.nan, np.nan, np.nan
    cv = StratifiedKFold(folds, shuffle=True, random_state=0)
    guess = cross_val_predict(_scaled(LogisticRegression(max_iter=5000)), features, target, cv=cv)
    right = np.asarray(guess) == target
    return right.mean(), right.std(ddof=1) / np.sqrt(len(right)), count.max() / kept.sum()


def numbers(features: np.ndarray, target: np.ndarray, folds: int) -> tuple[float, float, float]:
    """R², its standard error, and 0."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict

    if len(target) < 2 * folds or not features.shape[1] or np.ptp(target) == 0:
        return np.nan, np.nan, np.nan
    cv = KFold(folds, shuffle=True, random_state=0)
    guess = cross_val_predict(_scaled(RidgeCV(STIFFNESSES)), features, target, cv=cv)
    lost = (target - guess) ** 2 / target.var()
    return 1 - lost.mean(), lost.std(ddof=1) / np.sqrt(len(lost)), 0.0


def _scaled(model):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


class Config(Spec):
    """Linear readout in a scenario."""

    kind: Literal["linear_readout"]
    provides: ClassVar[tuple[str, ...]] = ("linear_readout",)
    label: str = Field(default="cue", description="what is read: the cue, or another coordinate of the replicas")
    folds: int = Field(default=5, ge=2, description="parts that the replicas are divided into")
    every: int = Field(default=100, ge=1, description="steps between states that are averaged")

    def check(self, scenario):
        """There is something to read, and there are replicas enough to learn it from."""
        if scenario.task is None:
            yield Problem(("kind",), "reads what the matter was given, but no task gives it anything; add one")
        if scenario.run.replicas < 2 * self.folds:
            yield Problem(("folds",), f"{scenario.run.replicas} replicas are too few for {self.folds} folds of two")

    def build(self, system, task) -> LinearReadout:
        """The observable."""
        del task
        kinds = {leaf.dtype.kind for leaf in jax.tree.leaves(system.state_shape())}
        words = "free degrees of freedom"
        return LinearReadout("state", ("feature",), "1", words, self.every, self.label, self.folds, kinds <= set("iub"))

"""The visible part of the matter: samples of a model of data, and how far their moments are from those of the data.

    m_i = ⟨v_i⟩,    C_ij = ⟨v_i v_j⟩ − ⟨v_i⟩⟨v_j⟩,    error = root mean square of model − data, over entries or pairs

Averages are over replicas and the second half of the records. ``mean_noise`` and ``correlation_noise`` are what such
errors are for a perfect model, from the scatter of independent replicas: smaller errors cannot be told from none.

Limits: moments of the training samples; correlations between entries of one sample only.

Example:
    >>> Config(kind="visible_patterns").every
    100
"""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.core.observable import Observable, Summary, averaged
from matterlearn.spec import Problem, Spec


class VisiblePatterns(Observable):
    """v, one number per entry."""

    train: Float[np.ndarray, "sample entry"]

    def __call__(self, system, drive, state):
        del drive
        return jnp.ravel(system.read(state.x)).astype(float)

    def summary(self, values, labels) -> list[Summary]:
        """Means and correlations beside those of the data, and how far they are apart."""
        del labels
        late = np.asarray(values, float)[:, values.shape[1] // 2 :]
        data = np.asarray(self.train, float)
        products = np.einsum("rti,rtj->rij", late, late) / late.shape[1]  # [replica, entry, entry]
        found = [
            *averaged("visible_mean", ("entry",), late.mean(1), "1", "mean of an entry"),
            Summary("visible_mean_target", ("entry",), data.mean(0), "1", "mean of an entry in the data"),
        ]
        first, second = np.triu_indices(data.shape[1], 1)
        covariance, wanted = _covariances(products, late.mean(1)), np.atleast_2d(np.cov(data.T, bias=True))
        for name, each, target in (
            ("mean", late.mean(1), data.mean(0)),
            ("correlation", covariance[:, first, second], wanted[first, second]),
        ):
            if not each.shape[1]:  # a single entry has no pairs
                continue
            gap = each.mean(0) - target
            noise = each.std(0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.full(gap.shape, np.nan)
            words = f"{'means of entries' if name == 'mean' else 'correlations of pairs'}, model − data"
            found += [
                Summary(f"{name}_error", (), np.sqrt(np.mean(gap**2)), "1", f"root mean square of {words}"),
                Summary(f"{name}_noise", (), np.sqrt(np.mean(noise**2)), "1", f"the same, of sampling alone: {words}"),
            ]
        return found


def _covariances(products, means):
    """Contribution of each replica to the covariance of all: its mean over replicas is that covariance."""
    middle = means.mean(0)
    shift = np.einsum("ri,j->rij", means, middle)
    return products - shift - shift.transpose(0, 2, 1) + np.outer(middle, middle)


class Config(Spec):
    """Visible patterns in a scenario."""

    kind: Literal["visible_patterns"]
    provides: ClassVar[tuple[str, ...]] = (
        "visible_patterns", "visible_mean", "mean_error", "mean_noise", "correlation_error", "correlation_noise",
    )  # fmt: skip
    every: int = Field(default=100, ge=1, description="steps between records")

    def check(self, scenario):
        """There are data to compare with."""
        if getattr(scenario.task, "data", None) is None:
            yield Problem(("kind",), "compares samples with data: use task data")

    def build(self, system, task) -> VisiblePatterns:
        """The observable."""
        del system
        words, train = "entry of the visible pattern", np.asarray(task.training_samples)
        return VisiblePatterns("visible_patterns", ("entry",), "1", words, self.every, train)

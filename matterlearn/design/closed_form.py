"""Gradients of quantities that are functions of the couplings alone: partition functions, mean-field theory.

    dL/dθ by the chain rule; no motion, no samples, no error

The observable is evaluated at one starting state, which it does not look at.

Source: automatic differentiation. Limits: meant for observables that depend on no state; others are evaluated where
the task starts.

Example:
    >>> Config(kind="closed_form").build().exact
    True
"""

from typing import ClassVar, Literal

import jax

from matterlearn.design._estimator import AbstractEstimator, Setup, Values
from matterlearn.spec import Spec


class ClosedForm(AbstractEstimator):
    """The observable at the starting state."""

    exact: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    def values(self, key, thetas, setup: Setup, memory) -> Values:
        """One evaluation per replica."""
        del memory
        systems, states = setup.starts(key, thetas)
        return Values(jax.vmap(setup.objective.measure)(systems, setup.drive, states), states.neighbors)


class Config(Spec):
    """Closed forms in a scenario."""

    kind: Literal["closed_form"]

    def build(self) -> ClosedForm:
        """The estimator."""
        return ClosedForm()

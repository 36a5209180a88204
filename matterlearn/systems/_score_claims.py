"""What the scores of a scenario say of themselves, so that nobody else has to know them by name."""

from typing import ClassVar

from matterlearn.spec import Spec


class ScoreSpec(Spec):
    """A score, with what it needs of process and data."""

    fits: ClassVar[bool] = False  # has a network that learns
    weighs_samples: ClassVar[bool] = False  # says how responsible every training sample is
    needs_samples: ClassVar[bool] = False
    needs_gaussian: ClassVar[bool] = True  # kernels of Gaussian noise
    needs_uniform: ClassVar[bool] = False  # the same noise in all components
    needs_signal: ClassVar[bool] = False  # data that do not fade

    def complaint(self, shape: tuple[int, ...]) -> str | None:
        """What is wrong with this score for data of this shape. Default: nothing."""
        del shape

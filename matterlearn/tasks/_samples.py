"""What sources of data share: samples and their division, standardisation, squares of pixels. Read without jax."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.spec import Spec


class Samples(NamedTuple):
    """Samples to learn from and to be tested with, and the shape of one of them."""

    train: Float[np.ndarray, "sample entry"]
    test: Float[np.ndarray, "other entry"]
    shape: tuple[int, ...]


class SquareImages(Spec):
    """Random square images of real numbers, some of them held out."""

    side: int = Field(ge=2, le=256, description="rows and columns")
    count: int = Field(default=2000, ge=2, le=10**6, description="images")
    test_fraction: float = Field(default=0.2, ge=0, lt=1, description="fraction held out")
    seed: int = Field(default=0, ge=0, description="of the images")

    @property
    def size(self) -> int:
        """Pixels."""
        return self.side**2

    @property
    def values(self) -> int:
        """Real numbers."""
        return 0

    def divided(self, images: Float[np.ndarray, "image pixel"]):
        """Training and test images."""
        return divided(images, self.test_fraction, self.seed)


def standardised(train, test):
    """Both with the training set's mean taken away and divided by its standard deviation; what never varies is 0.

    >>> standardised(np.array([[1.0], [3.0]]), np.array([[2.0]]))[1].tolist()
    [[0.0]]
    """
    mean, width = train.mean(0), train.std(0)
    width[width == 0] = 1.0
    return (train - mean) / width, (test - mean) / width


def divided(samples, fraction: float, seed: int):
    """Training and test samples, drawn without replacement.

    >>> [len(part) for part in divided(np.zeros((10, 2)), 0.3, 0)]
    [7, 3]
    """
    order = np.random.default_rng(seed).permutation(len(samples))
    held = min(round(fraction * len(samples)), len(samples) - 1)  # one at least is learned from
    return samples[order[held:]], samples[order[:held]]

"""Images with labels, in grey levels: handwritten digits, and random patterns with flipped pixels."""

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from matterlearn.spec import Spec

Fraction = Annotated[float, Field(ge=0, le=0.5)]


class Images(NamedTuple):
    """Grey levels and labels from 0, to learn and to be tested with; ``corruption`` only where pixels are flipped."""

    train: Int[np.ndarray, "image row column"]
    train_label: Int[np.ndarray, " image"]
    test: Int[np.ndarray, "other row column"]
    test_label: Int[np.ndarray, " other"]
    corruption: Float[np.ndarray, " other"] | None = None


class Digits(Spec):
    """Handwritten digits, 8 x 8; labels are the species 1 … 10."""

    source: Literal["digits"]
    levels: int = Field(default=4, ge=2, le=17, description="grey levels")
    test_fraction: float = Field(default=1 / 3, gt=0, lt=1, description="fraction held out for recall")
    split: int = Field(default=0, ge=0, description="seed of the division into training and test images")

    @property
    def classes(self) -> int:
        return 10

    def build(self, shape) -> Images:
        """The images, divided so that every class is in both parts in proportion."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        del shape
        pixels, label = map(np.asarray, load_digits(return_X_y=True))
        grey = np.minimum((pixels.reshape(-1, 8, 8) * self.levels / 17).astype(int), self.levels - 1)
        parts = train_test_split(
            np.arange(len(label)), test_size=self.test_fraction, random_state=self.split, stratify=label
        )
        train, test = map(np.asarray, parts)
        return Images(grey[train], label[train], grey[test], label[test])

    def complaint(self, shape) -> str | None:
        """What is wrong with a surface of this shape."""
        return None if tuple(shape) == (8, 8) else "digits have 8 x 8 pixels"


class Patterns(Spec):
    """Random black-and-white patterns, learned as they are and shown with a fraction of their pixels flipped."""

    source: Literal["patterns"]
    count: int = Field(ge=1, description="stored patterns")
    corruption: Fraction | Annotated[list[Fraction], Field(min_length=1)] = Field(
        default=0.2, description="probability that a pixel is flipped in recall; all of a list are tried"
    )
    seed: int = Field(default=0, ge=0, description="seed of the patterns and their copies")
    copies: int = Field(default=64, ge=1, description="flipped copies of each pattern and corruption")

    levels: ClassVar[int] = 2

    @property
    def classes(self) -> int:
        return self.count

    @property
    def corruptions(self) -> list[float]:
        return self.corruption if isinstance(self.corruption, list) else [self.corruption]

    def build(self, shape) -> Images:
        """The patterns to learn; their copies to recall: corruptions change fastest, then patterns."""
        rng = np.random.default_rng(self.seed)
        patterns = rng.integers(0, 2, (self.count, *shape))
        copy = np.indices((self.copies, self.count, len(self.corruptions))).reshape(3, -1)
        label, corruption = copy[1], np.asarray(self.corruptions)[copy[2]]
        flipped = rng.random((len(label), *shape)) < corruption[:, None, None]
        return Images(patterns, np.arange(self.count), patterns[label] ^ flipped, label, corruption)

    def complaint(self, shape) -> str | None:
        """Any surface will do."""
        del shape


def kinds(
    images: Int[np.ndarray, "image row column"], label: Int[np.ndarray, " image"], count: int
) -> Int[np.ndarray, " image"]:
    """Which of ``count`` kinds of its class each image is, by k-means of the grey levels; fewer if images are few.

    >>> found = kinds(np.array([[[0, 3]], [[3, 0]], [[3, 0]], [[0, 3]]]), np.zeros(4, int), 2)
    >>> (found == found[0]).tolist()
    [True, False, False, True]
    """
    from sklearn.cluster import KMeans

    found = np.zeros(len(label), int)
    if count > 1:
        for one in np.unique(label):
            mine = images[label == one].reshape(np.sum(label == one), -1)
            means = KMeans(min(count, len(mine)), n_init=4, random_state=0)  # pyright: ignore[reportArgumentType]
            found[label == one] = means.fit_predict(mine)
    return found

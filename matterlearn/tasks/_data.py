"""Data sets to learn from: digits, patches of photographs, smooth images, bars and stripes, points, rows of a
scenario or of a file.

Every source says how many entries a sample has and which values they take (0 for real numbers), draws the same samples
every time, and gives them a shape to be drawn in.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.tasks._fields import FreeField, LatticeField
from matterlearn.tasks._files import NumbersInAFile
from matterlearn.tasks._laws import Magnet, Normal, NormalClusters
from matterlearn.tasks._samples import Samples, SquareImages, divided, standardised
from matterlearn.tasks._smooth import Smooth


class Digits(Spec):
    """Handwritten digits of 8 x 8 pixels: on or off, grey from 0 to 1, or grey with zero mean and unit variance."""

    source: Literal["digits"]
    levels: Literal["binary", "grey", "standardised"] = Field(
        default="binary", description="binary: on where grey exceeds the threshold; grey from 0 to 1; or standardised"
    )
    threshold: float = Field(default=0.5, gt=0, lt=1, description="grey level, between 0 and 1, above which one is on")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="fraction held out")
    split: int = Field(default=0, ge=0, description="seed of the division into training and test samples")

    @property
    def size(self) -> int:
        """Pixels."""
        return 64

    @property
    def values(self) -> int:
        """Values of a pixel."""
        return 2 if self.levels == "binary" else 0

    def build(self) -> Samples:
        """The digits, divided."""
        from sklearn.datasets import load_digits

        grey = np.asarray(load_digits(return_X_y=True)[0]) / 16
        pixels = (grey > self.threshold).astype(float) if self.levels == "binary" else grey
        train, test = divided(pixels, self.test_fraction, self.split)
        if self.levels == "standardised":
            train, test = standardised(train, test)
        return Samples(train, test, (8, 8))


class Patches(SquareImages):
    """Square patches of two photographs in grey, each less its mean and divided by its contrast.

    Places are drawn at random; patches with less contrast than the median are left out, since most of a photograph is
    smooth. Pixels then have zero mean and unit variance over the training set.
    """

    source: Literal["patches"]
    side: int = Field(default=8, ge=2, le=32, description="rows and columns of a patch")
    count: int = Field(default=10_000, ge=2, le=10**6, description="patches")

    def build(self) -> Samples:
        """The patches."""
        from sklearn.datasets import load_sample_images

        rng = np.random.default_rng(self.seed)
        photographs = [np.asarray(image, float).mean(-1) / 255 for image in load_sample_images().images]
        patches = np.concatenate([self._cut(rng, image) for image in photographs])
        patches -= patches.mean(1, keepdims=True)
        contrast = patches.std(1)
        clear = contrast >= np.sort(contrast)[-self.count]
        patches = patches[clear] / contrast[clear, None]
        return Samples(*standardised(*self.divided(patches)), (self.side, self.side))

    def _cut(self, rng, image):
        top, left = (rng.integers(0, length - self.side + 1, self.count) for length in image.shape)
        windows = np.lib.stride_tricks.sliding_window_view(image, (self.side, self.side))
        return windows[top, left].reshape(self.count, -1)


class BarsAndStripes(Spec):
    """All images of a square whose rows, or whose columns, are uniform: 2^(side+1) − 2 different ones."""

    source: Literal["bars_and_stripes"]
    side: int = Field(ge=2, le=12, description="rows and columns")

    @property
    def size(self) -> int:
        """Pixels."""
        return self.side**2

    @property
    def values(self) -> int:
        """On or off."""
        return 2

    def build(self) -> Samples:
        """Every image once."""
        lines = np.indices((2,) * self.side).reshape(self.side, -1).T
        bars = np.repeat(lines[:, :, None], self.side, axis=2)
        images = np.unique(np.concatenate([bars, bars.transpose(0, 2, 1)]), axis=0).reshape(-1, self.size)
        return Samples(images.astype(float), images[:0].astype(float), (self.side, self.side))


class Points(Spec):
    """Points in the plane: a ring, two half-moons, or normal clusters on a circle."""

    source: Literal["points"]
    shape: Literal["ring", "moons", "clusters"] = Field(description="where the points are")
    count: int = Field(default=2000, ge=2, le=10**6, description="points")
    noise: float = Field(default=0.1, ge=0, description="standard deviation around the shape, σ")
    clusters: int = Field(default=8, ge=1, le=100, description="number of clusters")
    radius: float = Field(default=2.0, gt=0, description="of the ring, or of the circle of clusters, σ")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="fraction held out")
    seed: int = Field(default=0, ge=0, description="of the points")

    @property
    def size(self) -> int:
        """Coordinates."""
        return 2

    @property
    def values(self) -> int:
        """Real numbers."""
        return 0

    def build(self) -> Samples:
        """The points."""
        rng = np.random.default_rng(self.seed)
        draw = {"ring": self._ring, "moons": self._moons, "clusters": self._clusters}[self.shape]
        points = draw(rng) + self.noise * rng.normal(size=(self.count, 2))
        return Samples(*divided(points, self.test_fraction, self.seed), (2,))

    def _circle(self, angle):
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], -1)

    def _ring(self, rng):
        return self._circle(rng.uniform(0, 2 * np.pi, self.count))

    def _clusters(self, rng):
        return self._circle(2 * np.pi * rng.integers(0, self.clusters, self.count) / self.clusters)

    def _moons(self, rng):
        from sklearn.datasets import make_moons

        points = np.asarray(make_moons(self.count, random_state=int(rng.integers(2**31)))[0])
        return self.radius * (points - np.array([0.5, 0.25]))


class Rows(Spec):
    """Samples as listed; a row that stands there twice counts twice."""

    source: Literal["rows"]
    rows: list[list[float]] = Field(min_length=1, description="samples")
    values: int = Field(default=2, ge=0, le=100, description="how many values an entry takes; 0: real numbers")

    @property
    def size(self) -> int:
        """Entries of the first row."""
        return len(self.rows[0])

    def build(self) -> Samples:
        """The rows."""
        rows = np.array(self.rows, float)
        return Samples(rows, rows[:0], (rows.shape[1],))


class File(NumbersInAFile):
    """Samples of one's own; further axes of an array, such as rows and columns of pixels, are what is drawn."""

    source: Literal["file"]
    values: int = Field(default=0, ge=0, le=100, description="how many values an entry takes; 0: real numbers")

    @property
    def size(self) -> int:
        """Entries of a sample."""
        return int(np.prod(self.numbers.shape[1:]))

    def complaint(self) -> str | None:
        """Entries are what they are said to be."""
        return _off_the_levels(self.numbers, self.values)

    def build(self) -> Samples:
        """The samples, divided."""
        train, test = (part.reshape(-1, self.size) for part in self.divided())
        return Samples(train, test, self.numbers.shape[1:])


Source = Annotated[
    Digits | Patches | BarsAndStripes | Points | Smooth | Rows | File | Normal | NormalClusters | Magnet
    | LatticeField | FreeField,
    Field(discriminator="source"),
]  # fmt: skip


def complaint(source) -> str | None:
    """What is wrong with the data themselves."""
    if hasattr(source, "complaint"):
        return source.complaint()
    if not isinstance(source, Rows):
        return None
    if any(len(row) != source.size for row in source.rows):
        return "rows differ in length"
    return _off_the_levels(np.array(source.rows), source.values)


def _off_the_levels(entries: np.ndarray, values: int) -> str | None:
    if values and not np.isin(entries, np.arange(values)).all():
        return f"entries should be whole numbers from 0 to {values - 1}, or values: 0 for real numbers"
    return None

"""Random images that are as smooth as is asked for, but for an edge along a curve of the same smoothness.

Two random fields f₁, f₂ meet at a random curve y = c(x), from which on a step is added. Their Fourier amplitudes fall
like |k|^{−(α+1)}, that of the curve like |k|^{−(α+½)}: such random series have derivatives up to any order below α, and
none above, in the plane and on the line alike. Fields are drawn on a torus of twice the side, so images are not
periodic. A pixel on the curve has the shade of both sides in proportion; curves run along rows or along columns.

Source: spectra of random series of smoothness α are textbook; images like these in [kadkhodaie2024].
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from matterlearn.tasks._samples import Samples, SquareImages

FLUCTUATION = 0.3  # standard deviation of a field beside a step of ±1, and of a curve in units of half the side


class Smooth(SquareImages):
    """Images of smoothness α with an edge of smoothness α, with zero mean and unit variance over the training set."""

    source: Literal["smooth"]
    side: int = Field(default=32, ge=4, le=256, description="rows and columns")
    alpha: float = Field(default=2.0, gt=0, le=5, description="smoothness α: derivatives up to this order exist")

    def build(self) -> Samples:
        """The images."""
        drawn = images(self.side, self.alpha, self.count, self.seed).reshape(self.count, -1)
        train, test = self.divided(drawn)
        mean, width = train.mean(), train.std()  # of all pixels alike: images are the same law wherever they are cut
        return Samples((train - mean) / width, (test - mean) / width, (self.side, self.side))


def images(side: int, alpha: float, count: int, seed: int) -> Float[np.ndarray, "image row column"]:
    """Random images, before they are standardised.

    >>> images(8, 1.0, 3, 0).shape
    (3, 8, 8)
    """
    rng = np.random.default_rng(seed)
    left, right = (random_field(rng, (side, side), alpha, count) for _ in range(2))
    curve = side * (0.5 + 0.5 * random_field(rng, (side,), alpha, count))
    beyond = np.clip(np.arange(side)[:, None] + 1 - curve[:, None, :], 0, 1)  # share of a pixel below the curve
    step = rng.choice([-1.0, 1.0], count)[:, None, None]
    drawn = left + beyond * (right - left + step)
    along_rows = rng.random(count) < 0.5
    drawn[along_rows] = drawn[along_rows].transpose(0, 2, 1)
    return drawn


def random_field(rng, shape: tuple[int, ...], alpha: float, count: int) -> Float[np.ndarray, "sample *site"]:
    """Random series with amplitudes |k|^{−(α + d/2)}, cut out of twice their length."""
    torus, axes = tuple(2 * n for n in shape), tuple(range(1, len(shape) + 1))
    waves = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in torus), indexing="ij")
    length = np.sqrt(np.sum(np.square(waves), axis=0))
    amplitude = np.where(length > 0, np.maximum(length, 1.0) ** -(alpha + len(shape) / 2), 0.0)
    amplitude *= FLUCTUATION * np.sqrt(length.size / np.sum(amplitude**2))
    noise = np.fft.fftn(rng.normal(size=(count, *torus)), axes=axes)
    drawn = np.fft.ifftn(amplitude * noise, axes=axes).real
    return drawn[(slice(None), *(slice(n) for n in shape))]

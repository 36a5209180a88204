"""Denoising: data are noised at given times of the process, and compared with what the system makes of them.

    x = α(t) a + σ(t) z,      mse = E|⟨a|x⟩ − a|²/d,      psnr = 10 log₁₀(peak²/mse),   peak: range of the training data

per noise level σ/α, for training samples and for those held out, with standard errors over samples; ``mse_gap`` is the
difference, test − train, which is 0 where nothing was learned of the training samples alone. What should have
been found stands beside it where it is known,

    <…>_theory     E over noise in closed form, of linear and threshold denoisers, on these very samples
    <…>_linear     the least mse of all linear denoisers on these samples, Σ_k β_k σ²/(β_k + σ²)/d, β: eigenvalues of
                   their covariance
    <…>_oracle     Σ_k min(c_k², σ²)/d: that of one who knows which wavelet components of each sample to keep

Neither of the last two is to be had without knowing the samples. Learning shows clean samples, as task data does; so
does what recall starts from. Of a ``subset`` of the training samples alone all is learned that is learned; two subsets
without a sample in common are independent data of one law, and the test samples are the same.

| quantity | unit |
|---|---|
| a, x, σ | as the data |
| mse | square of that |
| psnr | dB |

Source: [mallat2009], [kadkhodaie2024]. Limits: systems with a score (score_model); white noise for the references.

Example:
    >>> config = Config(kind="denoising", data={"source": "smooth", "side": 8, "count": 20}, times=[0.1, 1.0])
    >>> config.data.size
    64
"""

import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.observable import Summary
from matterlearn.diffusion.denoisers import expected_loss
from matterlearn.diffusion.wavelets import wavelet_basis
from matterlearn.errors import InputError
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._about_data import AboutData, at_times, clean
from matterlearn.tasks._data import Source
from matterlearn.tasks.data import Data
from matterlearn.theory.wiener import psnr

SHOWN = 4  # samples that are drawn
BLOCK = 256  # samples that are denoised at once


class Denoising(AboutData):
    """Clean data, and the times at which they are noised."""

    data: Data
    times: Float[Array, " noise"]
    shape: tuple[int, ...] = eqx.field(static=True)
    count: int = eqx.field(static=True)
    oracle: str | None = eqx.field(static=True)

    def references(self, system: Any, dynamics) -> list[Summary]:
        """Errors by noise level, and what they are compared with."""
        del dynamics
        widths = np.asarray(jax.vmap(lambda t: _width(system.score.process, t))(self.times))
        peak = float(jnp.ptp(self.data.train))
        found = [Summary("noise", ("noise_level",), widths, "1", "noise level σ")]
        for name in ("train", "test"):
            a = getattr(self.data, name)[: self.count].reshape(-1, *self.shape)
            if len(a):
                found += self._errors(system.score, a, name, peak) + self._bounds(a, name, widths, peak)
        return found + _gap({one.name: one.values for one in found}) + self._pictures(system.score)

    def _errors(self, score, a, name: str, peak: float) -> list[Summary]:
        """Measured, with standard errors, and in closed form where there is one."""
        lost = np.asarray(_losses(jax.random.key(0), score, a, self.times), float) / a[0].size
        mse, sem = lost.mean(1), lost.std(1, ddof=1) / np.sqrt(len(a))
        found = _both(name, mse, peak, f"of {name} samples", sem)
        known = [expected_loss(score, a, t) for t in self.times]
        if known[0] is not None:
            theory = np.array([one for one in known if one is not None]) / a[0].size
            found += _both(f"{name}_theory", theory, peak, f"of {name} samples, theory")
        return found

    def _bounds(self, a, name: str, widths, peak: float) -> list[Summary]:
        """The best linear denoiser of these samples, and the oracle."""
        flat, noise = np.asarray(a, float).reshape(len(a), -1), widths[:, None] ** 2
        powers = np.linalg.svd(flat - flat.mean(0), compute_uv=False) ** 2 / len(a)
        linear = np.sum(powers * noise / (powers + noise), 1) / flat.shape[1]
        found = _both(f"{name}_linear", linear, peak, "of the best linear denoiser of the samples")
        if self.oracle is not None:
            basis = wavelet_basis(self.shape, self.oracle)
            squares = np.asarray(jax.vmap(basis.to)(a), float).ravel() ** 2
            kept = np.array([np.minimum(squares, one).mean() for one in widths**2])
            found += _both(f"{name}_oracle", kept, peak, f"of an oracle who keeps {self.oracle} components")
        return found

    def _pictures(self, score) -> list[Summary]:
        """The first samples that were held out: clean, noisy and denoised at every level."""
        if len(self.shape) != 2:
            return []
        asked = self.data.test if len(self.data.test) else self.data.train
        a = asked[:SHOWN].reshape(-1, *self.shape)
        noisy, restored = (np.asarray(x) for x in _restored(jax.random.key(1), score, a, self.times))
        dims = ("picture", "row", "column")
        levels = ("noise_level", *dims)
        return [
            Summary("picture_clean", dims, np.asarray(a), "1", "clean sample"),
            Summary("picture_noisy", levels, noisy, "1", "noisy sample"),
            Summary("picture_denoised", levels, restored, "1", "denoised sample"),
        ]


def _gap(found: dict) -> list[Summary]:
    """What test samples lose more than training samples: 0 of what learned nothing of the latter alone."""
    if "mse_test" not in found:
        return []
    words = "mean squared error of test samples less that of training samples"
    sem = np.hypot(found["mse_train_sem"], found["mse_test_sem"])
    return [
        Summary("mse_gap", ("noise_level",), found["mse_test"] - found["mse_train"], "1", words),
        Summary("mse_gap_sem", ("noise_level",), sem, "1", f"standard error of the {words}"),
    ]


def _both(name: str, mse, peak: float, words: str, sem=None) -> list[Summary]:
    """mse and psnr, with standard errors."""
    kinds = (("mse", mse, sem, "1", "mean squared error"), ("psnr", psnr(mse, peak), None, "dB", "PSNR"))
    found = [Summary(f"{kind}_{name}", ("noise_level",), values, units, f"{long} {words}")
             for kind, values, _, units, long in kinds]  # fmt: skip
    if sem is None:
        return found
    errors = (("mse", sem, "1"), ("psnr", 10 / math.log(10) * sem / mse, "dB"))
    return found + [
        Summary(f"{kind}_{name}_sem", ("noise_level",), values, units, f"standard error of {kind} {words}")
        for kind, values, units in errors
    ]


def _width(process, t) -> Float[Array, ""]:
    """σ/α, its root mean square over components."""
    return jnp.sqrt(jnp.mean(process.schedule.variance(t) / process.signal(t) ** 2))


@eqx.filter_jit
def _restored(key, score, a, times):
    """Noisy and denoised samples at every time: [time, sample, …]."""

    def one(key, a, t):
        x = score.process.perturb(key, a, t)
        return x, score.denoise(x, t)

    return at_times(one, key, a, times, BLOCK)


@eqx.filter_jit
def _losses(key, score, a, times) -> Float[Array, "time sample"]:
    _, restored = _restored(key, score, a, times)
    return jnp.sum((restored - a) ** 2, tuple(range(2, restored.ndim)))


class Subset(Spec):
    """Some of the training samples, which stand in random order: nothing else about the data changes."""

    first: int = Field(default=0, ge=0, description="training sample with which the subset begins")
    count: int = Field(ge=2, le=10**6, description="training samples in it")


class Config(Spec):
    """Denoising in a scenario."""

    kind: Literal["denoising"]
    data: Source = Field(
        description="where clean samples come from",
        examples=[{"source": "rows", "values": 0, "rows": [[1.0, 0.5, 0.0, 2.0], [0.0, 1.0, 3.0, 1.0]]}],
    )
    times: list[float] = Field(min_length=1, max_length=50, description="times of the process", examples=[[0.2, 0.5]])
    subset: Subset | None = Field(
        default=None, description="training samples that are learned from, {first, count}; default: all",
        examples=[{"first": 0, "count": 2}],
    )
    count: int = Field(default=500, ge=2, le=10**6, description="training and test samples that are denoised, each")
    oracle: str | None = Field(
        default=None, description="wavelet (haar, db2, …) whose components an oracle would keep or drop; or none"
    )

    @property
    def provides(self) -> tuple[str, ...]:
        """What is recorded."""
        parts = ["train"] + ["test"] * bool(getattr(self.data, "test_fraction", 0))
        names = ("mse_{}", "psnr_{}", "mse_{}_deviation", "psnr_{}_deviation")
        return (*(name.format(part) for name in names for part in parts), *["mse_gap"] * (len(parts) > 1))

    def check(self, scenario):
        """The system denoises samples of this size; sides can be halved."""
        if min(self.times) <= 0:
            yield Problem(("times",), f"times should be positive, so that there is noise; got {min(self.times):g}")
        if not getattr(scenario.system, "denoises", False):
            yield Problem(("kind",), f"{scenario.system.kind!r} denoises nothing: use system score_model")
            return
        yield from clean(self.data).check(scenario)
        if self.oracle is not None:
            odd = [side for side in scenario.system.shape if side % 2]
            if odd:
                yield Problem(("oracle",), f"wavelets halve the sides {scenario.system.shape}, and {odd[0]} is odd: "
                              "crop or pad the data, or leave the oracle out")  # fmt: skip

    def build(self, system) -> Denoising:
        """The task; samples have the system's shape."""
        shape, times = tuple(system.shape), jnp.asarray(self.times, float)
        return Denoising(self._kept(clean(self.data).build(system)), times, shape, self.count, self.oracle)

    def _kept(self, data: Data) -> Data:
        """The data, of whose training samples the subset alone is left."""
        if self.subset is None:
            return data
        first, end = self.subset.first, self.subset.first + self.subset.count
        if end > len(data.train):
            raise InputError(f"task.subset: ends with training sample {end}, but there are {len(data.train)}: "
                             "use more samples, or a smaller subset")  # fmt: skip
        return eqx.tree_at(lambda d: d.train, data, data.train[first:end])

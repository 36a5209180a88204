"""Classical denoisers of a scenario: Wiener filters and thresholds. Read without jax."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from matterlearn.core.wavelet_filters import wavelet_complaint
from matterlearn.systems._score_claims import ScoreSpec

Shape = tuple[int, ...]


class Wiener(ScoreSpec):
    """The best denoiser that treats components one by one: with mean and variances of the training samples."""

    kind: Literal["wiener"]
    needs_samples: ClassVar[bool] = True
    needs_uniform: ClassVar[bool] = True
    basis: Literal["fourier", "principal", "sites"] = Field(
        default="fourier", description="components: plane waves, for stationary data; principal axes; entries"
    )

    def build(self, process, end, shape, samples, key) -> Any:
        """The score; of unit variances as long as there are no samples."""
        import jax.numpy as jnp

        from matterlearn.diffusion.bases import Fourier, Sites
        from matterlearn.diffusion.denoisers import wiener_score
        from matterlearn.diffusion.scores import linear_score

        del key
        shown = jnp.stack([jnp.ones(shape), -jnp.ones(shape)]) if samples is None else jnp.asarray(samples, float)
        if self.basis == "principal":
            return linear_score(process, shown, end)
        return wiener_score(process, shown, {"fourier": Fourier(), "sites": Sites()}[self.basis], end)


class Threshold(ScoreSpec):
    """Thresholds of wavelet components."""

    kind: Literal["threshold"]
    needs_uniform: ClassVar[bool] = True
    wavelet: str = Field(default="haar", description="an orthogonal one of PyWavelets: haar, db2, db3, …, sym4, coif1")
    rule: Literal["hard", "soft"] = Field(default="hard", description="components above are kept, or drawn in")
    threshold: float | None = Field(
        default=None, gt=0, description="T, in standard deviations of the noise; default: √(2 ln d), d entries"
    )
    scales: int | None = Field(
        default=None, ge=1, description="how often sides are halved; default: as often as they can be"
    )

    def complaint(self, shape: Shape) -> str | None:
        """Sides that can be halved, and a wavelet that exists."""
        return wavelet_complaint(shape, self.wavelet, self.scales)

    def build(self, process, end, shape, samples, key) -> Any:
        """The score, which needs no samples."""
        from matterlearn.diffusion.denoisers import threshold_score
        from matterlearn.diffusion.wavelets import wavelet_basis

        del samples, key
        basis = wavelet_basis(shape, self.wavelet, self.scales)
        return threshold_score(process, basis, shape, end, rule=self.rule, threshold=self.threshold)

"""Forward processes of a scenario: how data become noise. Read without jax.

What others have to know of a process, it says itself: ``gaussian``, whether its kernel is; ``keeps_signal``, whether α
stays 1; ``uniform``, whether all components have the same noise; ``last``, the latest time at which reverse processes
may start, and ``beyond``, what is wrong with later ones.
"""

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from matterlearn.core.graphs import Graph
from matterlearn.spec import Spec

SMALLEST = 1e-6  # share of the largest variance of a component below which components count as noise-free
BASES = ("sites", "fourier", "principal", "haar", "daubechies2", "daubechies4")


class Components(Spec):
    """What all processes share that act on components of a basis."""

    gaussian: ClassVar[bool] = True
    keeps_signal: ClassVar[bool] = False
    uniform: ClassVar[bool] = False
    last: ClassVar[float] = math.inf
    beyond: ClassVar[str] = "times of {kind} go from 0 to {last:g}"
    basis: Literal[BASES] = Field(
        default="sites", description="components: entries, plane waves, principal axes of the data, wavelets"
    )

    def complaint(self, shape: tuple[int, ...]) -> str | None:
        """What is wrong with this basis for data of this shape."""
        if self.basis in ("sites", "fourier", "principal"):
            return None
        odd = [side for side in shape if side % 2]
        if odd:
            return f"wavelets halve the sides of {list(shape)}, and {odd[0]} is odd: use even sides, or another basis"
        return None

    def components(self, shape, samples) -> tuple[Any, np.ndarray]:
        """The basis, and the variances of the samples in it (1 where there are none)."""
        import jax
        import jax.numpy as jnp

        from matterlearn.diffusion import bases, wavelets

        if self.basis == "principal":
            if samples is None:
                return bases.Axes(jnp.eye(math.prod(shape))), np.ones(shape)
            variance, axes = bases.principal_axes(samples)
            return axes, _floored(variance.reshape(shape))
        plain = {"sites": bases.Sites, "fourier": bases.Fourier}
        basis = plain[self.basis]() if self.basis in plain else wavelets.wavelet_basis(shape, WAVELETS[self.basis])
        if samples is None:
            return basis, np.ones(shape)
        return basis, _floored(np.asarray(jax.vmap(basis.to)(samples), float).var(0))


WAVELETS = {"haar": "haar", "daubechies2": "db2", "daubechies4": "db4"}


def _floored(variance):
    return np.maximum(variance, SMALLEST * variance.max())


class White(Components):
    """Processes that treat all components alike; their noise is white, or has the spectrum of the data."""

    noise: Literal["white", "matched"] = Field(
        default="white", description="white, or with the variances that the data have in the components of the basis"
    )

    @property
    def uniform(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the noise is white."""
        return self.noise == "white"

    def complaint(self, shape):
        """Nothing but the basis's own."""
        return super().complaint(shape)

    def schedule(self) -> Any:
        """α and σ² of white noise."""
        raise NotImplementedError

    def build(self, shape, samples) -> Any:
        """The process."""
        import jax.numpy as jnp

        from matterlearn.diffusion.processes import Gaussian
        from matterlearn.diffusion.schedules import Coloured

        basis, variance = self.components(shape, samples)
        schedule = self.schedule()
        if self.noise == "matched":
            schedule = Coloured(schedule, jnp.asarray(variance, float))
        return Gaussian(schedule, basis)


class OrnsteinUhlenbeck(White):
    """dx = −x dt + √2 dW."""

    kind: Literal["ornstein_uhlenbeck"]

    def schedule(self):
        """Relaxation at unit rate and temperature."""
        from matterlearn.diffusion.schedules import Relaxation

        return Relaxation(*_numbers(1.0, 1.0))


class VariancePreserving(White):
    """Noise at a linearly growing rate, as a chain of 1000 steps has it with β from 10⁻⁴ to 0.02."""

    kind: Literal["variance_preserving"]
    last: ClassVar[float] = 1.0
    first: float = Field(default=0.1, gt=0, description="rate β at time 0")
    final: float = Field(default=20.0, gt=0, description="rate β at time 1")

    def schedule(self):
        """α² + σ² = 1."""
        from matterlearn.diffusion.schedules import VariancePreserving

        return VariancePreserving(*_numbers(self.first, self.final))


class SubVariancePreserving(White):
    """The signal of variance_preserving with less noise."""

    kind: Literal["sub_variance_preserving"]
    last: ClassVar[float] = 1.0
    first: float = Field(default=0.1, gt=0, description="rate β at time 0")
    final: float = Field(default=20.0, gt=0, description="rate β at time 1")

    def schedule(self):
        """σ = 1 − α²."""
        from matterlearn.diffusion.schedules import SubVariancePreserving

        return SubVariancePreserving(*_numbers(self.first, self.final))


class VarianceExploding(White):
    """Noise that grows geometrically; the signal stays."""

    kind: Literal["variance_exploding"]
    keeps_signal: ClassVar[bool] = True
    last: ClassVar[float] = 1.0
    first: float = Field(default=0.01, gt=0, description="σ₀")
    final: float = Field(default=50.0, gt=0, description="σ₁")

    def schedule(self):
        """σ² = σ₀²((σ₁/σ₀)^{2t} − 1)."""
        from matterlearn.diffusion.schedules import VarianceExploding

        return VarianceExploding(*_numbers(self.first, self.final))

    def complaint(self, shape):
        """Noise that does not grow is none."""
        if self.final <= self.first:
            return f"noise should grow, but final {self.final:g} is not above first {self.first:g}"
        return super().complaint(shape)


class NoiseLevel(White):
    """Time is the standard deviation of the noise; the signal stays."""

    kind: Literal["noise_level"]
    keeps_signal: ClassVar[bool] = True

    def schedule(self):
        """σ = t."""
        from matterlearn.diffusion.schedules import NoiseLevel

        return NoiseLevel()


class Cosine(White):
    """A signal that fades like a cosine and vanishes at time 1, which is never reached."""

    kind: Literal["cosine"]
    last: ClassVar[float] = 0.9999
    beyond: ClassVar[str] = (
        "the signal of {kind} is gone at time 1, where noise over signal is infinite: end at 0.999 or sooner"
    )
    offset: float = Field(default=0.008, ge=0, lt=1, description="s, of the phase")

    def schedule(self):
        """α = cos φ(t)/cos φ(0)."""
        from matterlearn.diffusion.schedules import Cosine

        return Cosine(*_numbers(self.offset))


class ScaleByScale(Components):
    """Components are destroyed one after the other, those with the smallest variance first."""

    kind: Literal["scale_by_scale"]
    last: ClassVar[float] = 1.0
    softness: float = Field(
        default=0.5, gt=0, le=1e6, description="1: white noise; → 0: one scale after the other; large: all at once"
    )
    clean: float = Field(
        default=-9.0, ge=-20, description="γ = ln σ²/α² at time 0 of the component that is destroyed first, less ln Σ"
    )
    noisy: float = Field(default=7.0, le=20, description="γ at time 1 of the one that is destroyed last, less ln Σ")

    def complaint(self, shape):
        """Noise has to grow."""
        if self.noisy <= self.clean:
            return f"noise should grow, but noisy {self.noisy:g} is not above clean {self.clean:g}"
        return super().complaint(shape)

    def build(self, shape, samples) -> Any:
        """The process."""
        import jax.numpy as jnp

        from matterlearn.diffusion.processes import Gaussian
        from matterlearn.diffusion.schedules import soft_conditioning

        basis, variance = self.components(shape, samples)
        v = jnp.asarray(variance, float)
        ends = {"clean": self.clean, "noisy": self.noisy, "softness": self.softness}
        return Gaussian(soft_conditioning(v, -jnp.log(v), **ends), basis)


class Heat(Spec):
    """Heat conduction on a graph, with the fluctuations of its temperature: dx = −(L + m) x dt + √(2 kT) dW."""

    kind: Literal["heat_conduction"]
    gaussian: ClassVar[bool] = True
    keeps_signal: ClassVar[bool] = False
    uniform: ClassVar[bool] = False
    last: ClassVar[float] = math.inf
    beyond: ClassVar[str] = ""
    graph: Graph = Field(description="nodes are the entries of the data", examples=[{"kind": "cycle", "nodes": 4}])
    loss: float = Field(default=0.1, ge=0, description="m, heat lost at every node, 1/time")
    kT: float = Field(default=1.0, gt=0, description="strength of the fluctuations")

    def complaint(self, shape):
        """One node for every entry."""
        nodes, size = self.graph.node_count, math.prod(shape)
        return None if nodes == size else f"the graph has {nodes} nodes, but the data {size} entries"

    def build(self, shape, samples) -> Any:
        """The process, in the eigenvectors of the Laplacian."""
        import jax.numpy as jnp
        import networkx as nx

        from matterlearn.diffusion.bases import Axes
        from matterlearn.diffusion.processes import Gaussian
        from matterlearn.diffusion.schedules import Relaxation

        del samples
        graph = self.graph.network
        rates, modes = np.linalg.eigh(nx.laplacian_matrix(graph, nodelist=sorted(graph), weight=None).toarray())
        rate = jnp.asarray(np.maximum(rates, 0.0) + self.loss, float).reshape(shape)
        return Gaussian(Relaxation(rate, jnp.asarray(float(self.kT))), Axes(jnp.asarray(modes.T.copy(), float)))


class Poisson(Spec):
    """Electric field lines of charges at the data, in more dimensions than the data have."""

    kind: Literal["poisson"]
    gaussian: ClassVar[bool] = False
    keeps_signal: ClassVar[bool] = True
    uniform: ClassVar[bool] = True
    last: ClassVar[float] = math.inf
    beyond: ClassVar[str] = ""
    extra: float = Field(default=1.0, gt=0, le=1e6, description="extra dimensions D; large: Gaussian noise of σ = t")

    def complaint(self, shape):
        """Nothing."""
        del shape

    def build(self, shape, samples) -> Any:
        """The process."""
        from matterlearn.diffusion.processes import Poisson

        del shape, samples
        return Poisson(extra=_numbers(self.extra)[0])  # pyright: ignore[reportCallIssue]


def _numbers(*values):
    import jax.numpy as jnp

    return [jnp.asarray(float(value)) for value in values]


Process = Annotated[
    OrnsteinUhlenbeck | VariancePreserving | SubVariancePreserving | VarianceExploding | NoiseLevel | Cosine
    | ScaleByScale | Heat | Poisson,
    Field(discriminator="kind"),
]  # fmt: skip


def time_complaint(process: Process, end: float) -> str | None:
    """What is wrong with reverse processes that start at this time.

    >>> time_complaint(Cosine(kind="cosine"), 1.0)
    'the signal of cosine is gone at time 1, where noise over signal is infinite: end at 0.999 or sooner'
    """
    return process.beyond.format(kind=process.kind, last=process.last) if end > process.last else None

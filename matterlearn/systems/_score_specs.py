"""Scores of a scenario: known laws of data, estimates from samples, networks to be fitted. Read without jax."""

import math
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field

from matterlearn.spec import Spec
from matterlearn.systems._denoiser_specs import Threshold, Wiener
from matterlearn.systems._score_claims import ScoreSpec

Shape = tuple[int, ...]


class GaussianLaw(ScoreSpec):
    """Perfect, for normal data with mean 0: independent, with a spectrum, or a free lattice field."""

    kind: Literal["gaussian"]
    variance: float | list[float] = Field(default=1.0, description="of every entry, or a list of one for each")
    mass: float | None = Field(
        default=None, description="m² of the free field with action Σ (∂φ)² + m² φ², instead of variances"
    )

    def complaint(self, shape: Shape) -> str | None:
        """Variances are positive and as many as entries."""
        values = self.variance if isinstance(self.variance, list) else [self.variance]
        if isinstance(self.variance, list) and len(values) != math.prod(shape):
            return f"{len(values)} variances are given for {math.prod(shape)} entries"
        if min(values) <= 0 or (self.mass is not None and self.mass <= 0):
            return "variances and m² have to be positive"
        return None

    def build(self, process, end, shape, samples, key) -> Any:
        """The score."""
        import jax.numpy as jnp

        from matterlearn.diffusion.bases import Fourier, Sites, laplacian_eigenvalues
        from matterlearn.diffusion.scores import GaussianScore

        del samples, key
        if self.mass is None:
            variance, basis = np.broadcast_to(np.asarray(self.variance, float), math.prod(shape)), Sites()
        else:
            variance, basis = 0.5 / (laplacian_eigenvalues(shape) + self.mass), Fourier()
        return GaussianScore(process, end, jnp.zeros(shape), jnp.asarray(variance.reshape(shape), float), basis)


class Clusters(ScoreSpec):
    """Perfect, for normal clusters."""

    kind: Literal["clusters"]
    means: list[list[float]] = Field(min_length=1, description="centres; a list of one number stands for all entries")
    variance: float = Field(default=1.0, ge=0, description="of every entry in every cluster")
    weights: list[float] | None = Field(default=None, description="of the clusters; default: the same for all")

    def complaint(self, shape):
        """Centres have one number for each entry, or one for all; weights are positive."""
        if any(len(mean) not in (1, math.prod(shape)) for mean in self.means):
            return f"a centre needs {math.prod(shape)} entries, or one for all"
        if self.weights is not None and (len(self.weights) != len(self.means) or min(self.weights) <= 0):
            return "there should be one positive weight for every centre"
        return None

    def build(self, process, end, shape, samples, key) -> Any:
        """The score."""
        import jax.numpy as jnp

        from matterlearn.diffusion.scores import mixture_score

        del samples, key
        size = math.prod(shape)
        means = np.array([np.broadcast_to(mean, size) for mean in self.means], float).reshape(-1, *shape)
        weights = np.ones(len(means)) if self.weights is None else np.asarray(self.weights, float)
        return mixture_score(process, end, jnp.asarray(weights, float), jnp.asarray(means, float), self.variance)


class CurieWeiss(ScoreSpec):
    """Perfect, for Ising spins that all couple to each other: P ∝ exp[β (Σ a)²/2d]."""

    kind: Literal["curie_weiss"]
    needs_uniform: ClassVar[bool] = True
    beta: float = Field(ge=0, le=10, description="inverse temperature, 1 at the transition")

    def build(self, process, end, shape, samples, key) -> Any:
        """The score."""
        from matterlearn.diffusion.scores import curie_weiss_score

        del samples, key
        return curie_weiss_score(process, self.beta, math.prod(shape), end)


class Empirical(ScoreSpec):
    """Of the training samples themselves."""

    kind: Literal["empirical"]
    weighs_samples: ClassVar[bool] = True
    needs_samples: ClassVar[bool] = True
    needs_gaussian: ClassVar[bool] = False
    block: int = Field(default=4096, ge=1, description="samples that are compared at a time: bounds memory")

    def build(self, process, end, shape, samples, key) -> Any:
        """The score; of one sample at the origin as long as there are none."""
        import jax.numpy as jnp

        from matterlearn.diffusion.scores import empirical_score

        del key
        shown = jnp.zeros((1, *shape)) if samples is None else jnp.asarray(samples, float)
        return empirical_score(process, shown, end, self.block)


class Linear(ScoreSpec):
    """The best linear one: of the normal law with mean and covariance of the training samples."""

    kind: Literal["linear"]
    needs_samples: ClassVar[bool] = True
    needs_uniform: ClassVar[bool] = True

    def build(self, process, end, shape, samples, key) -> Any:
        """The score; of the standard normal law as long as there are no samples."""
        import jax.numpy as jnp

        from matterlearn.diffusion.scores import linear_score

        if samples is None:
            return GaussianLaw(kind="gaussian").build(process, end, shape, samples, key)
        return linear_score(process, jnp.asarray(samples, float), end)


class Perceptron(Spec):
    """Layers that see all entries at once."""

    kind: Literal["perceptron"]
    width: int = Field(default=128, ge=1, le=10_000, description="units of each hidden layer")
    depth: int = Field(default=3, ge=1, le=20, description="hidden layers")

    def complaint(self, shape):
        """Any shape."""
        del shape

    def build(self, key, shape) -> Any:
        """The network."""
        from matterlearn.diffusion.networks import perceptron_network

        return perceptron_network(key, shape, width=self.width, depth=self.depth)


class UNet(Spec):
    """Convolutions on coarser and coarser lattices and back."""

    kind: Literal["u_net"]
    width: int = Field(default=16, ge=1, le=512, description="channels at the finest scale, doubled at each coarser")
    depth: int = Field(default=2, ge=1, le=8, description="scales")
    edges: Literal["periodic", "zero"] = Field(default="periodic", description="beyond the edges of the plane")

    def complaint(self, shape):
        """Planes whose sides can be halved."""
        if len(shape) != 2:
            return f"a u_net works on planes, but the shape is {list(shape)}"
        factor = 2 ** (self.depth - 1)
        bad = [side for side in shape if side % factor]
        return f"sides {bad} are no multiples of {factor}: use a depth that they can be halved by" if bad else None

    def build(self, key, shape) -> Any:
        """The network."""
        from matterlearn.diffusion.networks import u_net

        return u_net(key, shape, width=self.width, depth=self.depth, edges=self.edges)


class Fitted(ScoreSpec):
    """A network that corrects the posterior of normal data with the variances of the samples."""

    kind: Literal["fitted"]
    fits: ClassVar[bool] = True
    needs_gaussian: ClassVar[bool] = False
    network: Annotated[Perceptron | UNet, Field(discriminator="kind")] = Field(
        default=Perceptron(kind="perceptron"), description="perceptron or u_net"
    )
    reference: Literal["variance", "spectrum"] = Field(
        default="variance",
        description="variances of the reference: one for all, or in the components of the process's basis",
    )

    def complaint(self, shape):
        """The network's own."""
        return self.network.complaint(shape)

    def build(self, process, end, shape, samples, key) -> Any:
        """The score, with the usual random weights and no correction yet."""
        import jax.numpy as jnp

        from matterlearn.diffusion.fitted import FittedScore
        from matterlearn.diffusion.scores import reference_score

        shown = jnp.zeros((0, *shape)) if samples is None else jnp.asarray(samples, float)
        reference = reference_score(process, end, shown, each=self.reference == "spectrum")
        network = self.network.build(key, shape)
        return FittedScore(reference=reference, network=network)  # pyright: ignore[reportCallIssue]


class Blind(ScoreSpec):
    """Convolutions without constants, which are not told how much noise there is."""

    kind: Literal["blind"]
    fits: ClassVar[bool] = True
    needs_signal: ClassVar[bool] = True
    width: int = Field(default=32, ge=1, le=512, description="channels of a hidden layer")
    depth: int = Field(default=5, ge=1, le=40, description="hidden layers")
    edges: Literal["periodic", "zero"] = Field(default="zero", description="beyond the edges of the plane")

    def complaint(self, shape):
        """Planes."""
        return None if len(shape) == 2 else f"blind denoisers work on planes, but the shape is {list(shape)}"

    def build(self, process, end, shape, samples, key) -> Any:
        """The score, with the usual random weights."""
        from matterlearn.diffusion.fitted import BlindScore
        from matterlearn.diffusion.networks import bias_free_network

        del samples, shape
        return BlindScore(process, end, bias_free_network(key, width=self.width, depth=self.depth, edges=self.edges))


Score = Annotated[
    GaussianLaw | Clusters | CurieWeiss | Empirical | Linear | Wiener | Threshold | Fitted | Blind,
    Field(discriminator="kind"),
]


def kinds_with(specs, claim: str, value: bool) -> str:
    """Kinds of a union of Specs that make a claim, to be named in advice.

    >>> kinds_with(Score, "needs_gaussian", False)
    'empirical or fitted'
    """
    found = [spec for spec in get_args(get_args(specs)[0]) if getattr(spec, claim) is value]
    return " or ".join(get_args(spec.model_fields["kind"].annotation)[0] for spec in found)

"""Images printed on a surface, to be recognised by the condensate that forms on it.

Layer 0 of a cubic lattice is the surface: the site of pixel i at grey level ℓ holds the surface species (i, ℓ),
clamped. The last layer is read: awake it is clamped to the label species of the image's class, asleep and in recall
it is free, so the couplings learn P(label layer | image). Layers in between, and species beyond the labels, are
hidden. An image is recognised by what condenses: the label whose species covers most of the last layer.

Images are scikit-learn's handwritten digits, or random patterns of which the surface shows corrupted copies: then the
classes are memories, and contact with a damaged pattern recalls the whole one (Hopfield-like association).

Source: [chalk2024learning]; digits: [alpaydin1998digits] through scikit-learn. Limits: one pixel per surface site.

Example:
    >>> config = Config(kind="surface_images", images={"source": "patterns", "count": 3, "corruption": 0.2})
    >>> config.memories
    3
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.drive import Drive
from matterlearn.core.lattice_kernel import LatticeMixture, LatticeState, species_dtype
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall
from matterlearn.spec import Problem, Spec


class SurfaceImages(AbstractTask):
    """Images as surface species, and the label species of each; see the module's docstring."""

    train: Int[Array, "image row column"]
    train_label: Int[Array, " image"]
    test: Int[Array, "other_image row column"]
    test_label: Int[Array, " other_image"]
    classes: int = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: images of all classes are shown together."""
        return 1

    def teach(self, system, memory):
        """The system itself."""
        del memory
        return system

    def _scene(self, key, system, surface, label=None):
        """Drive and start with the surface clamped, and the last layer too if there is a label."""
        shape = (len(surface), *system.lattice.shape)
        dtype = species_dtype(system.species_count)
        target = jnp.zeros(shape, dtype).at[:, 0].set(surface.astype(dtype))
        held = jnp.zeros(shape, bool).at[:, 0].set(True)
        if label is not None:
            target = target.at[:, -1].set(label[:, None, None].astype(target.dtype))
            held = held.at[:, -1].set(True)
        target, held = LatticeState(target), LatticeState(held)
        x = jax.vmap(system.complete)(jax.random.split(key, len(surface)), target, held)
        strength = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(surface),)), Drive().strength)
        return Drive(target=target, clamped=held, strength=strength), x

    def present(self, key, system: LatticeMixture, memory, replicas, duration) -> Batch:
        """A random batch of training images."""
        del memory
        draw, fill = jax.random.split(key)
        chosen = jax.random.randint(draw, (replicas,), 0, len(self.train))
        surface, label = self.train[chosen], self.train_label[chosen]
        drive, x = self._scene(fill, system, surface, label)
        free, _ = self._scene(fill, system, surface)
        return Batch(drive, x, jnp.asarray(duration), free=free)

    def recall(self, key, system: LatticeMixture, replicas) -> Recall:
        """Test images in their order, over and over if there are more replicas than images."""
        chosen = np.arange(replicas) % len(self.test)
        drive, x = self._scene(key, system, self.test[chosen])
        systems = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (replicas, *leaf.shape)), system)
        cue = Label(np.asarray(self.test_label)[chosen] - 1, "1", "class of the image on the surface")
        return Recall(systems, drive, x, {"cue": cue})

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Fraction of the last layer covered by the species of each label."""
        del system
        labels = jnp.arange(1, self.classes + 1)
        return jnp.mean(state.x.species[-1].ravel() == labels[:, None], -1)


class Digits(Spec):
    """Handwritten digits, 8 x 8; labels are the species 1 … 10."""

    source: Literal["digits"]
    levels: int = Field(default=4, ge=2, le=17, description="grey levels")
    test_fraction: float = Field(default=1 / 3, gt=0, lt=1, description="fraction held out for recall")
    split: int = Field(default=0, ge=0, description="seed of the division into training and test images")

    @property
    def classes(self) -> int:
        return 10

    def arrays(self, shape):
        """Training images, labels, test images, labels; levels from 0."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        data = load_digits()
        grey = np.minimum((data.images * self.levels / 17).astype(int), self.levels - 1)
        parts = train_test_split(
            grey, data.target, test_size=self.test_fraction, random_state=self.split, stratify=data.target
        )
        return parts[0], parts[2], parts[1], parts[3]

    def complaint(self, shape):
        """What is wrong with a surface of this shape."""
        return None if tuple(shape) == (8, 8) else "digits have 8 x 8 pixels"


class Patterns(Spec):
    """Random black-and-white patterns, shown with a fraction of flipped pixels."""

    source: Literal["patterns"]
    count: int = Field(ge=1, description="stored patterns")
    corruption: float = Field(default=0.2, ge=0, le=0.5, description="probability that a pixel is flipped in recall")
    training_corruption: float = Field(default=0.0, ge=0, le=0.5, description="the same while learning")
    seed: int = Field(default=0, ge=0, description="seed of the patterns and their copies")
    copies: int = Field(default=64, ge=1, description="copies of each pattern to train on, and as many to test")

    levels: ClassVar[int] = 2

    @property
    def classes(self) -> int:
        return self.count

    def arrays(self, shape):
        """Training images, labels, test images, labels; levels 0 and 1."""
        rng = np.random.default_rng(self.seed)
        patterns = rng.integers(0, 2, (self.count, *shape))
        label = np.tile(np.arange(self.count), self.copies)
        flips = [rng.random((len(label), *shape)) < p for p in (self.training_corruption, self.corruption)]
        train, test = (patterns[label] ^ flip for flip in flips)
        return train, label, test, label

    def complaint(self, shape):
        """Any surface will do."""
        return


class Config(Spec):
    """Images on a surface in a scenario."""

    kind: Literal["surface_images"]
    images: Annotated[Digits | Patterns, Field(discriminator="source")] = Field(
        description="what is printed on the surface", examples=[{"source": "patterns", "count": 2}]
    )

    @property
    def memories(self) -> int:
        """Classes."""
        return self.images.classes

    def check(self, scenario):
        """The lattice has a surface for the pixels and species for pixels and labels."""
        system = scenario.system
        if not hasattr(system, "surface_species") or len(system.shape) != 3 or system.shape[0] < 2:
            yield Problem(("kind",), "needs a cubic lattice of two layers or more: the surface is layer 0")
            return
        complaint = self.images.complaint(system.shape[1:])
        if complaint:
            yield Problem(("images",), f"{complaint}, but the surface is {system.shape[1]} x {system.shape[2]}")
        needed = int(np.prod(system.shape[1:])) * self.images.levels
        if system.surface_species != needed:
            yield Problem(
                ("images",),
                f"{needed} surface species are needed (pixels x levels), but system.surface_species is "
                f"{system.surface_species}",
            )
        if system.species < self.images.classes:
            yield Problem(("images",), f"{self.images.classes} classes need as many species, not {system.species}")
        wraps = system.periodic[0] if isinstance(system.periodic, list) else system.periodic
        if wraps:
            yield Problem(("kind",), "the surface must not touch the last layer: use periodic: [false, …]")

    def build(self, system) -> SurfaceImages:
        """The task."""
        pixels = system.lattice.shape[1:]
        train, train_label, test, test_label = self.images.arrays(pixels)
        first = 1 + system.mobile + self.images.levels * np.arange(int(np.prod(pixels))).reshape(pixels)
        parts = (first + train, 1 + train_label, first + test, 1 + test_label)
        return SurfaceImages(*(jnp.asarray(part, jnp.int32) for part in parts), self.memories)

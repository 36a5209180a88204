"""Images printed on a surface, to be recognised by the condensate that forms on it.

Layer 0 of a cubic lattice is the surface: the site of pixel i at grey level ℓ holds the surface species (i, ℓ),
clamped. The last layer is read: awake it is clamped to the label species of the image's class, asleep and in recall
it is free, so the couplings learn P(label layer | image). Layers in between, and species beyond the labels, are
hidden. An image is recognised by what condenses: the label whose species cover most of the last layer.

    P(label | image) ∝ Σ_{a of the label} exp(−Σ_i W[a, (i, ℓ_i)]/kT)        if only layers of one species are compared

with W the couplings to the surface. With one species per label this is multinomial logistic regression. With several,
its ``prototypes``, training images of a class are sorted by k-means and awake each kind is shown with its own species;
in recall nobody says which kind an image is, and the sum over them is no linear classifier. ``accuracy_rigid`` is the
test accuracy of that limit, at kT = 1. A layer with disorder in it averages over more.

Images are scikit-learn's handwritten digits, or random patterns of which the surface shows corrupted copies: then the
classes are memories, and contact with a damaged pattern recalls the whole one (Hopfield-like association). Beside
digits stand ordinary classifiers of the same images, beside patterns the exact accuracy of Hebbian couplings.

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
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec
from matterlearn.tasks._classifiers import baselines
from matterlearn.tasks._images import Digits, Images, Patterns, kinds
from matterlearn.theory.pattern_recall import hebbian_accuracy

STARTS = ("disordered", "wrong")


class SurfaceImages(AbstractTask):
    """Images as surface species, and the label species of each; see the module's docstring."""

    images: Images
    first: Int[np.ndarray, "row column"]  # species of every pixel's lowest level
    prototype: Int[np.ndarray, " image"]  # which of its label's prototypes a training image is shown with
    classes: int = eqx.field(static=True)
    prototypes: int = eqx.field(static=True)
    starts: tuple[str, ...] = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: images of all classes are shown together."""
        return 1

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
        strength = replicated(Drive().strength, len(surface))
        return Drive(target=target, clamped=held, strength=strength), x

    def present(self, key, system: LatticeMixture, memory, replicas, duration) -> Batch:
        """A random batch of different training images, or all of them, each always in the same replicas.

        The latter lets persistent chains keep their image.
        """
        del memory
        draw, fill = jax.random.split(key)
        count = len(self.images.train)
        chosen = jax.random.permutation(draw, count)[:replicas] if replicas < count else jnp.arange(replicas) % count
        surface = self.first + jnp.asarray(self.images.train)[chosen]
        label = jnp.asarray(1 + self.images.train_label * self.prototypes + self.prototype)[chosen]
        drive, x = self._scene(fill, system, surface, label)
        free, _ = self._scene(fill, system, surface)
        return Batch(drive, x, jnp.asarray(duration), free=free)

    def recall(self, key, system: LatticeMixture, replicas) -> Recall:
        """Test images in their order, each from every start, over and over if there are more replicas than that."""
        images = self.images
        chosen = np.arange(replicas) // len(self.starts) % len(images.test)
        start = np.array([STARTS.index(name) for name in self.starts])[np.arange(replicas) % len(self.starts)]
        drive, x = self._scene(key, system, jnp.asarray(self.first + images.test[chosen]))
        other = 1 + (images.test_label[chosen] + 1) % self.classes * self.prototypes
        wrong = jnp.asarray(other, x.species.dtype).reshape(-1, 1, 1, 1)
        cover = jnp.asarray(start == STARTS.index("wrong")).reshape(wrong.shape) & ~drive.clamped.species
        x = LatticeState(jnp.where(cover, wrong, x.species))
        systems = replicated(system, replicas)
        labels = {"cue": Label(images.test_label[chosen], "1", "class of the image on the surface")}
        if len(self.starts) > 1:
            labels["start"] = Label(start, "1", "0: from disorder, 1: from a wrong label")
        if images.corruption is not None:
            labels["corruption"] = Label(images.corruption[chosen], "1", "probability that a pixel is flipped")
        return Recall(systems, drive, x, labels)

    def overlap(self, system, state) -> Float[Array, " memory"]:
        """Fraction of the last layer covered by the species of each label."""
        del system
        label = (state.x.species[-1].ravel() - 1) // self.prototypes  # −1 is the solvent
        return jnp.mean(label == jnp.arange(self.classes)[:, None], -1)

    def references(self, system: LatticeMixture, dynamics) -> list[Summary]:
        """Accuracy where the layer is all of one species, of ordinary classifiers, and of Hebbian couplings."""
        del dynamics
        found = self._rigid(system) if system.lattice.shape[0] == 2 else []
        train, label, test, asked, corruption = self.images
        if corruption is None:
            return found + baselines(train.reshape(len(train), -1), label, test.reshape(len(test), -1), asked)
        exact = [hebbian_accuracy(train[0].size, self.classes, p) for p in np.unique(corruption)]
        words = "chance that Hebbian couplings recall the cue, by corruption: exact for layers of one species"
        return [*found, Summary("correct_theory", ("degree",), np.array(exact), "1", words)]

    def _rigid(self, system) -> list[Summary]:
        """Which label's uniform layers have the largest weight on every test image."""

        def energies(surface):
            one = lambda label: system.energy(LatticeState(jnp.stack([surface, jnp.full_like(surface, label)])))  # noqa: E731
            return jax.vmap(one)(1 + jnp.arange(self.classes * self.prototypes))

        found = -jax.lax.map(energies, jnp.asarray(self.first + self.images.test))
        heaviest = jnp.argmax(jax.nn.logsumexp(found.reshape(-1, self.classes, self.prototypes), -1), -1)
        words = "accuracy of the learned couplings if the last layer is of one species"
        return [Summary("accuracy_rigid", (), np.mean(np.asarray(heaviest) == self.images.test_label), "1", words)]


class Config(Spec):
    """Images on a surface in a scenario."""

    kind: Literal["surface_images"]
    provides: ClassVar[tuple[str, ...]] = (
        "accuracy_rigid", "correct_theory", "accuracy_logistic_regression", "accuracy_rbm",
    )  # fmt: skip
    images: Annotated[Digits | Patterns, Field(discriminator="source")] = Field(
        description="what is printed on the surface", examples=[{"source": "patterns", "count": 2}]
    )
    prototypes: int = Field(default=1, ge=1, le=100, description="species per label")
    starts: Annotated[list[Literal[STARTS]], Field(min_length=1)] = Field(
        default=["disordered"], description="where recall starts: disorder, or all free sites covered by a wrong label"
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
        needed = self.images.classes * self.prototypes
        if system.species < needed:
            yield Problem(
                ("images",),
                f"{needed} label species are needed (classes x prototypes), but system.species is {system.species}",
            )
        wraps = system.periodic[0] if isinstance(system.periodic, list) else system.periodic
        if wraps:
            yield Problem(("kind",), "the surface must not touch the last layer: use periodic: [false, …]")
        if "wrong" in self.starts and (system.composition is not None or self.images.classes < 2):
            yield Problem(("starts",), "a wrong label needs two classes, and a composition that is free")

    def build(self, system) -> SurfaceImages:
        """The task."""
        pixels = system.lattice.shape[1:]
        first = 1 + system.mobile + self.images.levels * np.arange(int(np.prod(pixels))).reshape(pixels)
        images = self.images.build(pixels)
        prototype = kinds(images.train, images.train_label, self.prototypes)
        return SurfaceImages(images, first, prototype, self.memories, self.prototypes, tuple(self.starts))

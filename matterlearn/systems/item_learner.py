"""A learner with infinite memory: it knows the right answer for every item that it was given the right answer for.

    p_i ∝ i^−β, i = 1 … items,        E(x) = Σ p_i over items that the model x does not know

The state is the frequency of each item among the right answers in the pool; an item of frequency 0 is not known. Models
make data in one of two ways:

| inputs | data of a model |
|---|---|
| fresh | inputs from the truth, labelled by the model: wrong labels, of items it does not know, teach nothing |
| remembered | items drawn from its own frequencies: Wright and Fisher's drift |

The first model may know no items beyond ``cut``; of the data of a last fit (observable ``downstream``), a fraction
``clean`` is real.

| quantity | unit |
|---|---|
| energy | probability of an item that is not known |

Source: [hutter2021learning], [dohmatob2024tale]; theory in ``matterlearn.theory.infinite_memory``. Limits: a finite
list of items: E is too small by no more than Σ p_i beyond its end. A right answer is never unlearned by a wrong one.

Example:
    >>> learner = Config(kind="item_learner", items=100, beta=2.0, cut=10).build(None)
    >>> bool(abs(learner.energy(learner.init_state(None)) - learner.probability[10:].sum()) < 1e-7)
    True
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.learner import AbstractLearner, Loop, Sums
from matterlearn.core.multinomial import multinomial
from matterlearn.spec import Problem, Spec
from matterlearn.theory import infinite_memory
from matterlearn.theory.infinite_memory import missed


class ItemModel(NamedTuple):
    """Frequencies of items among the right answers."""

    frequency: Float[Array, " item"]


class Counts(Sums):
    """How often an item came with the right answer."""

    number: Float[Array, " item"]


class FreshInputs(eqx.Module):
    """Items of the truth; answers are right for those that the model knows."""

    def count(self, key, probability, frequency, draws: int) -> Float[Array, " item"]:
        """Right answers."""
        return jnp.where(frequency > 0, multinomial(key, probability, draws), 0.0)

    def right(self, probability, frequency):
        """Probability of a datum that is an item with the right answer."""
        return jnp.where(frequency > 0, probability, 0.0)

    def lost(self, p, known, loop: Loop):
        """Probability [generation, item] of not knowing an item."""
        alone = 1 - known * (1 - missed(p, loop.size))  # after one fit to data of the first model
        if loop.shares[-1, 1] > 0:
            return np.tile(alone, (len(loop.shares), 1))  # what is kept is never lost, and nothing is added
        lost, found = 1.0 - known, []
        for real, _, synthetic in loop.shares:
            gone = missed(p, loop.size)
            lost = (gone if real else 1.0) * (lost + (1 - lost) * gone if synthetic else 1.0)
            found.append(lost)
        return np.array(found)


class RememberedItems(eqx.Module):
    """Items that the model draws from what it remembers."""

    def count(self, key, probability, frequency, draws: int) -> Float[Array, " item"]:
        """All answers are right."""
        del probability
        return multinomial(key, frequency, draws)

    def right(self, probability, frequency):
        """Probability of a datum that is an item with the right answer."""
        del probability
        return frequency

    def lost(self, p, known, loop: Loop):
        """Wright and Fisher's chain where data are replaced; where they are kept, as after one fit; else not known."""
        start, generations = p * known / np.sum(p * known), len(loop.shares)
        if loop.shares[-1, 1] > 0:
            return np.tile(missed(start, loop.size), (generations, 1))
        if loop.shares[-1, 0] > 0 or loop.size > infinite_memory.LARGEST_DRIFT:
            return None
        return infinite_memory.drift(start, generations, loop.size)


INPUTS = {"fresh": FreshInputs(), "remembered": RememberedItems()}


class ItemLearner(AbstractLearner):
    """The law of items, and how models make data."""

    probability: Float[Array, " item"]
    clean: Float[Array, ""]
    inputs: FreshInputs | RememberedItems
    cut: int = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    dims: ClassVar = {"frequency": ("item",)}
    quantities: ClassVar = (
        ("excess_risk", "1", "probability of an item that is not known"),
        ("items_known", "1", "items that are known"),
    )

    def truth(self) -> ItemModel:
        """All items, with the frequencies of the truth."""
        return ItemModel(self.probability)

    def init_state(self, key) -> ItemModel:
        """The first model knows items up to the cut."""
        del key
        kept = jnp.where(jnp.arange(len(self.probability)) < self.cut, self.probability, 0.0)
        return ItemModel(kept / jnp.sum(kept))

    def statistics(self, key, x: ItemModel, count: int) -> Counts:
        """Of independent items."""
        return Counts(self.inputs.count(key, self.probability, x.frequency, count))

    def fit(self, statistics: Counts) -> ItemModel:
        """Frequencies; nothing where there are no right answers at all."""
        return ItemModel(statistics.number / jnp.maximum(jnp.sum(statistics.number), 1e-30))

    def energy(self, x: ItemModel, neighbors=None) -> Float[Array, ""]:
        """Probability of what is not known."""
        del neighbors
        return jnp.sum(jnp.where(x.frequency > 0, 0.0, self.probability))

    def measure(self, x: ItemModel) -> Float[Array, " quantity"]:
        """Probability of what is not known, number of items that are."""
        return jnp.stack([self.energy(x), jnp.sum(x.frequency > 0).astype(self.probability.dtype)])

    def downstream(self, x: ItemModel, size: int) -> Float[Array, ""]:
        """Probability of what is not known after a fit to data of which a fraction is real."""
        right = self.inputs.right(self.probability, x.frequency)
        right = self.clean * self.probability + (1 - self.clean) * right
        return jnp.sum(self.probability * jnp.exp(float(size) * jnp.log1p(-right)))

    def _law(self):
        p = np.asarray(self.probability, float)
        return p, (np.arange(len(p)) < self.cut).astype(float)

    def exact(self, loop: Loop) -> dict[str, Any]:
        """From the probability of every item to be lost; the drift also in leading order of 1/T."""
        p, known = self._law()
        lost = self.inputs.lost(p, known, loop)
        found = {}
        if lost is not None:
            found = {"excess_risk_theory": lost @ p, "items_known_theory": (1 - lost).sum(1)}
        alone = np.all(loop.shares[:, 2] == 1) and self.cut >= len(p)
        if isinstance(self.inputs, RememberedItems) and alone:
            survival = [1 - infinite_memory.extinction(n) for n in range(len(loop.shares))]
            first = np.sum(p * missed(p, loop.size))
            found["excess_risk_leading_theory"] = first * np.array(survival) ** -infinite_memory.exponent(self.beta)
        return found

    def exact_downstream(self, loop: Loop, sizes) -> Any:
        """With fresh inputs: known items are missed by all data, others by the real ones."""
        if not isinstance(self.inputs, FreshInputs):
            return None
        p, known = self._law()
        lost, clean = self.inputs.lost(p, known, loop), float(self.clean)
        return np.stack([((1 - lost) * missed(p, T) + lost * missed(clean * p, T)) @ p for T in sizes], 1)


class Config(Spec):
    """Items in a scenario."""

    kind: Literal["item_learner"]
    matter: ClassVar[str] = "learner"
    verifiable: ClassVar[bool] = False
    items: int = Field(ge=2, le=10**6, description="number of items", examples=[20])
    beta: float = Field(default=2.0, gt=1, le=20, description="β of p ∝ i^-β", examples=[1.5])
    inputs: Literal["fresh", "remembered"] = Field(
        default="fresh", description="which items models make data of", examples=["fresh", "remembered"]
    )
    cut: int | None = Field(default=None, ge=1, description="items that the first model knows; null: all of them")
    clean: float = Field(default=0.0, ge=0, le=1, description="fraction of real data in a last fit")

    def check(self, scenario):
        """The first model knows some of the items."""
        if self.cut is not None and self.cut > self.items:
            yield Problem(("cut",), f"the first model cannot know {self.cut} of {self.items} items; leave it out")

    def build(self, key) -> ItemLearner:
        """The learner."""
        del key
        law = jnp.asarray(infinite_memory.zipf(self.items, self.beta), float)
        cut = self.items if self.cut is None else self.cut
        return ItemLearner(law, jnp.asarray(float(self.clean)), INPUTS[self.inputs], cut, float(self.beta))

"""Associative memory in pattern form: couplings that are sums over stored patterns, never written out as a matrix.

    E(s) = (1/2N) Σ_μ c_μ [ (ζ^μ·s)² − (1 − κ) Σ_i (ζ_i^μ s_i)² ] + Σ_i U_i s_i,        s_i ∈ {low, 1}

that is J_ij = Σ_μ c_μ ζ_i^μ ζ_j^μ/N with E = Σ_{i<j} J_ij s_i s_j: lower J binds equal units, and the couplings
c_μ = −1 of a fresh network make every memory an attractor. (Papers write E = −Σ J s s; their J is minus ours.) The
vectors ζ follow from the memories ξ ∈ {−1, 1} by the ``storage``:

| storage | ζ | J of papers |
|---|---|---|
| hebb | ξ | (1/N) Σ ξξ |
| projector | C^{−1/2} ξ | (1/N) Σ ξ C⁻¹ ξ: every linear independent memory is a fixed point |
| dreaming | [(1 + t)/(1 + t C)]^{1/2} ξ | Hebb at t = 0, projector for t → ∞; dJ/dt = (J − J²)/(1 + t) |

with C = ξξᵀ/N. ``examples`` replaces the memories by what a teacher shows of them: M noisy copies of each, every entry
right with probability (1 + r)/2, averaged over the copies (supervised) or stored one by one (unsupervised).

| quantity | unit |
|---|---|
| c | kT_ref |
| threshold U | kT_ref |

κ keeps that fraction of the diagonal J_ii: it does not enter differences of E for spins, but holds every spin where it
is in the dynamics. Source: [hopfield1982neural], [kohonen1973], [personnaz1985], [fachechi2019dreaming],
[agliari2022examples]. Memory O(NK), one visit O(K). Limits: κ is for spins only.

Example:
    >>> system = Config(kind="pattern_network", units=8, memories=2).build(jax.random.key(0))
    >>> x = NetworkState((system.memory[:, 0] > 0).astype(jnp.int8))
    >>> overlap = float(jnp.mean(system.memory[:, 0] * spins(x.active, -1)))
    >>> overlap
    1.0
"""

from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field

from matterlearn.core.network import AbstractNetwork, AbstractNetworkKernel, NetworkState, product, spins
from matterlearn.spec import Problem, Spec
from matterlearn.theory import dreaming, learning_from_examples, signal_to_noise

BLOCK = 32  # units visited between two updates of the overlaps: larger blocks make larger responses
MOST_CONVERTED = 1 << 28  # entries of the vectors that are kept as floats for a whole run; beyond, block by block


class OverlapKernel(AbstractNetworkKernel):
    """Gaps from the projections v^μ = ζ^μ·s."""

    low: int = eqx.field(static=True)
    units: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    vectors: Array  # [unit, vector]
    coupling: Float[Array, " vector"]
    threshold: Float[Array, " unit"]
    excess: Float[Array, " unit"]  # (1 − κ) J_ii, which the overlaps count but the field does not have
    self_coupling: Float[Array, ""]

    def summary(self, active):
        """v."""
        return self._project(slice(None), spins(active, self.low))

    def _rows(self, chosen) -> Float[Array, "block vector"]:
        return self.vectors[chosen].astype(self.coupling.dtype)

    def _project(self, chosen, values):
        return product(self._rows(chosen).T, values)

    def gaps(self, summary, active, chosen):
        """−(1 − low) [Σ_μ c_μ ζ_i^μ v^μ/N − (1 − κ) J_ii s_i + U_i]."""
        field = product(self._rows(chosen), self.coupling * summary) / self.units
        field = field - self.excess[chosen] * spins(active[chosen], self.low)
        return -(1 - self.low) * (field + self.threshold[chosen])

    def response(self, chosen):
        """−(1 − low)² J_ab; between visits to one unit, κ of it."""
        rows = self._rows(chosen)
        J = (rows * self.coupling) @ rows.T / self.units
        same = chosen[:, None] == chosen
        return -((1 - self.low) ** 2) * jnp.where(same, self.self_coupling * J, J)

    def absorb(self, summary, chosen, change):
        """v after the changes."""
        return summary + (1 - self.low) * self._project(chosen, change)


def root(memory: Float[np.ndarray, "unit memory"], function) -> Float[np.ndarray, "unit memory"]:
    """ξ f(C)^{1/2} with f applied to the eigenvalues of C = ξᵀξ/N."""
    overlap = memory.T @ memory / len(memory)
    values, vectors = np.linalg.eigh(overlap)
    return memory @ (vectors * np.sqrt(function(values))) @ vectors.T


LEARNT = {
    True: learning_from_examples.supervised_overlap,
    False: learning_from_examples.unsupervised_overlap,
}


class Hebb(Spec):
    """ζ = ξ."""

    rule: Literal["hebb"]
    separate: ClassVar[bool] = True  # one vector per memory shown: some may be left out

    def bit_error(self, units, memories):
        """Fraction of a memory's spins that one step turns wrong, exact."""
        return signal_to_noise.exact_bit_error(units, memories)

    def vectors(self, shown):
        """What is shown, as it is."""
        return None if shown.dtype == np.int8 else shown.astype(np.float32)


class Projector(Spec):
    """ζ = C^{−1/2} ξ."""

    rule: Literal["projector"]
    separate: ClassVar[bool] = False

    def bit_error(self, units, memories):
        """None, as long as the memories are independent."""
        return np.where(np.asarray(memories) < units, 0.0, np.nan)

    def vectors(self, shown):
        """Orthonormal combinations of what is shown; directions that are not there stay out."""
        inverse = lambda v: np.where(v > 1e-9 * v.max(), 1 / np.maximum(v, 1e-300), 0)  # noqa: E731
        return root(shown.astype(float), inverse).astype(np.float32)


class Dreaming(Spec):
    """ζ = [(1 + t)/(1 + t C)]^{1/2} ξ."""

    rule: Literal["dreaming"]
    separate: ClassVar[bool] = False
    time: float = Field(ge=0, description="dreaming time t: 0 is Hebb, large is the projector")

    def vectors(self, shown):
        """What is shown, with its correlations partly dreamt away."""
        return root(shown.astype(float), lambda v: (1 + self.time) / (1 + self.time * v)).astype(np.float32)

    def bit_error(self, units, memories):
        """Of one step, for many units."""
        return dreaming.bit_error(np.asarray(memories) / units, self.time)


class Examples(Spec):
    """Noisy copies instead of the memories."""

    count: int = Field(ge=1, description="copies M of each memory")
    quality: float = Field(gt=0, le=1, description="r: an entry is right with probability (1 + r)/2")
    supervised: bool = Field(description="whether copies of one memory are known to belong together")

    def shown(self, rng, memory):
        """The averages of the copies, or all copies beside each other."""
        if self.supervised:
            right = rng.binomial(self.count, (1 + self.quality) / 2, memory.shape)
            return memory * (2 * right / self.count - 1)
        right = rng.random((*memory.shape, self.count)) < (1 + self.quality) / 2
        return (memory[:, :, None] * np.where(right, 1, -1)).astype(np.int8).reshape(len(memory), -1)


class PatternNetwork(AbstractNetwork):
    """Memories ξ, the vectors ζ that store them, and one coupling per vector; see the module's docstring."""

    coupling: Float[Array, " vector"]
    threshold: Float[Array, " unit"]
    self_coupling: Float[Array, ""]
    memory: Int[Array, "unit memory"]
    stored: Array | None  # [unit, vector]; None where the vectors are the memories themselves
    low: int = eqx.field(static=True)
    storage: Hebb | Projector | Dreaming = eqx.field(static=True)
    examples: Examples | None = eqx.field(static=True)

    def learnable(self):
        """Couplings and thresholds; what is stored stays."""
        blank = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda s: (s.coupling, s.threshold), blank, (True, True))

    @property
    def vectors(self) -> Array:
        """ζ [unit, vector]."""
        return self.memory if self.stored is None else self.stored

    def energy(self, x: NetworkState, neighbors=None) -> Float[Array, ""]:
        """Energy, kT_ref."""
        s, rows = spins(x.active, self.low), self.vectors.astype(self.coupling.dtype)
        own = (1 - self.self_coupling) * (s**2 @ rows**2)
        return self.coupling @ ((s @ rows) ** 2 - own) / (2 * len(s)) + self.threshold @ s

    def init_state(self, key) -> NetworkState:
        """Every unit active or not by the toss of a coin."""
        return NetworkState(jax.random.bernoulli(key, 0.5, self.memory.shape[:1]).astype(jnp.int8))

    def keeping(self, memories: Int[Array, ""], examples: Int[Array, ""]) -> "PatternNetwork":
        """The network that stores the first so many memories, of the first so many examples each; see ``sweeps``."""
        shown = self.coupling.shape[0] // self.memory.shape[1]
        vector = jnp.arange(self.coupling.shape[0])
        kept = (vector // shown < memories) & (vector % shown < examples)
        return eqx.tree_at(lambda s: s.coupling, self, jnp.where(kept, self.coupling, 0.0))

    def first_step(self, memories, examples) -> Float[np.ndarray, " point"]:
        """Overlap with a memory after one parallel step at kT = 0 from it, for numbers of memories and of examples.

        NaN where no theory is known: for thresholds, unequal couplings or self-coupling, and dreams of examples.
        """
        units, memories = len(self.memory), np.asarray(memories)
        even = bool(jnp.all(self.coupling == -1) & jnp.all(self.threshold == 0) & (self.self_coupling == 0))
        if not even or self.low != -1 or not (self.examples is None or self.storage.separate):
            return np.full(memories.shape, np.nan)
        if self.examples is None:
            return 1 - 2 * self.storage.bit_error(units, memories)
        examples = np.minimum(examples, self.examples.count)
        return LEARNT[self.examples.supervised](memories / units, examples, self.examples.quality)

    def kernel(self) -> OverlapKernel:
        """Gaps from overlaps."""
        units, vectors = len(self.memory), self.vectors
        if vectors.size <= MOST_CONVERTED:
            vectors = vectors.astype(self.coupling.dtype)
        excess = (1 - self.self_coupling) * (jnp.square(vectors) @ self.coupling) / units
        return OverlapKernel(
            self.low, units, BLOCK, vectors, self.coupling, self.threshold, excess, self.self_coupling
        )


class Config(Spec):
    """Associative memory in pattern form in a scenario."""

    kind: Literal["pattern_network"]
    matter: ClassVar[str] = "network"
    units: int = Field(ge=1, description="number of units N", examples=[6])
    memories: int = Field(ge=1, description="number of memories K, random and independent", examples=[2])
    memory_seed: int = Field(default=0, ge=0, description="seed of the memories and of their examples")
    values: Literal["spins", "threshold"] = Field(
        default="spins", description="values of a unit: −1 and 1, or 0 and 1", examples=["spins", "threshold"]
    )
    storage: Annotated[Hebb | Projector | Dreaming, Field(discriminator="rule")] = Field(
        default=Hebb(rule="hebb"), description="how the memories are stored", examples=[{"rule": "hebb"}]
    )
    examples: Examples | None = Field(default=None, description="what is shown of the memories; null is themselves")
    threshold: float = Field(default=0.0, description="threshold U of every unit, kT_ref", examples=[0.0, 0.1])
    self_coupling: float = Field(default=0.0, ge=0, le=1, description="fraction κ of the diagonal that is kept")

    @property
    def sweeps(self) -> tuple[str, ...]:
        """What replicas may differ in: temperatures, and what is stored vector by vector."""
        apart = self.storage.separate
        several = self.examples is not None and not self.examples.supervised
        return ("temperatures", *["loads"] * apart, *["examples"] * (apart and several))

    def check(self, scenario):
        """Self-coupling only where it is defined."""
        if self.values == "threshold" and self.self_coupling:
            yield Problem(("self_coupling",), "is defined for spins; leave it at 0 for threshold units")

    def build(self, key) -> PatternNetwork:
        """The system; ``key`` is unused: memories have a seed of their own, so that they outlive a change of seed."""
        del key
        rng = np.random.default_rng(self.memory_seed)
        memory = rng.integers(0, 2, (self.units, self.memories), np.int8) * 2 - 1
        shown = memory if self.examples is None else self.examples.shown(rng, memory)
        stored = self.storage.vectors(shown)
        if stored is None and self.examples is not None:
            stored = shown
        return PatternNetwork(
            coupling=jnp.full(shown.shape[1], -1.0),
            threshold=jnp.full(self.units, float(self.threshold)),
            self_coupling=jnp.asarray(float(self.self_coupling)),
            memory=jnp.asarray(memory),
            stored=None if stored is None else jnp.asarray(stored),
            low=-1 if self.values == "spins" else 0,
            storage=self.storage,
            examples=self.examples,
        )

"""Associative memories as restricted Boltzmann machines with Gaussian hidden units, and back.

    P(s, z) ∝ exp[−½ |z|² + Σ_i s_i (Σ_k W_ik z_k + a_i) + b],        s_i ∈ {−1, 1},  z_k real

Integrating z out leaves P(s) ∝ exp[½ |Wᵀs|² + a·s + b], which is e^{−E/kT} of the associative memory

    E(s) = (1/2N) Σ_k c_k [(ζ^k·s)² − Σ_i (ζ_i^k)²] + Σ_i U_i s_i,        c_k <= 0,

if W_ik = ζ_i^k √(−c_k/(N kT)), a = −U/kT and b = Σ_ik c_k (ζ_i^k)²/(2N kT), the diagonal that E leaves out
[barra2012equivalence]. Hidden unit k, given the spins, is normal around √(−c_k N/kT) times the overlap with ζ^k, so
one sweep of block sampling is a noisy reading of all overlaps and a writing of all spins. With an orthogonal matrix Q
the weights WQ are those of the same memory: hidden units are patterns only up to a rotation.

Units: E, c, U and kT in one unit; W, a, b, z are pure numbers. Limits: attractive memories (c <= 0), spins.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss

from matterlearn.theory.enumeration import configurations


class GaussianMachine(NamedTuple):
    """Weights W, fields a of the spins, and the constant b."""

    weights: Float[np.ndarray, "unit hidden"]
    fields: Float[np.ndarray, " unit"]
    constant: float = 0.0

    def energy(self, s: Float[np.ndarray, "*state unit"], z: Float[np.ndarray, "*state hidden"]):
        """−ln of the joint weight, in kT.

        >>> GaussianMachine(np.array([[1.0]]), np.zeros(1)).energy(np.array([1.0]), np.array([2.0])).item()
        0.0
        """
        return (z**2).sum(-1) / 2 - ((s @ self.weights) * z).sum(-1) - s @ self.fields - self.constant

    def marginal_energy(self, s: Float[np.ndarray, "*state unit"]) -> Float[np.ndarray, "*state"]:
        """−ln of the weight of spins with the hidden units integrated out (each over dz/√2π), in kT."""
        return -((s @ self.weights) ** 2).sum(-1) / 2 - s @ self.fields - self.constant

    def log_partition(self) -> float:
        """ln Z by a sum over all states of the spins.

        >>> round(float(GaussianMachine(np.zeros((3, 1)), np.zeros(3)).log_partition() / np.log(2)), 12)
        3.0
        """
        return float(np.logaddexp.reduce(-self.marginal_energy(2.0 * configurations(len(self.fields), 2) - 1)))

    def log_partition_hidden(self, nodes: int = 64) -> float:
        """ln Z the other way round, spins summed out: ln ∫ Dz Π_i 2cosh(Σ_k W_ik z_k + a_i) + b, Gauss–Hermite.

        Exact to rounding while the norms of the columns of W are well below √(nodes); nodes^K terms.
        """
        z, weight = hermegauss(nodes)
        count = self.weights.shape[1]
        hidden = np.stack([axis.ravel() for axis in np.meshgrid(*[z] * count, indexing="ij")], 1)
        measure = np.log(np.meshgrid(*[weight / np.sqrt(2 * np.pi)] * count, indexing="ij")).sum(0).ravel()
        field = hidden @ self.weights.T + self.fields
        return float(np.logaddexp.reduce(measure + np.logaddexp(field, -field).sum(1)) + self.constant)


class PatternMemory(NamedTuple):
    """Vectors ζ, couplings c and thresholds U of an associative memory, as ``pattern_network`` has them."""

    vectors: Float[np.ndarray, "unit vector"]
    coupling: Float[np.ndarray, " vector"]
    threshold: Float[np.ndarray, " unit"]


def from_patterns(memory: PatternMemory, kT: float) -> GaussianMachine:
    """The machine whose spins follow the memory at temperature kT.

    Raises:
        ValueError: if kT is not positive, or if a coupling repels (c > 0): its hidden unit would be imaginary.

    >>> machine = from_patterns(PatternMemory(np.array([[1.0], [-1.0]]), np.array([-1.0]), np.zeros(2)), 0.5)
    >>> machine.weights.round(12).tolist(), float(machine.constant)
    ([[1.0], [-1.0]], -1.0)
    """
    vectors, coupling, threshold = (np.asarray(leaf, float) for leaf in memory)
    if kT <= 0 or (coupling > 0).any():
        raise ValueError(f"needs kT > 0 and couplings c <= 0, got kT = {kT} and a largest c of {coupling.max():g}")
    strength = coupling / (len(vectors) * kT)
    return GaussianMachine(vectors * np.sqrt(-strength), -threshold / kT, float((vectors**2).sum(0) @ strength) / 2)


def to_patterns(machine: GaussianMachine, kT: float) -> PatternMemory:
    """The memory of this law at temperature kT: vectors of mean square 1, that is of ±1 where weights are even.

    Raises:
        ValueError: if kT is not positive.

    >>> memory = PatternMemory(np.array([[1.0], [-1.0]]), np.array([-0.3]), np.array([0.1, 0.2]))
    >>> back = to_patterns(from_patterns(memory, 0.5), 0.5)
    >>> [leaf.round(12).tolist() for leaf in back]
    [[[1.0], [-1.0]], [-0.3], [0.1, 0.2]]
    """
    if kT <= 0:
        raise ValueError(f"needs kT > 0, got {kT}")
    weights, fields, _ = machine
    size = np.sqrt((weights**2).mean(0))
    vectors = weights / np.where(size > 0, size, 1.0)
    return PatternMemory(vectors, -len(weights) * kT * size**2, -kT * fields)

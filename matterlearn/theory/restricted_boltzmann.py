"""Restricted Boltzmann machines, exactly: sums over the smaller layer, Gibbs kernels, learning without noise.

    P(v, h) = exp(a·v + b·h + v·W h)/Z,      v_i, h_j ∈ {low, 1},   low = 0 or −1.

W, a and b are *weights*, as papers write them: E = −a·v − b·h − v·W h in units of kT. An energy of this package adds
+J v h + U v, lower J sticking, so a machine of couplings J, thresholds U at temperature kT has W = −J/kT, a = −U_v/kT
and b = −U_h/kT, and ascent of the likelihood in W is descent in J.

One layer given, the units of the other are independent, and their sum is a product:

    ln Σ_h P(v, h) Z = a·v + Σ_j [ln(e^{x_j} + e^{low x_j})],      x = b + vW.

So everything costs 2^(smaller layer), streamed. The *Gibbs kernel* T(v → v') = Σ_h P(h|v) P(v'|h) has the eigenvalues
σ², σ being the singular values of P(v, h)/√(P(v) P(h)); the first is 1, the second tells how slowly chains forget.
Contrastive divergence [hinton2002training] stops the chain that starts at the data after k steps,

    CD-k = ⟨v h⟩_data − ⟨v h⟩_{data Tᵏ},      bias = CD-k − gradient → 0 like σ_2^{2k},

and is a deterministic direction once T is enumerated. Its fixed point is not that of maximum likelihood
[carreira2005contrastive].

With *Gaussian* visible units, E = Σ (x_i − a_i)²/2σ_i² − b·h − Σ x_i W_ij h_j/σ_i², x given h is normal around a + Wh,
and P(x) a mixture of 2^hidden Gaussians.

Units: W, a, b in 1 (kT), x and σ alike, likelihoods in nats. Limits: the smaller layer has at most 2^20 states (a
second); kernels need both layers small.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

CHUNK = 2**13  # states of the smaller layer that are held at once
LARGEST = 20  # units of the smaller layer


class Machine(NamedTuple):
    """Weights of a machine of units of {low, 1}: low = 0 or −1."""

    W: Float[np.ndarray, "visible hidden"]
    a: Float[np.ndarray, " visible"]
    b: Float[np.ndarray, " hidden"]
    low: int = 0

    @property
    def turned(self) -> "Machine":
        """The same machine with its layers exchanged."""
        return Machine(self.W.T, self.b, self.a, self.low)


class Moments(NamedTuple):
    """⟨v h⟩, ⟨v⟩ and ⟨h⟩: minus ∂E/∂ of W, a and b. Differences of moments are gradients."""

    W: Float[np.ndarray, "visible hidden"]
    a: Float[np.ndarray, " visible"]
    b: Float[np.ndarray, " hidden"]

    def minus(self, other: "Moments") -> "Moments":
        """The difference, part by part."""
        return Moments(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def states(units: int, low: int = 0) -> Float[np.ndarray, "states units"]:
    """All states of a layer, the last unit changing fastest.

    >>> states(2, -1).tolist()
    [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """
    return _digits(np.arange(2**units), units, low)


def _digits(numbers, units, low):
    return low + (1.0 - low) * (numbers[:, None] >> np.arange(units)[::-1] & 1)


def _stream(units: int, low: int) -> Iterator[Float[np.ndarray, "chunk units"]]:
    if units > LARGEST:
        raise ValueError(f"the smaller layer has {units} units; sums over more than 2^{LARGEST} states are not made")
    for start in range(0, 2**units, CHUNK):
        yield _digits(np.arange(start, min(start + CHUNK, 2**units)), units, low)


def mean_unit(field: Float[np.ndarray, "..."], low: int) -> Float[np.ndarray, "..."]:
    """⟨s⟩ of a unit of {low, 1} in a field x, P ∝ exp(x s).

    >>> mean_unit(np.array([0.0]), -1).tolist(), mean_unit(np.array([0.0]), 0).tolist()
    ([0.0], [0.5])
    """
    return low + (1 - low) * expit((1 - low) * field)


def log_weight(machine: Machine, visible: Float[np.ndarray, "states visible"]) -> Float[np.ndarray, " states"]:
    """ln Σ_h exp(−E(v, h)): minus the free energy of each visible state.

    >>> log_weight(Machine(np.zeros((1, 2)), np.zeros(1), np.zeros(2)), np.ones((1, 1))).round(9).tolist()    # ln 4
    [1.386294361]
    """
    field = machine.b + visible @ machine.W
    return visible @ machine.a + np.logaddexp(field, machine.low * field).sum(axis=1)


def log_partition(machine: Machine) -> float:
    """ln Z.

    Raises:
        ValueError: if both layers have more than 20 units.

    >>> round(log_partition(Machine(np.zeros((3, 2)), np.zeros(3), np.zeros(2))) / math.log(2), 12)
    5.0
    """
    small = _summed(machine)
    parts = [np.logaddexp.reduce(log_weight(small, chunk)) for chunk in _stream(len(small.a), small.low)]
    return float(np.logaddexp.reduce(parts))


def _summed(machine):
    """The machine with its smaller layer as the visible one, over whose states sums are made."""
    return machine if len(machine.a) <= len(machine.b) else machine.turned


def log_likelihood(machine: Machine, data: Float[np.ndarray, "n visible"]) -> Float[np.ndarray, " n"]:
    """ln P(v) of each row [nats].

    >>> free = Machine(np.zeros((2, 3)), np.log([1.0, 3.0]), np.zeros(3))    # P(v_i = 1) = 1/2, 3/4
    >>> np.exp(log_likelihood(free, np.ones((1, 2)))).round(12).tolist()
    [0.375]
    """
    return log_weight(machine, data) - log_partition(machine)


def clamped_moments(
    machine: Machine, data: Float[np.ndarray, "n visible"], weights: Float[np.ndarray, " n"] | None = None
) -> Moments:
    """Moments with the visible units on rows of the data, equally likely by default, and the hidden ones following.

    >>> clamped_moments(Machine(np.zeros((2, 1)), np.zeros(2), np.zeros(1)), np.array([[1.0, 0.0]])).W.tolist()
    [[0.5], [0.0]]
    """
    weights = np.full(len(data), 1 / len(data)) if weights is None else weights
    hidden = mean_unit(machine.b + data @ machine.W, machine.low)
    return Moments((weights[:, None] * data).T @ hidden, weights @ data, weights @ hidden)


def free_moments(machine: Machine) -> Moments:
    """Moments of the whole machine in equilibrium.

    >>> free_moments(Machine(np.zeros((2, 1)), np.zeros(2), np.zeros(1))).W.round(12).tolist()
    [[0.25], [0.25]]
    """
    small, log_Z = _summed(machine), log_partition(machine)
    parts = [
        clamped_moments(small, chunk, np.exp(log_weight(small, chunk) - log_Z))
        for chunk in _stream(len(small.a), small.low)
    ]
    total = Moments(*(np.sum(part, axis=0) for part in zip(*parts, strict=True)))
    return total if small is machine else Moments(total.W.T, total.b, total.a)


def gradient(machine: Machine, data: Float[np.ndarray, "n visible"]) -> Moments:
    """Gradient of the mean log likelihood: ⟨v h⟩_data − ⟨v h⟩.

    >>> gradient(Machine(np.zeros((1, 1)), np.zeros(1), np.zeros(1)), np.ones((1, 1))).a.tolist()
    [0.5]
    """
    return clamped_moments(machine, data).minus(free_moments(machine))


def log_joint(machine: Machine) -> Float[np.ndarray, "visible_states hidden_states"]:
    """ln P(v, h) of every pair of states, for small layers.

    Raises:
        ValueError: if the layers have more than 24 units together.
    """
    if len(machine.a) + len(machine.b) > 24:
        raise ValueError(f"a kernel of layers of {machine.W.shape} units is too large: at most 24 units together")
    visible, hidden = (states(len(bias), machine.low) for bias in (machine.a, machine.b))
    energy = visible @ machine.W @ hidden.T + (visible @ machine.a)[:, None] + hidden @ machine.b
    return energy - np.logaddexp.reduce(energy, axis=None)


def gibbs_kernel(machine: Machine) -> Float[np.ndarray, "visible_states visible_states"]:
    """T(v → v') of one sweep: all hidden units, then all visible ones.

    >>> kernel = gibbs_kernel(Machine(np.array([[1.0]]), np.zeros(1), np.zeros(1)))
    >>> kernel.sum(axis=1).round(12).tolist()
    [1.0, 1.0]
    """
    joint = np.exp(log_joint(machine))
    return (joint / joint.sum(axis=1, keepdims=True)) @ (joint / joint.sum(axis=0)).T


def spectrum(machine: Machine) -> Float[np.ndarray, " eigenvalues"]:
    """Eigenvalues of the Gibbs kernel that may differ from 0, largest first; the first is 1.

    >>> spectrum(Machine(np.zeros((2, 2)), np.zeros(2), np.zeros(2))).round(9).tolist()    # forgets at once
    [1.0, 0.0, 0.0, 0.0]
    """
    log = log_joint(machine)
    scaled = np.exp(log - sum(np.logaddexp.reduce(log, axis=axis, keepdims=True) for axis in (0, 1)) / 2)
    return np.linalg.svd(scaled, compute_uv=False) ** 2


def contrastive_divergence(machine: Machine, data: Float[np.ndarray, "n visible"], k: int) -> Moments:
    """CD-k averaged over all its chains: what a sampled CD-k estimates without bias.

    >>> free = Machine(np.zeros((1, 1)), np.zeros(1), np.zeros(1))
    >>> contrastive_divergence(free, np.ones((1, 1)), 1).a.tolist()
    [0.5]
    """
    layer = states(len(machine.a), machine.low)
    kernel, law = gibbs_kernel(machine), _empirical(data, machine.low)
    for _ in range(k):
        law = law @ kernel
    return clamped_moments(machine, data).minus(clamped_moments(machine, layer, law))


def _empirical(data, low):
    """Fraction of the data at each state."""
    units = data.shape[1]
    numbers = ((data > low).astype(int) << np.arange(units)[::-1]).sum(axis=1)
    return np.bincount(numbers, minlength=2**units) / len(data)


def relative_bias(estimate: Float[np.ndarray, "*k"], exact: Float[np.ndarray, "*k"]) -> tuple[float, float]:
    """‖estimate − exact‖/‖exact‖ of one part of the moments, and the cosine between the two directions.

    >>> relative_bias(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    (0.5, 1.0)
    """
    x, y = np.ravel(estimate), np.ravel(exact)
    return float(np.linalg.norm(x - y) / np.linalg.norm(y)), float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def train(
    machine: Machine, data: Float[np.ndarray, "n visible"], rate: float, steps: int, k: int | None = None
) -> Machine:
    """Ascent by ``steps`` steps of ``rate`` along the gradient of the mean log likelihood, or along exact CD-k.

    >>> start = Machine(np.zeros((1, 1)), np.zeros(1), np.zeros(1))
    >>> train(start, np.ones((1, 1)), 0.1, 2).a.round(6).tolist()
    [0.098436]
    """
    for _ in range(steps):
        slope = gradient(machine, data) if k is None else contrastive_divergence(machine, data, k)
        W, a, b = (part + rate * up for part, up in zip(machine[:3], slope, strict=True))
        machine = Machine(W, a, b, machine.low)
    return machine


class GaussianMachine(NamedTuple):
    """Weights of a machine of Gaussian visible units of widths σ and hidden units of {low, 1}."""

    W: Float[np.ndarray, "visible hidden"]
    a: Float[np.ndarray, " visible"]
    b: Float[np.ndarray, " hidden"]
    sigma: Float[np.ndarray, " visible"]
    low: int = 0


class Mixture(NamedTuple):
    """P(x) = Σ_h w_h N(x; centre_h, σ²), and ln Z."""

    log_partition: float
    weights: Float[np.ndarray, " states"]
    centres: Float[np.ndarray, "states visible"]


def mixture(machine: GaussianMachine) -> Mixture:
    """The mixture of Gaussians that a Gaussian–binary machine is: w_h ∝ exp(b·h + Σ_i (c_i² − a_i²)/2σ_i²), c = a + Wh.

    Raises:
        ValueError: if there are more than 20 hidden units.

    >>> one = mixture(GaussianMachine(np.array([[2.0]]), np.zeros(1), np.array([-2.0]), np.ones(1)))
    >>> one.weights.tolist(), one.centres.tolist()
    ([0.5, 0.5], [[0.0], [2.0]])
    """
    hidden = np.concatenate(list(_stream(len(machine.b), machine.low)))
    centres = machine.a + hidden @ machine.W.T
    log = hidden @ machine.b + ((centres**2 - machine.a**2) / (2 * machine.sigma**2)).sum(axis=1)
    norm = float(np.log(machine.sigma).sum() + len(machine.a) / 2 * math.log(2 * math.pi))
    total = float(np.logaddexp.reduce(log))
    return Mixture(total + norm, np.exp(log - total), centres)

"""Scalar lattice fields: conventions of the action, exact values, and a sampler that shares nothing with the package.

    S = Σ_x [a φ² + λ φ⁴] − J Σ_⟨ij⟩ φ_i φ_j,        P(φ) ∝ exp(−S)

on a periodic hypercubic lattice in d dimensions, a side of length 2 having each of its bonds twice. φ → cφ leaves the
model as it is with (ac², Jc², λc⁴), and every convention in use is a choice of (a, J, λ):

| convention | action | (a, J, λ) |
|---|---|---|
| lattice | Σ[Σ_μ(φ_{x+μ} − φ_x)² + m²φ² + λφ⁴] | (2d + m², 2, λ) |
| hopping | Σ[−2κ Σ_μ φ_{x+μ}φ_x + (1 − 2λ)φ² + λφ⁴] | (1 − 2λ, 2κ, λ) |
| continuum | Σ[½ Σ_μ(φ_{x+μ} − φ_x)² + ½ μ₀²φ² + ¼ λφ⁴] | (d + μ₀²/2, 1, λ/4) |
| wavelet | Σ[½ β Σ_μ(φ_{x+μ} − φ_x)² + φ⁴ − (1 + dβ)φ²] | (−1, β, 1) |

Scaling φ gives ⟨Σ φ ∂S/∂φ⟩ = V, hence S/V = ½ − λ⟨φ⁴⟩ for every lattice and coupling. Fields, couplings and S are pure
numbers. Sources: [albergo2019], [schaich2009], [kaupuzs2016]; the cluster update [brower1989], [swendsen1987].
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import simpson
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SWEEPS = 5  # Metropolis sweeps of a round: sizes of weakly coupled fields are slower than signs
RELAX = 60  # rounds before the first sample
APART = 20  # rounds between samples of one chain
CHAINS = 1000


class Action(NamedTuple):
    """(a, J, λ)."""

    quadratic: float
    hopping: float
    quartic: float


def lattice_action(mass_squared: float, coupling: float, dimension: int = 2) -> Action:
    """Differences without a factor ½.

    >>> lattice_action(-4.0, 8.0)
    Action(quadratic=0.0, hopping=2.0, quartic=8.0)
    """
    return Action(2 * dimension + mass_squared, 2.0, coupling)


def hopping_action(hopping: float, coupling: float, dimension: int = 2) -> Action:
    """Hopping parameter κ; fields near ±1 for large λ.

    >>> hopping_action(0.25, 0.5)
    Action(quadratic=0.0, hopping=0.5, quartic=0.5)
    """
    del dimension
    return Action(1 - 2 * coupling, 2 * hopping, coupling)


def continuum_action(mass_squared: float, coupling: float, dimension: int = 2) -> Action:
    """Bare mass μ₀² and coupling of the continuum field.

    >>> continuum_action(-0.5, 1.0)
    Action(quadratic=1.75, hopping=1.0, quartic=0.25)
    """
    return Action(dimension + mass_squared / 2, 1.0, coupling / 4)


def wavelet_action(inverse_temperature: float, dimension: int = 2) -> Action:
    """Inverse temperature β of a gradient in a fixed double well.

    >>> wavelet_action(0.68)
    Action(quadratic=-1.0, hopping=0.68, quartic=1.0)
    """
    del dimension
    return Action(-1.0, inverse_temperature, 1.0)


def action_value(
    field: Float[np.ndarray, "*sample_and_site"], action: Action, dimension: int
) -> Float[np.ndarray, "..."]:  # fmt: skip
    """S of configurations; sites are the last ``dimension`` axes."""
    sites = tuple(range(-dimension, 0))
    pairs = sum(field * np.roll(field, -1, axis) for axis in sites)
    return np.sum(action.quadratic * field**2 + action.quartic * field**4 - action.hopping * pairs, axis=sites)


class Exact(NamedTuple):
    """ln Z, and averages over Boltzmann's law; M is the mean of the field over the lattice."""

    log_partition: float
    mean_square: float
    mean_fourth_power: float
    magnetization: float
    magnetization_square: float
    magnetization_fourth_power: float


def single_site(action: Action, *, reach: float = 8.0, points: int = 4001) -> Exact:
    """One site without bonds, by quadrature; J is not used.

    >>> round(single_site(Action(-4.0, 0.0, 8.0)).log_partition, 6)
    0.733749
    """
    phi = np.linspace(-reach, reach, points) / max(action.quartic, 1e-3) ** 0.25
    weight = np.exp(-action.quadratic * phi**2 - action.quartic * phi**4)
    step = phi[1] - phi[0]
    total = weight.sum() * step
    square, fourth = (float(np.sum(weight * phi**n) * step / total) for n in (2, 4))
    size = float(2 * simpson((weight * np.abs(phi))[points // 2 :], dx=step) / total)
    return Exact(float(np.log(total)), square, fourth, size, square, fourth)


def two_by_two(action: Action, *, reach: float = 4.0, points: int = 1601) -> Exact:
    """A periodic 2 x 2 lattice, each bond twice, by quadrature in two dimensions.

    Both sites of one diagonal feel both of the other, so with the sums A, B over diagonals

        Z = ∫dA dB f(A) f(B) exp(2J A B),        f(A) = ∫dφ w(φ) w(A − φ),      w = exp(−aφ² − λφ⁴)

    M = (A + B)/4 is constant along antidiagonals of a grid; ⟨|M|⟩ integrates over half the line, where |M| is smooth.
    """
    phi = np.linspace(-reach, reach, points) / max(action.quartic, 1e-3) ** 0.25
    step = phi[1] - phi[0]
    weight = np.exp(-action.quadratic * phi**2 - action.quartic * phi**4)
    # Directly, since bonds magnify tails that a Fourier transform would lose in rounding.
    plain, square, fourth = (np.convolve(weight * phi**n, weight) * step for n in (0, 2, 4))
    sums = step * (np.arange(2 * points - 1) - (points - 1))
    bond = np.exp(2 * action.hopping * np.outer(sums, sums)) * plain[:, None]
    joint = bond * plain
    total = joint.sum()
    square, fourth = (float(np.sum(bond * own) / total) for own in (square, fourth))
    # M is constant where row + column is: sums over antidiagonals are its density on a grid of the same spacing.
    place = np.add.outer(np.arange(len(sums)), np.arange(len(sums)))
    density = np.bincount(place.ravel(), joint.ravel()) / total
    M = step * (np.arange(len(density)) - (len(sums) - 1)) / 4
    size = float(2 * simpson((density * np.abs(M))[len(sums) - 1 :], dx=1.0))
    log_partition = float(np.log(total * step**2))
    even = float(np.sum(density * M**2)), float(np.sum(density * M**4))
    return Exact(log_partition, square, fourth, size, *even)


def binder(square: float, fourth: float) -> float:
    """U₄ = 1 − ⟨M⁴⟩/(3⟨M²⟩²): 0 for a normal law, 2/3 for two values.

    >>> binder(1.0, 3.0)
    0.0
    """
    return 1 - fourth / (3 * square**2)


def momenta_squared(shape: tuple[int, ...]) -> Float[np.ndarray, "*site"]:
    """k̂² = Σ_μ 4 sin²(k_μ/2) of every wave of the lattice, in the order of a discrete Fourier transform.

    >>> momenta_squared((4,)).round(12).tolist()
    [0.0, 2.0, 4.0, 2.0]
    """
    sides = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]
    return np.sum(np.meshgrid(*sides, indexing="ij"), axis=0)


def free_spectrum(
    shape: tuple[int, ...], mass_squared: float, stiffness: float = 1.0
) -> Float[np.ndarray, "*site"]:  # fmt: skip
    """⟨|φ_k|²⟩ = 1/[2(K k̂² + m²)] of S = Σ[K Σ_μ(φ_{x+μ} − φ_x)² + m²φ²]; K = ½ halves m² in the continuum's words.

    Waves are orthonormal, so the mean over k is ⟨φ²⟩, and that at k = 0 is V⟨M²⟩.
    """
    return 0.5 / (stiffness * momenta_squared(shape) + mass_squared)


def free_log_partition(shape: tuple[int, ...], mass_squared: float, stiffness: float = 1.0) -> float:
    """ln Z = ½ Σ_k ln[π/(K k̂² + m²)].

    >>> round(free_log_partition((8, 8), 1.0), 6)
    -11.622885
    """
    return float(0.5 * np.sum(np.log(2 * np.pi * free_spectrum(shape, mass_squared, stiffness))))


def free_samples(
    shape: tuple[int, ...], mass_squared: float, *, count: int, seed: int, stiffness: float = 1.0
) -> Float[np.ndarray, "sample *site"]:  # fmt: skip
    """Independent configurations of the free field: white noise coloured by the root of the spectrum."""
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    axes, width = tuple(range(1, noise.ndim)), np.sqrt(free_spectrum(shape, mass_squared, stiffness))
    return np.fft.ifftn(width * np.fft.fftn(noise, axes=axes), axes=axes).real


def samples(
    shape: tuple[int, ...], action: Action, *, count: int, seed: int, chains: int = CHAINS, relax: int = RELAX,
    apart: int = APART,
) -> Float[np.ndarray, "sample *site"]:  # fmt: skip
    """Nearly independent configurations, from many chains; those of one chain are ``apart`` rounds from each other.

    One round is SWEEPS Metropolis sweeps of every site and an update of all clusters of signs, which are flipped with
    probability ½; a bond joins sites with probability 1 − exp(−2Jφ_iφ_j) where Jφ_iφ_j > 0. Samples come in the order
    of chains, neighbours in that order from different chains.
    """
    rng, chains = np.random.default_rng(seed), min(chains, count)
    scale = np.sqrt(_rms_square(action))
    field = scale * rng.normal(size=(chains, *shape))
    colours = _colours(shape)
    kept = []
    for number in range(relax + apart * (-(-count // chains) - 1) + 1):
        for _ in range(SWEEPS):
            field = _sweep(rng, field, action, colours, scale)
        field = _flip_clusters(rng, field, action.hopping)
        if number >= relax and (number - relax) % apart == 0:
            kept.append(field.copy())
    return np.concatenate(kept)[:count]


def _rms_square(action: Action) -> float:
    """Size of a fluctuation at one site: that of the narrower of a site alone and one held by its neighbours."""
    alone = single_site(Action(max(action.quadratic, 0.0), 0.0, action.quartic))
    return 2 * alone.mean_square


def _colours(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Masks of sites of one colour: two colours, or more where a side is odd; no two neighbours share one."""
    ticks = [np.where((n % 2) & (np.arange(n) == n - 1), 2, np.arange(n) % 2) for n in shape]
    label = np.sum(np.meshgrid(*ticks, indexing="ij"), axis=0) % (2 if all(n % 2 == 0 for n in shape) else 3)
    return [label == colour for colour in np.unique(label)]


def _sweep(rng, field, action: Action, colours, scale: float):
    """One Metropolis attempt per site; all sites of a colour at once."""
    move = scale * rng.standard_normal(field.shape)
    moved, room = field + move, rng.standard_exponential(field.shape)
    for phi, sign in ((moved, -1.0), (field, 1.0)):
        square = phi**2
        room += sign * square * (action.quadratic + action.quartic * square)
    move *= -action.hopping
    for sites in colours:
        near = sum(np.roll(field, step, axis) for axis in range(1, field.ndim) for step in (1, -1))
        field = np.where(sites & (move * near <= room), moved, field)
    return field


def _flip_clusters(rng, field, hopping: float):
    """All clusters of signs, each flipped or not."""
    index = np.arange(field.size).reshape(field.shape)
    first, second = [], []
    for axis in range(1, field.ndim):
        bond = 2 * hopping * field * np.roll(field, -1, axis)
        joined = rng.exponential(size=field.shape) < bond
        first.append(index[joined])
        second.append(np.roll(index, -1, axis)[joined])
    ends = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(ends[0]), bool), ends), shape=(field.size, field.size))
    count, label = connected_components(graph, directed=False)
    return field * rng.choice([-1.0, 1.0], size=count)[label].reshape(field.shape)

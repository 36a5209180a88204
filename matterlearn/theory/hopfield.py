"""Hopfield network at a finite load: the replica-symmetric states of Amit, Gutfreund and Sompolinsky.

    E(s) = −½ Σ_{i≠j} J_ij s_i s_j,     J_ij = (1/N) Σ_μ ξ_i^μ ξ_j^μ,     K = αN random patterns, N → ∞.

A spin feels h = m S + σz + Tℓ: the n mixed patterns that are condensed (S is the sum of n fair signs; n = 1 is the
retrieval of one pattern, S = 1), the crosstalk of all others, z ~ N(0, 1), and temperature, which is a noise too:
sign(h + Tℓ) with P(ℓ) = ½ sech² ℓ is a heat bath. With g(x) = ⟨|x + σz + Tℓ|⟩ = T⟨ln 2cosh[(x + σz)/T]⟩

    m = ⟨(S/n) g'(mS)⟩,   C = ⟨g''(mS)⟩ = (1 − q)/T,   σ² = αr,   r = q/(1 − C)²                         [amit1987]
    f = n m²/2 + (α/2)[1 + T ln(1 − C) − q/(1 − C) + rC] − ⟨g(mS)⟩.

Replicas are symmetric where the *replicon* eigenvalue 1 − α ⟨sech⁴⟩/[T(1 − C)]² is positive.

*Dilution* [sompolinsky1986]: of the bonds a fraction c is left, at random and symmetric, and α = K/(cN) counts patterns
per connection. The missing bonds are a static noise: σ² = αq [c/(1 − C)² + 1 − c], the bracket replacing 1/(1 − C)² in
the replicon too; in f, α becomes cα, r stays q/(1 − C)², and −α(1 − c)TC²/4 is added.

No iteration that could diverge: at a given T every σ belongs to one load, α(σ) = σ²/[q(c/(1 − C)² + 1 − c)], and m(σ)
is the largest root of a concave equation, which Newton's method reaches from m = 1 without overshooting. The first
maximum of α(σ) is the spinodal; states below it are metastable or stable, those beyond it are saddles.

Averages over the broader of the two noises are closed forms, those over the narrower one a trapezoidal sum of an
analytic function, exact to rounding from T = 0 to σ = 0.

Units: T and energies in the unit of the signal, energies per spin. Limits: replica symmetry, which holds for
retrieval above the line of `hopfield_phases.instability` and nowhere in the spin glass; n odd, since spins in no field
freeze.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import erf
from scipy.stats import binom

# sech² has poles at ±iπ/2 and a unit Gaussian none: steps of 1/5 leave errors of exp(−5π²), the ends exp(−38)
NODES = np.arange(-95, 96) / 5
GAUSSIAN = np.exp(-(NODES**2) / 2) / np.sqrt(2 * np.pi) / 5
LOGISTIC = 1 / np.cosh(NODES) ** 2 / 10


class Potential(NamedTuple):
    """g, its derivatives, and q = ⟨tanh²⟩ = 1 − T g2; see `potential`."""

    g: Float[np.ndarray, "*x"]
    g1: Float[np.ndarray, "*x"]
    g2: Float[np.ndarray, "*x"]
    g3: Float[np.ndarray, "*x"]
    g4: Float[np.ndarray, "*x"]
    q: Float[np.ndarray, "*x"]


def find_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between two points of opposite sign, to rounding.

    >>> find_root(lambda x: x**2 - 4, 0.0, 3.0)
    2.0
    """
    return float(brentq(function, low, high, xtol=1e-16, rtol=1e-15))  # pyright: ignore[reportArgumentType]


def potential(x, sigma: float, T: float) -> Potential:
    """g(x) = T⟨ln 2cosh[(x + σz)/T]⟩ over z ~ N(0, 1), and its first four derivatives.

    Raises:
        ValueError: if σ and T are not both >= 0, or both vanish.

    >>> bool(np.isclose(potential(0.3, 0.0, 0.5).g1, np.tanh(0.6), rtol=1e-14))
    True
    >>> bool(np.isclose(potential(0.3, 0.5, 0.0).g1, erf(0.6 / np.sqrt(2)), rtol=1e-14))
    True
    """
    if not (sigma >= 0 and T >= 0 and sigma + T > 0):
        raise ValueError(f"sigma and T must be >= 0 and not both 0, got sigma = {sigma}, T = {T}")
    x = np.asarray(x, dtype=float)[..., None]
    return Potential(*(_crosstalk(x, sigma, T) if sigma > T else _thermal(x, sigma, T)))


def _crosstalk(x, sigma, T):
    """The Gaussian in closed form, the logistic noise of temperature by summation."""
    y = (x + T * NODES) / sigma
    density, sign = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi), erf(y / np.sqrt(2))
    g, g1, g2 = sigma * (y * sign + 2 * density), sign, 2 * density / sigma
    g3, g4 = -y * g2 / sigma, (y**2 - 1) * g2 / sigma**2
    return (slope @ LOGISTIC for slope in (g, g1, g2, g3, g4, 1 - T * g2))


def _thermal(x, sigma, T):
    """Temperature in closed form, the Gaussian by summation."""
    y = (x + sigma * NODES) / T
    t, decay = np.tanh(y), np.exp(-2 * abs(y))
    s = 4 * decay / (1 + decay) ** 2  # sech², without overflow
    return (
        slope @ GAUSSIAN
        for slope in (T * np.logaddexp(y, -y), t, s / T, -2 * t * s / T**2, s * (4 - 6 * s) / T**3, t**2)
    )


class State(NamedTuple):
    """A replica-symmetric state.

    ``alpha`` load per connection; ``T``; ``m`` overlap with each mixed pattern; ``q`` Edwards–Anderson parameter;
    ``r`` crosstalk, σ² = αr; ``C`` = (1 − q)/T, susceptibility; ``free_energy`` and ``energy`` per spin; ``replicon``
    eigenvalue, negative where replica symmetry is broken, −∞ at T = 0.
    """

    alpha: float
    T: float
    m: float
    q: float
    r: float
    C: float
    free_energy: float
    energy: float
    replicon: float

    @property
    def entropy(self) -> float:
        """(energy − free energy)/T per spin, for T > 0."""
        return (self.energy - self.free_energy) / self.T


class Branch(NamedTuple):
    """All states of one temperature, parametrised by σ: ``mixed`` patterns at once, ``connectivity`` of the bonds."""

    T: float
    connectivity: float = 1.0
    mixed: int = 1

    def overlap(self, sigma: float) -> float:
        """m(σ), the largest root of m = ⟨(S/n) g'(mS)⟩; 0 where there is no other."""
        S, weight = self._signs()
        m, step = 1.0, 1.0
        while step > 1e-16 and m > 1e-12:  # the equation is concave: every step goes down, until rounding
            at = potential(m * S, sigma, self.T)
            step = (m - weight * S @ at.g1 / self.mixed) / (1 - weight * S**2 @ at.g2 / self.mixed)
            m -= max(step, 0.0)
        return float(m) if m > 1e-12 else 0.0

    def load(self, sigma: float, m: float) -> float:
        """α = σ²/[q (c/(1 − C)² + 1 − c)]."""
        S, weight = self._signs()
        at = potential(m * S, sigma, self.T)
        return float(sigma**2 / (weight @ at.q * self.gain(weight @ at.g2)))

    def rise(self, sigma: float) -> float:
        """(1 − C) d ln α/dσ along m(σ), positive up to the spinodal; from ∂g/∂σ = σ ∂²g/∂x²."""
        S, weight = self._signs()
        m = self.overlap(sigma)
        at = potential(m * S, sigma, self.T)
        C = weight @ at.g2
        dm = sigma * (weight * S @ at.g3) / (self.mixed - weight * S**2 @ at.g2)
        dC = weight * S @ at.g3 * dm + sigma * (weight @ at.g4)
        slope = (1 - C) * (2 / sigma + self.T * dC / (weight @ at.q))
        return float(slope - 2 * self.connectivity * dC / ((1 - C) ** 2 * self.gain(C)))

    def state(self, alpha: float, sigma: float, m: float) -> State:
        """Everything about the state of this load, crosstalk and overlap."""
        S, weight = self._signs()
        at = potential(m * S, sigma, self.T)
        C, q, T, c, signal = weight @ at.g2, weight @ at.q, self.T, self.connectivity, self.mixed * m**2 / 2
        kept, missing, crosstalk = c * alpha / 2, (1 - c) * alpha / 2, C * q / (1 - C) ** 2
        free = signal + kept * (1 + T * np.log(1 - C) - q / (1 - C) + crosstalk) - missing * T * C**2 / 2
        energy = -signal + kept * (1 - 1 / (1 - C) - crosstalk) - missing * C * (1 + q)
        fourth = (4 * C / T - T * (weight @ at.g4)) / 6 if T else np.inf  # ⟨sech⁴⟩/T²
        replicon = 1 - alpha * self.gain(C) * fourth if alpha else 1.0
        numbers = alpha, T, m, q, q * self.gain(C), C, free - weight @ at.g, energy, replicon
        return State(*(float(number) for number in numbers))

    def at(self, sigma: float) -> State:
        """The state of retrieval at this crosstalk."""
        m = self.overlap(sigma)
        return self.state(self.load(sigma, m), sigma, m)

    def gain(self, C):
        """σ²/αq = c/(1 − C)² + 1 − c."""
        return self.connectivity / (1 - C) ** 2 + 1 - self.connectivity

    def last(self) -> float:
        """σ of the spinodal, the first maximum of the load."""
        end = _vanishing(self.T)
        grid = end * np.append(np.linspace(0.02, 0.98, 25), 1 - 1e-6)
        falling = next(i for i, sigma in enumerate(grid) if self.rise(sigma) < 0)
        return find_root(self.rise, grid[falling - 1] if falling else 1e-3 * grid[0], grid[falling])

    def _signs(self):
        """Values >= 0 of the sum of n fair signs; their probabilities, those of both signs in one."""
        S = np.arange(self.mixed % 2, self.mixed + 1, 2)
        return S, binom.pmf((self.mixed + S) // 2, self.mixed, 0.5) * np.where(S, 2, 1)


def _vanishing(T: float) -> float:
    """σ at which spins in no field would align by themselves, g''(0) = 1: all overlaps vanish beyond."""
    return find_root(lambda sigma: float(potential(0.0, sigma, T).g2) - 1, 1e-9, np.sqrt(2 / np.pi) + 1e-9)


def spinodal(T: float, *, connectivity: float = 1.0, mixed: int = 1) -> State:
    """The last metastable state of retrieval at temperature T: its load is the capacity.

    Args:
        T: temperature, 0 <= T < 1.
        connectivity: fraction c of the bonds that is left, 0 < c <= 1. Towards c = 0 the jump of m vanishes and the
            load goes to 2/π at T = 0, very slowly.
        mixed: number n of patterns retrieved at once, odd.

    Raises:
        ValueError: outside these ranges.

    >>> state = spinodal(0.0)
    >>> round(state.alpha, 12), round(state.m, 12)
    (0.137905566495, 0.967417115685)
    """
    branch = _checked(T, connectivity, mixed)
    return branch.at(branch.last())


def retrieval(alpha: float, T: float, *, connectivity: float = 1.0, mixed: int = 1) -> State:
    """The state of retrieval at load α and temperature T, metastable or stable.

    Args:
        alpha: load, patterns per connection, >= 0.
        T: temperature, 0 <= T < 1; not zero at zero load.
        connectivity: fraction of the bonds that is left.
        mixed: number of patterns retrieved at once, odd.

    Raises:
        ValueError: outside these ranges, or if the load is beyond the spinodal.

    >>> state = retrieval(0.1, 0.2)
    >>> round(state.m, 8), round(state.q, 8), round(state.r, 8), round(state.free_energy, 8)
    (0.98908516, 0.98441706, 1.15780903, -0.50104066)
    """
    branch = _checked(T, connectivity, mixed)
    if not (alpha >= 0 and alpha + T > 0):
        raise ValueError(f"alpha and T must be >= 0, and not both 0, got alpha = {alpha}, T = {T}")
    sigma = _sigma_of_load(branch, alpha) if alpha else 0.0
    return branch.state(alpha, sigma, branch.overlap(sigma))


def _sigma_of_load(branch, alpha):
    last = branch.last()
    capacity = branch.load(last, branch.overlap(last))
    if alpha > capacity:
        raise ValueError(f"no state of retrieval at load {alpha} and T = {branch.T}: the spinodal is at {capacity:.6g}")

    def excess(sigma):
        return np.sqrt(branch.load(sigma, branch.overlap(sigma)) / alpha) - 1

    return find_root(excess, last * min(1e-6, alpha), last) if alpha < capacity else last


def _checked(T, connectivity, mixed) -> Branch:
    if not 0 <= T < 1:
        raise ValueError(f"patterns are retrieved at 0 <= T < 1, got T = {T}")
    if not 0 < connectivity <= 1:
        raise ValueError(f"the connectivity must lie in (0, 1], got {connectivity}")
    if mixed != int(mixed) or mixed < 1 or mixed % 2 == 0:
        raise ValueError(f"an odd number of patterns can be mixed, got {mixed}")
    return Branch(T, connectivity, int(mixed))


def overlap(alpha, T) -> Float[np.ndarray, "*points"]:
    """Overlap m of the state of retrieval, 0 beyond the spinodal; α and T broadcast.

    >>> overlap([0.0, 0.05, 0.1, 0.2], 0.0).round(8).tolist()
    [1.0, 0.99999223, 0.99799927, 0.0]
    """
    return np.vectorize(_overlap, otypes=[float])(alpha, T)


def _overlap(alpha, T):
    if alpha == T == 0:
        return 1.0
    return retrieval(alpha, T).m if T < 1 and alpha < spinodal(T).alpha else 0.0


def spin_glass(alpha: float, T: float, *, connectivity: float = 1.0) -> State:
    """The state with no overlap: spin glass below T_g, paramagnet (q = 0) above; T_g = 1 + √α without dilution.

    Raises:
        ValueError: if α is not positive, T negative, or the connectivity not in (0, 1].

    >>> state = spin_glass(0.1, 0.0)
    >>> bool(np.isclose(np.sqrt(0.1 * state.r), np.sqrt(0.1) + np.sqrt(2 / np.pi), rtol=1e-12))
    True
    >>> spin_glass(0.1, 1.4).q
    0.0
    """
    if not (alpha > 0 and T >= 0 and 0 < connectivity <= 1):
        raise ValueError(f"alpha must be > 0, T >= 0 and 0 < connectivity <= 1, got {alpha}, {T} and {connectivity}")
    branch = Branch(T, connectivity)
    if T > 1 and alpha * branch.gain(1 / T) <= T**2:
        return branch.state(alpha, 0.0, 0.0)

    def excess(sigma):
        return np.sqrt(branch.load(sigma, 0.0) / alpha) - 1

    least = _vanishing(T) * (1 + 1e-9) if T < 1 else 1e-6
    most = np.sqrt(alpha) + np.sqrt(2 / np.pi) + 1e-9  # since q <= 1 and C <= √(2/π)/σ
    return branch.state(alpha, find_root(excess, least, most), 0.0)

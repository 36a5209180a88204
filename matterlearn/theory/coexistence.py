"""Phase coexistence of incompressible mixtures: the lower convex envelope of a free energy.

The free energy per site is f(phi) = e(phi) + sum_i (phi_i/l_i) ln phi_i with a smooth interaction
energy e and sum_i phi_i = 1. At equilibrium a mixture of mean composition phi_bar splits into phases
a of volume fractions V_a so that sum_a V_a f(phi_a) is lowest at sum_a V_a phi_a = phi_bar. Then all
chemical potentials mu_i = f + w_i - phi.w (w = df/dphi) agree between phases, and the tangent plane
mu.phi lies nowhere above f: this *gap*, min_phi f - mu.phi, is searched for every answer.

Method. A linear programme over a growing set of compositions gives mu; the next compositions are the
local minima of f - mu.phi reached from many starts; the phases of the programme are polished with
Newton's method on equal potentials and conserved composition, and accepted if the gap is closed.

| symbol | meaning | unit |
| --- | --- | --- |
| phi_i, l_i | volume fraction, size | 1 |
| f, e, mu_i | per site | kT |

Source: Gibbs' conditions; tangent-plane test.
Limits: the gap is searched from finitely many starts, so a phase that none of them reaches is missed;
    every component must be present. Fractions down to e^-700.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, nnls
from scipy.special import xlogy

GAP = 1e-11  # depth below the tangent plane that counts as another phase [kT per site]
DISTINCT = 1e-5  # compositions closer than this are one phase
LOWEST = -700.0  # smallest logarithm of a fraction


class Mixture(NamedTuple):
    """Interaction energy with its derivatives, and the sizes that enter the entropy.

    `energy` maps [*phase, N] to [*phase], `slope` to [*phase, N], `curvature` [N] to [N, N]; in kT.
    """

    energy: Callable
    slope: Callable
    curvature: Callable
    sizes: Float[np.ndarray, " N"]


class Phases(NamedTuple):
    """Coexisting phases, ordered by falling fraction of the first component.

    `volumes` sum to one, `potential` is common to all phases, `gap` is the lowest f - mu.phi found.
    """

    volumes: Float[np.ndarray, " phase"]
    compositions: Float[np.ndarray, "phase N"]
    potential: Float[np.ndarray, " N"]
    gap: float


def free_energy(mixture: Mixture, phi: Float[np.ndarray, "*phase N"]) -> Float[np.ndarray, "*phase"]:
    """f = e + sum (phi_i/l_i) ln phi_i [kT per site].

    >>> ideal = Mixture(lambda p: 0 * p[..., 0], np.zeros_like, lambda p: np.zeros((2, 2)), np.ones(2))
    >>> float(free_energy(ideal, np.array([0.5, 0.5])).round(6))
    -0.693147
    """
    return mixture.energy(phi) + (xlogy(phi, phi) / mixture.sizes).sum(axis=-1)


def potentials(mixture: Mixture, phi: Float[np.ndarray, "*phase N"]) -> Float[np.ndarray, "*phase N"]:
    """mu_i = f + w_i - phi.w with w = df/dphi [kT per site].

    >>> ideal = Mixture(lambda p: 0 * p[..., 0], np.zeros_like, lambda p: np.zeros((2, 2)), np.ones(2))
    >>> potentials(ideal, np.array([0.25, 0.75])).round(6).tolist()         # ln phi
    [-1.386294, -0.287682]
    """
    slope = mixture.slope(phi) + (np.log(phi) + 1) / mixture.sizes
    return slope + (free_energy(mixture, phi) - (phi * slope).sum(axis=-1))[..., None]


def lowest_curvature(mixture: Mixture, phi: Float[np.ndarray, " N"]) -> float:
    """Smallest eigenvalue of the Hessian of f among changes with sum_i dphi_i = 0 [kT].

    Positive: the composition is locally stable, a phase or a metastable one.

    >>> ideal = Mixture(lambda p: 0 * p[..., 0], np.zeros_like, lambda p: np.zeros((2, 2)), np.ones(2))
    >>> round(lowest_curvature(ideal, np.array([0.5, 0.5])), 12)
    2.0
    """
    count = len(phi)
    basis = np.linalg.svd(np.ones((1, count)))[2][1:]
    hessian = mixture.curvature(phi) + np.diag(1 / (mixture.sizes * phi))
    return float(np.linalg.eigvalsh(basis @ hessian @ basis.T)[0])


def descend(
    mixture: Mixture, start: Float[np.ndarray, "start N"], potential: Float[np.ndarray, " N"], *, steps=400, tol=1e-9
) -> Float[np.ndarray, "start N"]:
    """Local minima of f - mu.phi on the simplex, downhill from every start at once.

    ln phi_i <- ln phi_i - eta l_i (df/dphi_i - mu_i + xi), with xi from sum phi = 1: mirror descent, for
    which the entropy is as smooth as a parabola. Every start has its own step eta, halved when f - mu.phi
    would grow.

    Args:
        mixture: free energy.
        start: positive compositions.
        potential: mu; zeros find the minima of f itself.
        steps: most iterations.
        tol: largest force l_i |df/dphi_i - mu_i + xi| at which a start is done.

    >>> ideal = Mixture(lambda p: 0 * p[..., 0], np.zeros_like, lambda p: np.zeros((2, 2)), np.ones(2))
    >>> descend(ideal, np.array([[0.9, 0.1]]), np.zeros(2)).round(9).tolist()
    [[0.5, 0.5]]
    """
    sizes = mixture.sizes
    log = np.log(start)
    eta = np.full((len(start), 1), 0.5)

    def state(log):
        phi = np.exp(log)
        height = mixture.energy(phi) + (phi * (log / sizes - potential)).sum(axis=-1)
        return height[:, None], sizes * (mixture.slope(phi) - potential) + 1 + log

    height, force = state(log)
    for _ in range(steps):
        trial = _normalised(log, eta, force, sizes)
        if np.all(np.abs(trial - log) < tol * eta):
            break
        new_height, new_force = state(trial)
        downhill = new_height <= height + 1e-14 * (1 + np.abs(height))
        log, force = np.where(downhill, trial, log), np.where(downhill, new_force, force)
        height = np.where(downhill, new_height, height)
        eta = np.where(downhill, np.minimum(1.0, 1.5 * eta), 0.5 * eta)
    return np.exp(log)


def _normalised(log, eta, force, sizes):
    """ln phi - eta (force + l xi) with xi such that the fractions sum to one (Newton in xi)."""
    moved = np.maximum(log - eta * force, -1e6)
    xi = (moved / sizes).max(axis=-1, keepdims=True)  # left of the root, where the sum is between 1 and N
    for _ in range(60):
        share = np.exp(moved - sizes * xi)
        total = share.sum(axis=-1, keepdims=True)
        if np.all(np.abs(total - 1) < 1e-13):
            break
        xi = xi + np.log(total) * total / (share * sizes).sum(axis=-1, keepdims=True)
    return np.maximum(moved - sizes * xi, LOWEST)


def coexist(mixture: Mixture, mean: Float[np.ndarray, " N"], *, starts: int = 0, seed: int = 0) -> Phases:
    """Equilibrium phases at a given mean composition.

    Args:
        mixture: free energy.
        mean: mean volume fractions, all positive, summing to one.
        starts: random compositions to search from, in addition to nearly pure ones; 0 stands for 32 + 8 N.
        seed: of the random compositions.

    Returns:
        `Phases`; potentials agree to about 1e-11 kT.

    Raises:
        ValueError: if the mean is not a composition.
        RuntimeError: if no set of phases passes the tangent-plane test.

    >>> chi = np.array([[0.0, 3.0], [3.0, 0.0]])
    >>> pair = Mixture(lambda p: 1.5 * p[..., 0] * p[..., 1] * 2, lambda p: p @ chi, lambda p: chi, np.ones(2))
    >>> coexist(pair, np.array([0.4, 0.6])).compositions[:, 1].round(8).tolist()
    [0.07072018, 0.92927982]
    """
    mean = np.asarray(mean, dtype=float)
    if np.any(mean <= 0) or abs(mean.sum() - 1) > 1e-9:
        raise ValueError(
            f"mean fractions must be positive and sum to one, got sum {mean.sum()} and minimum {mean.min()}; "
            "leave absent components out."
        )
    count = len(mean)
    probes = _probes(mean, starts or 32 + 8 * count, seed)
    single = _checked(mixture, np.ones(1), mean[None], probes)
    if single.gap > -GAP and lowest_curvature(mixture, mean) > 0:
        return single
    columns = np.concatenate([np.eye(count), probes])
    for _ in range(60):
        weights, potential = _programme(mixture, columns, mean)
        support = 0.999 * columns[weights > 1e-9] + 0.001 * mean
        found = _polished(mixture, mean, descend(mixture, support, potential))
        if found is not None:
            answer = _checked(mixture, *found, probes)
            if answer.gap > -GAP:
                return _ordered(answer)
            columns = np.concatenate([columns, _minima(mixture, probes, answer.potential)])
        columns = np.concatenate([columns, _minima(mixture, np.concatenate([probes, support]), potential)])
    raise RuntimeError(f"no phases found at mean composition {mean}; try more starts or another seed.")


def _ordered(phases: Phases) -> Phases:
    order = np.argsort(-phases.compositions[:, 0], kind="stable")
    return phases._replace(volumes=phases.volumes[order], compositions=phases.compositions[order])


def _probes(mean, starts, seed):
    """Nearly pure compositions, displaced means, and random compositions from even to lopsided."""
    rng = np.random.default_rng(seed)
    count = len(mean)
    spread = np.exp(rng.uniform(np.log(0.1), np.log(3.0), size=(starts, 1)))
    anywhere = rng.gamma(spread, size=(starts, count)) + 1e-6
    displaced = mean * np.exp(0.3 * rng.standard_normal((2 * count, count)))
    nearly_pure = np.full((count, count), 0.01 / count) + 0.99 * np.eye(count)
    probes = np.concatenate([nearly_pure, displaced, anywhere])
    return probes / probes.sum(axis=1, keepdims=True)


def _programme(mixture, columns, mean):
    """Lowest sum_k w_k f(phi_k) with sum_k w_k phi_k = mean; its dual variables are the potentials."""
    result = linprog(free_energy(mixture, columns), A_eq=columns.T, b_eq=mean, bounds=(0, None), method="highs")
    if result.status != 0:
        raise RuntimeError(f"linear programme failed: {result.message}")
    return result.x, np.asarray(result.eqlin.marginals)


def _distinct(phi):
    """One representative of every group of equal compositions."""
    kept: list[np.ndarray] = []
    for candidate in phi:
        if all(np.max(np.abs(candidate - other)) > DISTINCT for other in kept):
            kept.append(candidate)
    return np.array(kept)


def _minima(mixture, starts, potential):
    """Local minima of f - mu.phi, good enough to enter the linear programme."""
    return _distinct(descend(mixture, starts, potential, tol=1e-6))


def _checked(mixture, volumes, phi, probes) -> Phases:
    """The phases with the lowest gap that the probes find below their common tangent plane."""
    potential = volumes @ potentials(mixture, phi)
    minima = _minima(mixture, np.concatenate([probes, phi]), potential)
    gap = np.min(free_energy(mixture, minima) - minima @ potential)
    return Phases(volumes, phi, potential, float(gap))


def _polished(mixture, mean, phi):
    """Volumes and compositions with equal potentials by Newton's method, or None without convergence."""
    phi = _distinct(phi)
    while len(phi) > 0:
        volumes = nnls(np.concatenate([phi.T, np.ones((1, len(phi)))]), np.append(mean, 1.0))[0]
        solution = _newton(mixture, mean, volumes, phi)
        if solution is None:
            return None
        volumes, polished = solution
        present = volumes > 1e-12
        if present.all() and len(_distinct(polished)) == len(polished):
            return volumes, polished
        if present.all() or not present.any():
            return None
        phi = polished[present]
    return None


def _newton(mixture, mean, volumes, phi):
    """Solves mu(phi_a) = mu, sum phi_a = 1, sum V_a phi_a = mean in (ln phi_a, V_a, mu)."""
    phases, count = phi.shape
    log = np.log(phi)
    potential = potentials(mixture, phi).mean(axis=0)
    for _ in range(60):
        phi = np.exp(log)
        residual, jacobian = _conditions(mixture, mean, volumes, phi, potential)
        if np.max(np.abs(residual)) < 2e-13:
            break
        step = np.linalg.lstsq(jacobian, -residual, rcond=1e-14)[0]
        change = step[: phases * count].reshape(phases, count)
        damping = min(1.0, 1.0 / np.max(np.abs(change)))
        log = np.clip(log + damping * change, LOWEST, 0.0)
        volumes = volumes + damping * step[phases * count : -count]
        potential = potential + damping * step[-count:]
    phi = np.exp(log)
    residual, _ = _conditions(mixture, mean, volumes, phi, potential)
    return (volumes, phi) if np.max(np.abs(residual)) < 1e-10 else None


def _conditions(mixture, mean, volumes, phi, potential):
    """Residuals of the coexistence conditions and their Jacobian; potentials count per molecule."""
    phases, count = phi.shape
    sizes, own = mixture.sizes, phases * count
    residual = np.concatenate(
        [((potentials(mixture, phi) - potential) * sizes).ravel(), phi.sum(axis=1) - 1, volumes @ phi - mean]
    )
    jacobian = np.zeros((own + phases + count, own + phases + count))
    for a in range(phases):
        block = slice(a * count, (a + 1) * count)
        bend = mixture.curvature(phi[a]) * phi[a] + np.diag(1 / sizes)
        jacobian[block, block] = sizes[:, None] * (bend - phi[a] @ bend)
        jacobian[block, own + phases :] = -np.diag(sizes)
        jacobian[own + a, block] = phi[a]
        jacobian[own + phases :, block] = volumes[a] * np.diag(phi[a])
        jacobian[own + phases :, own + a] = phi[a]
    return residual, jacobian

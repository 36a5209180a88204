"""Exact laws of free and trapped diffusion, and of the integrators that imitate it.

| symbol | unit |
| --- | --- |
| t, dt | time |
| D | length^2 / time (D = kT * mobility) |
| D_r | 1 / time |
| friction rate gamma | 1 / time |
| mobility | length^2 / (kT time) |
| stiffness k | kT / length^2 |

Sources: Brownian dynamics [ermak1975]; BAOAB [leimkuhler2013]; the harmonic-trap results are
    two-line Lyapunov equations.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm, solve_discrete_lyapunov


def brownian_msd(time, diffusion, dim):
    """Mean squared displacement of free Brownian motion, 2 d D t [length^2].

    >>> float(brownian_msd(2.0, 0.5, 3))
    6.0
    """
    return 2.0 * dim * diffusion * np.asarray(time, dtype=float)


def langevin_msd(time, *, friction, kT, mass, dim):
    """Mean squared displacement of a thermalised free Langevin particle [length^2].

    <|x(t) - x(0)|^2> = 2 d kT/(m gamma^2) * (gamma t - 1 + e^(-gamma t)):
    ballistic d kT t^2/m for gamma t << 1, Brownian with D = kT/(m gamma) for gamma t >> 1.

    Args:
        time: t.
        friction: gamma, a rate [1/time] (the drag coefficient is m gamma).
        kT: temperature.
        mass: m.
        dim: d.

    >>> round(float(langevin_msd(1e-4, friction=1.0, kT=1.0, mass=1.0, dim=1)) / 1e-8, 3)
    1.0
    """
    reduced = friction * np.asarray(time, dtype=float)
    # the series avoids the cancellation of gamma t - 1 + exp(-gamma t) at short times
    series = reduced**2 / 2 - reduced**3 / 6 + reduced**4 / 24
    shape = np.where(reduced < 1e-3, series, reduced + np.expm1(-reduced))
    return 2.0 * dim * kT / (mass * friction**2) * shape


def velocity_autocorrelation(time, *, friction, kT, mass, dim):
    """<v(0) . v(t)> = d (kT/m) e^(-gamma t) of a free Langevin particle [length^2/time^2].

    >>> float(velocity_autocorrelation(0.0, friction=2.0, kT=1.0, mass=0.5, dim=3))
    6.0
    """
    return dim * kT / mass * np.exp(-friction * np.asarray(time, dtype=float))


def rotational_correlation(time, rotational_diffusion):
    """<cos(theta(t) - theta(0))> = e^(-D_r t) of a free disc in two dimensions.

    >>> round(float(rotational_correlation(1.0, 1.0)), 6)
    0.367879
    """
    return np.exp(-rotational_diffusion * np.asarray(time, dtype=float))


def trap_variance(stiffness, kT):
    """Equipartition in U = k x^2/2: <x^2> = kT/k per axis [length^2].

    >>> trap_variance(4.0, 1.0)
    0.25
    """
    return kT / stiffness


def trap_relaxation(time, *, stiffness, mobility, kT, initial_variance=0.0):
    """Variance at time t of a Brownian particle in a trap, starting centred [length^2].

    <x^2>(t) = s0 e^(-2 k mu t) + (kT/k)(1 - e^(-2 k mu t)).

    >>> round(float(trap_relaxation(50.0, stiffness=2.0, mobility=1.0, kT=1.0)), 9)
    0.5
    """
    fading = np.exp(-2.0 * stiffness * mobility * np.asarray(time, dtype=float))
    return initial_variance * fading + kT / stiffness * (1.0 - fading)


def euler_maruyama_trap_variance(stiffness, kT, mobility, dt):
    """Stationary variance the Euler-Maruyama integrator really samples in a trap [length^2].

    x' = (1 - k mu dt) x + sqrt(2 mu kT dt) xi   gives   <x^2> = (kT/k) / (1 - k mu dt/2).

    Raises:
        ValueError: if k mu dt >= 2, where the integrator has no stationary law.

    >>> round(euler_maruyama_trap_variance(1.0, 1.0, 1.0, 0.1), 6)
    1.052632
    """
    step = stiffness * mobility * dt
    if np.any(np.asarray(step) >= 2.0):
        raise ValueError(
            f"stiffness * mobility * dt must stay below 2 for stability, got {step}; reduce dt."
        )
    return kT / stiffness / (1.0 - step / 2.0)


def baoab_trap_covariance(
    stiffness: float, kT: float, mass: float, friction: float, dt: float
) -> Float[np.ndarray, "2 2"]:
    """Stationary covariance of (x, p) that BAOAB samples in a trap, from its Lyapunov equation.

    The kick B, drift A and Ornstein-Uhlenbeck O steps are linear maps, so C = T C T' + N exactly.
    The result is <x^2> = kT/k for every stable dt and friction, while <p^2> = m kT (1 - k dt^2/(4
    m)) carries the error.

    Args:
        stiffness: k.
        kT: temperature.
        mass: m.
        friction: gamma [1/time], > 0.
        dt: time step, dt sqrt(k/m) < 2.

    Returns:
        Covariance with rows x, p.

    Raises:
        ValueError: if the step is unstable.

    >>> C = baoab_trap_covariance(stiffness=4.0, kT=1.0, mass=1.0, friction=0.7, dt=0.5)
    >>> round(float(C[0, 0]), 9), round(float(C[1, 1]), 9)
    (0.25, 0.75)
    """
    if dt * np.sqrt(stiffness / mass) >= 2.0:
        raise ValueError(
            f"dt*sqrt(k/m) must stay below 2, got {dt * np.sqrt(stiffness / mass):.3g}; reduce dt."
        )
    kick = np.array([[1.0, 0.0], [-stiffness * dt / 2, 1.0]])
    drift = np.array([[1.0, dt / (2 * mass)], [0.0, 1.0]])
    memory = np.exp(-friction * dt)
    damping = np.diag([1.0, memory])
    after = kick @ drift
    noise = after @ np.diag([0.0, mass * kT * (1 - memory**2)]) @ after.T
    return solve_discrete_lyapunov(after @ damping @ drift @ kick, noise)


def langevin_trap_correlation(time: float, *, stiffness, kT, mass, friction) -> float:
    """<x(0) x(t)> of a thermalised Langevin particle in a trap [length^2].

    (kT/k) times the (x, x) element of exp(A t), A = [[0, 1], [-k/m, -gamma]]; valid under- and
    overdamped.

    >>> round(langevin_trap_correlation(0.0, stiffness=2.0, kT=1.0, mass=1.0, friction=3.0), 9)
    0.5
    """
    generator = np.array([[0.0, 1.0], [-stiffness / mass, -friction]])
    return float(kT / stiffness * expm(generator * time)[0, 0])

"""The flip of a rhombus: four discs in a ring of four bonds, whose diagonal breaks so that the other one can form.

With stiff sides of length 1 one internal coordinate is left, the angle psi at which discs 0 and 2 are seen from
disc 1; the diagonals are d_02 = 2 sin(psi/2) and d_13 = 2 cos(psi/2). Bond lengths are coordinates, and

    F(psi) = E_02(d_02) + E_13(d_13) + kT ln sin(psi),        D_psi = 2 D,

the sine from the sides' vibrations (Jacobian of d_02, the sides and psi), D_psi from the metric sum (dr/dpsi)^2 = 1/2.
State A holds the diagonal 02, B the diagonal 13, each while its diagonal is shorter than r_c; between them the ring
belongs to the state that it left last. The mean time from reaching A to reaching B is the exact first passage

    tau_AB = (1/D_psi) int_a^b dy e^{F(y)/kT} int_0^y dz e^{-F(z)/kT},        a, b the angles where d_02, d_13 = r_c,

so k_AB = 1/tau_AB counts transitions per time in A, and the populations give F_B - F_A = kT ln(tau_AB/tau_BA)
with the sign of a free energy: the longer the ring stays in A, the higher B.

Who looks only every `interval` sees a boundary crossed when the disc is beyond it by 0.583 sqrt(2 D_psi interval) on
average, so cores are smaller by that much.

Units: length diameter, energy kT_ref, time diameter^2/D. Source: the derivation above; first passage of a diffusion
[gardiner2009], looked at
    from time to time [siegmund1979]. Limits: sides stiffer than the diagonals; they do not break.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid, trapezoid

Energy = Callable[[np.ndarray], np.ndarray]

OVERSHOOT = 0.5825971579390106  # -zeta(1/2)/sqrt(2 pi), of a random walk beyond a barrier, in its steps
SHORTEST = 0.5  # diagonals shorter than this do not occur
ANGULAR_MOBILITY = 2.0  # D_psi / D


class FlipRates(NamedTuple):
    """Rates of A -> B and B -> A [D/diameter^2], and F_B - F_A [kT_ref]."""

    forward: float
    backward: float
    free_energy: float


def free_energy(angle: np.ndarray, first: Energy, second: Energy, *, kT: float = 1.0) -> np.ndarray:
    """F(psi) for the energies of the diagonals 02 and 13.

    >>> none = np.zeros_like
    >>> float(free_energy(np.array(np.pi / 2), none, none))
    0.0
    """
    return first(2 * np.sin(angle / 2)) + second(2 * np.cos(angle / 2)) + kT * np.log(np.sin(angle))


def first_passage(free: Energy, wall: float, start: float, end: float, *, diffusion: float, kT: float = 1.0,
                  points: int = 20_001) -> float:  # fmt: skip
    """Mean time of a diffusion in the potential `free` from `start` to `end` with a reflecting `wall` behind it.

    Args:
        free: potential [kT_ref].
        wall, start, end: in this order, rising or falling.
        diffusion: diffusion coefficient.
        kT: temperature.
        points: of the trapezoidal rule, in each of the two intervals.

    >>> round(first_passage(np.zeros_like, 0.0, 0.0, 1.0, diffusion=0.5), 6)
    1.0
    """
    behind, ahead = np.linspace(wall, start, points), np.linspace(start, end, points)
    zero = free(behind).min()  # keeps exponentials in range
    held = trapezoid(np.exp(-(free(behind) - zero) / kT), behind)
    weight = held + cumulative_trapezoid(np.exp(-(free(ahead) - zero) / kT), ahead, initial=0.0)
    return float(trapezoid(np.exp((free(ahead) - zero) / kT) * weight, ahead) / diffusion)


def core_angle(cutoff: float, diffusion: float, interval: float = 0.0) -> float:
    """Angle at which the first diagonal counts as formed; the second one's is pi minus it.

    Raises:
        ValueError: if both diagonals could be formed at once, or looks are so rare that no core is left.

    >>> round(core_angle(1.0, 2.0), 6) == round(np.pi / 3, 6)
    True
    """
    angle = 2 * np.arcsin(min(cutoff, 1.5) / 2) - OVERSHOOT * np.sqrt(2 * diffusion * interval)
    if not 2 * np.arcsin(SHORTEST / 2) < angle < np.pi / 2:
        raise ValueError(f"a cutoff of {cutoff:g} seen every {interval:g} does not tell the two diagonals apart")
    return float(angle)


def flip_rates(
    first: Energy, second: Energy, cutoff: float, *, kT: float = 1.0, mobility: float = 1.0, interval: float = 0.0
) -> FlipRates:
    """Rates and free-energy difference of the flip.

    Args:
        first: energy of the diagonal 02 at a distance [kT_ref].
        second: of the diagonal 13.
        cutoff: r_c, length below which a diagonal is formed [diameter], less than sqrt(2).
        kT: temperature.
        mobility: of a disc, D = mobility kT.
        interval: time between looks at the ring [diameter^2/D at mobility 1].

    Raises:
        ValueError: as `core_angle`.

    >>> from matterlearn.theory.cluster_integrals import morse
    >>> bond = lambda r: morse(r, depth=4.0, alpha=10.0)
    >>> rates = flip_rates(bond, bond, 1.12)
    >>> abs(rates.free_energy) < 1e-6 and round(rates.forward, 3) == round(rates.backward, 3)
    True
    """
    diffusion = ANGULAR_MOBILITY * mobility * kT
    low, a = 2 * np.arcsin(SHORTEST / 2), core_angle(cutoff, diffusion, interval)

    def time(here: Energy, there: Energy) -> float:
        free = lambda angle: free_energy(angle, here, there, kT=kT)  # noqa: E731
        return first_passage(free, low, a, np.pi - a, diffusion=diffusion, kT=kT)

    forth, back = time(first, second), time(second, first)
    return FlipRates(1 / forth, 1 / back, float(kT * np.log(forth / back)))

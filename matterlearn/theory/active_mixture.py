"""A condensate of a solute that is made and decays: four numbers, nine reactions, linear noise.

Solute (size nA) and solvent (size 1, volume v) fill a volume V that a dilute phase 1 and one spherical
droplet 2 share. Free energy

    F = V_1 f(phi_1) + V_2 f(phi_2) + gamma A(V_2),
    f = (kT/v) [chi phi (1 - phi) + (phi/nA) ln phi + (1 - phi) ln(1 - phi)].

State: solute n_1 and solvent s_1 of the dilute phase, solute n of both, mRNA r.

| reaction | change | rate |
| --- | --- | --- |
| solute 1 -> 2, back | n_1 -+ 1 | alpha n_1 / V_1^(2/3), times exp(-(mu_1 - mu_2)/kT) for the way back |
| solvent 1 -> 2, back | s_1 -+ 1 | beta s_1 / V_1^(2/3), likewise |
| production | n_1, n + 1; s_1 - nA | V k_1 r |
| decay, dilute | n_1, n - 1; s_1 + nA | k_2 n_1 |
| decay, dense | n - 1 | k_2 (n - n_1) |
| mRNA birth, death | r +- 1 | b; d r |

V_1 = v (nA n_1 + s_1) is kept by production and decay: a new solute molecule replaces nA of solvent.

Source: rates and parameters as in the code published with [zechner2025concentration]; that production
    takes place in the dilute phase, that decay acts on both, and that solvent makes room are choices
    made here.
Limits: linear noise around one droplet of steady size; energies are in kT (kT = 1).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from matterlearn.theory import flory_huggins, linear_noise
from matterlearn.theory.linear_noise import Network


class ActiveMixture(NamedTuple):
    """Parameters; the defaults are the published ones. Volumes in units where v = 1/100, rates in 1/s."""

    total_fraction: float = 0.02
    volume: float = 1e7
    solvent_volume: float = 0.01
    size: float = 20.0
    chi: float = 1.2
    tension: float = 1e-5
    solute_exchange: float = 300.0
    solvent_exchange: float = 5e5
    decay: float = 2e-5
    mrna_birth: float = 1e-3
    mrna_death: float = 1e-4


def exchange_affinities(mixture: ActiveMixture, n1, s1, n):
    """(mu_1 - mu_2)/kT of solute and of solvent: derivatives of F with n_1 and s_1.

    >>> mixture = ActiveMixture()
    >>> len(exchange_affinities(mixture, 5e4, 9e8, 1e6))
    2
    """
    v, size = mixture.solvent_volume, mixture.size
    first = v * (size * n1 + s1)
    second = mixture.volume - first
    pressure = mixture.tension * (2 / 3) * (36 * np.pi) ** (1 / 3) * second ** (-1 / 3)  # gamma dA/dV_2

    def potentials(phi):
        """v nA (f + (1 - phi) f') and v (f - phi f')."""
        mixing = mixture.chi * phi * (1 - phi) + phi / size * np.log(phi) + (1 - phi) * np.log(1 - phi)
        slope = mixture.chi * (1 - 2 * phi) + (np.log(phi) + 1) / size - np.log(1 - phi) - 1
        return size * (mixing + (1 - phi) * slope), mixing - phi * slope

    solute_1, solvent_1 = potentials(v * size * n1 / first)
    solute_2, solvent_2 = potentials(v * size * (n - n1) / second)
    return solute_1 - solute_2 - v * size * pressure, solvent_1 - solvent_2 - v * pressure


def network(mixture: ActiveMixture) -> Network:
    """The nine reactions on (n_1, s_1, n, r).

    >>> network(ActiveMixture()).changes.shape
    (9, 4)
    """
    size = mixture.size
    changes = np.array(
        [
            [-1, 0, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 1, 0, 0], [1, -size, 1, 0], [-1, size, -1, 0],
            [0, 0, -1, 0], [0, 0, 0, 1], [0, 0, 0, -1],
        ],
        dtype=float,
    )  # fmt: skip
    production = mixture.decay * mean_solute(mixture) * mixture.mrna_death / mixture.mrna_birth  # V k_1

    def rates(x):
        n1, s1, n, mrna = x
        solute, solvent = exchange_affinities(mixture, n1, s1, n)
        surface = (mixture.solvent_volume * (size * n1 + s1)) ** (-2 / 3)
        out, solvent_out = mixture.solute_exchange * n1 * surface, mixture.solvent_exchange * s1 * surface
        exchange = [out, out * np.exp(-solute), solvent_out, solvent_out * np.exp(-solvent)]
        turnover = [production * mrna, mixture.decay * n1, mixture.decay * (n - n1)]
        return np.stack([*exchange, *turnover, mixture.mrna_birth + 0 * mrna, mixture.mrna_death * mrna])

    return Network(changes, rates)


def mean_solute(mixture: ActiveMixture) -> float:
    """Mean number of solute molecules, phi_tot V/(nA v).

    >>> round(mean_solute(ActiveMixture()))
    1000000
    """
    return mixture.total_fraction * mixture.volume / (mixture.size * mixture.solvent_volume)


def equilibrium_guess(mixture: ActiveMixture) -> Float[np.ndarray, "4"]:
    """Numbers of the passive mixture without surface tension, from its binodal.

    Raises:
        ValueError: if the mean composition does not phase separate.

    >>> equilibrium_guess(ActiveMixture()).shape
    (4,)
    """
    mean = np.array([mixture.total_fraction, 1 - mixture.total_fraction])
    interactions = np.array([[0.0, mixture.chi], [mixture.chi, 0.0]])
    phases = flory_huggins.coexistence(mean, interactions, np.array([mixture.size, 1.0]))
    if len(phases.volumes) != 2:
        raise ValueError(f"no droplet at total fraction {mixture.total_fraction}; raise it or chi.")
    dilute, volume = phases.compositions[1, 0], phases.volumes[1] * mixture.volume
    n1 = dilute * volume / (mixture.size * mixture.solvent_volume)
    s1 = (1 - dilute) * volume / mixture.solvent_volume
    return np.array([n1, s1, mean_solute(mixture), mixture.mrna_birth / mixture.mrna_death])


class DropletNoise(NamedTuple):
    """Steady state (n_1, s_1, n, r), its linear noise, and coefficients of variation of phi_tot and phi_1."""

    state: Float[np.ndarray, "4"]
    linear: linear_noise.LinearNoise
    dilute: float
    total_cv: float
    dilute_cv: float


def droplet_noise(mixture: ActiveMixture) -> DropletNoise:
    """Linear noise of the active mixture with one droplet.

    The total is a two-stage expression, CV^2 = 1/n + (1/r) k_2/(k_2 + d), whatever the droplet does; the
    dilute fraction phi_1 = v nA n_1/V_1 is what the droplet buffers. Slow changes of n reach it divided by
    1 + K with K = alpha V_1^(-2/3)/k_2 (about 330 here); mRNA noise faster than decay passes as production
    over exchange, and is what remains.

    Raises:
        ValueError: without a droplet, or if its size is unstable.
        RuntimeError: if no steady state is found.

    >>> noise = droplet_noise(ActiveMixture())
    >>> noise.dilute_cv < noise.total_cv
    True
    """
    reactions = network(mixture)
    state = linear_noise.steady_state(reactions, equilibrium_guess(mixture), tol=1e-7)
    linear = linear_noise.linear_noise(reactions, state)
    n1, s1, n, _ = state
    # relative change of phi_1 = nA n_1/(nA n_1 + s_1)
    filled = mixture.size * n1 / (mixture.size * n1 + s1)
    gradient = (1 - filled) * np.array([1 / n1, -1 / s1, 0.0, 0.0])
    variance = gradient @ linear.covariance @ gradient
    return DropletNoise(state, linear, float(filled), float(np.sqrt(linear.covariance[2, 2]) / n), float(variance**0.5))

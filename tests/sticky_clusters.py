"""Sticky particles for tests of designed clusters: couplings put in, and the Boltzmann factor of a pair written out."""

import equinox as eqx
import numpy as np


def with_coupling(system, packed):
    return eqx.tree_at(lambda s: s.coupling, system, packed)


def pair_law(coupling, alpha, stiffness, kT=1.0):
    """Boltzmann factor of a pair with a harmonic core, written out again."""

    def energy(r):
        x = np.exp(-alpha * np.maximum(r - 1.0, 0.0))
        return coupling * x * (2.0 - x) + stiffness * np.maximum(1.0 - r, 0.0) ** 2

    return lambda r: np.exp(-energy(r) / kT)

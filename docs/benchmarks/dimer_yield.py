"""Yield of the published dimer and its derivative: partition function against Monte Carlo of 9 + 9 bodies.

    python docs/benchmarks/dimer_yield.py                      # D0 = 6 ... 10, a table to standard output
    python docs/benchmarks/dimer_yield.py --depths 8 --chains 64

Exact: importance sampling of the pair, weights of the finite batch, without and with the room that clusters take.
Simulated: independent chains of `association`; dY/dD0 is the covariance formula −Cov(Y, ∂E/∂D0) in each chain.
"""

import argparse
from typing import Any

import equinox as eqx
import jax
import numpy as np

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.core.system import coupling_gradient
from matterlearn.dynamics.association import Config as Association
from matterlearn.observables.dimer_yield import Config as DimerYield
from matterlearn.systems.rigid_bodies import Config as RigidBodies
from matterlearn.theory import rigid_dimer as rd
from matterlearn.theory.dimer_crowding import crowded_yield, crowding

VOLUME = 18 / 0.001
EQUAL = rd.like_colours(3, -1.0)


def exact(depth: float, samples: rd.PairSamples) -> list[float]:
    """K and its error, ideal yield and slope, crowded yield and slope."""
    constant = rd.pair_constant(samples, depth * EQUAL)
    ideal = rd.dimer_yield(constant, 9, 0.001, EQUAL)
    bodies = rd.facing_trimers()
    crowded = crowding(*bodies, rd.DOCKED, depth * EQUAL, counts=(9, 9), volume=VOLUME)
    change = 0.01
    low, at, high = (
        crowded_yield(constant.value * np.exp(s * change), (9, 9), VOLUME, crowded) for s in (-0.5, 0.0, 0.5)
    )
    slope = (high - low) / change * float((constant.slope + constant.shell) @ EQUAL)
    return [constant.value, constant.error, ideal.value, ideal.slope, at, slope]


@eqx.filter_jit
def chains(system, dynamics, measured, keys, records: int, stride: int):
    """Yield and Σ_c ∂E/∂D0 of every record, [chain, record]."""

    def one(key):
        start = dynamics.init(key, system, Drive(), system.init_state(key))

        def record(state, _):
            state = advance(key, system, dynamics, Drive(), state, stride)
            gradient: Any = coupling_gradient(system, state.x)
            return state, (measured(system, Drive(), state), gradient.coupling @ EQUAL)

        return jax.lax.scan(record, start, None, length=records)[1]

    return jax.vmap(one)(keys)


def simulated(depth: float, count: int, records: int, stride: int) -> list[float]:
    """Yield and slope, each with its standard error over chains."""
    given = {"bodies": "facing_trimers", "numbers": [9, 9], "box": VOLUME ** (1 / 3), "coupling": -depth}
    system = RigidBodies(kind="rigid_bodies", **given).build(jax.random.key(0))
    measured = DimerYield(kind="dimer_yield").build(system, None)
    keys = jax.random.split(jax.random.key(int(100 * depth)), count)
    found = chains(system, Association(kind="association").build(), measured, keys, records, stride)
    shares, moments = (np.asarray(a, float)[:, records // 5 :] for a in found)
    products = -((shares - shares.mean()) * (moments - moments.mean())).mean(1)
    columns = shares.mean(1), products
    return [number for x in columns for number in (x.mean(), x.std(ddof=1) / np.sqrt(count))]


def main():
    """The table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--depths", type=float, nargs="+", default=[6.0, 7.0, 8.0, 9.0, 10.0])
    options.add_argument("--chains", type=int, default=32)
    options.add_argument("--records", type=int, default=100)
    options.add_argument("--stride", type=int, default=20, help="steps between records")
    given = options.parse_args()
    samples = rd.pair_samples(*rd.facing_trimers(), rd.DOCKED, colours=3, samples=2_000_000)
    print("D0 | K | Y ideal | dY/dD0 | Y crowded | dY/dD0 | Y simulated | dY/dD0 simulated | z of Y, of dY/dD0")
    for depth in given.depths:
        k, error, ideal, ideal_slope, share, slope = exact(depth, samples)
        y, y_error, d, d_error = simulated(depth, given.chains, given.records, given.stride)
        z = (y - share) / y_error, (d - slope) / d_error
        print(
            f"{depth:g} | {k:.5g} ± {error:.2g} | {ideal:.4f} | {ideal_slope:.4f} | {share:.4f} | {slope:.4f} | "
            f"{y:.4f} ± {y_error:.4f} | {d:.4f} ± {d_error:.4f} | {z[0]:.1f}, {z[1]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

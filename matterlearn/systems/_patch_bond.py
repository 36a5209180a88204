"""Energy of all patch–patch bonds of many pairs of discs at once, with a derivative written for speed.

    U = Σ_{p,q} J_pq χ_pq,   χ_pq = exp(−e_pq²/2w²),   e_pq = d + b_q − a_p

d is the separation of the centres, a and b the arms from each centre to its patches. XLA on a CPU has no fusion
with several outputs: left to itself it evaluates all P² exponentials again for each of the six derivatives. Here
they are computed once, held by a barrier, and contracted: 3 to 4 times faster. The rule is a JVP, so forward,
reverse and higher derivatives all work.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

Pairs = Float[Array, "*pairs"]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def patch_bond_energy(
    radius: float, separation: tuple, turn_a: tuple, turn_b: tuple, coupling: Float[Array, "P P *pairs"], width: Pairs
) -> Pairs:
    """U for each pair.

    Args:
        radius: distance of the patches from the centre, σ.
        separation: components of r_b − r_a.
        turn_a, turn_b: (cos θ, sin θ) of the two discs.
        coupling: J_pq of each pair, kT_ref.
        width: patch width w, σ.
    """
    arm_a, arm_b = arms(radius, turn_a, len(coupling)), arms(radius, turn_b, len(coupling))
    terms = [j * x for j, x in zip(_flat(coupling), _contacts(separation, arm_a, arm_b, width), strict=True)]
    return sum(terms)  # pyright: ignore[reportReturnType]


@partial(patch_bond_energy.defjvp, symbolic_zeros=True)
def _derivative(radius, primals, tangents):
    separation, turn_a, turn_b, coupling, width = primals
    p_count = len(coupling)
    arm_a, arm_b = arms(radius, turn_a, p_count), arms(radius, turn_b, p_count)
    contact = jax.lax.optimization_barrier(_contacts(separation, arm_a, arm_b, width))
    bonds = [j * x for j, x in zip(_flat(coupling), contact, strict=True)]
    gap = [[separation[k] + b[k] - a[k] for a in arm_a for b in arm_b] for k in (0, 1)]
    pull = [[-u * g / width**2 for u, g in zip(bonds, gap[k], strict=True)] for k in (0, 1)]  # ∂U/∂e_pq
    on_a = [[sum(pull[k][p * p_count : (p + 1) * p_count]) for p in range(p_count)] for k in (0, 1)]
    on_b = [[sum(pull[k][q::p_count]) for q in range(p_count)] for k in (0, 1)]
    on_a, on_b = jax.lax.optimization_barrier((on_a, on_b))
    slope = jax.lax.optimization_barrier(
        ((sum(on_a[0]), sum(on_a[1])), _turn(radius, on_a, -1.0), _turn(radius, on_b, 1.0))
    )
    change = [c * t for c, t in zip(jax.tree.leaves(slope), jax.tree.leaves(tangents[:3]), strict=True) if _moves(t)]
    if _moves(tangents[3]):
        change += [x * t for x, t in zip(contact, _flat(tangents[3]), strict=True)]
    if _moves(tangents[4]):
        stretch = [x**2 + y**2 for x, y in zip(*gap, strict=True)]
        change += [tangents[4] * sum(u * s for u, s in zip(bonds, stretch, strict=True)) / width**3]
    return sum(bonds), sum(change) if change else jnp.zeros_like(bonds[0])


def arms(radius: float, turn: tuple, patches: int) -> list[tuple[Pairs, Pairs]]:
    """Vectors from a centre to its patches, at angles 2πp/P from the disc's orientation."""
    c, s = turn
    return [(radius * (c * x - s * y), radius * (s * x + c * y)) for x, y in directions(patches)]


def directions(patches: int) -> list[tuple[float, float]]:
    """Unit vectors of the patches of an unrotated disc."""
    angle = 2 * np.pi * np.arange(patches) / patches
    return [(float(np.cos(a)), float(np.sin(a))) for a in angle]


def _contacts(separation, arm_a, arm_b, width) -> list[Pairs]:
    def contact(a, b):
        return jnp.exp(-((separation[0] + b[0] - a[0]) ** 2 + (separation[1] + b[1] - a[1]) ** 2) / (2 * width**2))

    return [contact(a, b) for a in arm_a for b in arm_b]


def _turn(radius, pull, sign):
    """∂U/∂(cos θ, sin θ) from the pull on each patch."""
    ways = directions(len(pull[0]))
    by_cos = sum(x * fx + y * fy for (x, y), fx, fy in zip(ways, *pull, strict=True))
    by_sin = sum(x * fy - y * fx for (x, y), fx, fy in zip(ways, *pull, strict=True))
    return sign * radius * by_cos, sign * radius * by_sin


def _flat(matrix) -> list[Pairs]:
    return [matrix[p, q] for p in range(len(matrix)) for q in range(len(matrix))]


def _moves(tangent) -> bool:
    return not isinstance(tangent, SymbolicZero)

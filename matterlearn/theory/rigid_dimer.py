"""Two rigid bodies in three dimensions, exactly up to sampling: pair partition function and dimer yield.

A body is a rigid set of repulsive spheres of radius rho and of coloured patches. Two bodies at relative
translation t and rotation R have the energy

    U = sum_ij (A / (a r_m)) (r_m - r_ij)^a [r_ij < r_m] + sum_pq J_{c_p c_q} chi(d_pq),     r_m = rho_i + rho_j,
    chi(d) = S(d) (2 e^{-alpha d} - e^{-2 alpha d}),
    S = (r_c^2 - d^2)^2 (r_c^2 + 2 d^2 - 3 r_o^2) / (r_c^2 - r_o^2)^3   between onset r_o and cutoff r_c, 1 before,

over pairs of spheres i, j and pairs of patches p, q. J = -D0 is a Morse bond of depth D0. The bound state is
U < 0, and

    K = int_{U<0} d^3t dOmega/(8 pi^2) e^{-U/kT},    dK/dJ_ab = -<chi_ab>_K K/kT + (shell U = 0),

six integrals by importance sampling: shift and rotation vector v from a docked pose are drawn from a mixture
of normal laws of several widths; dOmega = 2 (1 - cos|v|)/|v|^2 d^3v. Turning about the patches that meet, not
about the centre, makes shift and turn nearly independent in the bound state, which is worth a factor of 20 in
effective samples. The shell U = 0 moves with J; its share is measured by common random numbers and is small,
since e^{-U} = 1 there. What bodies take from each other's room is in `dimer_crowding`.

Units: energy kT_ref, length arbitrary but one throughout, K length^3.
Source: derived; the published dimer is that of [curatolo2023computational].
Limits: bound poses must lie near one docked pose, within about a unit of length and a radian. At a coupling
    that is exactly 0 the shell is a finite region, where only that coupling decides the sign of U.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from .yields import FiniteYield

# Widths (of shifts, of turns in radians) of the mixture: what is bound by several patches turns three times as freely.
WIDTHS = np.array([(0.03, 0.09), (0.06, 0.18), (0.12, 0.36), (0.25, 0.75), (0.5, 1.5), (1.0, 1.5)])
BATCH = 50_000  # poses at a time: bounds the memory


class Body(NamedTuple):
    """A rigid body in its own frame."""

    spheres: Float[np.ndarray, "sphere 3"]
    patches: Float[np.ndarray, "patch 3"]
    colours: Int[np.ndarray, " patch"]
    radius: float = 1.0


class Forces(NamedTuple):
    """Repulsion A and exponent a of spheres; inverse width, onset and cutoff of patches."""

    repulsion: float = 500.0
    exponent: float = 2.5
    steepness: float = 5.0
    onset: float = 0.8
    cutoff: float = 1.6


PUBLISHED = Forces()  # of the published dimer
Vector = tuple[float, ...]


class Pose(NamedTuple):
    """Where the second body stands in the frame of the first: translation and rotation vector.

    ``pivot`` is the point of the second body, in its own frame, about which poses nearby are turned.
    """

    translation: Vector
    turn: Vector = (0.0, 0.0, 0.0)
    pivot: Vector = (0.0, 0.0, 0.0)


def facing_trimers(ring: float = 0.3) -> tuple[Body, Body]:
    """The two bodies of the published dimer: three touching spheres of radius 1, three patches facing outwards.

    Patch p of colour p sits one radius in front of the plane of the spheres, on a ring under sphere p. The
    second body is the first turned half around z and recoloured so that in the pose DOCKED equal colours meet.

    >>> first, second = facing_trimers()
    >>> met = first.patches - (second.patches[[0, 2, 1]] + np.array(DOCKED.translation))
    >>> bool(np.abs(met).max() < 1e-12), second.colours.tolist()
    (True, [0, 2, 1])
    """
    angle = np.pi / 2 + 2 * np.pi * np.array([0, -1, 1]) / 3
    corners = np.stack([np.zeros(3), np.cos(angle), np.sin(angle)], -1)
    patches = np.array([1.0, 0.0, 0.0]) + ring * corners
    half_turn = np.array([-1.0, -1.0, 1.0])
    return (
        Body(corners, patches, np.arange(3)),
        Body(half_turn * corners, half_turn * patches, np.array([0, 2, 1])),
    )


DOCKED = Pose((2.0, 0.0, 0.0), pivot=(-1.0, 0.0, 0.0))  # of the published dimer


def about_patches(translation, turn, second: Body) -> Pose:
    """A docked pose with its pivot in the middle of the second body's patches.

    >>> about_patches([2.0, 0.0, 0.0], [0.0, 0.0, 0.0], facing_trimers()[1]).pivot[0]
    -1.0
    """
    middle = second.patches.mean(0) if len(second.patches) else np.zeros(3)
    return Pose(tuple(translation), tuple(turn), tuple(middle.tolist()))


def rotation_matrices(turn: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """Rotations by rotation vectors.

    >>> quarter = rotation_matrices(np.array([0.0, 0.0, np.pi / 2]))
    >>> bool(np.allclose(quarter @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    True
    """
    angle = np.linalg.norm(turn, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(turn, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turn.shape[:-1], 3, 3)
    sine = np.sinc(angle / np.pi)
    versine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos)/angle^2
    return np.eye(3) + sine * cross + versine * (cross @ cross)


def patch_contact(distance: Float[np.ndarray, "..."], forces: Forces) -> Float[np.ndarray, "..."]:
    """chi(d), 1 where two patches coincide and 0 beyond the cutoff.

    >>> patch_contact(np.array([0.0, 1.6]), Forces()).tolist()
    [1.0, 0.0]
    """
    decay = np.exp(-forces.steepness * distance)
    inner, outer, square = forces.onset**2, forces.cutoff**2, distance**2
    bridge = (outer - square) ** 2 * (outer + 2 * square - 3 * inner) / (outer - inner) ** 3
    fade = np.where(distance < forces.onset, 1.0, np.where(distance < forces.cutoff, bridge, 0.0))
    return fade * decay * (2.0 - decay)


class PairTerms(NamedTuple):
    """What the energy of a pose is made of: U = core + sum_ab J_ab contact_ab, colours a <= b packed."""

    core: Float[np.ndarray, " pose"]
    contact: Float[np.ndarray, "pose pair"]

    def energy(self, coupling: Float[np.ndarray, " pair"]) -> Float[np.ndarray, " pose"]:
        """U of every pose at the packed couplings J."""
        return self.core + self.contact @ coupling


def pair_terms(first: Body, second: Body, translation, rotation, forces: Forces, colours: int) -> PairTerms:
    """Core energy and contacts of two bodies at many relative poses.

    Args:
        first: the body at the origin.
        second: the body that is moved.
        translation: [pose, 3].
        rotation: [pose, 3, 3], applied to the second body.
        forces: laws of spheres and patches.
        colours: number of colours.

    >>> pose = (np.array([DOCKED.translation]), np.eye(3)[None])
    >>> docked = pair_terms(*facing_trimers(), *pose, Forces(), 3)
    >>> float(docked.core[0]), docked.contact[0, [0, 3, 5]].round(9).tolist()
    (0.0, [1.0, 1.0, 1.0])
    """

    def distances(here, there):
        moved = np.einsum("nij,sj->nsi", rotation, there) + translation[:, None]
        return np.linalg.norm(here[None, :, None] - moved[:, None], axis=-1)

    touching = first.radius + second.radius
    overlap = np.maximum(touching - distances(first.spheres, second.spheres), 0.0)
    strength = forces.repulsion / (forces.exponent * touching)
    core = strength * np.sum(overlap**forces.exponent, axis=(1, 2))
    chi = patch_contact(distances(first.patches, second.patches), forces)
    low = np.minimum(first.colours[:, None], second.colours)
    high = np.maximum(first.colours[:, None], second.colours)
    packed = low * colours - low * (low - 1) // 2 + high - low
    contact = np.zeros((len(core), colours * (colours + 1) // 2))
    for (p, q), pair in np.ndenumerate(packed):
        contact[:, pair] += chi[:, p, q]
    return PairTerms(core, contact)


class PoseSamples(NamedTuple):
    """Poses of the second body relative to the first, and the log density they were drawn with.

    The density is per d^3t dOmega/(8 pi^2); poses turned by more than pi are outside, with log density -inf.
    """

    translation: Float[np.ndarray, "pose 3"]
    rotation: Float[np.ndarray, "pose 3 3"]
    log_density: Float[np.ndarray, " pose"]


def log_pose_density(
    shift: Float[np.ndarray, "pose 3"], turn: Float[np.ndarray, "pose 3"]
) -> Float[np.ndarray, " pose"]:
    """Log density of the mixture at a shift and a rotation vector from the docked pose, per d^3t dOmega/(8 pi^2).

    >>> bool(np.isneginf(log_pose_density(np.zeros((1, 3)), np.array([[4.0, 0.0, 0.0]]))[0]))
    True
    """
    square = np.stack([np.sum(shift**2, -1), np.sum(turn**2, -1)], -1)
    exponent = square @ (-0.5 / WIDTHS.T**2) - 3 * np.log(2 * np.pi * WIDTHS.prod(1))
    angle = np.linalg.norm(turn, axis=-1)
    haar = np.sinc(angle / (2 * np.pi)) ** 2 / (8 * np.pi**2)  # 2 (1 - cos)/angle^2, over 8 pi^2
    density = np.logaddexp.reduce(exponent, axis=1) - np.log(len(WIDTHS)) - np.log(haar)
    return np.where(angle < np.pi, density, -np.inf)


def sample_poses(pose: Pose, count: int, random: np.random.Generator) -> PoseSamples:
    """Poses about a docked one, from the mixture of widths.

    >>> some = sample_poses(DOCKED, 4, np.random.default_rng(0))
    >>> some.translation.shape, some.rotation.shape
    ((4, 3), (4, 3, 3))
    """
    width = WIDTHS[random.integers(len(WIDTHS), size=count)]
    shift, turn = width.T[:, :, None] * random.normal(size=(2, count, 3))
    docked = rotation_matrices(np.asarray(pose.turn, float))
    extra, arm = rotation_matrices(turn), docked @ np.asarray(pose.pivot, float)
    translation = np.asarray(pose.translation) + shift + arm - extra @ arm
    return PoseSamples(translation, extra @ docked, log_pose_density(shift, turn))


class PairSamples(NamedTuple):
    """Energies of sampled poses with their weights, enough to have K at any couplings."""

    terms: PairTerms
    log_density: Float[np.ndarray, " pose"]
    drawn: int  # poses drawn; those that no coupling binds are not kept

    def weights(self, coupling, kT: float = 1.0) -> Float[np.ndarray, " pose"]:
        """What each kept pose adds to K: their sum over ``drawn`` is K."""
        energy = self.terms.energy(np.asarray(coupling, float))
        with np.errstate(over="ignore"):
            return np.where(energy < 0, np.exp(-energy / kT - self.log_density), 0.0)


def pair_samples(
    first: Body, second: Body, pose: Pose, *, colours: int, forces: Forces = PUBLISHED, samples: int = 400_000,
    seed: int = 0, deepest: float = 50.0,
) -> PairSamples:  # fmt: skip
    """Importance samples of the relative pose; those out of reach or in the core deeper than ``deepest`` are dropped.

    Args:
        first, second: the bodies.
        pose: docked pose of the second relative to the first.
        colours: number of colours of patches.
        forces: laws of spheres and patches.
        samples: poses drawn.
        seed: of the draws.
        deepest: largest core energy that bonds could make up for [kT_ref].
    """
    random = np.random.default_rng(seed)
    kept = []
    for start in range(0, samples, BATCH):
        drawn = sample_poses(pose, min(BATCH, samples - start), random)
        terms = pair_terms(first, second, drawn.translation, drawn.rotation, forces, colours)
        use = np.isfinite(drawn.log_density) & (terms.core < deepest) & (terms.contact.max(1) > 0)
        kept.append((terms.core[use], terms.contact[use], drawn.log_density[use]))
    core, contact, log_density = (np.concatenate(part) for part in zip(*kept, strict=True))
    return PairSamples(PairTerms(core, contact), log_density, samples)


class PairConstant(NamedTuple):
    """K with its standard error, d ln K/dJ without and the shell's part of it [1/kT_ref], and bound room.

    ``slope`` is the covariance formula, ``shell`` what moving the boundary U = 0 adds, ``room`` the volume of
    all bound poses, int_{U<0} d^3t dOmega/(8 pi^2), ``effective`` the effective number of samples.
    """

    value: float
    error: float
    slope: Float[np.ndarray, " pair"]
    slope_error: Float[np.ndarray, " pair"]
    shell: Float[np.ndarray, " pair"]
    room: float
    effective: float


def pair_constant(samples: PairSamples, coupling, *, kT: float = 1.0, step: float = 0.05) -> PairConstant:
    """K of two bodies at packed couplings J, with derivatives.

    Args:
        samples: of :func:`pair_samples`.
        coupling: J of colours a <= b, packed [kT_ref].
        kT: temperature.
        step: change of J over which the shell's share is measured, with the same poses.

    >>> few = pair_samples(*facing_trimers(), DOCKED, colours=3, samples=20_000)
    >>> K = pair_constant(few, like_colours(3, -8.0))
    >>> 5000 < K.value < 7600
    True
    """
    coupling = np.asarray(coupling, float)
    weight, n = samples.weights(coupling, kT), samples.drawn
    value = weight.sum() / n
    error = np.sqrt((np.sum(weight**2) / n - value**2) / n)
    share = weight / weight.sum()
    slope = -share @ samples.terms.contact / kT
    apart = -samples.terms.contact / kT - slope
    shell = np.array([_shell(samples, coupling, unit, kT, step) for unit in np.eye(len(coupling))]) / value
    room = np.sum(np.exp(-samples.log_density[weight > 0])) / n
    slope_error = np.sqrt((share**2) @ apart**2)
    return PairConstant(
        float(value), float(error), slope, slope_error, shell, float(room), float(1 / np.sum(share**2))
    )


def _shell(samples, coupling, unit, kT, step):
    """Change of K, per change of one J, by poses that enter or leave the bound state."""
    ends = [samples.weights(coupling + way * step * unit, kT) for way in (0.5, -0.5)]
    moved = (ends[0] > 0) != (ends[1] > 0)
    return float(np.sum((ends[0] - ends[1])[moved]) / (step * samples.drawn))


def like_colours(colours: int, coupling: float) -> Float[np.ndarray, " pair"]:
    """Packed couplings where only equal colours see each other.

    >>> like_colours(2, -3.0).tolist()
    [-3.0, 0.0, -3.0]
    """
    first, second = np.triu_indices(colours)
    return np.where(first == second, coupling, 0.0)


def dimer_yield(constant: PairConstant, count: int, concentration: float, along) -> "FiniteYield":
    """Yield of N + N bodies and its derivative when J changes along a direction; see `heterodimer_yield`.

    Args:
        constant: of :func:`pair_constant`.
        count: N of each kind.
        concentration: of both kinds together [1/length^3].
        along: dJ/dx for the wanted dY/dx, packed; -1 on equal colours for x = D0.
    """
    from .yields import FiniteYield, heterodimer_yield  # scipy, which a scenario is checked without

    found = heterodimer_yield(constant.value, count, concentration)
    change = (constant.slope + constant.shell) @ np.asarray(along, float)
    return FiniteYield(found.value, float(found.slope * change))

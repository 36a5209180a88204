"""Fields made from coarse to fine: one conditional energy for the details of each scale, given what is coarser.

    p(φ) = p(φ_J) Π_j p(ψ_j | φ_j),        φ_{j−1} = (φ_j, ψ_j) by one wavelet step
    p(ψ_j | φ_j) ∝ exp(−Σ_m θ_m Φ_m(φ_{j−1})),     Φ: Σ_x φ_x φ_{x+r} for near r, Σ_x v(φ_x) for a few even v

The normalisation of a scale depends on what is coarser, and is never needed: parameters come from the score of the
details alone, which is linear in θ, so score matching is a linear system per scale,

    ⟨∇Φ·∇Φᵀ⟩ θ = ⟨∇²Φ⟩,        derivatives by ψ_j

and samples come from short chains, scale by scale. Near a critical point the whole field relaxes ever more slowly, but
details given what is coarser do not (``matterlearn.theory.free_field_wavelets``), so the number of steps does not grow.

v are φ⁴ and bumps exp(−(φ − c)²/2w²) + exp(−(φ + c)²/2w²), which together leave the potential free where data are. With
all couplings on the torus normal fields are exact; with near ones, what is neglected at coarse scales falls fast.

Source: [marchand2022], [guth2023]; score matching [hyvarinen2005]; Langevin steps through blackjax [cabezas2024].
Limits: periodic square lattices with the symmetries of the square, even potentials; no likelihood.

Example:
    >>> from matterlearn.diffusion.wavelets import wavelet_basis
    >>> data = jax.random.normal(jax.random.key(0), (500, 4, 4))  # white noise
    >>> model = fit(data, wavelet_basis((4, 4), "haar", 1), reach=1, bumps=0)
    >>> round(float(model.scales[0].couplings[0]), 1)  # E = ½ Σ φ²
    0.5
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from matterlearn.diffusion.bases import Data
from matterlearn.diffusion.wavelets import WaveletBasis

RIDGE = 1e-7  # relative; what data do not determine stays small
STEP = 0.8  # of Langevin steps, times d^{−1/3}, in units of the squared deviations

Bands = Float[Array, "band half half"]


class Scale(eqx.Module):
    """The energy of one scale: a coupling for every class of neighbours, and a coefficient of φ⁴ and of every bump.

    ``deviation``: 1/√⟨(∂E/∂ψ)²⟩ in each band of details, the width that steps are measured in.
    """

    couplings: Float[Array, " distance"]
    potentials: Float[Array, " potential"]
    centres: Float[Array, " bump"]
    deviation: Float[Array, "band 1 1"]
    neighbours: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)

    def energy(self, x: Data) -> Float[Array, ""]:
        """⟨θ, Φ⟩ of the finer field."""
        pairs = jnp.sum(x * around(x, self.neighbours), (1, 2))
        return self.couplings @ pairs + self.potentials @ jnp.sum(site_functions(x, self.centres), (1, 2))


class WaveletConditional(eqx.Module):
    """Details of all scales, from fine to coarse, and the field that is coarsest."""

    scales: tuple[Scale, ...]
    coarsest: Scale
    basis: WaveletBasis

    def draw(self, key: Key[Array, ""], *, steps: int) -> Data:
        """One sample, by so many Langevin steps at every scale."""
        side = self.basis.shape[0] >> self.basis.depth
        first, *keys = jax.random.split(key, len(self.scales) + 1)
        x = _relaxed(first, self.coarsest, lambda bands: bands[0], (1, side, side), steps)
        for key, scale in zip(keys, reversed(self.scales), strict=True):
            x = self.refine(key, scale, x, steps=steps)
        return x

    def refine(self, key: Key[Array, ""], scale: Scale, coarse: Data, *, steps: int) -> Data:
        """The next finer field, its details drawn given ``coarse``."""
        joined = lambda bands: self.basis.synthesise(jnp.concatenate([coarse[None], bands]))  # noqa: E731
        return _relaxed(key, scale, joined, (3, *coarse.shape), steps)


def _relaxed(key, scale: Scale, joined: Callable[[Bands], Data], shape, steps: int) -> Data:
    """The field after Metropolis-adjusted Langevin steps from independent normal details."""
    import blackjax  # at the top of the module it would start a backend before devices are chosen

    begin, move = jax.random.split(key)
    count = shape[0] * shape[1] * shape[2]
    chain: Any = blackjax.mala(lambda u: -scale.energy(joined(scale.deviation * u)), STEP / count ** (1 / 3))

    def step(k, state):
        return chain.step(jax.random.fold_in(move, k), state)[0]

    end = jax.lax.fori_loop(0, steps, step, chain.init(jax.random.normal(begin, shape)))
    return joined(scale.deviation * end.position)


def fit(data: Float[Array, "sample row row"], basis: WaveletBasis, *, reach: int, bumps: int) -> WaveletConditional:
    """Score matching, scale by scale.

    Args:
        data: samples of the field on a square lattice.
        basis: whose steps are taken.
        reach: largest distance along an axis between sites that are coupled.
        bumps: of a potential; without bumps there is no φ⁴ either, and the model is normal.

    Raises:
        ValueError: if the samples are not those of a square lattice with the basis's sides.
    """
    if np.shape(data)[1:] != basis.shape or len(set(basis.shape)) != 1 or len(basis.shape) != 2:
        raise ValueError(f"samples of {np.shape(data)[1:]} sites, a basis of {basis.shape}: use one square lattice")
    x, scales = jnp.asarray(data), []
    for _ in range(basis.depth):
        scales.append(_fitted(x, lambda y: basis.analyse(y)[1:], reach, bumps))
        x = jax.vmap(lambda y: basis.analyse(y)[0])(x)
    return WaveletConditional(tuple(scales), _fitted(x, lambda y: y[None], reach, bumps), basis)


def _fitted(x, details: Callable[[Data], Bands], reach: int, bumps: int) -> Scale:
    """The linear system of one scale; ``details`` are the free directions of a field, by band."""
    near = neighbours(x.shape[-1], reach)
    centres = jnp.linspace(0.0, float(jnp.quantile(jnp.abs(x), 0.999)), bumps)
    *measured, directions = _moments(x, details, near, centres)
    by_band, turns = (np.asarray(m, float).mean(0) for m in measured)
    theta = _solution(by_band.sum(0), turns)
    curvature = np.einsum("m,bmn,n->b", theta, by_band, theta) / (directions / len(by_band))
    deviation = jnp.asarray(1 / np.sqrt(curvature)).reshape(-1, 1, 1)
    couplings, potentials = jnp.asarray(theta[: len(near)]), jnp.asarray(theta[len(near) :])
    return Scale(couplings, potentials, centres, deviation, near)


@eqx.filter_jit
def _moments(x, details: Callable[[Data], Bands], near, centres):
    """∇Φ·∇Φᵀ by band and ∇²Φ of every field, in the free directions, and how many of these there are."""
    side = x.shape[-1]
    sites = jnp.eye(side**2).reshape(-1, side, side)
    free = jax.vmap(details)(sites).reshape(side**2, -1)  # components of every site's unit field
    matrices = jax.vmap(lambda y: around(y, near))(sites).reshape(side**2, len(near), side**2)
    fixed = 2 * jnp.einsum("xi,yi,xmy->m", free, free, matrices)
    share = jnp.sum(free**2, 1).reshape(side, side)

    def moments(y):
        slope = lambda y: jax.jvp(lambda z: site_functions(z, centres), (y,), (jnp.ones_like(y),))[1]  # noqa: E731
        slopes, turns = jax.jvp(slope, (y,), (jnp.ones_like(y),))
        gradients = jax.vmap(details)(jnp.concatenate([2 * around(y, near), slopes]))
        by_band = jnp.einsum("mbij,nbij->bmn", gradients, gradients)
        return by_band, jnp.concatenate([fixed, jnp.sum(share * turns, (1, 2))])

    return *jax.lax.map(moments, x, batch_size=256), free.shape[1]


def _solution(table, slope):
    """θ, with features in units of their own slopes."""
    unit = np.sqrt(np.diag(table))
    return np.linalg.solve(table / np.outer(unit, unit) + RIDGE * np.eye(len(table)), slope / unit) / unit


def neighbours(side: int, reach: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Displacements up to ``reach`` along both axes of a torus, by classes that symmetries of the square map together.

    >>> neighbours(8, 1)
    (((0, 0),), ((0, 1), (0, 7), (1, 0), (7, 0)), ((1, 1), (1, 7), (7, 1), (7, 7)))
    """
    found = {}
    for a in range(min(reach, side // 2) + 1):
        for b in range(a + 1):
            images = {(s * i % side, t * j % side) for s in (1, -1) for t in (1, -1) for i, j in ((a, b), (b, a))}
            found[a, b] = tuple(sorted(images))
    return tuple(found.values())


def around(x: Data, classes: tuple[tuple[tuple[int, int], ...], ...]) -> Float[Array, "distance row row"]:
    """Sum of the field over the displacements of each class, at every site: a product of plane waves."""
    shifts = np.zeros((len(classes), *x.shape))
    for shift, near in zip(shifts, classes, strict=True):
        shift[tuple(np.transpose(near))] = 1.0
    waves = np.fft.fft2(shifts).real  # displacements come in pairs ±r
    return jnp.fft.ifft2(jnp.asarray(waves, x.dtype) * jnp.fft.fft2(x)).real


def site_functions(x: Data, centres: Float[Array, " bump"]) -> Float[Array, "potential row row"]:
    """φ⁴ and bumps at ±c of the width of their distance, at every site; nothing if there are no bumps."""
    if not len(centres):
        return jnp.zeros((0, *x.shape), x.dtype)
    width = centres[-1] / len(centres)
    scaled = lambda sign: (x - sign * centres[:, None, None]) / width  # noqa: E731
    bumps = jnp.exp(-0.5 * scaled(1) ** 2) + jnp.exp(-0.5 * scaled(-1) ** 2)
    return jnp.concatenate([(x**4)[None], bumps])

"""Stencils: their derivatives, which are written out, against those of the sum that defines them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from covering import slow
from matterlearn.diffusion.stencils import stencil


def plain(x, weight, edges):
    """Σ_s W_s x_{p+s}, term by term."""
    _, rows, columns, _ = x.shape
    wide = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode={"periodic": "wrap", "zero": "constant"}[edges])
    return sum(wide[:, i : i + rows, j : j + columns] @ weight[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize("edges", ["periodic", "zero"])
@pytest.mark.parametrize(("channels", "output"), [(2, 5), slow(5, 2)])
def test_derivatives_of_all_kinds(edges, channels, output):
    """Values, forward and backward derivatives, forward over backward, to double precision; uneven sides."""
    with jax.enable_x64(True):
        draw = np.random.default_rng(0).normal
        x, weight = jnp.asarray(draw(size=(3, 4, 6, channels))), jnp.asarray(draw(size=(3, 3, channels, output)))
        moved = jnp.asarray(draw(size=x.shape)), jnp.asarray(draw(size=weight.shape))

        @eqx.filter_jit
        def found(of):
            value = lambda x, weight: jnp.sum(jnp.sin(of(x, weight, edges)))  # noqa: E731
            slope = jax.grad(value, (0, 1))
            return of(x, weight, edges), jax.jvp(value, (x, weight), moved), jax.jvp(slope, (x, weight), moved)

        for own, expected in zip(jax.tree.leaves(found(stencil)), jax.tree.leaves(found(plain)), strict=True):
            assert np.allclose(own, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("axes", [slow((0, None)), slow((2, None)), slow((None, 0)), (1, 4)])
def test_batches_of_fields_and_of_weights(axes):
    """Along any axis, and so their derivatives."""
    with jax.enable_x64(True):
        draw = np.random.default_rng(1).normal
        shapes = [(2, 4, 4, 3), (3, 3, 3, 2)]
        arrays = [s if a is None else (*s[:a], 5, *s[a:]) for s, a in zip(shapes, axes, strict=True)]
        x, weight = (jnp.asarray(draw(size=shape)) for shape in arrays)

        @eqx.filter_jit
        def found(of):
            every = jax.vmap(lambda x, weight: of(x, weight, "zero"), axes)
            return every(x, weight), jax.grad(lambda *pair: jnp.sum(jnp.sin(every(*pair))), (0, 1))(x, weight)

        for own, expected in zip(jax.tree.leaves(found(stencil)), jax.tree.leaves(found(plain)), strict=True):
            assert np.allclose(own, expected, rtol=1e-11, atol=1e-11)

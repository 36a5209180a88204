"""Multilayer perceptrons inside energies and encoders."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

ACTIVATIONS = {"tanh": jax.nn.tanh, "softplus": jax.nn.softplus, "silu": jax.nn.silu}


class Perceptron(eqx.Module):
    """x ← g(W x + b) through the hidden layers, then W x + b.

    Its leaves are arrays and nothing else, unlike those of ``eqx.nn.MLP``, whose activations are leaves too: a system
    is replicated, differentiated and stored leaf by leaf.
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: str = eqx.field(static=True)

    def __call__(self, x: Float[Array, " input"]) -> Float[Array, " output"]:
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
        return self.layers[-1](x)

    def named(self) -> dict[str, tuple[tuple[str, ...], Array]]:
        """Weights and biases by layer, as ``named_couplings`` wants them."""
        found = {}
        for number, layer in enumerate(self.layers):
            found[f"weight_{number}"] = (f"layer_{number + 1}", f"layer_{number}"), layer.weight
            found[f"bias_{number}"] = (f"layer_{number + 1}",), layer.bias
        return found


def perceptron(key: Key[Array, ""], sizes: list[int], activation: str) -> Perceptron:
    """With the usual random weights, between layers of these sizes.

    >>> perceptron(jax.random.key(0), [2, 5, 1], "silu").layers[0].weight.shape
    (5, 2)
    """
    pairs = list(zip(sizes, sizes[1:], strict=False))
    keys = jax.random.split(key, len(pairs))
    return Perceptron(tuple(eqx.nn.Linear(m, n, key=k) for (m, n), k in zip(pairs, keys, strict=True)), activation)

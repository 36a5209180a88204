"""An outside package that imports jax at once, as many do."""

import jax

jax.numpy.zeros(1)

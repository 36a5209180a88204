"""The process that most tests of diffusion noise data with."""

import jax.numpy as jnp

from matterlearn.diffusion.bases import Sites
from matterlearn.diffusion.processes import Gaussian
from matterlearn.diffusion.schedules import Relaxation


def number(value):
    return jnp.asarray(float(value))


def ou():
    """dx = −x dt + √2 dW in every entry."""
    return Gaussian(Relaxation(number(1), number(1)), Sites())

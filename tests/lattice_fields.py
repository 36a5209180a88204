"""What tests of lattice fields share: averages of configurations, and how far two estimates are apart."""

import numpy as np

from matterlearn.observables._fields import jackknife
from matterlearn.observables.field_moments import REPORTED, averages
from matterlearn.observables.two_point import decay

BLOCKS = 100


def estimates(fields, action):
    """name → (value, standard error) over independent configurations [sample, row, column], by blocks of them."""
    fields = np.asarray(fields, float)
    M, square = fields.mean((1, 2)), fields**2
    slices = np.fft.ifft(np.abs(np.fft.fft(fields.mean(2), axis=1)) ** 2, axis=1).real
    density = (action.quadratic * square + action.quartic * square**2).mean((1, 2))
    for axis in (1, 2):
        density -= action.hopping * (fields * np.roll(fields, 1, axis)).mean((1, 2))
    quartic = action.quartic * (square**2).mean((1, 2))
    each = [np.abs(M), M**2, M**4, square.mean((1, 2)), (square**2).mean((1, 2)), density, 2 * density + 2 * quartic, M]
    blocks = np.array_split(np.column_stack([*each, slices]), BLOCKS)
    means = np.stack([block.mean(0) for block in blocks])
    found = {name: pair for (name, *_), pair in zip(
        REPORTED, jackknife(lambda m: averages(m, fields[0].size), means), strict=True
    )}  # fmt: skip
    others = jackknife(lambda m: (m[5], m[6], m[7], decay(m[8:])[1]), means)
    return found | dict(zip(("energy_density", "virial", "M", "lengths_across"), others, strict=True))


def agree(found, row):
    """All quantities of a row of reference values within four standard errors; ⟨virial⟩ = 1 and ⟨M⟩ = 0."""
    told = {name: pair for name, pair in row._asdict().items() if name not in ("side", "action")}
    told |= {"virial": (1.0, 0.0), "M": (0.0, 0.0)}
    scores = {}
    for name, (value, error) in told.items():
        if not np.isnan(value):
            measured, own = found[name]
            scores[name] = float((measured - value) / np.hypot(error, own))
    wrong = {name: (round(z, 1), found[name], told[name]) for name, z in scores.items() if not abs(z) < 4}
    assert not wrong, wrong
    return scores

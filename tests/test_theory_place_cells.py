"""Clumps of place cells: known figures, a plain iteration on a fine grid, thermodynamics and symmetries."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import entr, expit

from covering import slow
from matterlearn.theory import place_cells

F, W = 0.1, 0.05
TABLE = {  # T: highest and lowest density, free energy over the uniform state's, on a grid of 2000 cells
    0.004: (0.99802, 0.0020, -6.971e-4),
    0.006: (0.98028, 0.0177, -1.983e-4),
    0.007: (0.94477, 0.0351, -2.70e-5),
}


def test_instability_of_the_uniform_state():
    """The first harmonic of an interval and of a disk, by integration."""
    line, _ = quad(lambda x: np.cos(2 * np.pi * x), -W / 2, W / 2, epsabs=1e-15)
    radius = np.sqrt(W / np.pi)
    disk, _ = quad(lambda x: 2 * np.sqrt(radius**2 - x**2) * np.cos(2 * np.pi * x), -radius, radius, epsabs=1e-14)
    assert place_cells.uniform_instability(F, W) == pytest.approx(F * (1 - F) * line, abs=1e-15)
    assert place_cells.uniform_instability(F, W) == pytest.approx(0.0044815, abs=6e-8)
    assert place_cells.uniform_instability(F, W, dimensions=2) == pytest.approx(F * (1 - F) * disk, abs=1e-12)
    assert place_cells.uniform_instability(F, W, dimensions=2) == pytest.approx(0.0041557, abs=6e-8)


@pytest.mark.parametrize("T", TABLE)
def test_known_clumps(T):
    """To the digits known, whose grid of a fortieth of w is good to one part in 10³ of what the tails hold."""
    highest, lowest, advantage = TABLE[T]
    state = place_cells.clump(F, W, T)
    assert state.density.max() == pytest.approx(highest, abs=2e-5)
    assert state.density.min() == pytest.approx(lowest, abs=6e-5)
    assert state.free_energy - place_cells.uniform_free_energy(F, W, T) == pytest.approx(advantage, abs=1e-7)
    assert state.density.argmax() == len(state.density) // 2
    assert state.density.mean() == pytest.approx(F, abs=1e-12)


def test_known_transitions():
    """Crossing at 0.00721; the clump is there at 0.00760, its peak 0.820, and gone at 0.00765."""
    assert place_cells.coexistence_temperature(F, W) == pytest.approx(0.00721, abs=6e-6)
    assert 0.0076 < place_cells.clump_limit(F, W).T < 0.0077
    assert place_cells.clump(F, W, 0.0076).density.max() == pytest.approx(0.820, abs=6e-4)
    with pytest.raises(ValueError, match="exists at T in"):
        place_cells.clump(F, W, 0.00765)


def iterated(cells, T, steps=4000):
    """ρ ← σ(h/T + ν) from a box, h a sum over neighbours with half of each end: no harmonics and no Newton."""
    reach = round(W * cells / 2)
    kernel = np.zeros(cells)
    kernel[np.arange(-reach, reach + 1)] = 1 / cells
    kernel[[reach, -reach]] /= 2
    spectrum = np.fft.rfft(kernel)
    theta = np.minimum(np.arange(cells), cells - np.arange(cells)) / cells
    density = (theta < F / 2).astype(float)
    for _ in range(steps):
        field = np.fft.irfft(spectrum * np.fft.rfft(density), cells) / T
        nu = brentq(lambda nu, field=field: expit(field + nu).mean() - F, -field.max() - 30, 30, xtol=1e-13)
        change, density = density, expit(field + nu)
        if abs(density - change).max() < 1e-12:
            break
    return density


@pytest.mark.parametrize("T", [0.004, 0.0065])
def test_newton_finds_what_iteration_finds(T):
    """The plain sum errs as 1/cells²: two grids, extrapolated, agree with the harmonics to 10⁻⁶."""
    expected = place_cells.clump(F, W, T).density
    coarse, fine = (iterated(cells, T)[:: cells // 16] for cells in (1600, 3200))
    sampled = np.roll(expected, -len(expected) // 2)[:: len(expected) // 16]
    np.testing.assert_allclose((4 * fine - coarse) / 3, sampled, rtol=0, atol=1e-6)
    assert abs(fine - sampled).max() < 0.3 * abs(coarse - sampled).max()


@pytest.mark.parametrize("T", [0.002, 0.005, 0.0075])
def test_entropy_is_the_slope_of_the_free_energy(T):
    """dF/dT = −S at fixed f, by central differences, since F is stationary in ρ."""
    warm, cold = (place_cells.clump(F, W, T + shift).free_energy for shift in (1e-6, -1e-6))
    density = place_cells.clump(F, W, T).density
    entropy = np.mean(entr(density) + entr(1 - density))
    assert (warm - cold) / 2e-6 == pytest.approx(-entropy, rel=1e-5)


def test_chemical_potential_is_the_slope_in_activity():
    """dF/df = μ = Tν."""
    T = 0.005
    more, less = (place_cells.clump(F + shift, W, T).free_energy for shift in (1e-5, -1e-5))
    assert (more - less) / 2e-5 == pytest.approx(T * place_cells.clump(F, W, T).nu, rel=1e-6)


def test_fold():
    """The distance to the last clump grows as the square root of T_CL − T."""
    limit = place_cells.clump_limit(F, W)
    distance = [
        abs(place_cells.clump(F, W, limit.T * (1 - shift)).density - limit.density).max() for shift in (1e-6, 4e-6)
    ]
    assert distance[1] / distance[0] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(("f", "w"), [
    (0.1, 0.05), slow(0.3, 0.1), slow(0.1, 0.3), slow(0.03, 0.05), slow(0.2, 0.02),
])  # fmt: skip
def test_temperatures_are_ordered_and_symmetric(f, w):
    """T_PM < T_c < T_CL; holes clump as the active cells do."""
    unstable, limit = place_cells.uniform_instability(f, w), place_cells.clump_limit(f, w).T
    crossing = place_cells.coexistence_temperature(f, w)
    assert unstable < crossing < limit
    assert pytest.approx(limit, rel=1e-6) == place_cells.clump_limit(f, w, cells=384).T
    if f == 0.1:
        assert place_cells.coexistence_temperature(1 - f, w) == pytest.approx(crossing, rel=1e-9)


def test_half_filling_is_continuous():
    """f = ½: the clump vanishes where the uniform state becomes unstable."""
    unstable = place_cells.uniform_instability(0.5, 0.1)
    assert pytest.approx(unstable, rel=1e-9) == place_cells.clump_limit(0.5, 0.1).T
    assert place_cells.coexistence_temperature(0.5, 0.1) == unstable


def test_grid_does_not_matter():
    coarse, fine = (place_cells.clump(F, W, 0.006, cells=cells) for cells in (256, 512))
    assert coarse.free_energy == pytest.approx(fine.free_energy, abs=1e-14)
    np.testing.assert_allclose(coarse.density, fine.density[::2], rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: place_cells.uniform_instability(1.0, 0.1), "between 0 and 1"),
        (lambda: place_cells.uniform_instability(0.1, 0.8, dimensions=2), "w < π/4"),
        (lambda: place_cells.clump(0.1, 0.05, 0.0), "exists at T in"),
        (lambda: place_cells.clump(0.1, 0.05, 0.001, cells=255), "even number of cells"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_maps_beyond_the_method_say_so():
    with pytest.raises(RuntimeError, match="no clump of activity 0.01 and width 0.05 was found"):
        place_cells.clump_limit(0.01, 0.05)

"""Liquid Hopfield mixture: finite differences, Hessians, descent against the closed forms, and coexisting targets."""

import numpy as np
import pytest

from matterlearn.theory import coexistence
from matterlearn.theory import liquid_hopfield as lh


def model_of(rows, attraction, repulsion, order, kT, components=16):
    return lh.LiquidHopfield(lh.hadamard_targets(components, rows), attraction, repulsion, order, kT)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_slope_and_curvature_by_finite_differences(order):
    rng = np.random.default_rng(order)
    model = lh.LiquidHopfield(lh.random_targets(rng, 6, 3), 4.0, 1.5, order, kT=0.7)
    mixture, phi, h = lh.mixture(model), rng.dirichlet(np.ones(7)), 1e-5
    steps = h * np.eye(7)
    slope = [(mixture.energy(phi + e) - mixture.energy(phi - e)) / (2 * h) for e in steps]
    np.testing.assert_allclose(mixture.slope(phi), slope, rtol=1e-6, atol=1e-8)
    curvature = [(mixture.slope(phi + e) - mixture.slope(phi - e)) / (2 * h) for e in steps]
    np.testing.assert_allclose(mixture.curvature(phi), curvature, rtol=1e-6, atol=1e-6)


def test_energy_as_written():
    rng = np.random.default_rng(0)
    model = lh.LiquidHopfield(lh.random_targets(rng, 4, 2), 3.0, 2.0, 3, kT=0.5)
    phi = rng.dirichlet(np.ones(5))
    solute = phi[:4]
    hebbian = np.sum(model.targets[:, :, None] * model.targets[:, None, :], axis=0)
    energy = -1.5 * solute @ hebbian @ solute + 2.0 / 3 * 16 * np.sum(solute**3)
    free = energy / 0.5 + np.sum(phi * np.log(phi))
    assert coexistence.free_energy(lh.mixture(model), phi) == pytest.approx(free, rel=1e-13)


def test_solutes_alone_differ_from_the_mixture_by_a_constant_at_fixed_filling():
    rng = np.random.default_rng(1)
    model, filled = lh.LiquidHopfield(lh.random_targets(rng, 6, 2), 5.0, 1.0, 4, kT=0.8), 0.3
    share = rng.dirichlet(np.ones(6), size=5)
    whole = np.concatenate([filled * share, np.full((5, 1), 1 - filled)], axis=1)
    full = coexistence.free_energy(lh.mixture(model), whole)
    alone = filled * coexistence.free_energy(lh.composition_mixture(model, filled), share)
    assert np.ptp(full - alone) < 1e-12


@pytest.mark.parametrize(("order", "attraction"), [(2, 4.0), (3, 5.0), (4, 9.0)])
def test_target_state_is_stationary(order, attraction):
    """All solutes have the same potential at the polarisation of equation (1), with other targets stored."""
    model, filled = model_of([1, 2, 4, 7], attraction / 0.6, 1.0 / 0.6 ** (order - 1), order, 0.9), 0.6
    t = np.tanh(lh.target_field(attraction, 1.0, order, 0.9))
    assert 0.5 < t < 1
    phi = np.append(lh.target_composition(model.targets[2], filled, t), 1 - filled)
    potential = coexistence.potentials(lh.mixture(model), phi)[:-1]
    assert np.ptp(potential) < 1e-10
    np.testing.assert_allclose(lh.overlaps(model.targets, phi[:-1]), [0, 0, t, 0], atol=1e-12)
    assert lh.participation(phi[:-1]) == pytest.approx(16 / (1 + t**2), rel=1e-12)


def test_field_and_attraction_are_inverse_and_the_onset_is_where_they_vanish():
    for order in (2, 3, 5):
        onset = 0.4 + (order - 1) * 1.3
        assert lh.target_field(onset, 1.3, order, 0.4) == 0.0
        for attraction in onset + np.array([1e-3, 1.0, 300.0]):
            field = lh.target_field(attraction, 1.3, order, 0.4)
            assert lh.branch_attraction(field, 1.3, order, 0.4) == pytest.approx(attraction, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_gain_of_one_is_a_flat_direction(seed):
    """At any composition: with the attraction divided by the gain, the lowest curvature vanishes."""
    rng = np.random.default_rng(seed)
    model = lh.LiquidHopfield(lh.random_targets(rng, 8, 3), 2.0, 1.0, 2 + seed, kT=0.5)
    share, filled = rng.dirichlet(np.full(8, 3.0)), 0.7
    gain = lh.gain(model, filled * share)
    for factor, sign in [(0.99, 1), (1.01, -1)]:
        scaled = model._replace(attraction=factor * model.attraction / gain)
        assert sign * coexistence.lowest_curvature(lh.composition_mixture(scaled, filled), share) > 0
    marginal = lh.composition_mixture(model._replace(attraction=model.attraction / gain), filled)
    assert coexistence.lowest_curvature(marginal, share) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize(("rows", "closed"), [([1, 2, 4], lh.transverse_gain), ([1, 2, 3], lh.product_gain)])
@pytest.mark.parametrize(("order", "attraction", "kT"), [(2, 2.4, 1.0), (3, 4.0, 0.7), (4, 9.0, 2.0), (4, 30.0, 2.0)])
def test_closed_gains_are_those_of_the_covariance(rows, closed, order, attraction, kT):
    model = model_of(rows, attraction, 1.0, order, kT)
    field = lh.target_field(attraction, 1.0, order, kT)
    phi = lh.target_composition(model.targets[0], 1.0, np.tanh(field))
    assert lh.gain(model, phi) == pytest.approx(float(closed(field, 1.0, order, kT)), rel=1e-9)


def test_without_repulsion_one_target_is_retrieved_and_two_are_not():
    """The gain of a second target is G/kT, whatever the polarisation."""
    field = np.geomspace(1e-3, 10, 50)
    attraction = lh.branch_attraction(field, 0.0, 2, 0.5)
    np.testing.assert_allclose(lh.transverse_gain(field, 0.0, 2, 0.5), attraction / 0.5, rtol=1e-12)
    t = np.tanh(lh.target_field(1.0, 0.0, 2, 0.5))
    assert t == pytest.approx(np.tanh(2 * t), rel=1e-12)
    alone = lh.recall(model_of([1], 1.0, 0.0, 2, 0.5), 1.0)
    assert alone.overlaps[0, 0] == pytest.approx(t, rel=1e-7)
    both = lh.recall(model_of([1, 2], 1.0, 0.0, 2, 0.5), 1.0)
    assert np.all(both.participation < 0.75 * 16 / (1 + t**2))


@pytest.mark.parametrize("repulsion", [0.1, 1.0, 10.0])
def test_pairwise_repulsion_never_retrieves_a_target_whose_products_are_stored(repulsion):
    """Cubic repulsion does, if it is strong against kT."""
    for kT in (0.01, 1.0):
        assert lh.retrieval_window(lh.product_gain, repulsion, 2, kT) is None
    assert lh.retrieval_window(lh.product_gain, repulsion, 3, 0.1 * repulsion) is not None
    assert lh.retrieval_window(lh.product_gain, repulsion, 3, 10 * repulsion) is None


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_cold_limit_of_the_window(order):
    kT, cold = 1e-4, lh.cold_window(1.5, order)
    window = lh.retrieval_window(lh.transverse_gain, 1.5, order, kT)
    np.testing.assert_allclose(window, cold, rtol=1e-3)
    assert window.high == pytest.approx(cold.high + kT, rel=1e-9)
    if order > 2:
        products = lh.retrieval_window(lh.product_gain, 1.5, order, kT)
        assert products.high == pytest.approx(window.high / 2, rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_descent_agrees_with_the_window(order):
    """Just inside the target state is reached and kept, just outside fewer than half of the components remain."""
    kT = 0.5
    window = lh.retrieval_window(lh.transverse_gain, 1.0, order, kT)
    inside, outside = (model_of([1, 2, 4, 8], factor * window.high, 1.0, order, kT) for factor in (0.9, 1.1))
    kept = lh.recall(inside, 1.0)
    t = np.tanh(lh.target_field(inside.attraction, 1.0, order, kT))
    np.testing.assert_allclose(kept.overlaps, t * np.eye(4), atol=1e-6)
    lost = lh.recall(outside, 1.0)
    assert np.all(lost.participation < 7)
    stuck = np.array([np.sort(np.abs(row))[-2] for row in lost.overlaps])
    assert np.all(stuck > 0.3)


def test_the_same_mixture_retrieves_warm_and_localises_cold():
    """G = 10, A = 1, p = 3: the limit is kT = G - (p - 1) A 2^(p - 1) = 2."""
    warm, cold = (lh.recall(model_of([1, 2, 4, 8], 10.0, 1.0, 3, kT), 1.0) for kT in (2.5, 1.5))
    assert np.all(np.diag(warm.overlaps) > 0.99)
    np.testing.assert_allclose(warm.participation, 8.0, rtol=0.01)
    assert np.all(cold.participation < 6)
    assert lh.recall(model_of([1, 2, 4, 8], 10.0, 1.0, 3, 9.0), 1.0).participation == pytest.approx(16.0, rel=1e-3)


def test_random_targets_end_in_minima():
    """Descent that compares energies finds a minimum to the root of the rounding error."""
    rng = np.random.default_rng(5)
    model = lh.LiquidHopfield(lh.random_targets(rng, 32, 5), 5.0, 1.0, 3, kT=0.8)
    recall = lh.recall(model, 0.9)
    mixture = lh.composition_mixture(model, 0.9)
    for phi in recall.compositions:
        assert np.ptp(coexistence.potentials(mixture, phi / 0.9)) < 1e-5
        assert lh.gain(model, phi) < 1
        assert coexistence.lowest_curvature(mixture, phi / 0.9) > 0


def test_target_phases_coexist_in_solvent():
    """Four components, two targets: a mean built from target states splits into target states of the same filling."""
    model, filled = model_of([1, 2], 6.0, 2.0, 3, 1.0, components=4), 0.5
    t = np.tanh(lh.target_field(6.0 * filled, 2.0 * filled**2, 3, 1.0))
    targets = np.concatenate([model.targets, -model.targets])
    states = np.array([np.append(lh.target_composition(target, filled, t), 1 - filled) for target in targets])
    assert coexistence.lowest_curvature(lh.mixture(model), states[0]) > 0
    found = coexistence.coexist(lh.mixture(model), np.array([0.4, 0.3, 0.3, 0.0]) @ states)
    for phi in found.compositions:
        assert np.min(np.abs(states - phi).max(axis=1)) < 1e-9
    assert len(found.volumes) >= 3
    weak = model._replace(attraction=3.0)
    assert len(coexistence.coexist(lh.mixture(weak), states.mean(axis=0)).volumes) == 1


def test_hadamard_targets_are_orthogonal_and_close_under_products():
    targets = lh.hadamard_targets(8, [1, 2, 3, 4])
    np.testing.assert_array_equal(targets @ targets.T, 8 * np.eye(4))
    np.testing.assert_array_equal(targets[0] * targets[1], targets[2])
    assert np.all(targets.sum(axis=1) == 0)


def test_refusals():
    with pytest.raises(ValueError, match="integer of at least 2"):
        lh.mixture(model_of([1], 1.0, 1.0, 1, 1.0))
    with pytest.raises(ValueError, match="even number"):
        lh.random_targets(np.random.default_rng(0), 5, 1)

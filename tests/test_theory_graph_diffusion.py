"""Heat on graphs and graph convolution in closed form: spectra of known graphs, stability, smoothing, labels."""

import networkx as nx
import numpy as np
import pytest

from matterlearn.theory.graph_diffusion import (
    csbm_signal,
    dirichlet_energy,
    fiedler_labels,
    harmonic_function,
    heat_kernel,
    heat_labels,
    heat_trace,
    laplacian,
    mean_average_distance,
    modes,
    optimal_step,
    propagator,
    smoothed,
    smoothing_rate,
    spread,
    stability_bound,
)


def unweighted(graph):
    return nx.to_numpy_array(graph, weight=None)  # pyright: ignore[reportArgumentType]


# graph, nodes, edges, λ₂, λ_max, 2/λ_max, smallest and second largest eigenvalue of the propagator
SPECTRA = [
    (nx.karate_club_graph(), 34, 78, 0.4685252267, 18.1366959730, 0.1102736685, -0.4201102722, 0.8961420499),
    (nx.florentine_families_graph(), 15, 20, 0.3459231647, 7.2682588444, 0.2751690663, -0.3758928137, 0.8707338375),
    (nx.davis_southern_women_graph(), 32, 89, 0.9320009889, 16.2578432804, 0.1230175470, -0.7121161503, 0.8280227803),
    (nx.les_miserables_graph(), 77, 254, 0.2050000544, 37.0945564619, 0.0539162667, -0.3445305121, 0.9364193973),
    (nx.petersen_graph(), 10, 15, 2, 5, 0.4, -0.25, 0.5),
    (nx.hypercube_graph(4), 16, 32, 2, 8, 0.25, -0.6, 0.6),
    (nx.cycle_graph(10), 10, 10, 0.3819660113, 4, 0.5, -1 / 3, 0.8726779962),
    (nx.path_graph(10), 10, 9, 0.0978869674, 3.9021130326, 0.5125428155, -0.3101238988, 0.9626112893),
    (nx.complete_graph(6), 6, 15, 6, 6, 1 / 3, 0, 0),
]
KARATE = unweighted(nx.karate_club_graph())
CLUB = np.array([1 if c == "Mr. Hi" else -1 for c in nx.get_node_attributes(nx.karate_club_graph(), "club").values()])
HOT = np.eye(34)[0]


@pytest.mark.parametrize("graph, nodes, edges, slow, fast, bound, lowest, second", SPECTRA)
def test_spectra(graph, nodes, edges, slow, fast, bound, lowest, second):
    adjacency = unweighted(graph)
    values, smooth = modes(adjacency)[0], np.linalg.eigvalsh(propagator(adjacency))
    assert adjacency.shape == (nodes, nodes) and adjacency.sum() == 2 * edges
    found = values[1], values[-1], stability_bound(adjacency), smooth[0], smooth[-2]
    assert np.allclose(found, (slow, fast, bound, lowest, second), rtol=0, atol=6e-11)
    assert np.isclose(smooth[-1], 1) and np.isclose(smoothing_rate(adjacency), max(lowest**2, second**2), atol=1e-9)


def test_weights_change_the_bound():
    weighted = nx.to_numpy_array(nx.karate_club_graph())
    assert np.isclose(modes(weighted)[0][-1], 52.0653410379, rtol=0, atol=6e-11)
    assert np.isclose(stability_bound(weighted), 0.0384132699, rtol=0, atol=6e-11)
    assert np.isclose(modes(nx.to_numpy_array(nx.les_miserables_graph()))[0][-1], 174.5459627, rtol=0, atol=6e-8)


def test_heat_kernel_of_the_karate_club():
    kernel = heat_kernel(KARATE, 1.0)
    assert np.isclose(heat_trace(KARATE, 1.0), 4.372763715151, rtol=0, atol=6e-13)
    assert np.allclose(
        (kernel[0, 0], kernel[33, 33], kernel[0, 33]), (0.0414423302, 0.0403724797, 0.0194614908), rtol=0, atol=6e-11
    )
    assert np.allclose(kernel.sum(1), 1, rtol=0, atol=1e-13) and np.all(kernel > 0)


def test_explicit_steps_at_the_edge_of_stability():
    bound = stability_bound(KARATE)
    left = [spread(KARATE, HOT, factor * bound, 2000, "explicit").item() for factor in (0.999, 1.0, 1.001)]
    assert np.allclose(left, (3.5e-3, 0.1937, 10.5), rtol=0.015)
    assert 81.5 < np.log10(spread(KARATE, HOT, 1.05 * bound, 2000, "explicit")) < 82.5
    x = HOT
    for _ in range(50):
        x = x - bound * laplacian(KARATE) @ x
    assert np.isclose(np.linalg.norm(x - x.mean()), spread(KARATE, HOT, bound, 50, "explicit"), rtol=1e-10)
    step, rate = optimal_step(KARATE)
    assert np.allclose((step, rate), (0.1074967064, 0.9496350813), rtol=0, atol=6e-11)
    ends = spread(KARATE, HOT, step, np.array([400, 401]), "explicit")
    assert np.isclose(ends[1] / ends[0], rate)


def test_only_short_explicit_steps_keep_the_maximum_principle():
    step = 1 / KARATE.sum(1).max()
    assert np.isclose(step, 1 / 17)
    for factor, kept in ((1.0, True), (1.01, False)):
        assert np.all(np.eye(34) - factor * step * laplacian(KARATE) >= -1e-15) == kept


def test_linear_layers_smooth_at_the_rate_of_the_second_eigenvalue():
    assert np.isclose(smoothing_rate(KARATE), 0.8030705736, rtol=0, atol=6e-11)
    layer = propagator(KARATE)
    x = np.random.default_rng(0).normal(size=(34, 16))
    energies, distances = [], []
    for _ in range(101):
        energies.append(dirichlet_energy(np.eye(34) - layer, x))
        distances.append(mean_average_distance(x))
        x = layer @ x
    assert np.isclose(energies[100] / energies[99], 0.8030709, rtol=0, atol=2e-6)
    assert np.isclose(distances[80] / distances[79], 0.8030705736, rtol=1e-3)
    assert np.allclose(np.abs(x.T @ smoothed(KARATE)) / np.linalg.norm(x, axis=0), 1)
    constant = np.ones(34)
    assert dirichlet_energy(np.eye(34) - layer, constant) > 1 > 1e-12 > dirichlet_energy(laplacian(KARATE), constant)


@pytest.mark.parametrize("graph", [nx.davis_southern_women_graph(), nx.cycle_graph(10), nx.hypercube_graph(4)])
def test_bipartite_graphs_without_loops_never_smooth(graph):
    adjacency = unweighted(graph)
    root = adjacency.sum(1) ** -0.5
    normal = np.eye(len(adjacency)) - root[:, None] * adjacency * root
    assert np.isclose(np.linalg.eigvalsh(normal)[-1], 2)


def test_labels_of_the_karate_club():
    ends = {0: 1.0, 33: -1.0}
    missed = lambda labels: np.flatnonzero(np.sign(labels) != CLUB).tolist()  # noqa: E731
    assert missed(fiedler_labels(KARATE)) == [2, 8]
    assert missed(harmonic_function(KARATE, ends)) == [8]
    for time in (0.1, 0.3, 1.0):
        assert missed(heat_labels(KARATE, ends, time)) == [8]


def test_threshold_of_contextual_blocks():
    assert np.isclose(csbm_signal(1.0, 0.0, 2.0), 1.0) and np.isclose(csbm_signal(0.0, 2**0.5, 2.0), 1.0)

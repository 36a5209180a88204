"""Rigid clusters: exact sticky-limit populations and recognition, finite range by two samplers."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from matterlearn.theory import cluster_integrals, clusters


def test_sticky_ratio_of_six_spheres_and_its_three_factors():
    tri, octa = (
        clusters.sticky_weight(clusters.cluster(n)) for n in ("tri-tetrahedron", "octahedron")
    )
    assert tri.symmetry / octa.symmetry == pytest.approx(12, abs=1e-9)
    assert tri.rotation / octa.rotation == pytest.approx(1.116, abs=5e-4)
    assert tri.vibration / octa.vibration == pytest.approx(1.792, abs=5e-4)
    assert tri.total / octa.total == pytest.approx(24.000, abs=5e-4)
    assert clusters.sticky_probabilities(6, 3)["octahedron"] == pytest.approx(0.0400, abs=5e-5)


def test_sticky_populations_of_six_discs_are_3_3_1():
    found = clusters.sticky_probabilities(6, 2)
    expected = {"parallelogram": 3 / 7, "chevron": 3 / 7, "triangle": 1 / 7}
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "dim", "names"),
    [
        (4, 3, ["tetrahedron"]),
        (5, 3, ["trigonal bipyramid"]),
        (6, 3, ["octahedron", "tri-tetrahedron"]),
        (6, 2, ["chevron", "parallelogram", "triangle"]),
    ],
)
def test_enumeration_finds_the_known_clusters(n, dim, names):
    found = clusters.rigid_clusters(n, dim)
    assert [cluster.name for cluster in found] == names
    for cluster in found:
        distance = np.linalg.norm(cluster.position[:, None] - cluster.position[None], axis=-1)
        np.testing.assert_allclose(distance[cluster.contact], 1.0, atol=1e-8)
        assert np.all(distance[~cluster.contact & ~np.eye(n, dtype=bool)] > 1.01)


@pytest.mark.parametrize(
    ("name", "number", "handedness"),
    [
        ("octahedron", 24, 1),
        ("tri-tetrahedron", 2, 1),
        ("parallelogram", 2, 2),
        ("chevron", 1, 1),
        ("triangle", 3, 1),
    ],
)
def test_symmetry_numbers_by_brute_force(name, number, handedness):
    cluster = clusters.cluster(name)
    assert clusters.symmetry(cluster.position, cluster.contact) == (number, handedness)


def labelled_graphs(edges):
    first, second = np.triu_indices(6, 1)
    chosen = np.array(list(combinations(range(15), edges)))
    contact = np.zeros((len(chosen), 6, 6), dtype=bool)
    rows = np.arange(len(chosen))[:, None]
    contact[rows, first[chosen], second[chosen]] = True
    return contact | contact.transpose(0, 2, 1)


@pytest.mark.parametrize(("edges", "dim"), [(12, 3), (9, 2)])
def test_classification_is_graph_isomorphism_on_every_labelled_graph(edges, dim):
    graphs = labelled_graphs(edges)
    names = clusters.classify(graphs, dim=dim)
    for cluster in clusters.rigid_clusters(6, dim):
        target = nx.Graph(cluster.contact.astype(int))
        degrees = sorted(d for _, d in target.degree)
        same_degrees = np.all(np.sort(graphs.sum(axis=1), axis=1) == degrees, axis=1)
        isomorphic = same_degrees.copy()
        for row in np.flatnonzero(same_degrees):
            isomorphic[row] = nx.is_isomorphic(nx.Graph(graphs[row].astype(int)), target)
        np.testing.assert_array_equal(names == cluster.name, isomorphic)


def test_labelled_counts_match_the_symmetry_numbers():
    # n!/sigma labelled shapes, shared by 1 (mirror-equal graphs come in both hands) or 2 per graph
    names = clusters.classify(labelled_graphs(12), dim=3)
    assert np.sum(names == "octahedron") == 720 // 24 // 2
    assert np.sum(names == "tri-tetrahedron") == 720 // 2 // 2


def test_classification_of_shaken_relabelled_turned_clusters():
    generator = np.random.default_rng(0)
    for name in ("octahedron", "tri-tetrahedron"):
        position = clusters.cluster(name).position
        turn = np.linalg.qr(generator.normal(size=(50, 3, 3)))[0]
        order = np.array([generator.permutation(6) for _ in range(50)])
        shaken = position[order] @ turn + generator.normal(scale=0.005, size=(50, 6, 3))
        contact = clusters.contact_matrix(shaken, 1.05)
        assert set(clusters.classify(contact, dim=3)) == {name}


def test_hessian_is_the_second_derivative_of_the_springs():
    cluster = clusters.cluster("chevron")
    first, second = np.nonzero(np.triu(cluster.contact))

    def energy(flat):
        position = flat.reshape(6, 2)
        return 0.5 * np.sum((np.linalg.norm(position[first] - position[second], axis=1) - 1) ** 2)

    flat, step = cluster.position.ravel(), 1e-4
    signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    numeric = np.zeros((12, 12))
    for row, a in enumerate(step * np.eye(12)):
        for column, b in enumerate(step * np.eye(12)):
            differences = [s * t * energy(flat + s * a + t * b) for s, t in signs]
            numeric[row, column] = sum(differences) / (4 * step**2)
    exact = clusters.spring_hessian(cluster.position, cluster.contact)
    np.testing.assert_allclose(exact, numeric, atol=1e-6)


def test_unknown_cluster_is_named_with_the_known_ones():
    with pytest.raises(KeyError, match="octahedron"):
        clusters.cluster("cube")


def student_sampled_log_weight(rigid, *, depth, alpha, cutoff, samples, seed):
    """The same integral by another route: harmonic proposal, wide tails, no bond coordinates."""
    from scipy.stats import multivariate_t

    frame = cluster_integrals.internal_frame(rigid)
    stiffness = clusters.spring_hessian(rigid.position, rigid.contact)
    projected = frame.internal.T @ stiffness @ frame.internal * 2 * depth * alpha**2
    proposal = multivariate_t(shape=1.3 * np.linalg.inv(projected), df=6, seed=seed)
    q = proposal.rvs(samples)
    position = rigid.position + (q @ frame.internal.T).reshape(-1, *rigid.position.shape)
    first, second = np.triu_indices(len(rigid.contact), 1)
    distance = np.linalg.norm(position[:, first] - position[:, second], axis=-1)
    energy = cluster_integrals.morse(distance, depth=depth, alpha=alpha).sum(axis=1)
    turned = cluster_integrals._rotations(position)
    rotation = np.abs(np.linalg.det(frame.rotational.T @ turned))
    inside = np.all(clusters.contact_matrix(position, cutoff) == rigid.contact, axis=(1, 2))
    log_weight = np.where(inside, np.log(rotation) - energy - proposal.logpdf(q), -np.inf)
    scale = log_weight.max()
    weight = np.exp(log_weight - scale)
    number, handedness = clusters.symmetry(rigid.position, rigid.contact)
    value = np.log(weight.mean()) + scale + np.log(handedness / number)
    return value, weight.std() / weight.mean() / np.sqrt(samples)


@pytest.mark.parametrize("name", ["octahedron", "tri-tetrahedron", "chevron"])
def test_finite_range_weight_by_two_samplers(name):
    # power: a 5 % error of the Jacobian would stand out at four standard errors
    rigid = clusters.cluster(name)
    bond = {"depth": 14.0, "alpha": 15.0, "cutoff": 1.15}
    smooth = cluster_integrals.cluster_integral(rigid, **bond, samples=2000)
    assert smooth.solved == 1.0
    value, error = student_sampled_log_weight(rigid, **bond, samples=100_000, seed=1)
    assert error < 0.012
    assert abs(value - smooth.log_weight) < 4 * np.hypot(error, smooth.error)


def test_short_range_limit_is_the_sticky_weight():
    for name in ("octahedron", "triangle"):
        rigid = clusters.cluster(name)
        integral = cluster_integrals.cluster_integral(rigid, depth=8.0, alpha=1e4, cutoff=1.001)
        bonds = rigid.contact.sum() // 2
        law = cluster_integrals.bond_law(8.0, 1e4, 1.001)
        expected = np.log(clusters.sticky_weight(rigid).total) + bonds * law.log_integral
        assert integral.log_weight == pytest.approx(expected, abs=1e-3)


def test_octahedron_share_extrapolates_to_the_sticky_limit():
    alphas = [30.0, 60.0, 120.0, 240.0]
    shares = [
        cluster_integrals.morse_probability(
            "octahedron", n=6, dim=3, depth=8.0, alpha=a, cutoff=1 + 3 / a, samples=3000
        )
        for a in alphas
    ]
    limit = cluster_integrals.sticky_extrapolation(alphas, shares)
    assert limit.error < 1e-4
    assert abs(limit.value - 0.04) < 4 * limit.error


def test_morse_bond_law_matches_the_harmonic_sticky_parameter():
    # the anharmonic correction of a Morse well is of relative order kT/depth
    law = cluster_integrals.bond_law(40.0, 50.0, 1.2)
    kappa = clusters.morse_sticky_parameter(40.0, 50.0)
    assert np.exp(law.log_integral) == pytest.approx(kappa, rel=0.02)

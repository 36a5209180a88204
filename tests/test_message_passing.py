"""Sparse message passing against dense matrices: values, derivatives of all orders, replicas, degenerate graphs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.graphs import Graph, edge_weights
from matterlearn.core.message_passing import messages, row_normalised, symmetric

KARATE = Graph(kind="named", name="karate_club")


pytestmark = pytest.mark.usefixtures("x64")


def dense(m, weights):
    matrix = jnp.zeros((m.nodes, m.nodes), jnp.asarray(weights).dtype)
    return matrix.at[m.receivers, m.senders].set(weights)


@pytest.fixture(params=[False, True], ids=["bare", "loops"])
def case(request):
    m = messages(Graph(kind="named", name="krackhardt_kite").build(), request.param)
    rng = np.random.default_rng(0)
    return m, jnp.asarray(rng.normal(size=len(m.senders))), jnp.asarray(rng.normal(size=(m.nodes, 3)))


def test_mirror_and_starts(case):
    m, *_ = case
    assert np.array_equal(m.senders[m.mirror], m.receivers) and np.array_equal(m.receivers[m.mirror], m.senders)
    assert np.array_equal(m.undirected[m.mirror], m.undirected)
    assert all(np.all(m.receivers[m.starts[i] : m.starts[i + 1]] == i) for i in range(m.nodes))


def test_mixture_and_derivatives_are_those_of_the_dense_matrix(case):
    m, weights, x = case
    assert np.allclose(m.mix(weights, x), dense(m, weights) @ x, atol=1e-13)
    assert np.allclose(m.dots(x, 2 * x), (2 * x @ x.T)[m.receivers, m.senders], atol=1e-13)

    def sparse_cost(w, y):
        return jnp.sum(jnp.tanh(m.mix(w, y)) ** 2)

    def dense_cost(w, y):
        return jnp.sum(jnp.tanh(dense(m, w) @ y) ** 2)

    for order in (jax.grad, jax.hessian, jax.jacfwd):
        found, truth = (jax.jit(order(cost, (0, 1)))(weights, x) for cost in (sparse_cost, dense_cost))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), found, truth)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=["weights", "states", "both"])
def test_replicas(case, axes):
    m, weights, x = case
    many = jnp.stack([weights, -2 * weights, weights**2]), jnp.stack([x, x + 1, -x])
    arguments = tuple(
        several if axis == 0 else one for several, one, axis in zip(many, (weights, x), axes, strict=True)
    )
    slope = jax.jit(jax.grad(lambda w, y: jnp.sum(m.mix(w, y) ** 3), (0, 1)))
    found = jax.vmap(slope, axes)(*arguments)
    for r in range(3):
        alone = slope(*(a if axis is None else a[r] for a, axis in zip(arguments, axes, strict=True)))
        jax.tree.map(lambda many, one, r=r: np.testing.assert_allclose(many[r], one, atol=1e-11), found, alone)


def test_replicated_graphs_and_columns(case):
    m, weights, x = case
    copies = jax.tree.map(lambda a: jnp.stack([jnp.asarray(a)] * 2), m)
    mixed = jax.jit(jax.vmap(lambda graph, y: graph.mix(weights, y), (0, 1), 1))(copies, x[:, :2])
    assert np.allclose(mixed, m.mix(weights, x)[:, :2], atol=1e-13)


def test_propagators_have_the_published_spectra():
    m = messages(KARATE.build(), True)
    eigenvalues = np.linalg.eigvalsh(dense(m, symmetric(m)))
    assert np.allclose(eigenvalues[[0, -2, -1]], [-0.4201102722, 0.8961420499, 1], atol=1e-10)
    rows = dense(m, row_normalised(m))
    assert np.allclose(rows.sum(1), 1) and np.allclose(np.linalg.eigvals(rows).real.max(), 1)


def test_weights_count_only_when_given():
    graph = Graph(kind="named", name="karate_club", weighted=True).build()
    m = messages(graph, True)
    assert np.allclose(symmetric(m), symmetric(messages(KARATE.build(), True)))
    given = jnp.asarray(edge_weights(graph))
    adjacency = dense(m, m.both_ways(given))
    assert np.allclose(dense(m, row_normalised(m, given)), adjacency / adjacency.sum(1, keepdims=True))
    degree = adjacency.sum(1)
    assert np.allclose(dense(m, symmetric(m, given)), adjacency / np.sqrt(np.outer(degree, degree)))


def test_softmax_is_normalised_and_stable(case):
    m, logits, _ = case
    weights = m.softmax(1e4 * logits)
    slope = jax.jit(jax.grad(lambda z: m.softmax(z)[3]))(1e4 * logits)
    assert np.allclose(m.sum(weights), 1) and np.all(np.isfinite(slope))
    raised = np.exp(dense(m, logits)) * dense(m, jnp.ones(len(logits)))
    assert np.allclose(dense(m, m.softmax(logits)), raised / raised.sum(1, keepdims=True), atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("normalised", [symmetric, row_normalised])
def test_isolated_nodes_receive_nothing(normalised):
    m = messages(Graph(kind="edges", edges=((0, 1),), nodes=4).build(), False)

    def cost(w):
        return jnp.sum(m.mix(normalised(m, w), jnp.ones((4, 2))) ** 2 * jnp.arange(4.0)[:, None])

    assert np.all(m.mix(normalised(m), jnp.ones((4, 2)))[2:] == 0)
    assert np.all(np.isfinite(jax.jit(jax.grad(cost))(jnp.ones(1))))
    assert m.softmax(jnp.array([3.0, -3.0])).tolist() == [1, 1]


def test_one_program_for_all_weights():
    m, traces = messages(KARATE.build(), True), []

    @eqx.filter_jit
    def mixed(graph, weights, x):
        traces.append(1)
        return graph.mix(weights, x)

    for scale in (1.0, 2.0, 3.0):
        mixed(m, scale * symmetric(m), jnp.ones((34, 2)))
    assert len(traces) == 1

"""Heat on graphs in closed form: kernels, stability of explicit steps, graph convolution as diffusion, labels by heat.

    ẋ = −Lx,  L = D − A:      x_t = e^{−Lt} x_0,      each connected component tends to its mean

Explicit Euler multiplies the mode of eigenvalue λ by 1 − hλ: bounded for h ≤ 2/λ_max, fastest on a connected graph for
h = 2/(λ₂ + λ_max), where every mode but the constant one shrinks by (λ_max − λ₂)/(λ_max + λ₂) or more. Temperatures
stay between the lowest and the highest one for h ≤ 1/d_max.

One linear layer of graph convolution is X ← SX with S = D̃^{−½}(A + 1)D̃^{−½}, D̃ = D + 1 [kipf2017semisupervised]. Its
largest eigenvalue is 1, with the mode √(d_i + 1); all others have |λ| ≤ σ < 1 on a connected graph. So features of all
nodes become parallel to that mode, and what is left of their differences, measured by tr Xᵀ(1 − S)X or by the mean
cosine distance, shrinks by σ² a layer. S X = X − (1 − S)X is a step of length 1 of the heat equation with the Laplacian
1 − S. Without the loops a bipartite graph has the eigenvalue −1 and never smooths.

Heat that starts at labelled nodes tells the others: by its kernel at some time, or in equilibrium with labelled nodes
clamped, which is the harmonic function [zhu2003semisupervised]. With no label at all, the sign of the slowest mode does
[fiedler1973algebraic].

A contextual stochastic block model has two communities of n/2 nodes each, mean degree d, edges within and across with
(d ± λ√d)/n, and Gaussian features of p components, n/p = γ, with a mean of strength μ in each community. Labels can be
found better than by chance where λ² + μ²/γ > 1 [deshpande2018contextual].

Units: eigenvalues in those of A, times in their inverse. Limits: dense matrices, thousands of nodes.
"""

import numpy as np
from jaxtyping import Float, Int

Adjacency = Float[np.ndarray, "node node"]
Features = Float[np.ndarray, "node *feature"]


def laplacian(adjacency: Adjacency) -> Adjacency:
    """L = D − A.

    >>> laplacian(np.array([[0.0, 2.0], [2.0, 0.0]])).tolist()
    [[2.0, -2.0], [-2.0, 2.0]]
    """
    return np.diag(adjacency.sum(1)) - adjacency


def modes(adjacency: Adjacency) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, "node mode"]]:
    """Eigenvalues of L in ascending order, and its eigenvectors as columns.

    >>> modes(np.ones((3, 3)) - np.eye(3))[0].round(12).tolist()
    [0.0, 3.0, 3.0]
    """
    values, vectors = np.linalg.eigh(laplacian(adjacency))
    return np.maximum(values, 0.0), vectors


def heat_kernel(adjacency: Adjacency, time: float) -> Adjacency:
    """e^{−Lt}; rows add up to one.

    >>> heat_kernel(np.array([[0.0, 1.0], [1.0, 0.0]]), 1.0).round(6).tolist()
    [[0.567668, 0.432332], [0.432332, 0.567668]]
    """
    values, vectors = modes(adjacency)
    return (vectors * np.exp(-time * values)) @ vectors.T


def heat_trace(adjacency: Adjacency, time: float) -> float:
    """Σ e^{−λt}: the number of modes that are left at this time.

    >>> round(heat_trace(np.array([[0.0, 1.0], [1.0, 0.0]]), 1.0), 6)
    1.135335
    """
    return float(np.exp(-time * modes(adjacency)[0]).sum())


def stability_bound(adjacency: Adjacency) -> float:
    """2/λ_max, the longest explicit step that does not diverge.

    >>> round(stability_bound(np.ones((6, 6)) - np.eye(6)), 12)
    0.333333333333
    """
    return float(2 / modes(adjacency)[0][-1])


def optimal_step(adjacency: Adjacency) -> tuple[float, float]:
    """The explicit step h = 2/(λ₂ + λ_max) that relaxes fastest, and the factor of a step on what decays most slowly.

    >>> np.round(optimal_step(np.ones((3, 3)) - np.eye(3)), 12).tolist()
    [0.333333333333, 0.0]
    """
    values = modes(adjacency)[0]
    slow, fast = values[1], values[-1]
    return float(2 / (slow + fast)), float((fast - slow) / (fast + slow))


AMPLIFICATION = {
    "explicit": lambda z: 1 - z,
    "implicit": lambda z: 1 / (1 + z),
    "exact": lambda z: np.exp(-z),
}


def spread(
    adjacency: Adjacency, start: Float[np.ndarray, " node"], step: float, steps: Int[np.ndarray, " record"] | int,
    scheme: str = "exact",
) -> Float[np.ndarray, " record"]:  # fmt: skip
    """‖x_n − mean‖ after n steps of a scheme from ``start`` on a connected graph, mode by mode.

    >>> pair = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> spread(pair, np.array([1.0, 0.0]), 0.25, np.array([0, 1, 2]), "explicit").round(6).tolist()
    [0.707107, 0.353553, 0.176777]
    """
    values, vectors = modes(adjacency)
    amplitudes = (vectors.T @ start)[1:]
    factors = AMPLIFICATION[scheme](step * values[1:])
    return np.linalg.norm(amplitudes * factors ** np.asarray(steps)[..., None], axis=-1)


def propagator(adjacency: Adjacency) -> Adjacency:
    """S = D̃^{−½}(A + 1)D̃^{−½}.

    >>> propagator(np.array([[0.0, 1.0], [1.0, 0.0]])).round(9).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    looped = adjacency + np.eye(len(adjacency))
    root = looped.sum(1) ** -0.5
    return root[:, None] * looped * root


def smoothing_rate(adjacency: Adjacency) -> float:
    """σ²: factor per linear layer on tr Xᵀ(1 − S)X and on the mean cosine distance of a connected graph, at last.

    >>> round(smoothing_rate(np.ones((6, 6)) - np.eye(6)), 12)
    0.0
    """
    values = np.linalg.eigvalsh(propagator(adjacency))[:-1]
    return float(np.max(np.abs(values)) ** 2)


def smoothed(adjacency: Adjacency) -> Float[np.ndarray, " node"]:
    """What linear layers leave of any feature of a connected graph, up to a factor: √(d + 1), of norm 1.

    >>> smoothed(np.array([[0.0, 1.0], [1.0, 0.0]])).round(6).tolist()
    [0.707107, 0.707107]
    """
    limit = np.sqrt(adjacency.sum(1) + 1)
    return limit / np.linalg.norm(limit)


def dirichlet_energy(matrix: Adjacency, features: Features) -> float:
    """tr Xᵀ M X of a Laplacian M: L, or 1 − S, for which it is not zero on constants but on √(d + 1).

    >>> dirichlet_energy(laplacian(np.array([[0.0, 1.0], [1.0, 0.0]])), np.array([1.0, 3.0]))
    4.0
    """
    return float(np.sum(features * (matrix @ features)))


def mean_average_distance(features: Float[np.ndarray, "node feature"]) -> float:
    """Mean of 1 − cos(x_i, x_j) over all pairs of nodes [chen2020measuring].

    >>> round(mean_average_distance(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])), 9)
    0.666666667
    """
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    i, j = np.triu_indices(len(unit), 1)
    return float(np.mean(np.sum((unit[i] - unit[j]) ** 2, 1)) / 2)  # 1 − cos without the cancellation


def fiedler_labels(adjacency: Adjacency) -> Int[np.ndarray, " node"]:
    """±1, the signs of the slowest mode; node 0 gets 1.

    >>> fiedler_labels(np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)).tolist()
    [1, 1, -1, -1]
    """
    slowest = modes(adjacency)[1][:, 1]
    return np.where(slowest * slowest[0] >= 0, 1, -1)


def harmonic_function(adjacency: Adjacency, known: dict[int, float]) -> Float[np.ndarray, " node"]:
    """Temperatures in equilibrium with those of some nodes clamped; every component has to have such a node.

    >>> harmonic_function(np.diag(np.ones(2), 1) + np.diag(np.ones(2), -1), {0: 1.0, 2: -1.0}).round(12).tolist()
    [1.0, 0.0, -1.0]
    """
    matrix, nodes = laplacian(adjacency), np.arange(len(adjacency))
    held = np.array(sorted(known))
    free = np.setdiff1d(nodes, held)
    found = np.zeros(len(nodes))
    found[held] = [known[node] for node in sorted(known)]
    found[free] = np.linalg.solve(matrix[np.ix_(free, free)], -matrix[np.ix_(free, held)] @ found[held])
    return found


def heat_labels(adjacency: Adjacency, known: dict[int, float], time: float) -> Float[np.ndarray, " node"]:
    """Temperatures after heat has spread from the known nodes for some time; their signs are labels.

    >>> heat_labels(np.diag(np.ones(2), 1) + np.diag(np.ones(2), -1), {0: 1.0, 2: -1.0}, 0.5)[::2].round(6).tolist()
    [0.606531, -0.606531]
    """
    return heat_kernel(adjacency, time)[:, list(known)] @ np.array(list(known.values()))


def csbm_signal(graph: float, features: float, aspect: float) -> float:
    """λ² + μ²/γ of a contextual stochastic block model; labels can be found where it exceeds 1.

    >>> csbm_signal(0.6, 0.8, 1.0)
    1.0
    """
    return graph**2 + features**2 / aspect

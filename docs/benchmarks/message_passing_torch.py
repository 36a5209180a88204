"""What docs/benchmarks/message_passing.py is compared with: one layer of message passing in torch_geometric.

    python docs/benchmarks/message_passing_torch.py VARIANT PROBLEM.npz       # started by message_passing.py

It compares its results with those in PROBLEM.npz, then does its work once for every line it reads and answers with the
CPU time. It needs torch, torch_geometric and numpy, and nothing of matterlearn.
"""

import json
import sys
import time

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch_geometric  # pyright: ignore[reportMissingImports]
from torch_geometric import EdgeIndex  # pyright: ignore[reportMissingImports]
from torch_geometric.nn import MessagePassing  # pyright: ignore[reportMissingImports]
from torch_geometric.utils import spmm  # pyright: ignore[reportMissingImports]


class Layer(MessagePassing):
    """Σ_j w_ij x_j by gather and scatter."""

    def __init__(self):
        super().__init__(aggr="add")

    def forward(self, x, edge_index, weights):
        return self.propagate(edge_index, x=x, weights=weights)

    def message(self, x_j, weights):
        return weights[:, None] * x_j


def gathered(edges, count):
    layer = Layer()
    return lambda weights, x: layer(x, edges, weights)


def cached(edges, count):
    index = EdgeIndex(edges, sparse_size=(count, count), sort_order="col", is_undirected=True)
    index.fill_cache_()
    return lambda weights, x: index.matmul(x, weights, transpose=True)


def compressed(edges, count):
    starts = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(edges[1], minlength=count).cumsum(0)])
    return lambda weights, x: spmm(torch.sparse_csr_tensor(starts, edges[0], weights, (count, count)), x)


VARIANTS = {"edge_index": gathered, "EdgeIndex": cached, "compressed rows": compressed}


def main(variant, file):
    torch.set_num_threads(1)
    known = np.load(file)
    edges = torch.from_numpy(np.stack([known["senders"], known["receivers"]]).astype(np.int64))
    by = known["by"].tolist()
    arguments = [torch.from_numpy(known[name]).requires_grad_(n in by) for n, name in enumerate(("weights", "x"))]
    slope, layer = torch.from_numpy(known["slope"]), VARIANTS[variant](edges, len(known["x"]))

    def work():
        y = layer(*arguments)
        return [y, *(torch.autograd.grad(y, [arguments[n] for n in by], slope) if by else ())]

    try:
        found = work()
        for n, values in enumerate(found):
            assert np.allclose(values.detach().numpy(), known[f"truth_{n}"], rtol=1e-3, atol=1e-3), "other results"
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
        return
    print(json.dumps({"name": f"torch_geometric {torch_geometric.__version__}"}), flush=True)
    for _ in sys.stdin:
        begin = time.process_time()
        work()
        print(json.dumps(time.process_time() - begin), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Heat put into some nodes of a network, then released: nothing is held, and nothing is learned.

    x_i = T_i at the listed nodes, 0 at all others

In a network of conductances under ``gradient_flow`` this is the heat equation on a graph from a point source: the first
row of its heat kernel. Nodes are ports (``core.ports``).

Example:
    >>> Config(kind="released_heat", temperatures=[[0, 1.0]]).memories
    0
"""

from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from matterlearn.core import ports
from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask, Label, Recall, replicated
from matterlearn.spec import Problem, Spec


class ReleasedHeat(AbstractTask):
    """Where there is heat at the start, and how much."""

    nodes: Int[np.ndarray, " hot"]
    temperatures: Float[np.ndarray, " hot"]

    @property
    def memory_count(self) -> int:
        return 0

    def recall(self, key, system, replicas) -> Recall:
        """The same start in all replicas."""
        del key
        start = ports.write(system, ports.rest(system), jnp.asarray(self.nodes), jnp.asarray(self.temperatures, float))
        labels = {"cue": Label(np.full(replicas, -1), "1", "no cue")}
        return Recall(replicated(system, replicas), replicated(Drive(), replicas), replicated(start, replicas), labels)

    def groups(self, system: Any) -> dict[str, list[Summary]]:
        """Where the heat was, and what the network looks like, to draw it."""
        found = [Summary("hot_node", ("hot",), self.nodes, "1", "node that is hot at the start")]
        if hasattr(system, "edges"):
            found.append(Summary("edge_node", ("edge", "end"), system.edges, "1", "node at an end of an edge"))
        return {"memories": found}


class Config(Spec):
    """Released heat in a scenario."""

    kind: Literal["released_heat"]
    memories: ClassVar[int] = 0
    temperatures: Annotated[list[tuple[Annotated[int, Field(ge=0)], float]], Field(min_length=1)] = Field(
        description="nodes with their temperatures at the start; all others are at 0", examples=[[[0, 1.0]]]
    )

    def check(self, scenario):
        """The nodes are there, each once, and nothing is to be learned."""
        count = getattr(scenario.system, "ports", None)
        nodes = [node for node, _ in self.temperatures]
        if count is None:
            yield Problem(("kind",), f"puts heat into nodes, which {scenario.system.kind!r} has not; use flow_network")
        elif max(nodes) >= count:
            yield Problem(("temperatures",), f"nodes are numbered from 0 to {count - 1}; got {max(nodes)}")
        elif len(set(nodes)) < len(nodes):
            yield Problem(("temperatures",), "names a node twice")
        if scenario.learning is not None:
            yield Problem(("kind",), "released_heat has nothing to learn from; use network_teacher, or drop learning")

    def build(self, system) -> ReleasedHeat:
        """The task."""
        del system
        nodes, temperatures = zip(*self.temperatures, strict=True)
        return ReleasedHeat(np.array(nodes, np.int32), np.array(temperatures, float))

"""A network of known conductances is measured under several boundary conditions; the student should find them.

    C = ½ s Σ_i (x_i − T_i)²,        T: temperatures (potentials) of the teacher, x: of the student, at all free nodes

In every experiment some nodes are held at temperatures drawn from a normal law of variance 1, and currents of the same
law flow into others. The teacher has the student's graph, and conductances drawn uniformly from mean·(1 ± disorder);
its temperatures follow from Kirchhoff's law, noise of given width added.

What can be known: temperatures alone are the same for all conductances times one factor. Only currents that are imposed
fix it. ``relative_error`` = |k − k*|/|k*| is recorded as learning goes on, and beside it the same after the best common
factor, ``relative_error_up_to_scale``. ``unknown_directions`` counts combinations of conductances that no student can
find from these experiments (the kernel of Kirchhoff's equations for k); ``relative_error_least_squares`` is that of the
linear solve of these equations, times the best factor where there are no currents.

Source: textbook; see [stern2021supervised]. Limits: all nodes are measured; one experiment per replica, all of them in
every update if there are as many replicas.

Example:
    >>> Config(kind="network_teacher", held=[0], currents=[1]).experiments
    16
"""

from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from matterlearn.core import ports
from matterlearn.core.drive import Drive
from matterlearn.core.observable import Summary
from matterlearn.core.rule import Batch
from matterlearn.core.task import AbstractTask, Label, Recall, replicated, shown
from matterlearn.spec import Problem, Spec
from matterlearn.theory.resistor_network import conductance_equations, fitted_conductances, potentials


class NetworkTeacher(AbstractTask):
    """Conductances of the teacher, and what was measured of it."""

    conductance: Float[np.ndarray, " edge"]
    edges: Int[np.ndarray, "edge 2"]
    held: Int[np.ndarray, " held"]
    currents: Float[np.ndarray, "experiment node"]
    measured: Float[np.ndarray, "experiment node"]
    stiffness: float = eqx.field(static=True)

    @property
    def memory_count(self) -> int:
        """One: experiments are shown together."""
        return 1

    def _scenes(self, system: Any, chosen) -> tuple[Drive, Any]:
        """Drives of experiments with their temperatures as targets, nodes held and currents; and where they start."""
        measured, currents = (jnp.asarray(a, float)[chosen] for a in (self.measured, self.currents))
        everywhere, held = jnp.arange(measured.shape[1]), jnp.asarray(self.held)
        rest = ports.rest(system)
        targets = jax.vmap(lambda values: ports.write(system, rest, everywhere, values))(measured)
        starts = jax.vmap(lambda values: ports.write(system, rest, held, values[held]))(measured)
        pushed = jax.vmap(lambda values: ports.write(system, rest, everywhere, values))(currents)
        clamped = replicated(ports.at(system, held, True, False), len(measured))
        strength = replicated(Drive().strength, len(measured))
        return Drive(targets, force=pushed, clamped=clamped, strength=strength), starts

    def present(self, key, system, memory, replicas, duration) -> Batch:
        """Different experiments at random, or all of them over and over."""
        del memory
        chosen = shown(key, len(self.measured), replicas)
        free, x = self._scenes(system, chosen)
        tethers = replicated(ports.at(system, jnp.asarray(self.held), 0.0, self.stiffness), replicas)
        drive = Drive(free.target, tethers, free.force, free.clamped, free.strength)
        return Batch(drive, x, jnp.asarray(duration), free=free)

    def recall(self, key, system, replicas) -> Recall:
        """The experiments in their order, over and over if there are more replicas than that."""
        del key
        chosen = np.arange(replicas) % len(self.measured)
        drive, x = self._scenes(system, chosen)
        return Recall(replicated(system, replicas), drive, x, {"cue": Label(chosen, "1", "experiment")})

    def evaluate(self, system: Any, dynamics) -> dict[str, float]:
        """How far the student's conductances are from the teacher's, as they are and times the best factor."""
        del dynamics
        student = np.asarray(system.conductance, float)
        scaled = self._scaled(student)
        return {"relative_error": self._error(student), "relative_error_up_to_scale": self._error(scaled)}

    def references(self, system, dynamics) -> list[Summary]:
        """What no student can know, and the error of least squares."""
        del system, dynamics
        equations = conductance_equations(self.edges, self.measured, self.held)
        unknown = len(self.edges) - np.linalg.matrix_rank(equations.reshape(-1, len(self.edges)))
        solved = fitted_conductances(self.edges, self.measured, self.currents, self.held)
        solved = solved if np.any(self.currents) else self._scaled(solved)
        words = "relative error of the conductances"
        return [
            Summary("unknown_directions", (), np.asarray(float(unknown)), "1", "directions that no experiment shows"),
            Summary(
                "relative_error_least_squares", (), np.asarray(self._error(solved)), "1", f"{words}, least squares"
            ),
        ]

    def _scaled(self, student: Float[np.ndarray, " edge"]) -> Float[np.ndarray, " edge"]:
        """Times the factor that brings it nearest to the teacher."""
        return student * (student @ self.conductance) / (student @ student)

    def _error(self, student: Float[np.ndarray, " edge"]) -> float:
        return float(np.linalg.norm(student - self.conductance) / np.linalg.norm(self.conductance))

    def groups(self, system) -> dict[str, list[Summary]]:
        """The teacher, and what was measured of it."""
        del system
        kinds = (
            ("teacher_conductance", ("edge",), self.conductance, "conductance of the teacher"),
            ("measured", ("experiment", "node"), self.measured, "temperature of the teacher"),
            ("current", ("experiment", "node"), self.currents, "current imposed on the teacher"),
            ("held_node", ("held",), self.held, "node whose temperature is imposed"),
        )
        return {"memories": [Summary(name, dims, values, "1", words) for name, dims, values, words in kinds]}


Node = Annotated[int, Field(ge=0)]


class Config(Spec):
    """A teacher network in a scenario."""

    kind: Literal["network_teacher"]
    memories: ClassVar[int] = 0
    provides: ClassVar[tuple[str, ...]] = (
        "relative_error", "relative_error_up_to_scale", "unknown_directions", "relative_error_least_squares",
    )  # fmt: skip
    held: list[Node] = Field(min_length=1, description="nodes whose temperatures are imposed", examples=[[0, 2]])
    currents: list[Node] = Field(default=[], description="nodes into which currents are imposed", examples=[[1]])
    experiments: int = Field(default=16, ge=1, le=10_000, description="boundary conditions", examples=[4])
    mean: float = Field(default=1.0, gt=0, description="mean of the teacher's conductances")
    disorder: float = Field(default=0.5, ge=0, lt=1, description="half-width of their relative random spread")
    noise: float = Field(default=0.0, ge=0, description="standard deviation added to measured temperatures")
    stiffness: float = Field(default=1.0, gt=0, description="s, of the tethers to the targets")
    seed: int = Field(default=0, ge=0, description="seed of teacher, boundary conditions and noise")

    def check(self, scenario):
        """The system is a network of conductances with these nodes."""
        system = scenario.system
        if not getattr(system, "conducts", False):
            yield Problem(("kind",), f"teaches conductances, which {system.kind!r} has not; use system flow_network")
            return
        used = [*self.held, *self.currents]
        if max(used) >= system.ports:
            yield Problem(("held",), f"nodes are numbered from 0 to {system.ports - 1}; got {max(used)}")
        elif twice := sorted({node for node in used if used.count(node) > 1}):
            yield Problem(("held",), f"node {twice[0]} is named twice; a node is held or takes a current")
        elif apart := _without_held(system.graph.network, self.held):
            yield Problem(("held",), f"node {apart[0]} is joined to no held node, so its temperature is not determined")

    def build(self, system) -> NetworkTeacher:
        """The teacher, measured."""
        rng, edges, nodes = np.random.default_rng(self.seed), np.asarray(system.edges), system.nodes
        conductance = self.mean * (1 + self.disorder * rng.uniform(-1, 1, len(edges)))
        imposed = rng.normal(size=(self.experiments, len(self.held)))
        currents = np.zeros((self.experiments, nodes))
        currents[:, self.currents] = rng.normal(size=(self.experiments, len(self.currents)))
        measured = np.stack([
            potentials(edges, conductance, dict(zip(self.held, temperatures, strict=True)), nodes,
                       currents=dict(enumerate(pushed)))
            for temperatures, pushed in zip(imposed, currents, strict=True)
        ])  # fmt: skip
        free = np.setdiff1d(np.arange(nodes), self.held)
        measured[:, free] += self.noise * rng.normal(size=(self.experiments, len(free)))
        held = np.array(self.held, np.int32)
        return NetworkTeacher(conductance, edges, held, currents, measured, float(self.stiffness))


def _without_held(graph: Any, held: list[int]) -> list[int]:
    """Nodes of components in which nothing is held."""
    import networkx

    return sorted(node for part in networkx.connected_components(graph) if not part & set(held) for node in part)

"""A continuous normalising flow: a neural ordinary differential equation that carries data to a normal law.

    dx/dt = v_θ(x, t),   x(0) the data,   x(1) ~ N(0, 1)
    d ln p/dt = −∇·v along the flow,     so     E(x) = −ln p(x) = −ln N(x(1)) − ∫₀¹ ∇·v_θ(x(t), t) dt

The divergence is the exact trace of the Jacobian by d forward derivatives; v is a perceptron with time as one more
input. Samples are points of the base carried back, t from 1 to 0. ln Z = 0 up to the error of the solver, which is that
of E as −ln p, too: ``integration: {steps: 16}`` takes steps of equal length by a method of fifth order,
``{tolerance: 1.0e-6}`` adapts them. The adjoint says how the gradient goes back through the solution:

| adjoint | gradient | memory | second derivatives |
|---|---|---|---|
| direct | of the discrete solution | all steps | yes |
| checkpointed | of the discrete solution | some steps, others again | no |
| backsolve | of the equation, solved backwards: differs by the solver's error | none | no |

| quantity | unit |
|---|---|
| x | as the data |
| t | 1 |
| E | kT_ref |

Source: [chen2018neural], [grathwohl2019ffjord]; solver and adjoints of diffrax [kidger2022]. Limits: the exact trace
costs d evaluations, so fields of up to about a hundred entries; an estimated trace would make E a random number.

Example:
    >>> flow = Config(kind="continuous_flow", shape=[2], width=4, depth=1).build(jax.random.key(0))
    >>> round(flow.energy(FieldState(jnp.zeros(2))).item(), 6)  # it starts as the identity
    1.837877
"""

from typing import Any, ClassVar, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from matterlearn.core.field import AbstractGenerative, FieldState, normalised
from matterlearn.core.generative import GenerativeSpec, check_temperature, standard_energy
from matterlearn.core.perceptron import Perceptron, perceptron
from matterlearn.spec import Problem, Spec

ADJOINTS = {
    "direct": diffrax.DirectAdjoint,
    "checkpointed": diffrax.RecursiveCheckpointAdjoint,
    "backsolve": diffrax.BacksolveAdjoint,
}
MOST_STEPS = 1024  # of an adaptive solution
MOST_ENTRIES = 256


class Integrator(eqx.Module):
    """How the differential equation is solved, and differentiated."""

    steps: int = eqx.field(static=True)
    tolerance: float | None = eqx.field(static=True)
    adjoint: str = eqx.field(static=True)

    def __call__(self, field, start: Any, begin: float, end: float, args: Any) -> Any:
        """y(end) of dy/dt = field(t, y, args), y(begin) = start."""
        if self.tolerance is None:
            controller, most = diffrax.ConstantStepSize(), self.steps + 2  # rounding may add a step
        else:
            controller, most = diffrax.PIDController(rtol=self.tolerance, atol=self.tolerance), MOST_STEPS
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), begin, end, (end - begin) / self.steps, start, args,
            stepsize_controller=controller, adjoint=ADJOINTS[self.adjoint](), max_steps=most,
        )  # fmt: skip
        return jax.tree.map(lambda leaf: leaf[-1], solution.ys)


class ContinuousFlow(AbstractGenerative):
    """A velocity field between data and a normal law."""

    shape: tuple[int, ...] = eqx.field(static=True)
    network: Perceptron
    integrator: Integrator

    coupling_units: ClassVar = ("1", "weight of the network")

    def velocity(self, t: Float[Array, ""], x: Float[Array, " entry"]) -> Float[Array, " entry"]:
        """v_θ(x, t)."""
        return self.network(jnp.append(x, t))

    @eqx.filter_jit  # traced once, however often forces, curvatures and paths of a program ask for it
    def to_base(self, x: Float[Array, " entry"]) -> tuple[Float[Array, " entry"], Float[Array, ""]]:
        """x(1), and ln |det ∂x(1)/∂x| = ∫ ∇·v dt."""

        def field(t, y, flow):
            velocity, change = jax.linearize(lambda place: flow.velocity(t, place), y[0])
            return velocity, jnp.trace(jax.vmap(change)(jnp.eye(self.size, dtype=x.dtype)))

        return self.integrator(field, (x, jnp.zeros((), x.dtype)), 0.0, 1.0, self)

    @eqx.filter_jit
    def from_base(self, z: Float[Array, " entry"]) -> Float[Array, " entry"]:
        """x(0) of the flow that ends at z."""
        return self.integrator(lambda t, y, flow: flow.velocity(t, y), z, 1.0, 0.0, self)

    def energy(self, x: FieldState, neighbors=None) -> Float[Array, ""]:
        """−ln p(x), kT_ref."""
        del neighbors
        z, volume = self.to_base(jnp.ravel(x.field))
        return standard_energy(z) - volume

    def bounded(self, x, neighbors=None):
        """Always: a velocity of bounded slope carries nothing away in finite time."""
        del x, neighbors
        return jnp.ones((), bool)

    def log_partition(self, kT):
        """0 at kT_ref."""
        return normalised(kT)

    def draw(self, key) -> FieldState:
        """A normal point of the base, carried back."""
        return FieldState(self.from_base(jax.random.normal(key, (self.size,))).reshape(self.shape))

    def named_couplings(self):
        """Weights and biases by layer."""
        return self.network.named()


class Steps(Spec):
    """`{steps}`: so many steps of equal length."""

    steps: int = Field(default=16, ge=1, le=1000, description="steps between data and base")


class Tolerance(Spec):
    """`{tolerance}`: steps as long as the estimated error allows."""

    tolerance: float = Field(ge=1e-12, le=0.1, description="of the error of a step, absolute and relative")


class Config(GenerativeSpec):
    """A continuous flow in a scenario."""

    kind: Literal["continuous_flow"]
    exact: ClassVar[bool] = True
    width: int = Field(default=64, ge=1, le=10_000, description="units of each hidden layer", examples=[5])
    depth: int = Field(default=2, ge=1, le=9, description="hidden layers", examples=[1])
    activation: Literal["tanh", "softplus", "silu"] = Field(default="silu", description="of hidden units")
    integration: Steps | Tolerance = Field(
        default=Steps(), description="{steps} of equal length, or {tolerance} to adapt them", examples=[{"steps": 4}]
    )
    adjoint: Literal["direct", "checkpointed", "backsolve"] = Field(
        default="direct", description="how gradients go back through the solution; direct allows second derivatives"
    )

    def check(self, scenario):
        """The trace can be afforded; ln Z is known at this temperature."""
        yield from check_temperature(scenario)
        if self.pattern_size > MOST_ENTRIES:
            yield Problem(("shape",), f"the exact trace of a Jacobian of {self.pattern_size} entries is too dear: "
                          f"use up to {MOST_ENTRIES} entries, or coupling_flow")  # fmt: skip

    def build(self, key) -> ContinuousFlow:
        """The flow, which starts at rest: the last layer of the network is zero."""
        network = perceptron(key, [self.pattern_size + 1, *[self.width] * self.depth, self.pattern_size],
                             self.activation)  # fmt: skip
        last = lambda net: (net.layers[-1].weight, net.layers[-1].bias)  # noqa: E731
        chosen = self.integration
        steps = chosen.steps if isinstance(chosen, Steps) else 16  # of an adaptive solution, only the first is as long
        integrator = Integrator(steps, getattr(chosen, "tolerance", None), self.adjoint)
        return ContinuousFlow(tuple(self.shape), eqx.tree_at(last, network, replace_fn=jnp.zeros_like), integrator)

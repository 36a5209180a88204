"""Monte Carlo of single particles: small moves, and jumps into and out of bonds too strong to break by themselves.

Attempts are made at random particles i. A small move displaces and turns i by normal steps, of a width drawn from
``widths``; it is as likely as its reverse. A jump picks a partner j ≠ i at random and draws the pose x_i of i anew,
whatever it was,

    q_j(x_i) = ½ g(x_i | x_j) + ½/V,

g around the poses in which i and j are bound, 1/V uniform in the box and over all orientations. It is accepted with

    min(1, exp(−ΔE/kT) q_j(x_i) / q_j(x_i')).

Detailed balance holds for each choice of (i, j): the partner stands still, so the flow from x to x',
π(x) q_j(x_i') min(1, π(x') q_j(x_i)/(π(x) q_j(x_i'))) = min(π(x) q_j(x_i'), π(x') q_j(x_i)), is symmetric. A draw that
does not count (outside the support of g, or at a clamped coordinate) leaves x where it is, which adds to no flow.

A bond of energy −ε forms and breaks at rates that differ by the ratio of bound and free weights alone, not by e^{ε/kT}:
both directions pass through the same overlap of q and the Boltzmann law. One step is one attempt per particle.

| quantity | unit |
|---|---|
| kT | kT_ref |
| widths | unit of length, and radians; times √mobility of the coordinate |
| step | one attempt per particle |

Source: [chen2000novel], with the bonding volume replaced by a density of poses. Limits: jumps need bodies whose bound
poses are known, in a periodic box; other matter gets the small moves alone. Energies of all pairs, no neighbour lists.

Example:
    >>> Config(kind="association", kT=0.5).build().jumps.item()
    0.5
"""

from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key
from pydantic import Field

from matterlearn.core.dynamics import AbstractDynamics, DynState, StepInfo, at_rest, normal_like
from matterlearn.core.matter import check_matter
from matterlearn.core.schedule import Schedule, schedule
from matterlearn.spec import NonNegativeSchedule, Problem, Spec


@runtime_checkable
class Docking(Protocol):
    """What jumps ask of a system: poses of one particle, bound to another or anywhere."""

    box: float | None

    def scatter(self, key: Key[Array, ""]) -> Any: ...
    def jump(self, key: Key[Array, ""], x: Any, particle: Any, partner: Any) -> tuple[Any, Bool[Array, ""]]: ...
    def jump_log_density(self, x: Any, particle: Any, partner: Any) -> Float[Array, ""]: ...


class Association(AbstractDynamics):
    """Small moves and jumps of single particles; all numbers are leaves."""

    kT: Schedule
    jumps: Float[Array, ""]
    widths: Float[Array, " width"]

    def init(self, key, system, drive, x, neighbors=None) -> DynState:
        """Start from x; nothing is remembered between steps."""
        del key
        return DynState(drive.project(x), jnp.zeros((), jnp.int32), None, neighbors)

    def step(self, key, system, drive, state) -> tuple[DynState, StepInfo]:
        """As many attempts as there are particles."""
        kT = self.kT(state.step.astype(float))
        n = len(jax.tree.leaves(state.x)[0])

        def attempt(k, carry):
            x, accepted = carry
            pick, move, decide = jax.random.split(jax.random.fold_in(key, k), 3)
            particle = jax.random.randint(pick, (), 0, n)
            new, log_ratio = self._propose(move, system, drive, x, particle)
            energies = _both(lambda y: system.energy_of(y, particle) + drive.energy(y, state.step), x, new)
            least = kT * (log_ratio - jnp.log(jax.random.uniform(decide, minval=1e-38)))
            accept = (energies[1] - energies[0] <= least) & (log_ratio > -jnp.inf)
            return jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, x), accepted + accept

        x, accepted = jax.lax.fori_loop(0, n, attempt, (state.x, jnp.zeros(())))
        neighbors = system.refresh(state.neighbors, x)
        return DynState(x, state.step + 1, None, neighbors), StepInfo(accepted / n)

    def _propose(self, key, system, drive, x, particle):
        """Another state and ln q(x)/q(x'), −∞ where the draw does not count."""
        which, how, where = jax.random.split(key, 3)
        here = jax.tree.map(lambda leaf: leaf[particle], x)
        pose, log_ratio = self._nearby(how, system, here), jnp.zeros(())
        if isinstance(system, Docking) and system.box is not None and len(jax.tree.leaves(x)[0]) > 1:
            far = jax.random.uniform(which) < self.jumps
            drawn, drawn_ratio = _jump(where, system, drive, x, particle)
            pose = jax.tree.map(lambda a, b: jnp.where(far, a, b), drawn, pose)
            log_ratio = jnp.where(far, drawn_ratio, 0.0)
        return drive.project(_with(x, particle, pose)), log_ratio

    def _nearby(self, key, system, here):
        """The pose of one particle after a normal step of a random width."""
        rest = at_rest(system, here)
        wide, steps = jax.random.split(key)
        width = jax.random.choice(wide, self.widths)
        noise = normal_like(steps, rest)
        return system.displace(here, jax.tree.map(lambda z, mu: width * jnp.sqrt(mu) * z, noise, system.mobility()))


def _jump(key, system, drive, x, particle):
    """A pose of one particle drawn anew, near a random partner or anywhere, and ln q(x)/q(x')."""
    other, side, near, far = jax.random.split(key, 4)
    partner = jax.random.randint(other, (), 0, len(jax.tree.leaves(x)[0]) - 1)
    partner = partner + (partner >= particle)
    (bound, found), anywhere = system.jump(near, x, particle, partner), system.scatter(far)
    inward = jax.random.bernoulli(side)
    pose = jax.tree.map(lambda a, b: jnp.where(inward, a, b), bound, anywhere)
    new, counts = _with(x, particle, pose), found | ~inward
    if drive.clamped is not None:
        free = jax.tree.map(lambda a, b: jnp.all(a == b), drive.project(new), new)
        counts &= jnp.all(jnp.stack(jax.tree.leaves(free)))
    near_by = _both(lambda y: system.jump_log_density(y, particle, partner), x, new)
    log_density = jnp.logaddexp(near_by, -3 * jnp.log(system.box))
    return pose, jnp.where(counts, log_density[0] - log_density[1], -jnp.inf)


def _with(x, particle, pose):
    """x with another pose of one particle."""
    return jax.tree.map(lambda leaf, row: leaf.at[particle].set(row), x, pose)


def _both(function, x, new):
    """A function of two states at once: compiled once, and in longer vectors."""
    return jax.vmap(function)(jax.tree.map(lambda a, b: jnp.stack([a, b]), x, new))


class Config(Spec):
    """Single-particle Monte Carlo with association jumps in a scenario."""

    kind: Literal["association"]
    curved: ClassVar[bool] = True
    one_by_one: ClassVar[bool] = True
    kT: NonNegativeSchedule = Field(default=1.0, description="temperature, kT_ref: a number, a ramp or a cycle")
    jumps: float = Field(default=0.5, ge=0, le=1, description="fraction of the attempts that are jumps")
    widths: list[float] = Field(
        default=[0.03, 0.1, 0.3, 1.0], min_length=1, description="widths of small moves, each as often"
    )

    def check(self, scenario):
        """There are bodies to jump, and a box to jump in."""
        yield from check_matter(self, scenario)
        if min(self.widths) <= 0:
            yield Problem(("widths",), "should be positive")
        if not getattr(scenario.system, "poses", None):
            message = f"needs bodies whose bound poses are known, which {scenario.system.kind!r} does not have"
            yield Problem(("kind",), f"{message}: use brownian, or give docks to rigid_bodies")
        elif scenario.system.box is None:
            yield Problem(("kind",), "jumps anywhere in a box, but space is free: give the system a box")

    def build(self) -> Association:
        """The sampler."""
        return Association(schedule(self.kT), jnp.asarray(float(self.jumps)), jnp.asarray(self.widths, float))

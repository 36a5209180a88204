"""Checks of a rule: determinism, compilation, direction, and that it trains any material."""

from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from matterlearn.core.discrete import AbstractDiscreteSystem
from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import AbstractDynamics
from matterlearn.core.matter import matter, trains
from matterlearn.core.network import AbstractNetwork
from matterlearn.core.rule import AbstractRule, Batch
from matterlearn.core.system import AbstractSystem
from matterlearn.kinds import kinds, load_kind
from matterlearn.testing._examples import Counted, examples, moved, noise_like, same_bits, trap, well

REPLICAS = 3
SUITABLE = {
    "continuous": "brownian", "discrete": "heat_bath", "network": "sequential", "reactions": "brownian",
    "learner": "generations",
}  # fmt: skip
SETTINGS = {"brownian": {"dt": 1e-3}, "sequential": {"kT": 1.0}, "generations": {"size": 6}}


def check_rule(config: Any) -> None:
    """All checks of a rule, then the rule on every registered system."""
    for check in RULE_CHECKS if learns_in_a_well(config) else ():
        check(config)
    for kind in kinds("systems"):
        if goes_with(config, examples("systems", kind)[0]):
            rule_trains(config, examples("systems", kind)[0])


def learns_in_a_well(config: Any) -> bool:
    """Whether the rule trains continuous matter that can sum its partition function, moved by Brownian dynamics."""
    scene = SimpleNamespace(system=SimpleNamespace(kind="well", exact=True), dynamics=suitable("continuous"), task=None)
    return "continuous" in trains(config) and not list(config.check(scene) or ())


def goes_with(config: Any, system_config: Any) -> bool:
    """Whether this material has anything to learn and the rule's own check allows it, moved by what suits it."""
    if not getattr(system_config, "fitted", True):
        return False
    scene = SimpleNamespace(system=system_config, dynamics=suitable(matter(system_config)), task=None, learning=None)
    return matter(system_config) in trains(config) and not list(config.check(scene) or ())


def exposure(system: AbstractSystem, stiffness: float, at: float | None = None) -> Batch:
    """Replicas of one start, tethered there or to one value."""
    x = system.init_state(jax.random.key(0))
    drive = trap(x, stiffness, 0.0 if at is None else at)
    drive = eqx.tree_at(lambda d: d.target, drive, x) if at is None else drive
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (REPLICAS, *jnp.shape(leaf))), (drive, x))
    return Batch(*stacked, jnp.ones(()))  # pyright: ignore[reportCallIssue]


def clamped_exposure(system: AbstractSystem) -> Batch:
    """Replicas of one start, every other site clamped there."""
    x = system.init_state(jax.random.key(0))
    held = jax.tree.map(lambda leaf: jnp.arange(leaf.size).reshape(leaf.shape) % 2 == 0, x)
    drive = Drive(target=x, clamped=held)
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (REPLICAS, *jnp.shape(leaf))), (drive, x))
    return Batch(*stacked, jnp.ones(()))  # pyright: ignore[reportCallIssue]


def presentation(system: AbstractSystem) -> tuple[Batch, AbstractDynamics]:
    """Something to learn from, and a dynamics that this matter follows."""
    if isinstance(system, AbstractDiscreteSystem):
        return clamped_exposure(system), suitable("discrete").build()
    if isinstance(system, AbstractNetwork):
        return clamped_exposure(system), suitable("network").build()
    return exposure(system, 50.0), suitable("continuous").build()


def suitable(matter: str) -> Any:
    """Config of a dynamics that moves this kind of matter at kT_ref."""
    kind = SUITABLE[matter]
    return load_kind("dynamics", kind)(kind=kind, **SETTINGS.get(kind, {}))


def _estimated(rule: AbstractRule, dynamics, system, batch, parameters, key):
    state = rule.init(key, system, dynamics, REPLICAS)
    taught = rule.couple(system, parameters)
    return rule.estimate(key, taught, dynamics, state, batch, parameters=parameters)


def _dynamics() -> AbstractDynamics:
    return suitable("continuous").build()


def estimate_is_deterministic(config: Any) -> None:
    """One key gives one estimate, compiled once for all parameters."""
    rule, system, dynamics = config.build(), well(), _dynamics()
    batch, parameters = exposure(system, 20.0, at=3.0), rule.parameters(system)
    estimate = Counted(lambda *args: _estimated(rule, dynamics, system, *args)[0])
    first, again = (estimate(batch, parameters, jax.random.key(1)) for _ in range(2))
    assert same_bits(first, again), "the estimate depends on more than its key"
    assert not same_bits(first, estimate(batch, parameters, jax.random.key(2))), "the estimate ignores its key"
    estimate(batch, moved(parameters, noise_like(1, parameters), 0.1), jax.random.key(1))
    assert estimate.traces == 1, f"other parameters compiled the rule {estimate.traces} times"


def well_learns_what_it_is_shown(config: Any) -> None:
    """E = ½θx² shown x far beyond its own fluctuations: the energy of what was shown goes down, so θ does.

    For rules that learn from what is shown, ``sign`` −1.
    """
    rule, system, dynamics = config.build(), well(), _dynamics()
    if rule.sign != -1:
        return
    parameters = rule.parameters(system)
    batch = exposure(system, 200.0, at=5.0)
    direction, _, info = eqx.filter_jit(_estimated)(rule, dynamics, system, batch, parameters, jax.random.key(3))
    before, after = (rule.couple(system, moved(parameters, direction, by)).stiffness for by in (0.0, -1e-3))
    assert after < before, f"θ went from {before} to {after}: the direction points uphill"
    shown = info.phases.get("wake", next(iter(info.phases.values()))).mean.stiffness
    assert abs(shown / (0.5 * 8 * 25) - 1) < 0.1, f"⟨∂E/∂θ⟩ of the shown state is {shown}, not 100"


def well_unlearns_what_it_dreams(config: Any) -> None:
    """E = ½θx² left alone: the energy of where it came to goes up, so θ does, whatever is shown.

    For rules of ``sign`` 1.
    """
    rule, system, dynamics = config.build(), well(), _dynamics()
    if rule.sign != 1:
        return
    parameters, estimate = rule.parameters(system), eqx.filter_jit(_estimated)
    shown = [exposure(system, 200.0, at=place) for place in (5.0, 0.0)]
    (direction, _, info), (other, *_) = (
        estimate(rule, dynamics, system, batch, parameters, jax.random.key(3)) for batch in shown
    )
    assert same_bits(direction, other), "the estimate depends on what is shown"
    before, after = (rule.couple(system, moved(parameters, direction, by)).stiffness for by in (0.0, -1e-3))
    assert after > before, f"θ went from {before} to {after}: dreams became more attractive"
    dreamt = next(iter(info.phases.values())).mean.stiffness
    z = (dreamt - 4) / (2 / REPLICAS**0.5)  # noise is the well's own law: half a χ² of eight coordinates
    assert abs(z) < 4, f"⟨∂E/∂θ⟩ of the free well is {dreamt}, not 4: z = {z:.1f}"


def well_comes_to_where_it_is_told(config: Any) -> None:
    """E = ½θx² under a force f rests at f/θ: told to rest farther out, θ goes down, told farther in, up.

    For rules that learn from the cost of a minimum, ``sign`` 0; without noise, so the first step downhill is exact.
    """
    rule, system, force = config.build(), well(), 2.0
    if rule.sign != 0:
        return
    x = jax.tree.map(jnp.zeros_like, system.init_state(jax.random.key(0)))
    free = Drive(force=jax.tree.map(lambda leaf: jnp.full_like(leaf, force), x))
    dynamics = load_kind("dynamics", "newton")(kind="newton").build()
    parameters, estimate = rule.parameters(system), eqx.filter_jit(_estimated)

    def lost(stiffness, place):
        return float((force / stiffness - place) ** 2)

    for place in (3.0, 1.0):
        drive = Drive(trap(x, 1.0, place).target, trap(x, 1.0).stiffness, free.force)
        shown = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (REPLICAS, *jnp.shape(leaf))), (drive, x, free))
        batch = Batch(shown[0], shown[1], jnp.ones(()), free=shown[2])  # pyright: ignore[reportCallIssue]
        direction, *_ = estimate(rule, dynamics, system, batch, parameters, jax.random.key(3))
        after = rule.couple(system, moved(parameters, direction, -1e-3)).stiffness
        assert lost(after, place) < lost(system.stiffness, place), f"told to rest at {place}, θ went to {after}"


def rule_trains(config: Any, system_config: Any) -> None:
    """On this material the estimate is finite, shaped like the parameters, and reports phases if it moves matter."""
    rule, system = config.build(), system_config.build(jax.random.key(0))
    parameters = rule.parameters(system)
    batch, dynamics = presentation(system)
    direction, _, info = eqx.filter_jit(_estimated)(rule, dynamics, system, batch, parameters, jax.random.key(4))
    assert jax.tree.structure(direction) == jax.tree.structure(parameters), "the estimate is not shaped like θ"
    for got, have in zip(jax.tree.leaves(direction), jax.tree.leaves(parameters), strict=True):
        assert got.shape == have.shape and got.dtype == have.dtype, f"{got.shape} {got.dtype} for {have.shape}"
        assert bool(jnp.all(jnp.isfinite(got))), "the estimate is not finite"
    assert info.phases or getattr(config, "fits_scores", False), "the rule reports no phase"
    for name, phase in info.phases.items():
        assert int(phase.n) == REPLICAS, f"phase {name!r} counts {int(phase.n)} replicas of {REPLICAS}"
    assert isinstance(rule.couple(system, parameters), type(system)), "couple returns another kind of system"


RULE_CHECKS = (
    estimate_is_deterministic,
    well_learns_what_it_is_shown,
    well_unlearns_what_it_dreams,
    well_comes_to_where_it_is_told,
)

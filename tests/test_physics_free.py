"""Free and trapped motion against exact laws: mean squares, decay of orientation, and both temperatures.

Statistics come from independent replicas in one compiled run with a fixed seed. Thresholds are |z| < 4; the standard
errors are about one percent, so a wrong factor in any diffusion constant is tens of standard errors away.
"""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn.core.drive import Drive
from matterlearn.core.dynamics import advance
from matterlearn.kinds import load_kind
from matterlearn.testing import trap, well
from matterlearn.theory import diffusion_laws as law

REPLICAS = 4000
DISC_INERTIA = 0.125  # of a uniform disc of unit mass and diameter


def dynamics(kind, **numbers):
    return load_kind("dynamics", kind)(kind=kind, **numbers).build()


def discs(**numbers):
    config = load_kind("systems", "patchy_particles")(kind="patchy_particles", species=1, **numbers)
    return config.build(jax.random.key(0))


@eqx.filter_jit
def simulate(dynamics, system, drive, x, steps, replicas=REPLICAS):
    """Final state of each replica; every replica starts at x."""

    def one(r):
        key = jax.random.fold_in(jax.random.key(7), r)
        start = dynamics.init(jax.random.fold_in(key, 2**31), system, drive, x)
        return start, advance(key, system, dynamics, drive, start, steps)

    return jax.vmap(one)(jnp.arange(replicas))


def z_of_mean(samples, expected):
    """Deviation of the mean of independent samples, in standard errors."""
    samples = np.asarray(samples, float).ravel()
    return float((samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(samples.size)))


def agrees(label, samples, expected):
    z = z_of_mean(samples, expected)
    print(f"{label}: {np.mean(samples):.5g}, exact {float(expected):.5g}, z = {z:+.2f}")
    assert abs(z) < 4, f"{label}: {np.mean(samples):.5g} instead of {float(expected):.5g}, z = {z:+.1f}"


@cache
def trapped(kind):
    """Two points and two angles in a trap of stiffness 4, at a time step where integrators show their errors."""
    numbers = {"brownian": {"dt": 0.05, "kT": 1.5}, "langevin": {"dt": 0.1, "kT": 1.5, "friction": 1.0}}[kind]
    system = well(1.0, 2)
    x = jax.tree.map(jnp.zeros_like, system.init_state(jax.random.key(0)))
    return simulate(dynamics(kind, **numbers), system, trap(x, 3.0), x, jnp.asarray(300))[1]


@pytest.mark.parametrize(("leaf", "mobility"), [("position", 1.0), ("orientation", 3.0)])
def test_brownian_trap_has_the_variance_of_its_integrator(leaf, mobility):
    """Not kT/k but the exact stationary variance of Euler–Maruyama, 11 and 43 percent above it here."""
    x = getattr(trapped("brownian").x, leaf)
    agrees(f"brownian ⟨{leaf}²⟩", x**2, law.euler_maruyama_trap_variance(4.0, 1.5, mobility, 0.05))


@pytest.mark.parametrize(("leaf", "mass"), [("position", 1.0), ("orientation", DISC_INERTIA)])
def test_langevin_trap_equipartition(leaf, mass):
    """Positions are exact at any stable step; velocities carry the known error of second order."""
    state = trapped("langevin")
    exact = law.baoab_trap_covariance(4.0, 1.5, mass, 1.0, 0.1)
    assert np.isclose(exact[0, 0], law.trap_variance(4.0, 1.5))
    agrees(f"langevin ⟨{leaf}²⟩", getattr(state.x, leaf) ** 2, exact[0, 0])
    agrees(f"langevin ⟨v²⟩ of {leaf}", getattr(state.memory[0], leaf) ** 2, exact[1, 1] / mass**2)


def test_trap_relaxes_at_the_rate_of_its_mobility():
    system = well(1.0, 2)
    x = jax.tree.map(jnp.zeros_like, system.init_state(jax.random.key(0)))
    end = simulate(dynamics("brownian", dt=1e-3), system, trap(x, 1.0), x, jnp.asarray(150))[1].x
    for leaf, mobility in (("position", 1.0), ("orientation", 3.0)):
        expected = law.trap_relaxation(0.15, stiffness=2.0, mobility=mobility, kT=1.0)
        agrees(f"⟨{leaf}²⟩ after 0.15", getattr(end, leaf) ** 2, expected)


@cache
def free(kind):
    """One disc without neighbours; the time is 0.5 (brownian, 50 steps) or 1 (langevin, 50 steps)."""
    numbers = {"brownian": {"dt": 0.01, "kT": 1.5}, "langevin": {"dt": 0.02, "kT": 1.5, "friction": 2.0}}[kind]
    system = discs()
    return simulate(dynamics(kind, **numbers), system, Drive(), system.arrange(jnp.zeros((1, 2))), jnp.asarray(50))


def displaced(kind, leaf):
    start, end = free(kind)
    return np.asarray(getattr(end.x, leaf) - getattr(start.x, leaf))


@pytest.mark.slow
def test_brownian_mean_square_displacement():
    square = (displaced("brownian", "position") ** 2).sum(-1)
    agrees("brownian MSD", square, law.brownian_msd(0.5, 1.5, 2))


def test_brownian_disc_turns_at_three_times_its_diffusion():
    """D_r = 3 D/σ² of a disc without slip."""
    turned = displaced("brownian", "orientation")
    agrees("brownian ⟨cos Δθ⟩", np.cos(turned), law.rotational_correlation(0.5, 3 * 1.5))
    agrees("brownian ⟨Δθ²⟩", turned**2, 2 * 3 * 1.5 * 0.5)


@pytest.mark.slow
def test_langevin_mean_square_displacement():
    """From ballistic to diffusive; the exact Ornstein–Uhlenbeck part leaves an error of order (γ dt)²/12 ~ 1e-4."""
    numbers = {"friction": 2.0, "kT": 1.5}
    square = (displaced("langevin", "position") ** 2).sum(-1)
    agrees("langevin MSD", square, law.langevin_msd(1.0, mass=1.0, dim=2, **numbers))
    turned = displaced("langevin", "orientation") ** 2
    agrees("langevin ⟨Δθ²⟩", turned, law.langevin_msd(1.0, mass=DISC_INERTIA, dim=1, **numbers))


def test_langevin_velocities_forget_at_the_rate_of_friction():
    start, end = free("langevin")
    product = (start.memory[0].position * end.memory[0].position).sum(-1)
    agrees("⟨v(0)·v(1)⟩", product, law.velocity_autocorrelation(1.0, friction=2.0, kT=1.5, mass=1.0, dim=2))


@pytest.mark.slow
def test_langevin_discs_have_one_temperature():
    """Translation and rotation of interacting discs: m⟨v²⟩ = I⟨ω²⟩ = kT, dense, with sticky patches."""
    system = discs(copies=5, box=3.8, patches=1, bond=-4.0)
    x = system.init_state(jax.random.key(1))
    heat = dynamics("langevin", dt=4e-3, kT=1.5, friction=5.0)
    end = simulate(heat, system, Drive(), x, jnp.asarray(300), 2000)[1]
    assert np.asarray(jax.jit(jax.vmap(system.energy))(end.x)).std() > 0.3, "the discs should interact"
    for leaf, mass in (("position", 1.0), ("orientation", DISC_INERTIA)):
        square = mass * getattr(end.memory[0], leaf) ** 2
        agrees(f"temperature of {leaf}", square.reshape(2000, -1).mean(1), 1.5)


def test_free_langevin_velocities_are_thermal_from_the_start():
    start, _ = free("langevin")
    agrees("m⟨v²⟩ at the start", start.memory[0].position ** 2, 1.5)
    agrees("I⟨ω²⟩ at the start", DISC_INERTIA * start.memory[0].orientation ** 2, 1.5)

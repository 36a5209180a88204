"""Latent-variable models: sums over the code, the linear model's known optimum through the rule, tighter bounds."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import integrate, stats

from matterlearn.core.drive import Drive
from matterlearn.core.latent import importance_weighted
from matterlearn.core.rule import Batch
from matterlearn.core.system import couplings, with_couplings
from matterlearn.errors import ScenarioError
from matterlearn.kinds import load_kind
from matterlearn.scenario import load
from matterlearn.systems.variational_autoencoder import CodedState
from matterlearn.testing.systems import in_double
from matterlearn.theory import ppca

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(200, 4)) * np.array([2.0, 1.4, 0.7, 0.5]) @ np.linalg.qr(RNG.normal(size=(4, 4)))[0] + 0.5
COVARIANCE = np.cov(DATA.T, bias=True)


def autoencoder(**fields) -> Any:
    fields = {"kind": "variational_autoencoder", "shape": [4], "latents": 2, "depth": 0, "noise": 0.8} | fields
    return load_kind("systems", "variational_autoencoder")(**fields).build(jax.random.key(1))


def rule(**fields) -> Any:
    return load_kind("rules", "evidence_lower_bound")(kind="evidence_lower_bound", **fields).build()


def shown(system, data) -> Batch:
    target, held = jax.vmap(system.show)(jnp.asarray(data))
    return Batch(Drive(target=target, clamped=held), target, jnp.ones(()))


@eqx.filter_jit
def estimated(rule, key, system, batch):
    slope, _, info = rule.estimate(key, system, None, None, batch, parameters=couplings(system))
    return slope, info


def best() -> Any:
    """The linear model with the largest likelihood, and the encoder that is its posterior."""
    blank, noise = autoencoder(), ppca.noise_variance(COVARIANCE, 2)
    loads, mean = ppca.loadings(COVARIANCE, 2), DATA.mean(0)
    gain, spread = ppca.posterior(loads, noise)
    log_scale = 0.5 * np.log(np.diag(spread))  # WᵀW is diagonal, so the posterior is a product
    np.testing.assert_allclose(spread, np.diag(np.diag(spread)), atol=1e-12)
    values = (loads, mean, np.vstack([gain, 0 * gain]), np.concatenate([-gain @ mean, log_scale]), 0.5 * np.log(noise))
    leaves = lambda s: (  # noqa: E731
        s.decoder.layers[0].weight, s.decoder.layers[0].bias,
        s.encoder.layers[0].weight, s.encoder.layers[0].bias, s.log_noise,
    )  # fmt: skip
    return eqx.tree_at(leaves, blank, tuple(map(jnp.asarray, values)))


# Theory -----------------------------------------------------------------------------------------------------------


def test_the_best_linear_model_attains_its_formula_and_no_neighbour_does():
    loads, noise = ppca.loadings(COVARIANCE, 2), ppca.noise_variance(COVARIANCE, 2)
    assert abs(noise - np.linalg.eigvalsh(COVARIANCE)[:2].mean()) < 1e-15

    def likelihood(loads, noise):
        model = stats.multivariate_normal(DATA.mean(0), loads @ loads.T + noise * np.eye(4))
        return model.logpdf(DATA).mean()

    top = ppca.max_log_likelihood(COVARIANCE, 2)
    assert abs(likelihood(loads, noise) - top) < 1e-13
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert likelihood(loads + 0.05 * rng.normal(size=loads.shape), noise * np.exp(0.05 * rng.normal())) < top
    with pytest.raises(ValueError, match="fewer"):
        ppca.noise_variance(COVARIANCE, 4)


# Sums over the code -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kT", [1.0, 0.6])
@in_double
def test_the_code_is_summed_out_and_everything_is_normalised(kT):
    """F(x) and ln Z at any temperature against quadrature, one entry and one code; ln Z of a curved decoder, too."""
    model, x = autoencoder(shape=[1], latents=1), jnp.asarray([0.7])
    energy = jax.jit(lambda s, x, z: s.energy(CodedState(x[None], z[None])))
    weight = lambda s: lambda z, x: float(np.exp(-energy(s, x, z) / kT))  # noqa: E731
    total = integrate.quad(weight(model), -12, 12, args=(x[0],), epsabs=0, epsrel=1e-11)[0]
    state = CodedState(x, jnp.zeros(1))
    assert abs(model.marginal_energy(state, jnp.asarray(kT)) + kT * np.log(total)) < 1e-10
    held = CodedState(jnp.ones(1, bool), jnp.ones(1, bool))
    assert abs(model.marginal_energy(state, jnp.asarray(kT), held) - model.energy(state)) < 1e-14
    curved = autoencoder(shape=[1], latents=1, depth=1, width=3)
    axis = 9.0 * ((2 * np.arange(300) + 1) / 300 - 1)
    table = jax.jit(jax.vmap(jax.vmap(energy, (None, None, 0)), (None, 0, None)))
    every = table(curved, jnp.asarray(axis), jnp.asarray(axis))
    exact = np.log(np.sum(np.exp(-np.asarray(every) / kT)) * (18 / 300) ** 2)
    assert abs(curved.log_partition(jnp.asarray(kT)) - exact) < 1e-10


# The rule at the known optimum ------------------------------------------------------------------------------------


@in_double
def test_at_the_optimum_the_bound_is_the_likelihood_whatever_the_noise():
    """E + ln q is −ln p(x) for every code: no noise in the loss, no slope of the encoder; the decoder's is 0 ± sem."""
    system = best()
    top = ppca.max_log_likelihood(COVARIANCE, 2)
    for seed in (0, 1):
        slope, info = estimated(rule(), jax.random.key(seed), system, shown(system, DATA))
        assert abs(info.numbers["loss"] + top) < 1e-12
        for leaf in jax.tree.leaves(slope.encoder):
            np.testing.assert_allclose(leaf, 0.0, atol=1e-12)
    slope, info = estimated(rule(guesses=200), jax.random.key(2), system, shown(system, DATA))
    # Samples are the same ones that the optimum belongs to: only the noise of guesses is left of the scatter.
    each = [jax.tree.leaves(estimated(rule(), jax.random.key(s), system, shown(system, DATA))[0]) for s in range(30)]
    for mean, *leaves in zip(jax.tree.leaves(slope), *each, strict=True):
        error = np.std(np.asarray(leaves), 0, ddof=1) / np.sqrt(200)
        assert np.all(np.abs(mean) < 5 * error + 1e-13)


@pytest.mark.slow
@in_double
def test_away_from_the_optimum_the_bound_lies_below():
    """By the relative entropy of the guess; of a posterior whose widths are halved, ln 2 − 3/8 for each code."""
    system = best()
    narrow = eqx.tree_at(lambda s: s.encoder.layers[0].bias, system, replace_fn=lambda b: b.at[2:].add(-np.log(2)))
    _, info = estimated(rule(guesses=4000), jax.random.key(3), narrow, shown(narrow, DATA))
    gap = float(info.numbers["loss"]) + ppca.max_log_likelihood(COVARIANCE, 2)
    error = np.sqrt(2 * 0.5 * 0.75**2 / (4000 * len(DATA)))  # variance of ½(1 − ¼)ε² is ½(¾)² for each code
    assert abs(gap - 2 * (np.log(2) - 3 / 8)) < 4 * error


@pytest.mark.slow
@in_double
def test_learning_finds_the_optimum():
    """From random weights the bound comes within 10⁻³ nat of the best with two codes, 0.1 above that with one."""
    start, batch, learner = autoencoder(), shown(autoencoder(), DATA), rule()
    top, fewer = (ppca.max_log_likelihood(COVARIANCE, q) for q in (2, 1))
    assert top - fewer > 0.1
    optimizer = optax.adam(optax.exponential_decay(0.02, 4000, 5e-3))

    @eqx.filter_jit
    def learn(theta):
        def once(i, carry):
            theta, memory = carry
            system = with_couplings(start, theta)
            slope, *_ = learner.estimate(jax.random.key(i), system, None, None, batch, parameters=theta)
            steps, memory = optimizer.update(slope, memory)
            return optax.apply_updates(theta, steps), memory

        return jax.lax.fori_loop(0, 4000, once, (theta, optimizer.init(theta)))[0]

    system = with_couplings(start, learn(couplings(start)))
    one = lambda v: -system.marginal_energy(system.show(v)[0], jnp.ones(()))  # noqa: E731
    exact = float(jnp.mean(jax.jit(jax.vmap(one))(jnp.asarray(DATA))))
    bound = -float(estimated(rule(guesses=2000), jax.random.key(5), system, batch)[1].numbers["loss"])
    assert top - 1e-3 < bound < exact + 1e-4 < top + 2e-4
    assert abs(np.exp(2 * system.log_noise) / ppca.noise_variance(COVARIANCE, 2) - 1) < 0.02


# Importance weights -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@in_double
def test_more_guesses_tighten_the_bound():
    """Guesses twice as wide lose 3/2 − ln 2 for each code in L_1, less in L_8, and nothing in L_20000."""
    system = best()
    wide = eqx.tree_at(lambda s: s.encoder.layers[0].bias, system, replace_fn=lambda b: b.at[2:].add(np.log(2)))
    exact = stats.multivariate_normal(
        DATA.mean(0), ppca.loadings(COVARIANCE, 2) @ ppca.loadings(COVARIANCE, 2).T
        + ppca.noise_variance(COVARIANCE, 2) * np.eye(4)
    ).logpdf(DATA)  # fmt: skip
    again = jnp.asarray(np.tile(DATA, (20, 1)))
    one, few = (np.tile(exact, 20) - importance_weighted(jax.random.key(4), wide, again, k) for k in (1, 8))
    error = [float(jnp.std(gap)) / np.sqrt(len(again)) for gap in (one, few)]
    assert abs(jnp.mean(one) - 2 * (1.5 - np.log(2))) < 4 * error[0]
    assert 4 * error[1] < jnp.mean(few) < 0.2 * jnp.mean(one)
    many = np.asarray(importance_weighted(jax.random.key(5), wide, jnp.asarray(DATA[:5]), 20_000))
    np.testing.assert_allclose(many, exact[:5], atol=0.05)
    right = np.asarray(importance_weighted(jax.random.key(6), system, jnp.asarray(DATA), 1))
    np.testing.assert_allclose(right, exact, rtol=1e-12)  # the guess is the posterior: no noise at all


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("task", "likelihood"), "exact", "use {guesses: 500}"),
        (("learning", "rule"), {"kind": "maximum_likelihood"}, "use brownian, or rule evidence_lower_bound"),
        (("system",), {"kind": "coupling_flow", "shape": [2]}, "no encoder that guesses"),
    ],
)
def test_bad_input_says_what_to_do(path, value, words):
    scenario: dict = {
        "title": "any", "system": {"kind": "variational_autoencoder", "shape": [2], "depth": 1},
        "dynamics": {"kind": "direct_sampling"},
        "task": {"kind": "data", "data": {"source": "points", "shape": "ring"}, "likelihood": {"guesses": 2}},
        "learning": {"rule": {"kind": "evidence_lower_bound"}, "updates": 2, "replicas": 2},
        "run": {"steps": 2},
    }  # fmt: skip
    load(scenario)
    section = scenario
    for head in path[:-1]:
        section = section[head]
    section[path[-1]] = value
    with pytest.raises(ScenarioError, match=words):
        load(scenario)

"""The teacher shows its own law; students are judged by known couplings; errors are those of theory."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from matterlearn import plots_inverse, run
from matterlearn.core import pairwise
from matterlearn.kinds import load_kind
from matterlearn.tasks import ising_teacher
from matterlearn.theory import inverse_ising as inverse

pytestmark = pytest.mark.usefixtures("undrawn")


def build(family, kind, **config):
    return load_kind(family, kind)(kind=kind, **config)


def student(units, **config):
    return build("systems", "spin_network", units=units, **config).build(None)


def test_samples_follow_the_law():
    """20 000 samples of four spins: χ² over 16 states, no unit left free."""
    task = build("tasks", "ising_teacher", strength=1.5).build(student(4))
    batch = task.present(jax.random.key(1), student(4), jnp.asarray(0), 20_000, 1.0)
    assert bool(jnp.all(batch.drive.clamped.active))
    numbers = np.asarray(batch.drive.target.active) @ [8, 4, 2, 1]
    expected = 20_000 * inverse.probabilities(inverse.example(4, 1.5))
    squares = ((np.bincount(numbers, minlength=16) - expected) ** 2 / expected).sum()
    assert 1e-4 < chi2.sf(squares, 15) < 1 - 1e-4


@pytest.mark.parametrize("values", ["spins", "threshold"])
def test_a_student_that_knows_the_teacher(values):
    dynamics = build("dynamics", "sequential", kT=0.5).build()
    task = build("tasks", "ising_teacher").build(student(6))
    truth = inverse.example(6, 1.0)
    right = pairwise.with_law(
        student(6, values=values), jnp.asarray(truth.J), jnp.asarray(truth.h), dynamics.temperature(jnp.zeros((), int))
    )
    assert task.evaluate(right, dynamics)["relative_error"] < 1e-6
    assert task.evaluate(student(6), dynamics)["relative_error"] == pytest.approx(1)


def test_known_biases_and_bound():
    task = build("tasks", "ising_teacher", data_sets=3).build(student(10))
    found = {s.name: s.values for s in task.references(None, None)}
    known = {"naive": 0.15679, "tap": 0.15745, "sessak_monasson": 0.10285, "bethe": 0.13190}
    assert {name: float(found[f"bias_{name}"]) for name in known} == pytest.approx(known, abs=6e-6)
    assert found["error_bound"] * np.sqrt(ising_teacher.SAMPLES) == pytest.approx(found["error_bound"][0] * 10)
    assert float(found["error_naive"][-1]) == pytest.approx(0.15679, abs=0.003)  # a million samples


@pytest.mark.slow
def test_learning_reaches_the_error_of_theory(tmp_path):
    """20 updates of 500 samples: the student is an inversion of 10⁴ samples, whose errors scatter as in theory."""
    tree = run.simulate(
        {
            "title": "student", "system": {"kind": "spin_network", "units": 10},
            "dynamics": {"kind": "sequential", "kT": 1.0},
            "task": {"kind": "ising_teacher"},
            "learning": {"rule": {"kind": "mean_field_inversion", "method": "bethe"}, "updates": 20, "replicas": 500},
            "observe": [{"kind": "energy"}], "run": {"steps": 1},
        },
        tmp_path / "student",
    ).tree  # fmt: skip
    assert float(tree["learning/samples_seen"][-1]) == 10_000
    place = list(ising_teacher.SAMPLES).index(10_000)
    mean, sem = (float(tree[f"error_bethe{suffix}"][place]) for suffix in ("", "_sem"))
    spread = sem * np.sqrt(20)
    assert abs(float(tree["learning/relative_error"][-1]) - mean) < 4 * spread
    assert plots_inverse.inversion(tree) is not None


@pytest.mark.parametrize(
    ("system", "kT", "words"),
    [
        ({"kind": "pattern_network", "units": 10, "memories": 1}, 1.0, "pairwise"),
        ({"kind": "spin_network", "units": 17}, 1.0, "at most 16"),
        ({"kind": "spin_network", "units": 4}, 0.0, "temperature"),
    ],
)
def test_refusals(system, kT, words):
    scene = SimpleNamespace(system=build("systems", **system), dynamics=build("dynamics", "sequential", kT=kT))
    (problem,) = build("tasks", "ising_teacher").check(scene)
    assert words in str(problem)

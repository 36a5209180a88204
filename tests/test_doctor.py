"""The self-test passes here, and fails where something is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from matterlearn import doctor

LONG = (doctor.known_energies, doctor.thermostats, doctor.gradients)  # of physics that other tests look at closely


@pytest.mark.parametrize("check", [
    pytest.param(check, id=check.__name__, marks=[pytest.mark.slow] if check in LONG else [])
    for check in doctor.CHECKS
])  # fmt: skip
def test_this_installation_is_fit(check):
    findings = doctor._findings(check)
    assert findings
    assert [str(f) for f in findings if f.passed is not None and not f.passed] == []


def stand_in(*findings):
    def some_check():
        yield from findings

    return some_check


def test_exit_code_and_lines(monkeypatch, capsys):
    good, note = doctor.Finding("a", True, "1", "cure"), doctor.Finding("b", None, "2")
    monkeypatch.setattr(doctor, "CHECKS", (stand_in(good, note),))
    assert doctor.main() == 0
    assert capsys.readouterr().out.startswith("ok    a: 1\nnote  b: 2\nall is well (")
    monkeypatch.setattr(doctor, "CHECKS", (stand_in(good, doctor.Finding("c", np.bool_(False), "3", "do this")),))
    assert doctor.main() == 1
    assert "FAIL  c: 3; do this\n1 of the checks failed" in capsys.readouterr().out


def test_a_crash_is_a_finding_and_other_checks_go_on(monkeypatch, capsys):
    def broken_part():
        raise ImportError("no such library")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (broken_part, stand_in(doctor.Finding("d", True, "4"))))
    assert doctor.main() == 1
    out = capsys.readouterr().out
    assert "FAIL  broken part: ImportError: no such library" in out
    assert "ok    d: 4" in out


@pytest.mark.parametrize("version", doctor.BANNED_JAX)
def test_releases_that_compute_wrong_numbers_are_refused(monkeypatch, version):
    monkeypatch.setattr(jax, "__version__", version)
    assert not next(doctor.versions()).passed


def test_wrong_rows_are_counted(monkeypatch):
    assert doctor.rows_miscompiled("float32") == 0
    matmul = jnp.matmul
    # 2 · 1e6 rows would be the first whose square differs in the last digit; a factor 1 + 1e-6 changes most.
    monkeypatch.setattr(jnp, "matmul", lambda a, b, **options: matmul(a, b, **options) * (1 + 1e-6))
    assert doctor.rows_miscompiled("float32") > sum(doctor.ROWS) // 2


def test_a_temperature_wrong_by_three_percent_is_found():
    values = np.random.default_rng(0).normal(0, np.sqrt(1.3), doctor.SAMPLES)
    assert doctor._temperature("right", values, 1.3).passed
    assert not doctor._temperature("hot", values * np.sqrt(1.03), 1.3).passed
    assert not doctor._temperature("nothing", values * np.nan, 1.3).passed


def test_missing_pairs_are_found(monkeypatch):
    from matterlearn.core import neighbors

    whole = neighbors.allocate
    monkeypatch.setattr(neighbors, "allocate", lambda position, **options: whole(position, **options | {"box": None}))
    lists = [finding for finding in doctor.neighbour_lists() if finding.passed is not None]
    assert lists
    assert not any(finding.passed for finding in lists)

"""Every registered kind passes the battery; nothing here names one."""

import jax
import pytest

from matterlearn import testing
from matterlearn.kinds import FAMILIES, config_class, kinds, load_kind


def variants(*families):
    """One parameter per small example of every kind."""
    found = [(family, kind, i) for family in families for kind in kinds(family)
             for i in range(len(testing.examples(family, kind)))]  # fmt: skip
    return [pytest.param((f, k, i), id=f"{k}-{i}") for f, k, i in found]


def example(parameter):
    family, kind, i = parameter
    return testing.examples(family, kind)[i]


@pytest.fixture(scope="module")
def system_case(request):
    return testing.system_case(example(request.param))


def named(checks):
    return [pytest.param(check, id=check.__name__) for check in checks]


@pytest.mark.parametrize("parameter", variants(*FAMILIES))
def test_spec(parameter):
    config = example(parameter)
    testing.check_spec(config)
    light = config_class(parameter[0], parameter[1])
    assert light(**config.model_dump()).model_dump() == config.model_dump()


@pytest.mark.parametrize("system_case", variants("systems"), indirect=True)
@pytest.mark.parametrize("check", named(testing.SYSTEM_CHECKS))
def test_system(system_case, check):
    check(system_case)


@pytest.mark.parametrize("parameter", variants("dynamics"))
@pytest.mark.parametrize("check", named(testing.DYNAMICS_CHECKS))
def test_dynamics(parameter, check):
    check(example(parameter))


@pytest.mark.parametrize("parameter", variants("rules"))
@pytest.mark.parametrize("check", named(testing.RULE_CHECKS))
def test_rule(parameter, check):
    check(example(parameter))


@pytest.mark.parametrize("system", kinds("systems"))
@pytest.mark.parametrize("parameter", variants("rules"))
def test_rule_trains_every_system(parameter, system):
    testing.rule_trains(example(parameter), testing.examples("systems", system)[0])


@pytest.fixture
def well_case():
    with jax.enable_x64(True):
        well = testing.well(2.0)
        return testing.SystemCase(well, well.init_state(jax.random.key(1)), well.init_state(jax.random.key(2)))


@pytest.mark.parametrize("check", named(testing.SYSTEM_CHECKS))
def test_the_solvable_system_passes(well_case, check):
    check(well_case)


def test_a_wrong_derivative_is_found(well_case):
    """The battery has teeth: a force that is wrong by a hundredth fails."""

    @jax.custom_jvp
    def half_square(x):
        return 0.5 * x**2

    half_square.defjvp(lambda primals, tangents: (half_square(primals[0]), 1.01 * primals[0] * tangents[0]))

    class Wrong(testing.Well):
        def energy(self, x, neighbors=None):
            return self.stiffness * (half_square(x.position).sum() + 0.5 * (x.orientation**2).sum())

    wrong = Wrong(well_case.system.stiffness, well_case.system.count)
    with pytest.raises(AssertionError, match="force"):
        dict_of(testing.SYSTEM_CHECKS)["derivatives_are_those_of_the_energy"](well_case._replace(system=wrong))


def test_a_wrong_temperature_is_found():
    """Matter that is a tenth too warm fails: the temperature rises right after it was asked for."""
    law = dict_of(testing.DYNAMICS_CHECKS)["samples_the_boltzmann_law"]
    rising = {"ramp": {"start": 1, "stop": 1.1, "steps": 1}}
    warm = load_kind("dynamics", "brownian")(kind="brownian", dt=1e-3, kT=rising)
    with pytest.raises(AssertionError, match="variance"):
        law(warm)


def dict_of(checks):
    return {check.__name__: check for check in checks}

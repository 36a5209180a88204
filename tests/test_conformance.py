"""Every registered kind passes the battery; nothing here names one."""

import functools

import jax
import pytest

from covering import chosen
from matterlearn import testing
from matterlearn.core.lattice_kernel import LatticeKernel
from matterlearn.core.matter import matter
from matterlearn.kinds import FAMILIES, config_class, kinds, load_kind

examples = functools.cache(testing.examples)


def variants(*families):
    """One parameter per small example of every kind."""
    found = [(family, kind, i) for family in families for kind in kinds(family)
             for i in range(len(examples(family, kind)))]  # fmt: skip
    return [pytest.param((f, k, i), id=f"{k}-{i}") for f, k, i in found]


def example(parameter):
    family, kind, i = parameter
    return examples(family, kind)[i]


ESSENTIAL = {
    "derivatives_are_those_of_the_energy", "moments_are_derivatives_of_the_energy",
    "local_energies_are_those_of_the_energy", "gaps_are_energy_differences",
    "samples_the_boltzmann_law", "keeps_the_boltzmann_law", "samples_its_law", "follows_the_poisson_law",
    "samples_are_independent_draws", "noise_becomes_data", "one_step_is_enough",
    "well_learns_what_it_is_shown", "well_unlearns_what_it_dreams", "well_comes_to_where_it_is_told",
}  # fmt: skip


STATISTICS = {"samples_the_boltzmann_law", "keeps_the_boltzmann_law", "forgets_its_start"}


def quick(config, checks):
    """What a kind has to pass but statistics of what moves one by one, which are always slow."""
    if not getattr(config, "one_by_one", False):
        return tuple(checks)
    return tuple(check for check in checks if check.__name__ not in STATISTICS)


def table(checks, family):
    """What every kind of a family has to pass that is quick."""
    return {kind: quick(examples(family, kind)[0], checks(examples(family, kind)[0])) for kind in kinds(family)}


def rule_checks(config):
    return testing.RULE_CHECKS if testing.learns_in_a_well(config) else ()


def variants_with(checks, family):
    """One parameter per small example and check that it has to pass.

    Without the slow ones, the first example of every kind passes what is essential, and every other check of kinds
    of its sort is passed by one in turn.
    """
    default = chosen(table(checks, family), ESSENTIAL)
    return [
        pytest.param((family, kind, i), check, id=f"{check.__name__}-{kind}-{i}",
                     marks=[] if i == 0 and (kind, check.__name__) in default else [pytest.mark.slow])
        for kind in kinds(family) for i, config in enumerate(examples(family, kind)) for check in checks(config)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def system_case(request):
    return case_of(*request.param)


@functools.lru_cache(maxsize=1)
def case_of(family, kind, i):
    """Made once for all checks that come one after the other."""
    return testing.system_case(example((family, kind, i)))


def named(checks):
    return [pytest.param(check, id=check.__name__) for check in checks]


@pytest.mark.parametrize("parameter", variants(*FAMILIES))
def test_spec(parameter):
    config = example(parameter)
    testing.check_spec(config)
    light = config_class(parameter[0], parameter[1])
    assert light(**config.model_dump()).model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("system_case", "check"), variants_with(testing.system_checks, "systems"), indirect=["system_case"]
)
def test_system(system_case, check):
    check(system_case)


@pytest.mark.parametrize(("parameter", "check"), variants_with(testing.dynamics_checks, "dynamics"))
def test_dynamics(parameter, check):
    check(example(parameter))


@pytest.mark.parametrize(("parameter", "check"), variants_with(rule_checks, "rules"))
def test_rule(parameter, check):
    check(example(parameter))


@functools.cache
def plain_systems():
    """The first example of every system, what claims least of itself first, then what takes fewest words to write."""
    return sorted((examples("systems", kind)[0] for kind in kinds("systems")),
                  key=lambda config: (len(type(config).__class_vars__), len(config.model_dump_json())))  # fmt: skip


def pairs_of_rule_and_system():
    """Every rule with every system that it says it goes with.

    Without the slow ones, with the plainest system of one kind of matter, which one is different for each rule.
    """
    found = []
    for turn, rule in enumerate(kinds("rules")):
        config, first = examples("rules", rule)[0], {}
        partners = [material for material in plain_systems() if testing.goes_with(config, material)]
        for material in partners:
            first.setdefault(matter(material), material.kind)
        taken = [first[one] for one in sorted(first)]
        for material in partners:
            marks = [] if material.kind == taken[turn % len(taken)] else [pytest.mark.slow]
            found.append(pytest.param(config, material, id=f"{rule}-{material.kind}", marks=marks))
    return found


@pytest.mark.parametrize(("rule", "system"), pairs_of_rule_and_system())
def test_rule_trains_every_system_that_it_goes_with(rule, system):
    testing.rule_trains(rule, system)


def kept(parameters):
    return [each.values for each in parameters if not each.marks]


@pytest.mark.parametrize(("family", "checks"), [
    ("systems", testing.system_checks), ("dynamics", testing.dynamics_checks), ("rules", rule_checks),
])  # fmt: skip
def test_nothing_is_left_to_the_slow_tests_alone(family, checks):
    """Without them every kind appears, every check of every sort of kinds, and every kind's essential ones."""
    left = {(parameter[1], check) for parameter, check in kept(variants_with(checks, family))}
    given = table(checks, family)
    assert {kind for kind, _ in left} == {kind for kind, own in given.items() if own}
    for sort in set(given.values()):
        assert {check for kind, check in left if given[kind] == sort} == set(sort)
    essential = {(kind, check) for kind, own in given.items() for check in own if check.__name__ in ESSENTIAL}
    assert essential <= left


def test_every_rule_trains_one_kind_of_matter_without_the_slow_tests():
    every, few = {}, {}
    for pair in pairs_of_rule_and_system():
        rule, system = pair.values
        for seen in (every,) if pair.marks else (every, few):
            seen.setdefault(rule.kind, set()).add(matter(system))
    assert {rule: len(matters) for rule, matters in few.items()} == dict.fromkeys(every, 1)
    assert set().union(*few.values()) == set().union(*every.values())


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


def test_a_wrong_sampler_temperature_is_found():
    """A sampler that is a tenth too warm fails against the enumeration at the temperature that was asked for."""
    rising = {"ramp": {"start": 1, "stop": 1.1, "steps": 1}}
    warm = load_kind("dynamics", "metropolis")(kind="metropolis", kT=rising)
    with pytest.raises(AssertionError, match="exactly"):
        dict_of(testing.SAMPLER_CHECKS)["keeps_the_boltzmann_law"](warm)


def test_a_wrong_kernel_is_found():
    """Local energies that are wrong by a hundredth fail, and so do draws that are a fifth too warm."""
    case = testing.system_case(examples("systems", "lattice_condensate")[0])

    class Warm(LatticeKernel):
        def conditional(self, bits, value, environment, kT):
            return super().conditional(bits, value, environment, 1.2 * kT)

    class Wrong(type(case.system)):
        def kernel(self):
            right = super().kernel()
            return Warm(**{**vars(right), "tables": 1.01 * right.tables})

    wrong = case._replace(system=Wrong(**vars(case.system)))
    checks = dict_of(testing.DISCRETE_SYSTEM_CHECKS)
    with pytest.raises(AssertionError, match="local energies"):
        checks["local_energies_are_those_of_the_energy"](wrong)
    with pytest.raises(AssertionError, match="degrees of freedom"):
        checks["conditional_law_is_boltzmann"](wrong)


def dict_of(checks):
    return {check.__name__: check for check in checks}

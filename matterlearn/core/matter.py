"""Kinds of matter: what moves, and which dynamics move it. Host code, no jax.

A system says what it is made of, a dynamics what it moves, with ``matter: ClassVar[str]`` in its Config; what says
nothing is continuous.

| matter | what moves | base class of systems |
|---|---|---|
| continuous | coordinates | ``core.system.AbstractSystem`` |
| discrete | values of which no two that are updated together interact | ``core.discrete.AbstractDiscreteSystem`` |
| network | units that all feel each other | ``core.network.AbstractNetwork`` |
| reactions | numbers of molecules | ``core.system.AbstractSystem`` with ``core.reactions`` |
| learner | a model that is refitted to data | ``core.learner.AbstractLearner`` |

What else a Config may claim, so that other kinds can tell whether they go together (``name: ClassVar[bool] = True``):

| of | claim | meaning | unless it says so |
|---|---|---|---|
| dynamics | known_steps | the probability of a step is known (``AbstractDynamics.log_probability``) | no |
| dynamics | smooth | at given random numbers a step responds smoothly to couplings and state | no |
| dynamics | minimises | it goes to a minimum of the energy | no |
| dynamics | curved | it moves states on curved spaces (``AbstractSystem.displace``) | no |
| dynamics | conserving | the numbers of each discrete value never change | no |
| dynamics | stationary | the law of long runs, ``"boltzmann"`` or ``"none"`` | ``"boltzmann"`` |
| dynamics | independent | every step is an independent sample; moves systems that draw them, and no others | no |
| dynamics | flips_signs | it moves lattice fields and flips their signs, and moves no others | no |
| dynamics | explicit | it takes the minimum from systems that know it, and moves no others | no |
| rule | undriven | of the matter it needs the free phase alone | no |
| rule | infers | it guesses what is hidden with the system's encoder, not with the dynamics | no |
| rule | trains | kinds of matter that it can train (a tuple) | all |
| system | positions | its state has a ``position`` | yes, if continuous |
| system | curved | its state has rotations, and lives on a curved space | no |
| system | embeds | it maps two views of a thing to features (``joint_embedding``) | no |
| system | draws_samples | it draws independent samples at kT_ref (``core.field.AbstractGenerative``) | no |
| system | infers | it has an encoder that guesses its latent variables (``core.latent``) | no |
| system | sampled_hidden | it has a hidden part that has no closed form, and must be sampled | no |
| system | embedded_spins | a lattice field with ``hopping`` and ``site_energy`` (``core.lattice_action``) | no |
| system | degrees_of_freedom | numbers of a state, where they may be many | not known |
| system | explicit_minimum | couplings give its minimum explicitly (``AbstractSystem.minimum``) | no |
| system | node_features | it has features of nodes by layer (``features``), and outputs there | no |
| system | conducts | its couplings are conductances of the edges of a graph (``conductance``) | no |
| system | quadratic | quadratic energy; has ``degrees_of_freedom``, ``largest_eigenvalue``, ``largest_diagonal`` | no |
| system | isotropic | on a lattice, bonds are the same in all directions | yes |
| system | pairwise | two-valued units with one coupling per pair (``core.pairwise``) | no |
"""

from matterlearn.spec import Problem

MOVES = {
    "continuous": ("coordinates that move continuously", "brownian or langevin"),
    "discrete": ("discrete values", "metropolis or heat_bath"),
    "network": ("units of a network", "sequential or parallel"),
    "reactions": ("numbers of molecules", "gillespie or chemical_langevin"),
    "learner": ("a model that is refitted to data", "generations"),
}


def matter(config) -> str:
    """What a Config (or its class) is made of, or moves.

    >>> matter(object())
    'continuous'
    """
    return getattr(config, "matter", "continuous")


def check_matter(dynamics, scenario):
    """Complaint about a dynamics that moves other matter than there is."""
    own, given = matter(dynamics), matter(scenario.system)
    if own != given:
        has, use = MOVES[given]
        kind = scenario.system.kind
        yield Problem(("kind",), f"moves {MOVES[own][0]}, but {kind!r} has {has}: use {use}")


def trains(rule) -> tuple[str, ...]:
    """Kinds of matter whose couplings a rule's Config (or its class) can train; one that says nothing trains all.

    Learners have no couplings.

    >>> trains(object())
    ('continuous', 'discrete', 'network', 'reactions')
    """
    return getattr(rule, "trains", tuple(kind for kind in MOVES if kind != "learner"))


def check_trains(rule, scenario):
    """Complaint about a rule that cannot train the matter there is."""
    given = matter(scenario.system)
    if given not in trains(rule):
        can = " or ".join(MOVES[own][0] for own in trains(rule))
        yield Problem(("kind",), f"trains {can}, but {scenario.system.kind!r} has {MOVES[given][0]}")


def check_coordinates(observable, scenario):
    """Complaint about an observable of positions where nothing has any."""
    del observable
    if not getattr(scenario.system, "positions", matter(scenario.system) == "continuous"):
        yield Problem(("kind",), f"is a quantity of positions, which {scenario.system.kind!r} has not")

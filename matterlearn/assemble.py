"""Records of a run → labelled groups of the results tree. Host code; the names are those of the results contract."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from matterlearn import designs, results
from matterlearn.core.system import AbstractSystem
from matterlearn.results import Group, Variable
from matterlearn.scenario import resolve

LEARNED = {  # units and words of what learning records
    "couplings": ("kT_ref", "coupling"),
    "kl": ("nat", "relative entropy KL(Q‖P)"),
    "log_likelihood": ("nat", "mean log-likelihood of training samples"),
    "log_partition": ("nat", "ln Z"),
    "pseudo_likelihood": ("nat", "mean log pseudo-likelihood of a sample"),
    "relative_error": ("1", "relative error of the couplings"),
    "gradient_norm": ("1", "norm of the gradient"),
    "gradient_noise": ("1", "standard error of the gradient"),
    "effective_samples": ("1", "effective samples, worst coupling"),
}
UNITS = {"position": "σ", "orientation": "rad", "couplings": "kT_ref"}


class Records(NamedTuple):
    """What the stages of a run left: the system they ended with, and their records.

    ``after`` and ``before`` are (how replicas started, records) of a recall with the couplings the run ended with and
    with those of ``blank``, with which its design began; ``response`` says how trajectories respond to the couplings.
    """

    system: AbstractSystem
    after: tuple[Any, dict] = (None, {})
    learned: dict | None = None
    designed: dict | None = None
    blank: AbstractSystem | None = None
    before: tuple[Any, dict] | None = None
    response: Any = None


def tree(experiment, records: Records, *, precision: str, wall_time: float):
    """The whole DataTree of a run."""
    system, learned = records.system, records.learned
    kept = _retention(experiment, system, learned) if learned else []
    groups = {"/": _observables(experiment, system, *records.after, kept)}
    if learned is not None:
        groups["/learning"] = _learning(experiment, system, learned)
    stored = experiment.task.groups(system)
    groups["/couplings"] = _couplings(system, stored.get("couplings", []))
    if "memories" in stored:
        groups["/memories"] = Group([Variable(**summary._asdict()) for summary in stored["memories"]])
    groups |= _frames("/trajectory", experiment, *records.after)
    if records.designed is not None:
        groups |= designs.groups(experiment, records)
    blank = records.blank
    if blank is not None and records.before is not None:
        groups["/before"] = designs.renamed(_observables(experiment, blank, *records.before, []))
        groups["/couplings_before"] = designs.renamed(_couplings(blank, []))
        groups |= _frames("/trajectory_before", experiment, *records.before)
    attrs = results.provenance(
        resolve(experiment.scenario),
        seed=experiment.scenario.run.seed,
        device=devices(),
        precision=precision,
        wall_time=wall_time,
    )
    return results.to_tree(groups, attrs | experiment.task.annotations(system))


def devices() -> str:
    """What the run is made on, in words."""
    return ", ".join(sorted({d.device_kind for d in jax.devices()})) + f" x{len(jax.devices())}"


def _observables(experiment, system, recall, recalled, variables: list) -> Group:
    for observable in experiment.observables:
        if observable.name not in recalled:
            continue  # a state-valued observable: see the trajectory
        due = recalled["step"] % observable.every == 0
        values = np.moveaxis(recalled[observable.name][due], 0, 1)
        dims = ("replica", "step", *observable.dims)
        coords = {"step": recalled["step"][due], **_own(observable, dims)}
        labels = observable.units, observable.long_name
        variables.append(Variable(observable.name, dims, values, *labels, coords))
        summary = observable.summary(values, {name: label.values for name, label in recall.labels.items()})
        variables += [Variable(**s._asdict(), coords=_own(observable, s.dims)) for s in summary]
    for reference in experiment.task.references(system, experiment.dynamics):
        labelled = Variable(**reference._asdict(), coords=_own(experiment.task, reference.dims))
        variables += [labelled, *_deviation(reference, variables)]
    labels = [
        Variable(name, ("replica",), label.values, label.units, label.long_name)
        for name, label in recall.labels.items()
    ]
    n = len(next(iter(recall.labels.values())).values)
    return Group(variables, {"replica": np.arange(n), **{v.name: v for v in labels}})


def _own(measured, dims: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Those of the labels of an observable, or of a task, that belong to these axes."""
    return {name: labels for name, labels in measured.coords().items() if name in dims}


def _deviation(reference, variables: list) -> list[Variable]:
    """How far a measured quantity is from its exact value at worst, in standard errors; NaN is a value not known."""
    values = {v.name: np.asarray(v.values) for v in variables}
    name, is_theory = reference.name.removesuffix("_theory"), reference.name.endswith("_theory")
    if not is_theory or f"{name}_sem" not in values:
        return []
    gap, error = np.abs(values[name] - reference.values), values[f"{name}_sem"]
    held = (error > 0) & ~np.isnan(reference.values)
    worst = np.max(gap[held] / error[held], initial=0.0)
    words = f"largest |measured − theory| of {name.replace('_', ' ')}, in standard errors"
    return [Variable(f"{name}_deviation", (), worst, "1", words)]


def _learning(experiment, system, learned) -> Group:
    learning = experiment.scenario.learning
    time = learned["update"] * learning.duration / learning.updates
    variables = []
    for name, values in learned.items():
        if name in ("update", "memory_shown") or len(values) not in (len(time), len(time) - 1):
            continue
        coords = {"update": learned["update"][-len(values):]}
        units, long_name = LEARNED.get(name, ("1", name.replace("_", " ")))
        units = "kT_ref" if name.startswith("couplings") else units
        dims = ("update", *(_coupling_dims(system, name) if values.ndim > 1 else ()))
        variables.append(Variable(name, dims, values, units, long_name, coords))
    shown = "memory shown in the update, −1 before"
    labels = [Variable("memory_shown", ("update",), learned["memory_shown"], "1", shown)]
    slow_time = learning.rule.build().slow_time
    if slow_time is not None:
        labels.append(Variable("time", ("update",), time, slow_time, "slow time"))
    return Group(variables, {"update": learned["update"], **{v.name: v for v in labels}})


def _retention(experiment, system, learned) -> list[Variable]:
    """What is left of the linkers that only one memory has since it was last shown, beside the rule's law."""
    task, learning = experiment.task, experiment.scenario.learning
    rule = learning.rule.build()
    shown, values = learned["memory_shown"], learned.get(rule.parameter_name)
    if rule.retention(1.0) in (None, 1.0) or task.memory_count < 2 or values is None:
        return []
    named = {summary.name: summary.values for summary in task.groups(system).get("memories", [])}
    if "bonds" not in named:
        return []
    bonds = named["bonds"] > 0
    exclusive = bonds & (bonds.sum(0) == 1)
    rows = []
    for memory, own in enumerate(exclusive):
        last = np.flatnonzero(shown == memory)
        if not own.any() or not len(last):
            return []
        ratio = values[-1][own] / values[last[-1]][own]
        age = (learned["update"][-1] - learned["update"][last[-1]]) * learning.duration / learning.updates
        rows.append((ratio.mean(), ratio.std(ddof=1) / np.sqrt(len(ratio)), rule.retention(age)))
    words = "fraction of a memory's own linkers left at the end"
    columns = zip(("", "_sem", "_theory"), np.array(rows).T, strict=True)
    return [Variable(f"retention{suffix}", ("memory",), column, "1", words) for suffix, column in columns]


def _coupling_dims(system, label: str) -> tuple[str, ...]:
    found = system.named_couplings()
    own = [dims for name, (dims, _) in found.items() if name != "couplings" and f"_{name}" in label]
    return own[0] if own else found["couplings"][0]


def _couplings(system, ideal: list) -> Group:
    variables = [
        Variable(name, dims, np.asarray(values), *system.coupling_units)
        for name, (dims, values) in system.named_couplings().items()
    ]
    variables += [
        Variable(name, dims, np.asarray(values), *words) for name, (dims, values, *words) in system.geometry().items()
    ]
    return Group(variables + [Variable(**summary._asdict()) for summary in ideal])


def _frames(path: str, experiment, recall, recalled) -> dict[str, Group]:
    frames = _trajectory(experiment, recall, recalled)
    return {} if frames is None else {path: frames}


def _trajectory(experiment, recall, recalled) -> Group | None:
    parts = {name.split("/")[1]: values for name, values in recalled.items() if name.startswith("trajectory/")}
    if not parts:
        return None
    every = next(o.every for o in experiment.observables if o.name == "trajectory")
    due = recalled["step"] % every == 0
    frames = {name: np.moveaxis(values[due], 0, 1) for name, values in parts.items()}
    dims = experiment.system.dims
    variables = [
        Variable(name, ("replica", "frame", *dims[name]), values, UNITS.get(name, "1"), name)
        for name, values in frames.items()
    ]
    system = experiment.system
    attrs = {}
    if hasattr(system, "box"):
        attrs = {"box": system.box if system.box is not None else "free", "diameter": 1.0,
                 "patches": getattr(system, "patches", 0)}  # fmt: skip
    if hasattr(system, "bonds"):
        species = np.asarray(recall.system.species)
        variables.append(Variable("species", ("replica", "particle"), species, "1", "species"))
        variables += _bond_table(experiment, recall, frames)
    step = Variable("frame_step", ("frame",), recalled["step"][due], "1", "step of the dynamics")
    return Group(variables, {"frame_step": step}, attrs)


def _bond_table(experiment, recall, frames) -> list[Variable]:
    """Formed bonds of every saved frame as a flat table, with the memory each belongs to."""
    state = experiment.system.state_shape()
    x = type(state)(**frames)
    memories = np.asarray(experiment.task.bonds) if hasattr(experiment.task, "bonds") else None
    one_frame = jax.vmap(lambda system, x: system.bonds(x))
    rows = []
    for frame in range(x[0].shape[1]):
        now = type(state)(*(jnp.asarray(leaf[:, frame]) for leaf in x))
        bonds = one_frame(recall.system, now)
        replica, entry = np.nonzero(np.asarray(bonds.formed))
        first, second, pair = (np.asarray(a)[replica, entry] for a in (bonds.first, bonds.second, bonds.pair))
        rows.append(np.stack([replica, np.full(len(entry), frame), first, second, membership(memories, pair)]))
    table = np.concatenate(rows, 1).astype(np.int32)
    names = ("bond_replica", "bond_frame", "bond_first", "bond_second", "bond_memory")
    words = ("replica", "frame", "first particle", "second particle", "memory, −1 none, −2 several")
    return [Variable(n, ("bond",), column, "1", w) for n, column, w in zip(names, table, words, strict=True)]


def membership(memories, pair):
    """Memory that each bonded site pair belongs to: k, −1 if none, −2 if several."""
    if memories is None or not len(memories):
        return np.full(len(pair), -1)
    inside = memories[:, pair] > 0
    return np.where(inside.sum(0) == 0, -1, np.where(inside.sum(0) > 1, -2, inside.argmax(0)))

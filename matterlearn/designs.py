"""Records of a design → labelled groups of the results tree. Host code.

`/design` has the loss and its gradient by update, the averages that the loss is made of, and how trajectories respond;
variables of a recall with the couplings before the design end in ``_before``.
"""

import re
from itertools import product
from typing import Any

import numpy as np

from matterlearn.core.dynamics import DynState
from matterlearn.results import Group, Variable

DESIGNED = {  # units and words of what a design records
    "loss": ("1", "loss"),
    "loss_sem": ("1", "standard error of the loss"),
    "gradient_norm": ("1", "norm of the gradient"),
    "gradient_noise": ("1", "standard error of the gradient; none where it has no variance"),
    "tail_index": ("1", "tail index α of the replicas' gradients"),
    "clipped": ("1", "fraction of replicas whose gradient was shortened"),
    "estimator": ("label", "estimator in use, 0 the first"),
    "effective_fraction": ("1", "effective fraction of the samples"),
    "draws": ("1", "times that samples were drawn"),
}


def groups(experiment, records) -> dict[str, Group]:
    """The groups of a design."""
    designed, section = records.designed, experiment.scenario.design
    coords = {"update": designed["update"]}
    variables, attrs = [], _attrs(section, records)
    for name, (units, words) in DESIGNED.items():
        if name in designed:
            variables.append(Variable(name, ("update",), designed[name], units, words, coords))
    for i, term in enumerate(section.objective):
        observable = term.observable.build(experiment.system, experiment.task)
        name = _name(i, term, section)
        variables += _averages(name, i, term, observable, designed, coords)
        attrs |= {f"{name}_{key}": value for key, value in _words(term, observable, experiment).items()}
    dims = {name: axes for name, (axes, _) in records.system.named_couplings().items()}
    for name in (n for n in designed if n.startswith("couplings")):
        own = dims.get(name.removeprefix("couplings_"), dims.get("couplings"))
        own = own or tuple(f"{name}_{axis}" for axis in range(designed[name].ndim - 1))
        units, words = records.system.coupling_units
        variables.append(Variable(name, ("update", *own), designed[name], units, words, coords))
    found = {"/design": Group(variables, {"update": designed["update"]}, attrs)}
    if records.response is not None:
        found["/design/response"] = _response(records.response)
    return found


def _name(i: int, term, section) -> str:
    """What the averages of a term are called."""
    same = [t.observable.kind for t in section.objective].count(term.observable.kind) > 1
    return f"{term.observable.kind}_designed" + f"_{i}" * same


def _words(term, observable, experiment) -> dict:
    """How to show the averages of a term: on which scale, against which axis, and each component's label."""
    import jax
    import jax.numpy as jnp

    recall = experiment.task.recall(experiment.key, experiment.system, 1)
    system, drive, x = jax.tree.map(lambda leaf: leaf[0], (recall.system, recall.drive, recall.x))
    shape = jax.eval_shape(lambda: observable(system, drive, DynState(x, jnp.zeros((), jnp.int32)))).shape
    coords, dims = observable.coords(), tuple(observable.dims)
    if len(dims) != len(shape):
        return {"scale": term.scale}
    axes = [np.asarray(coords.get(dim, np.arange(n))) for dim, n in zip(dims, shape, strict=True)]
    if len(dims) == 1 and axes[0].dtype.kind in "fiu":
        labels = axes[0].tolist()
    else:
        words = [[str(v) if axis.dtype.kind in "UO" else f"{dim} {v:g}" for v in axis]
                 for dim, axis in zip(dims, axes, strict=True)]  # fmt: skip
        labels = [", ".join(each) for each in product(*words)]
    chosen = range(len(labels)) if term.component is None else term.component
    return {"scale": term.scale, "axis": ", ".join(dims), "labels": [labels[c] for c in chosen]}


def _averages(name: str, i: int, term, observable, designed: dict, coords: dict) -> list[Variable]:
    """Averages of one term with their errors and what they should be."""
    values, error = designed[f"term{i}"], designed[f"term{i}_sem"]
    axis = f"{name}_component"
    where = np.arange(values.shape[1]) if term.component is None else np.asarray(term.component)
    reduced = {"mean": "", "final": " at the end", "ever": ", ever", "survival_time": ", steps until then"}
    words, units = observable.long_name + reduced[term.reduce], observable.units
    found = [
        Variable(name, ("update", axis), values, units, words, {**coords, axis: where}),
        Variable(f"{name}_sem", ("update", axis), error, units, f"standard error of {words}", {**coords, axis: where}),
    ]
    if term.target is not None:
        target = np.broadcast_to(np.asarray(term.target, float), (values.shape[1],))
        found.append(Variable(f"{name}_target", (axis,), target, units, f"target of {words}", {axis: where}))
    return found


def _attrs(section, records) -> dict:
    """Names of the estimators, and which update changed from one to the other."""
    names = [section.estimator.kind] + ([section.fallback.kind] if section.fallback is not None else [])
    using = records.designed["estimator"]
    changed = np.flatnonzero(np.diff(using))
    attrs: dict[str, Any] = {"estimators": ", ".join(names)}
    if len(changed):
        attrs["fallback_from_update"] = int(records.designed["update"][changed[0] + 1])
    return attrs


def _response(response) -> Group:
    """Sensitivities along trajectories, with the couplings that the design ended with."""
    norms = np.asarray(response.norms)
    times = {"path_step": np.asarray(response.steps)}
    words = "sensitivity |dx/dθ| along a trajectory"
    variables = [
        Variable("sensitivity_median", ("path_step",), np.median(norms, 0), "σ/kT_ref", f"{words}, median", times),
        Variable("sensitivity_mean", ("path_step",), norms.mean(0), "σ/kT_ref", f"{words}, mean", times),
        Variable("growth_rate", (), np.asarray(response.rate), "1/step", "growth rate of the sensitivity"),
    ]
    return Group(variables)


def renamed(group: Group) -> Group:
    """The same variables under names that end in ``_before``, errors and theory staying with their quantity."""

    def before(name: str) -> str:
        stem, ending = re.fullmatch(r"(.*?)((?:_sem|_theory|_deviation)?)", name).groups()  # pyright: ignore[reportOptionalMemberAccess]
        return f"{stem}_before{ending}"

    variables = [
        Variable(before(v.name), v.dims, v.values, v.units, f"{v.long_name}, before the design", v.coords)
        for v in group.variables
    ]
    return Group(variables, group.coords, group.attrs)

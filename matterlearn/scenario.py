"""A scenario: what to simulate, what it should learn, what to measure, what to expect of it.

`load` checks a YAML file completely, without jax, and reports every problem with its place;
`realise` gives the same scenario with the classes that can be built. Sections:

========== ======================================================================== ==========
title      one line                                                                 needed
system     `{kind: ...}` of `matterlearn/systems`: the energy                        needed
dynamics   `{kind: ...}` of `matterlearn/dynamics`: how the state moves              needed
task       `{kind: ...}` of `matterlearn/tasks`: what is asked of the matter
learning   rule, optimizer, exposures, updates, duration: how couplings move
design     estimator, objective, constraints, optimizer: couplings by the gradient of what they do
observe    list of `{kind: ..., every: ...}`; default: the energy, about 200 times
run        seed, replicas, steps, chunk                                              needed
variants   `name: {path: value, ...}`: runs side by side, compared; `where: {variant: name}`
expect     `<variable>_<reduction>: {min, max, value, tolerance, where}` and `source`;
           a list of such bounds where one name is expected at several coordinates
========== ======================================================================== ==========

In `expect`, the reduction (final, initial, mean, max, min) is over `step`, then the mean over
replicas is compared; `where` selects coordinates. A variable without time has no reduction.
A variable may be expected if an observable of its name is observed, or if a section names it in
its class attribute `provides: ClassVar[tuple[str, ...]]`. Steps are steps of the dynamics.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError, create_model, model_validator

from matterlearn import documents
from matterlearn.errors import InputError, Problem, ScenarioError, did_you_mean
from matterlearn.kinds import FAMILIES, config_class, kinds
from matterlearn.sections import REDUCTIONS, Design, Expected, Learning, Run, Term, kind_of
from matterlearn.spec import Spec
from matterlearn.summaries import describe

MOST_VARIANTS = MOST_OBSERVED = 256
VariantName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\w[\w .+-]*$")]


class Scenario(Spec):
    """A checked scenario; sections are instances of the Config classes of their kinds."""

    title: str = Field(min_length=1, max_length=300, description="one line")
    description: str = ""
    references: tuple[str, ...] = ()
    system: kind_of("systems")
    dynamics: kind_of("dynamics")
    task: kind_of("tasks") | None = None
    learning: Learning | None = None
    design: Design | None = None
    observe: tuple[kind_of("observables"), ...] = Field(default=(), max_length=MOST_OBSERVED)
    run: Run
    variants: dict[VariantName, dict[str, Any]] = Field(
        default={},
        max_length=MOST_VARIANTS,
        description="name → {path: value}: run once for each, with results side by side",
    )
    expect: dict[str, Expected] = {}

    DEFAULT_RECORDS: ClassVar[int] = 200

    @model_validator(mode="before")
    @classmethod
    def _observe_something(cls, data):
        if not isinstance(data, dict) or data.get("observe") is not None:
            return data
        run = data.get("run")
        steps = run.get("steps") if isinstance(run, dict) else getattr(run, "steps", None)
        usable = isinstance(steps, int) and not isinstance(steps, bool)
        every = max(1, steps // cls.DEFAULT_RECORDS) if usable else 1  # pyright: ignore[reportOptionalOperand]
        return {**data, "observe": [{"kind": "energy", "every": min(every, 10**9)}]}

    @property
    def variables(self) -> set[str]:
        """Names that `expect` may speak of: what is observed, and what sections `provide`."""
        names = {str(getattr(observable, "kind", "")) for observable in self.observe}
        for _, section in sections(self):
            names.update(getattr(section, "provides", ()))
        names |= {"cross_overlap"} if "overlap" in names else set()
        names |= {"sample_similarity"} if self.variants and "visible_patterns" in names else set()
        names |= {f"{name}_before" for name in names} if self.design is not None else set()
        for name in self.variants:
            with contextlib.suppress(ScenarioError):  # what is wrong with a variant is said elsewhere
                names |= _validated(_changed(self, name), real=False).variables
        return names

    def __repr__(self) -> str:
        return describe(self)

    __str__ = __repr__

    def realise(self) -> "Scenario":
        """The same content with classes that can be built; imports jax."""
        return realise(self)


def load(
    source: "str | Path | dict | Scenario", overrides: Mapping[str, Any] | Iterable[str] = ()
) -> Scenario:
    """Reads and checks a scenario without importing jax.

    Args:
        source: path, name of a scenario that comes with the package, YAML text, a dict (of plain values, numpy's
            numbers or Configs), or a scenario.
        overrides: values by dotted path, `{"run.seed": 3}`, or assignments such as `"run.seed=3"`, applied in order.

    Raises:
        ScenarioError: with every problem found, each in its place.
    """
    if isinstance(source, Scenario) and not overrides:
        return source
    document = documents.overridden(_document(source), overrides)
    if not isinstance(document.data, dict):
        message = "should be a mapping with title, system, dynamics, run, ..."
        raise ScenarioError([Problem((), message, document.name)])
    documents.refuse_absurd(document)
    scenario = _validated(document, real=False)
    found = _too_long(scenario) or list(dict.fromkeys(_cross_checks(scenario)))
    for name in scenario.variants:
        found += _variant_problems(scenario, name)
    if len({folder(name) for name in scenario.variants}) < len(scenario.variants):
        found.append(Problem(("variants",), "two names differ only in spaces or capitals; they would share a folder"))
    problems = [problem._replace(place=document.place(problem.path)) for problem in found]
    if problems:
        raise ScenarioError(problems)
    return scenario


def variant(scenario: Scenario, name: str) -> Scenario:
    """One of a scenario's variants, as a scenario of its own that expects nothing.

    Raises:
        ScenarioError: with every problem that the variant has.
    """
    return load(_changed(scenario, name).data)


def _changed(scenario: Scenario, name: str) -> documents.Document:
    """What a variant changes, put into the scenario."""
    data = resolve(scenario)
    changes = data.pop("variants")[name]
    if inner := [path for path in changes if path.partition(".")[0] in ("variants", "expect")]:
        raise ScenarioError([Problem((), f"{inner[0]} cannot differ between variants")])
    document = documents.Document("", data | {"title": f"{scenario.title} · {name}"[:300], "expect": {}})
    for path, value in changes.items():
        document = documents.assign(document, tuple(path.split(".")), value, f"variants.{name}")
    return document


def _too_long(scenario: Scenario) -> list[Problem]:
    """With all defaults filled in, a scenario must still be one that can be written and read again."""
    data = resolve(scenario)
    if len(json.dumps(data)) > documents.MAX_BYTES // 16:  # rare: only then is it written to see
        try:
            documents.parse(dump(scenario))
        except ScenarioError as error:
            return [Problem((), f"with all defaults written out, {problem.message}") for problem in error.problems]
    return []


def folder(name: str) -> str:
    """Folder of a variant's own results.

    >>> folder("CD 1")
    'cd_1'
    """
    return name.replace(" ", "_").lower()


def _variant_problems(scenario: Scenario, name: str) -> Iterable[Problem]:
    """What is wrong with a variant, at its place in the scenario."""
    try:
        variant(scenario, name)
    except ScenarioError as error:
        for problem in error.problems:
            yield Problem(("variants", name), f"{'.'.join(map(str, problem.path))}: {problem.message}")


def resolve(scenario: Scenario) -> dict:
    """Plain data with all defaults filled in."""
    return scenario.model_dump(mode="json")


def dump(scenario: Scenario) -> str:
    """YAML text; `load(dump(scenario)) == scenario`."""
    return documents.write(resolve(scenario))


def digest(scenario: Scenario) -> str:
    """Hash of the resolved content: equal for equal scenarios, whatever file they came from."""
    canonical = json.dumps(resolve(scenario), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def realise(scenario: Scenario) -> Scenario:
    """The same scenario with the real classes of its kinds, which have `build`; imports jax."""
    return _validated(documents.Document("", resolve(scenario)), real=True)


def sections(scenario: Scenario) -> list[tuple[tuple, Spec]]:
    """All configured sections with their paths."""
    found = [((name,), getattr(scenario, name)) for name in ("system", "dynamics", "task", "run")]
    if scenario.learning is not None:
        found.append((("learning",), scenario.learning))
        found.append((("learning", "rule"), scenario.learning.rule))  # pyright: ignore[reportArgumentType]
    if scenario.design is not None:
        design = scenario.design
        found += [(("design",), design), (("design", "estimator"), design.estimator)]  # pyright: ignore[reportArgumentType]
        found += [(("design", "fallback"), design.fallback)]  # pyright: ignore[reportArgumentType]
        found += [(("design", "objective", i, "observable"), t.observable) for i, t in enumerate(design.objective)]  # pyright: ignore[reportArgumentType]  # noqa: E501
    found += [(("observe", i), observable) for i, observable in enumerate(scenario.observe)]
    return [(path, section) for path, section in found if section is not None]


def split_expectation(name: str) -> tuple[str, str]:
    """Variable and reduction of an expectation's name.

    >>> split_expectation("cross_overlap_final")
    ('cross_overlap', 'final')
    """
    variable, _, reduction = name.rpartition("_")
    return variable, reduction


def library() -> dict[str, Path]:
    """Scenarios found by name: those of ./scenarios, then those that come with the package."""
    here = Path(__file__).resolve().parent
    folders = [here / "_scenarios"]
    if (here.parent / "pyproject.toml").is_file():
        folders.append(here.parent / "scenarios")
    folders.append(Path("scenarios"))
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    return {file.stem: file for file in files}


def find(source: str | Path) -> Path:
    """File meant by a path or by the name of a known scenario."""
    path, text = Path(source), str(source)
    if path.is_file() or path.suffix in (".yaml", ".yml") or path.name != text:
        return path
    known = library()
    if text not in known:
        message = f"no scenario of this name{did_you_mean(text, known)}"
        raise ScenarioError([Problem((), message, text[:80])])
    return known[text]


def schema(family: str | None = None) -> dict:
    """JSON schema of a family's kinds, or of whole scenarios, for editors."""
    if family is not None:
        return TypeAdapter(_union(family)).json_schema()  # pyright: ignore[reportArgumentType]
    learning = create_model("Learning", __base__=Learning, rule=_union("rules"))  # pyright: ignore[reportArgumentType, reportCallIssue]  # noqa: E501
    term = create_model("Term", __base__=Term, observable=_union("observables"))  # pyright: ignore[reportArgumentType, reportCallIssue]  # noqa: E501
    estimator: Any = _union("design")
    wishes: Any = (tuple[term, ...], ...)
    spare: Any = (estimator | None, None)
    design = create_model("Design", __base__=Design, estimator=estimator, fallback=spare, objective=wishes)
    sections = {
        "system": _union("systems"),
        "dynamics": _union("dynamics"),
        "task": (_union("tasks") | None, None),  # pyright: ignore[reportOperatorIssue]
        "learning": (learning | None, None),
        "design": (design | None, None),
        "observe": (list[_union("observables")], []),
    }
    return create_model("Scenario", __base__=Scenario, **sections).model_json_schema()


def _union(family: str):
    if family not in FAMILIES:
        raise InputError(f"unknown family {family!r}{did_you_mean(family, FAMILIES)}")
    union = Spec
    for i, kind in enumerate(kinds(family)):
        config = config_class(family, kind)
        union = config if i == 0 else union | config
    return Annotated[union, Field(discriminator="kind")] if len(kinds(family)) > 1 else union


def _document(source) -> documents.Document:
    if isinstance(source, Scenario):
        return documents.Document("", resolve(source))
    if isinstance(source, dict):
        return documents.Document("", _plain(source))
    if isinstance(source, str) and ("\n" in source or ": " in source):
        return documents.parse(source)
    return documents.read(find(source))


def _plain(source: dict) -> dict:
    try:
        return documents.plain(source)
    except RecursionError:
        raise ScenarioError([Problem((), "nested too deeply, or without end")]) from None


def _validated(document, *, real: bool) -> Scenario:
    try:
        return Scenario.model_validate(document.data, context={"real": real})
    except ValidationError as error:
        raise ScenarioError(_problems(error, document)) from None


def _problems(error: ValidationError, document) -> list[Problem]:
    """Pydantic's complaints in the scenario's own paths; alternatives of one place are joined."""
    messages: dict[tuple, list[str]] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        path = _written(item["loc"], document.data, keep_last=item["type"] in ("missing", "kind"))
        messages.setdefault(path, [])
        if item["msg"] not in messages[path]:
            messages[path].append(item["msg"])
    return [Problem(p, ", or ".join(m), document.place(p)) for p, m in messages.items()]


def _written(loc, data, *, keep_last: bool) -> tuple:
    """The part of a pydantic location that the author wrote, without names of union members."""
    path = ()
    for i, part in enumerate(loc):
        is_list = isinstance(data, list | tuple) and isinstance(part, int)
        if (isinstance(data, dict) and part in data) or (is_list and part < len(data)):  # pyright: ignore[reportArgumentType]  # noqa: E501
            path, data = (*path, part), data[part]  # pyright: ignore[reportOptionalSubscript]
        elif i == 0 and part in Scenario.model_fields:  # a default section
            path, data = (part,), None
        elif keep_last and i == len(loc) - 1:
            path = (*path, part)
    return path


def _cross_checks(scenario: Scenario) -> Iterable[Problem]:
    for path, section in sections(scenario):
        try:
            found = [Problem(tuple(p[0]), str(p[1])) for p in section.check(scenario) or ()]
        except Exception as error:  # a faulty check must not end in a traceback
            what = f"{type(error).__name__}: {error}"
            found = [Problem((), f"its check failed ({what}); this is a fault of the kind")]
        for problem in found:
            absolute = problem.path[:1] and problem.path[0] in Scenario.model_fields
            yield problem if absolute else problem._replace(path=(*path, *problem.path))
    yield from _expectation_checks(scenario)


def _unknown_variants(scenario: Scenario, expected) -> list[str]:
    """Names that bounds choose by, but no variant has."""
    bounds = expected if isinstance(expected, tuple) else (expected,)
    chosen = [str(bound.where[key]) for bound in bounds for key in ("variant", "variant_other") if key in bound.where]
    return [name for name in chosen if name not in scenario.variants]


def _expectation_checks(scenario: Scenario) -> Iterable[Problem]:
    known_variables = scenario.variables if scenario.expect else set()
    for name, expected in scenario.expect.items():
        variable, reduction = split_expectation(name)
        if isinstance(expected, str):
            if name != "source":
                yield Problem(("expect", name), "should give bounds, as in {min: 0.8}")
        elif name == "source":
            yield Problem(("expect", name), "should be text: where the claim comes from")
        elif unknown := _unknown_variants(scenario, expected):
            hint = did_you_mean(unknown[0], scenario.variants)
            yield Problem(("expect", name), f"there is no variant {unknown[0]!r}{hint}")
        elif name in known_variables:
            continue
        elif reduction not in REDUCTIONS:
            known = [f"{variable or name}_{each}" for each in REDUCTIONS]
            message = f"should end in a reduction over steps{did_you_mean(name, known)}"
            yield Problem(("expect", name), message)
        elif variable not in known_variables:
            hint = did_you_mean(variable, known_variables)
            yield Problem(("expect", name), f"{variable!r} is not observed{hint}")

"""Base of everything a scenario configures, and the vocabulary shared by all sections.

`Spec` is a frozen pydantic model that refuses unknown keys, infinities and booleans in the place of
numbers, and says so in the words of the scenario. A section may look at the others after all of
them are known to be well formed::

    class Config(Spec):
        kind: Literal["brownian"]
        dt: float = Field(gt=0, description="time step, sigma^2/D")

        def check(self, scenario):
            if self.dt > 0.1 * scenario.system.patch_width**2:
                yield Problem(("dt",), "too long for the width of the patches; at most ...")

        def build(self): ...

`check` runs without jax, on classes read by `matterlearn.kinds` (how a kind's module is read
without its jax part is written there), so compare sections by `kind`, not by class. A scenario is
`matterlearn.scenario.Scenario`; optional sections (`task`, `learning`) may be None.

A quantity that may change during a run is a `Schedule`: a number, `{ramp: {start, stop, steps}}`
(linear, then constant) or `{cycle: {low, high, period}}`, steps counted in steps of the dynamics.

>>> from typing import Literal
>>> class Heat(Spec):
...     kind: Literal["heat"]
...     kT: PositiveSchedule
>>> Heat(kind="heat", kT={"ramp": {"start": 2.0, "stop": 1.0, "steps": 100}}).kT.ramp.stop
1.0
>>> Heat(kind="heat", kt=1.0)
Traceback (most recent call last):
pydantic_core._pydantic_core.ValidationError: 2 validation errors for Heat
...
"""

import re
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from matterlearn.errors import Problem, did_you_mean
from matterlearn.kinds import FAMILIES, config_class, kinds, load_kind

__all__ = [
    "FAMILIES",
    "Cycle",
    "CycleSpec",
    "NonNegativeSchedule",
    "PositiveSchedule",
    "Problem",
    "Ramp",
    "RampSpec",
    "Schedule",
    "Spec",
    "bounded_schedule",
    "config_class",
    "kinds",
    "load_kind",
    "schedule_range",
]


class Spec(BaseModel):
    """Frozen configuration with readable complaints; see the module's docstring."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    def check(self, scenario: Any) -> Iterable[Problem]:
        """Physics that concerns several sections; called without jax, default: nothing wrong."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data, handler):
        found = [] if not isinstance(data, dict) else list(_booleans(cls, data))
        try:
            result = handler(data)
        except ValidationError as error:
            told = {problem["loc"] for problem in found}  # pyright: ignore[reportTypedDictNotRequiredAccess]
            found += [_reworded(cls, e) for e in error.errors() if e["loc"] not in told]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return result


def _booleans(cls, data):
    """Pydantic takes true for 1; a scenario that says `replicas: true` is mistaken."""
    for name, field in cls.model_fields.items():
        if isinstance(data.get(name), bool) and not _takes(field.annotation, bool):
            yield complaint("bool", f"should not be {str(data[name]).lower()}", (name,))


def _takes(annotation, kind) -> bool:
    if annotation in (kind, Any, object):
        return True
    inside = typing.get_args(annotation)
    return any(isinstance(part, kind) or _takes(part, kind) for part in inside)


_SHAPES = {
    **dict.fromkeys(("model_type", "dict_type"), "should be a section, as in {key: value, ...}"),
    **dict.fromkeys(("tuple_type", "list_type"), "should be a list, as in [a, b]"),
}


def complaint(type_: str, message: str, loc: tuple = (), value: Any = None) -> InitErrorDetails:
    """One line of a `ValidationError` that says exactly `message`."""
    error = PydanticCustomError(type_, "{message}", {"message": message})  # pyright: ignore[reportArgumentType]
    return InitErrorDetails(type=error, loc=loc, input=value)


def _reworded(cls, error) -> InitErrorDetails:
    loc, type_, value = error["loc"], error["type"], error.get("input")
    if "message" in error.get("ctx", {}):  # already in our words, from a nested Spec
        return complaint(type_, error["ctx"]["message"], loc, value)
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    message = re.sub(r", (unable to parse|got a number with).*", "", message)
    if type_ == "extra_forbidden":
        hint = did_you_mean(str(loc[-1]), cls.model_fields) if len(loc) == 1 else ""
        message = f"unknown key {str(loc[-1])[:60]!r}{hint}"
    elif type_ == "missing":
        field = cls.model_fields.get(loc[0]) if len(loc) == 1 else None
        about = f" ({field.description})" if field is not None and field.description else ""
        message = f"missing; this key is needed{about}"
    elif type_ in _SHAPES:
        message = _SHAPES[type_]
    elif type_.startswith("union_tag"):
        message = _unknown_part(error["ctx"])
    elif value is None or isinstance(value, str | int | float):
        message += f"; got {_short(value)}"
    return complaint(type_, message, loc, value)


def _unknown_part(context) -> str:
    """Parts of a section, such as sources of data, are known by one of their keys."""
    key = context["discriminator"].strip("'")
    if "tag" not in context:
        return f"{key} is missing; this key is needed"
    given = str(context["tag"])[:60]
    return f"unknown {key} {given!r}{did_you_mean(given, context['expected_tags'].replace(chr(39), '').split(', '))}"


def _short(value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except ValueError:  # an integer beyond the interpreter's limit of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


class Ramp(Spec):
    """Linear from `start` to `stop` in `steps` steps of the dynamics, then constant."""

    start: float
    stop: float
    steps: int = Field(ge=1, le=10**12)


class Cycle(Spec):
    """Oscillates between `low` and `high` with a `period` in steps of the dynamics."""

    low: float
    high: float
    period: int = Field(ge=1, le=10**12)


class RampSpec(Spec):
    """`{ramp: {start, stop, steps}}`."""

    ramp: Ramp


class CycleSpec(Spec):
    """`{cycle: {low, high, period}}`."""

    cycle: Cycle


def _schedule_tag(value):
    if isinstance(value, RampSpec) or (isinstance(value, dict) and "ramp" in value):
        return "<ramp>"
    if isinstance(value, CycleSpec) or (isinstance(value, dict) and "cycle" in value):
        return "<cycle>"
    return None if isinstance(value, dict | list) else "<number>"


Schedule = Annotated[
    Union[  # noqa: UP007  (members carry tags)
        Annotated[float, Tag("<number>")],
        Annotated[RampSpec, Tag("<ramp>")],
        Annotated[CycleSpec, Tag("<cycle>")],
    ],
    Discriminator(
        _schedule_tag,
        custom_error_type="schedule",
        custom_error_message="should be a number, {ramp: {start, stop, steps}}"
        " or {cycle: {low, high, period}}",
    ),
]


def schedule_range(schedule: "float | RampSpec | CycleSpec") -> tuple[float, float]:
    """Smallest and largest value the schedule takes.

    >>> schedule_range(RampSpec(ramp={"start": 2, "stop": 0.5, "steps": 10}))
    (0.5, 2.0)
    """
    if isinstance(schedule, RampSpec):
        ends = (schedule.ramp.start, schedule.ramp.stop)
    elif isinstance(schedule, CycleSpec):
        ends = (schedule.cycle.low, schedule.cycle.high)
    else:
        ends = (schedule, schedule)
    return min(ends), max(ends)


def bounded_schedule(*, gt: float | None = None, ge: float | None = None, le: float | None = None):
    """A `Schedule` whose every value is above `gt`, at least `ge` and at most `le`."""

    def bound(schedule):
        low, high = schedule_range(schedule)
        for broken, words, limit, value in (
            (gt is not None and not low > gt, "greater than", gt, low),
            (ge is not None and not low >= ge, "greater than or equal to", ge, low),
            (le is not None and not high <= le, "less than or equal to", le, high),
        ):
            if broken:
                message = f"should be {words} {limit:g}; got {value:g}"
                raise PydanticCustomError("bound", "{message}", {"message": message})
        return schedule

    return Annotated[Schedule, AfterValidator(bound)]


NonNegativeSchedule = bounded_schedule(ge=0)
PositiveSchedule = bounded_schedule(gt=0)

"""How values change over training: settings of schedules, and the errors in them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic.fields import FieldInfo

from assume_rl.errors import nearest
from assume_rl.learning.config.names import SCHEDULE_NAMES, OneOf
from assume_rl.truth_values import WithoutTruthValues

ScheduleName = Annotated[str, OneOf("schedule", SCHEDULE_NAMES)]


class Schedule(WithoutTruthValues):
    """How a value changes from its start to its end over training."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    schedule: ScheduleName
    """Form of the change."""
    end: float = Field(0.0, ge=0)
    """Share of the start that is left at the end; of `exponential` more than 0."""
    power: float = Field(2.0, gt=0)
    """Of what is left of training (polynomial)."""
    steps: tuple[tuple[float, float], ...] = ()
    """Share of training that is done, and share of the start from then on (piecewise)."""

    @model_validator(mode="after")
    def _possible(self) -> "Schedule":
        if self.schedule == "exponential" and self.end == 0:
            raise ValueError("an exponential schedule needs an end above 0")
        starts = [start for start, _ in self.steps]
        if (self.schedule == "piecewise") != bool(starts):
            raise ValueError("steps belong to a piecewise schedule, which needs some")
        if starts != sorted(starts):
            raise ValueError("steps must be in the order of training")
        return self


class KlAdaptive(WithoutTruthValues):
    """A learning rate that follows how far policies move, of on-policy algorithms."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    schedule: Literal["kl_adaptive"] = "kl_adaptive"
    """Always `kl_adaptive`."""
    kl: float = Field(0.008, gt=0)
    """Divergence from the policy that acted that is aimed at: above twice it the rate falls."""
    least: float = Field(1e-6, gt=0)
    """Lowest learning rate."""
    most: float = Field(1e-2, gt=0)
    """Highest learning rate."""

    @model_validator(mode="after")
    def _ordered(self) -> "KlAdaptive":
        if self.least > self.most:
            raise ValueError(f"least {self.least:g} is above most {self.most:g}")
        return self


def _schedule(value: Any) -> Any:
    """Refuse the name of a schedule that is unknown, or that needs more than its name."""
    return _named(value, SCHEDULE_NAMES)


def _rate_schedule(value: Any) -> Any:
    """Refuse the same as `_schedule`, except for the schedule that only rates have."""
    if value == "kl_adaptive":
        return KlAdaptive()
    return _named(value, _OF_RATES.choices)


def _named(value: Any, names: Sequence[str]) -> Any:
    if value is None or isinstance(value, Mapping | Schedule | KlAdaptive):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be the name of a schedule or {{schedule: ..., ...}}, not {value!r}")
    if value not in names:
        raise ValueError(f"unknown schedule '{value}', {nearest(value, names)}")
    if value in ("exponential", "piecewise"):
        raise ValueError(f"schedule '{value}' needs more: write {{schedule: {value}, ...}}")
    return value


def _plain(value: Any) -> str:
    """Return which model a schedule of another value than a rate is meant to be."""
    return "Schedule" if isinstance(value, Mapping | Schedule) else "Name"


def _form(value: Any) -> str:
    """Return which model a schedule is meant to be, so that its errors are of that one alone."""
    if isinstance(value, KlAdaptive | Schedule):
        return value.__class__.__name__
    if not isinstance(value, Mapping):
        return "Name"
    return "KlAdaptive" if value.get("schedule") == "kl_adaptive" else "Schedule"


def _forms(value: Any) -> str:
    """Return the same where a mapping by name of networks may stand too."""
    several = isinstance(value, Mapping) and "schedule" not in value
    return "Networks" if several else _form(value)


_OF_RATES = OneOf("schedule", SCHEDULE_NAMES, ("kl_adaptive",))
_Name = Annotated[str, _OF_RATES, Tag("Name")]
_Schedule = Annotated[Schedule, Tag("Schedule")]
AnySchedule = Annotated[
    Annotated[Annotated[ScheduleName, Tag("Name")] | _Schedule, Discriminator(_plain)] | None,
    BeforeValidator(_schedule),
]
_KlAdaptive = Annotated[KlAdaptive, Tag("KlAdaptive")]
RateSchedule = Annotated[
    Annotated[_Name | _Schedule | _KlAdaptive, Discriminator(_form)] | None,
    BeforeValidator(_rate_schedule),
]
_Networks = Annotated[dict[str, RateSchedule], Tag("Networks")]
RateSchedules = Annotated[
    Annotated[_Name | _Schedule | _KlAdaptive | _Networks, Discriminator(_forms)] | None,
    BeforeValidator(_rate_schedule),
]
FORMS: dict[str, Mapping[str, FieldInfo]] = {
    "Name": {},
    "Schedule": Schedule.model_fields,
    "KlAdaptive": KlAdaptive.model_fields,
    "Networks": {},
}
"""Words that pydantic puts between the keys of an error, no user's: keys that each has."""

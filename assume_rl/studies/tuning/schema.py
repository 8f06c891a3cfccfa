"""Keys of a tune file, with their only defaults; docs/how-to/tune.md explains them."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from assume_rl.durations import duration_seconds
from assume_rl.scenario.config.section import Section
from assume_rl.studies.schema import StudyKeys
from assume_rl.studies.sections import Law, StepEntry, listed, or_nested, or_one, short_form
from assume_rl.studies.tuning.objective import check_metric

ByEvaluations = Literal["reward", "profit", "regret", "exploitability"]
SamplerName = Literal["tpe", "random"]
PrunerName = Literal["median", "none"]


class Objective(Section):
    """The figure that is to be best: one of `maximize` and `minimize`."""

    maximize: str | None = None
    """Metric of the study database that is to be high, mean over the seeds."""
    minimize: str | None = None
    """Metric that is to be low, likewise."""
    step: str | None = None
    """Step that the metric is from; by default the last one."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("must have either maximize or minimize, with a metric")
        check_metric(self.metric)
        return self

    @property
    def metric(self) -> str:
        """Return its name in the study database."""
        return self.maximize or self.minimize or ""


class Sampler(Section):
    """Which settings are tried next."""

    model_config = ConfigDict(json_schema_extra=short_form({"enum": ["tpe", "random"]}))

    name: SamplerName = "tpe"
    """`tpe` looks where trials were good; `random` does not look at them."""
    seed: int = Field(0, ge=0)
    """Of its draws; another one gives other trials."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Pruner(Section):
    """Which trials are stopped before they end."""

    model_config = ConfigDict(json_schema_extra=short_form({"enum": ["median", "none"]}))

    name: PrunerName = "median"
    """`median` stops a trial that is worse than the median of the complete ones."""
    by: ByEvaluations | None = None
    """Figure of evaluations; by default that of the objective, where evaluations have it."""
    startup_trials: int = Field(5, ge=1)
    """Complete trials before one is stopped."""
    warmup_evaluations: int = Field(0, ge=0)
    """Evaluations after which no trial is stopped yet."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class TuneFile(StudyKeys):
    """A search of settings: the keys of study files, with trials in place of designs."""

    kind: ClassVar[str] = "tune"

    space: dict[str, Law] = Field(min_length=1, json_schema_extra=or_nested)
    """Values that each setting may take, by dotted key, as in `random.keys` of a study file."""
    objective: Objective
    """The figure that is to be best."""
    trials: int = Field(gt=0)
    """How many settings are tried, those that are pruned included."""
    timeout: str | None = None
    """Duration after which no trial is begun, such as 2h, from each start of the command on."""
    sampler: Sampler = Field("tpe", validate_default=True)
    """Which settings are tried next: tpe or random."""
    pruner: Pruner = Field("none", validate_default=True)
    """Which trials are stopped early: median or none."""
    steps: Annotated[tuple[StepEntry, ...], BeforeValidator(listed)] = Field(
        ("train",), min_length=1, validate_default=True, json_schema_extra=or_one
    )
    """What every trial does with each seed, one after the other."""

    @field_validator("space")
    @classmethod
    def _no_repetition(cls, space: dict[str, Law]) -> dict[str, Law]:
        for key, law in space.items():
            values = law.choice or ()
            for i, value in enumerate(values):
                if value in values[:i]:
                    raise ValueError(f"{key} has the value {value!r} twice")
        return space

    @field_validator("timeout")
    @classmethod
    def _is_duration(cls, timeout: str | None) -> str | None:
        if timeout is not None:
            duration_seconds(timeout)
        return timeout

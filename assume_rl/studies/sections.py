"""Sections of a study file; `schema` has the file itself."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from assume_rl.scenario.config.section import Section
from assume_rl.studies.merge import flat
from assume_rl.studies.types import StepKind

Which = Literal["last", "best_reward", "best_profit", "best_regret", "best_exploitability"]
JsonSchema = dict[str, Any]


def short_form(short: JsonSchema) -> Callable[[JsonSchema], None]:
    """Return a change of a section's JSON schema that allows a shorter form as well."""

    def extend(schema: JsonSchema) -> None:
        full = dict(schema)
        schema.clear()
        schema["anyOf"] = [short, full]

    return extend


def or_one(schema: JsonSchema) -> None:
    """Change the JSON schema of a list to accept a single item too."""
    full = {key: schema.pop(key) for key in ("type", "items", "minItems") if key in schema}
    schema["anyOf"] = [full["items"], full]


def or_nested(schema: JsonSchema) -> None:
    """Change the JSON schema of values by dotted key to accept nested sections too."""
    schema["additionalProperties"] = {"anyOf": [schema["additionalProperties"], {"type": "object"}]}


def listed(value: Any) -> Any:
    """Return a single item as a list."""
    return [value] if isinstance(value, str | Mapping) else value


Settings = Annotated[dict[str, Any], BeforeValidator(flat)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(json_schema_extra=or_one)]
Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class ScenarioFolder(Section):
    """A scenario folder, and which of its cases to run."""

    model_config = ConfigDict(json_schema_extra=short_form({"type": "string"}))

    folder: str
    """Relative to the study file."""
    cases: Names = ()
    """Study cases; by default those that the study file names for all."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"folder": value} if isinstance(value, str) else value


class Design(Section):
    """One of the designs that are compared, with settings of its own."""

    name: str = Field(min_length=1)
    """Its label in results."""
    set: Settings = Field({})
    """Settings by dotted key, over those of all runs."""
    policies: str | None = None
    """Folder of policies, relative to the study file, for steps that have none from a training."""


LAWS = ("uniform", "log_uniform", "integer", "log_integer", "choice")
"""Keys of a `Law` of which it has exactly one."""


class Law(Section):
    """Which values a setting takes: exactly one of `LAWS`, some of them in steps."""

    uniform: tuple[float, float] | None = None
    """Between two numbers, all equally likely."""
    log_uniform: tuple[float, float] | None = None
    """Between two positive numbers, all orders of magnitude equally likely."""
    integer: tuple[int, int] | None = None
    """A whole number from the first to the second, both included."""
    log_integer: tuple[int, int] | None = None
    """A positive whole number, all orders of magnitude equally likely."""
    choice: Values | None = None
    """One of these."""
    step: float | None = Field(None, gt=0)
    """Of `uniform` and `integer`: only the first number and whole steps from it on."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the least and the greatest value; None of a `choice`."""
        return self.uniform or self.log_uniform or self.integer or self.log_integer

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in LAWS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"must be exactly one of {', '.join(LAWS)}, not {len(given)} of them")
        bounds = self.bounds
        if bounds is not None and bounds[0] >= bounds[1]:
            raise ValueError(f"{given[0]}: {bounds[0]:g} is not below {bounds[1]:g}")
        if given[0].startswith("log_") and bounds is not None and bounds[0] <= 0:
            raise ValueError(f"{given[0]}: {bounds[0]:g} is not above 0")
        self._check_step(given[0])
        return self

    def _check_step(self, given: str) -> None:
        """Raise `ValueError` unless whole steps lead from one bound to the other."""
        if self.step is None:
            return
        if given not in ("uniform", "integer"):
            raise ValueError(f"step: {given} has none, but uniform and integer have")
        if given == "integer" and self.step != round(self.step):
            raise ValueError(f"step: must be a whole number for integer, not {self.step:g}")
        assert self.bounds is not None
        low, high = self.bounds
        steps = (high - low) / self.step
        if abs(steps - round(steps)) > 1e-9 * steps:
            raise ValueError(f"step: {high:g} is not whole steps of {self.step:g} from {low:g} on")


class Draws(Section):
    """Designs with settings drawn at random."""

    count: int = Field(gt=0)
    """How many designs."""
    seed: int = 0
    """Of the draws; another one gives other designs."""
    keys: dict[str, Law] = Field(min_length=1, json_schema_extra=or_nested)
    """Law of each setting, by dotted key."""


class StepOptions(Section):
    """A step that is not as usual."""

    name: str | None = None
    """Its name in results; by default what it does."""
    case: str | None = None
    """Another study case of the same scenario."""
    policies: str | None = None
    """Name of an earlier training of the same run, or a folder, relative to the study file."""
    which: Which | None = None
    """Which policies of that training; its last ones by default."""
    set: Settings = Field({})
    """Settings by dotted key, over all others."""


class StepEntry(Section):
    """One step of every run: train, run or evaluate."""

    model_config = ConfigDict(json_schema_extra=short_form({"enum": ["train", "run", "evaluate"]}))

    train: StepOptions | None = None
    """Trains the learning bidders."""
    run: StepOptions | None = None
    """Runs the case without training."""
    evaluate: StepOptions | None = None
    """Scores finished policies."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        if not isinstance(value, Mapping):
            return value
        return {key: {} if options is None else options for key, options in value.items()}

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"must be one of train, run, evaluate, not {len(given)} of them")
        return self

    @property
    def kind(self) -> StepKind:
        """Return the kind of the step."""
        return "train" if self.train else "run" if self.run else "evaluate"

    @property
    def options(self) -> StepOptions:
        """Return the options of the step."""
        found = self.train or self.run or self.evaluate
        assert found is not None
        return found

"""Keys of a study file, with their only defaults; docs/batch.md explains their effects."""

import math
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from assume_rl.experiments.engines import EngineName
from assume_rl.scenario.config.section import Section
from assume_rl.seeds import MOST_SEED
from assume_rl.studies.sections import (
    Design,
    Draws,
    Names,
    ScenarioFolder,
    Settings,
    StepEntry,
    Values,
    listed,
    or_nested,
    or_one,
)


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"must be at least 1, not {value}")
        if value > MOST_SEED:
            raise ValueError(f"must be below 2**63, not {value}")
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"must be a number of seeds or a list of them, not {value!r}")
    wrong = [s for s in value if isinstance(s, bool) or not isinstance(s, int) or s < 0]
    if wrong:
        raise ValueError(f"a seed must be a whole number from 0 on, not {wrong[0]!r}")
    if max(value) > MOST_SEED:
        raise ValueError(f"a seed must be below 2**63, not {max(value)}")
    if len(set(value)) < len(value):
        raise ValueError("a seed is written twice")
    return value


class StudyKeys(Section):
    """The common keys of study files and tune files."""

    kind: ClassVar[str] = "study"  # of file, as messages name it

    name: str | None = None
    """Name of the study; by default that of its file."""
    include: Names = ()
    """Study files whose keys this one takes over and may replace; relative to it."""
    scenarios: Annotated[tuple[ScenarioFolder, ...], BeforeValidator(listed)] = Field(
        min_length=1, json_schema_extra=or_one
    )
    """Scenario folders, relative to the study file."""
    cases: Names = ()
    """Study cases to run of every scenario; by default the first one."""
    plugins: Names = ()
    """Files of plug-ins, relative to the study file, and names of entry points; they are code."""
    set: Settings = Field({})
    """Settings of all runs by dotted key."""
    seeds: Annotated[int | tuple[int, ...], BeforeValidator(_seeds)] = 1
    """How many seeds, from the case's own on, or the seeds themselves."""
    steps: Annotated[tuple[StepEntry, ...], BeforeValidator(listed)] = Field(
        ("run",), min_length=1, validate_default=True, json_schema_extra=or_one
    )
    """What every run does, one after the other; by default it runs the case."""
    engine: EngineName = "auto"
    """Shell that plays the markets: auto, agents or batch."""
    device: str | None = Field(None, pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where networks train; by default the case's `learning_config.device`."""
    database: str | None = None
    """SQLAlchemy URL of the study database; by default `study.db` in `out`."""
    track: Names = ()
    """Trackers of trainings, such as tensorboard."""
    out: str | None = None
    """Folder of the results, relative to the working directory; by default studies/<name>."""


class StudyFile(StudyKeys):
    """A study: scenarios x cases x designs x seeds, and the steps of each."""

    list: tuple[Design, ...] = Field((), min_length=1)
    """Designs written out, each with a name."""
    grid: dict[str, Values] = Field({}, json_schema_extra=or_nested)
    """Lists of values by dotted key: every combination is a design."""
    zip: dict[str, Values] = Field({}, json_schema_extra=or_nested)
    """Lists of equal length by dotted key: the first values make a design, the second ones, ..."""
    random: Draws | None = None
    """Designs drawn at random."""

    @property
    def designs(self) -> int:
        """Return the number of designs that each case of each scenario is run with."""
        rows = max(map(len, self.zip.values()), default=1)
        drawn = self.random.count if self.random else 1
        return max(len(self.list), 1) * math.prod(map(len, self.grid.values())) * rows * drawn

    @field_validator("grid")
    @classmethod
    def _no_repetition(cls, grid: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for key, values in grid.items():
            for i, value in enumerate(values):
                if value in values[:i]:
                    raise ValueError(f"{key} has the value {value!r} twice")
        return grid

    @field_validator("zip")
    @classmethod
    def _equal_length(cls, lists: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        lengths = {key: len(values) for key, values in lists.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            raise ValueError(f"the lists must be equally long, but {listed}")
        return lists

    @field_validator("list")
    @classmethod
    def _names_differ(cls, designs: tuple[Design, ...]) -> tuple[Design, ...]:
        names = [design.name for design in designs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two designs are called '{name}'")
        return designs

    @model_validator(mode="after")
    def _varied_once(self) -> Self:
        drawn = self.random.keys if self.random else {}
        places: dict[str, str] = {}
        for place, keys in (("grid", self.grid), ("zip", self.zip), ("random", drawn)):
            for key in keys:
                if key in places:
                    raise ValueError(f"{place}.{key} is in {places[key]} too")
                places[key] = place
        for design in self.list:
            for key in design.set.keys() & places.keys():
                raise ValueError(
                    f"{places[key]}.{key} is set by the design '{design.name}' of the list too"
                )
        return self

"""The steps that a study file asks for, before they belong to a scenario."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError, nearest
from assume_rl.scenario.config.overrides import as_text
from assume_rl.studies.cells import Cell
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.sections import StepEntry
from assume_rl.studies.types import Step, StepKind


@dataclass(frozen=True)
class StepPlan:
    """One step of every run."""

    where: str  # its place in the study file
    name: str
    kind: StepKind
    case: str | None  # None: the cell's
    training: str | None  # name of the step whose policies it takes
    policies: str | None  # folder, absolute; None: that of the design, if there is one
    which: str
    set: Mapping[str, Any]

    def step(self, cell: Cell, file: StudyFile, base: Path) -> Step:
        """Return the step of a cell; relative paths start at `base`."""
        design = cell.design.policies if cell.design else None
        folder = self.policies or (design and str(base / design))
        settings = {**cell.settings(file), **self.set}
        return Step(
            name=self.name,
            kind=self.kind,
            scenario=cell.folder,
            case=cell.case if self.case is None else self.case,
            settings={key: _override(key, value, base) for key, value in settings.items()},
            policies=self.training or folder or None,
            which=self.which,
        )


def plan_steps(file: StudyFile, base: Path) -> tuple[StepPlan, ...]:
    """Return all steps, with names, policies and their order checked.

    :raises ConfigurationError: with the place in the file.
    """
    plans: list[StepPlan] = []
    for number, entry in enumerate(file.steps):
        plan = _plan(f"steps.{number}.{entry.kind}", entry, plans, base)
        if plan.name in {other.name for other in plans}:
            raise ConfigurationError(
                f"{plan.where}: two steps are called '{plan.name}'; give this one a name"
            )
        plans.append(plan)
    return tuple(plans)


def _plan(where: str, entry: StepEntry, before: Sequence[StepPlan], base: Path) -> StepPlan:
    options, trainings = entry.options, [plan.name for plan in before if plan.kind == "train"]
    name = options.name or entry.kind
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name == "stored":
        raise ConfigurationError(f"{where}.name: '{name}' is not the name of a folder for results")
    training = folder = None
    if options.policies is None:
        training = trainings[-1] if trainings and entry.kind != "train" else None
    elif options.policies in trainings:
        training = options.policies
    elif (base / options.policies).is_dir():
        folder = str(base / options.policies)
    else:
        valid = f"; {nearest(options.policies, trainings)}" if trainings else ""
        raise ConfigurationError(
            f"{where}.policies: there is no earlier training and no folder "
            f"'{options.policies}'{valid}"
        )
    if options.which is not None and training is None:
        raise ConfigurationError(f"{where}.which: there is no earlier training to choose from")
    return StepPlan(
        where=where,
        name=name,
        kind=entry.kind,
        case=options.case,
        training=training,
        policies=folder,
        which=options.which or "last",
        set=options.set,
    )


def _override(key: str, value: Any, base: Path) -> Any:
    """Return a value as `load_scenario` takes it: paths absolute, and text as text."""
    if not isinstance(value, str):
        return value
    return as_text(str(base / value) if is_path(key) else value)


def is_path(key: str) -> bool:
    """Return whether the text of a setting is a path, which is relative to the study file."""
    return key.endswith("_path") or key.startswith("policies.")

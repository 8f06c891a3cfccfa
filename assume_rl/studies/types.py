"""A study laid out before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assume_rl.experiments.engines import EngineName
from assume_rl.scenario.found_plugins import Plugin

StepKind = Literal["train", "run", "evaluate"]


@dataclass(frozen=True)
class Step:
    """One experiment of a run: one call of `assume-rl train`, `run` or `evaluate`."""

    name: str  # different from those of the run's other steps; names its folder
    kind: StepKind
    scenario: Path  # folder, absolute
    case: str
    settings: Mapping[str, Any]  # overrides by dotted key, paths absolute
    policies: str | None = None  # name of an earlier training step, or an absolute folder
    which: str = "last"  # of that training's policies: last, best_reward, best_profit, ...
    plugins: tuple[Plugin, ...] = ()  # of the study and of the study case

    @property
    def plugin_names(self) -> tuple[str, ...]:
        """Return the plug-ins to load before the scenario is read."""
        return tuple(plugin.name for plugin in self.plugins)


@dataclass(frozen=True)
class Run:
    """One cell of a study with one seed: its steps, one after the other."""

    id: str  # what is run, as a hash: a changed configuration is another run
    design: str  # label of the cell; the seeds of a cell have it in common
    parameters: Mapping[str, str | int | float | bool | None]  # what differs between cells
    seed: int
    steps: tuple[Step, ...]
    engine: EngineName = "auto"
    device: str = "auto"


@dataclass(frozen=True)
class Study:
    """Everything that one study file asks for."""

    name: str
    file: Path
    runs: tuple[Run, ...]
    folder: Path  # where results go
    database: str | None  # SQLAlchemy URL; None: `study.db` in the folder
    track: tuple[str, ...] = ()  # trackers beside `metrics.jsonl`, e.g. tensorboard

    def __post_init__(self) -> None:
        ids = [run.id for run in self.runs]
        if len(set(ids)) < len(ids):
            raise ValueError("two runs of a study are the same")

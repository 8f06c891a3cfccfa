"""What a report is made of: facts about runs, and sections of charts, tables and gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

Figure: TypeAlias = Any
"""A `plotly.graph_objects.Figure`; plotly is an extra, imported where figures are drawn."""


@dataclass(frozen=True)
class RunInfo:
    """A run as its row in the table of runs has it."""

    run_id: str
    state: str
    steps: tuple[str, ...] = ("",)  # names; a run that is one experiment has one without name
    design: str = ""
    kind: str = ""  # train, run, evaluate
    scenario: str = ""
    case: str = ""
    seed: int | None = None
    engine: str = ""
    device: str = ""
    started: str = ""
    seconds: float | None = None
    final_hash: str | None = None
    configuration_hash: str | None = None
    error: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A figure and the words below it."""

    kind: ClassVar[str] = "chart"
    title: str
    figure: Figure
    caption: str
    run_ids: tuple[str, ...]  # of everything that is drawn
    name: str  # short: of its PNG, and of its place in the page
    wide: bool = False  # has the width of the page for itself; others stand side by side


@dataclass(frozen=True)
class Grid:
    """A table; cells are text or numbers."""

    kind: ClassVar[str] = "grid"
    title: str  # empty: it belongs to the chart above it
    columns: tuple[str, ...]  # a name may have several lines
    rows: Sequence[Sequence[object]]
    caption: str = ""
    by_row: bool = False  # numbers of a row belong together, not those of a column


@dataclass(frozen=True)
class Fact:
    """A number of the first screen."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Lead:
    """The answer in words and in a few numbers."""

    kind: ClassVar[str] = "lead"
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Omitted:
    """A figure that is not there, and why."""

    kind: ClassVar[str] = "omitted"
    title: str
    reason: str


Item = Chart | Grid | Omitted | Lead


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    items: tuple[Item, ...]
    lead: str = ""  # how to read it

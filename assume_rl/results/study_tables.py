"""Tables of a study database: the runs of a study, and the rows of all its runs side by side.

Beside `runs`, `metrics` and `episodes` it has every table of `results.tables` that a step of a run
writes, with `run_id` and `step` in front.
"""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, MetaData, Table, Text

from assume_rl.results import tables

DECLARED = MetaData()
"""The tables that are declared so far; `study_metadata` has those of all unit kinds."""

# What a step's own database says of it as a whole; `runs` says it of the study's runs.
NOT_COLLECTED = frozenset({"runs"})

# Columns whose own name would be taken for the step of a run.
RENAMED = {"step": "iteration"}


def _run() -> Column[object]:
    return Column("run_id", Text, nullable=False)


def _step() -> Column[object]:
    return Column("step", Text, nullable=False, comment="name of the step in the run")


def _text(name: str, comment: str = "") -> Column[object]:
    return Column(name, Text, comment=comment or None)


def _number(name: str, comment: str = "") -> Column[object]:
    return Column(name, Float, comment=comment or None)


def _count(name: str, comment: str = "") -> Column[object]:
    return Column(name, BigInteger, comment=comment or None)


def _date(name: str) -> Column[object]:
    return Column(name, DateTime, comment="UTC")


RUNS = Table(
    "runs",
    DECLARED,
    Column("run_id", Text, primary_key=True, comment="hash of what was run"),
    _text("study"),
    _text("design", "label of the cell; its seeds have it in common"),
    _text("scenario", "of the first step, name of the folder"),
    _text("case", "of the first step"),
    _count("seed"),
    _text("steps", "JSON: name, kind, scenario and case of each"),
    _text("engine"),
    _text("device"),
    _text("state", "finished, failed or, by a tuning, pruned"),
    _text("error"),
    _count("attempts"),
    _date("started"),
    _date("finished"),
    _number("seconds", "real time"),
    _text("host"),
    _text("final_hash", "sha256 over the steps' final hashes; empty unless all finished"),
    _text("configuration_hash", "sha256 over the steps' configuration hashes; likewise"),
    _text("parameters", "JSON: what differs between the cells"),
    _text("versions", "JSON"),
)
METRICS = Table("metrics", DECLARED, _run(), _step(), _text("name"), _number("value"))
EPISODES = Table(
    "episodes",
    DECLARED,
    _run(),
    _step(),
    _count("episode", "of the training or, in evaluations, of the evaluation"),
    Column("evaluation", Boolean),
    _number("reward", "sum over the calendar, mean over the agents"),
    _number("profit", "EUR, all agents"),
    _number("regret", "EUR, all agents"),
    _number("exploitability", "EUR, of an evaluation, where it is known"),
    _number("movement", "of policies since the evaluation before"),
)


def study_metadata() -> MetaData:
    """Return the tables of studies, those of all unit kinds among them."""
    tables.load_unit_kinds()
    return DECLARED


def tables_with(name: str) -> MetaData:
    """Return the tables of studies with one called `name`, if there is one.

    Those of unit kinds are among them only if it is not among the others.
    """
    return DECLARED if name in DECLARED.tables else study_metadata()


def study_name(column: str) -> str:
    """Return the name in a study database of a result table's column."""
    return RENAMED.get(column, column)


def study_column(table: str, name: str) -> Column[object]:
    """Return a column of a study table, also one of a family; `ValueError` if there is none."""
    found = tables_with(table).tables[table].columns
    if name in found:
        return found[name]
    return tables.column_of(tables.table_of(table), name)


def side_by_side(source: Table) -> None:
    """Add a result table as studies have it: with `run_id` and `step` in front."""
    own = [Column(study_name(c.name), c.type, comment=c.comment) for c in source.columns]
    _indexed(Table(source.name, DECLARED, _run(), _step(), *own))


def _indexed(table: Table) -> None:
    Index(f"{table.name}_run_id", table.columns["run_id"])


def collected() -> list[str]:
    """Return the tables whose rows are copied from the databases of the steps."""
    return _collected(tables.metadata())


def _collected(declared: MetaData) -> list[str]:
    return [name for name in declared.tables if name not in NOT_COLLECTED]


for _own in (METRICS, EPISODES):
    _indexed(_own)
for _name in _collected(tables.DECLARED):
    side_by_side(tables.table_of(_name))

"""What `assume-rl batch` prints: what a study would cost, how far it is, what it has come to."""

from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assume_rl.cli.batch_progress import named
from assume_rl.cli.pace import duration
from assume_rl.cli.tables import numbers
from assume_rl.results.gather import ENDED
from assume_rl.results.secrets import shown_place
from assume_rl.studies.driver import StudyResult
from assume_rl.studies.estimate import Cost, Estimate
from assume_rl.studies.jobs import Outcome
from assume_rl.studies.status import Stage, Status
from assume_rl.studies.types import Study

SHOWN = 20  # failures that are printed one by one
STAGES: tuple[Stage, ...] = get_args(Stage)


def print_status(console: Console, study: Study, status: Status) -> None:
    """Print counts by design, then every run that is at work, stopped or failed."""
    _print_designs(console, status)
    for row in status.rows:
        if row.stage not in ("waiting", "finished"):
            _print(console, f"{row.stage}: {named(row.run)} ({row.run.id}): {row.detail}")
    ended = [row for row in status.rows if row.stage in ENDED]
    missing = sum(not row.stored for row in ended)
    if missing:
        _print(console, f"{missing} runs that have ended are not in the study database yet")
    _print(console, f"results: {study.folder}")


def print_estimate(console: Console, estimated: Estimate, workers: int) -> None:
    """Print the runs of each design and what they would cost."""
    table = Table("design", *numbers(["runs", "finished", "a run takes"]), "known from")
    for design, own in _by_design(estimated).items():
        mean = sum(cost.seconds for cost in own) / len(own)
        source = "finished runs" if own[0].measured else "a short trial"
        counts = (str(len(own)), str(sum(cost.finished for cost in own)))
        table.add_row(escape(design), *counts, duration(mean), source)
    console.print(table)
    left = sum(not cost.finished for cost in estimated.costs)
    _print(
        console,
        f"{len(estimated.costs)} runs, {left} to do: about {duration(estimated.total)} of one "
        f"processor; with --workers {workers} about {duration(estimated.with_workers(workers))}, "
        "if there are as many free processors. This is an estimate.",
    )


def _by_design(estimated: Estimate) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {}
    for cost in estimated.costs:
        found.setdefault(cost.run.design, []).append(cost)
    return found


def print_result(console: Console, study: Study, result: StudyResult) -> None:
    """Print counts by design, what failed and why, where results are and what to do next."""
    _print_designs(console, result.status)
    errors = Console(stderr=True)
    _print_failures(errors, result.failures)
    if result.not_stored:
        _print(
            errors,
            f"not all runs are in the study database yet: {result.not_stored}; their folders hold "
            "everything, and the same command stores them",
        )
    shown = shown_place(result.database)
    _print(console, f"results: {study.folder}")
    _print(console, f"study database: {shown}")
    _print(console, f"next: assume-rl report {study.folder}")


def _print_failures(console: Console, failures: tuple[Outcome, ...]) -> None:
    for outcome in failures[:SHOWN]:
        _print(console, f"failed: {named(outcome.run)} ({outcome.run.id}): {outcome.error}")
    if len(failures) > SHOWN:
        _print(console, f"and {len(failures) - SHOWN} more: see --status")
    if failures:
        _print(console, "the same command tries them again")


def _print_designs(console: Console, status: Status) -> None:
    """Return a row per design, with a column for every stage that any run is at."""
    counts = status.counts
    stages = [stage for stage in STAGES if counts.get(stage) or stage == "finished"]
    table = Table("design", *numbers([*stages, "of"]))
    for design, own in status.designs.items():
        counted = [str(own.get(stage, 0)) for stage in stages]
        table.add_row(escape(design), *counted, str(sum(own.values())))
    console.print(table)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""What the answers of all kinds of runs have in common."""

from collections.abc import Sequence

from assume_rl.reports.types import RunInfo


def subject(runs: Sequence[RunInfo]) -> str:
    """Return what was run."""
    kinds = {"train": "Training", "run": "Simulation", "evaluate": "Evaluation"}
    kind = runs[0].kind.split(", ")[0] if runs else ""
    scenario, case = (runs[0].scenario, runs[0].case) if runs else ("", "")
    return f"{kinds.get(kind, 'Run')} of scenario {scenario}, case {case}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things; `many`: their plural, if it is irregular."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"

"""Learning curves of all runs."""

from collections.abc import Iterator

import pandas as pd

from assume_rl.reports.figures.learning import ALONE, DRAWN, learning_curves, points_each
from assume_rl.reports.source.source import Source
from assume_rl.reports.types import Chart, Item, Omitted, Section

QUANTITIES = {  # by column: name of the axis, and what it is
    "reward": ("reward", "Reward, summed over the calendar, mean over the agents"),
    "profit": ("profit (EUR)", "Profit of all learned bidders"),
    "regret": ("regret (EUR)", "Regret of all learned bidders"),
    "exploitability": ("exploitability (EUR)", "The most that one learner could gain alone"),
    "movement": (
        "change of actions",
        "How far actions on fixed observations have moved since the evaluation before, on average",
    ),
}


def learning_section(source: Source) -> Section:
    """Charts of evaluations and of training, from `metrics.jsonl` or a study's `episodes`."""
    if source.curves.empty:
        reason = "no training was recorded (no lines in metrics.jsonl, no rows in episodes)"
        return Section("Learning", (Omitted("Learning curves", source.missing(reason)),))
    counted = "number of the evaluation"
    known = source.curves
    # A study database does not say when evaluations came.
    if not source.is_study and not known["evaluation"].all():
        counted, known = "training episodes done", _by_training(known)
    designs = {run.run_id: run.design or source.title for run in source.runs}
    curves = known.assign(design=known["run_id"].map(designs))
    steps = list(dict.fromkeys(curves["step"]))
    items: list[Item] = []
    for step in steps:
        own = curves[curves["step"] == step]
        where = f", step {step}" if len(steps) > 1 else ""
        learned = own["evaluation"].astype(bool)
        items += _charts(own[learned], "in evaluations", counted, where)
        items += _charts(own[~learned], "while training", "number of the episode", where)
    return Section("Learning", tuple(items))


def _by_training(curves: pd.DataFrame) -> pd.DataFrame:
    """Evaluations by how many lines of training come before them; `curves`: as written.

    Of evaluations between which nothing was trained, the last one counts.
    """
    learned = curves["evaluation"].astype(bool)
    done = (~learned).groupby([curves["run_id"], curves["step"]]).cumsum()
    placed = curves.assign(episode=curves["episode"].mask(learned, done))
    return placed.drop_duplicates(["run_id", "step", "evaluation", "episode"], keep="last")


def _charts(rows: pd.DataFrame, when: str, counted: str, where: str) -> Iterator[Item]:
    """A chart per quantity."""
    if rows.empty:
        yield Omitted(f"Learning curves {when}{where}", "there were no such episodes")
        return
    if rows["episode"].nunique() == 1:
        yield Omitted(f"Learning curves {when}{where}", "one episode makes no curve")
        return
    for column, (axis, meaning) in QUANTITIES.items():
        values = rows.assign(value=rows[column].astype(float)).dropna(subset="value")
        designs = list(dict.fromkeys(values["design"]))
        curves = values[values["design"].isin(designs[:DRAWN])]
        if curves.empty:
            continue
        rest = f" The first {DRAWN} of {len(designs)} designs are drawn."
        more = rest if len(designs) > DRAWN else ""
        yield Chart(
            f"{column.capitalize()} {when}{where}",
            learning_curves(curves, counted, axis),
            f"{meaning}. {_bands(curves)}{_thinned(curves)}{more}",
            tuple(dict.fromkeys(curves["run_id"])),
            f"{column}-{when}{where}",
        )


def _thinned(curves: pd.DataFrame) -> str:
    """What is said of episodes that are not drawn."""
    found = curves.groupby("design")["episode"].nunique()
    limit, most = points_each(len(found)), int(found.max())
    if most <= limit:
        return ""
    return f" Thinned out: {limit:,} of {most:,} episodes are drawn, evenly apart."


def _bands(curves: pd.DataFrame) -> str:
    runs = curves.groupby("design")["run_id"].nunique()
    if runs.max() == 1:
        return "One run per line, so nothing can be said of how much seeds differ."
    many = f", single runs thin (up to {ALONE} a design)" if runs.min() <= ALONE else ""
    return (
        f"Interquartile mean over {_span(runs)} runs of a design; the band is its point-wise 95 % "
        f"bootstrap interval{many}. Where runs ended early, later points rest on fewer of them."
    )


def _span(runs: pd.Series) -> str:
    low, high = int(runs.min()), int(runs.max())
    return str(low) if low == high else f"{low} to {high}"

"""Designs of a study compared, and how far runs are from the best response."""

import math
from collections.abc import Iterator

import pandas as pd

from assume_rl.errors import AssumeRlError
from assume_rl.evaluation.gap import (
    NO_SHARE,
    PROFIT_GAP,
    REWARD_GAP,
    SHARE,
    TWO_PRICES,
    is_above_all,
    share_text,
)
from assume_rl.reports.figures.comparison import DRAWN, designs_compared, gaps_to_best
from assume_rl.reports.figures.learning import DRAWN as LINES
from assume_rl.reports.figures.profiles import performance_profiles
from assume_rl.reports.markup import number
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.topics.runs import axis_name, of_learner
from assume_rl.reports.types import Chart, Grid, Item, Omitted, Section
from assume_rl.studies.comparison import Comparison, compare

COLUMNS = ("design", "runs", "IQM", "low", "high", "median", "lowest", "highest", "run ids")
GAP_COLUMNS = ("design", "step", "gap in reward", "gap in EUR", "share of best reward", "run ids")
SAME = 1e-9  # relative; sums may differ in their last digits
PROFITS = ("profit", "total_profit")  # of learned bidders or, where there are none, of all sellers


def comparison_section(source: Source) -> Section:
    """A chart and a table for each metric that a study has, step by step."""
    title = "Comparison of designs"
    if source.metrics.empty:
        return Section(title, (Omitted(title, source.missing("no figures are stored")),))
    pairs = source.metrics[["step", "name"]].drop_duplicates().itertuples(index=False, name=None)
    order = list(dict.fromkeys(step for run in source.runs for step in run.steps))
    chosen = [(s, name) for s, name in pairs if not _of_policies(name) and not of_learner(name)]
    chosen.sort(key=lambda pair: order.index(pair[0]), reverse=True)  # evaluations first
    names = {name for _, name in chosen}
    profit = next((name for name in PROFITS if name in names), None)
    items = [item for step, name in chosen for item in _metric(source, step, name, name == profit)]
    return Section(title, tuple(items))


def best_response_section(source: Source) -> Section:
    """Show how far runs stay behind what a single learner could have earned, where it is known."""
    title = "Gap to the exact best response"
    known = _gaps(source)
    if known.empty:
        reason = (
            "known only of one learning plant in one market, without ramps or start costs; not of "
            "a storage, which can sell what it bought before"
        )
        return Section(title, (Omitted(title, source.missing(reason)),))
    names = {run.run_id: run.design or source.title for run in source.runs}
    several = known["step"].nunique() > 1
    shared = known[known[SHARE].notna()]
    shares = [
        (names[run] + (f", step {step}" if several else ""), run, share)
        for run, step, share in shared[["run_id", "step", SHARE]].itertuples(index=False)
    ]
    items: list[Item] = []
    if shares:
        chart = Chart(
            title,
            gaps_to_best(shares),
            f"1 less {SHARE}: the share that the run missed of the reward of the exact best "
            "response to everybody else's orders, auction by auction.",
            tuple(dict.fromkeys(shared["run_id"])),
            "best-response-gap",
        )
        items.append(chart)
    rows = [
        (names[run], step, reward, profit, "-" if math.isnan(share) else share_text(share), run)
        for run, step, reward, profit, share in known[
            ["run_id", "step", REWARD_GAP, PROFIT_GAP, SHARE]
        ].itertuples(index=False)
    ]
    why = f" No share (-) where {NO_SHARE}." if len(shares) < len(rows) else ""
    above = f" {TWO_PRICES.capitalize()}." if known[SHARE].map(is_above_all).any() else ""
    caption = f"Exact best response less what the run reached.{why}{above}"
    return Section(title, (*items, Grid("" if shares else title, GAP_COLUMNS, rows, caption)))


def _gaps(source: Source) -> pd.DataFrame:
    """Return a row per run and step that has a gap or a share, in the order of the runs."""
    figures = [REWARD_GAP, PROFIT_GAP, SHARE]
    found = source.metrics[source.metrics["name"].isin(figures)]
    wide = found.pivot_table(
        index=["run_id", "step"], columns="name", values="value", aggfunc="first", sort=False
    )
    table = wide.reindex(columns=figures).reset_index()
    order = [run.run_id for run in source.runs]
    return table.sort_values("run_id", key=lambda ids: ids.map(order.index), kind="stable")


def _of_policies(name: str) -> bool:
    """Whether a metric is a score of some of the policies that a training kept."""
    return "." in name.split("[", maxsplit=1)[0]


def _metric(source: Source, step: str, name: str, profiled: bool) -> Iterator[Item]:
    title = f"{name}, step {step}"
    try:
        found = compare(source.database or "", name, step=step, asked=source.asked)
    except AssumeRlError as error:
        yield Omitted(title, str(error))
        return
    values = [value for one in found.designs for value in one.runs.values.values()]
    if values and math.isclose(min(values), max(values), rel_tol=SAME):
        what = "equal in all runs" if len(values) > 1 else "only one run has it"
        yield Omitted(f"{axis_name(name)}, step {step}", f"{what}: {number(values[0])}")
        return
    count = len(found.designs)
    many = f" The first {DRAWN} of {count} designs are drawn." if count > DRAWN else ""
    yield Chart(
        title,
        designs_compared(_table(found), axis_name(name)),
        "Interquartile mean over the finished runs of each design, its 95 % bootstrap interval, "
        f"and each run.{many} Differences, with paired tests: assume-rl compare STUDY --metric "
        f"'{name}' --step {step} --baseline DESIGN.{_price_note(source, name)}",
        tuple(run_id for one in found.designs for run_id in one.runs.run_ids.values()),
        f"compare-{step}-{name}",
    )
    rows = [
        (
            one.design,
            len(one.runs.values),
            *(one.iqm.estimate, one.iqm.low, one.iqm.high),
            *(one.median, one.lowest, one.highest),
            ", ".join(one.runs.run_ids.values()),
        )
        for one in found.designs
    ]
    yield Grid("", COLUMNS, rows, " ".join(f"{n}." for n in found.notes))
    if profiled:
        yield _profile(found)


def _price_note(source: Source, name: str) -> str:
    """What is said of a mean of prices, `avg_price[MARKET]`."""
    figure, _, market = name.rstrip("]").partition("[")
    return mean_paid(source, market) if figure == "avg_price" else ""


def _profile(found: Comparison) -> Chart:
    """Performance profiles of the designs that have values."""
    known = [one for one in found.designs if one.runs.values]
    drawn = known[:LINES]
    few = [one.design for one in drawn if len(one.runs.values) == 1]
    many = f" The first {LINES} of {len(known)} designs are drawn." if len(known) > LINES else ""
    return Chart(
        f"Performance profile of {found.metric}, step {found.step}",
        performance_profiles(
            {one.design: list(one.runs.values.values()) for one in drawn}, axis_name(found.metric)
        ),
        "Share of a design's finished runs whose value is above each threshold; the band is its "
        "point-wise 95 % bootstrap interval"
        + (", which one run alone does not have" if few else "")
        + f". A line above another one everywhere is better throughout.{many}",
        tuple(run_id for one in drawn for run_id in one.runs.run_ids.values()),
        f"profile-{found.step}-{found.metric}",
    )


def _table(found: Comparison) -> pd.DataFrame:
    """What is drawn of each design."""
    return pd.DataFrame(
        {
            "design": [one.design for one in found.designs],
            "iqm": [one.iqm.estimate for one in found.designs],
            "iqm_low": [one.iqm.low for one in found.designs],
            "iqm_high": [one.iqm.high for one in found.designs],
            "values": [
                {one.runs.run_ids[seed]: value for seed, value in one.runs.values.items()}
                for one in found.designs
            ],
        }
    )

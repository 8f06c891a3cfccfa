"""How far runs are from the exact best response of a single learner."""

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from assume_rl.evaluation.gap import (
    NO_SHARE,
    PROFIT_GAP,
    REWARD_GAP,
    SHARE,
    TWO_PRICES,
    is_above_all,
    share_text,
)
from assume_rl.reports.source.source import Source
from assume_rl.reports.style import PALETTE, figure, names_axis, text
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.types import Chart, Figure, Grid, Item, Omitted

GAP_COLUMNS = ("design", "step", "gap in reward", "gap in EUR", "share of best reward", "run ids")
DRAWN = 60  # designs


def best_response_items(scope: Scope) -> Iterator[Item]:
    """Yield how far runs stay behind what a single learner could have earned, where it is known."""
    source, title = scope.source, "Gap to the exact best response"
    known = _gaps(source)
    if known.empty:
        reason = (
            "known only of one learning plant in one market, without ramps or start costs; not of "
            "a storage, which can sell what it bought before"
        )
        yield Omitted(title, source.missing(reason))
        return
    names = {run.run_id: run.design or source.title for run in source.runs}
    several = known["step"].nunique() > 1
    shared = known[known[SHARE].notna()]
    shares = [
        (names[run] + (f", step {step}" if several else ""), run, share)
        for run, step, share in shared[["run_id", "step", SHARE]].itertuples(index=False)
    ]
    if len(shares) > 1:
        yield Chart(
            title,
            gaps_to_best(shares),
            f"1 less {SHARE}: the share that the run missed of the reward of the exact best "
            "response to everybody else's orders, auction by auction.",
            tuple(dict.fromkeys(shared["run_id"])),
            "best-response-gap",
        )
    rows = [
        (names[run], step, reward, profit, "-" if math.isnan(share) else share_text(share), run)
        for run, step, reward, profit, share in known[
            ["run_id", "step", REWARD_GAP, PROFIT_GAP, SHARE]
        ].itertuples(index=False)
    ]
    why = f" No share (-) where {NO_SHARE}." if len(shares) < len(rows) else ""
    above = f" {TWO_PRICES.capitalize()}." if known[SHARE].map(is_above_all).any() else ""
    caption = f"Exact best response less what the run reached.{why}{above}"
    yield Grid("" if len(shares) > 1 else title, GAP_COLUMNS, rows, caption)


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


def gaps_to_best(shares: Sequence[tuple[str, str, float]]) -> Figure:
    """Draw the share of the exact best response's reward that each run missed, a dot per run.

    :param shares: design, run id and the share that was reached, 1: all of it.
    """
    shown = list(dict.fromkeys(design for design, _, _ in shares))[:DRAWN]
    drawn = [row for row in shares if row[0] in shown]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * (1 - share) for _, _, share in drawn],
        "y": [text(design) for design, _, _ in drawn],
        "customdata": [text(run_id) for _, run_id, _ in drawn],
        "marker": {"size": 10, "color": PALETTE[0], "opacity": 0.7},
        "hovertemplate": "%{y}<br>%{x:.2f} % of the reward missed<br>run_id %{customdata}",
    }
    return figure(
        [dots],
        x="gap to the exact best response (% of its reward)",
        y="",
        height=140 + 30 * max(2, len(shown)),
        xaxis_rangemode="tozero",
        yaxis=names_axis(shown),
    )

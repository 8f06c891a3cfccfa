"""What learners could gain alone, and market power beside it, from the key figures of runs."""

import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from assume_rl.evaluation.exploitability import OF_LEARNER
from assume_rl.evaluation.gap import MORE_PROFIT, earned_only, is_above_all, share_of_profit
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.runs import FIGURED
from assume_rl.reports.types import Grid, Item, Omitted

TITLE = "Distance from an equilibrium"
NAMED = re.compile(r"(?P<figure>\w+)\[(?P<ident>.*)\]")
"""A figure of a market or a learner, as `metrics` name it."""
KEPT = re.compile(r"(?P<policies>\w+)\.(?P<figure>\w+)")
"""A figure of policies that a training kept."""

EQUILIBRIUM = (
    *("nash_conv", "nash_conv_error", "nash_conv_share"),
    *("exploitability", "exploitability_share"),
)
ERROR = "best_response_error"
POWER = ("markup", "hhi", "lowest_rsi", "consumer_payment", "welfare")
MARKET_COLUMNS = (
    *("run", "step", "policies", "NashConv (EUR)", "estimated error (EUR)", "of profit (%)"),
    *("exploitability (EUR)", "of that profit (%)"),
    *(
        "margin over own cost (EUR/MWh)",
        "HHI of sales",
        "lowest RSI",
        "consumers pay (EUR)",
        "welfare (EUR)",
    ),
)
LEARNER_COLUMNS = (
    *("run", "step", "learner", "earned (EUR)", "best bids would (EUR)", "reached (%)"),
    *("could gain (EUR)", "estimated error (EUR)"),
    *("best constant bid (EUR/MWh)", "would earn (EUR)", "of best bids (%)"),
    *("plans would earn (EUR)", "reached of plans (%)"),
)


def equilibrium_items(scope: Scope) -> Iterator[Item]:
    """Yield what each learner could gain alone, and market power beside it."""
    source = scope.source
    found = _figures(source.metrics)
    order = [run.run_id for run in source.runs]
    found = dict(sorted(found.items(), key=lambda pair: order.index(pair[0][0])))
    markets = [row for key, own in found.items() for row in _market_rows(source, key, own)]
    if not markets:
        reason = "no run has figures of best responses or of market power (kpis)"
        yield Omitted(TITLE, source.missing(reason))
        return
    yield Grid(
        TITLE,
        MARKET_COLUMNS,
        markets,
        "NashConv: the sum of what all learners could gain, each alone; exploitability: the "
        "largest of these, as a share of the profit of that learner. In place of a share of more "
        "than 1,000 % stands that profit, which is next to nothing. Empty where the best "
        "response of a learner is not known: manifests say why, and have lower bounds. Errors, "
        "how much larger NashConv may be, are those of grids and of draws; exact has none. "
        "Of policies that a training kept beside the last ones only these are known. Margin over "
        "own cost: price paid less the seller's own marginal cost, infra-marginal rent included.",
    )
    learners = [row for key, own in found.items() for row in _learner_rows(source, key, own)]
    if learners and len({run for run, _ in found}) <= FIGURED:
        yield Grid(
            "Best responses of learners",
            LEARNER_COLUMNS,
            learners,
            "Each learner alone, the bids of all others as they were. Could gain: of what is "
            "rewarded, which may differ from the profit of the best bids less what it earned. "
            f"Plans: of storages, on no more than they observe. {_above(learners)}",
        )


Key = tuple[str, str]  # run id, step
Figures = Mapping[str, Mapping[str, float]]  # by figure, then by market, learner or policies


def _figures(metrics: pd.DataFrame) -> dict[Key, dict[str, dict[str, float]]]:
    """Return the figures of this section by run and step."""
    wanted = {*EQUILIBRIUM, *POWER, *OF_LEARNER, ERROR}
    found: dict[Key, dict[str, dict[str, float]]] = {}
    for run, step, name, value in metrics[["run_id", "step", "name", "value"]].itertuples(
        index=False
    ):
        named, kept = NAMED.fullmatch(name), KEPT.fullmatch(name)
        if named is not None and named["figure"] in wanted:
            figure, ident = named["figure"], named["ident"]
        elif kept is not None and kept["figure"] in EQUILIBRIUM and kept["policies"] != "last":
            figure, ident = f"kept {kept['figure']}", kept["policies"]
        else:
            continue
        found.setdefault((run, step), {}).setdefault(figure, {})[ident] = value
    return found


def _market_rows(source: Source, key: Key, own: Figures) -> list[Sequence[object]]:
    """Return a row per market, and one for each set of policies that was kept."""
    named = (_of(own, figure) for figure in ("markup", "hhi", "nash_conv"))
    markets = list(dict.fromkeys(market for figures in named for market in figures))
    rows: list[Sequence[object]] = []
    for market in markets:
        power = [_of(own, name).get(market, "") for name in POWER[:-1]]
        welfare = _of(own, "welfare").get("all", "")
        figures = [_of(own, name).get(market) for name in EQUILIBRIUM]
        rows.append(
            (*_run(source, key), f"played, {market}", *_in_per_cent(figures), *power, welfare)
        )
    for policies in _of(own, "kept nash_conv"):
        figures = [_of(own, f"kept {name}").get(policies) for name in EQUILIBRIUM]
        rows.append((*_run(source, key), policies, *_in_per_cent(figures), *[""] * len(POWER)))
    return rows


def _learner_rows(source: Source, key: Key, own: Figures) -> list[Sequence[object]]:
    """Return a row per learner, those first that could gain most."""
    gaps = _of(own, "best_response_gap")
    rows: list[Sequence[object]] = []
    for learner in sorted(gaps, key=lambda name: -gaps[name]):
        profit, best, gap, bid, constant, planned = (
            _of(own, name).get(learner) for name in OF_LEARNER
        )
        error = _cell(_of(own, ERROR).get(learner))
        rows.append(
            (
                *(*_run(source, key), learner, _cell(profit), _cell(best), _share(profit, best)),
                *(_cell(gap), error, _cell(bid), _cell(constant), _share(constant, best)),
                *(_cell(planned), _share(profit, planned)),
            )
        )
    return rows


def _above(learners: Sequence[Sequence[object]]) -> str:
    """Return why shares are above 100 %, if any is."""
    shares = [
        cell / 100
        for row in learners
        for column, cell in zip(LEARNER_COLUMNS, row, strict=True)
        if column.endswith("(%)") and isinstance(cell, float)
    ]
    return f"{MORE_PROFIT.capitalize()}." if any(map(is_above_all, shares)) else ""


def _of(own: Figures, figure: str) -> Mapping[str, float]:
    return own.get(figure, {})


def _run(source: Source, key: Key) -> tuple[str, str]:
    """Return a run's design and id, and the step."""
    run = next(one for one in source.runs if one.run_id == key[0])
    return " ".join(filter(None, (run.design, run.run_id))), key[1]


def _in_per_cent(figures: Sequence[float | None]) -> list[object]:
    """Return the cells of `EQUILIBRIUM`: amounts, and shares in per cent or in words."""
    own = dict(zip(EQUILIBRIUM, figures, strict=True))
    amounts = {name: own.get(name.removesuffix("_share")) for name in own}
    return [
        _of_profit(value, amounts[name]) if name.endswith("_share") else _cell(value)
        for name, value in own.items()
    ]


def _of_profit(share: float | None, amount: float | None) -> object:
    """Return a share of a profit in per cent, or how small that profit is; empty if unknown.

    :param amount: EUR, that is this share of it
    """
    if share is None or amount is None:
        return ""
    return earned_only(share, amount) or 100 * share


def _cell(value: float | None) -> object:
    return "" if value is None else value


def _share(part: float | None, best: float | None) -> object:
    """Return a share of a best profit in per cent; empty where it has no meaning."""
    known = None if part is None or best is None else share_of_profit(part, best)
    return "" if known is None else 100 * known

"""Tables of how far policies are from their best responses, and of what the market was like."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assume_rl.cli.tables import NONE, euros, numbers, price, print_whole, share
from assume_rl.evaluation.exploitability import Exploitability, Kind, Response
from assume_rl.evaluation.gap import MORE_PROFIT, earned_only, is_above_all
from assume_rl.experiments.evaluate import Evaluation
from assume_rl.experiments.market_figures import MarketFigures
from assume_rl.scenario.compile.agents import owner_of

AT_LEAST = "≥ "  # a lower bound
SHOWN = 12  # learners that are printed one by one, those that could gain most

CONSTANT = "best constant bid"

Cells = Sequence[str]


def print_figures(console: Console, evaluations: Mapping[str, Evaluation]) -> None:
    """Print a column of figures for each set of policies, and one for the best constant bid.

    :param evaluations: by the name of the policies
    """
    own = list(evaluations.values())
    alone = own[0].responses[0] if len(own[0].responses) == 1 else None
    constant = alone is not None and alone.constant_profit is not None
    table = Table("figure", *numbers(evaluations), *numbers([CONSTANT] if constant else []))
    for name, cells in _figures(own):
        fixed = {} if alone is None else {
            "profit (EUR)": euros(alone.constant_profit),
            OF_BEST: share(alone.constant_share),
        }  # fmt: skip
        table.add_row(escape(name), *cells, *([fixed.get(name, "")] if constant else []))
    print_whole(console, table)


OF_BEST = "profit as a share of the best response's"


def _figures(own: Sequence[Evaluation]) -> Iterator[tuple[str, Cells]]:
    """Yield the rows of figures that any of some evaluations has."""
    yield "reward", [f"{e.reward:.3f}" for e in own]
    yield "profit (EUR)", [euros(e.profit) for e in own]
    yield "regret (EUR)", [euros(e.regret) for e in own]
    if any(len(e.responses) == 1 and e.responses[0].share is not None for e in own):
        yield OF_BEST, [share(e.responses[0].share) for e in own]
    yield from _equilibrium(own)
    found = [{market.market: market for market in e.markets.each} for e in own]
    markets = sorted({market for each in found for market in each})
    several = len({price.market for e in own for price in e.prices}.union(markets)) > 1
    for market in markets:
        where = f", {market}" if several else ""
        for name, text in MARKET_ROWS.items():
            yield name + where, [text(each[market]) if market in each else NONE for each in found]
    if any(e.markets.welfare is not None for e in own):
        yield "welfare (EUR)", [euros(e.markets.welfare) for e in own]


MARKET_ROWS: Mapping[str, Callable[[MarketFigures], str]] = {
    "mark-up (EUR/MWh)": lambda own: price(own.markup),
    "concentration of sales (HHI)": lambda own: euros(own.hhi),
    "lowest residual supply index": lambda own: price(own.lowest_rsi),
    "consumers pay (EUR)": lambda own: euros(own.consumer_payment),
}


def _equilibrium(own: Sequence[Evaluation]) -> Iterator[tuple[str, Cells]]:
    """Yield NashConv and exploitability, where they are known of any evaluation."""
    found = [e.exploitability for e in own]
    if all(one is None or one.nash_conv is None for one in found):
        return
    names = {
        "NashConv": ("nash_conv", "error"),
        "exploitability": ("exploitability", "widest_error"),
    }
    if all(len(e.responses) == 1 for e in own):
        del names["exploitability"]  # the same
    for name, (column, error) in names.items():
        yield (
            f"{name} (EUR)",
            [
                NONE if e is None else marked(getattr(e, column), e.kind, getattr(e, error))
                for e in found
            ],
        )
        yield f"{name} as a share of profit", [_of_profit(one, column) for one in found]


def print_by_seed(console: Console, found: Mapping[tuple[str, str], Evaluation]) -> None:
    """Print NashConv and exploitability of several trainings, where they are known.

    :param found: by seed and the name of the policies
    """
    figures = dict(_equilibrium(list(found.values())))
    if not figures:
        return
    table = Table(*numbers(["seed"]), "policies", *numbers(figures))
    for row, names in enumerate(found):
        table.add_row(*names, *(cells[row] for cells in figures.values()))
    print_whole(console, table)


def _of_profit(found: Exploitability | None, column: str) -> str:
    """Return the share of a profit as text, or how small that profit is.

    :param column: the figure of which it is the share
    """
    own = getattr(found, f"{column}_share", None)
    if found is None or own is None:
        return NONE
    bound = AT_LEAST if found.kind == "lower_bound" else ""
    return earned_only(own, getattr(found, column)) or bound + share(own)


def marked(value: float | None, kind: Kind, error: float) -> str:
    """Return an amount of money as text that says what kind of figure it is."""
    if value is None:
        return NONE
    bound = AT_LEAST if kind == "lower_bound" else ""
    some = f" ± {euros(error) if error >= 1 else '<1'}" if error > 0 else ""
    return bound + euros(value) + some


def print_responses(console: Console, evaluations: Mapping[str, Evaluation]) -> None:
    """Print what each learner could gain alone, and why that is not known.

    :param evaluations: by the name of the policies; the first has all figures, others the gap
    """
    name, first = next(iter(evaluations.items()))
    known = [own for own in first.responses if own.gap is not None]
    if known:
        others = {n: e for n, e in evaluations.items() if e.responses not in ((), first.responses)}
        whose = f" ({_short(name)} policies)" if others else ""
        console.print(
            f"each learner alone, all others bidding as they did{whose}; gains are of what is "
            "rewarded, where regrets may count:",
            soft_wrap=True,
        )
        known.sort(key=lambda own: -(own.gap or 0.0))
        print_whole(console, _responses(known[:SHOWN], others))
        if any(map(is_above_all, _shares(evaluations.values()))):
            console.print(MORE_PROFIT, soft_wrap=True)
    if len(known) > SHOWN:
        console.print(f"and {len(known) - SHOWN} more that could gain less: see manifest.json")
    _print_unknown(console, first.responses, [own.market for own in first.prices])


def _shares(evaluations: Iterable[Evaluation]) -> Iterator[float | None]:
    """Yield the shares of profits of best bids, or of plans, that are known of learners."""
    for own in (own for evaluation in evaluations for own in evaluation.responses):
        yield from (own.share, own.constant_share, own.share_of_plan)


def _responses(known: Sequence[Response], others: Mapping[str, Evaluation]) -> Table:
    """Return a row per learner.

    :param known: with a gap, in the order of the rows
    :param others: of whose policies only the gap is shown, by name
    """
    plans = any(own.planned_profit is not None for own in known)
    table = Table(
        "learner",
        *numbers(["earned\n(EUR)", "best bids\nwould (EUR)", "reached", "could gain\n(EUR)"]),
        *numbers([f"with {_short(name)}\n(EUR)" for name in others]),
        *numbers(["best constant\nbid (EUR/MWh)", "would earn\n(EUR)", "of best\nbids"]),
        *numbers(["plans\nwould (EUR)", "reached\nof plans"] if plans else []),
    )
    for own in known:
        table.add_row(
            escape(own.agent),
            euros(own.profit),
            euros(own.best_profit),
            share(own.share),
            _gap(own),
            *(_gap(_of(other.responses, own.agent)) for other in others.values()),
            price(own.constant_bid),
            euros(own.constant_profit),
            share(own.constant_share),
            *([euros(own.planned_profit), share(own.share_of_plan)] if plans else []),
        )
    return table


def _short(names: str) -> str:
    """Return the first of the names of equal policies."""
    return names.split(",", maxsplit=1)[0]


def _of(responses: Sequence[Response], agent: str) -> Response:
    return next(own for own in responses if own.agent == agent)


def _gap(own: Response) -> str:
    return marked(own.gap, own.kind, own.error)


def _print_unknown(console: Console, responses: Sequence[Response], markets: Sequence[str]) -> None:
    """Print why best responses are not known, a line per reason.

    :param markets: names of them; a unit that learns in several has an agent in each
    """
    reasons: dict[str, dict[str, None]] = {}
    for own in responses:
        if own.unknown is not None:
            reasons.setdefault(own.unknown, {})[owner_of(own.agent, markets)] = None
    for why, owners in list(reasons.items())[:SHOWN]:
        whose = next(iter(owners)) if len(owners) == 1 else f"{len(owners)} learners"
        console.print(f"best response of {whose}: not known, {why}", markup=False, soft_wrap=True)
    if len(reasons) > SHOWN:
        console.print(f"and of {len(reasons) - SHOWN} more learners: see manifest.json")

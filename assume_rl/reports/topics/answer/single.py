"""The answer of one run: what learners earned, and how far prices are above cost."""

from collections.abc import Iterator, Mapping, Sequence

from assume_rl.evaluation.gap import SHARE, share_text
from assume_rl.experiments.metric_names import ENERGY_PRICE, HELD_PRICE, unit_of, words_of
from assume_rl.reports.page.cells import short
from assume_rl.reports.source.queries import held_markets, prices
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.answer.words import counted, subject
from assume_rl.reports.topics.base import Market, Scope
from assume_rl.reports.topics.learning import best_profits
from assume_rl.reports.topics.market_power import PriceEffect, price_effects
from assume_rl.reports.types import Fact, Lead, RunInfo

LARGE = 1e7  # from where on numbers are in millions where there is little room
SAID = 2  # markets whose market power the first screen tells of
ONE_RUN = "One run: it says nothing of how much another seed would differ."


def single_lead(scope: Scope, run: RunInfo) -> Lead:
    """Return what a run came to, held against bids at cost and the best response."""
    source = scope.source
    figures = _figures(source, run)
    market = scope.markets[-1] if scope.markets else None
    learners = sorted(market.learners) if market is not None else []
    effects = {} if market is None or market.missing_orders else price_effects(market)
    held = () if market is None else held_markets(market.recorded)
    found = [
        *_learned(source, run, figures, market, learners),
        *(_price(name, effect) for name, effect in list(effects.items())[:SAID]),
        *unsaid_markets(list(effects), held),
    ]
    what = _what(source, run, market, learners)
    return Lead((*found[:1], what, *found[1:], ONE_RUN), tuple(_numbers(figures, effects, held)))


def _figures(source: Source, run: RunInfo) -> dict[str, float]:
    """Return the metrics of the last step of a run that has any, by name."""
    own = source.metrics[source.metrics["run_id"] == run.run_id]
    for step in reversed(run.steps):
        found = own[own["step"] == step]
        if len(found):
            return {str(n): float(v) for n, v in zip(found["name"], found["value"], strict=True)}
    return {}


def _what(source: Source, run: RunInfo, market: Market | None, learners: Sequence[str]) -> str:
    parts = []
    curves = source.curves[source.curves["run_id"] == run.run_id]
    trained = curves.loc[~curves["evaluation"].astype(bool)]
    if len(trained):
        parts.append(counted(len(trained), "training episode"))
    if learners:
        named = f" ({', '.join(learners)})" if len(learners) <= 2 else ""
        parts.append(f"{counted(len(learners), 'learned bidder')}{named}")
    if market is not None:
        parts.append(f"{counted(len(market.units), 'unit')}")
        if market.recorded.has("market_meta"):
            rows = prices(market.recorded)
            first, last = rows["start"].min(), rows["start"].max()
            parts.append(
                f"{counted(len(rows), 'delivery', 'deliveries')} from {first:%Y-%m-%d} to "
                f"{last:%Y-%m-%d}"
            )
    return f"{subject([run])}: {', '.join(parts)}." if parts else f"{subject([run])}."


def _learned(
    source: Source,
    run: RunInfo,
    figures: Mapping[str, float],
    market: Market | None,
    learners: Sequence[str],
) -> Iterator[str]:
    """Yield what the learners came to, held against bids at cost and the best response."""
    profit = figures.get("profit")
    if profit is not None:
        whose = learners[0] if len(learners) == 1 else "The learners together"
        at_cost = None if market is None else market.learners_at_cost
        than = (
            ""
            if at_cost is None
            else f", {_compared(profit, at_cost)} bids at marginal cost ({short(at_cost)} EUR)"
        )
        best = best_profits(source, run.steps[-1]).get(run.run_id)
        reached = figures.get(SHARE)
        most = (
            ""
            if best is None
            else f"; the exact best response would earn {short(best)} EUR"
            + ("" if reached is None else f", and {share_text(reached)} of its reward was reached")
        )
        yield f"{whose} earned {short(profit)} EUR in the last evaluation{than}{most}."
    if len(learners) > 1:
        yield from equilibrium_sentence(figures)


def equilibrium_sentence(figures: Mapping[str, float]) -> Iterator[str]:
    """Yield how far several learners are from an equilibrium, if it is known.

    :param figures: EUR, as `metrics` name them; with `nash_conv_error` NashConv is an estimate
    """
    gaps, largest, errors = (
        [value for name, value in figures.items() if name.startswith(f"{figure}[")]
        for figure in ("nash_conv", "exploitability", "nash_conv_error")
    )
    total, worst = sum(gaps), max(largest, default=0.0)
    sure = f", an estimate that may be {short(sum(errors))} EUR too low" if errors else ""
    if gaps and total > 0:
        yield (
            f"It is no equilibrium yet: alone, learners could still gain {short(total)} EUR in the "
            f"sum (NashConv{sure}), the one with most to gain {short(worst)} EUR."
        )
    elif gaps and errors:
        yield f"No learner was found to gain alone (NashConv of 0{sure}): no sure equilibrium."
    elif gaps:
        yield "No learner could gain alone: the bids are an equilibrium."


def _compared(value: float, other: float) -> str:
    if other > 0:
        return f"{abs(value / other - 1):.1%} {'more' if value >= other else 'less'} than"
    return f"{short(abs(value - other))} EUR {'more' if value >= other else 'less'} than"


def _price(name: str, effect: PriceEffect) -> str:
    other = _at_cost(effect)
    known = "" if effect.known == 1 else f" (known in {effect.known:.0%} of deliveries)"
    if effect.above == 0:
        return (
            f"{name}: mean price {effect.price:.2f} EUR/MWh, never above the cost of the unit that "
            f"sets it{known}: no sign of market power{other}."
        )
    return (
        f"{name}: mean price {effect.price:.2f} EUR/MWh, in {effect.above:.0%} of deliveries "
        f"above the cost of the unit that sets it{known}, by {effect.markup:.2f} EUR/MWh in the "
        f"mean of all{other}."
    )


def unsaid_markets(names: Sequence[str], held: Sequence[str]) -> Iterator[str]:
    """Yield of which markets the first screen has no such sentence.

    :param names: of markets whose price setters have a known cost
    :param held: markets of reserve that is held
    """
    if names[SAID:]:
        yield f"For {', '.join(names[SAID:])} see the section on market power."
    if names and held:
        yield (
            f"Who could move prices of reserve ({', '.join(held)}) is not known: figures of market "
            f"power are of energy ({', '.join(names)})."
        )


def _at_cost(effect: PriceEffect) -> str:
    other = effect.at_cost
    if other is None:
        return ""
    if other.share == 1:
        return f"; offers at cost would have cleared at {other.at_cost:.2f} EUR/MWh"
    return (
        f"; in the {other.share:.0%} in which offers at cost trade too they would have cleared at "
        f"{other.at_cost:.2f} instead of {other.price:.2f} EUR/MWh"
    )


def _numbers(
    figures: Mapping[str, float], effects: Mapping[str, PriceEffect], held: Sequence[str]
) -> Iterator[Fact]:
    """Yield key figures as tiles; `held`: markets of reserve that is held."""
    named = ("profit", SHARE, "avg_price", "total_volume", "consumer_payment", "total_profit")
    count = 0
    for metric in named:
        for name, value in figures.items():
            if name.split("[", maxsplit=1)[0] != metric or count == 5:
                continue
            count += 1
            where = name[len(metric) :].strip("[]")
            unit = unit_of(name, held)
            shown = share_text(value) if metric == SHARE else _shown(value, unit)
            yield Fact(words_of(name, held).partition(",")[0], shown, unit, where)
    for name, effect in list(effects.items())[:SAID]:
        yield Fact("mark-up of price setter", f"{effect.markup:.2f}", "EUR/MWh", f"{name}, mean")


def _shown(value: float, unit: str) -> str:
    if abs(value) >= LARGE:
        return f"{short(value / 1e6)} M"
    return f"{value:.2f}" if unit in (ENERGY_PRICE, HELD_PRICE) else short(value)

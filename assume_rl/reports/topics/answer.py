"""The first screen: what was compared, trained or run, by how much it differs, and how sure."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from assume_rl.errors import AssumeRlError
from assume_rl.evaluation.gap import SHARE, share_text
from assume_rl.evaluation.statistics import bootstrap_interval
from assume_rl.reports.metric_names import axis_name, unit_of
from assume_rl.reports.page.cells import short
from assume_rl.reports.source.queries import prices
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.base import Market, Scope
from assume_rl.reports.topics.comparison import DRAWN, PROFITS, SAME, compared_metrics, rank
from assume_rl.reports.topics.learning import best_profits
from assume_rl.reports.topics.market_power import PriceEffect, price_effects
from assume_rl.reports.types import Fact, Grid, Item, Lead, RunInfo
from assume_rl.studies.comparison import Comparison, compare
from assume_rl.studies.contrasts import Contrast, DesignScore

TITLE = "In short"
FIRST = (
    *("compare", "profit-in", "profit-while", "reward-in", "bids-", "dispatch", "price-cost"),
    "prices",
)
"""Beginnings of the names of charts of which the first that there is stands on the first screen."""
NAMED = 3  # designs that are compared in words
TILES = 5  # designs with a number of their own
LEVEL = 0.05  # of the tests
COMPARED = 4  # metrics in the table of differences
LARGE = 1e7  # from where on numbers are in millions where there is little room
ONE_RUN = "One run: it says nothing of how much another seed would differ."


def answer_items(scope: Scope) -> Iterator[Item]:
    """Yield the answer in words and numbers; of a study also the table of differences."""
    source = scope.source
    done = [run for run in source.runs if run.state == "finished"]
    if source.is_study and done:
        yield from _study(source, done)
    elif done:
        yield _several(scope, done) if len(done) > 1 else _single(scope, done[0])
    else:
        states = ", ".join(dict.fromkeys(run.state for run in source.runs))
        yield Lead((f"{_subject(source.runs)}: no run has finished yet ({states}).",))


def _subject(runs: Sequence[RunInfo]) -> str:
    """Return what was run."""
    kinds = {"train": "Training", "run": "Simulation", "evaluate": "Evaluation"}
    kind = runs[0].kind.split(", ")[0] if runs else ""
    scenario, case = (runs[0].scenario, runs[0].case) if runs else ("", "")
    return f"{kinds.get(kind, 'Run')} of scenario {scenario}, case {case}"


# A study


def _study(source: Source, done: Sequence[RunInfo]) -> Iterator[Item]:
    designs = list(dict.fromkeys(run.design for run in source.runs))
    seeds = {run.seed for run in source.runs}
    shown = ", ".join(designs[:6]) + (f" and {len(designs) - 6} more" if len(designs) > 6 else "")
    first = (
        f"{_count(len(designs), 'design')} ({shown}), {_count(len(seeds), 'seed')}: "
        f"{len(done)} of {_count(len(source.runs), 'run')} finished."
    )
    differs = _differing(source.runs)
    settings = (f"Designs differ in {', '.join(differs[:4])}.",) if differs else ()
    found = list(_comparisons(source, designs))
    if not found:
        yield Lead((first, *settings, "No metric differs between runs."))
        return
    main = found[0]
    tested = len(designs) <= DRAWN
    words = tuple(_contrasts(main)) if tested else (_extremes(main),)
    unsure = () if words else ("One design: there is nothing to compare it with.",)
    yield Lead((*words[:2], first, *settings, *words[2:], *unsure), tuple(_tiles(main)))
    if words and tested:
        yield _differences(found)


def _differing(runs: Sequence[RunInfo]) -> list[str]:
    """Return the settings that are not the same in all runs."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters)
    return [key for key in keys if len({repr(run.parameters.get(key)) for run in runs}) > 1]


def _comparisons(source: Source, designs: Sequence[str]) -> Iterator[Comparison]:
    """Yield comparisons with the first design on the metrics that say most, if they differ."""
    chosen = sorted(compared_metrics(source), key=lambda pair: rank(pair[1]))
    count, seen = 0, set()
    for step, name in chosen:
        if name in seen or count == (COMPARED if len(designs) <= DRAWN else 1):
            continue
        first = designs[0] if len(designs) <= DRAWN else None
        try:
            found = compare(
                source.database or "", name, step=step, baseline=first, asked=source.asked
            )
        except AssumeRlError:  # the section on all metrics says why
            continue
        values = [value for one in found.designs for value in one.runs.values.values()]
        if len(values) < 2 or math.isclose(min(values), max(values), rel_tol=SAME):
            continue
        seen.add(name)
        count += 1
        yield found


def _contrasts(found: Comparison) -> Iterator[str]:
    """Yield a sentence for each of a few designs, those that differ most."""
    base = found.designs[0]
    others = [one for one in found.designs[1:] if one.contrast is not None]
    ranked = sorted(others, key=lambda one: -abs(_mean(one)))
    for one in ranked[:NAMED]:
        yield from _sentences(found, base, one)
    if len(ranked) > NAMED:
        yield f"Of {len(ranked)} designs beside {base.design} these differ most."


def _extremes(found: Comparison) -> str:
    """Return the highest and the lowest of many designs, which are not tested."""
    known = sorted((d for d in found.designs if d.runs.values), key=lambda one: one.iqm.estimate)
    low, high = known[0], known[-1]
    unit = unit_of(found.metric)
    return (
        f"{found.metric}: {short(high.iqm.estimate)} {unit} in {high.design}, the highest "
        f"interquartile mean, {short(low.iqm.estimate)} {unit} in {low.design}, the lowest. More "
        f"than {DRAWN} designs are not tested here: assume-rl compare."
    ).replace("  ", " ")


def _mean(one: DesignScore) -> float:
    return 0.0 if one.contrast is None else one.contrast.paired.mean.estimate


def _sentences(found: Comparison, base: DesignScore, one: DesignScore) -> Iterator[str]:
    """Yield how much a design differs from the baseline, and how sure that is."""
    contrast = one.contrast
    assert contrast is not None
    mean, unit = contrast.paired.mean, unit_of(found.metric)
    against = f"{one.design} against {base.design}"
    if mean.estimate == 0:
        yield f"{against}: {found.metric} is equal on all seeds."
        return
    share = f" ({mean.estimate / abs(base.iqm.estimate):+.1%})" if base.iqm.estimate else ""
    much = " ".join(filter(None, (short(abs(mean.estimate)), unit)))
    more = "higher" if mean.estimate > 0 else "lower"
    yield f"{against}: {found.metric} {much} {more}{share.replace('-', MINUS)}."
    yield (
        f"{100 * found.level:g} % interval {short(mean.low)} to {short(mean.high)} {unit}, "
        f"{_count(contrast.paired.pairs, 'seed')} in common, adjusted p "
        f"{contrast.p_adjusted:.2g}: {_sure(contrast)}."
    ).replace(" ,", ",")


MINUS = "\N{MINUS SIGN}"


def _sure(contrast: Contrast) -> str:
    mean = contrast.paired.mean
    if not math.isfinite(mean.low) or contrast.paired.pairs < 2:
        return "one seed, so that nothing can be said of chance"
    if contrast.p_adjusted < LEVEL:
        return f"significant at {100 * LEVEL:g} %"
    if mean.low > 0 or mean.high < 0:
        return "the interval leaves out zero, but the test does not reject chance with these seeds"
    return "cannot be distinguished from chance with these seeds"


def _tiles(found: Comparison) -> Iterator[Fact]:
    known = [one for one in found.designs if one.runs.values]
    for one in known[:TILES]:
        sure = f"95 %: {short(one.iqm.low)} to {short(one.iqm.high)}, "
        several = len(one.runs.values) > 1
        yield Fact(
            one.design,
            short(one.iqm.estimate),
            unit_of(found.metric),
            f"{found.metric}, IQM; {sure if several else ''}{_count(len(one.runs.values), 'run')}",
        )


def _differences(found: Sequence[Comparison]) -> Grid:
    """Return the table of differences from the baseline, a row per metric and design."""
    rows = [
        (
            axis_name(each.metric),
            one.design,
            one.iqm.estimate,
            *_cells(one.contrast),
        )
        for each in found
        for one in each.designs
    ]
    base = found[0].baseline
    return Grid(
        f"Differences from {base}",
        (
            *("metric", "design", "IQM", "difference", "low", "high", "seeds", "adjusted p"),
            "probability of more",
        ),
        rows,
        "Difference: mean over the seeds that both have, with its 95 % bootstrap interval; p of "
        "the paired permutation test, by Holm's procedure over the designs of a metric.",
        by_row=True,
    )


def _cells(contrast: Contrast | None) -> tuple[object, ...]:
    if contrast is None:
        return (None, None, None, None, None, None)
    mean = contrast.paired.mean
    return (
        *(mean.estimate, mean.low, mean.high, contrast.paired.pairs),
        *(f"{contrast.p_adjusted:.3g}", f"{contrast.higher.estimate:.0%}"),
    )


# Several runs of the same


def _several(scope: Scope, done: Sequence[RunInfo]) -> Lead:
    source = scope.source
    name = next((n for n in (*PROFITS, "reward") if (source.metrics["name"] == n).any()), None)
    first = f"{_subject(done)}: {_count(len(done), 'run')} with seeds {_seeds(done)}."
    if name is None:
        return Lead((first,))
    own = source.metrics[source.metrics["name"] == name]
    values = own.groupby("run_id", sort=False)["value"].last()
    band = bootstrap_interval(values.to_numpy(dtype=float), seed=0)
    unit = unit_of(name)
    sentence = (
        f"{name.replace('_', ' ').capitalize()}: {short(band.estimate)} {unit} (interquartile mean "
        f"over {_count(len(values), 'run')}), 95 % interval {short(band.low)} to "
        f"{short(band.high)}; lowest {short(float(values.min()))}, highest "
        f"{short(float(values.max()))}."
    )
    few = (
        ("With fewer than five runs the interval is little more than lowest to highest.",)
        if len(values) < 5
        else ()
    )
    best = [v for r in done if (v := best_profits(source, r.steps[-1]).get(r.run_id)) is not None]
    most = (
        (f"The exact best response would earn {short(float(np.mean(best)))} EUR in the mean.",)
        if best and name == "profit"
        else ()
    )
    labels = {run.run_id: f"seed {run.seed}" for run in done}
    tiles = [
        Fact(labels.get(str(run), str(run)), short(float(v)), unit, name)
        for run, v in values.items()
    ]
    return Lead((sentence, first, *most, *few), tuple(tiles[:6]))


def _seeds(runs: Sequence[RunInfo]) -> str:
    seeds = [str(run.seed) for run in runs]
    return ", ".join(seeds[:6]) + (f" and {len(seeds) - 6} more" if len(seeds) > 6 else "")


# One run


def _single(scope: Scope, run: RunInfo) -> Lead:
    source = scope.source
    figures = _figures(source, run)
    market = scope.markets[-1] if scope.markets else None
    learners = sorted(market.learners) if market is not None else []
    effects = {} if market is None or market.missing_orders else price_effects(market)
    found = [
        *_learned(source, run, figures, market, learners),
        *(_price(name, effect) for name, effect in list(effects.items())[:2]),
    ]
    what = _what(source, run, market, learners)
    return Lead((*found[:1], what, *found[1:], ONE_RUN), tuple(_numbers(figures, effects)))


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
        parts.append(_count(len(trained), "training episode"))
    if learners:
        named = f" ({', '.join(learners)})" if len(learners) <= 2 else ""
        parts.append(f"{_count(len(learners), 'learned bidder')}{named}")
    if market is not None:
        parts.append(f"{_count(len(market.units), 'unit')}")
        if market.recorded.has("market_meta"):
            rows = prices(market.recorded)
            first, last = rows["start"].min(), rows["start"].max()
            parts.append(
                f"{_count(len(rows), 'delivery', 'deliveries')} from {first:%Y-%m-%d} to "
                f"{last:%Y-%m-%d}"
            )
    return f"{_subject([run])}: {', '.join(parts)}." if parts else f"{_subject([run])}."


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
    gaps = {n: v for n, v in figures.items() if n.startswith("nash_conv[")}
    if len(learners) > 1 and gaps:
        total = sum(gaps.values())
        worst = max((v for n, v in figures.items() if n.startswith("exploitability[")), default=0)
        yield (
            f"It is no equilibrium yet: alone, each learner could still gain, {short(total)} EUR "
            f"in the sum (NashConv), the one with most to gain {short(worst)} EUR."
            if total > 0
            else "No learner could gain alone: the bids are an equilibrium."
        )


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


def _numbers(figures: Mapping[str, float], effects: Mapping[str, PriceEffect]) -> Iterator[Fact]:
    """Yield key figures as tiles."""
    named = (
        ("profit", "profit of learners"),
        (SHARE, "share of best reward"),
        ("avg_price", "mean price"),
        ("total_volume", "energy sold"),
        ("consumer_payment", "consumers pay"),
        ("total_profit", "profit of all sellers"),
    )
    count = 0
    for metric, label in named:
        for name, value in figures.items():
            if name.split("[", maxsplit=1)[0] != metric or count == 5:
                continue
            count += 1
            where = name[len(metric) :].strip("[]")
            shown = share_text(value) if metric == SHARE else _shown(value, unit_of(name))
            yield Fact(label, shown, unit_of(name), where)
    for name, effect in list(effects.items())[:1]:
        yield Fact("mark-up of price setter", f"{effect.markup:.2f}", "EUR/MWh", f"{name}, mean")


def _shown(value: float, unit: str) -> str:
    if abs(value) >= LARGE:
        return f"{short(value / 1e6)} M"
    return f"{value:.2f}" if unit == "EUR/MWh" else short(value)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"

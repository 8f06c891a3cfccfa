"""What `validate`, `run`, `train` and `evaluate` print in the end."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import make_url

from assume_rl.cli.judgement import CONSTANT, print_by_seed, print_figures, print_responses
from assume_rl.cli.tables import NONE, euros, numbers, price, print_whole, share
from assume_rl.evaluation.gap import MORE_PROFIT, NO_SHARE, TWO_PRICES, is_above_all
from assume_rl.experiments.evaluate import Evaluation, EvaluationResult
from assume_rl.experiments.metric_names import METRICS, OF_HELD, Metric
from assume_rl.experiments.outputs import DATABASE
from assume_rl.experiments.run import RunResult
from assume_rl.experiments.train import TrainResult
from assume_rl.results.metrics import Kpi
from assume_rl.results.secrets import shown_url
from assume_rl.scenario.describe import Summary
from assume_rl.scenario.types import Scenario


def print_warnings(console: Console, warnings: tuple[str, ...]) -> None:
    """Print warnings, one line each."""
    for warning in warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)


def print_summary(console: Console, summary: Summary) -> None:
    """Print what was understood of a scenario."""
    console.print(
        f"{summary.name}, case {summary.case}: {summary.start} to {summary.end}, "
        f"{summary.steps} steps of {summary.step}",
        markup=False,
    )
    units = ", ".join(
        f"{count} {label}{'' if count == 1 else 's'}" for label, count in summary.units.items()
    )
    learners = ", ".join(summary.learners) or "none"
    console.print(
        f"units: {units}; operators: {len(summary.operators)}", markup=False, highlight=False
    )
    console.print(f"learning bidders: {learners}", markup=False, highlight=False)
    for agent, energy in summary.rewarded_with.items():
        console.print(_rewarded(agent, energy), markup=False, highlight=False)
    counts = numbers(["auctions", "products", "sellers", "buyers"])
    table = Table("market", "mechanism", *counts, "deliveries")
    for market in summary.markets:
        table.add_row(
            escape(market.name),
            escape(market.mechanism),
            str(market.auctions),
            str(market.products),
            str(market.sellers),
            str(market.buyers),
            f"{market.first_delivery} to {market.last_delivery}",
        )
    console.print(table)
    print_warnings(console, summary.warnings)
    count = len(summary.warnings)
    console.print(f"valid, {count} warning(s)" if count else "valid")


def _rewarded(agent: str, energy: Sequence[str]) -> str:
    """Return which other agents' energy an agent is rewarded for too."""
    return f"{agent} is rewarded for {' and '.join(energy)} as well"


KPIS: Mapping[str, Callable[[float], str]] = {
    "avg_price": price,
    "total_volume": euros,
    "undeliverable_reserve": euros,
    "total_cost": euros,
    "capacity_factor": share,
    "congestion_rent": euros,
    "pay_as_bid_surplus": euros,
}
"""How key figures are printed, in their order."""


def print_kpis(console: Console, result: RunResult) -> None:
    """Print a run's key figures, a column for each market, and where the rest is.

    Markets whose prices are in another unit are a table of their own.
    """
    for held in (False, True):
        kpis = [kpi for kpi in result.kpis if (kpi[1] in result.reserve) is held]
        if kpis:
            _print_kpis(console, kpis, OF_HELD if held else {})
    _print_place(console, result.folder, result.database)


def _print_kpis(console: Console, kpis: Sequence[Kpi], own: Mapping[str, Metric]) -> None:
    """Print a table of key figures, of which some are others than usual."""
    found = {(variable, market): value for variable, market, value in kpis}
    markets = list(dict.fromkeys(market for _, market in found))
    table = Table("figure", *numbers(map(escape, markets)))
    for variable in sorted({name for name, _ in found}, key=[*KPIS].index):
        text = KPIS[variable]
        cells = [found.get((variable, market)) for market in markets]
        metric = own.get(variable, METRICS[variable])
        heading = f"{metric.words} ({metric.unit})" if metric.unit else metric.words
        table.add_row(heading, *(NONE if cell is None else text(cell) for cell in cells))
    print_whole(console, table)


def print_evaluation(console: Console, result: EvaluationResult) -> None:
    """Print the score of every learned bidder."""
    evaluation = result.evaluation
    buying = any(unit.mean_purchase is not None for unit in evaluation.units)
    units = {own.unit for own in evaluation.prices}
    unit_of_bids = units.pop() if len(units) == 1 else "unit of its market's prices"
    names = ["reward", "profit (EUR)", "regret (EUR)", f"mean bid ({unit_of_bids})"]
    table = Table("unit", *numbers(names + [f"mean bid to buy ({unit_of_bids})"] * buying))
    for unit in evaluation.units:
        table.add_row(
            escape(unit.unit),
            f"{unit.reward:.3f}",
            euros(unit.profit),
            euros(unit.regret),
            price(unit.mean_bid),
            *([price(unit.mean_purchase)] if buying else []),
        )
    print_whole(console, table)
    _print_rewarded(console, evaluation)
    for own in evaluation.prices:
        console.print(
            f"{own.market}: price {own.mean:.2f} {own.unit} on average, "
            f"{own.minimum:.2f} to {own.maximum:.2f}, standard deviation {own.std:.2f}",
            markup=False,
        )
    if result.trained_share is not None:
        console.print(_of_days(result.trained_share), soft_wrap=True)
    _print_gap(console, evaluation)
    if evaluation.responses:
        print_responses(console, {"": evaluation})
        print_figures(console, {"all learners": evaluation})
    _print_place(console, result.folder, result.database)


def _print_rewarded(console: Console, evaluation: Evaluation) -> None:
    """Say whose energy is in the rewards of agents of reserve, and in no other figure of theirs."""
    for agent, energy in evaluation.rewarded_with.items():
        text = f"{_rewarded(agent, energy)}: that is in its reward, not in its profit and regret"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _of_days(trained: float) -> str:
    """Return a sentence on the part of a calendar that policies were trained on."""
    if trained == 0:
        return "days that these policies were not trained on"
    if trained == 1:
        return "days that these policies were trained on"
    return f"days of which {share(trained)} are those that these policies were trained on"


def print_given(console: Console, scenario: Scenario) -> None:
    """Say which units act on policies that a study case names, and what is counted of others."""
    if given := scenario.config.policies:
        console.print(
            f"{len(given)} on given policies: {', '.join(given)}; reward, profit and regret are of "
            "the units that learn, here and in the end",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def print_training(console: Console, result: TrainResult) -> None:
    """Print how good the last and the kept policies are, and what learners could gain alone."""
    found = _of_policies(result)
    print_figures(console, found)
    _print_rewarded(console, result.last)
    print_responses(console, found)
    if result.movement is not None:
        console.print(
            f"policies moved {result.movement:.4f} between the last two validations (mean change "
            "of actions on fixed observations, 1: half of what they can span)",
            soft_wrap=True,
        )
    _print_gap(console, result.last)
    for folder in result.policies:
        console.print(f"policies: {folder}", markup=False, highlight=False, soft_wrap=True)
    _print_place(console, result.folder, result.database)


def _of_policies(result: TrainResult) -> dict[str, Evaluation]:
    """Return the evaluations of the last and the kept policies of a training, see `_alike`."""
    return _alike({"last": result.last} | dict(result.evaluations))


def _alike(evaluations: Mapping[str, Evaluation]) -> dict[str, Evaluation]:
    """Return evaluations with those that are equal under one name, a line for each of theirs."""
    names: list[list[str]] = []
    found: list[Evaluation] = []
    for name, own in evaluations.items():
        if own in found:
            names[found.index(own)].append(name)
        else:
            found.append(own)
            names.append([name])
    return {",\n".join(both): own for both, own in zip(names, found, strict=True)}


def print_trainings(console: Console, results: Sequence[TrainResult]) -> None:
    """Print how good the policies of each seed are."""
    table = Table(
        *numbers(["seed", "last reward", "best reward", "last, share of\nbest response", CONSTANT]),
        "folder",
    )
    for result in results:
        table.add_row(
            str(result.seed),
            f"{result.last.reward:.3f}",
            f"{result.best.reward:.3f}",
            _share(result.last),
            _constant_share(result.last),
            escape(str(result.folder)),
        )
    print_whole(console, table)
    print_by_seed(
        console,
        {
            (str(result.seed), name): own
            for result in results
            for name, own in _of_policies(result).items()
        },
    )
    rewards = [result.last.reward for result in results]
    console.print(
        f"last policies, {len(rewards)} seeds: median reward {median(rewards):.3f}, "
        f"{min(rewards):.3f} to {max(rewards):.3f}"
    )
    if any(_share(result.last) == NONE for result in results):
        console.print(f"{NONE}: {NO_SHARE}")
    if any(is_above_all(result.last.share) for result in results):
        console.print(TWO_PRICES, soft_wrap=True)
    if any(is_above_all(own.constant_share) for r in results for own in r.last.responses):
        console.print(MORE_PROFIT, soft_wrap=True)


def _print_gap(console: Console, evaluation: Evaluation) -> None:
    """Print the exact best response and the gap to it, where they are known."""
    if evaluation.best_reward is None:
        return
    above = f" ({TWO_PRICES})" if is_above_all(evaluation.share) else ""
    why = above if evaluation.share is not None else f" ({NO_SHARE})"
    console.print(
        f"exact best response: reward {evaluation.best_reward:.3f}, profit "
        f"{evaluation.best_profit:,.0f} EUR; gap: reward {evaluation.reward_gap:.3f}, profit "
        f"{evaluation.profit_gap:,.0f} EUR; share of its reward reached {_share(evaluation)}{why}; "
        f"marginal-cost bidding: reward {evaluation.truthful_reward:.3f}, profit "
        f"{evaluation.truthful_profit:,.0f} EUR"
    )


def _share(evaluation: Evaluation) -> str:
    """Return the share of the best response as text; empty where the best response is unknown."""
    if evaluation.best_reward is None:
        return ""
    return share(evaluation.share)


def _constant_share(evaluation: Evaluation) -> str:
    """Return the share of the best response's profit that a single learner's best constant has."""
    alone = evaluation.responses if len(evaluation.responses) == 1 else ()
    return share(alone[0].constant_share) if alone else ""


def _print_place(console: Console, folder: Path, database: str) -> None:
    """Say where the tables are, without a password."""
    url = make_url(database)
    usual = url.database == str(folder / DATABASE)
    shown = url.database if usual else shown_url(url)
    console.print(f"results: {shown}", markup=False, highlight=False, soft_wrap=True)

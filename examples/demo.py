"""What `make demo` shows: a power plant learns to bid in two ways, both beside its best bids.

Trains the plant `learner` of scenarios/single_learner twice, about a minute: with prices that are
any number (MATD3), and with prices from a ladder (smooth fictitious play). Prints what both earn in
the week of the training and in one that they have not seen, beside the best bids, and draws the
same to `demo.png` in the output folder. All figures are worked out in this run.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from assume_rl import evaluate, load_scenario, train
from assume_rl.cli.progress import LineObserver, ProgressObserver
from assume_rl.evaluation.best_response import best_constant, clear_at, sale
from assume_rl.experiments.bounds import Bounds, single_plant_bounds
from assume_rl.experiments.evaluate import Evaluation
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_plants import RecordedPlant, recorded_plant
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.types import Scenario

matplotlib.use("Agg")  # draws to a file; no window is needed
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
GREY, BLUE, ORANGE, GREEN = "#6f6f6f", "#1f77b4", "#d9730d", "#2ca02c"
BECAUSE = (
    "Why the ways differ: a cent above a rival's price a plant sells nothing, so that its profit "
    "has cliffs and flats over its price, on which gradients get stuck. On a ladder every rung is "
    "compared with all others, in every past hour, by what the exchange publishes of it."
)
Series = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """A way to learn, and the study cases that it has."""

    name: str
    case: str
    unseen: str  # the same with a week that the training has not seen
    colour: str


WAYS = (
    Way("matd3", "base", "next_week", BLUE),
    Way("fictitious_play", "ladder", "ladder_next_week", ORANGE),
)


@dataclass(frozen=True)
class Week:
    """A week on finished policies, and what other bids would have brought in it."""

    scores: Evaluation
    bounds: Bounds  # bidding marginal cost, and the exact best response
    plant: RecordedPlant
    hours: pd.DatetimeIndex  # deliveries
    price: Series  # EUR/MWh, of the market
    bid: Series  # EUR/MWh, the learner's dearest

    @property
    def best(self) -> float:
        """EUR, of the best response."""
        return float(self.bounds.best.profit.sum())

    @property
    def truthful(self) -> float:
        """EUR, of bids at marginal cost."""
        return float(self.bounds.truthful.profit.sum())

    @property
    def constant(self) -> float:
        """EUR, of the one price for all hours that earns most."""
        plant = self.plant
        found = best_constant(
            plant.book,
            lambda got: plant.earn(got).profit,
            marginal_cost=plant.cost,
            min_price=-plant.limit,
            max_price=plant.limit,
        )
        return float(found.value.sum())


@dataclass(frozen=True)
class Learned:
    """What one way to learn came to."""

    way: Way
    folder: Path
    seconds: float  # of training
    trained: Week
    unseen: Week

    @property
    def weeks(self) -> tuple[Week, Week]:
        """Both weeks."""
        return self.trained, self.unseen


def main(
    out: Path = Path("runs/demo"),
    seed: int = 42,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Learned, ...]:
    """Train both ways, print, draw.

    :param out: gets a folder for each way, and the picture
    :param seed: of the trainings
    :param overrides: settings that differ from those of a study case, by way
    """
    console = Console()
    console.print(
        f"[bold]A power plant learns to bid[/bold] (scenarios/single_learner, seed {seed})\n"
        "Eight plants bid their marginal cost. One, 'learner', learns at which prices to offer,\n"
        "in two ways, and is compared with the best that it could have done.\n"
    )
    changed = overrides or {}
    learned = tuple(learn(console, way, out, seed, changed.get(way.name, {})) for way in WAYS)
    report(console, learned)
    explain(console, draw(learned, out / "demo.png"), out)
    return learned


def learn(
    console: Console, way: Way, out: Path, seed: int, overrides: Mapping[str, Any]
) -> Learned:
    """Train in one way, and evaluate the last policy in a week that it has not seen."""
    console.print(f"[bold]{way.name}[/bold]")
    folder, scenario = out / way.name, load_scenario(FOLDER, way.case, overrides=overrides)
    start = time.perf_counter()
    shown = ProgressObserver if console.is_terminal else LineObserver
    with shown(console) as observer:
        result = train(scenario, seed=seed, out=folder, overwrite=True, observer=observer)
    seconds = time.perf_counter() - start
    other = load_scenario(FOLDER, way.unseen)
    judged = evaluate(other, policies=folder, out=out / f"{way.name}_unseen", overwrite=True)
    return Learned(
        way,
        folder,
        seconds,
        week_of(scenario, result.database, result.last),
        week_of(other, judged.database, judged.evaluation),
    )


def week_of(scenario: Scenario, database: str, scores: Evaluation) -> Week:
    """Read a recorded week, and clear its auctions again with other bids."""
    engine = create_engine(database)
    tables = {name: pd.read_sql_table(name, engine) for name in ("market_orders", "market_meta")}
    engine.dispose()
    memory = MemorySink()
    for name, rows in tables.items():
        memory.write(name, {str(column): rows[column].to_numpy() for column in rows})
    compiled = compile_scenario(scenario)
    bounds = single_plant_bounds(compiled, memory)
    if bounds is None:
        raise SystemExit("the exact best response is known for a single learner only")
    market = tables["market_meta"].sort_values("product_start")
    plant = recorded_plant(RecordedEpisode(compiled, memory), compiled.learners[0])
    bids = plant.book.orders.price[:, 0].index_select(-1, plant.book.own)
    return Week(
        scores,
        bounds,
        plant,
        pd.DatetimeIndex(market["product_start"]),
        market["price"].to_numpy(dtype=np.float64),
        bids.amax(dim=-1).numpy(),
    )


def report(console: Console, learned: Sequence[Learned]) -> None:
    """Print the table."""
    table = Table("bids", title="what the learner earns in a week, EUR")
    for name in ("training", "below best", "unseen week", "below best"):
        table.add_column(name, justify="right")
    for name, profits in rows(learned):
        weeks = zip(profits, learned[0].weeks, strict=True)
        table.add_row(name, *(f"{v:,.0f}" for own, week in weeks for v in (own, week.best - own)))
    console.print(table)
    took = ", ".join(f"{one.way.name} {one.seconds:.0f} s" for one in learned)
    console.print(
        f"Trainings took: {took}.\n"
        "The best response is exact: in every hour all prices at which the result can change were "
        "tried, with all that others bid known. 'best constant' is the one price for all hours of "
        "a week, known afterwards, that earns most. Policies know forecasts only.\n"
        f"{BECAUSE}\n",
        highlight=False,
    )


def rows(learned: Sequence[Learned]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield ways to bid: name, and EUR in both weeks."""
    weeks = learned[0].weeks
    yield "marginal cost", tuple(week.truthful for week in weeks)
    yield "best constant", tuple(week.constant for week in weeks)
    for one in learned:
        yield one.way.name, tuple(week.scores.profit for week in one.weeks)
    yield "best response", tuple(week.best for week in weeks)


def draw(learned: Sequence[Learned], file: Path) -> Path:
    """Draw gaps, an hour's rewards and the week's prices."""
    figure = plt.figure(figsize=(12, 8), dpi=120, layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.05))
    draw_gaps(figure.add_subplot(grid[0, 0]), learned)
    draw_cliffs(figure.add_subplot(grid[0, 1]), learned)
    draw_prices(figure.add_subplot(grid[1, :]), learned)
    figure.savefig(file)
    plt.close(figure)
    return file


def draw_gaps(axes: Axes, learned: Sequence[Learned]) -> None:
    """Draw what ways to bid earn less than the best response, in both weeks."""
    shown = [row for row in rows(learned) if row[0] != "best response"]
    colours = {one.way.name: one.way.colour for one in learned}
    for place, (name, profits) in enumerate(shown):
        gaps = [
            (week.best - own) / 1000 for own, week in zip(profits, learned[0].weeks, strict=True)
        ]
        at, colour = np.array([place - 0.2, place + 0.2]), colours.get(name, GREY)
        bars = axes.bar(at, gaps, 0.38, color=colour)
        bars[1].set_alpha(0.55)
        axes.bar_label(bars, labels=[f"{gap:,.1f}" for gap in gaps], padding=2, fontsize=9)
    axes.set_xticks(range(len(shown)), [row[0].replace(" ", "\n", 1) for row in shown])
    axes.set(title="Below the best response (pale: unseen week)", ylabel="thousand EUR in a week")
    axes.margins(y=0.12)


def draw_cliffs(axes: Axes, learned: Sequence[Learned]) -> None:
    """Draw the profit of an hour over the learner's price, and where the policies bid."""
    week = learned[0].trained
    hour = telling_hour(week)
    low = min(0.0, *(float(one.trained.bid[hour]) for one in learned))
    prices = torch.linspace(low, week.plant.limit, 2001, dtype=torch.float64)
    axes.plot(prices, profits_at(week, prices)[hour], color=GREY, linewidth=1.2)
    for one in learned:
        bid = one.trained.bid[hour : hour + 1]
        axes.plot(
            bid,
            profits_at(one.trained, torch.from_numpy(bid))[hour],
            "o",
            color=one.way.colour,
            markersize=9,
            label=f"{one.way.name} asks {bid[0]:.2f}",
        )
    axes.axvline(float(week.bounds.best.bid[hour]), color=GREEN, linestyle="--", label="best bid")
    axes.set(
        title=f"Cliffs: {week.hours[hour]:%A %d %b %H:%M}",
        xlabel="price of the learner, of two the dearer, EUR/MWh",
        ylabel="its profit in this hour, EUR",
    )
    axes.legend(frameon=False)


def telling_hour(week: Week) -> int:
    """Return the hour in which a policy earns least of what the best price would."""
    price = torch.from_numpy(week.bid)
    earned = torch.stack([profits_at(week, own[None])[hour, 0] for hour, own in enumerate(price)])
    return int((week.bounds.best.profit - earned).argmax())


def profits_at(week: Week, prices: torch.Tensor) -> torch.Tensor:
    """Return the profit (auction price) of one price for all that the learner sells, EUR."""
    book = week.plant.book
    bids = prices[None, :, None].expand(len(week.hours), -1, len(book.own))
    return week.plant.earn(sale(clear_at(book, bids))).profit


def draw_prices(axes: Axes, learned: Sequence[Learned]) -> None:
    """Draw the market's price on both policies, and on the best response."""
    week = learned[0].trained
    best, before = week.bounds.best.price.numpy(), week.bounds.truthful.price.numpy()
    axes.step(
        week.hours, best, where="post", color=GREEN, linewidth=5, alpha=0.3, label="best response"
    )
    for one in learned:
        axes.step(
            one.trained.hours,
            one.trained.price,
            where="post",
            color=one.way.colour,
            linewidth=1.4,
            label=one.way.name,
        )
    axes.step(
        week.hours, before, where="post", color=GREY, linewidth=1.0, label="bids at marginal cost"
    )
    axes.xaxis.set_major_formatter(DateFormatter("%a %d %b"))
    drawn = np.concatenate([best, before, *(one.trained.price for one in learned)])
    axes.set(
        title="Price of the market in the week of training",
        ylabel="EUR/MWh",
        xlim=(week.hours[0], week.hours[-1]),
        ylim=(min(0.0, drawn.min()), 1.22 * max(drawn.max(), 1.0)),
    )
    axes.legend(loc="upper center", ncols=4, frameon=False)


def explain(console: Console, picture: Path, out: Path) -> None:
    """Say where everything is and what to try next."""
    ladder = out / "fictitious_play"
    console.print(
        f"Picture:  {picture} (open it with any image viewer)\n"
        f"Tables:   {ladder / 'results.db'} (SQLite)\n"
        f"Policies: {ladder / 'policies'}\n\n"
        "Try next\n"
        f"  .venv/bin/assume-rl report {ladder}\n"
        "      all figures of the last training in a page\n"
        "  .venv/bin/assume-rl evaluate scenarios/single_learner --case ladder_next_week "
        f"--policies {ladder} --out {out / 'again'} --overwrite\n"
        "      the same policy in a week that it has not seen\n"
        "  .venv/bin/assume-rl train scenarios/single_learner --case ladder --seed 1 --seeds 10 "
        "--out runs/seeds\n"
        "      ten more seeds, side by side\n"
        "  .venv/bin/assume-rl train scenarios/ten_learners\n"
        "      ten plants that learn at the same time, for many minutes (--case tiny: seconds)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="output folder")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    main(asked.out, asked.seed)

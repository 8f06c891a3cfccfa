"""What `make demo` shows: a power plant that learns to bid, compared with the best it could do.

Trains the plant `learner` of scenarios/single_learner, less than a minute, prints what it earns and
draws the same to `demo.png` in the output folder. All figures are worked out in this run.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from assume_rl import TrainResult, load_scenario, train
from assume_rl.cli.output import LineObserver, ProgressObserver
from assume_rl.evaluation.gap import share_of_best
from assume_rl.experiments.bounds import Bounds, single_plant_bounds
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario

matplotlib.use("Agg")  # draws to a file; no window is needed
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
GREY, BLUE, GREEN = "#6f6f6f", "#1f77b4", "#2ca02c"
Series = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Return the reward of an episode after a number of training episodes."""

    episode: list[int]
    reward: list[float]


@dataclass(frozen=True)
class Shown:
    """Everything that is printed and drawn."""

    result: TrainResult
    bounds: Bounds  # bidding marginal cost, and the exact best response
    hours: pd.DatetimeIndex
    learned_price: Series  # EUR/MWh, with the last policy
    evaluated: Curve
    training: Curve  # with exploration
    seconds: float

    @property
    def profits(self) -> dict[str, float]:
        """EUR over the calendar."""
        return {
            "marginal cost": float(self.bounds.truthful.profit.sum()),
            "learned (last)": self.result.last.profit,
            "learned (best)": self.result.best.profit,
            "best response": float(self.bounds.best.profit.sum()),
        }

    @property
    def rewards(self) -> dict[str, float]:
        """Sums over the calendar, of the same four ways to bid."""
        earned = (
            float(self.bounds.truthful.reward.sum()),
            self.result.last.reward,
            self.result.best.reward,
            float(self.bounds.best.reward.sum()),
        )
        return dict(zip(self.profits, earned, strict=True))


def main(case: str = "base", out: Path = Path("runs/demo"), seed: int = 42) -> Shown:
    """Train, print, draw."""
    console = Console()
    console.print(
        f"[bold]A power plant learns to bid[/bold] (scenarios/single_learner, case {case}, "
        f"seed {seed})\nEight plants bid their marginal cost. One, 'learner', finds out by trying "
        "at which prices to offer.\n"
    )
    scenario = load_scenario(FOLDER, case)
    start = time.perf_counter()
    if console.is_terminal:
        with ProgressObserver(console) as observer:
            result = train(scenario, seed=seed, out=out, overwrite=True, observer=observer)
    else:
        lines = LineObserver(console)
        result = train(scenario, seed=seed, out=out, overwrite=True, observer=lines)
    shown = gather(compile_scenario(scenario), result, time.perf_counter() - start)
    report(console, shown)
    picture = draw(shown, out / "demo.png")
    explain(console, picture, out, case)
    return shown


def gather(compiled: Compiled, result: TrainResult, seconds: float) -> Shown:
    """Read the recorded run on the last policy, and clear its auctions again with other bids."""
    engine = create_engine(result.database)
    orders = pd.read_sql_table("market_orders", engine)
    market = pd.read_sql_table("market_meta", engine).sort_values("product_start")
    engine.dispose()
    memory = MemorySink()
    for name, rows in (("market_orders", orders), ("market_meta", market)):
        memory.write(name, {str(column): rows[column].to_numpy() for column in rows})
    bounds = single_plant_bounds(compiled, memory)
    if bounds is None:
        raise SystemExit("the exact best response is known for a single learner only")
    evaluated, training, done = Curve([], []), Curve([], []), 0
    for episode in result.episodes:
        curve = evaluated if episode.evaluation else training
        done += not episode.evaluation
        curve.episode.append(done)
        curve.reward.append(episode.reward)
    hours = pd.DatetimeIndex(market["product_start"])
    price = market["price"].to_numpy(dtype=np.float64)
    return Shown(result, bounds, hours, price, evaluated, training, seconds)


def report(console: Console, shown: Shown) -> None:
    """Print the table."""
    count, first, last = len(shown.hours), shown.hours[0], shown.hours[-1]
    table = Table(
        "how the learner bids",
        title=f"{count} hourly auctions, deliveries {first:%d %b %H:%M} to {last:%d %b %Y %H:%M}",
    )
    for name in ("reward", "of best response", "profit EUR", "mean price EUR/MWh"):
        table.add_column(name, justify="right")
    prices = {
        "marginal cost": float(shown.bounds.truthful.price.mean()),
        "learned (last)": shown.result.last.prices[0].mean,
        "learned (best)": shown.result.best.prices[0].mean,
        "best response": float(shown.bounds.best.price.mean()),
    }
    best = shown.rewards["best response"]
    scale = float(shown.bounds.best.reward.abs().sum())
    for name, reward in shown.rewards.items():
        share = share_of_best(reward, best, scale)
        table.add_row(
            name,
            f"{reward:.2f}",
            "-" if share is None else f"{share:.1%}",
            f"{shown.profits[name]:,.0f}",
            f"{prices[name]:.2f}",
        )
    console.print(table)
    console.print(
        f"Training took {shown.seconds:.0f} s ({len(shown.training.reward)} episodes, evaluated "
        f"{len(shown.evaluated.reward)} times). 'last' is the policy at the end of training, "
        "'best' the one with the highest evaluated reward.\n"
        "The best response is exact: in every auction all prices at which the result can change "
        "were tried. Reward is scaled profit less a share of what unsold power would have earned; "
        "the best response maximises the reward.\n",
        highlight=False,
    )


def draw(shown: Shown, file: Path) -> Path:
    """Draw learning curve, profits and prices."""
    figure = plt.figure(figsize=(12, 8), dpi=120, layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.05), width_ratios=(1.25, 1))
    draw_curve(figure.add_subplot(grid[0, 0]), shown)
    draw_profits(figure.add_subplot(grid[0, 1]), shown)
    draw_prices(figure.add_subplot(grid[1, :]), shown)
    figure.savefig(file)
    plt.close(figure)
    return file


def draw_curve(axes: Axes, shown: Shown) -> None:
    """Reward over episodes, between its two bounds."""
    first, last = shown.training.episode[0], shown.training.episode[-1]
    bounds = (("best response", "exact best response", GREEN), ("marginal cost",) * 2 + (GREY,))
    for name, label, colour in bounds:
        reward = shown.rewards[name]
        axes.axhline(reward, color=colour, linestyle="--")
        axes.annotate(
            label, (first, reward), (0, 4), textcoords="offset points", color=colour, fontsize=9
        )
    axes.plot(
        shown.training.episode,
        shown.training.reward,
        "o",
        color=BLUE,
        alpha=0.35,
        markersize=4,
        label="training, with exploration",
    )
    axes.plot(shown.evaluated.episode, shown.evaluated.reward, "o-", color=BLUE, label="evaluation")
    axes.set(title="Learning curve", xlabel="training episodes", ylabel="reward of an episode")
    axes.set_xlim(first - 0.5, last + 0.5)
    top = max(0.0, *shown.rewards.values())
    axes.set_ylim(min(0.0, *shown.training.reward, *shown.rewards.values()), 1.12 * top or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", frameon=False)


def draw_profits(axes: Axes, shown: Shown) -> None:
    """Profit of four ways to bid."""
    values = [profit / 1000 for profit in shown.profits.values()]
    bars = axes.bar(
        [name.replace(" ", "\n", 1) for name in shown.profits],
        values,
        color=(GREY, BLUE, BLUE, GREEN),
    )
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in values], padding=2)
    axes.set(title="Profit of the learner", ylabel="thousand EUR")
    axes.margins(y=0.12)


def draw_prices(axes: Axes, shown: Shown) -> None:
    """Clearing price before and after learning."""
    before = shown.bounds.truthful.price.numpy()
    best = shown.bounds.best.price.numpy()
    axes.step(
        shown.hours, best, where="post", color=GREEN, linewidth=4, alpha=0.3, label="best response"
    )
    axes.step(
        shown.hours,
        shown.learned_price,
        where="post",
        color=BLUE,
        linewidth=1.4,
        label="after: learned (last)",
    )
    axes.step(
        shown.hours,
        before,
        where="post",
        color=GREY,
        linewidth=1.4,
        label="before: learner bids marginal cost",
    )
    axes.xaxis.set_major_formatter(DateFormatter("%a %d %b"))
    axes.set(title="Clearing price", ylabel="EUR/MWh", xlim=(shown.hours[0], shown.hours[-1]))
    drawn = np.concatenate([best, before, shown.learned_price])
    axes.set_ylim(min(0.0, drawn.min()), 1.22 * max(drawn.max(), 1.0))
    axes.legend(loc="upper center", ncols=3, frameon=False)


def explain(console: Console, picture: Path, out: Path, case: str) -> None:
    """Say where everything is and what to try next."""
    next_case = "next_week" if case == "base" else case
    console.print(
        f"Picture: {picture} (open it with any image viewer)\n"
        f"Tables:  {out / 'results.db'} (SQLite)\n"
        f"Policy:  {out / 'policies'}\n\n"
        "Try next\n"
        f"  .venv/bin/assume-rl evaluate scenarios/single_learner --case {next_case} "
        f"--policies {out}\n"
        "      the same policy on its own (next_week: a week that it has not seen)\n"
        "  .venv/bin/assume-rl train scenarios/single_learner --seed 1 "
        "--set learning_config.training_episodes=50 --out runs/longer\n"
        "      a longer training with another seed; seeds differ, some get stuck (see its README)\n"
        "  .venv/bin/assume-rl train scenarios/ten_learners\n"
        "      ten plants that learn at the same time, for many minutes (--case tiny: seconds)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="base", help="study case of scenarios/single_learner")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="output folder")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    main(asked.case, asked.out, asked.seed)

"""Draws `designs.png` from `runs.csv`: each seed a dot, interquartile mean with its interval."""

from pathlib import Path

import matplotlib
import pandas as pd

from assume_rl.evaluation.statistics import bootstrap_interval

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
DESIGNS = ("uniform price", "pay as bid", "lower cap")
PANELS = {
    "train.total_cost[EOM]": "what plants are paid, million EUR",
    "train.profit": "profit of the ten learners, million EUR",
}


def main() -> None:
    runs = pd.read_csv(HERE / "runs.csv")
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
    for axis, (column, label) in zip(axes, PANELS.items(), strict=True):
        for row, design in enumerate(DESIGNS):
            values = runs.loc[runs["design"] == design, column].to_numpy() / 1e6
            found = bootstrap_interval(values, seed=0)
            axis.plot(values, [row] * len(values), "o", color="0.75", markersize=5)
            axis.plot([found.low, found.high], [row, row], color="C0", linewidth=3)
            axis.plot(found.estimate, row, "o", color="C0", markersize=9)
        axis.set_xlabel(label)
        axis.set_yticks(range(len(DESIGNS)), DESIGNS)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(2.5, -0.5)
    figure.savefig(HERE / "designs.png", dpi=150)


if __name__ == "__main__":
    main()

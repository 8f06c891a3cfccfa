"""Train a bidder, save its policy, load it again and run the market on it.

    python examples/02_train_and_reload.py [OUTPUT FOLDER]

The case `tiny` is a smoke test: take `base` to see the bidder really learn, in about a minute.
"""

import sys
from pathlib import Path

from assume_rl import evaluate, load_scenario, run, train

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"


def main(out: Path) -> None:
    scenario = load_scenario(SCENARIO, "tiny", overrides={"learning_config.gamma": 0.5})

    trained = train(scenario, out=out / "training", overwrite=True)
    for report in trained.episodes:
        kind = "evaluation" if report.evaluation else "episode"
        print(f"{kind} {report.episode}: reward {report.reward:.3f}")

    # A policy folder is all that a run needs: no critics, no replay, no optimiser.
    policies = trained.folder / "policies" / "last"
    result = run(scenario, policies=policies, out=out / "run", overwrite=True)
    print("average price:", *(f"{value:.2f}" for name, _, value in result.kpis if "avg" in name))

    found = evaluate(scenario, policies=policies, out=out / "evaluation", overwrite=True)
    share = found.evaluation.share  # None where the best reward is too near to zero for one
    print("share of the exact best response:", "-" if share is None else f"{share:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/example_02"))

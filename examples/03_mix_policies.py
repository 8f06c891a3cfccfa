"""Learned, learning and rule-based bidders in one market.

    python examples/03_mix_policies.py [OUTPUT FOLDER]

Two of ten learners keep the policies of an earlier training while the other eight learn on; the
plants with a rule bid their marginal cost as ever. In a scenario's `config.yaml` the same reads::

    policies:
      learner_01: runs/earlier/policies/last
"""

import sys
from pathlib import Path

from assume_rl import evaluate, load_scenario, train

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "ten_learners"


def main(out: Path) -> None:
    out = out.resolve()  # relative policy paths would start at the scenario folder
    earlier = train(load_scenario(SCENARIO, "tiny"), out=out / "earlier", overwrite=True)

    finished = earlier.folder / "policies" / "last"
    keep = {f"policies.{unit}": str(finished) for unit in ("learner_01", "learner_02")}
    mixed = load_scenario(SCENARIO, "tiny", overrides=keep)
    result = train(mixed, out=out / "mixed", overwrite=True)
    last = result.folder / "policies" / "last"
    # The figures of a training are of those that learn; an evaluation has all ten.
    both = evaluate(mixed, policies=last, out=out / "evaluated", overwrite=True).evaluation
    before = {score.unit: score.reward for score in earlier.last.units}
    for score in both.units:
        kind = "finished" if f"policies.{score.unit}" in keep else "learning"
        print(f"{score.unit} ({kind}): reward {before[score.unit]:.3f} -> {score.reward:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/example_03"))

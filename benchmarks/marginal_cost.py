"""How far a market is from an equilibrium if all of its learners bid their marginal cost.

`python -m benchmarks.marginal_cost FOLDER CASE`, of a case whose learners are plants. It tells what
a small NashConv is worth: in a market without much power this one is small, too.
"""

import argparse
from pathlib import Path

from assume_rl.envs.record import play_recorded
from assume_rl.evaluation.exploitability import Exploitability, exploitability
from assume_rl.experiments.bounds import responses
from assume_rl.experiments.policies import learned_bidders
from assume_rl.experiments.scales import AtCost
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario

PLAIN = "powerplant_energy_learning"  # bids any prices, so that its cost need not be on a ladder


def at_cost(folder: Path, case: str) -> Exploitability:
    """Play the case with learners that bid marginal cost."""
    found = compile_scenario(load_scenario(folder, case))
    plain: dict[str, object] = {f"units.{name}.bidding_EOM": PLAIN for name in found.learners}
    compiled = compile_scenario(load_scenario(folder, case, overrides=plain))
    memory = MemorySink()
    policies = {name: AtCost(own) for name, own in learned_bidders(compiled).items()}
    play_recorded(compiled, seed=1, policies=policies, sink=memory, episode=1, evaluation=True)
    return exploitability(responses(compiled, memory, beside=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("case")
    given = parser.parse_args()
    found = at_cost(given.folder, given.case)
    assert found.nash_conv is not None
    assert found.nash_conv_share is not None
    print(f"NashConv {found.nash_conv:,.0f} EUR, {found.nash_conv_share:.2%} of profit")


if __name__ == "__main__":
    main()

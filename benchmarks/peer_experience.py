"""Agent-steps per second of ASSUME's training; executed by the python of ASSUME's environment.

`python -m benchmarks.peer_experience SCENARIO CASE` prints one JSON line: the agent-steps of an
episode (one learner, one hour) and how many a second brings while learners explore at random and
while their networks act. Updates are left out; so are tables, which makes ASSUME faster.
"""

import json
import sys
from pathlib import Path

from benchmarks.peer import copy_case, first_episodes, open_world, scratch, timed_calls


def main() -> None:
    scenario, case = Path(sys.argv[1]).resolve(), sys.argv[2]
    with scratch() as inputs:
        print(json.dumps(measure(scenario, case, inputs)))


def measure(scenario: Path, case: str, inputs: Path) -> dict[str, float]:
    """One episode of initial experience and one of training."""
    folder = copy_case(
        scenario,
        case,
        inputs,
        episodes_collecting_initial_experience=1,
        validation_episodes_interval=2,
        training_episodes=4,
        gradient_steps=1,
    )
    world = open_world(folder, case)
    from assume.reinforcement_learning.algorithms.matd3 import TD3
    from assume.reinforcement_learning.learning_role import Learning

    rewards = timed_calls(Learning, "add_reward_to_cache")
    updates = timed_calls(TD3, "update_policy")
    exploring, acting = first_episodes(world, 2)
    steps = len(rewards) / 2
    return {
        "agent_steps": steps,
        "exploring": steps / exploring,
        "acting": steps / (acting - sum(updates)),
    }


if __name__ == "__main__":
    main()

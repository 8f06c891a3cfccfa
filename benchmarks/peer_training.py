"""Seconds of a whole training in ASSUME; executed by the python of ASSUME's environment.

`python -m benchmarks.peer_training SCENARIO CASE POLICIES` trains with evaluations and runs the
last policies, as ASSUME's command line does, puts the policies into the new folder POLICIES and
prints one JSON line. All tables go to an SQLite file, from which ASSUME reads its evaluations.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peer import copy_case, open_world, scratch, timed_calls, train


def main() -> None:
    scenario, case, policies = Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve()
    with scratch() as inputs:
        folder = copy_case(scenario, case, inputs, trained_policies_save_path="learned")
        found = measure(folder, case)
        shutil.copytree(folder / "learned", policies)
    print(json.dumps(found))


def measure(folder: Path, case: str) -> dict[str, Any]:
    """Seconds without those of loading, those of them in updates, and the gradient steps."""
    world = open_world(folder, case, "sqlite:///peer.db")
    from assume.reinforcement_learning.algorithms.matd3 import TD3

    updates = timed_calls(TD3, "update_policy")
    start = time.perf_counter()
    train(world)
    world.run()
    return {
        "seconds": time.perf_counter() - start,
        "updating": sum(updates),
        "gradient_steps": len(updates) * world.learning_config.gradient_steps,
    }


if __name__ == "__main__":
    main()

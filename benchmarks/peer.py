"""Runs a scenario folder in ASSUME; executed by the python of ASSUME's own environment.

Usage: python peer.py INPUTS_FOLDER SCENARIO CASE [DATABASE_URL]. Prints one JSON line with seconds.
"""

import json
import logging
import sys
import time


def main() -> None:
    from assume import World
    from assume.scenario.loader_csv import load_scenario_folder

    logging.disable(logging.CRITICAL)
    inputs, scenario, case = sys.argv[1:4]
    database = sys.argv[4] if len(sys.argv) > 4 else None
    start = time.perf_counter()
    world = World(database_uri=database or "", log_level="CRITICAL")
    load_scenario_folder(world, inputs_path=inputs, scenario=scenario, study_case=case)
    loaded = time.perf_counter()
    world.run()
    done = time.perf_counter()
    print(json.dumps({"load": loaded - start, "run": done - loaded}))


if __name__ == "__main__":
    main()

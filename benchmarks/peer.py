"""Runs a scenario folder in ASSUME; executed by the python of ASSUME's own environment.

`python -m benchmarks.peer SCENARIO CASE [DATABASE_URL]` prints one JSON line with seconds. Its
siblings `peer_update`, `peer_experience` and `peer_training` share what is here. Only names that
ASSUME documents are used; they are imported late, because ASSUME writes a log where it is imported.
"""

import contextlib
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    scenario, case = Path(sys.argv[1]).resolve(), sys.argv[2]
    database = sys.argv[3] if len(sys.argv) > 3 else ""
    with scratch() as inputs:
        shutil.copytree(scenario, inputs / scenario.name)
        start = time.perf_counter()
        world = open_world(inputs / scenario.name, case, database)
        loaded = time.perf_counter()
        world.run()
        done = time.perf_counter()
    print(json.dumps({"load": loaded - start, "run": done - loaded}))


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Work in a temporary folder; yields its folder of scenarios."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        inputs = Path(folder) / "inputs"
        inputs.mkdir()
        yield inputs


def copy_case(scenario: Path, case: str, inputs: Path, **learning: Any) -> Path:
    """Copy a scenario to `inputs`, one case of it, with other learning settings."""
    import yaml

    copy = Path(shutil.copytree(scenario, inputs / scenario.name))
    config = yaml.safe_load((copy / "config.yaml").read_text(encoding="utf-8"))[case]
    config["learning_config"] |= learning
    (copy / "config.yaml").write_text(yaml.safe_dump({case: config}), encoding="utf-8")
    return copy


def open_world(scenario: Path, case: str, database: str = "") -> Any:
    """A silent world with the scenario loaded."""
    from assume import World
    from assume.scenario.loader_csv import load_scenario_folder

    logging.disable(logging.CRITICAL)
    world = World(database_uri=database, log_level="CRITICAL")
    load_scenario_folder(world, str(scenario.parent), scenario.name, case)
    return world


def train(world: Any) -> None:
    """The training of ASSUME's command line, on one thread."""
    import torch
    from assume.scenario.loader_csv import run_learning

    torch.set_num_threads(1)
    run_learning(world)


def first_episodes(world: Any, count: int) -> list[float]:
    """Seconds of each of the first episodes of a training, which ends there."""
    seconds = timed_calls(world, "run")
    run = world.run

    def until_enough() -> None:
        if len(seconds) == count:
            raise Enough
        run()

    world.run = until_enough
    with contextlib.suppress(Enough):
        train(world)
    return seconds


class Enough(Exception):
    """As many episodes have been played as were wanted."""


def timed_calls(owner: Any, method: str) -> list[float]:
    """Replace a method by itself, timed; the list gets the seconds of every call."""
    plain: Callable[..., Any] = getattr(owner, method)
    seconds: list[float] = []

    def timed(*arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        result = plain(*arguments, **keywords)
        seconds.append(time.perf_counter() - start)
        return result

    setattr(owner, method, timed)
    return seconds


if __name__ == "__main__":
    main()

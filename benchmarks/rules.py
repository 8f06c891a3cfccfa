"""What memory costs: the national week with naive plants, with ramps, with plants that count starts
and with storages beside them, in both shells.

With `--peer` also the last of these in ASSUME, a week, and in both shells with all tables written.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.episodes.rows.dated import Sink
from assume_rl.results.sinks import DatabaseSink, MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from benchmarks.fleets import NATIONAL
from benchmarks.phases import PLACES, Run, timed
from benchmarks.timing import machine, peer_seconds

NAIVE = "powerplant_energy_naive"
FLEXIBLE, STORAGE = "powerplant_energy_heuristic_flexable", "storage_energy_heuristic_flexable"
# EUR per MW and start, share of max_power per hour, hours.
STARTS: Mapping[str, tuple[float, float, int, int]] = {
    "nuclear": (140, 0.4, 24, 10),
    "lignite": (50, 0.35, 10, 7),
    "hard coal": (45, 0.5, 7, 6),
    "combined cycle gas turbine": (40, 0.6, 5, 3),
    "open cycle gas turbine": (20, 1.0, 0, 0),
    "oil turbine": (20, 1.0, 0, 0),
}
STORAGES = 20


def with_rules(folder: Path, bidder: str, storages: int = 0) -> Path:
    """Return the folder of the national scenario, written with ramps, minimum times and storages.

    :param folder: that is written
    :param bidder: of the plants with ramps
    :param storages: how many
    """
    shutil.copytree(NATIONAL, folder)
    plants = pd.read_csv(folder / "powerplant_units.csv")
    own = plants.technology.map(STARTS)
    counts = own.notna()
    start, ramp, on, off = (own[counts].str[i] for i in range(4))
    plants.loc[counts, "bidding_EOM"] = bidder
    for kind in ("hot", "warm", "cold"):
        plants.loc[counts, f"{kind}_start_cost"] = start
    for way in ("up", "down"):
        plants.loc[counts, f"ramp_{way}"] = ramp * plants.max_power[counts]
    plants.loc[counts, "min_operating_time"], plants.loc[counts, "min_down_time"] = on, off
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    if storages:
        table = {
            "name": [f"pumped storage {i}" for i in range(storages)],
            "technology": "hydro",
            "unit_operator": [f"storage operator {i}" for i in range(storages)],
            "bidding_EOM": STORAGE,
            "capacity": 2000,
            "max_power_charge": 300,
            "max_power_discharge": 300,
            "efficiency_charge": 0.88,
            "efficiency_discharge": 0.9,
            "initial_soc": 0.5,
        }
        pd.DataFrame(table).to_csv(folder / "storage_units.csv", index=False)
    return folder


def messages(compiled: Compiled, sink: Sink, flush_hours: int | None) -> None:
    """Play an episode on the message shell."""
    world = World(compiled, seed=1)
    asyncio.run(world.run_episode(sink=sink, flush_hours=flush_hours))


def batch(compiled: Compiled, sink: Sink, flush_hours: int | None) -> None:
    """Play an episode on the batch shell."""
    play_recorded(compiled, seed=1, policies={}, sink=sink, flush_hours=flush_hours)


SHELLS: Mapping[str, Callable[[Compiled, Sink, int | None], None]] = {
    "messages": messages,
    "batch": batch,
}


def measure(folder: Path, case: str, shells: Sequence[str]) -> dict[str, float]:
    """Return milliseconds per simulated step of each shell, rows kept in memory.

    :param folder: of the scenario
    :param case: study case
    :param shells: keys of `SHELLS`
    """
    compiled = compile_scenario(load_scenario(folder, case))
    found = {}
    for name in shells:
        start = time.perf_counter()
        SHELLS[name](compiled, MemorySink(), None)
        found[name] = 1000 * (time.perf_counter() - start) / (compiled.steps - 1)
    return found


def written(folder: Path, case: str, shell: str, out: Path) -> Run:
    """Return the time of a run whose tables are all written to SQLite, and where it goes.

    :param folder: of the scenario
    :param case: study case
    :param shell: key of `SHELLS`
    :param out: folder for `results.db`
    """
    compiled = compile_scenario(load_scenario(folder, case))
    flush_hours = compiled.scenario.config.save_frequency_hours or None
    with (
        DatabaseSink(f"sqlite:///{out}/results.db", "benchmark") as sink,
        timed(PLACES[shell]) as phases,
    ):
        start = time.perf_counter()
        SHELLS[shell](compiled, sink, flush_hours)
        seconds = time.perf_counter() - start
    return Run((compiled.steps - 1) * compiled.step_seconds / 3600, seconds, phases)


def against(peer: Path, folder: Path, cases: Mapping[str, str]) -> None:
    """Print the time of ASSUME's week, that of each shell, and the ratio per simulated hour.

    :param peer: python of an environment with ASSUME
    :param folder: of the scenario
    :param cases: study case that each shell plays
    """
    week = compile_scenario(load_scenario(folder, "week"))
    hours = (week.steps - 1) * week.step_seconds / 3600
    theirs = peer_seconds(peer, folder, "week")["run"]
    print(f"peer, week: {theirs:.1f} s, {1000 * theirs / hours:.1f} ms per simulated hour")
    for shell, case in cases.items():
        with tempfile.TemporaryDirectory() as out:
            ours = written(folder, case, shell, Path(out))
        ratio = theirs / hours / ours.per_hour
        print(f"{shell}, {case}: {ours.report()}; {ratio:.1f} times as fast as the peer")


def main() -> None:
    """Print a line per scenario: time of a step, and its ratio to that with naive plants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="week", help="study case: week, or base for a year")
    parser.add_argument("--shell", nargs="+", default=list(SHELLS), choices=list(SHELLS))
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument(
        "--year",
        action="store_true",
        help="beside the peer a year of the message shell, not a week",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        folders = {
            "naive plants": NATIONAL,
            "naive plants with ramps": with_rules(Path(place) / "ramps", NAIVE),
            "plants that count starts": with_rules(Path(place) / "plants", FLEXIBLE),
            f"and {STORAGES} storages": with_rules(Path(place) / "both", FLEXIBLE, STORAGES),
        }
        usual: dict[str, float] = {}
        for name, folder in folders.items():
            took = measure(folder, given.case, given.shell)
            usual = usual or took
            parts = (f"{s} {t:.2f} ms ({t / usual[s]:.1f} times)" for s, t in took.items())
            print(f"national/{given.case}, {name}, per step: {', '.join(parts)}", flush=True)
        if given.peer:
            long = "base" if given.year else "week"
            against(given.peer, folder, {"messages": long, "batch": "base"})


if __name__ == "__main__":
    main()

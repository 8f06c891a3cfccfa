"""What every experiment needs: a compiled scenario, a seed, policies, and places for results."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from assume_rl.episodes.rows import Sink
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.experiments.meta import write_meta
from assume_rl.experiments.outputs import (
    DATABASE,
    MANIFEST,
    POLICIES,
    Manifest,
    check_export,
    check_folder,
    check_simulation,
    export,
    prepare_folder,
    versions,
)
from assume_rl.experiments.sinks import Discard, Fingerprint, Tee
from assume_rl.learning.checkpoint import check_fit, load_policies, load_policy
from assume_rl.learning.manifest import Manifest as PolicyManifest
from assume_rl.learning.networks import ActorStack
from assume_rl.learning.types import AgentSpec
from assume_rl.results.sinks import DatabaseSink, MemorySink
from assume_rl.scenario.compile import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class Places:
    """Where results go; None means the default.

    :param out: output folder, `runs/<simulation id>` by default.
    :param db: SQLAlchemy URL, `results.db` in the output folder by default.
    :param csv: folder for a CSV export of all tables; none by default.
    """

    out: Path | str | None = None
    db: str | None = None
    csv: Path | str | None = None
    overwrite: bool = False


@dataclass
class Experiment:
    """An open run: rows go to `sink`, the rest to `folder`."""

    compiled: Compiled
    seed: int
    folder: Path
    url: str  # SQLAlchemy URL of the database
    database: DatabaseSink
    memory: MemorySink
    sink: Sink
    training_sink: Sink  # keeps nothing in memory: the rows of a training are many
    manifest: Manifest
    results: dict[str, Any]

    @property
    def scenario(self) -> Scenario:
        """The study case."""
        return self.compiled.scenario

    def unrecorded(self, keep: frozenset[str]) -> "Experiment":
        """The same run, but rows go only to memory, those of the tables in `keep`."""
        memory = MemorySink()
        return replace(self, memory=memory, sink=Discard(memory, keep), results={})

    @property
    def flush_hours(self) -> int | None:
        """Simulated hours between two batches of result rows."""
        return self.scenario.config.save_frequency_hours or None

    def share_done(self, now: float) -> float:
        """Share of an episode that lies before `now` (POSIX seconds), 0 to 1."""
        index = self.scenario.index
        length = (index[-1] - index[0]).total_seconds()
        return float((now - index[0].timestamp()) / length)


def compiled_case(scenario: Scenario | Path | str) -> Compiled:
    """A compiled study case; of a path, the first one."""
    return compile_scenario(scenario if isinstance(scenario, Scenario) else load_scenario(scenario))


def draw_seed(scenario: Scenario, seed: int | None) -> int:
    """The seed asked for, else the study case's; where that is null, one is drawn."""
    chosen = scenario.config.seed if seed is None else seed
    return secrets.randbelow(2**31) if chosen is None else chosen


@contextmanager
def single_thread() -> Iterator[None]:
    """One thread for torch: for small networks and fleets a second costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def open_experiment(
    compiled: Compiled,
    kind: str,
    places: Places,
    *,
    seed: int | None,
    device: str = "cpu",
    keep: frozenset[str] = frozenset(),
    reads: Path | str | None = None,
    simulation: str | None = None,
) -> Iterator[Experiment]:
    """Folder, manifest and database of a run; the manifest says how it ended, whatever happens.

    :param keep: tables that are kept in memory too.
    :param reads: folder with the policies that the run starts from.
    :param simulation: name in the result tables; None: the study case's.
    :raises ResultsError: results cannot go where the caller asked; nothing has been written then.
    """
    scenario = compiled.scenario
    simulation = simulation or scenario.simulation_id
    folder = Path(places.out or Path("runs") / simulation)
    needed = policy_sources(scenario, reads)
    check_folder(folder, overwrite=places.overwrite, needed=needed)
    if places.csv is not None:
        check_export(Path(places.csv))
    if places.db is not None:
        check_simulation(places.db, simulation, overwrite=places.overwrite)
    prepare_folder(folder)
    chosen = draw_seed(scenario, seed)
    configuration = scenario.config.model_dump(mode="json")
    url = places.db or f"sqlite:///{folder / DATABASE}"
    # A plain run has the name of the training before it, whose learning rows stay.
    clear = kind != "run"
    with single_thread(), DatabaseSink(url, simulation, clear_learning=clear) as database:
        database.start_run(seed=chosen, versions=versions(), configuration=configuration)
        manifest = Manifest.start(
            folder,
            {
                "kind": kind,
                "scenario": scenario.name,
                "case": scenario.case,
                "simulation": simulation,
                "seed": chosen,
                "device": device,
                "warnings": list(scenario.warnings),
                "configuration": configuration,
            },
        )
        fingerprint, memory = Fingerprint(), MemorySink()
        run = Experiment(
            compiled=compiled,
            seed=chosen,
            folder=folder,
            url=url,
            database=database,
            memory=memory,
            sink=Tee(database, fingerprint, memory, keep),
            training_sink=Tee(database, fingerprint, memory, frozenset()),
            manifest=manifest,
            results={},
        )
        try:
            write_meta(database, scenario)
            yield run
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            state = "interrupted" if stopped else "failed"
            manifest.close(state, error=str(error) or type(error).__name__, **run.results)
            database.update_run(state=state)
            raise
        run.results["final_hash"] = fingerprint.digest
        database.finish_run(fingerprint.digest)
        manifest.close("finished", **run.results)
    if places.csv is not None:
        export(url, Path(places.csv), simulation)


def learner_specs(compiled: Compiled) -> dict[str, AgentSpec]:
    """What a policy of each learning bidder must look like."""
    return {
        unit: AgentSpec(
            unit,
            layout.size,
            strategy.act_size,
            layout.unique_size,
            tuple((f.name, f.size, f.scaling) for f in layout.features),
        )
        for operator in compiled.operators
        for participants in operator.participants.values()
        for strategy, units in ((p.strategy, p.units) for p in participants)
        if strategy.act_size > 0
        for layout in [strategy.layout]
        for unit in (compiled.fleet.ids[u] for u in units)
    }


def named_policies(compiled: Compiled) -> dict[str, ActorStack]:
    """The policies that the study case names unit by unit."""
    named = compiled.scenario.config.policies
    policies = {unit: load_policy(Path(path), unit) for unit, path in named.items()}
    for unit, path in named.items():
        _check(compiled, {unit: policies[unit]}, Path(path), None)
    return policies


def folder_policies(compiled: Compiled, folder: Path, units: list[str]) -> dict[str, ActorStack]:
    """The policies of `units` in a folder of our layout or of ASSUME's."""
    loaded = load_policies(policy_folder(folder), unit_ids=units)
    single = {unit: stack.select([unit]) for stack in loaded.actors for unit in stack.unit_ids}
    _check(compiled, single, folder, loaded.manifest)
    return single


def policy_sources(scenario: Scenario, folder: Path | str | None) -> tuple[Path, ...]:
    """Everything that policies are read from: `folder` and what the study case names."""
    named = (folder, scenario.learning.trained_policies_load_path)
    return tuple(Path(p) for p in (*named, *scenario.config.policies.values()) if p is not None)


def policy_folder(folder: Path) -> Path:
    """`folder`, or the last policies of the training that it holds.

    :raises PolicyError: it is the output folder of a run that has no policies.
    """
    for last in (folder / POLICIES / "last", folder / "last"):
        if last.is_dir():
            return last
    if _is_run(folder):
        raise PolicyError(f"'{folder}' is the output folder of a run, but it holds no policies")
    return folder


def _is_run(folder: Path) -> bool:
    """Whether the manifest in `folder` is that of a run; policies have one of another kind."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "simulation" in content


def all_policies(compiled: Compiled, folder: Path | str | None) -> dict[str, ActorStack]:
    """A policy for every learning bidder.

    Units named in the study case have theirs; the others' come from `folder`, else from
    `trained_policies_load_path`.

    :raises ConfigurationError: a learning bidder has no policy.
    :raises PolicyError: a policy cannot be read, or `folder` does not exist.
    """
    if folder is not None and not Path(folder).is_dir():
        raise PolicyError(f"policy folder '{folder}' does not exist")
    policies = named_policies(compiled)
    rest = [unit for unit in compiled.learners if unit not in policies]
    source = folder or compiled.scenario.learning.trained_policies_load_path
    if rest and source is None:
        some = ", ".join(rest[:3]) + (", ..." if len(rest) > 3 else "")
        raise ConfigurationError(
            f"{len(rest)} learning bidder(s) have no policy ({some}): name a folder with "
            "--policies, set learning_config.trained_policies_load_path, or train first"
        )
    return policies | (folder_policies(compiled, Path(source), rest) if rest and source else {})


def _check(
    compiled: Compiled,
    policies: dict[str, ActorStack],
    source: Path,
    manifest: PolicyManifest | None,
) -> None:
    """Raise `PolicyError` unless these policies are made for these bidders."""
    specs = learner_specs(compiled)
    check_fit(
        policies.values(),
        [specs[unit] for unit in policies],
        source,
        manifest=manifest,
        max_bid_price=compiled.scenario.learning.max_bid_price,
    )

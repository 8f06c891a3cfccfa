"""The common parts of experiments: a compiled scenario, seed, policies, and places for results."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from assume_rl.episodes.draws import draw_seed
from assume_rl.episodes.rows.dated import Sink
from assume_rl.errors import ResultsError
from assume_rl.experiments.archive import policy_digests, write_archive
from assume_rl.experiments.claim import claim, replacing
from assume_rl.experiments.description import description
from assume_rl.experiments.marks import Mark, rewind
from assume_rl.experiments.meta import write_meta
from assume_rl.experiments.outputs import (
    DATABASE,
    Manifest,
    check_simulation,
    export_folder,
    versions,
)
from assume_rl.experiments.policies import policy_sources
from assume_rl.experiments.sinks import Discard, Fingerprint, Tee
from assume_rl.results.database import check_kept
from assume_rl.results.export import export_csv
from assume_rl.results.files import read_manifest
from assume_rl.results.owner import Hold
from assume_rl.results.sinks import DatabaseSink, MemorySink
from assume_rl.results.tables import chosen_tables
from assume_rl.results.tracking import Tracker, check_trackers, create_trackers
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class Places:
    """Where results go; None means the default.

    :param out: output folder, `runs/<simulation id>` by default.
    :param db: SQLAlchemy URL, `results.db` in the output folder by default.
    :param csv: folder for a CSV export of all tables; none by default.
    :param tables: result tables that are stored, beside `runs` and those that describe units; all
        by default.
    """

    out: Path | str | None = None
    db: str | None = None
    csv: Path | str | None = None
    overwrite: bool = False
    tables: Sequence[str] | None = None


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
    training_sink: Tee  # keeps nothing in memory: the rows of a training are many
    fingerprint: Fingerprint  # of all rows so far
    trackers: tuple[Tracker, ...]
    manifest: Manifest
    results: dict[str, Any]
    engine: str = "agents"  # the shell that plays recorded episodes
    tables: frozenset[str] | None = None  # that are stored or kept in memory; None: all

    @property
    def scenario(self) -> Scenario:
        """Return the study case."""
        return self.compiled.scenario

    def unrecorded(self, keep: frozenset[str]) -> "Experiment":
        """Return the same run with rows kept only in memory, those of the tables in `keep`."""
        memory = MemorySink()
        sink = Discard(memory, keep)
        return replace(self, memory=memory, sink=sink, results={}, tables=keep)

    @property
    def flush_hours(self) -> int | None:
        """Return the number of simulated hours between two batches of result rows."""
        return self.scenario.config.save_frequency_hours or None

    def share_done(self, now: float) -> float:
        """Return the share of an episode that lies before `now` (POSIX seconds), 0 to 1."""
        index = self.scenario.index
        length = (index[-1] - index[0]).total_seconds()
        return float((now - index[0].timestamp()) / length)


def study_case(scenario: Scenario | Path | str) -> Scenario:
    """Return a study case; the first one of a path."""
    return scenario if isinstance(scenario, Scenario) else load_scenario(scenario)


def compiled_case(scenario: Scenario | Path | str) -> Compiled:
    """Return a compiled study case; the first one of a path."""
    return compile_scenario(study_case(scenario))


@contextmanager
def single_thread() -> Iterator[None]:
    """Limit torch to one thread: for small networks and fleets a second one costs time."""
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
    engine: str = "agents",
    keep: frozenset[str] = frozenset(),
    reads: Path | str | None = None,
    simulation: str | None = None,
    resumed: Mark | None = None,
    track: Sequence[str] = (),
    held: Hold | None = None,
) -> Iterator[Experiment]:
    """Yield a run with folder, manifest and database; the manifest records how it ended.

    :param keep: tables that are kept in memory too.
    :param reads: folder with the policies that the run starts from.
    :param simulation: name in the result tables; None: the study case's.
    :param resumed: what the folder's training had written at the moment that it resumes from.
    :param track: names of trackers that show the numbers of a training.
    :param held: the lock on the output folder; None: it is taken here.
    :raises ResultsError: results cannot go where the caller asked; nothing has been written then,
        and what was there before is there still.
    """
    scenario = compiled.scenario
    simulation = simulation or scenario.simulation_id
    check_trackers(track)
    tables = None if places.tables is None else chosen_tables(places.tables)
    folder = Path(places.out or Path("runs") / simulation)
    url = places.db or f"sqlite:///{folder / DATABASE}"
    check_kept(url)
    chosen = draw_seed(scenario, seed)
    with single_thread(), ExitStack() as opened:
        if held is None:
            needed = policy_sources(scenario, reads)
            own = claim(folder, overwrite=places.overwrite, needed=needed)
            held = opened.enter_context(own)
        if places.csv is not None:
            opened.enter_context(export_folder(Path(places.csv), folder, places.overwrite))
        content = description(compiled, kind, simulation, seed=chosen, engine=engine, device=device)
        content |= _told(scenario, tables, reads)
        if resumed is not None:
            rewind(folder, url, simulation, resumed)
            content["resumed_after"] = [
                *read_manifest(folder).get("resumed_after", []),
                resumed.standing.episodes,
            ]
        elif places.db is not None:
            check_simulation(places.db, simulation, overwrite=places.overwrite)
        with nullcontext() if resumed else replacing(folder):
            manifest = Manifest.start(folder, content)
            trackers = create_trackers(track, folder)
            for tracker in trackers:
                opened.callback(tracker.close)
            # A plain run has the name of the training before it, whose learning rows stay.
            clear = kind != "run" and resumed is None
            sink = DatabaseSink(url, simulation, clear_learning=clear, tables=tables)
            database = opened.enter_context(sink)
            database.start_run(
                seed=chosen, versions=versions(), configuration=content["configuration"]
            )
            write_meta(database, compiled)
            if resumed is None:
                write_archive(folder, scenario, chosen)
        fingerprint, memory = Fingerprint(resumed.fingerprint if resumed else None), MemorySink()
        run = Experiment(
            compiled=compiled,
            seed=chosen,
            folder=folder,
            url=url,
            database=database,
            memory=memory,
            sink=Tee(database, fingerprint, memory, keep),
            training_sink=Tee(
                database,
                fingerprint,
                memory,
                frozenset(),
                resumed.rows if resumed else 0,
                trackers,
            ),
            fingerprint=fingerprint,
            trackers=trackers,
            manifest=manifest,
            results={},
            engine=engine,
            tables=None if tables is None else tables | keep,
        )
        try:
            yield run
            held.check()
            run.results["final_hash"] = fingerprint.digest
            database.finish_run(fingerprint.digest)
        except BaseException as error:
            _fail(run, held, error)
            raise
        manifest.close("finished", **run.results)
        if places.csv is not None:
            export_csv(url, Path(places.csv), simulation, overwrite=places.overwrite)


def _told(
    scenario: Scenario, tables: frozenset[str] | None, reads: Path | str | None
) -> dict[str, Any]:
    """Return a manifest's entries on a run beside its `description`."""
    found: dict[str, Any] = {
        "warnings": list(scenario.warnings),
        "policies_read": policy_digests(policy_sources(scenario, reads)),
    }
    if reads is not None:
        found["policies_from"] = str(Path(reads).absolute())
    if tables is not None:
        found["tables"] = sorted(tables)
    return found


def _fail(run: Experiment, held: Hold, error: BaseException) -> None:
    """Record the cause of a failure in the run's results, if it still owns them."""
    state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    with suppress(ResultsError):  # the first error is the one to report
        held.check()
        run.manifest.close(state, error=str(error) or type(error).__name__, **run.results)
        run.database.update_run(state=state)

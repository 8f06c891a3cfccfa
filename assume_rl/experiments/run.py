"""Runs a study case without learning: rules, and learned bidders on finished policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.experiments.case import (
    Experiment,
    Places,
    open_experiment,
)
from assume_rl.experiments.engines import EngineName, choose_engine
from assume_rl.experiments.loop import complete
from assume_rl.experiments.meta import pay_as_bid_markets
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.results.metrics import write_kpis
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class RunResult:
    """Where a run's results are, and its key figures."""

    folder: Path
    database: str  # SQLAlchemy URL
    kpis: tuple[tuple[str, str, float], ...]  # variable, market, value
    warnings: tuple[str, ...]


def run(
    scenario: Scenario | Path | str,
    *,
    policies: Path | str | None = None,
    seed: int | None = None,
    engine: EngineName = "auto",
    out: Path | str | None = None,
    db: str | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    tables: Sequence[str] | None = None,
    observer: Observer | None = None,
) -> RunResult:
    """Run a study case once; never trains, whatever `learning_mode` says.

    :param policies: folder with a policy for every learning bidder that the case names none for.
    :param seed: None: the study case's.
    :param engine: `agents` (and `auto`) or `batch`; both give the same market results.
    :param out: see `Places`, likewise `db`, `csv`, `overwrite`, `tables`.
    :raises AssumeRlError: something the user can mend.
    """
    compiled = compiled_to_play(scenario, policies)
    actors = all_policies(compiled, policies)
    places = Places(out, db, csv, overwrite, tables)
    shell, _ = choose_engine(engine, compiled, default="agents")
    with open_experiment(
        compiled, "run", places, seed=seed, engine=shell, reads=policies
    ) as experiment:
        play(experiment, actors, observer or Silent())
        kpis = tuple(write_kpis(experiment.database, pay_as_bid_markets(compiled)))
        experiment.results["kpis"] = [list(kpi) for kpi in kpis]
    return RunResult(experiment.folder, experiment.url, kpis, compiled.scenario.warnings)


def play(experiment: Experiment, policies: dict[str, ActorStack], observer: Observer) -> None:
    """One recorded episode on fixed policies: no critics, replay or optimiser in memory."""
    observer.begin(1)
    if experiment.engine == "batch":
        play_recorded(
            experiment.compiled,
            seed=experiment.seed,
            policies=policies,
            sink=experiment.sink,
            flush_hours=experiment.flush_hours,
            on_share=observer.advance,
            tables=experiment.tables,
        )
        return
    world = World(experiment.compiled, seed=experiment.seed, policies=policies)
    complete(
        world.run_episode(
            0,  # training and evaluation episodes count from 1
            sink=experiment.sink,
            flush_hours=experiment.flush_hours,
            on_time=lambda now: observer.advance(experiment.share_done(now)),
        )
    )

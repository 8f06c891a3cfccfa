"""Runs a study case without learning: rules, and learned bidders on finished policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assume_rl.agents.world import World
from assume_rl.core.units.base import HELD
from assume_rl.envs.record import Play, play_side_by_side
from assume_rl.experiments.case import Experiment, Places, open_experiment
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.held_reserve import undeliverable_reserve
from assume_rl.experiments.loop import complete
from assume_rl.experiments.meta import pay_as_bid_markets
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.results.metrics import write_kpis
from assume_rl.scenario.types import Scenario

Policies = Mapping[str, ActorStack]
"""Fixed policies by agent."""


@dataclass(frozen=True)
class RunResult:
    """Where a run's results are, and its key figures."""

    folder: Path
    database: str  # SQLAlchemy URL
    kpis: tuple[tuple[str, str, float], ...]  # variable, market, value
    warnings: tuple[str, ...]
    reserve: frozenset[str] = frozenset()  # markets whose prices are EUR/MW and hour


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
    """Run a study case once without training, whatever its `learning_mode`.

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
        missing = undeliverable_reserve(compiled, experiment.database)
        kpis = tuple(write_kpis(experiment.database, pay_as_bid_markets(compiled), missing))
        experiment.results["kpis"] = [list(kpi) for kpi in kpis]
    reserve = frozenset(spec.name for spec in compiled.markets if spec.product_type in HELD)
    warnings = compiled.scenario.warnings
    if policies is not None and not actors:
        warnings += (f"study case '{compiled.scenario.case}' has no unit that acts by policies",)
    return RunResult(experiment.folder, experiment.url, kpis, warnings, reserve)


def play(experiment: Experiment, policies: Policies, observer: Observer) -> None:
    """Play one recorded episode on fixed policies: no critics, replay or optimiser in memory."""
    play_all([(experiment, policies)], observer)


def play_all(played: Sequence[tuple[Experiment, Policies]], observer: Observer) -> None:
    """Play one recorded episode of each of several seeds, in the batch shell all at once.

    :param played: runs of one study case on one shell, with their fixed policies
    :param observer: hears of the share that is done
    """
    observer.begin(1)
    first, _ = played[0]
    if first.engine == "batch":
        play_side_by_side(
            first.compiled,
            [Play(run.seed, policies, run.sink) for run, policies in played],
            flush_hours=first.flush_hours,
            on_share=observer.advance,
            tables=first.tables,
        )
        return
    for run, policies in played:
        world = World(run.compiled, seed=run.seed, policies=policies)
        complete(
            world.run_episode(
                0,  # training and evaluation episodes count from 1
                sink=run.sink,
                flush_hours=run.flush_hours,
                on_time=lambda now: observer.advance(first.share_done(now)),
            )
        )

"""Evaluates finished policies: one episode without exploration, and how good it was."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.exploitability import OF_LEARNER, Exploitability, Response, exploitability
from assume_rl.evaluation.gap import PROFIT_GAP, REWARD_GAP, SHARE, share_of_best
from assume_rl.experiments.bounds import (
    AT_THE_END,
    responses,
    single_plant_bounds,
    unknown_bounds,
)
from assume_rl.experiments.case import (
    Experiment,
    Places,
    open_experiment,
)
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.market_figures import TABLES, Markets, market_figures, market_kpis
from assume_rl.experiments.meta import pay_as_bid_markets
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.policies import all_policies, folder_manifest
from assume_rl.experiments.provenance import trained_share
from assume_rl.experiments.run import Policies, play
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.experiments.scores import (
    PriceStatistics,
    UnitScore,
    price_statistics,
    unit_scores,
)
from assume_rl.results.metrics import Kpis, write_kpis
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.types import Scenario

KEPT = frozenset({"market_meta", "market_orders", "rl_params"}) | TABLES
"""Tables that `score` reads."""


@dataclass(frozen=True)
class Evaluation:
    """One episode on fixed policies."""

    units: tuple[UnitScore, ...]
    prices: tuple[PriceStatistics, ...]
    best_reward: float | None  # exact best response of a single learner, where it is known
    best_scale: float | None  # sum of its absolute rewards by auction
    best_profit: float | None  # EUR, of the bids with the best reward
    truthful_reward: float | None  # the same learner bidding its marginal cost
    truthful_profit: float | None  # EUR
    unknown: str | None = None  # why the best response is not known
    responses: tuple[Response, ...] = ()  # of all learners
    markets: Markets = field(default_factory=lambda: Markets((), None))
    rewarded_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Agents of energy, by the agent of reserve that is rewarded for theirs too."""

    @property
    def exploitability(self) -> Exploitability | None:
        """Return how far the market is from an equilibrium; None without `responses`."""
        return exploitability(self.responses) if self.responses else None

    @property
    def reward(self) -> float:
        """Return the mean reward of the units."""
        return sum(u.reward for u in self.units) / len(self.units)

    @property
    def profit(self) -> float:
        """Sum over the units, EUR."""
        return sum(u.profit for u in self.units)

    @property
    def regret(self) -> float:
        """Sum over the units, EUR."""
        return sum(u.regret for u in self.units)

    @property
    def reward_gap(self) -> float | None:
        """Return the reward of the exact best response less the reward that was reached."""
        return None if self.best_reward is None else self.best_reward - self.reward

    @property
    def profit_gap(self) -> float | None:
        """Return the profit of the exact best response less the profit that was reached, EUR."""
        return None if self.best_profit is None else self.best_profit - self.profit

    @property
    def share(self) -> float | None:
        """Return the share of the exact best response's reward; see `share_of_best`."""
        if self.best_reward is None or self.best_scale is None:
            return None
        return share_of_best(self.reward, self.best_reward, self.best_scale)

    @property
    def best_responses(self) -> dict[str, Any]:
        """Return a manifest's best responses, lower bounds too; empty without `responses`."""
        if self.exploitability is None:
            return {}
        return {
            "market": vars(self.exploitability),
            "learners": {own.agent: vars(own) for own in self.responses},
        }

    @property
    def equilibrium(self) -> dict[str, float]:
        """Return the known figures of `Exploitability`, without lower bounds."""
        return {} if self.exploitability is None else self.exploitability.figures


@dataclass(frozen=True)
class EvaluationResult:
    """The places of an evaluation's results, and its findings."""

    folder: Path
    database: str  # SQLAlchemy URL
    evaluation: Evaluation
    warnings: tuple[str, ...]
    trained_share: float | None = None  # of the calendar, see `provenance.trained_share`


def evaluate(
    scenario: Scenario | Path | str,
    *,
    policies: Path | str | None = None,
    seed: int | None = None,
    engine: EngineName = "auto",
    out: Path | str | None = None,
    db: str | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    best_response: bool = False,
    observer: Observer | None = None,
) -> EvaluationResult:
    """Play learned bidders without exploration, and score them.

    In the result tables it is the simulation `<simulation id>_evaluation`.

    :param policies: a policy folder, or the output folder of a training (its last policies).
    :param engine: `agents` (and `auto`) or `batch`; both give the same market results.
    :param out: see `Places`, likewise `db`, `csv`, `overwrite`; by default
        `runs/<simulation id>_evaluation`.
    :param best_response: whether to work out best responses however long it takes; else they are
        only where it takes about a minute at most.
    :raises AssumeRlError: something the user can mend.
    """
    compiled = compiled_to_play(scenario, policies)
    actors = all_policies(compiled, policies)
    if not actors:
        raise ConfigurationError(
            f"study case '{compiled.scenario.case}' has no learning bidder to evaluate; "
            "'assume-rl run' plays it"
        )
    name = f"{compiled.scenario.simulation_id}_evaluation"
    places = Places(out, db, csv, overwrite)
    shell, _ = choose_engine(engine, compiled, default="agents")
    with open_experiment(
        compiled,
        "evaluate",
        places,
        seed=seed,
        engine=shell,
        keep=KEPT,
        reads=policies,
        simulation=name,
    ) as experiment:
        most = None if best_response else AT_THE_END
        evaluation = score(experiment, actors, observer or Silent(), most)
        share = trained_share(compiled, folder_manifest(compiled, policies))
        experiment.results["trained_share"] = share
        write_kpis(
            experiment.database, pay_as_bid_markets(compiled), more_kpis(compiled, evaluation)
        )
    return EvaluationResult(
        experiment.folder, experiment.url, evaluation, compiled.scenario.warnings, share
    )


def score(
    experiment: Experiment,
    policies: Policies,
    observer: Observer,
    most: int | None = AT_THE_END,
) -> Evaluation:
    """Play one recorded episode on fixed policies and return its evaluation.

    :param experiment: keeps the tables `KEPT` in memory.
    :param most: see `bounds.responses`.
    """
    play(experiment, policies, observer)
    return scored(experiment, policies, observer, most)


def scored(
    experiment: Experiment,
    policies: Policies,
    observer: Observer,
    most: int | None = AT_THE_END,
    of: Collection[str] | None = None,
) -> Evaluation:
    """Return the evaluation of a recorded episode, and note it among the results.

    :param experiment: whose memory has the tables `KEPT` of it
    :param policies: that it was played on
    :param observer: hears of long computations
    :param most: see `bounds.responses`.
    :param of: agents that reward, profit and regret are of; None: all
    """
    compiled, memory = experiment.compiled, experiment.memory
    bounds = single_plant_bounds(compiled, memory)
    evaluation = Evaluation(
        tuple(own for own in unit_scores(compiled, memory) if of is None or own.unit in of),
        price_statistics(memory),
        best_reward=float(bounds.best.reward.sum()) if bounds else None,
        best_scale=float(bounds.best.reward.abs().sum()) if bounds else None,
        best_profit=float(bounds.best.profit.sum()) if bounds else None,
        truthful_reward=float(bounds.truthful.reward.sum()) if bounds else None,
        truthful_profit=float(bounds.truthful.profit.sum()) if bounds else None,
        unknown=unknown_bounds(compiled),
        responses=responses(
            compiled, memory, most, policies, experiment.seed, doing=observer.doing
        ),
        markets=market_figures(compiled, memory),
        rewarded_with=compiled.rewarded_with,
    )
    if evaluation.unknown is not None:
        experiment.results["best_response_unknown"] = evaluation.unknown
    if evaluation.responses:
        experiment.results["best_response"] = evaluation.best_responses
    experiment.results["evaluation"] = {
        "reward": evaluation.reward,
        "profit": evaluation.profit,
        "regret": evaluation.regret,
        REWARD_GAP: evaluation.reward_gap,
        PROFIT_GAP: evaluation.profit_gap,
        SHARE: evaluation.share,
    }
    return evaluation


def more_kpis(compiled: Compiled, evaluation: Evaluation) -> Kpis:
    """Return key figures that `compute_kpis` does not have: of best responses and of markets."""
    found = response_figures(compiled.markets[0].name, evaluation)
    return [*found, *market_kpis(evaluation.markets)]


def response_figures(market: str, evaluation: Evaluation) -> Kpis:
    """Return figures of best responses as key figures: of the market, then of each learner.

    Lower bounds are left out, since tables cannot say that they are.

    :param market: the only one, where anything is known
    :param evaluation: with or without responses
    """
    whole = evaluation.exploitability
    rows = [(name, market, value) for name, value in (whole.figures if whole else {}).items()]
    own = [
        (name, response.agent, getattr(response, column))
        for name, column in OF_LEARNER.items()
        for response in evaluation.responses
        if response.kind != "lower_bound"
    ]
    own += [
        ("best_response_error", response.agent, response.error)
        for response in evaluation.responses
        if response.kind in ("grid", "sampled")
    ]
    return [*rows, *((name, agent, value) for name, agent, value in own if value is not None)]

"""Train one seed on the message shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.world import World
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.support import unsupported
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.episodes.earnings import earnings_of
from assume_rl.episodes.learning_files import has_critics
from assume_rl.episodes.selection import Scores
from assume_rl.experiments.case import Experiment
from assume_rl.experiments.judge import Judge, Movement, Probe, by_agent, probes, replayed
from assume_rl.experiments.loop import complete
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.outputs import POLICIES
from assume_rl.experiments.policies import learned_bidders
from assume_rl.experiments.provenance import origin
from assume_rl.experiments.train_task import Task, openings
from assume_rl.experiments.training import Advance
from assume_rl.learning.data.replay import Replay


class AgentsEngine:
    """A Learning role that joins one episode after another.

    It is the engine of one seed.
    """

    seeds = 1
    width = 1

    def __init__(
        self, task: Task, experiment: Experiment, observer: Observer | None = None
    ) -> None:
        self._experiment, self._task = experiment, task
        self._judge, self._movement = Judge(task.compiled), Movement()
        self._probe: Probe | None = None  # made with the first evaluation
        self._observer = observer or Silent()
        self._openings = frozenset(openings(task.compiled, task.learners))
        self._learning = Learning(
            task.config,
            experiment.scenario.start,
            experiment.scenario.index[-1].to_pydatetime(),
            seed=experiment.seed,
            device=task.device,
            save_path=experiment.folder / POLICIES,
            listener=self._observer,
            notes=origin(task.compiled, task.learners, experiment.seed),
        )
        if task.start_from is not None:
            _take_over(self._learning, task.start_from)
        self._world = World(
            experiment.compiled, seed=experiment.seed, policies=task.fixed, learning=self._learning
        )

    def train(self, episodes: range, advance: Advance) -> list[list[Scores]]:
        """See `Engine.train`."""
        return [[self._play(number, False, advance)] for number in episodes]

    def evaluate(self, number: int, advance: Advance) -> list[Scores]:
        """See `Engine.evaluate`."""
        scores = self._play(number, True, advance)
        return [scores if unsupported(self._task.compiled) else self._judged(number, scores)]

    def _judged(self, number: int, scores: Scores) -> Scores:
        """Return scores with exploitability and movement, worked out on the batch shell."""
        compiled, fixed = self._task.compiled, self._task.fixed
        if self._probe is None:
            seeds = (self._experiment.seed,)
            env = MarketEnv(compiled, num_envs=1, seeds=seeds, policies=fixed, evaluation=True)
            (self._probe,) = probes(env)
        actors = self._learning.learner.actors()
        known: float | None = None
        if self._judge.able:
            played = fixed | by_agent(actors)
            key = EpisodeKey(self._experiment.seed, number, True)
            memory = replayed(compiled, key, played)
            known = self._judge.exploitability(memory, played, key.seed)
        movement = self._movement.since(self._probe, actors)
        return replace(scores, exploitability=known, movement=movement)

    def keep(self, seed: int, scores: Scores) -> bool:
        """See `Engine.keep`."""
        return self._learning.compare_and_save_policies(scores.merits)

    def save(self, seed: int) -> None:
        """See `Engine.save`."""
        if self._learning.episodes_done > 0:
            self._learning.save_params(self._experiment.folder / POLICIES / "last")

    def replay(self) -> Replay:
        """See `Engine.replay`."""
        return self._learning.learner.replay

    def state_of(self, seed: int) -> dict[str, Any]:
        """See `Engine.state_of`."""
        return {
            "learner": self._learning.learner.state_of(0),
            "schedule": self._learning.schedule_state(),
            "judge": self._judge.state_dict(),
            "movement": self._movement.state_dict(),
        }

    def load(self, states: Sequence[Mapping[str, Any]], refill: Callable[[Replay], None]) -> None:
        """See `Engine.load`."""
        (state,) = states
        compiled = self._experiment.compiled
        bidders, earnings = learned_bidders(compiled), earnings_of(compiled)
        for unit in state["learner"]["agents"]:  # in the order in which they registered
            bidder = bidders[unit]
            sizes = bidder.action.size, bidder.action.rungs
            known, shared = (earnings.get(unit), compiled.scales[unit]), compiled.shared.get(unit)
            self._learning.register(unit, bidder.layout, *sizes, *known, shared=shared)
        self._learning.learner.load_state_of(0, state["learner"])
        self._learning.load_schedule_state(state["schedule"])
        self._judge.load_state_dict(state["judge"])
        self._movement.load_state_dict(state["movement"])
        refill(self._learning.learner.replay)

    def close(self) -> None:
        """See `Engine.close`; all is played in this process."""

    def _play(self, number: int, evaluation: bool, advance: Advance) -> Scores:
        experiment, learning = self._experiment, self._learning
        complete(
            self._world.run_episode(
                number,
                evaluation=evaluation,
                sink=experiment.training_sink,
                record_market=False,
                on_time=partial(self._on_time, advance),
            )
        )
        scores = learning.evaluation_scores if evaluation else learning.scores
        assert scores is not None
        return scores

    def _on_time(self, advance: Advance, now: float) -> None:
        """Report an instant, POSIX seconds, whose auctions have not opened yet."""
        advance(self._experiment.share_done(now))
        time = round(now) - self._learning.plan.start
        if time in self._openings:
            self._observer.opening(time)


def _take_over(learning: Learning, folder: Path) -> None:
    """Start from a policy folder."""
    if has_critics(folder):
        learning.load_params(folder)
    else:
        learning.load_actor_params(folder)

"""Plays parts of waves on the batch shell, by the policies that come with each order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.rollout import Rollout, Stretch
from assume_rl.experiments.collection.orders import Order, Part, Piece, Stage, check_turn
from assume_rl.experiments.train_task import Task, window_steps
from assume_rl.learning.acting import Acting, Policies


@dataclass
class _Play:
    """Episodes that have begun."""

    rollout: Rollout
    stretches: Iterator[Stretch]
    done: int = 0  # orders


class BatchPlayer:
    """A `Player` on the batch shell.

    :param stage: of the training
    :param device: of markets and actors
    :param opening: called before each decision, with the seconds since the episodes began
    """

    def __init__(
        self, stage: Stage, device: str = "cpu", opening: Callable[[int], None] | None = None
    ) -> None:
        self._stage, self._device, self._opening = stage, device, opening
        self._acting = Acting(
            stage.task.config,
            stage.agents,
            seeds=stage.seeds,
            device=torch.device(device),
            like=torch.device(stage.task.device),
        )
        self._markets: dict[int, MarketEnv] = {}  # by number of copies
        self._plays: dict[Part, _Play] = {}

    def play(self, order: Order, policies: Policies) -> Piece:
        """See `Player.play`."""
        part = order.part
        if order.number == 0:
            self._plays[part] = self._begin(part)
        play = self._plays[part]
        check_turn(order, play.done)
        self._acting.adopt(policies)
        play.rollout.exploration = order.exploration
        joint = next(play.stretches).joint
        play.done += 1
        over = play.done == part.orders
        if over:
            del self._plays[part]
        version = self._acting.version
        return Piece(
            part,
            order.number,
            version,
            None if joint is None else replace(joint, version=version),
            play.rollout.scores() if over else None,
        )

    def close(self) -> None:
        """Forget all episodes."""
        self._plays.clear()

    def _begin(self, part: Part) -> _Play:
        """Return the episodes of a part, of which none has begun."""
        stage, copies = self._stage, len(part.episodes)
        if copies not in self._markets:
            self._markets[copies] = training_market(stage.task, stage.seeds, copies, self._device)
        rollout = Rollout(
            self._markets[copies],
            self._acting,
            experienced=stage.experienced,
            place=part.place,
            opening=self._opening,
        )
        episodes = torch.tensor([*part.episodes] * len(stage.seeds))
        return _Play(rollout, rollout.play(episodes, part.updates))


def training_market(task: Task, seeds: Sequence[int], copies: int, device: str) -> MarketEnv:
    """Return copies of the market for each seed, in which training episodes are played.

    :param task: the training
    :param seeds: that train side by side
    :param copies: of each seed
    :param device: of the market
    :raises ConfigurationError: there is no memory for them, or the episodes cannot be played.
    """
    return MarketEnv(
        task.compiled,
        num_envs=copies,
        seeds=seeds,
        policies=task.fixed,
        window=window_steps(task.compiled),
        curves=task.config.settings.needs_curves,
        device=device,
        cuda_graphs=task.config.cuda_graphs,
    )

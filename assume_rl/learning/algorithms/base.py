"""The parts of a learning algorithm: the networks it needs, how it acts, and its update.

An algorithm is one file: its losses as pure functions, and an object that drives them.
It says which networks it needs (`NetSpec`); the learner builds, saves, loads and publishes them by
name. Its update is handed everything in a `Work`: networks, transitions, draws and learning rates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.learning.config import AlgorithmConfig, LayerNoise, LearningConfig
from assume_rl.learning.critics.base import CriticForm, Seen
from assume_rl.learning.data.batches import Batches
from assume_rl.learning.data.on_policy import Stretch
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.net import GradientStep, Net
from assume_rl.learning.types import ActionKind, AgentSpec, Number, UpdateMetrics

Status = Literal["stable", "experimental"]


@dataclass(frozen=True)
class NetSpec:
    """A kind of network that an algorithm needs for each agent.

    :param kind: an actor, a critic of observations and actions, one of observations, or a number
    :param count: networks of an agent; of critics only
    :param target: whether there are target networks
    :param central: whether a critic sees all agents, through `learning_config.critic`
    :param head: key of `nets.heads.HEADS`, of actors only; None: they choose no numbers
    :param ladder: key of `nets.heads.LADDER_HEADS`, of actors only; None: they choose no rungs
    :param valued: whether an actor's network gives a value too
    :param noise: of an actor's linear layers in training; None: they have none
    """

    kind: Literal["actor", "action_value", "state_value", "number"]
    count: int = 1
    target: bool = False
    central: bool = True
    head: str | None = "softsign"
    ladder: str | None = None
    valued: bool = False
    noise: LayerNoise | None = None

    @property
    def actions(self) -> tuple[ActionKind, ...]:
        """Return the kinds of actions that an actor can choose."""
        found: dict[ActionKind, str | None] = {"box": self.head, "ladder": self.ladder}
        return tuple(kind for kind, head in found.items() if head is not None)

    def head_for(self, agent: AgentSpec) -> str:
        """Return the name of the head of an agent's actor, whose kind of action is known to go."""
        found = f"{self.ladder}_{agent.rungs}" if agent.rungs else self.head
        assert found is not None
        return found


STEP = ("loss", "total_grad_norm", "max_grad_norm")
"""Measures of every step of networks, after their name."""


@dataclass
class Log:
    """Metrics of an update by name, of each iteration and group; they stay on the device.

    :param own_rates: names of the networks whose learning rate is a metric too
    :param rows: metrics of each iteration
    :param adapted: whether learning rates were let follow the divergence of policies
    """

    own_rates: frozenset[str] = frozenset()
    rows: list[dict[str, dict[int, Float[Tensor, "seed _"]]]] = field(default_factory=list)
    adapted: bool = False

    def iteration(self) -> None:
        """Begin the next iteration."""
        self.rows.append({})

    def add(self, name: str, group: int, value: Float[Tensor, "seed agent"], back: int = 0) -> None:
        """Keep a metric of an iteration.

        :param name: of the metric
        :param group: of the agents, by position in the fleet
        :param value: one per seed and agent
        :param back: iterations before the latest one
        """
        self.rows[-1 - back].setdefault(name, {})[group] = value

    def collect(
        self, nets: Mapping[str, tuple[Net[Any], ...]], places: Int[Tensor, " agent"], rate: float
    ) -> UpdateMetrics:
        """Return all metrics, agents in their own order; NaN where one was not measured.

        :param nets: networks by name, whose steps are always among the metrics
        :param places: where each agent is when groups are side by side
        :param rate: the learning rate
        """
        steps = [f"{name}_{part}" for name in nets for part in STEP]
        names = dict.fromkeys([*steps, *(name for row in self.rows for name in row)])
        values = {}
        for name in names:
            some = next((row[name] for row in self.rows if name in row), None)
            if some is None:
                seeds = nets["actor"][0].form.seeds
                shape = (len(self.rows), seeds, len(places))
                values[name] = torch.full(shape, torch.nan, device=places.device)
                continue
            nothing = {group: torch.full_like(value, torch.nan) for group, value in some.items()}
            found = [row.get(name, nothing) for row in self.rows]
            parts = [torch.stack([row[group] for row in found]) for group in sorted(some)]
            values[name] = torch.cat(parts, dim=-1).index_select(-1, places)
        return UpdateMetrics(values, len(self.rows), rate)

    def step(self, name: str, group: int, step: GradientStep, back: int = 0) -> None:
        """Keep the measures of a step of the networks called `name`; see `add`.

        :param name: of the networks
        :param group: of the agents, by position in the fleet
        :param step: loss, norms and rate, one per seed and agent
        :param back: iterations before the latest one
        """
        self.add(f"{name}_loss", group, step.loss, back)
        self.add(f"{name}_total_grad_norm", group, step.total_norm, back)
        self.add(f"{name}_max_grad_norm", group, step.max_norm, back)
        if name in self.own_rates:
            rate = torch.as_tensor(step.rate, dtype=step.loss.dtype, device=step.loss.device)
            self.add(f"{name}_learning_rate", group, rate.expand_as(step.loss), back)


@dataclass(frozen=True)
class Work:
    """The learner's parts that an update works on.

    :param fleet: as critics see it
    :param config: all settings; the algorithm's own are its `settings`
    :param seeds: of the runs, which key draws
    :param nets: networks by name, one or several per group
    :param batches: transitions and draws
    :param ranges: least and greatest value that a state can have for each agent, per group of the
        fleet; empty unless `needs_earnings`
    :param update: number of the update, which keys draws
    :param rates: learning rates by name of networks
    :param scheduled: the settings' `schedules` as they are now
    :param iterations: gradient steps to make
    :param done: gradient steps made in all updates before, counted up to the settings' `period`
    :param step: all of them, which key draws
    :param progress: 1 at the start of training, falling to 0
    :param stretches: that wait to be learned from, for on-policy algorithms
    :param log: takes metrics
    :param compiled: makes a function faster, where that is wanted
    """

    fleet: Fleet
    config: LearningConfig
    seeds: tuple[int, ...]
    nets: Mapping[str, tuple[Net[Any], ...]]
    batches: Batches
    ranges: tuple[tuple[Float[Tensor, "agent 1"], Float[Tensor, "agent 1"]], ...]
    update: Int[Tensor, ""]
    rates: Mapping[str, Number]
    scheduled: Mapping[str, Number]
    iterations: int
    done: int
    step: Int[Tensor, ""]
    progress: Number
    stretches: tuple[Stretch, ...]
    log: Log
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]]


C = TypeVar("C", bound=AlgorithmConfig)


def settings_of(work: Work, kind: type[C]) -> C:
    """Return the algorithm's own settings, which are of its kind."""
    found = work.config.settings
    assert isinstance(found, kind)
    return found


@runtime_checkable
class Algorithm(Protocol):
    """A way to learn policies from joint transitions."""

    @property
    def name(self) -> str:
        """Return its key in `ALGORITHMS`, and in `config.SETTINGS` for its settings."""
        ...

    @property
    def paper(self) -> str:
        """Return the reference of its publication."""
        ...

    @property
    def status(self) -> Status:
        """Return how far it has been tested."""
        ...

    @property
    def on_policy(self) -> bool:
        """Return whether it learns from each transition once, from the policies that made them."""
        ...

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return the extras of decisions that transitions keep: name -> size, None: the action's.

        Empty unless `on_policy`: random actions of initial episodes have no extras. Reward curves
        are an extra of outcomes, see `AlgorithmConfig.needs_curves`.
        """
        ...

    @property
    def noises(self) -> tuple[str, ...]:
        """Return the names of the standard normal draws, one per row and action, of an update."""
        ...

    def networks(self) -> Mapping[str, NetSpec]:
        """Return the networks it needs, by name; `actor` acts."""
        ...

    def update(self, work: Work) -> int:
        """Make gradient steps, in place; return their number."""
        ...


def td_target(
    reward: Float[Tensor, "seed agent row"],
    discount: Float[Tensor, "seed row"],
    next_value: Float[Tensor, "seed agent row"],
    terminated: Bool[Tensor, "seed row"],
) -> Float[Tensor, "seed agent row"]:
    """Return the target of values; only a termination cuts bootstrapping, a truncation does not.

    :param reward: of the transitions
    :param discount: of the next value
    :param next_value: of the next observations
    :param terminated: whether nothing follows
    """
    return reward + discount[:, None] * next_value * ~terminated[:, None]


def targets_move(done: int, steps: int, interval: int) -> bool:
    """Return whether a move of targets fell due in the latest gradient steps.

    :param done: gradient steps of all updates so far
    :param steps: how many of them are the latest
    :param interval: gradient steps between two moves
    """
    return done // interval > (done - steps) // interval


def td_errors(
    critic: Net[CriticForm], seen: Seen, targets: Sequence[Float[Tensor, "seed _ row"]]
) -> list[Float[Tensor, "seed _ row"]]:
    """Return how far the values of a critic's groups are from `targets`, mean over its critics.

    :param critic: its networks
    :param seen: the rows
    :param targets: of the values, one tensor per group
    """
    values = critic.form.values(critic.now, seen)
    return [(q - y).abs().mean(dim=0) for q, y in zip(values, targets, strict=True)]


def critic_loss(
    q: Float[Tensor, "critic seed agent row"],
    target: Float[Tensor, "seed agent row"],
    weight: Float[Tensor, "seed row"] | None = None,
) -> Float[Tensor, "seed agent"]:
    """Return the mean squared error of each agent's critics, summed over its critics.

    :param q: values
    :param target: of the values
    :param weight: importance of each row; None: all alike
    """
    error = (q - target).square()
    if weight is not None:
        error = error * weight[:, None]
    return error.mean(dim=-1).sum(dim=0)


def critic_losses(
    form: CriticForm,
    nets: Any,
    seen: Seen,
    targets: Sequence[Float[Tensor, "seed _ row"]],
    weight: Float[Tensor, "seed row"] | None = None,
) -> list[Float[Tensor, "seed _"]]:
    """Return the losses of a critic's groups, (seed, agent) each.

    :param form: of the critics
    :param nets: their parameters
    :param seen: a batch
    :param targets: of the values, per group (seed, agent, row)
    :param weight: importance of each row; None: all alike
    """
    values = form.values(nets, seen)
    return [critic_loss(q, y, weight) for q, y in zip(values, targets, strict=True)]

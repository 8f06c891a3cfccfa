"""The values that learning is written in: it knows transitions, not markets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Number = float | Float[Tensor, ""]
"""A number that changes from update to update: in a tensor where updates are recorded."""

ActionKind = Literal["box", "ladder"]
"""An entry of an action: any number in [-1, 1], or the place of one rung of a ladder."""

MEMORY = "memory"
"""Name of the extra that actors with memory keep: the memory before a decision."""

CURVE = "curve"
"""Name of the extra of outcomes: the reward of every rung, entry by entry of an action."""

NEXT_OWN = "next_own"
"""Name of the extra of outcomes that goes with a curve: what the agent would have observed next of
itself after every rung, rung by rung."""

ExtraSize = int | Literal["rungs", "own_rungs"] | None
"""Numbers of an extra; None: one per entry of an action, `rungs`: one per rung of each entry,
`own_rungs`: all that an agent observes of itself, for each of these rungs."""

OWN = "price_history"
"""The feature with which the last part of an observation begins that own orders may change."""


@dataclass(frozen=True)
class Earnings:
    """The range of an agent's rewards, and how many it gets."""

    least: float  # reward of a decision, at most 0
    most: float  # at least 0
    decisions: int  # of an episode

    def values(self, gamma: float) -> tuple[float, float]:
        """Return the least and the greatest discounted sum of an episode's rewards."""
        n = self.decisions
        weight = float(n) if gamma == 1 else (1.0 - gamma**n) / (1.0 - gamma)
        return self.least * weight, self.most * weight


@dataclass(frozen=True)
class Scales:
    """The values that an agent's scaled numbers stand for, where its training settled them.

    Policies keep it, so that they see and mean the same elsewhere.
    """

    residual_load: tuple[float, float] | None = None  # MW that 0 and 1 stand for; None: not known
    price_forecast: tuple[float, float] | None = None  # EUR/MWh, likewise
    rungs: tuple[float, ...] = ()  # EUR/MWh, of a ladder of seen prices; empty: it is on no such


NO_SCALES = Scales()


@dataclass(frozen=True)
class AgentSpec:
    """The learner's description of one agent."""

    unit_id: str
    obs_size: int
    act_size: int
    unique_size: int  # private entries, the last of the observation: shown to rivals' critics
    features: tuple[tuple[str, int, str], ...] = ()  # name, size, scaling: for the policy manifest
    rungs: int = 0  # of the ladder that each entry of an action is on; 0: there is none
    earnings: Earnings | None = None  # None: not known
    scales: Scales = NO_SCALES  # for the policy manifest
    shared: str | None = None  # policy that it shares with others; None: it has one of its own

    @property
    def policy(self) -> str:
        """Return the name of its policy, that of the agent unless the policy is shared."""
        return self.unit_id if self.shared is None else self.shared

    @property
    def action(self) -> ActionKind:
        """Return the kind of the action."""
        return "ladder" if self.rungs else "box"

    def entries(self, size: ExtraSize) -> int:
        """Return how many numbers of an extra the agent has."""
        if size == "rungs":
            return self.act_size * self.rungs
        if size == "own_rungs":
            return self.act_size * self.rungs * self.own_size
        return self.act_size if size is None else size

    @property
    def own_size(self) -> int:
        """Return the number of last entries that own orders may change, at least the private."""
        names = [name for name, _, _ in self.features]
        if OWN not in names:
            return self.unique_size
        return sum(size for _, size, _ in self.features[names.index(OWN) :])

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the sizes by which agents are grouped, or put into several blocks of a group."""
        sizes = (self.obs_size, self.act_size, self.unique_size)
        return (*sizes, self.rungs) if self.rungs else sizes


@dataclass(frozen=True)
class Transitions:
    """One group's part of joint transitions; actions lie in [-1, 1] but for first experience.

    `extras`: what an algorithm must know of decisions and outcomes, by name.
    """

    obs: Float[Tensor, "seed row agent obs"]
    action: Float[Tensor, "seed row agent act"]
    reward: Float[Tensor, "seed row agent"]
    next_obs: Float[Tensor, "seed row agent obs"]
    extras: Mapping[str, Float[Tensor, "seed row agent _"]] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Transitions":
        """Return them on a device."""
        return Transitions(
            obs=self.obs.to(device),
            action=self.action.to(device),
            reward=self.reward.to(device),
            next_obs=self.next_obs.to(device),
            extras={name: own.to(device) for name, own in self.extras.items()},
        )


@dataclass(frozen=True)
class Joint:
    """Observations, actions, rewards and next observations of all agents, row by row.

    `terminated`: nothing follows, values are not bootstrapped. `truncated`: something follows that
    was not simulated further; values are bootstrapped from the next observation, which is real.
    Rows are in order of time, at each time copy by copy of the market; groups are in the learner's
    order. `version`: updates that the policies had had which played meanwhile; None: not known.
    """

    groups: tuple[Transitions, ...]
    terminated: Bool[Tensor, "seed row"]
    truncated: Bool[Tensor, "seed row"]
    copies: int = 1
    version: int | None = None

    def to(self, device: torch.device) -> "Joint":
        """Return them on a device."""
        return replace(
            self,
            groups=tuple(part.to(device) for part in self.groups),
            terminated=self.terminated.to(device),
            truncated=self.truncated.to(device),
        )


@dataclass(frozen=True)
class UpdateMetrics:
    """Measures of one update call, by name of the metric.

    Agents are in the order of the specs; NaN where nothing was measured, such as the loss of an
    actor in a step of critics.
    """

    values: Mapping[str, Float[Tensor, "iteration *seed agent"]]
    iterations: int
    learning_rate: float

    def __getitem__(self, name: str) -> Float[Tensor, "iteration *seed agent"]:
        """Return the values of one metric."""
        return self.values[name]

    def of_seed(self, k: int) -> "UpdateMetrics":
        """Return the k-th seed's, without the axis of seeds."""
        return replace(self, values={name: value[:, k] for name, value in self.values.items()})


def beside(joints: Sequence[Joint]) -> Joint:
    """Return the transitions of all copies from those of some, at the same times.

    :param joints: of the first copies, of the next ones, and so on
    """

    def side_by_side(parts: Sequence[Tensor]) -> Tensor:
        """Return rows (seed, row, ...) of all copies, at each time copy by copy."""
        own = zip(parts, joints, strict=True)
        apart = [p.reshape(len(p), -1, joint.copies, *p.shape[2:]) for p, joint in own]
        return torch.cat(apart, dim=2).flatten(1, 2)

    def transitions(parts: Sequence[Transitions]) -> Transitions:
        return Transitions(
            obs=side_by_side([part.obs for part in parts]),
            action=side_by_side([part.action for part in parts]),
            reward=side_by_side([part.reward for part in parts]),
            next_obs=side_by_side([part.next_obs for part in parts]),
            extras={
                name: side_by_side([part.extras[name] for part in parts])
                for name in parts[0].extras
            },
        )

    if len(joints) == 1:
        return joints[0]
    return Joint(
        groups=tuple(transitions(parts) for parts in zip(*(j.groups for j in joints), strict=True)),
        terminated=side_by_side([joint.terminated for joint in joints]),
        truncated=side_by_side([joint.truncated for joint in joints]),
        copies=sum(joint.copies for joint in joints),
        version=joints[0].version,
    )

"""The policies, exploration and draws with which an operator's learned teams act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assume_rl.agents.messages import PolicyUpdate
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.episodes.draws import noise, noise_keys, of_episode
from assume_rl.learning.exploration import OFF, Decision, Exploration, decide
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.types import MEMORY


@dataclass(frozen=True)
class Act:
    """The observation and the decision of a team that learns."""

    seen: Tensor  # (unit, obs), in the precision of its policy
    decision: Decision
    version: int  # of the policies


class Actors:
    """The policies of teams and their memories; a team without a policy cannot act.

    :param key: of the episode
    :param auctions: number of auctions of each market in an episode
    """

    def __init__(self, key: EpisodeKey, auctions: Mapping[str, int]) -> None:
        self.version = -1
        self._key = key
        self._auctions = auctions
        self._policies: dict[tuple[str, ...], ActorStack] = {}
        self._memories: dict[tuple[str, ...], Tensor] = {}  # this episode's, (unit, _)
        self._exploration: Exploration = OFF
        self._experienced: frozenset[str] = frozenset()
        # One episode's standard normal draws by market and agents, (auction, unit, act).
        self._z: dict[tuple[str, tuple[str, ...]], Tensor] = {}

    def adopt(self, update: PolicyUpdate, teams: Sequence[Team]) -> None:
        """Replace the policies by newer ones; an older update changes nothing.

        :param update: the policies
        :param teams: those that learn
        :raises KeyError: the update lacks an agent
        """
        if update.version <= self.version:
            return
        for team in teams:
            self._policies[team.agents] = _pick(update.actors, team.agents)
        self._exploration = update.exploration
        self._experienced = frozenset(update.experienced)
        self.version = update.version

    def act(self, team: Team, auction: Auction, observation: Tensor) -> Act:
        """Return the `Act` of a team on an observation.

        :param team: one that learns
        :param auction: that opens
        :param observation: (unit, obs), float64
        """
        policy = self._policies[team.agents]
        seen = observation.to(policy.dtype)
        out, memory = self._remembered(team, policy, seen)
        centre = team.explore_around(observation).to(out.dtype)
        z = self.draws(team, auction).to(out.dtype)
        law, skips = self._exploration, None
        if law.mode == "initial" and self._experienced:
            skips = torch.tensor([[agent in self._experienced] for agent in team.agents])
        decision = decide(head_of(policy.head), out, centre, z, law, skips)
        if policy.memory_size:
            decision = replace(decision, extras={**decision.extras, MEMORY: memory})
        return Act(seen, decision, self.version)

    def _remembered(self, team: Team, policy: ActorStack, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of a policy, and its memory before; keep the one after.

        :param team: that decides
        :param policy: of the team
        :param seen: its observation
        """
        before = self._memories.get(team.agents)
        if before is None:
            before = seen.new_zeros(len(team.agents), policy.memory_size)
        out, self._memories[team.agents] = policy.outputs_after(seen, before)
        return out, before

    def draws(self, team: Team, auction: Auction) -> Tensor:
        """Return draws (unit, act) for one auction, a pure function of seed, episode and agent."""
        assert team.learned is not None
        name = (auction.market, team.agents)
        if name not in self._z:
            key, count = self._key, self._auctions[auction.market]
            keys = noise_keys(key.seed, key.phase, auction.market, team.agents)
            drawn = noise(of_episode(keys, key), 0, count, team.learned.action.size)
            self._z[name] = drawn.transpose(0, 1)
        return self._z[name][auction.number]


def _pick(stacks: Sequence[ActorStack], agents: tuple[str, ...]) -> ActorStack:
    for stack in stacks:
        if set(agents) <= set(stack.unit_ids):
            return stack.select(agents)
    raise KeyError(f"no policy for {', '.join(agents)}")

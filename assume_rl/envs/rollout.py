"""Play episodes with a learner: a generator that stops whenever an update is due.

It yields the transitions that the Learning role of the message shell would have received by then:
a delivery becomes a transition once its reward is known and the next observation was made. They
stay on the device.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import or_

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.money import Reward
from assume_rl.core.team import Team
from assume_rl.envs.curves import curves_ahead
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.seating import Pick, rearrangement
from assume_rl.envs.state import Earned, Happened, Observations, State
from assume_rl.errors import ConfigurationError
from assume_rl.learning.acting import Actors
from assume_rl.learning.exploration import OFF, Decision, Exploration, decide
from assume_rl.learning.nets.heads import Head
from assume_rl.learning.types import CURVE, MEMORY, NEXT_OWN, Joint, Transitions

BLOCK = 64  # copies whose actors are multiplied at once on a CPU, see `Place`


@dataclass(frozen=True)
class Stretch:
    """The transitions that were completed between two updates."""

    due: int | None  # seconds since the episodes began; None: the episodes are over
    joint: Joint | None  # (seed row ...), rows in order of time; None: nothing to learn from


@dataclass(frozen=True)
class CopyScores:
    """The scores of one episode of each copy, over all of its deliveries."""

    reward: Float[Tensor, " copy"]  # sum per agent, mean over agents
    profit: Float[Tensor, " copy"]  # EUR, all agents
    regret: Float[Tensor, " copy"]  # EUR, all agents


@dataclass(frozen=True)
class Place:
    """Where copies stand among all that are played side by side, here and by others.

    The outputs of actors depend on how many copies are multiplied at once, by their last bits. So
    copies are multiplied in blocks, the same for all who play some of them: whoever has a part of a
    block multiplies the whole block, and each copy plays as it does beside all of them.
    """

    first: int  # copies before these
    copies: int
    all: int

    def spread(self, own: Float[Tensor, "seed copy *_"]) -> Float[Tensor, "seed all *_"]:
        """Return the values of all copies from those of these; others have zeros."""
        if self.copies == self.all:
            return own
        found = own.new_zeros(len(own), self.all, *own.shape[2:])
        self.own(found).copy_(own)
        return found

    def own(self, values: Float[Tensor, "seed all *_"]) -> Float[Tensor, "seed copy *_"]:
        """Return the values of these copies from those of all."""
        return values[:, self.first : self.first + self.copies]

    def blocks(self, size: int) -> Iterator[tuple[slice, "Place"]]:
        """Yield, block by block, which of these copies are in it, and their place there.

        :param size: copies of a block, but for the last one
        """
        end = self.first + self.copies
        for start in range(self.first - self.first % size, end, size):
            first, last = max(start, self.first), min(start + size, end)
            all_of_block = min(start + size, self.all) - start
            own = slice(first - self.first, last - self.first)
            yield own, Place(first - start, last - first, all_of_block)


@dataclass
class Delivery:
    """Observations, actions and rewards of the learners for one delivery; one tensor per group.

    Where learners decide in turns, all of them have decided once there are observations.
    """

    obs: tuple[Tensor, ...] = ()  # (copy agent obs)
    action: tuple[Tensor, ...] = ()  # (copy agent act)
    earned: dict[int, Tensor] = field(default_factory=dict)  # per team (copy agent)
    closed: int = 0  # seconds since the episodes began, of the auction cleared last
    rewarded: int | None = None  # likewise, once all teams are
    reward: tuple[Tensor, ...] = ()  # (copy agent)
    extras: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)  # (copy agent _)
    # Per team what reward curves are worked out from; empty where none are wanted.
    played: dict[int, Earned] = field(default_factory=dict)


class Rollout:
    """Copies of a market whose learners act on the live networks of `actors`.

    :param env: the copies
    :param actors: of the agents of `env`, with its seeds
    :param exploration: of actions; may be changed between two updates
    :param experienced: agents with a loaded policy, which skip the random initial experience
    :param place: of the copies among others; None: there are no others
    :param store: whether to hand over transitions; an evaluation needs none
    :param opening: called before each decision, with the seconds since the episodes began
    :param listener: called with the events of each step
    """

    def __init__(
        self,
        env: MarketEnv,
        actors: Actors,
        *,
        exploration: Exploration = OFF,
        experienced: Sequence[str] = (),
        place: Place | None = None,
        store: bool = True,
        opening: Callable[[int], None] | None = None,
        listener: Callable[[Happened], None] | None = None,
    ) -> None:
        self.env = env
        self.exploration = exploration
        self._store = store
        self._opening = opening
        self._listener = listener
        self._actors = actors
        place = place or Place(0, env.num_envs, env.num_envs)
        size = BLOCK if env.device.type == "cpu" else place.all
        self._blocks = tuple(place.blocks(size))
        self._dtype = actors.dtype
        self._kept = tuple(actors.extras)
        self._of_decisions = tuple(n for n in self._kept if n not in (CURVE, NEXT_OWN))
        self._curves = store and CURVE in self._kept
        if self._curves and not env.setting.curves:
            raise ConfigurationError(
                f"{actors.config.algorithm} learns from reward curves: make the environment with "
                "curves=True"
            )
        teams = [team.agents for team in env.teams]
        groups = [[actors.agents[p].unit_id for p in g.positions] for g in actors.groups]
        # Entries of the next observation that go with curves, per team.
        ahead = {a.unit_id: a.own_size if NEXT_OWN in self._kept else 0 for a in actors.agents}
        self._ahead = tuple(ahead[ids[0]] for ids in teams)
        self._heads = tuple(
            next(head for head, units in zip(actors.heads, groups, strict=True) if ids[0] in units)
            for ids in teams
        )
        self._to_groups = rearrangement(teams, groups, env.device)
        self._to_teams = rearrangement(groups, teams, env.device)
        known = set(experienced)
        self._experienced = tuple(
            torch.tensor([[unit in known] for unit in ids], device=env.device)
            if known & set(ids)
            else None
            for ids in teams
        )
        self._deliveries: dict[int, Delivery] = {}
        self._sums: dict[int, Reward] = {}
        self._memories: tuple[Tensor, ...] = ()  # of the actors, per group (seed copy agent _)
        self._before: tuple[Tensor, ...] = ()  # before any decided for the running delivery
        self._decided: tuple[Decision, ...] = ()  # each team's latest
        self._number = -1  # of the running delivery
        self._turned: tuple[bool, ...] = ()  # per team: has it decided for that?

    def play(self, episodes: Int[Tensor, " copy"], updates: Sequence[int]) -> Iterator[Stretch]:
        """Play one episode per copy and yield a `Stretch` for each update and for the end.

        :param episodes: numbers of the episodes
        :param updates: seconds since the episodes begin at which to stop for an update, ascending
        """
        self._deliveries, self._sums, self._number = {}, {}, -1
        self._memories = self._actors.memories(self.env.num_envs)
        env, due = self.env, list(updates)
        with torch.inference_mode():
            state = env.reset(episodes)
        while not env.done(state):
            now = env.setting.plan[state.tick].time
            while due and due[0] <= now:
                yield Stretch(due[0], self._joint(state, before=due.pop(0)))
            if self._opening is not None:
                self._opening(now)
            with torch.inference_mode():  # stacked outside of it, transitions can be learned from
                state = self._advance(state)
        for time in due:
            yield Stretch(time, self._joint(state, before=time))
        yield Stretch(None, self._joint(state, before=None))

    def scores(self) -> CopyScores:
        """Return the `CopyScores` of the episodes so far."""
        sums = [self._sums[team] for team in sorted(self._sums)]
        agents = sum(total.reward.shape[-1] for total in sums)
        reward, profit, regret = (
            sum((getattr(total, name).sum(-1) for total in sums), self._nothing())
            for name in ("reward", "profit", "regret")
        )
        return CopyScores(reward / max(agents, 1), profit, regret)

    def _nothing(self) -> Tensor:
        return torch.zeros(self.env.copies, dtype=torch.float64, device=self.env.device)

    def _advance(self, state: State) -> State:
        """Return the state after one decision; keep its observations, actions and rewards."""
        observed, acting = self.env.observe(state), self.env.acting(state)
        number = self.env.openings(state)[0].number
        if number != self._number:
            self._number, self._turned = number, (False,) * len(acting)
            self._before = self._memories
            if self._store:
                self._deliveries[number] = Delivery()
        seen = tuple(obs.to(self._dtype) for obs in observed)
        obs = tuple(pick(seen) for pick in self._to_groups)
        decisions = self._decide(state, observed, obs, acting)
        self._turned = tuple(map(or_, self._turned, acting))
        if self._store and all(self._turned):
            self._keep(self._deliveries[number], obs, decisions)
        state, happened = self.env.step(state, tuple(own.action for own in decisions))
        self._note(happened)
        if self._listener is not None:
            self._listener(happened)
        return state

    def _keep(
        self, delivery: Delivery, obs: tuple[Tensor, ...], decisions: Sequence[Decision]
    ) -> None:
        """Keep the observations and decisions of all learners for a delivery.

        :param delivery: that they are kept with
        :param obs: per group, as each team observed when it decided
        :param decisions: per team
        """
        acted = [decision.action for decision in decisions]
        delivery.obs = obs
        delivery.action = tuple(pick(acted) for pick in self._to_groups)
        delivery.extras = {
            name: tuple(memory.flatten(0, 1) for memory in self._before)
            if name == MEMORY
            else self._extras(name, decisions)
            for name in self._of_decisions
        }

    def _extras(self, name: str, decisions: Sequence[Decision]) -> tuple[Tensor, ...]:
        own = [decision.extras[name] for decision in decisions]
        return tuple(pick(own) for pick in self._to_groups)

    def _decide(
        self,
        state: State,
        observed: Observations,
        obs: Sequence[Tensor],
        acting: tuple[bool, ...],
    ) -> tuple[Decision, ...]:
        """Return the latest decision of each team: now made where it acts."""
        before = self._memories
        made = self._made(state, observed, obs)
        if not all(acting):  # those of the others come to nothing
            after = zip(self._to_groups, self._memories, before, strict=True)
            self._memories = tuple(
                torch.where(self._of_group(pick, acting), new, old) for pick, new, old in after
            )
            if self._decided:
                latest = zip(acting, made, self._decided, strict=True)
                made = tuple(new if acts else old for acts, new, old in latest)
        self._decided = made
        return made

    def _of_group(self, pick: Pick, acting: tuple[bool, ...]) -> Tensor:
        """Return whether the agents of a group act, (1 agent 1)."""
        teams = zip(self.env.teams, acting, strict=True)
        device = self.env.device
        return pick([torch.full((1, len(t.agents)), a, device=device) for t, a in teams])[..., None]

    def _made(
        self, state: State, observed: Observations, obs: Sequence[Tensor]
    ) -> tuple[Decision, ...]:
        """Return a decision of each team, and keep the memories after."""
        copies = (len(self.env.seeds), self.env.num_envs)
        rows = tuple(part.view(*copies, *part.shape[1:]) for part in obs)
        training = self.exploration.mode != "off"
        outs = self._step(rows, noisy=training)
        flat = [out.flatten(0, 1) for out in outs]
        own = tuple(pick(flat) for pick in self._to_teams)
        if not training and not any(head.mixed for head in self._heads):
            means = (head.mean(out) for head, out in zip(self._heads, own, strict=True))
            return tuple(Decision(mean, torch.zeros_like(mean)) for mean in means)
        return tuple(
            self._explore(*parts)
            for parts in zip(
                self.env.teams,
                self._heads,
                own,
                observed,
                self.env.noise(state),
                self._experienced,
                strict=True,
            )
        )

    def _step(self, rows: Sequence[Tensor], *, noisy: bool) -> list[Tensor]:
        """Return the outputs of actors, (seed copy agent out), and keep their memories."""
        found = [
            self._step_block(
                place, [own[:, part] for own in rows], [m[:, part] for m in self._memories], noisy
            )
            for part, place in self._blocks
        ]
        outs, after = (
            [_joined(own) for own in zip(*kind, strict=True)] for kind in zip(*found, strict=True)
        )
        self._memories = tuple(after)
        return outs

    def _step_block(
        self, place: Place, rows: Sequence[Tensor], memories: Sequence[Tensor], noisy: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return outputs of copies that share a block, and their memories after."""
        seen, before = ([place.spread(own) for own in parts] for parts in (rows, memories))
        outs, after = self._actors.step(seen, before, noisy=noisy)
        return [place.own(out) for out in outs], [place.own(memory) for memory in after]

    def _explore(
        self,
        team: Team,
        head: Head,
        out: Tensor,
        observed: Tensor,
        z: Tensor,
        experienced: Tensor | None,
    ) -> Decision:
        centre, z = team.explore_around(observed).to(out.dtype), z.to(out.dtype)
        return decide(head, out, centre, z, self.exploration, experienced)

    def _note(self, happened: Happened) -> None:
        """Add the learners' rewards to the sums and to the decisions that they belong to."""
        for earned in happened.learners:
            total = self._sums.get(earned.team)
            self._sums[earned.team] = earned.reward if total is None else total + earned.reward
            if self._store:
                # Auctions of all markets for the same delivery have the same number.
                delivery = self._deliveries[earned.auction.number]
                if self._curves:
                    delivery.played[earned.team] = earned
                delivery.earned[earned.team] = earned.reward.reward.to(self._dtype)
                delivery.closed = max(delivery.closed, earned.auction.closes)
                if len(delivery.earned) == len(self.env.teams):
                    delivery.rewarded = delivery.closed
                    own = [delivery.earned[team] for team in sorted(delivery.earned)]
                    delivery.reward = tuple(pick(own) for pick in self._to_groups)

    # --- transitions ---------------------------------------------------------------------------

    def _joint(self, state: State, *, before: int | None) -> Joint | None:
        """Return the waiting transitions that were complete before a time; None: all of them."""
        numbers = list(self._deliveries)
        ready = sum(1 for n in numbers if _complete(self._deliveries[n], before))
        if before is not None:
            ready = min(ready, sum(1 for n in numbers if self._deliveries[n].obs) - 1)
        if ready <= 0:
            return None
        rows = [self._deliveries.pop(n) for n in numbers[:ready]]
        if self._curves:
            self._work_out_curves(rows)
        following = next(iter(self._deliveries.values()), None)
        after = self._after_the_end(state) if following is None else following.obs
        if following is None:
            terminated = self.env.terminated(state)
            truncated = ~terminated
        else:
            terminated = truncated = torch.zeros(
                self.env.copies, dtype=torch.bool, device=self.env.device
            )
        return Joint(
            groups=tuple(self._transitions(rows, after[g], g) for g in range(len(self._to_groups))),
            terminated=self._flags(terminated, ready),
            truncated=self._flags(truncated, ready),
            copies=self.env.num_envs,
        )

    @torch.inference_mode()  # stacked outside of it, they can be learned from
    def _work_out_curves(self, rows: Sequence[Delivery]) -> None:
        """Add to decisions the rewards, and the next observations, of every rung."""
        teams = [
            curves_ahead(self.env.setting, team, [row.played[team] for row in rows], own)
            for team, own in enumerate(self._ahead)
        ]
        for k, row in enumerate(rows):
            own = [found[k][0].to(self._dtype) for found in teams]
            after = [found[k][1].flatten(-2).to(self._dtype) for found in teams]
            row.extras[CURVE] = tuple(pick(own) for pick in self._to_groups)
            row.extras[NEXT_OWN] = tuple(pick(after) for pick in self._to_groups)
            row.played.clear()

    def _after_the_end(self, state: State) -> tuple[Tensor, ...]:
        seen = tuple(obs.to(self._dtype) for obs in self.env.observe(state))
        return tuple(pick(seen) for pick in self._to_groups)

    def _transitions(self, rows: Sequence[Delivery], after: Tensor, group: int) -> Transitions:
        obs = self._stacked([*(row.obs[group] for row in rows), after])
        return Transitions(
            obs=obs[:, :-1].flatten(1, 2),
            action=self._stacked([row.action[group] for row in rows]).flatten(1, 2),
            reward=self._stacked([row.reward[group] for row in rows]).flatten(1, 2),
            extras={
                name: self._stacked([row.extras[name][group] for row in rows]).flatten(1, 2)
                for name in self._kept
            },
            next_obs=obs[:, 1:].flatten(1, 2),
        )

    def _stacked(self, values: Sequence[Tensor]) -> Tensor:
        """Return (copy, ...) at several times as (seed, time, copy of the seed, ...)."""
        copies = (len(self.env.seeds), self.env.num_envs)
        return torch.stack([value.view(*copies, *value.shape[1:]) for value in values], dim=1)

    def _flags(self, last: Tensor, rows: int) -> Tensor:
        """Return flags (seed, row): `last` in the last row, else false."""
        return self._stacked([torch.zeros_like(last)] * (rows - 1) + [last]).flatten(1, 2)


def _complete(delivery: Delivery, before: int | None) -> bool:
    rewarded = delivery.rewarded
    return rewarded is not None and (before is None or rewarded < before)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Return the values of all copies from those of some, side by side."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)

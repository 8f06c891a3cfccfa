"""How far the policies of a validation are from an equilibrium, and how far they have moved.

Nothing of it changes what is learned or recorded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import Recording, play_recorded
from assume_rl.envs.state import Happened
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.evaluation.exploitability import exploitability
from assume_rl.experiments.bounds import responses
from assume_rl.experiments.recorded_plants import unknown_response
from assume_rl.learning.nets.heads import Averaged, Categorical, head_of
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled

IN_TRAINING = 1 << 28
"""Most work for responses after a validation, see `bounds.orders_to_clear`: a few seconds (an
estimate)."""

PROBES = 48
"""Decisions whose observations policies are compared on."""

READ = frozenset({"market_meta", "market_orders"})

Probe = Mapping[str, Tensor]  # by agent, (decision obs)


def probes(env: MarketEnv) -> tuple[Probe, ...]:
    """Return, for each seed, learners' observations at the first decisions of an evaluation.

    All of them take the action 0 then, so that the observations are the same in a whole training.

    :param env: of evaluations, one copy a seed
    """
    seen: dict[str, list[Tensor]] = {agent: [] for team in env.teams for agent in team.agents}
    sizes = [(len(p.team.agents), p.bidder.action.size) for p in env.setting.learners]
    idle = [torch.zeros((env.copies, *size), device=env.device) for size in sizes]
    state = env.reset(torch.ones(env.copies, dtype=torch.int64))
    while not env.done(state) and env.openings(state)[0].number < PROBES:
        decided = zip(env.teams, env.observe(state), env.acting(state), strict=True)
        for team, observed in [(team, own) for team, own, acts in decided if acts]:
            for place, agent in enumerate(team.agents):
                seen[agent].append(observed[:, place])
        state, _ = env.step(state, idle)
    every = {agent: torch.stack(rows, 1) for agent, rows in seen.items()}
    return tuple({a: rows[k] for a, rows in every.items()} for k in range(env.copies))


class Movement:
    """How much policies on fixed observations change from one validation to the next."""

    def __init__(self) -> None:
        self._before: dict[str, Tensor] = {}  # by agent, see `_acts`

    def since(self, probe: Probe, actors: Sequence[ActorStack]) -> float | None:
        """Return the mean change since the last call, over agents; None: the first one.

        Of actions it is the absolute difference, of shares with which rungs are drawn the total
        variation distance. Actors with a memory act as if each observation began an episode.

        :param probe: of the seed that the actors are of
        :param actors: of all learners
        """
        now = _acts(probe, actors)
        before, self._before = self._before, now
        if not before:
            return None
        changes = [(now[agent] - before[agent]).abs().sum(-1).mean() for agent in now]
        return float(torch.stack(changes).mean())

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next call compares with."""
        return dict(self._before)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self._before = dict(state)


@torch.inference_mode()
def _acts(probe: Probe, actors: Sequence[ActorStack]) -> dict[str, Tensor]:
    """Return each agent's actions (decision act number), on the CPU.

    That is the action or, where rungs are drawn, half of their shares: of two laws, the sum of the
    absolute differences of these is the total variation distance.
    """
    found: dict[str, Tensor] = {}
    for stack in actors:
        place = next(iter(stack.weights.values()))
        obs = torch.stack([probe[agent] for agent in stack.unit_ids], 1).to(place)
        acts = _half_shares(stack, obs) if stack.mixed else stack(obs).unsqueeze(-1)
        for agent, own in zip(stack.unit_ids, acts.unbind(1), strict=True):
            found[agent] = own.to("cpu", torch.float64)
    return found


def _half_shares(stack: ActorStack, obs: Tensor) -> Tensor:
    """Return half of the shares with which rungs are drawn: (... agent act rung)."""
    head = head_of(stack.head)
    assert isinstance(head, Categorical | Averaged)  # no others draw
    return head.shares(stack.outputs(obs)) / 2


class Judge:
    """Works out the exploitability of validations of one training, as long as that is cheap.

    :param compiled: scenario
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self.able = all(unknown_response(compiled, a) is None for a in compiled.learners)

    def exploitability(
        self,
        memory: MemorySink,
        policies: Mapping[str, ActorStack] | None = None,
        seed: int = 0,
    ) -> float | None:
        """Return the largest gap to a best response, EUR; None: not known, or much work.

        Where it is not known, it is not `able` to tell of later validations either.

        :param memory: `READ` and `rl_params` of a validation
        :param policies: that played it, by agent; None: none of them draws
        :param seed: of the draws
        """
        found = responses(self._compiled, memory, IN_TRAINING, policies, seed, beside=False)
        market = exploitability(found)
        self.able = market.kind != "lower_bound" and market.exploitability is not None
        return market.exploitability if self.able else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state that later validations depend on."""
        return {"able": self.able}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.able = state["able"]


class Watch:
    """Keeps the orders of one copy of a validation while it is played.

    :param env: of evaluations
    :param key: of the validation
    :param copy: whose orders are kept
    """

    def __init__(self, env: MarketEnv, key: EpisodeKey, copy: int) -> None:
        self._memory = MemorySink()
        state = env.reset(torch.full((env.copies,), key.episode))
        self._recording = Recording(env, self._memory, key, state, copy=copy, tables=READ)

    def add(self, happened: Happened) -> None:
        """Keep the events of a step."""
        self._recording.add(happened)

    def write(self, table: str, columns: Mapping[str, Any]) -> None:
        """Keep rows of the learners' earnings."""
        self._memory.write(table, columns)

    def memory(self) -> MemorySink:
        """Return the tables of the validation."""
        self._recording.flush()
        return self._memory


def by_agent(actors: Sequence[ActorStack]) -> dict[str, ActorStack]:
    """Return the policy of each agent, on the CPU."""
    cpu = torch.device("cpu")
    return {unit: stack.select([unit]).to(cpu) for stack in actors for unit in stack.unit_ids}


def replayed(compiled: Compiled, key: EpisodeKey, policies: Mapping[str, ActorStack]) -> MemorySink:
    """Return the tables of a validation that another shell has played.

    :param compiled: scenario, which the batch shell supports
    :param key: of the validation
    :param policies: of all learned bidders
    """
    memory = MemorySink()
    play_recorded(
        compiled,
        seed=key.seed,
        policies=policies,
        sink=memory,
        episode=key.episode,
        evaluation=True,
        tables=READ,
    )
    return memory

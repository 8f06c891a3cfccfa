"""Every algorithm as functions: state in, state out, randomness an argument.

`Functional` has the parts of a reference system's functional agent: `init_params`, `init_policy`,
`init_optimizer`, `predict` and `update`. Nothing that is handed over is written to, and nothing is
kept between two calls, so the same arguments give the same results. Each call works on a `Learner`
of its own, so the losses and the bits are those of the class. `learning_config.compile` stands for
what elsewhere is called `jit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl import keyed
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import OFF, Decision, Exploration, decide, exploration_at
from assume_rl.learning.fleet import Group
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.noisy import Draws
from assume_rl.learning.states import load_states, networks, optimizers
from assume_rl.learning.types import MEMORY, AgentSpec, Joint, Transitions, UpdateMetrics

Params = Mapping[str, Any]
"""`networks`: kind -> agent -> tensors, targets as `<kind>_target`; `normaliser`: all statistics,
and the discounted returns up to now."""
Batch = Mapping[str, Any]
"""`units`: agent -> `obs`, `action`, `reward`, `next_obs` and the extras of decisions and outcomes
that the algorithm needs, `memory` where actors have one, rows first; `terminated` and `truncated`,
one per row; `copies` of the market, 1 if absent."""
PARTS = ("obs", "action", "reward", "next_obs")


@dataclass(frozen=True)
class PolicyState:
    """All that later actions depend on, beside parameters."""

    exploration: Exploration
    decisions: int = 0  # made since the state was new; each has draws of its own
    # Of agents whose actors have one, (..., memory); absent where an episode begins.
    memories: Mapping[str, Float[Tensor, "... memory"]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingState:
    """All that later updates depend on.

    :param data: transitions, which of them wait to be learned from, and their priorities
    """

    params: Params
    optimizer: Mapping[str, Any]
    data: Mapping[str, Any]
    updates: int = 0
    iterations: int = 0


class Functional:
    """The functions of an algorithm for a fleet of agents.

    :param config: settings
    :param agents: the agents, in their order
    :param device: of all that is computed
    :param dtype: likewise
    """

    def __init__(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.agents = config, tuple(agents)
        self._device, self._dtype = device or torch.device("cpu"), dtype
        # Functions that are compiled once, whatever the number of calls.
        self._compiled = self._empty(0).compiled

    def init_params(self, key: int) -> Params:
        """Return fresh networks and empty statistics; an agent's depend on `key` and its name."""
        return _params(self._fresh(key))

    def init_policy(
        self, *, explore: bool = True, initial: bool = False, progress: float = 1.0
    ) -> PolicyState:
        """Return a state to act with.

        :param explore: whether actions are drawn; without it acting is deterministic
        :param initial: whether they are those of the initial experience
        :param progress: share of training that is left, from 1 to 0
        """
        if not explore:
            return PolicyState(OFF)
        return PolicyState(exploration_at(self.config, initial=initial, progress=progress))

    def init_optimizer(self, params: Params) -> Mapping[str, Any]:
        """Return the state of the optimiser of fresh networks: moments of zero, no step."""
        learner = self._empty(0)
        _load_params(learner, params)
        return optimizers(learner.nets, 0)

    def init(self, key: int) -> TrainingState:
        """Return a state to learn from: fresh parameters and optimiser, and no transitions."""
        params = self.init_params(key)
        return TrainingState(params, self.init_optimizer(params), _data(self._empty(key)))

    @torch.no_grad()
    def predict(
        self,
        params: Params,
        policy: PolicyState,
        observations: Mapping[str, Float[Tensor, "... obs"]],
        key: int,
        centre: Mapping[str, Float[Tensor, "... act"]] | None = None,
    ) -> tuple[dict[str, Decision], PolicyState]:
        """Return the decision of each agent, and the state to act with next.

        :param params: of the networks
        :param policy: says how actions are drawn
        :param observations: by agent, all with the same leading axes
        :param key: of the draws
        :param centre: where agents want their initial experience; None: at 0
        """
        learner = self._empty(key)
        _load_params(learner, params)
        units = [agent.unit_id for agent in self.agents]
        _check_keys("observations", observations, units)
        if centre is not None:
            _check_keys("centre", centre, units)
        found, memories = {}, {}
        for net, head, group in zip(
            learner.nets["actor"], learner.heads, learner.groups, strict=True
        ):
            seen = [observations[unit].to(self._device, self._dtype) for unit in group.unit_ids]
            lead = seen[0].shape[:-1]
            rows = torch.stack([part.reshape(-1, group.obs_size) for part in seen])[None]
            nothing = rows.new_zeros(*lead, net.form.memory_size)
            before = [policy.memories.get(unit, nothing).to(nothing) for unit in group.unit_ids]
            kept = torch.stack([part.reshape(rows.shape[2], -1) for part in before])[None]
            own = net.now
            if policy.exploration.mode != "off":
                own = net.form.noisy(own, Draws((key,), "act", policy.decisions))
            outs, after = net.form.step(own, rows, kept)
            out = outs[0]
            for k, unit in enumerate(group.unit_ids):
                draw = torch.tensor(keyed.key(key, "act", unit, policy.decisions))
                shape = (*lead, group.act_size)
                z = keyed.normal(draw, out.shape[1] * group.act_size).to(out).view(shape)
                middle = torch.zeros_like(z) if centre is None else centre[unit].to(z)
                given = out[k].view(*lead, -1)
                found[unit] = decide(head, given, middle, z, policy.exploration)
                if net.form.memory_size:
                    extras = {**found[unit].extras, MEMORY: before[k]}
                    found[unit] = replace(found[unit], extras=extras)
                    memories[unit] = after[0, k].view(*lead, -1)
        return found, replace(policy, decisions=policy.decisions + 1, memories=memories)

    def update(
        self,
        state: TrainingState,
        batch: Batch | None,
        key: int,
        *,
        progress: float = 1.0,
        iterations: int | None = None,
    ) -> tuple[TrainingState, UpdateMetrics]:
        """Return the state after transitions were stored and learned from; and metrics.

        :param state: before
        :param batch: new transitions; None: there are none
        :param key: of the draws, together with the number of the update
        :param progress: share of training that is left, from 1 to 0
        :param iterations: None: `config.gradient_steps`; on-policy algorithms count for themselves
        """
        learner = self._empty(key)
        learner.compiled = self._compiled
        whole = {**state.data, "normaliser": state.params["normaliser"]}
        whole |= {"networks": state.params["networks"], "optimizers": state.optimizer}
        whole |= {"updates": state.updates, "iterations": state.iterations}
        whole |= {"agents": [agent.unit_id for agent in self.agents], "seed": key}
        learner.load_state_of(0, whole)
        learner.replay.load_state_dict(state.data["replay"])
        if batch is not None:
            learner.observe(self._joint(learner, batch))
        metrics = learner.update(progress, iterations)
        after = TrainingState(
            _params(learner),
            optimizers(learner.nets, 0),
            _data(learner),
            learner.updates,
            learner.iterations,
        )
        return after, metrics.of_seed(0)

    def _fresh(self, key: int) -> Learner:
        return Learner(
            self.config, self.agents, seeds=(key,), device=self._device, dtype=self._dtype
        )

    def _empty(self, key: int) -> Learner:
        return Learner.empty(self.config, self.agents, (key,), self._device, self._dtype)

    def _joint(self, learner: Learner, batch: Batch) -> Joint:
        """Return a batch as the class takes it, after its keys were checked."""
        _check_keys("batch", batch, ["units", "terminated", "truncated"], ["copies"])
        _check_keys("batch.units", batch["units"], [agent.unit_id for agent in self.agents])
        extras = tuple(learner.extras)
        for unit, own in batch["units"].items():
            _check_keys(f"batch.units.{unit}", own, [*PARTS, *extras])
        rows, copies = batch["terminated"].shape[0], int(batch.get("copies", 1))
        if copies < 1 or rows % copies:
            raise ConfigurationError(f"batch: {rows} rows are not those of {copies} copies")
        if (batch["terminated"].bool() & batch["truncated"].bool()).any():
            raise ConfigurationError("batch: a row is both terminated and truncated")
        groups = []
        for group in learner.groups:
            _check_shapes(batch, group, rows)
            own = [batch["units"][unit] for unit in group.unit_ids]
            parts = {name: torch.stack([one[name] for one in own], dim=1)[None] for name in PARTS}
            more = {name: torch.stack([one[name] for one in own], dim=1)[None] for name in extras}
            groups.append(Transitions(**parts, extras=more))
        ended, cut = (batch[name].bool()[None] for name in ("terminated", "truncated"))
        return Joint(tuple(groups), ended, cut, copies=copies)


def _params(learner: Learner) -> Params:
    state = learner.normaliser.state_of(0)
    return {"networks": networks(learner.nets, 0), "normaliser": state}


def _load_params(learner: Learner, params: Params) -> None:
    load_states(learner.nets, 0, {"networks": params["networks"], "optimizers": {}})
    learner.normaliser.load_state_of(0, params["normaliser"])


def _data(learner: Learner) -> Mapping[str, Any]:
    whole = learner.state_of(0)
    own = {name: whole[name] for name in ("waiting", "priorities")}
    return {**own, "replay": learner.replay.state_dict()}


def _check_shapes(batch: Batch, group: Group, rows: int) -> None:
    """Check that the parts of each agent's transitions have the sizes of the agent.

    :raises ConfigurationError: one has not
    """
    shapes = {
        "obs": (rows, group.obs_size),
        "action": (rows, group.act_size),
        "reward": (rows,),
        "next_obs": (rows, group.obs_size),
    }
    for unit in group.unit_ids:
        for name, shape in shapes.items():
            found = tuple(batch["units"][unit][name].shape)
            if found != shape:
                raise ConfigurationError(
                    f"batch.units.{unit}.{name}: has the shape {found}, not {shape}"
                )


def _check_keys(
    where: str, given: Mapping[str, Any], needed: Sequence[str], also: Sequence[str] = ()
) -> None:
    """Check that all keys of data are there, and no others.

    :param where: of the data
    :param given: the data
    :param needed: keys that must be there
    :param also: keys that may be there
    :raises ConfigurationError: one is missing or unknown
    """
    for name in needed:
        if name not in given:
            raise ConfigurationError(f"{where}: '{name}' is missing")
    for name in given:
        if name not in needed and name not in also:
            hint = nearest(name, [*needed, *also])
            raise ConfigurationError(f"{where}: unknown '{name}', {hint}")

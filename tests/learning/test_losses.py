"""Updates of stochastic policies against slow loops over agents and rows, in float64.

Follows the papers one agent and one row at a time, and shares with the package only the initial
weights, the draws and the settings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import fleet, learner, random_joint

from assume_rl import keyed
from assume_rl.learning.algorithms.policy_gradient import cuts
from assume_rl.learning.algorithms.ppo import normalised
from assume_rl.learning.data.on_policy import Stretch, advantages
from assume_rl.learning.learner import Learner
from assume_rl.learning.states import networks
from assume_rl.learning.types import Joint

pytestmark = pytest.mark.unchecked

FLEETS = {"three alike": [(5, 2, 2)] * 3, "mixed": [(5, 2, 2), (4, 1, 3), (5, 2, 2), (6, 1, 0)]}
SMALL = {"actor_hidden": (16, 8), "learning_rate": 0.003, "gamma": 0.9}

# --- after a row ---------------------------------------------------------------------------------


class Path:
    """The rows of one copy in one stretch, in order of time."""

    def __init__(self, rows: Sequence[int], terminated: Tensor, truncated: Tensor) -> None:
        self.rows, self.terminated, self.truncated = rows, terminated, truncated

    def after(self, k: int, most: int) -> list[int]:
        """Rows from the k-th on up to the end of the episode, or of a block of `most` rows."""
        found = []
        for place in range(k, len(self.rows)):
            row = self.rows[place]
            found.append(row)
            if self.terminated[row] or self.truncated[row] or place % most == most - 1:
                break
        return found


def paths(stretches: Sequence[Stretch], terminated: Tensor, truncated: Tensor) -> list[Path]:
    found, start = [], 0
    for rows, copies in stretches:
        for copy in range(copies):
            own = range(start + copy, start + rows, copies)
            found.append(Path(own, terminated, truncated))
        start += rows
    return found


def n_step(ways: Sequence[Path], reward: Tensor, after: Tensor, gamma: float, most: int) -> Tensor:
    """Sums of discounted rewards and of the value of the observation after them."""
    found = torch.full_like(reward, torch.nan)
    for way in ways:
        for k, row in enumerate(way.rows):
            ahead = way.after(k, most)
            total = sum(gamma**j * float(reward[r]) for j, r in enumerate(ahead))
            if not way.terminated[ahead[-1]]:
                total += gamma ** len(ahead) * float(after[ahead[-1]])
            found[row] = total
    return found


def gae(
    ways: Sequence[Path], reward: Tensor, value: Tensor, after: Tensor, gamma: float, trace: float
) -> Tensor:
    """Equation 16 of Schulman et al. (2016): errors ahead, weighted by powers of gamma lambda."""
    found = torch.full_like(reward, torch.nan)
    for way in ways:
        for k, row in enumerate(way.rows):
            total = 0.0
            for j, r in enumerate(way.after(k, 10**9)):
                following = 0.0 if way.terminated[r] else gamma * float(after[r])
                total += (gamma * trace) ** j * (float(reward[r] + following - value[r]))
            found[row] = total
    return found


def follow(after: Tensor, now: Tensor, ended: Tensor, stretches: Sequence[Stretch]) -> None:
    """Let a row be followed by the next one of its copy, unless its episode ends.

    :param after: (seed, agent, row, ...), written in place
    :param now: likewise
    :param ended: (seed, 1, row, ...)
    :param stretches: that the rows consist of
    """
    start = 0
    for rows, copies in stretches:
        early, late = slice(start, start + rows - copies), slice(start + copies, start + rows)
        kept = torch.where(ended[:, :, early], after[:, :, early], now[:, :, late])
        after[:, :, early] = kept
        start += rows


stretch = st.builds(lambda times, copies: Stretch(times * copies, copies), *[st.integers(1, 4)] * 2)
share = st.sampled_from([0.0, 0.5, 0.9, 1.0])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(stretch, min_size=1, max_size=3), share, share, st.integers(1, 5), st.integers())
def test_advantages_are_sums_over_what_follows(
    stretches: list[Stretch], gamma: float, trace: float, most: int, seed: int
) -> None:
    draw, rows = torch.Generator().manual_seed(seed % 2**31), sum(s.rows for s in stretches)
    numbers = torch.randn(3, 2, 2, rows, generator=draw, dtype=torch.float64)
    kind = torch.randint(5, (2, rows), generator=draw)
    flags = kind == 0, kind == 1
    ended = (flags[0] | flags[1])[:, None]
    follow(numbers[2], numbers[1], ended, stretches)
    found = advantages(*numbers, *flags, stretches, gamma, trace)
    ends = flags[1] | cuts(stretches, most, flags[1])
    sums = advantages(*numbers, flags[0], ends, stretches, gamma, 1.0) + numbers[1]
    nothing = torch.zeros_like(numbers[0])
    returns = advantages(numbers[0], nothing, nothing, *flags, stretches, gamma, 1.0)
    for s in range(2):
        ways = paths(stretches, flags[0][s], flags[1][s])
        for i in range(2):
            reward, value, after = numbers[:, s, i]
            close(found[s, i], gae(ways, reward, value, after, gamma, trace))
            close(sums[s, i], n_step(ways, reward, after, gamma, most))
            close(returns[s, i], n_step(ways, reward, nothing[s, i], gamma, 10**9))


def test_advantages_by_hand() -> None:
    # Two copies: the first is terminated after two rows, the second truncated after one.
    reward = torch.tensor([[[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]]], dtype=torch.float64)
    value, after = torch.full_like(reward, 4.0), torch.full_like(reward, 6.0)
    terminated = torch.tensor([[False, False, True, False, False, False]])
    truncated = torch.tensor([[False, True, False, False, False, False]])
    found = advantages(reward, value, after, terminated, truncated, [Stretch(6, 2)], 0.5, 0.5)
    # Errors: 1 + 3 - 4 = 0, 10 + 3 - 4 = 9, 2 - 4 = -2, 19, 2, 29; each row adds a quarter of the
    # next one of its copy, but not beyond an end.
    assert found[0, 0].tolist() == [-0.5, 9.0, -2.0, 19.0 + 7.25, 2.0, 29.0]


# --- networks ------------------------------------------------------------------------------------


class Net:
    """One agent's networks of a kind, with an optimiser of their own."""

    def __init__(self, state: Mapping[str, Tensor], rate: float) -> None:
        self.parts = {name: v.clone().requires_grad_() for name, v in state.items()}
        decay = 0.0 if "log_temperature" in state else 0.01
        self.adam = torch.optim.AdamW(self.parts.values(), lr=rate, weight_decay=decay)

    def __call__(self, x: Tensor, prefix: str = "") -> Tensor:
        own = [part for name, part in self.parts.items() if name.startswith(prefix)]
        for weight, bias in zip(own[::2], own[1::2], strict=True):
            x = x @ weight.T + bias
            x = x.relu() if weight is not own[-2] else x
        return x

    def step(self, loss: Tensor, limit: float = 1.0) -> None:
        self.adam.zero_grad()
        loss.backward()
        if limit:
            nn.utils.clip_grad_norm_(self.parts.values(), limit)
        self.adam.step()

    def stand(self) -> None:
        """Count a step that is not made."""
        for own in self.adam.state.values():
            own["step"] += 1


def normal(out: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations."""
    mean, spread = out[..., : out.shape[-1] // 2], out[..., out.shape[-1] // 2 :]
    return mean, (spread - 0.5).clamp(-5.0, 2.0).exp()


def densities(out: Tensor, raw: Tensor) -> Tensor:
    """Log-densities of the normal numbers, row by row."""
    mean, std = normal(out)
    rows = [
        sum(torch.distributions.Normal(m, s).log_prob(x) for m, s, x in zip(*one, strict=True))
        for one in zip(mean, std, raw, strict=True)
    ]
    return torch.stack(rows)


def entropies(out: Tensor) -> Tensor:
    return torch.distributions.Normal(*normal(out)).entropy().sum(-1)


class Loop:
    """The agents of a learner one by one, with the transitions that they saw."""

    def __init__(self, ours: Learner) -> None:
        self.ours, self.config, self.own = ours, ours.config, ours.config.settings
        self.specs = ours.agents
        self.nets = {
            kind: [Net(states[spec.unit_id], ours.config.learning_rate) for spec in ours.agents]
            for kind, states in networks(ours.nets, 0).items()
        }
        self.central = not ours.config.algorithm.startswith("i")

    def take(self, joint: Joint) -> None:
        members = {
            p: {
                name: getattr(part, name)[0, :, k]
                for name in ("obs", "action", "reward", "next_obs")
            }
            | {name: v[0, :, k] for name, v in part.extras.items()}
            for group, part in zip(self.ours.groups, joint.groups, strict=True)
            for k, p in enumerate(group.positions)
        }
        self.data = [members[p] for p in sorted(members)]
        self.terminated, self.truncated = joint.terminated[0], joint.truncated[0]

    def column(self, name: str) -> list[Tensor]:
        return [own[name] for own in self.data]

    def seen(self, i: int, obs: Sequence[Tensor], actions: Sequence[Tensor] = ()) -> Tensor:
        """The rows that the critic of the i-th agent sees."""
        if not self.central:
            return torch.cat([obs[i], *(actions[i : i + 1])], dim=1)
        others = [j for j in range(len(obs)) if j != i]
        private = [obs[j][:, obs[j].shape[1] - self.specs[j].unique_size :] for j in others]
        return torch.cat([obs[i], *private, *actions], dim=1)

    def check(self) -> None:
        """Compare all networks with those of the learner."""
        for kind, states in networks(self.ours.nets, 0).items():
            for spec, net in zip(self.specs, self.nets[kind], strict=True):
                for name, value in states[spec.unit_id].items():
                    close(value, net.parts[name].detach())


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


# --- soft actor-critic ---------------------------------------------------------------------------


class SacLoop(Loop):
    """Haarnoja et al. (2018), arXiv:1812.05905, Algorithm 1."""

    def update(self, number: int) -> dict[str, Tensor]:
        steps, size = self.config.gradient_steps, self.config.batch_size
        key = keyed.combine(torch.tensor(keyed.key(3, "replay")), torch.tensor(number))
        index = keyed.below(len(self.terminated), key, steps * size).view(steps, size)
        z = {name: self._noise(name, number) for name in ("next_action", "action")}
        rows: dict[str, list[list[float]]] = {"critic": [], "actor": [], "log_temperature": []}
        for k in range(steps):
            losses = self._step(index[k], *([own[k] for own in z[name]] for name in z))
            for name, values in zip(rows, losses, strict=True):
                rows[name].append(values)
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in rows.items()}

    def _noise(self, name: str, number: int) -> list[Tensor]:
        steps, size = self.config.gradient_steps, self.config.batch_size
        found = []
        for spec in self.specs:
            own = keyed.combine(
                torch.tensor(keyed.key(3, name, spec.unit_id)), torch.tensor(number)
            )
            drawn = keyed.normal(own, steps * size * spec.act_size)
            found.append(drawn.view(steps, size, spec.act_size))
        return found

    def _drawn(self, i: int, obs: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        out = self.nets["actor"][i](obs)
        mean, std = normal(out)
        raw = mean + std * z
        squash = torch.log(1.0 - raw.tanh().square()).sum(-1)
        return raw.tanh(), densities(out, raw) - squash

    def _least(self, kind: str, i: int, x: Tensor) -> Tensor:
        net = self.nets[kind][i]
        return torch.minimum(net(x, "q1_")[:, 0], net(x, "q2_")[:, 0])

    def _temperature(self, i: int) -> float:
        number = float(self.nets["log_temperature"][i].parts["log_temperature"].detach())
        return self.own.initial_temperature * math.exp(number)

    def _step(
        self, rows: Tensor, z_next: list[Tensor], z: list[Tensor]
    ) -> tuple[list[float], list[float], list[float]]:
        obs, next_obs, actions = (
            [part[rows] for part in self.column(name)] for name in ("obs", "next_obs", "action")
        )
        with torch.no_grad():
            following = [self._drawn(i, next_obs[i], z_next[i]) for i in range(len(next_obs))]
        worth = [self._temperature(i) for i in range(len(obs))]
        losses: tuple[list[float], ...] = ([], [], [])
        for i, spec in enumerate(self.specs):
            # Critic.
            with torch.no_grad():
                x = self.seen(i, next_obs, [action for action, _ in following])
                soft = self._least("critic_target", i, x) - worth[i] * following[i][1]
            target = self.data[i]["reward"][rows].clone()
            for j, row in enumerate(rows.tolist()):
                if not self.terminated[row]:
                    target[j] += self.config.gamma * soft[j]
            critic, x = self.nets["critic"][i], self.seen(i, obs, actions)
            loss = sum((critic(x, q)[:, 0] - target).square().mean() for q in ("q1_", "q2_"))
            critic.step(loss)
            losses[0].append(float(loss.detach()))
            # Actor, at the critic after its step, the others' actions as they were taken.
            action, log_prob = self._drawn(i, obs[i], z[i])
            q = self._least(
                "critic", i, self.seen(i, obs, [*actions[:i], action, *actions[i + 1 :]])
            )
            loss = (worth[i] * log_prob - q).mean()
            self.nets["actor"][i].step(loss)
            losses[1].append(float(loss.detach()))
            # Temperature.
            number = self.nets["log_temperature"][i]
            entropy = (
                -float(spec.act_size)
                if self.own.target_entropy is None
                else (self.own.target_entropy)
            )
            loss = -(number.parts["log_temperature"] * (log_prob.detach() + entropy).mean()).sum()
            number.step(loss, limit=0.0)
            losses[2].append(float(loss.detach()))
            for part, old in zip(
                critic.parts.values(), self.nets["critic_target"][i].parts.values(), strict=True
            ):
                old.data = (1 - self.own.tau) * old.data + self.own.tau * part.data
        return losses


@pytest.mark.parametrize("algorithm", ["masac", "isac"])
@pytest.mark.parametrize("shapes", FLEETS.values(), ids=FLEETS.keys())
def test_soft_actor_critic_equals_a_loop(shapes: Any, algorithm: str) -> None:
    how = {"batch_size": 12, "gradient_steps": 2, "tau": 0.1, "target_entropy": 0.3}
    how = how if algorithm == "masac" else how | {"target_entropy": None}
    ours = learner(
        fleet(*shapes), algorithm=algorithm, learning_rate_schedule="constant", **SMALL, **how
    )
    loop, joint = SacLoop(ours), random_joint(ours, 30)
    loop.take(joint)
    ours.observe(joint)
    for number in range(2):
        found, expected = ours.update(1.0).of_seed(0), loop.update(number)
        for name, values in expected.items():
            close(found[f"{name}_loss"], values)
    loop.check()


# --- on-policy -----------------------------------------------------------------------------------


class OnPolicyLoop(Loop):
    """The part that on-policy updates share."""

    stretches: tuple[Stretch, ...]

    @property
    def ways(self) -> list[Path]:
        return paths(self.stretches, self.terminated, self.truncated)

    def values(self, name: str) -> list[Tensor]:
        """Values of the observations in a column."""
        obs = self.column(name)
        with torch.no_grad():
            return [net(self.seen(i, obs))[:, 0] for i, net in enumerate(self.nets["value"])]


class PpoLoop(OnPolicyLoop):
    """Schulman et al. (2017), arXiv:1707.06347, Algorithm 1 with clipped values and a KL stop."""

    def update(self, number: int) -> list[list[bool]]:
        """Return which agents' actors moved, step by step."""
        own, before, after = self.own, self.values("obs"), self.values("next_obs")
        found = [
            gae(self.ways, part["reward"], v, w, self.config.gamma, own.gae_lambda)
            for part, v, w in zip(self.data, before, after, strict=True)
        ]
        target = [a + v for a, v in zip(found, before, strict=True)]
        found = [(a - a.mean()) / (a.std(correction=0) + 1e-8) for a in found]
        moves, learns = [], [True] * len(self.specs)
        for epoch in range(own.epochs):
            order = self.ours._batches.order(torch.tensor(number), epoch, len(self.terminated))[0]
            for rows in order.chunk(own.minibatches):
                for i in range(len(self.specs)):
                    self._value_step(i, rows, before[i], target[i])
                    learns[i] = self._actor_step(i, rows, found[i], learns[i])
                moves.append(list(learns))
        return moves

    def _value_step(self, i: int, rows: Tensor, before: Tensor, target: Tensor) -> None:
        net, limit = self.nets["value"][i], self.own.clip_range_value
        value, terms = net(self.seen(i, [o[rows] for o in self.column("obs")]))[:, 0], []
        for k, row in enumerate(rows.tolist()):
            term = (value[k] - target[row]) ** 2
            if limit > 0:
                moved = torch.clip(value[k], before[row] - limit, before[row] + limit)
                term = max(term, (moved - target[row]) ** 2)
            terms.append(0.5 * term)
        net.step(torch.stack(terms).mean())

    def _actor_step(self, i: int, rows: Tensor, advantage: Tensor, learns: bool) -> bool:
        net, part, clip = self.nets["actor"][i], self.data[i], self.own.clip_range
        out = net(part["obs"][rows])
        new, gains, kl = densities(out, part["raw"][rows]), [], 0.0
        for k, row in enumerate(rows.tolist()):
            ratio = (new[k] - part["log_prob"][row, 0]).exp()
            limited = torch.clip(ratio, 1 - clip, 1 + clip)
            gains.append(min(ratio * advantage[row], limited * advantage[row]))
            kl += float((ratio - 1 - ratio.log()).detach()) / len(rows)
        if not learns or (self.own.target_kl is not None and kl > self.own.target_kl):
            net.stand()
            return False
        entropy = entropies(out).mean()
        net.step(-torch.stack(gains).mean() - self.own.entropy_weight * entropy)
        return True


@pytest.mark.parametrize("algorithm", ["mappo", "ippo"])
@pytest.mark.parametrize("shapes", FLEETS.values(), ids=FLEETS.keys())
def test_proximal_policy_optimisation_equals_a_loop(shapes: Any, algorithm: str) -> None:
    how = {"clip_range_value": 0.05, "target_kl": 0.02, "epochs": 2, "clip_range": 0.1}
    how = how if algorithm == "mappo" else how | {"clip_range_value": 0.0, "target_kl": None}
    ours = learner(
        fleet(*shapes), algorithm=algorithm, learning_rate_schedule="constant", **SMALL, **how
    )
    loop = PpoLoop(ours)
    moves = played(ours, loop)
    loop.check()
    stopped = [not all(own) for own in zip(*moves, strict=True)]
    assert any(stopped) == (algorithm == "mappo")
    assert all(moves[len(moves) // 2])  # in the next update all of them learn again


class GradientLoop(OnPolicyLoop):
    """REINFORCE, the policy gradient with a mean as the baseline, and A2C."""

    def update(self, number: int) -> list[list[bool]]:
        name, gamma = self.config.algorithm, self.config.gamma
        value = self.values("obs") if name == "a2c" else []
        after = self.values("next_obs") if name == "a2c" else []
        for i, (part, net) in enumerate(zip(self.data, self.nets["actor"], strict=True)):
            reward = part["reward"]
            if name == "a2c":
                target = n_step(self.ways, reward, after[i], gamma, self.own.n_step)
                advantage, own = target - value[i], self.nets["value"][i]
                own.step((own(part["obs"])[:, 0] - target).square().mean())
            else:
                advantage = n_step(self.ways, reward, torch.zeros_like(reward), gamma, 10**9)
                advantage = advantage - (advantage.mean() if name == "vpg" else 0.0)
            out = net(part["obs"])
            gain = (densities(out, part["raw"]) * advantage).mean()
            net.step(-gain - self.own.entropy_weight * entropies(out).mean())
        return [[True] * len(self.specs)]


@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "a2c"])
@pytest.mark.parametrize("shapes", FLEETS.values(), ids=FLEETS.keys())
def test_policy_gradients_equal_a_loop(shapes: Any, algorithm: str) -> None:
    how = {"entropy_weight": 0.05} | ({"n_step": 3} if algorithm == "a2c" else {})
    ours = learner(
        fleet(*shapes), algorithm=algorithm, learning_rate_schedule="constant", **SMALL, **how
    )
    loop = GradientLoop(ours)
    loop.central = False
    played(ours, loop)
    loop.check()


def played(ours: Learner, loop: OnPolicyLoop) -> list[list[bool]]:
    """Two updates, each from a stretch of two copies and one of a single copy."""
    moves = []
    for number in range(2):
        pair = [random_joint(ours, rows, seed=10 * number + rows) for rows in (14, 9)]
        pair[0] = replace(pair[0], copies=2)
        for joint in pair:
            ended = (joint.terminated | joint.truncated)[:, None, :, None]
            for part in joint.groups:
                after, now = part.next_obs.transpose(1, 2), part.obs.transpose(1, 2)
                follow(after, now, ended, [Stretch(now.shape[2], joint.copies)])
            ours.observe(joint)
        loop.take(together(*pair))
        loop.stretches = (Stretch(14, 2), Stretch(9, 1))
        ours.update(1.0)
        moves += loop.update(number)
    return moves


def together(one: Joint, other: Joint) -> Joint:
    """The rows of both."""

    def rows(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=1)

    groups = []
    for a, b in zip(one.groups, other.groups, strict=True):
        own = {
            n: rows(getattr(a, n), getattr(b, n)) for n in ("obs", "action", "reward", "next_obs")
        }
        extras = {name: rows(value, b.extras[name]) for name, value in a.extras.items()}
        groups.append(type(a)(**own, extras=extras))
    flags = (rows(getattr(one, n), getattr(other, n)) for n in ("terminated", "truncated"))
    return Joint(tuple(groups), *flags)


def test_equal_advantages_move_nothing() -> None:
    assert normalised(torch.full((1, 2, 5), 3.0)).abs().max() == 0
    assert normalised(torch.full((1, 2, 1), 3.0)).abs().max() == 0

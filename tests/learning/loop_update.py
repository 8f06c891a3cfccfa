"""An update written as a slow loop over agents, with torch modules and one optimiser each.

Follows the equations of Ackermann et al. (2019) and Lowe et al. (2017) one agent at a time, and
shares with the package only the initial weights, the draws and the configuration.
"""

from typing import Any

import torch
from torch import Tensor, nn

from assume_rl import keyed
from assume_rl.compat.modules import Actor
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.stack import Weights
from assume_rl.learning.states import networks
from assume_rl.learning.types import AgentSpec, Joint


def _optimizer(parameters: Any, rate: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, foreach=False, fused=False)


class LoopAgent:
    """One agent's networks."""

    def __init__(self, spec: AgentSpec, actor: Weights, critic: Weights, rate: float) -> None:
        self.spec = spec
        self.actor = self._actor(actor)
        self.actor_target = self._actor(actor)
        count = 1 + ("q2_layers.0.weight" in critic)
        self.critics = nn.ModuleList(self._critic(critic, c) for c in range(count))
        self.critic_targets = nn.ModuleList(self._critic(critic, c) for c in range(count))
        self.actor_optimizer = _optimizer(self.actor.parameters(), rate)
        self.critic_optimizer = _optimizer(self.critics.parameters(), rate)

    def _actor(self, state: dict[str, Tensor]) -> Actor:
        actor = Actor(self.spec.obs_size, self.spec.act_size, torch.float64)
        actor.load_state_dict(state)
        return actor

    @staticmethod
    def _critic(state: dict[str, Tensor], c: int) -> nn.Sequential:
        prefix = f"q{c + 1}_layers."
        layers: list[nn.Module] = []
        for k in range(len([n for n in state if n.startswith(prefix)]) // 2):
            weight, bias = state[f"{prefix}{k}.weight"], state[f"{prefix}{k}.bias"]
            layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])


class LoopUpdate:
    """Repeats `Learner.update` agent by agent, row of metrics by row of metrics."""

    def __init__(self, learner: Learner, joint: Joint) -> None:
        self.config: LearningConfig = learner.config
        (self.seed,) = learner.seeds
        self.matd3 = learner.config.algorithm.endswith("td3")
        self.central = not learner.config.algorithm.startswith("i")
        rate = self.config.learning_rate
        members = {
            p: (spec, k, part)
            for group, part in zip(learner.groups, joint.groups, strict=True)
            for k, (p, spec) in enumerate(zip(group.positions, group.specs, strict=True))
        }
        ordered = [members[p] for p in sorted(members)]
        nets = networks(learner.nets, 0)
        self.agents = [
            LoopAgent(spec, nets["actor"][spec.unit_id], nets["critic"][spec.unit_id], rate)
            for spec, _, _ in ordered
        ]
        self.obs = [part.obs[0, :, k] for _, k, part in ordered]
        self.next_obs = [part.next_obs[0, :, k] for _, k, part in ordered]
        self.actions = [part.action[0, :, k] for _, k, part in ordered]
        self.rewards = [part.reward[0, :, k] for _, k, part in ordered]
        self.terminated = joint.terminated[0]
        self.iterations = self.updates = 0

    def update(self) -> dict[str, Tensor]:
        index, noise = self._draws()
        rows: dict[str, list[list[float]]] = {"critic": [], "critic_norm": [], "actor": []}
        for k in range(self.config.gradient_steps):
            self.iterations += 1
            losses, norms = self._critic_steps(index[k], [z[k] for z in noise])
            rows["critic"].append(losses)
            rows["critic_norm"].append(norms)
            if not self.matd3 or self.iterations % self.config.settings.policy_delay == 0:
                rows["actor"].append(self._actor_steps(index[k]))
                self._polyak()
        self.updates += 1
        return {name: torch.tensor(r, dtype=torch.float64) for name, r in rows.items()}

    def _draws(self) -> tuple[Tensor, list[Tensor]]:
        steps, batch = self.config.gradient_steps, self.config.batch_size
        update = torch.tensor(self.updates)
        draw = keyed.combine(torch.tensor(keyed.key(self.seed, "replay")), update)
        index = keyed.below(len(self.terminated), draw, steps * batch).view(steps, batch)
        noise = []
        for agent in self.agents:
            own = torch.tensor(keyed.key(self.seed, "target_noise", agent.spec.unit_id))
            act = agent.spec.act_size
            drawn = keyed.normal(keyed.combine(own, update), steps * batch * act)
            noise.append(drawn.view(steps, batch, act))
        return index, noise

    def _seen(self, i: int, obs: list[Tensor], actions: list[Tensor]) -> Tensor:
        if not self.central:
            return torch.cat([obs[i], actions[i]], dim=1)
        uniques = [
            o[:, o.shape[1] - a.spec.unique_size :]
            for j, (o, a) in enumerate(zip(obs, self.agents, strict=True))
            if j != i
        ]
        return torch.cat([obs[i], *uniques, *actions], dim=1)

    def _critic_steps(self, rows: Tensor, z: list[Tensor]) -> tuple[list[float], list[float]]:
        following = []
        for agent, obs, draws in zip(self.agents, self.next_obs, z, strict=True):
            action = agent.actor_target(obs[rows])
            if self.matd3:
                clip = self.config.settings.target_noise_clip
                noise = (draws * self.config.settings.target_policy_noise).clamp(-clip, clip)
                action = (action + noise).clamp(-1, 1)
            following.append(action.detach())
        next_obs, obs = [o[rows] for o in self.next_obs], [o[rows] for o in self.obs]
        actions = [a[rows] for a in self.actions]
        losses, norms = [], []
        for i, agent in enumerate(self.agents):
            x = self._seen(i, next_obs, following)
            value = torch.stack([q(x)[:, 0] for q in agent.critic_targets]).min(dim=0).values
            go_on = (~self.terminated[rows]).double()
            y = (self.rewards[i][rows] + self.config.gamma * go_on * value).detach()
            x = self._seen(i, obs, actions)
            loss = sum(nn.functional.mse_loss(q(x)[:, 0], y) for q in agent.critics)
            agent.critic_optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(agent.critics.parameters(), 1.0)
            agent.critic_optimizer.step()
            losses.append(float(loss.detach()))
            norms.append(float(norm))
        return losses, norms

    def _actor_steps(self, rows: Tensor) -> list[float]:
        obs, losses = [o[rows] for o in self.obs], []
        for i, agent in enumerate(self.agents):
            actions = [a[rows] for a in self.actions]
            actions[i] = agent.actor(obs[i])
            loss = -agent.critics[0](self._seen(i, obs, actions)).mean()
            agent.actor_optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.actor.parameters(), 1.0)
            agent.actor_optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    def _polyak(self) -> None:
        tau = self.config.settings.tau
        for agent in self.agents:
            pairs = [(agent.actor, agent.actor_target), (agent.critics, agent.critic_targets)]
            for online, target in pairs:
                for p, t in zip(online.parameters(), target.parameters(), strict=True):
                    t.data = (1 - tau) * t.data + tau * p.data

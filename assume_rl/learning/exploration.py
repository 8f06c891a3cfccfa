"""Exploration of deterministic policies: laws and noise processes.

Noise enters `explore` as an argument. `NormalActionNoise` and `OUNoise` are the stateful faces of
the same laws for users who draw one action at a time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.nets.heads import ByValue, Head, Stochastic, mostly_best
from assume_rl.learning.schedules import scheduled


@dataclass(frozen=True)
class Exploration:
    """How actions are drawn now.

    `initial`: random around a centre with standard deviation `std`, or anywhere. `noise`: the
    actor's action plus `scale` times standard normal noise, in [-1, 1], or drawn by its law, whose
    logits are the outputs over `temperature`; or, with `epsilon`, the best by the outputs but for
    that share of decisions, in which it is any legal one. `off`: the actor's action.
    """

    mode: Literal["initial", "noise", "off"]
    std: float = 0.0
    scale: float = 0.0
    uniform: bool = False  # whether initial actions are
    temperature: float = 1.0
    epsilon: float | None = None  # None: actions are drawn by the law


OFF = Exploration("off")
LEAST_TEMPERATURE = 1e-6


def exploration_at(config: LearningConfig, *, initial: bool, progress: float) -> Exploration:
    """Return the exploration of a training episode; `progress` falls from 1 to 0.

    :param config: settings
    :param initial: whether the episode collects initial experience
    :param progress: the part of the training that is left, 1 to 0 (`schedules.progress`)
    """
    factor = scheduled(config.action_noise_schedule, config.noise_dt, progress)
    scale = factor * config.noise_scale * config.noise_sigma
    mode: Literal["initial", "noise"] = "initial" if initial else "noise"
    uniform = config.initial_actions == "uniform"
    start, schedule = config.settings.temperature_of_choice
    # At 0 all would be drawn from a division by it; so near to it the best is drawn.
    temperature = max(scheduled(schedule, start, progress), LEAST_TEMPERATURE)
    random = config.settings.share_of_random
    epsilon = None if random is None else scheduled(random[1], random[0], progress)
    return Exploration(mode, config.exploration_noise_std, scale, uniform, temperature, epsilon)


@dataclass(frozen=True)
class Decision:
    """Actions, and how they were drawn.

    :param extras: by name, with a last axis of their own: transitions keep them where an
        algorithm asks for them
    """

    action: Float[Tensor, "... act"]
    noise: Float[Tensor, "... act"]
    extras: Mapping[str, Float[Tensor, "... _"]] = field(default_factory=dict)


def decide(
    head: Head,
    out: Float[Tensor, "... out"],
    centre: Float[Tensor, "... act"],
    z: Float[Tensor, "... act"],
    exploration: Exploration,
    experienced: Bool[Tensor, "agent 1"] | None = None,
) -> Decision:
    """Return the actions that policies take at the outputs of their networks.

    A stochastic policy draws its action where a deterministic one adds noise; one of mixed
    strategies draws it where there is no exploration, too. Heads may explore by other outputs than
    those that they are evaluated by.

    :param head: of the policy
    :param out: outputs of its network
    :param centre: where a bidder wants its initial experience
    :param z: standard normal draws
    :param exploration: how actions are drawn now
    :param experienced: whether an agent has a loaded policy, and so skips the initial experience;
        None: no agent has
    """
    if exploration.mode == "initial" and experienced is not None:
        first = decide(head, out, centre, z, exploration)
        later = decide(head, out, centre, z, replace(exploration, mode="noise"))
        return Decision(
            torch.where(experienced, later.action, first.action),
            torch.where(experienced, later.noise, first.noise),
        )
    mean = head.mean(out)
    drawn_from = exploration.mode == "noise" or (exploration.mode == "off" and head.mixed)
    if drawn_from and isinstance(head, Stochastic):
        now = head.explored(out) if exploration.mode == "noise" else out
        if exploration.epsilon is None:
            drawn = head.draw(now / exploration.temperature, z)
        else:
            assert isinstance(head, ByValue)
            drawn = mostly_best(head, now, z, exploration.epsilon)
        extras = {"raw": drawn.raw, "log_prob": drawn.log_prob.unsqueeze(-1)}
        return Decision(drawn.action, drawn.action - mean, extras)
    return Decision(*explore(mean, centre, z, exploration))


def explore(
    mean: Float[Tensor, "... act"],
    centre: Float[Tensor, "... act"],
    z: Float[Tensor, "... act"],
    exploration: Exploration,
) -> tuple[Float[Tensor, "... act"], Float[Tensor, "... act"]]:
    """Return the action and the noise in it.

    Normal actions of the initial experience are not limited to [-1, 1].

    :param mean: the actor's action
    :param centre: where a bidder wants its initial experience
    :param z: standard normal draws
    :param exploration: how actions are drawn now
    """
    if exploration.mode == "off":
        return mean, torch.zeros_like(mean)
    if exploration.mode == "initial" and exploration.uniform:
        # What the distribution function of the normal law makes of its draws is uniform.
        action = torch.erf(z / math.sqrt(2.0))
        return action, action - centre
    if exploration.mode == "initial":
        noise = exploration.std * z
        return centre + noise, noise
    noise = exploration.scale * z
    return (mean + noise).clamp(-1.0, 1.0), noise


class NormalActionNoise:
    """Independent normal noise `dt * scale * N(mu, sigma)`, one draw per call of `noise`."""

    def __init__(
        self,
        action_dimension: int,
        mu: float = 0.0,
        sigma: float = 0.1,
        scale: float = 1.0,
        dt: float = 0.9998,
        generator: Generator | None = None,
    ) -> None:
        """Set the parameters; `generator` is the source of draws, None: torch's default one."""
        self.action_dimension = action_dimension
        self.mu, self.sigma, self.scale, self.dt = mu, sigma, scale, dt
        self.generator = generator

    def noise(self) -> Float[Tensor, " act"]:
        """Return the next draw."""
        z = torch.randn(self.action_dimension, generator=self.generator)
        return self.dt * self.scale * (self.mu + self.sigma * z)

    def update_noise_decay(self, dt: float) -> None:
        """Set the factor that a schedule lets decay."""
        self.dt = dt


class OUNoise:
    """Ornstein-Uhlenbeck noise: `x += theta * (mu - x) * dt + sigma * sqrt(dt) * N(0, 1)`.

    Uhlenbeck and Ornstein (1930), as used for exploration by Lillicrap et al. (2015).
    """

    def __init__(
        self,
        action_dimension: int,
        mu: float = 0,
        sigma: float = 0.5,
        theta: float = 0.15,
        dt: float = 0.01,
        generator: Generator | None = None,
    ) -> None:
        """Set the parameters; `generator` is the source of draws, None: torch's default one."""
        self.action_dimension = action_dimension
        self.mu, self.sigma, self.theta, self.dt = mu, sigma, theta, dt
        self.generator = generator
        self.reset()

    def reset(self) -> None:
        """Reset to the mean, as at the start of an episode."""
        self.state = torch.full((self.action_dimension,), float(self.mu))

    def noise(self) -> Float[Tensor, " act"]:
        """Return the next value of the process."""
        z = torch.randn(self.action_dimension, generator=self.generator)
        drift = self.theta * (self.mu - self.state) * self.dt
        self.state = self.state + drift + self.sigma * math.sqrt(self.dt) * z
        return self.state

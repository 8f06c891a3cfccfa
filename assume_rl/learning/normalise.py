"""Changes of the numbers that a learner is given: rewards shaped, running statistics kept.

Statistics are of stored transitions only, so that evaluations leave them alone. Those of
observations change with the actors alone, in an update, because shells act on both together. With
on-policy algorithms they change after it: what was drawn is learned from as it was drawn.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from assume_rl.errors import SettingError
from assume_rl.learning.algorithms.base import NetSpec
from assume_rl.learning.config import LearningConfig, Reward
from assume_rl.learning.critics.normalised import NormalisedForm
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.moments import Moments
from assume_rl.learning.nets.net import Net, Weights
from assume_rl.learning.types import CURVE, Joint

OF_ACTORS = ("observations", "waiting")
"""Parts of a state that belong to actors, which policy files have."""
Nets = Mapping[str, tuple[Net[Any], ...]]


def shaped(joint: Joint, reward: Reward) -> Joint:
    """Return transitions with the rewards that are learned from.

    :param joint: as the shells have them
    :param reward: says how rewards are shaped
    """
    if reward.scale == 1.0 and reward.clip is None:
        return joint
    limit = float("inf") if reward.clip is None else reward.clip

    def own(earned: Tensor) -> Tensor:
        return (earned * reward.scale).clamp(-limit, limit)

    groups = tuple(
        replace(
            part,
            reward=own(part.reward),
            extras={name: own(v) if name == CURVE else v for name, v in part.extras.items()},
        )
        for part in joint.groups
    )
    return replace(joint, groups=groups)


def check_normalised(config: LearningConfig, networks: Mapping[str, NetSpec]) -> None:
    """Check that there is something to normalise, and nothing that needs rewards as they are.

    :param config: says what is normalised
    :param networks: of the algorithm
    :raises SettingError: critics are meant, and the algorithm has none; or targets are
        clipped to what recorded rewards can be, and others are learned from
    """
    if config.settings.needs_earnings and (
        config.reward.scale != 1 or "returns" in config.normalise
    ):
        raise SettingError(
            "learning_config.clip_targets",
            "targets are clipped to the range of recorded rewards; choose it without "
            "reward.scale and without normalise: [returns]",
        )
    if config.settings.needs_curves and "returns" in config.normalise:
        raise SettingError(
            "learning_config.normalise",
            f"{config.algorithm} learns from reward curves, which are not divided by the spread of "
            "returns; choose reward.scale",
        )
    if any("value" in spec.kind for spec in networks.values()):
        return
    for name in config.normalise:
        if name in ("critic_input", "values"):
            raise SettingError(
                "learning_config.normalise",
                f"{config.algorithm} has no critic of its own, and so no {name}",
            )


class Normaliser:
    """The running statistics of a learner, by quantity, block by block of agents.

    :param config: says what is normalised
    :param fleet: of the learner
    :param nets: that were built with these settings
    :param device: of the learner
    """

    def __init__(
        self, config: LearningConfig, fleet: Fleet, nets: Nets, device: torch.device
    ) -> None:
        forms = {kind: [net.form for net in own] for kind, own in nets.items()}
        critics = [f for own in forms.values() for f in own if isinstance(f, NormalisedForm)]
        observations = [f.inputs for f in forms["actor"] if isinstance(f, ActorForm) and f.inputs]
        self._gamma = config.gamma
        parts: dict[str, list[Moments]] = {
            "observations": observations,
            "waiting": [_like(own) for own in observations],
            "critic_input": list(critics[0].inputs) if critics else [],
            "returns": [
                Moments.fresh(group.unit_ids, fleet.seeds, 1, device)
                for group in fleet.groups
                if "returns" in config.normalise
            ],
        }
        for kind, own in forms.items():
            scales = [f.scale for f in own if isinstance(f, NormalisedForm) and f.scale is not None]
            parts[f"values.{kind}"] = scales
        self._parts = {part: blocks for part, blocks in parts.items() if blocks}
        # Discounted returns up to now, which the next reward is added to.
        self._carried = [own.mean.clone() for own in self.returns]  # (seed, agent, copy)

    @property
    def returns(self) -> list[Moments]:
        """Return the statistics of discounted returns per group; empty if rewards are unscaled."""
        return self._parts.get("returns", [])

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of the normalised quantities: keys of `moments_of`."""
        return tuple(self._parts)

    @property
    def values_followed(self) -> bool:
        """Return whether values have followed targets; true where none are normalised."""
        own = (blocks for part, blocks in self._parts.items() if part.startswith("values."))
        counts = [moments.count for blocks in own for moments in blocks]
        return not counts or any(bool(count.any()) for count in counts)

    @torch.no_grad()
    def observe(self, joint: Joint) -> None:
        """Count stored transitions."""
        for part in ("waiting", "critic_input"):
            for own, group in zip(self._parts.get(part, ()), joint.groups, strict=False):
                own.add(group.obs.transpose(1, 2))
        for k, own in enumerate(self.returns):
            own.add(self._discounted(k, joint))

    def renew(self) -> None:
        """Update the statistics that actors read by the data counted since the last call."""
        used, waiting = (self._parts.get(part, ()) for part in OF_ACTORS)
        for own, more in zip(used, waiting, strict=True):
            own.take(more)

    def moments_of(self, seed: int) -> dict[str, dict[str, Weights]]:
        """Return copies of one seed's statistics by quantity, and agent or network."""
        return {
            part: {n: own for moments in blocks for n, own in moments.state_of(seed).items()}
            for part, blocks in self._parts.items()
        }

    def state_of(self, seed: int) -> dict[str, Any]:
        """Return copies of all of one seed that later statistics depend on."""
        returns = zip(self.returns, self._carried, strict=True)
        carried = {
            name: part[seed, k].clone() for own, part in returns for k, name in enumerate(own.names)
        }
        return {**self.moments_of(seed), "carried": carried}

    def load_state_of(self, seed: int, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_of` returned, or from a part of it."""
        for part, blocks in self._parts.items():
            for own in blocks:
                own.load_state_of(seed, state.get(part, {}))
        carried = state.get("carried", {})
        for block, own in enumerate(self.returns):
            for k, name in enumerate(own.names):
                if name in carried:
                    self._carry(block, len(carried[name]))[seed, k].copy_(carried[name])

    def _discounted(self, block: int, joint: Joint) -> Tensor:
        """Return each row's discounted sum of rewards since its episode began (seed agent row 1).

        `R_t = gamma R_(t-1) + r_t`, copy by copy of the market.
        """
        copies, carried = joint.copies, self._carry(block, joint.copies)
        device = carried.device
        reward = joint.groups[block].reward.to(device, torch.float64).transpose(1, 2)
        goes_on = ~(joint.terminated | joint.truncated).to(device)[:, None]
        found = torch.empty_like(reward)
        for start in range(0, reward.shape[-1], copies):
            own = slice(start, start + copies)
            found[..., own] = carried.mul_(self._gamma).add_(reward[..., own])
            carried.mul_(goes_on[..., own])
        return found[..., None]

    def _carry(self, block: int, copies: int) -> Tensor:
        """Return the returns so far, which begin anew with another number of copies."""
        before = self._carried[block]
        if before.shape[-1] != copies:
            self._carried[block] = before.new_zeros(*before.shape[:2], copies)
        return self._carried[block]


def _like(moments: Moments) -> Moments:
    seeds, _, entries = moments.mean.shape
    return Moments.fresh(moments.names, seeds, entries, moments.mean.device)

"""Policies of a folder, one by one, and the observations that they are asked on."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.learning.nets.heads import Averaged, Categorical, head_of
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.policies.manifest import Manifest, PolicyEntry
from assume_rl.learning.policies.places import check_folder

PROBES = 256
"""Observations that policies are asked on."""


@dataclass(frozen=True)
class SavedPolicy:
    """A policy on disk.

    :param name: of the unit, or of the class of units, that acts by it
    :param actor: of this one name
    :param entry: what the manifest says of it; None: ASSUME's layout, which says nothing
    :param manifest: of the folder, likewise
    """

    name: str
    actor: ActorStack
    entry: PolicyEntry | None = None
    manifest: Manifest | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Return the lengths of observation and action."""
        return self.actor.sizes(0 if self.entry is None else self.entry.unique_size)

    @property
    def rungs(self) -> int:
        """Return the number of rungs that it chooses from; 0: it bids any numbers."""
        return head_of(self.actor.head).rungs

    @property
    def settings(self) -> dict[str, object]:
        """Return further entries of its manifest, such as the settings that it was trained with."""
        return {} if self.manifest is None else self.manifest.extra


def saved_policies(folder: Path) -> tuple[SavedPolicy, ...]:
    """Return all policies of a folder, in its order.

    :param folder: of policies, or of a training, of which it is the last ones
    :raises PolicyError: there are none, or one cannot be read
    """
    check_folder(folder)
    loaded = load_policies(policy_folder(folder))
    known = {} if loaded.manifest is None else loaded.manifest.units
    single = {name: stack.select([name]) for stack in loaded.actors for name in stack.unit_ids}
    return tuple(
        SavedPolicy(name, single[name], known.get(name), loaded.manifest)
        for name in known or single
    )


def probes(policy: SavedPolicy, count: int = PROBES) -> Tensor:
    """Return observations `(probe, obs)` that are the same whenever sizes and rungs are.

    Three quarters are drawn evenly from [-1, 1], as most that policies see is; some of the others
    are far outside. Of a ladder the places of the lowest and the highest rung are real ones.
    """
    obs_size, act_size = policy.sizes
    key = torch.tensor(keyed.key(0, "probes of policies", obs_size, act_size, policy.rungs))
    draws = keyed.uniform(key, count * (obs_size + 2 * act_size)).view(count, -1)
    obs = 2.0 * draws[:, :obs_size] - 1.0
    obs[count // 4 * 3 :] *= 3.0
    obs[0] = 0.0
    if policy.rungs:
        steps = policy.rungs - 1
        bounds = (draws[:, obs_size:] * policy.rungs).floor().view(count, 2, act_size)
        bounds[count // 2 :, 0], bounds[count // 2 :, 1] = 0, steps  # nothing is ruled out
        places = bounds.sort(dim=1).values * (2.0 / steps) - 1.0
        obs[:, obs_size - 2 * act_size :] = places.flatten(1)
    return obs.to(policy.actor.dtype)


@torch.inference_mode()
def answers(policy: SavedPolicy, obs: Tensor) -> Tensor:
    """Return a policy's actions on observations, each the first decision of an episode.

    That is its action `(probe, act, 1)` or, if it draws rungs, their shares `(probe, act, rung)`.

    :param policy: asked
    :param obs: `(probe, obs)`
    """
    head = head_of(policy.actor.head)
    if policy.actor.mixed:
        assert isinstance(head, Categorical | Averaged)  # no others draw
        return head.shares(policy.actor.outputs(obs[:, None])[:, 0])
    return policy.actor(obs[:, None])[:, 0, :, None]

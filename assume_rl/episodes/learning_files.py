"""A learner's networks to and from folders, in our layout and in ASSUME's.

Actors are policy folders (`learning.checkpoint`). Critics, targets and optimisers go into a trainer
state of their own, unit by unit, so that a changed fleet can take over what fits.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assume_rl.errors import PolicyError
from assume_rl.learning.assume_layout import (
    is_assume_layout,
    load_assume_actors,
    load_assume_critics,
)
from assume_rl.learning.checkpoint import load_policies
from assume_rl.learning.files import load_torch, parse_safetensors, read_file
from assume_rl.learning.groups import Group
from assume_rl.learning.manifest import read_manifest
from assume_rl.learning.networks import ActorStack, CriticStack, Weights
from assume_rl.learning.trainer_state import FILE, load_trainer_state
from assume_rl.learning.transfer import TransferReport, report, transfer_critic, write_if_fits
from assume_rl.learning.types import AgentSpec

logger = logging.getLogger(__name__)

Networks = dict[str, dict[str, Weights]]  # kind of network -> unit -> state dict of its module

_ACTORS = ("actor", "actor_target")
_CRITICS = ("critic", "critic_target")
_OPTIMIZERS = ("actor_optimizer", "critic_optimizer")


def networks(groups: Sequence[Group]) -> Networks:
    """Copies of all networks, unit by unit."""
    found: Networks = {}
    for kind in (*_ACTORS, *_CRITICS):
        stacks: list[ActorStack | CriticStack] = [getattr(group, kind) for group in groups]
        found[kind] = {u: stack.module_state(u) for stack in stacks for u in stack.unit_ids}
    return found


def write_networks(groups: Sequence[Group], saved: Mapping[str, Mapping[str, Weights]]) -> None:
    """Overwrite the networks that are in `saved`; `PolicyError` if one does not fit."""
    for kind, states in saved.items():
        for group in groups:
            stack: ActorStack | CriticStack = getattr(group, kind)
            for unit in stack.unit_ids:
                if unit in states:
                    stack.write(unit, states[unit])


def trainer_state(
    groups: Sequence[Group], agents: Sequence[AgentSpec], algorithm: str
) -> dict[str, Any]:
    """Everything but actors that further training starts from, except the replay."""
    kinds = networks(groups)
    return {
        "algorithm": algorithm,
        "agents": [[a.unit_id, a.obs_size, a.act_size, a.unique_size] for a in agents],
        "networks": {kind: kinds[kind] for kind in ("actor_target", *_CRITICS)},
        "optimizers": [[getattr(g, name).state_dict() for name in _OPTIMIZERS] for g in groups],
    }


def load_actors(folder: Path, groups: Sequence[Group]) -> TransferReport:
    """Overwrite the actors, and their targets, of the units that `folder` has a policy for."""
    if not folder.is_dir():
        raise PolicyError(f"policy folder '{folder}' does not exist")
    if is_assume_layout(folder):
        return load_assume_actors(folder, groups)
    units = [unit for group in groups for unit in group.actor.unit_ids]
    known = [unit for unit in units if unit in read_manifest(folder).units]
    stacks = load_policies(folder, unit_ids=known).actors
    saved = {u: stack.module_state(u) for stack in stacks for u in stack.unit_ids}
    loaded, skipped = [], {}
    for group in groups:
        for unit in [u for u in group.actor.unit_ids if u in saved]:
            reason = write_if_fits(group.actor, unit, saved[unit])
            if reason is None:
                group.actor_target.write(unit, saved[unit])
                loaded.append(unit)
            else:
                skipped[unit] = reason
    return report(units, loaded, skipped)


def load_critics(
    folder: Path, groups: Sequence[Group], agents: Sequence[AgentSpec], algorithm: str
) -> TransferReport:
    """Overwrite critics and targets; optimisers too if the saved fleet is this one.

    Critics of another algorithm are left alone, with a warning: they are of other numbers and
    value other policies. In another fleet first-layer weights move block by block
    (`learning.transfer`).
    """
    if not folder.is_dir():
        raise PolicyError(f"policy folder '{folder}' does not exist")
    if is_assume_layout(folder):
        return load_assume_critics(folder, groups)
    state = load_trainer_state(folder)
    if state["algorithm"] != algorithm:
        logger.warning(
            "critics and optimisers of '%s' not used: they are of %s, this training is of %s",
            folder / FILE,
            state["algorithm"],
            algorithm,
        )
        return report([], [], {})
    saved_agents = tuple(AgentSpec(*agent) for agent in state["agents"])
    if [(a.unit_id, a.shape) for a in saved_agents] != [(a.unit_id, a.shape) for a in agents]:
        return _transfer(groups, agents, state["networks"], saved_agents)
    write_networks(groups, state["networks"])
    for group, optimizers in zip(groups, state["optimizers"], strict=True):
        for name, optimizer in zip(_OPTIMIZERS, optimizers, strict=True):
            getattr(group, name).load_state_dict(optimizer)
    return report([a.unit_id for a in agents], [a.unit_id for a in agents], {})


def _transfer(
    groups: Sequence[Group],
    agents: Sequence[AgentSpec],
    saved: Networks,
    saved_agents: Sequence[AgentSpec],
) -> TransferReport:
    loaded, skipped = [], {}
    for group in groups:
        for unit in [u for u in group.critic.unit_ids if u in saved["critic"]]:
            try:
                for kind in _CRITICS:
                    stack: CriticStack = getattr(group, kind)
                    fresh, old = stack.module_state(unit), saved[kind][unit]
                    stack.write(unit, transfer_critic(fresh, agents, old, saved_agents, unit))
            except PolicyError as error:
                skipped[unit] = str(error)
            else:
                loaded.append(unit)
    return report([a.unit_id for a in agents], loaded, skipped)


def load_obj(path: Path) -> dict[str, Any]:
    """Content of one file (`.pt`, `.safetensors`) or of a folder's trainer state."""
    if path.suffix == ".pt":
        return load_torch(path)
    if path.suffix == ".safetensors":
        return dict(parse_safetensors(read_file(path), path))
    return load_trainer_state(path)

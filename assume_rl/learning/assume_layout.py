"""Policy folders in ASSUME's layout: torch files, read without running code they may hold.

::

    actors/actor_<unit id>.pt     actor, actor_target, actor_optimizer
    critics/critic_<unit id>.pt   critic, critic_target, critic_optimizer
    critics/u_id_order.json       the agents in the order of the critics' inputs

Networks are state dicts of single-agent modules (`learning.modules`), optimisers are state dicts of
one `torch.optim.AdamW` per network. A stack shares one optimiser, and so one step count.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from assume_rl.errors import PolicyError, nearest
from assume_rl.learning.files import load_torch, read_file, write_file
from assume_rl.learning.groups import Group
from assume_rl.learning.networks import ActorStack, CriticStack, Weights
from assume_rl.learning.transfer import (
    TransferReport,
    report,
    transfer_critic,
    write_if_fits,
)
from assume_rl.learning.types import AgentSpec

ORDER = "u_id_order"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_Stack = ActorStack | CriticStack


def is_assume_layout(folder: Path) -> bool:
    """Whether `folder` holds `actors/actor_<unit>.pt`, or is such an `actors` folder itself."""
    return any(_actors(Path(folder)).glob("actor_*.pt"))


def unit_ids(folder: Path) -> tuple[str, ...]:
    """Units with an actor: in the order of the critics' inputs if that is saved, else by name."""
    files = _actors(folder).glob("actor_*.pt")
    units = sorted(file.stem.removeprefix("actor_") for file in files)
    order = saved_order(_actors(folder).parent)
    return tuple(sorted(units, key=order.index)) if set(order) >= set(units) else tuple(units)


def saved_order(folder: Path) -> tuple[str, ...]:
    """Agents in the order of the critics' inputs; empty if that is not saved."""
    path = folder / "critics" / f"{ORDER}.json"
    if not path.is_file():
        return ()
    try:
        return tuple(str(unit) for unit in json.loads(read_file(path))[ORDER])
    except (ValueError, KeyError, TypeError):
        raise PolicyError(f"'{path}' is damaged or holds no '{ORDER}'") from None


def actor_path(folder: Path, unit: str) -> Path:
    """File of a unit's actor; `PolicyError` if there is none."""
    path = _actors(folder) / _pt("actor", unit)
    if not path.is_file():
        hint = nearest(unit, unit_ids(folder))
        raise PolicyError(f"'{folder}' has no policy for unit '{unit}', {hint}")
    return path


def read_actor(path: Path) -> Weights:
    """State dict of the actor in a file; targets and optimisers are left aside."""
    return _network(load_torch(path), "actor", path)


def save_assume_layout(folder: Path, groups: Sequence[Group]) -> None:
    """Write actors, critics, targets and optimisers; `PolicyError` if that fails."""
    folder = Path(folder)
    for group in groups:
        for unit in group.actor.unit_ids:
            nets = _export("actor", group.actor, group.actor_target, group.actor_optimizer, unit)
            write_file(folder / "actors" / _pt("actor", unit), _torch_bytes(nets))
            nets = _export(
                "critic", group.critic, group.critic_target, group.critic_optimizer, unit
            )
            write_file(folder / "critics" / _pt("critic", unit), _torch_bytes(nets))
    order = json.dumps({ORDER: [a.unit_id for a in _agents(groups)]}, indent=2)
    write_file(folder / "critics" / f"{ORDER}.json", order.encode())


def load_assume_actors(folder: Path, groups: Sequence[Group]) -> TransferReport:
    """Overwrite actors, their targets and optimisers by those that are saved and fit."""
    loaded, skipped = [], {}
    for group in groups:
        for unit in group.actor.unit_ids:
            path = _actors(Path(folder)) / _pt("actor", unit)
            if not path.is_file():
                continue
            saved = load_torch(path)
            reason = write_if_fits(group.actor, unit, _network(saved, "actor", path))
            if reason is not None:
                skipped[unit] = reason
                continue
            group.actor_target.write(unit, _network(saved, "actor_target", path))
            moments = saved.get("actor_optimizer")
            _import_moments(group.actor, group.actor_optimizer, unit, moments)
            loaded.append(unit)
    return report([a.unit_id for a in _agents(groups)], loaded, skipped)


def load_assume_critics(folder: Path, groups: Sequence[Group]) -> TransferReport:
    """Overwrite critics and targets by those saved; optimisers too if the agents are the same.

    In another fleet first-layer weights move block by block (`transfer.transfer_critic`).
    """
    folder, agents = Path(folder), _agents(groups)
    units = tuple(agent.unit_id for agent in agents)
    order = saved_order(folder) or units
    paths = {unit: folder / "critics" / _pt("critic", unit) for unit in order}
    saved = {unit: load_torch(path) for unit, path in paths.items() if path.is_file()}
    saved_agents = _saved_agents(folder, order, saved)
    loaded, skipped = [], {}
    for group in groups:
        for unit in [u for u in group.critic.unit_ids if u in saved]:
            try:
                for key, critic in (
                    ("critic", group.critic),
                    ("critic_target", group.critic_target),
                ):
                    state = _network(saved[unit], key, paths[unit])
                    fresh = critic.module_state(unit)
                    critic.write(unit, transfer_critic(fresh, agents, state, saved_agents, unit))
            except PolicyError as error:
                skipped[unit] = str(error)
                continue
            if order == units:
                moments = saved[unit].get("critic_optimizer")
                _import_moments(group.critic, group.critic_optimizer, unit, moments)
            loaded.append(unit)
    return report(units, loaded, skipped)


def _saved_agents(
    folder: Path, order: Sequence[str], critics: Mapping[str, Mapping[str, Any]]
) -> tuple[AgentSpec, ...]:
    """Sizes of the saved fleet, found from those of its networks.

    A critic's input has the owner's observation, the private parts of all but the owner and all
    actions, so the inputs of all critics together give the private sizes.
    """
    missing = [unit for unit in order if unit not in critics]
    if missing:
        raise PolicyError(f"'{folder}' has no critic of unit '{missing[0]}'")
    actors = [read_actor(actor_path(folder, unit)) for unit in order]
    obs = [actor["FC1.weight"].shape[1] for actor in actors]
    act = [actor["FC3.weight"].shape[0] for actor in actors]
    inputs = [critics[unit]["critic"]["q1_layers.0.weight"].shape[1] for unit in order]
    others = [i - o - sum(act) for i, o in zip(inputs, obs, strict=True)]
    total = sum(others) // max(len(order) - 1, 1)
    return tuple(
        AgentSpec(u, o, a, total - x) for u, o, a, x in zip(order, obs, act, others, strict=True)
    )


def _export(
    kind: str, online: _Stack, target: _Stack, optimizer: AdamW, unit: str
) -> dict[str, Any]:
    return {
        kind: _cpu_state(online, unit),
        f"{kind}_target": _cpu_state(target, unit),
        f"{kind}_optimizer": _optimizer_state(online, optimizer, unit),
    }


def _optimizer_state(stack: _Stack, optimizer: AdamW, unit: str) -> dict[str, Any]:
    """State dict of an AdamW of this unit's network alone, parameters in module order."""
    names = list(stack.module_state(unit))
    settings = optimizer.state_dict()["param_groups"][0]
    state: dict[int, Any] = {}
    step = optimizer.state[next(iter(stack.weights.values()))]["step"]
    if step > 0:
        moments = {k: _cpu_state(_moment(stack, optimizer, k), unit) for k in _MOMENTS}
        state = {
            k: {"step": step.clone().cpu(), **{key: moments[key][name] for key in _MOMENTS}}
            for k, name in enumerate(names)
        }
    # How the step is computed is this process's affair, not the file's.
    group = {**settings, "fused": None, "params": list(range(len(names)))}
    return {"state": state, "param_groups": [group]}


def _import_moments(stack: _Stack, optimizer: AdamW, unit: str, saved: Any) -> None:
    """Overwrite this unit's part of the optimiser's state in place."""
    if not saved or not saved["state"]:
        return
    names = list(stack.module_state(unit))
    for w in stack.weights.values():
        state = optimizer.state[w]
        state["step"] = saved["state"][0]["step"].clone()
        for key in _MOMENTS:
            state.setdefault(key, torch.zeros_like(w))
    for key in _MOMENTS:
        moments = {name: saved["state"][k][key] for k, name in enumerate(names)}
        _moment(stack, optimizer, key).write(unit, moments)


def _moment(stack: _Stack, optimizer: AdamW, key: str) -> _Stack:
    """One of Adam's moments in the shape of the stack that it belongs to."""
    weights = {name: optimizer.state[w][key] for name, w in stack.weights.items()}
    return replace(stack, weights=weights)


def _cpu_state(stack: _Stack, unit: str) -> Weights:
    return {name: w.cpu() for name, w in stack.module_state(unit).items()}


def _agents(groups: Sequence[Group]) -> tuple[AgentSpec, ...]:
    placed = {p: s for g in groups for p, s in zip(g.positions, g.specs, strict=True)}
    return tuple(placed[position] for position in sorted(placed))


def _network(content: Mapping[str, Any], key: str, path: Path) -> Weights:
    network = content.get(key)
    if not isinstance(network, dict) or not all(isinstance(w, Tensor) for w in network.values()):
        raise PolicyError(f"policy file '{path}' holds no '{key}'")
    return dict(network)


def _torch_bytes(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _actors(folder: Path) -> Path:
    return folder / "actors" if (folder / "actors").is_dir() else folder


def _pt(kind: str, unit: str) -> str:
    if "/" in unit or "\\" in unit:
        raise PolicyError(f"unit '{unit}' cannot name a file, as ASSUME's layout needs it to")
    return f"{kind}_{unit}.pt"

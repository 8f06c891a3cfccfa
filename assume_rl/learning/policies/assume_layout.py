"""Policy folders in ASSUME's layout: torch files, read without running code they may hold.

::

    actors/actor_<unit id>.pt     actor, actor_target, actor_optimizer
    critics/critic_<unit id>.pt   critic, critic_target, critic_optimizer
    critics/u_id_order.json       the agents in the order of the critics' inputs

Networks are state dicts of single-agent modules (`compat.modules`), optimisers are state dicts of
one `torch.optim.AdamW` per network. A group has one optimiser, and so one step count.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from assume_rl.errors import PolicyError, nearest
from assume_rl.files import write_file
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.optimizer import BETAS, EPSILON
from assume_rl.learning.nets.stack import Weights
from assume_rl.learning.nets.transfer import (
    TransferReport,
    report,
    transfer_critic,
    write_if_fits,
)
from assume_rl.learning.nets.trunks import TRUNKS, architecture_of
from assume_rl.learning.policies.files import check_weights, load_torch, read_file
from assume_rl.learning.policies.places import actors_folder
from assume_rl.learning.states import networks, optimizers, write_networks, write_optimizers
from assume_rl.learning.types import AgentSpec

ORDER = "u_id_order"
ALGORITHMS_OF_ASSUME = ("maddpg", "matd3")
ACTORS_OF_ASSUME = ("mlp", "lstm")
_MOMENTS = ("exp_avg", "exp_avg_sq")


def unit_ids(folder: Path) -> tuple[str, ...]:
    """Return units with an actor, in the order of the critics' inputs if saved, else by name."""
    files = actors_folder(folder).glob("actor_*.pt")
    units = sorted(file.stem.removeprefix("actor_") for file in files)
    order = saved_order(actors_folder(folder).parent)
    return tuple(sorted(units, key=order.index)) if set(order) >= set(units) else tuple(units)


def saved_order(folder: Path) -> tuple[str, ...]:
    """Return the agents in the order of the critics' inputs; empty if that is not saved."""
    path = folder / "critics" / f"{ORDER}.json"
    if not path.is_file():
        return ()
    try:
        return tuple(str(unit) for unit in json.loads(read_file(path))[ORDER])
    except (ValueError, KeyError, TypeError):
        raise PolicyError(f"'{path}' is damaged or holds no '{ORDER}'") from None


def actor_path(folder: Path, unit: str) -> Path:
    """Return the file of a unit's actor; `PolicyError` if there is none."""
    path = actors_folder(folder) / _pt("actor", unit)
    if not path.is_file():
        hint = nearest(unit, unit_ids(folder))
        raise PolicyError(f"'{folder}' has no policy for unit '{unit}', {hint}")
    return path


def read_actor(path: Path) -> Weights:
    """Return the state dict of the actor in a file, without targets and optimisers."""
    return _network(load_torch(path), "actor", path)


def save_assume_layout(folder: Path, learner: Learner) -> None:
    """Write actors, critics, targets and optimisers of a learner of one seed.

    Raises `PolicyError` if that fails, or if agents share critics: the layout has one file each;
    or if the networks have another activation or optimiser than ASSUME's.
    """
    folder = Path(folder)
    _check_own_critics(learner)
    _check_optimizer(learner)
    decay = learner.nets["actor"][0].optimizer.weight_decay
    nets, moments = networks(learner.nets, 0), optimizers(learner.nets, 0)
    for kind in ("actor", "critic"):
        for agent in learner.agents:
            unit = agent.unit_id
            content = {
                kind: _on_cpu(nets[kind][unit]),
                f"{kind}_target": _on_cpu(nets[f"{kind}_target"][unit]),
                f"{kind}_optimizer": _optimizer_state(moments[kind][unit], learner.config, decay),
            }
            write_file(folder / f"{kind}s" / _pt(kind, unit), _torch_bytes(content), PolicyError)
    order = json.dumps({ORDER: [a.unit_id for a in learner.agents]}, indent=2)
    write_file(folder / "critics" / f"{ORDER}.json", order.encode(), PolicyError)


def load_assume_actors(folder: Path, learner: Learner) -> TransferReport:
    """Overwrite actors, their targets and optimisers by those that are saved and fit."""
    _check_algorithm(learner)
    loaded, skipped = [], {}
    for net in learner.nets["actor"]:
        online, target = net.form.stack(net.online, 0), net.form.stack(net.target, 0)
        for unit in online.unit_ids:
            path = actors_folder(Path(folder)) / _pt("actor", unit)
            if not path.is_file():
                continue
            saved = load_torch(path)
            reason = write_if_fits(online, unit, _network(saved, "actor", path))
            if reason is not None:
                skipped[unit] = reason
                continue
            target.write(unit, _network(saved, "actor_target", path))
            _load_moments(learner, "actor", unit, saved)
            loaded.append(unit)
    return report([a.unit_id for a in learner.agents], loaded, skipped)


def load_assume_critics(folder: Path, learner: Learner) -> TransferReport:
    """Overwrite critics and targets by those saved; optimisers too if the agents are the same.

    In another fleet first-layer weights move block by block (`transfer.transfer_critic`).
    """
    _check_own_critics(learner)
    folder, agents = Path(folder), learner.agents
    units = tuple(agent.unit_id for agent in agents)
    order = saved_order(folder) or units
    paths = {unit: folder / "critics" / _pt("critic", unit) for unit in order}
    saved = {unit: load_torch(path) for unit, path in paths.items() if path.is_file()}
    saved_agents = _saved_agents(folder, order, saved)
    fresh = networks(learner.nets, 0)
    loaded, skipped = [], {}
    for unit in [u for u in units if u in saved]:
        try:
            for key in ("critic", "critic_target"):
                state = _network(saved[unit], key, paths[unit])
                moved = transfer_critic(fresh[key][unit], agents, state, saved_agents, unit)
                write_networks(learner.nets, 0, {key: {unit: moved}})
        except PolicyError as error:
            skipped[unit] = str(error)
            continue
        if order == units:
            _load_moments(learner, "critic", unit, saved[unit])
        loaded.append(unit)
    return report(units, loaded, skipped)


def _check_algorithm(learner: Learner) -> None:
    algorithm = learner.config.algorithm
    numbers = [name for name in learner.config.normalise if name != "returns"]
    if numbers:
        raise PolicyError(
            f"networks that normalise {' and '.join(numbers)} have no form in ASSUME's layout, "
            "which has no statistics"
        )
    if algorithm not in ALGORITHMS_OF_ASSUME:
        raise PolicyError(
            f"networks of '{algorithm}' have no form in ASSUME's layout, which has those of "
            f"{' and '.join(ALGORITHMS_OF_ASSUME)}"
        )
    actor = learner.config.actor_architecture
    if actor not in ACTORS_OF_ASSUME:
        raise PolicyError(
            f"actors of the kind '{actor}' have no form in ASSUME's layout, which has "
            f"{' and '.join(ACTORS_OF_ASSUME)}"
        )
    activation = learner.config.activation
    if activation != "relu":
        raise PolicyError(
            f"networks with activation '{activation}' have no form in ASSUME's layout, which has "
            "those with relu"
        )


def _check_optimizer(learner: Learner) -> None:
    optimizer = learner.config.optimizer
    if optimizer != "adamw":
        raise PolicyError(
            f"states of the optimizer '{optimizer}' have no form in ASSUME's layout, which has "
            "those of adamw"
        )


def _check_own_critics(learner: Learner) -> None:
    _check_algorithm(learner)
    shared = [agent.policy for agent in learner.agents if agent.shared is not None]
    if shared:
        raise PolicyError(
            f"policies that units share, such as '{shared[0]}', have no form in ASSUME's layout; "
            "train without parameter_sharing"
        )
    kind = learner.config.critic
    if kind != "concat":
        raise PolicyError(
            f"critics of the kind '{kind}' have no form in ASSUME's layout, which has critics of "
            "single agents; train with critic: concat"
        )


def _saved_agents(
    folder: Path, order: Sequence[str], critics: Mapping[str, Mapping[str, Any]]
) -> tuple[AgentSpec, ...]:
    """Return the agents of the saved fleet, with sizes inferred from those of its networks.

    A critic's input has the owner's observation, the private parts of all but the owner and all
    actions, so the inputs of all critics together give the private sizes.
    """
    missing = [unit for unit in order if unit not in critics]
    if missing:
        raise PolicyError(f"'{folder}' has no critic of unit '{missing[0]}'")
    actors = [read_actor(actor_path(folder, unit)) for unit in order]
    sizes = [TRUNKS[architecture_of(actor)].sizes(actor) for actor in actors]
    obs, act = zip(*sizes, strict=True)
    inputs = [critics[unit]["critic"]["q1_layers.0.weight"].shape[1] for unit in order]
    others = [i - o - sum(act) for i, o in zip(inputs, obs, strict=True)]
    total = sum(others) // max(len(order) - 1, 1)
    return tuple(
        AgentSpec(u, o, a, total - x) for u, o, a, x in zip(order, obs, act, others, strict=True)
    )


def _optimizer_state(
    saved: Mapping[str, Any], config: LearningConfig, weight_decay: float
) -> dict[str, Any]:
    """Return the state dict of an AdamW of one unit's network alone, in module order."""
    names = list(saved["exp_avg"])
    state: dict[int, Any] = {}
    if saved["step"] > 0:
        state = {
            k: {"step": saved["step"].cpu().clone(), **{m: saved[m][n].cpu() for m in _MOMENTS}}
            for k, n in enumerate(names)
        }
    settings = AdamW(
        [torch.zeros(1)], config.learning_rate, BETAS, EPSILON, weight_decay
    ).state_dict()
    group = {**settings["param_groups"][0], "params": list(range(len(names)))}
    return {"state": state, "param_groups": [group]}


def _load_moments(learner: Learner, kind: str, unit: str, file: Mapping[str, Any]) -> None:
    """Overwrite this unit's part of the optimiser's state in place, if the file has one."""
    saved = (file.get(f"{kind}_optimizer") or {}).get("state")
    if not saved or learner.config.optimizer != "adamw":
        return
    names = list(file[kind])
    moments = {m: {name: saved[k][m] for k, name in enumerate(names)} for m in _MOMENTS}
    write_optimizers(learner.nets, 0, {kind: {unit: {"step": saved[0]["step"], **moments}}})


def _on_cpu(state: Weights) -> Weights:
    return {name: w.cpu() for name, w in state.items()}


def _network(content: Mapping[str, Any], key: str, path: Path) -> Weights:
    network = content.get(key)
    if not isinstance(network, dict) or not all(isinstance(w, Tensor) for w in network.values()):
        raise PolicyError(f"policy file '{path}' holds no '{key}'")
    check_weights(network, path)
    return dict(network)


def _torch_bytes(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _pt(kind: str, unit: str) -> str:
    if "/" in unit or "\\" in unit:
        raise PolicyError(f"unit '{unit}' cannot name a file, as ASSUME's layout needs it to")
    return f"{kind}_{unit}.pt"

"""One seed's networks, targets and moments by name, whatever groups or blocks hold them.

Actors go by agent. Critics go by the names of their kind: by agent, or by sizes of agents. So a
state does not depend on how a learner cuts its fleet into groups.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.net import Net, Weights

States = dict[str, dict[str, Weights]]  # kind of network -> agent or other name -> state dict
Nets = Mapping[str, tuple[Net[Any], ...]]
TARGET = "_target"  # ends the names of target networks


def networks(nets: Nets, seed: int) -> States:
    """Return copies of one seed's networks."""
    found: States = {}
    for kind, own in nets.items():
        for net in own:
            found.setdefault(kind, {}).update(net.form.states(net.online, seed))
            if net.target is not None:
                found.setdefault(kind + TARGET, {}).update(net.form.states(net.target, seed))
    return found


def write_networks(
    nets: Nets, seed: int, saved: Mapping[str, Mapping[str, Mapping[str, Tensor]]]
) -> None:
    """Overwrite the networks that are in `saved`; `PolicyError` if one does not fit.

    :param nets: by name
    :param seed: position of the seed
    :param saved: states that `networks` returned, or a part of them
    """
    for kind, named in saved.items():
        if kind.removesuffix(TARGET) not in nets:
            raise PolicyError(f"there are no networks '{kind}' here")
        for net in nets[kind.removesuffix(TARGET)]:
            net.form.load(_flat(net, kind), seed, named)


def optimizers(nets: Nets, seed: int) -> dict[str, Any]:
    """Return copies of one seed's moments and numbers of steps: kind -> name -> state."""
    found: dict[str, Any] = {kind: {} for kind in nets}
    for kind, named in found.items():
        for net in nets[kind]:
            moments = {k: net.form.states(f, seed) for k, f in net.optimizer.moments.items()}
            for name in net.form.names:
                own = {moment: states[name] for moment, states in moments.items()}
                named[name] = {"step": net.optimizer.step.clone(), **own}
            for name, pace in _paces(net, seed).items():
                named[name]["pace"] = pace.clone()
    return found


def write_optimizers(nets: Nets, seed: int, saved: Mapping[str, Any]) -> None:
    """Overwrite moments and numbers of steps by those in `saved`.

    All networks of a kind and group have made the same number of steps.

    :param nets: by name
    :param seed: position of the seed
    :param saved: states that `optimizers` returned, or a part of them
    """
    for kind, named in saved.items():
        for net in nets[kind]:
            for moment, flat in net.optimizer.moments.items():
                net.form.load(flat, seed, {name: own[moment] for name, own in named.items()})
            for name in named.keys() & set(net.form.names):
                net.optimizer.step.copy_(named[name]["step"])
            for name, pace in _paces(net, seed).items():
                if name in named:
                    pace.copy_(named[name].get("pace", torch.ones(())))


def states(nets: Nets, seed: int) -> dict[str, Any]:
    """Return copies of all that one seed's updates depend on, but for transitions and counters."""
    return {"networks": networks(nets, seed), "optimizers": optimizers(nets, seed)}


def load_states(nets: Nets, seed: int, saved: Mapping[str, Any]) -> None:
    """Continue from `states`.

    :param nets: by name
    :param seed: position on the axis `seed`
    :param saved: as `states` returned it
    """
    write_networks(nets, seed, saved["networks"])
    write_optimizers(nets, seed, saved["optimizers"])


def _paces(net: Net[Any], seed: int) -> dict[str, Tensor]:
    """Return views of the factors on the learning rates of one seed's networks by name."""
    if net.pace is None:
        return {}
    return dict(zip(net.form.names, net.pace[seed].view(-1), strict=True))


def _flat(net: Net[Any], kind: str) -> Flat:
    if not kind.endswith(TARGET):
        return net.online
    assert net.target is not None
    return net.target

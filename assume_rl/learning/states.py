"""One seed's networks, targets and moments by name, whatever groups or blocks hold them.

Actors go by unit. Critics go by what their kind names them: by unit, or by shape of agents. So a
state does not tell how a learner cuts its fleet into groups.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics.critic import Critic, Weights
from assume_rl.learning.groups import Group
from assume_rl.learning.nets.flat import Flat

States = dict[str, dict[str, Weights]]  # kind of network -> unit or other name -> state dict
KINDS = ("actor", "actor_target", "critic", "critic_target")


@runtime_checkable
class Networks(Protocol):
    """Groups of actors and their critics."""

    config: LearningConfig
    groups: tuple[Group, ...]
    critics: tuple[Critic, ...]


def networks(learner: Networks, seed: int) -> States:
    """Copies of one seed's networks."""
    found: States = {}
    for kind in KINDS:
        found[kind] = {}
        for holder, flat in _flats(learner, kind):
            found[kind] |= holder.states(flat, seed)
    return found


def write_networks(
    learner: Networks, seed: int, saved: Mapping[str, Mapping[str, Mapping[str, Tensor]]]
) -> None:
    """Overwrite the networks that are in `saved`; `PolicyError` if one does not fit."""
    for kind, named in saved.items():
        for holder, flat in _flats(learner, kind):
            holder.load(flat, seed, named)


def optimizers(learner: Networks, seed: int) -> dict[str, Any]:
    """Copies of one seed's moments and numbers of steps: actor or critic -> name -> state."""
    found: dict[str, Any] = {"actor": {}, "critic": {}}
    for kind, named in found.items():
        for holder in _holders(learner, kind):
            moments = {k: holder.states(f, seed) for k, f in holder.adam.moments().items()}
            for name in moments["exp_avg"]:
                own = {moment: states[name] for moment, states in moments.items()}
                named[name] = {"step": holder.adam.step.clone(), **own}
    return found


def write_optimizers(learner: Networks, seed: int, saved: Mapping[str, Any]) -> None:
    """Overwrite moments and numbers of steps by those in `saved`.

    All networks of a group have made the same number of steps.
    """
    for kind, named in saved.items():
        for holder in _holders(learner, kind):
            for moment, flat in holder.adam.moments().items():
                holder.load(flat, seed, {name: own[moment] for name, own in named.items()})
            for name in named.keys() & set(holder.names):
                holder.adam.step.copy_(named[name]["step"])


def states(learner: Networks, seed: int) -> dict[str, Any]:
    """Copies of all that one seed's updates depend on, transitions and counters excepted."""
    return {"networks": networks(learner, seed), "optimizers": optimizers(learner, seed)}


def load_states(learner: Networks, seed: int, saved: Mapping[str, Any]) -> None:
    """Go on from `states`."""
    write_networks(learner, seed, saved["networks"])
    write_optimizers(learner, seed, saved["optimizers"])


def _holders(learner: Networks, kind: str) -> Sequence[Group | Critic]:
    return learner.groups if kind.startswith("actor") else learner.critics


def _flats(learner: Networks, kind: str) -> Iterator[tuple[Group | Critic, Flat]]:
    for holder in _holders(learner, kind):
        yield holder, holder.target if kind.endswith("target") else holder.online

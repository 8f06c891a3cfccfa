"""Networks of one fleet put to use in another: matched by unit id, with a report.

An actor reads its observation by the names of its features (`read_by_name`).

A critic's input is the owner's observation, the private ("unique") parts of the other agents'
observations and the actions of all agents, each in the order of the agents. In another fleet the
same block lies in other columns, so first-layer weights move block by block: a block keeps its
weights if its agent is in both fleets and it means the same in both, and stays fresh otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from types import MappingProxyType

from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.nets.linear import State
from assume_rl.learning.nets.stack import ActorStack, CriticStack, Weights
from assume_rl.learning.types import AgentSpec

Features = Sequence[tuple[str, int, str]]  # name, size and scaling of parts of an observation
NOT_ADAPTED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class TransferReport:
    """The fate of each unit of the new fleet; `skipped` says why."""

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]  # nothing was saved for them
    skipped: dict[str, str]  # something was saved, but it does not fit
    adapted: Mapping[str, str] = field(default_factory=dict)  # loaded with a change, and which

    def __str__(self) -> str:
        """Return one sentence: how many units were loaded, and which were not, reason by reason."""
        parts = [f"{len(self.loaded)} loaded"]
        parts += [f"{_some(units)} adapted: {why}" for why, units in _by_reason(self.adapted)]
        parts += [f"{_some(units)} not used: {why}" for why, units in _by_reason(self.skipped)]
        parts += [f"{_some(self.fresh)} not saved there, so that they start afresh"] * bool(
            self.fresh
        )
        return "; ".join(parts)


def transfer(
    fresh: Sequence[ActorStack], saved: Sequence[ActorStack]
) -> tuple[tuple[ActorStack, ...], TransferReport]:
    """Return the stacks `fresh` with the actors of `saved` in place of those of the same unit."""
    states = {unit: stack.module_state(unit) for stack in saved for unit in stack.unit_ids}
    actors = tuple(stack.clone() for stack in fresh)
    loaded, skipped = [], {}
    for stack in actors:
        for unit in stack.unit_ids:
            reason = write_if_fits(stack, unit, states.get(unit))
            if reason is None:
                loaded.append(unit)
            elif unit in states:
                skipped[unit] = reason
    units = [unit for stack in actors for unit in stack.unit_ids]
    return actors, report(units, loaded, skipped)


def transfer_critics(
    fresh: CriticStack,
    agents: Sequence[AgentSpec],
    saved: CriticStack,
    saved_agents: Sequence[AgentSpec],
) -> tuple[CriticStack, TransferReport]:
    """Return critics `fresh` of fleet `agents` with weights of `saved` of `saved_agents`.

    :param fresh: initial critics of the new fleet
    :param agents: of the new fleet
    :param saved: critics of the old fleet
    :param saved_agents: of the old fleet
    """
    critics = fresh.clone()
    loaded, skipped = [], {}
    for unit in critics.unit_ids:
        if unit not in saved.unit_ids:
            continue
        try:
            state = transfer_critic(
                critics.module_state(unit), agents, saved.module_state(unit), saved_agents, unit
            )
        except PolicyError as error:
            skipped[unit] = str(error)
        else:
            critics.write(unit, state)
            loaded.append(unit)
    return critics, report(critics.unit_ids, loaded, skipped)


def transfer_critic(
    fresh: State,
    agents: Sequence[AgentSpec],
    saved: State,
    saved_agents: Sequence[AgentSpec],
    owner: str,
) -> Weights:
    """Return the critic of `owner` (a module's state dict) moved to a fleet of other agents.

    Blocks are attributed by unit id, also for owners that are not the first agent.

    :param fresh: its initial critic in the fleet `agents`
    :param agents: of the fleet that it moves to
    :param saved: the critic to move
    :param saved_agents: of the fleet that it comes from
    :param owner: unit id
    :raises PolicyError: hidden layers or the owner's own observation differ in size, or the
        observation in its features
    """
    new, old = critic_blocks(owner, agents), critic_blocks(owner, saved_agents)
    _check_same(fresh, saved, new, old, owner)
    here, there = ({agent.unit_id: agent for agent in own} for own in (agents, saved_agents))
    change = other_meaning(there[owner], here[owner])
    if change is not None:
        raise PolicyError(change)
    same = [
        (kind, unit)
        for kind, unit in new.keys() & old.keys()
        if _same_block(kind, there[unit], here[unit])
    ]
    moved: Weights = {}
    for name, weight in fresh.items():
        if not _is_first_layer(name):
            moved[name] = saved[name].to(weight)
            continue
        moved[name] = weight.clone()
        for key in same:
            if _size(new[key]) == _size(old[key]):
                moved[name][:, new[key]] = saved[name][:, old[key]].to(weight)
    return moved


def critic_blocks(owner: str, agents: Sequence[AgentSpec]) -> dict[tuple[str, str], slice]:
    """Return input columns of `owner`'s critic by (kind, unit id); kinds: obs, unique, action."""
    sizes = {("obs", a.unit_id): a.obs_size for a in agents if a.unit_id == owner}
    sizes |= {("unique", a.unit_id): a.unique_size for a in agents if a.unit_id != owner}
    sizes |= {("action", a.unit_id): a.act_size for a in agents}
    blocks, start = {}, 0
    for key, size in sizes.items():
        blocks[key] = slice(start, start + size)
        start += size
    return blocks


def other_meaning(saved: AgentSpec, here: AgentSpec) -> str | None:
    """Return why networks of an agent do not mean the same for another; None: they do.

    :param saved: whose networks they are; features that are not known are taken to be the same
    :param here: whose they would be
    """
    if saved.scales.rungs != here.scales.rungs:
        return "it chose from other rungs"
    if not saved.features or saved.features == here.features:
        return None
    gone, new = (
        [feature for feature in one if feature not in other]
        for one, other in (
            (saved.features, here.features),
            (here.features, saved.features),
        )
    )
    if not gone and not new:
        return "it observed features in another order"
    return f"it observed {_apart(gone, new)}"


def _same_block(kind: str, saved: AgentSpec, here: AgentSpec) -> bool:
    """Return whether a block of a critic's input means the same in two fleets."""
    if kind == "action":
        return (saved.rungs, saved.scales.rungs) == (here.rungs, here.scales.rungs)
    # The owner's observation is the same, or nothing would move.
    return kind == "obs" or not saved.features or _private(saved) == _private(here)


def _private(agent: AgentSpec) -> Features:
    """Return the features of an agent's private entries, the last of its observation."""
    places = zip(agent.features, _places(agent.features), strict=True)
    first = agent.obs_size - agent.unique_size
    return tuple(feature for feature, place in places if place.stop > first)


def read_by_name(architecture: str, state: State, saved: Features, here: Features) -> Weights:
    """Return an actor's parameters for observations that have the same features at other places.

    Features that it does not know have no weight, so that it acts as it did.

    :param architecture: key of `trunks.TRUNKS`
    :param state: of the actor's module
    :param saved: features that it reads
    :param here: features of the observations
    :raises PolicyError: one that it reads is missing or of another kind, or it reads all in order
    """
    missing = [feature for feature in saved if feature not in here]
    if missing:
        others = [feature for feature in here if feature not in saved]
        raise PolicyError(f"observes {_apart(missing, others)}")
    if architecture != "mlp":
        raise PolicyError(f"observes {_listed(saved)}, expected {_listed(here)}")
    places = dict(zip(here, _places(here), strict=True))
    columns = [k for feature in saved for k in places[feature]]
    size = sum(feature[1] for feature in here)
    first = next(name for name in state if name.endswith("weight"))
    moved = dict(state)
    moved[first] = _spread(state[first], columns, size, 0.0)
    for name, empty in (("observation.mean", 0.0), ("observation.variance", 1.0)):
        if name in state:
            moved[name] = _spread(state[name], columns, size, empty)
    return moved


def _spread(values: Tensor, columns: Sequence[int], size: int, empty: float) -> Tensor:
    """Return values at some places of a last axis of `size` entries, the others `empty`."""
    wide = values.new_full((*values.shape[:-1], size), empty)
    wide[..., columns] = values
    return wide


def _places(features: Features) -> list[range]:
    ends = list(accumulate(size for _, size, _ in features))
    return [range(end - size, end) for end, (_, size, _) in zip(ends, features, strict=True)]


def _listed(features: Features) -> str:
    return ", ".join(f"{name} ({size}, {scaling})" for name, size, scaling in features)


def _apart(gone: Features, new: Features) -> str:
    """Return features that are not here, and those that are in place of them."""
    shown = (_listed(_shortened(*own)) or "no such" for own in ((gone, new), (new, gone)))
    return ", expected ".join(shown)


LONGEST = 80  # characters of a scaling in a message


def _shortened(features: Features, others: Features) -> Features:
    """Return features with long scalings cut to where others of the same names first differ."""
    theirs = {name: scaling.split(", ") for name, _, scaling in others}
    found = []
    for name, size, scaling in features:
        parts, other = scaling.split(", "), theirs.get(name, [])
        pairs = zip(parts, other, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        part = parts[min(same, len(parts) - 1)]
        found.append((name, size, scaling if len(scaling) <= LONGEST else f"... {part} ..."))
    return found


def change_of(saved: Features, here: Features) -> str:
    """Return in words how `read_by_name` changes an actor."""
    unread = [name for name, size, scaling in here if (name, size, scaling) not in saved]
    return f"{', '.join(unread)} without weight" if unread else "features in another order"


def write_if_fits(stack: ActorStack | CriticStack, unit: str, state: State | None) -> str | None:
    """Overwrite one unit's weights in place; return the reason if that fails, else None.

    :param stack: to write to
    :param unit: unit id
    :param state: of the unit's network; None: nothing is saved
    """
    if state is None:
        return "nothing is saved"
    try:
        stack.write(unit, state)
    except PolicyError:
        return f"saved {_sizes(state)}, expected {_sizes(stack.module_state(unit))}"
    return None


def report(
    units: Sequence[str],
    loaded: Sequence[str],
    skipped: dict[str, str],
    adapted: Mapping[str, str] = NOT_ADAPTED,
) -> TransferReport:
    """Return the report on `units`, in their order; those neither loaded nor skipped are fresh.

    :param units: unit ids, in the order of the report
    :param loaded: those with loaded weights
    :param skipped: reason by unit id
    :param adapted: change by unit id, see `change_of`
    """
    done = tuple(unit for unit in units if unit in loaded)
    fresh = tuple(unit for unit in units if unit not in loaded and unit not in skipped)
    return TransferReport(done, fresh, skipped, adapted)


MOST_NAMED = 4  # units of a message


def _some(units: Sequence[str]) -> str:
    """Return how many units there are, with the names of the first ones."""
    named = ", ".join(units[:MOST_NAMED])
    return f"{len(units)} ({named}{', ...' if len(units) > MOST_NAMED else ''})"


def _by_reason(reasons: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return the units of each reason."""
    found: dict[str, list[str]] = {}
    for unit, why in reasons.items():
        found.setdefault(why, []).append(unit)
    return list(found.items())


def _check_same(
    fresh: State,
    saved: State,
    new: dict[tuple[str, str], slice],
    old: dict[tuple[str, str], slice],
    owner: str,
) -> None:
    own = ("obs", owner)
    same_obs = own in new and own in old and _size(new[own]) == _size(old[own])
    if not same_obs or _hidden(fresh) != _hidden(saved):
        raise PolicyError(
            f"its critic does not fit: saved {_sizes(saved)}, expected {_sizes(fresh)}"
        )


def _hidden(state: State) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parameters, but without the input size."""
    return {n: tuple(w.shape[:1] if _is_first_layer(n) else w.shape) for n, w in state.items()}


def _is_first_layer(name: str) -> bool:
    return name.endswith("layers.0.weight")


def _sizes(state: State) -> str:
    """Return the sizes of the layers of a network, such as 38-256-128-2 (twin critics: both)."""
    nets: dict[str, list[int]] = {}
    for name, weight in state.items():
        if name.endswith("weight"):
            sizes = nets.setdefault(name.split("_")[0] if "_" in name else "", [])
            sizes += [weight.shape[0]] if sizes else [weight.shape[1], weight.shape[0]]
    return " and ".join("-".join(map(str, sizes)) for sizes in nets.values())


def _size(block: slice) -> int:
    size: int = block.stop - block.start
    return size

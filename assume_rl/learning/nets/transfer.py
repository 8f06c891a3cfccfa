"""Networks of one fleet put to use in another: matched by unit id, with a report.

A critic's input is the owner's observation, the private ("unique") parts of the other agents'
observations and the actions of all agents, each in the order of the agents. In another fleet the
same block lies in other columns, so first-layer weights move block by block: a block keeps its
weights if its agent is in both fleets with equal sizes, and stays fresh otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assume_rl.errors import PolicyError
from assume_rl.learning.nets.linear import State
from assume_rl.learning.nets.stack import ActorStack, CriticStack, Weights
from assume_rl.learning.types import AgentSpec


@dataclass(frozen=True)
class TransferReport:
    """The fate of each unit of the new fleet; `skipped` says why."""

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]  # nothing was saved for them
    skipped: dict[str, str]  # something was saved, but it does not fit


def transfer(
    fresh: Sequence[ActorStack], saved: Sequence[ActorStack]
) -> tuple[tuple[ActorStack, ...], TransferReport]:
    """The stacks `fresh` with the actors of `saved` in place of those of the same unit."""
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
    """Critics `fresh` of a fleet `agents` with weights of `saved`, of a fleet `saved_agents`."""
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
    """The critic of `owner` (a module's state dict) moved to a fleet of other agents.

    `fresh`: its initial critic there. Raises `PolicyError` if hidden layers or the owner's own
    observation differ in size. Blocks are attributed by unit id, also for owners that are not the
    first agent.
    """
    new, old = critic_blocks(owner, agents), critic_blocks(owner, saved_agents)
    _check_same(fresh, saved, new, old, owner)
    moved: Weights = {}
    for name, weight in fresh.items():
        if not _is_first_layer(name):
            moved[name] = saved[name].to(weight)
            continue
        moved[name] = weight.clone()
        for key in new.keys() & old.keys():
            if _size(new[key]) == _size(old[key]):
                moved[name][:, new[key]] = saved[name][:, old[key]].to(weight)
    return moved


def critic_blocks(owner: str, agents: Sequence[AgentSpec]) -> dict[tuple[str, str], slice]:
    """Input columns of `owner`'s critic by (kind, unit id); kinds: obs, unique, action."""
    sizes = {("obs", a.unit_id): a.obs_size for a in agents if a.unit_id == owner}
    sizes |= {("unique", a.unit_id): a.unique_size for a in agents if a.unit_id != owner}
    sizes |= {("action", a.unit_id): a.act_size for a in agents}
    blocks, start = {}, 0
    for key, size in sizes.items():
        blocks[key] = slice(start, start + size)
        start += size
    return blocks


def write_if_fits(stack: ActorStack | CriticStack, unit: str, state: State | None) -> str | None:
    """Overwrite one unit's weights in place; otherwise the reason why not."""
    if state is None:
        return "nothing is saved"
    try:
        stack.write(unit, state)
    except PolicyError:
        return f"saved {_sizes(state)}, expected {_sizes(stack.module_state(unit))}"
    return None


def report(units: Sequence[str], loaded: Sequence[str], skipped: dict[str, str]) -> TransferReport:
    """The report on `units`, in their order; those neither loaded nor skipped are fresh."""
    done = tuple(unit for unit in units if unit in loaded)
    fresh = tuple(unit for unit in units if unit not in loaded and unit not in skipped)
    return TransferReport(done, fresh, skipped)


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
            f"critic of unit '{owner}' does not fit: saved {_sizes(saved)}, "
            f"expected {_sizes(fresh)}"
        )


def _hidden(state: State) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters, but without the input size."""
    return {n: tuple(w.shape[:1] if _is_first_layer(n) else w.shape) for n, w in state.items()}


def _is_first_layer(name: str) -> bool:
    return name.endswith("layers.0.weight")


def _sizes(state: State) -> str:
    """Sizes of the layers of a network, such as 38-256-128-2 (twin critics: both)."""
    nets: dict[str, list[int]] = {}
    for name, weight in state.items():
        if name.endswith("weight"):
            sizes = nets.setdefault(name.split("_")[0] if "_" in name else "", [])
            sizes += [weight.shape[0]] if sizes else [weight.shape[1], weight.shape[0]]
    return " and ".join("-".join(map(str, sizes)) for sizes in nets.values())


def _size(block: slice) -> int:
    size: int = block.stop - block.start
    return size

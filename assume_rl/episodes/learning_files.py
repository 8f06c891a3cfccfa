"""Save and load a learner's networks; loading reads ASSUME's layout too.

Actors are policy folders (`learning.policies.folder`). Critics, targets and optimisers go into a
trainer state of their own, unit by unit, so that a changed fleet can take over what fits. A learner
that is loaded has one seed (`Learner.single`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.algorithms.base import NetSpec
from assume_rl.learning.build import networks_of, seen_steps
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.fleet import over
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.linear import State
from assume_rl.learning.nets.noisy import only_spreads
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.nets.transfer import (
    Features,
    TransferReport,
    change_of,
    other_meaning,
    report,
    transfer_critic,
    write_if_fits,
)
from assume_rl.learning.nets.valued_actor import VALUE
from assume_rl.learning.normalise import OF_ACTORS
from assume_rl.learning.policies.assume_layout import load_assume_actors, load_assume_critics
from assume_rl.learning.policies.files import load_torch, parse_safetensors, read_file
from assume_rl.learning.policies.folder import (
    load_policies,
    read_as,
    save_policies,
    save_trainer_state,
)
from assume_rl.learning.policies.manifest import read_manifest
from assume_rl.learning.policies.places import check_folder, is_assume_layout
from assume_rl.learning.policies.trainer_state import FILE, load_trainer_state
from assume_rl.learning.states import (
    TARGET,
    States,
    networks,
    optimizers,
    write_networks,
    write_optimizers,
)
from assume_rl.learning.types import AgentSpec, Scales

logger = logging.getLogger(__name__)


def save_actors(learner: Learner, folder: Path, extra: Mapping[str, Any], *, seed: int = 0) -> None:
    """Write one seed's actors as a policy folder.

    :param learner: whose they are
    :param folder: to write to
    :param extra: further entries of the manifest
    :param seed: position of the seed
    """
    actors, algorithm = learner.policies(seed), learner.config.algorithm
    save_policies(folder, actors, learner.agents, algorithm=algorithm, extra=extra)


def save_critics(learner: Learner, folder: Path, *, seed: int = 0) -> None:
    """Write one seed's critics, targets and optimisers into `folder`.

    :param learner: whose they are
    :param folder: to write to
    :param seed: position of the seed
    """
    save_trainer_state(folder, trainer_state(learner, seed))


def _left_out(actor: State) -> dict[str, Tensor]:
    """Return the parameters of an actor's network that policy files leave out."""
    return only_spreads(actor) | {name: actor[name] for name in VALUE if name in actor}


def take_actors(learner: Learner, folder: Path, *, say: bool = True) -> tuple[str, ...]:
    """Load the actors that fit; return their units.

    :param learner: of one seed
    :param folder: to read
    :param say: whether to log what was loaded, adapted and left, unless all were loaded as they are
    """
    found = load_actors(folder, learner)
    if say:
        _say("policies", folder, found)
        if not found.loaded:
            logger.warning("no policy of '%s' is of use here: training starts from scratch", folder)
    return found.loaded


def take_critics(learner: Learner, folder: Path, *, say: bool = True) -> None:
    """Load critics and targets that fit, as `load_critics` does.

    :param learner: of one seed
    :param folder: to read
    :param say: see `take_actors`
    """
    found = load_critics(folder, learner)
    if say:
        _say("critics", folder, found)


def has_critics(folder: Path) -> bool:
    """Return whether a policy folder has critics too; folders of the best policies have none."""
    return is_assume_layout(folder) or (folder / FILE).is_file()


def trainer_state(learner: Learner, seed: int) -> dict[str, Any]:
    """Return the state of one seed that further training needs beside actors and replay.

    Of actors it has what policy files leave out: values, and spreads of noisy layers.
    """
    kinds = networks(learner.nets, seed)
    actors = kinds.pop("actor")
    if left_out := {unit: own for unit in actors if (own := _left_out(actors[unit]))}:
        kinds["actor"] = left_out
    return {
        "kind": _kind(learner.config),
        "agents": [_identity(agent) for agent in learner.agents],
        "normaliser": {
            part: own
            for part, own in learner.normaliser.state_of(seed).items()
            if part not in OF_ACTORS
        },
        "networks": kinds,
        "optimizers": optimizers(learner.nets, seed),
    }


def load_actors(folder: Path, learner: Learner) -> TransferReport:
    """Overwrite the policies, and their targets, that `folder` has; report on the units.

    Those with another head are left out: their outputs mean something else. Others read what is
    observed here by the names of its features, if all that they read is there.

    :raises PolicyError: there is no such folder, or it cannot be read
    """
    check_folder(folder)
    if is_assume_layout(folder):
        return load_assume_actors(folder, learner)
    specs = {agent.policy: agent for agent in learner.agents}
    manifest = read_manifest(folder)
    known = [name for name in specs if name in manifest.units]
    stacks = load_policies(folder, unit_ids=known).actors
    heads = {name: net.form.head for net in learner.nets["actor"] for name in net.form.names}
    saved, loaded, skipped, adapted = {}, [], {}, {}
    for stack in stacks:
        for name in stack.unit_ids:
            entry, here = manifest.units[name], specs[name]
            reason = _other_kind(stack, manifest.algorithm, heads[name], learner)
            if reason is None:
                try:
                    saved[name] = read_as(stack.select([name]), entry, here).module_state(name)
                except PolicyError as error:
                    reason = f"it {error}"
            if reason is not None:
                skipped[name] = reason
            elif entry.features and entry.features != here.features:
                adapted[name] = change_of(entry.features, here.features)
    for net in learner.nets["actor"]:
        stack = net.form.stack(net.online, 0)
        for name in [name for name in stack.unit_ids if name in saved]:
            reason = write_if_fits(stack, name, saved[name])
            if reason is None:
                if net.target is not None:
                    net.form.stack(net.target, 0).write(name, saved[name])
                loaded.append(name)
            else:
                skipped[name] = reason
    names = {agent.unit_id: agent.policy for agent in learner.agents}
    return report(
        list(names),
        [unit for unit, name in names.items() if name in loaded],
        {unit: skipped[name] for unit, name in names.items() if name in skipped},
        {unit: adapted[name] for unit, name in names.items() if name in adapted and name in loaded},
    )


def _other_kind(stack: ActorStack, algorithm: str, head: str, learner: Learner) -> str | None:
    """Return why saved actors mean something else than the learner's; None: they do not.

    :param stack: the actors
    :param algorithm: that they are of
    :param head: of the learner's actor
    :param learner: that would go on with them
    """
    if stack.head != head:
        return (
            f"it is of {algorithm} and has the head {stack.head}, actors of "
            f"{learner.algorithm.name} have {head}"
        )
    activation = learner.config.activation
    if stack.activation != activation:
        return f"it has the activation {stack.activation}, here it is {activation}"
    if stack.normalises != ("observations" in learner.config.normalise):
        kinds = ("as they are", "normalised")
        return (
            f"it reads observations {kinds[stack.normalises]}, actors of this training read them "
            f"{kinds[not stack.normalises]}"
        )
    return None


def load_critics(folder: Path, learner: Learner) -> TransferReport:
    """Overwrite critics and targets; optimisers too if the saved fleet is this one.

    Critics of another algorithm or kind are not used, with a warning: they differ in number or
    shape, or value other policies. In another fleet first-layer weights move block by block
    (`learning.nets.transfer`), but to no unit that observes other features, or those in another
    order, or chooses from other rungs.

    :raises PolicyError: there is no such folder, or it cannot be read
    """
    check_folder(folder)
    if is_assume_layout(folder):
        return load_assume_critics(folder, learner)
    state = load_trainer_state(folder)
    if state["kind"] != _kind(learner.config):
        logger.warning(
            "critics and optimisers of '%s' not used: they are of %s, this training is of %s",
            folder / FILE,
            state["kind"],
            _kind(learner.config),
        )
        return report([], [], {})
    learner.normaliser.load_state_of(0, state["normaliser"])
    units = [agent.unit_id for agent in learner.agents]
    if state["agents"] != [_identity(agent) for agent in learner.agents]:
        saved_agents = tuple(_agent(*agent) for agent in state["agents"])
        return _transfer(learner, state["networks"], saved_agents)
    write_networks(learner.nets, 0, state["networks"])
    write_optimizers(learner.nets, 0, state["optimizers"])
    return report(units, units, {})


Identity = tuple[str, tuple[int, ...], Features, tuple[float, ...]]
"""An agent's name and shape, its features, and the prices of its rungs in EUR/MWh."""


def _identity(agent: AgentSpec) -> Identity:
    """Return the properties that must be equal for an agent's networks to mean the same."""
    return agent.unit_id, agent.shape, agent.features, agent.scales.rungs


def _agent(
    unit: str, shape: tuple[int, ...], features: Features, prices: tuple[float, ...]
) -> AgentSpec:
    """Return an agent from its identity."""
    obs_size, act_size, unique_size, *rungs = shape
    scales = Scales(rungs=prices)
    return AgentSpec(
        unit, obs_size, act_size, unique_size, tuple(features), sum(rungs), scales=scales
    )


def _transfer(
    learner: Learner, saved: States, saved_agents: tuple[AgentSpec, ...]
) -> TransferReport:
    """Overwrite critics of a changed fleet, unit by unit; those that agents share stay fresh."""
    fresh, steps = networks(learner.nets, 0), seen_steps(learner.config)
    specs = {
        kind: spec
        for name, spec in networks_of(learner.config).items()
        for kind in (name, name + TARGET)
        if (name != "actor" or spec.valued or spec.noise) and kind in fresh
    }
    there = {agent.unit_id: agent for agent in saved_agents}
    changes = {
        agent.unit_id: other_meaning(there[agent.unit_id], agent)
        for agent in learner.agents
        if agent.unit_id in there
    }
    skipped = {unit: why for unit, why in changes.items() if why is not None}
    if not specs:
        return report([], [], skipped)
    units = [agent.unit_id for agent in learner.agents]
    loaded = []
    known = [u for u in units if u not in skipped and all(u in saved[kind] for kind in specs)]
    for unit in known:
        try:
            moved = {
                kind: {
                    unit: _moved(
                        spec,
                        unit,
                        (fresh[kind][unit], over(learner.agents, steps)),
                        (saved[kind][unit], over(saved_agents, steps)),
                    )
                }
                for kind, spec in specs.items()
            }
            write_networks(learner.nets, 0, moved)
        except PolicyError as error:
            skipped[unit] = str(error)
        else:
            loaded.append(unit)
    return report(units, loaded, skipped)


Part = tuple[State, Sequence[AgentSpec]]  # a network and the fleet that it is of


def _moved(spec: NetSpec, unit: str, fresh: Part, saved: Part) -> State:
    """Return a unit's saved network in the form that it has in another fleet."""
    if spec.kind == "number":
        return saved[0]
    if spec.kind == "actor":
        return _moved_outputs(unit, fresh, saved)
    agents, saved_agents = (_seen(spec, unit, part[1]) for part in (fresh, saved))
    return transfer_critic(fresh[0], agents, saved[0], saved_agents, unit)


def _moved_outputs(unit: str, fresh: Part, saved: Part) -> State:
    """Return the saved weights of a network like an actor, if it is of one of these sizes."""
    here, there = (next(a.shape for a in part[1] if a.unit_id == unit) for part in (fresh, saved))
    if here != there:
        raise PolicyError(f"its values are of an actor of sizes {there}, expected {here}")
    return saved[0]


def _seen(spec: NetSpec, unit: str, agents: Sequence[AgentSpec]) -> list[AgentSpec]:
    """Return the agents that a unit's critic sees, without actions if it values observations."""
    seen = [agent for agent in agents if spec.central or agent.unit_id == unit]
    return seen if spec.kind == "action_value" else [replace(agent, act_size=0) for agent in seen]


OF_NETWORKS = (
    *("actor_hidden", "critic_hidden", "activation", "optimizer", "normalise"),
    "sequence_length",
)
"""Settings without which networks or what optimisers remember mean something else."""


def _kind(config: LearningConfig) -> str:
    """Return a key that differs for networks and optimisers that cannot replace each other."""
    others = [
        f", {key}: {getattr(config, key)}"
        for key in OF_NETWORKS
        if getattr(config, key) != LearningConfig.model_fields[key].default
    ]
    others += [f", {text}" for text in config.settings.of_networks]
    usual = (
        f"{config.algorithm} with critic: {config.critic} and {config.actor_architecture} actors"
    )
    return usual + "".join(others)


def _say(kind: str, folder: Path, found: TransferReport) -> None:
    """Log one line, unless all are loaded as they are."""
    if found.fresh or found.skipped or found.adapted:
        logger.warning("%s of '%s': %s", kind, folder, found)


def load_obj(path: Path) -> dict[str, Any]:
    """Return the content of one file (`.pt`, `.safetensors`) or of a folder's trainer state."""
    if path.suffix == ".pt":
        return load_torch(path)
    if path.suffix == ".safetensors":
        return dict(parse_safetensors(read_file(path), path))
    return load_trainer_state(path)

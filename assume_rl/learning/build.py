"""Builds the networks that an algorithm asks for, for a fleet of agents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.algorithms.base import NetSpec
from assume_rl.learning.config import KlAdaptive, LearningConfig
from assume_rl.learning.critics import CRITICS, INDEPENDENT, Kind
from assume_rl.learning.critics.base import CriticSpec
from assume_rl.learning.critics.normalised import normalised_critics
from assume_rl.learning.fleet import Fleet, Group, block_of
from assume_rl.learning.nets.actor import ActorForm, actor_forms
from assume_rl.learning.nets.layers import Hidden
from assume_rl.learning.nets.moments import Moments
from assume_rl.learning.nets.net import Form, Net, create_nets
from assume_rl.learning.nets.number import number_forms
from assume_rl.learning.nets.recurrent_actor import RecurrentActorForm, memory_size
from assume_rl.learning.nets.valued_actor import ValuedActorForm
from assume_rl.learning.processes import ALONE, Processes
from assume_rl.learning.schedules import rate_schedule
from assume_rl.learning.types import CURVE, MEMORY, NEXT_OWN, AgentSpec, ExtraSize


def networks_of(config: LearningConfig) -> Mapping[str, NetSpec]:
    """Return the networks that the algorithm needs, by name.

    Where actor and value share a trunk, the value is an output of the actor's network. A second
    network like the actor is its `twin`.
    """
    specs, settings = dict(ALGORITHMS[config.algorithm].networks()), config.settings
    if settings.one_trunk:
        del specs["value"]
        specs["actor"] = replace(specs["actor"], valued=True)
    if settings.ladder_head is not None:
        specs["actor"] = replace(specs["actor"], ladder=settings.ladder_head)
    if settings.layer_noise is not None:
        specs["actor"] = replace(specs["actor"], noise=settings.layer_noise)
    if settings.two_networks:
        specs["twin"] = specs["actor"]
    return specs


def fleet_of(
    config: LearningConfig, agents: Sequence[AgentSpec], seeds: int, device: torch.device
) -> Fleet:
    """Return the agents in the groups in which their networks are stacked.

    :param config: chooses algorithm and critics
    :param agents: in their order
    :param seeds: number of seeds
    :param device: of the networks
    """
    specs = networks_of(config).values()
    own_nets = all(_kind(spec, config).own_nets for spec in specs if "value" in spec.kind)
    block = block_of(device, seeds, config.block_size, own_nets=own_nets)
    return Fleet.of(agents, seeds, block)


def build_nets(
    config: LearningConfig,
    fleet: Fleet,
    device: torch.device,
    dtype: torch.dtype,
    processes: Processes = ALONE,
) -> Mapping[str, tuple[Net[Any], ...]]:
    """Return networks of zeros by name.

    :param config: chooses algorithm, critics and sizes
    :param fleet: of the agents
    :param device: of the networks
    :param dtype: of the networks
    :param processes: that learn together
    """
    read = _all_statistics(config, fleet, device)
    return {
        name: create_nets(
            _forms(name, spec, config, fleet, device, read),
            device,
            dtype,
            target=spec.target,
            paced=isinstance(rate_schedule(config, name), KlAdaptive),
            # A number is no weight: a pull towards 0 would be one towards a temperature of 1.
            optimizer=(config.optimizer, 0.0 if spec.kind == "number" else config.weight_decay),
            processes=processes,
        )
        for name, spec in networks_of(config).items()
    }


def build_actors(
    config: LearningConfig, fleet: Fleet, device: torch.device
) -> tuple[ActorForm, ...]:
    """Return the forms of the actors, with statistics of their own of observations.

    :param config: chooses algorithm and sizes
    :param fleet: of the agents
    :param device: of the statistics
    """
    spec, read = networks_of(config)["actor"], _all_statistics(config, fleet, device)
    forms = _forms("actor", spec, config, fleet, device, read)
    return tuple(form for form in forms if isinstance(form, ActorForm))


def seen_steps(config: LearningConfig) -> int:
    """Return how many of an agent's latest observations its critic sees.

    Critics carry no memory. Those of actors with memory must see what these may act on.
    """
    remembers = memory_size(config.actor_architecture, config.actor_hidden) > 0
    return config.sequence_length if remembers else 1


def decision_extras(config: LearningConfig) -> dict[str, ExtraSize]:
    """Return the extras of decisions that transitions keep: name -> size."""
    extras: dict[str, ExtraSize] = dict(ALGORITHMS[config.algorithm].extras)
    memory = memory_size(config.actor_architecture, config.actor_hidden)
    return extras | {MEMORY: memory} if memory else extras


def outcome_extras(config: LearningConfig) -> dict[str, ExtraSize]:
    """Return the extras of outcomes that transitions keep: name -> size."""
    curves: dict[str, ExtraSize] = {CURVE: "rungs"} if config.settings.needs_curves else {}
    return curves | {NEXT_OWN: "own_rungs"} if config.settings.needs_next else curves


def kept_extras(config: LearningConfig) -> dict[str, ExtraSize]:
    """Return the extras of decisions and outcomes that transitions keep: name -> size."""
    return decision_extras(config) | outcome_extras(config)


def extra_sizes(config: LearningConfig, groups: Sequence[Group]) -> dict[str, list[int]]:
    """Return the sizes of the extras that transitions keep, of each group."""
    return {
        name: [group.specs[0].entries(size) for group in groups]
        for name, size in kept_extras(config).items()
    }


def _forms(
    name: str,
    spec: NetSpec,
    config: LearningConfig,
    fleet: Fleet,
    device: torch.device,
    read: Mapping[str, tuple[Moments, ...]],
) -> Sequence[Form]:
    match spec.kind:
        case "actor":
            heads = [spec.head_for(group.specs[0]) for group in fleet.groups]
            architecture, hidden = config.actor_architecture, config.actor_hidden
            chosen = (fleet.groups, fleet.seeds, heads, architecture, hidden, config.activation)
            form: Callable[..., ActorForm] = ValuedActorForm if spec.valued else ActorForm
            if memory_size(architecture, hidden):
                form = partial(RecurrentActorForm, burn_in=config.burn_in)
            forms = actor_forms(*chosen, form)
            forms = [replace(form, name=name, noise=spec.noise) for form in forms]
            if not read["observations"]:
                return forms
            own = zip(forms, read["observations"], strict=True)
            return [replace(form, inputs=inputs) for form, inputs in own]
        case "number":
            return number_forms(fleet.groups, fleet.seeds, name)
    fleet = fleet.over(seen_steps(config))
    seen = fleet if spec.kind == "action_value" else fleet.without_actions()
    sizes = Hidden(config.critic_hidden, config.activation)
    critics = _kind(spec, config).create(CriticSpec(seen, spec.count, device, name, sizes))
    return normalised_critics(
        critics, fleet, read["critic_input"], device, values="values" in config.normalise
    )


def _all_statistics(
    config: LearningConfig, fleet: Fleet, device: torch.device
) -> dict[str, tuple[Moments, ...]]:
    """Return fresh statistics of the inputs of actors and critics by group, mostly empty."""
    of_agents = [group.unit_ids for group in fleet.groups]
    of_policies = [group.policies for group in fleet.groups]
    return {
        part: _statistics(fleet, names, device) if part in config.normalise else ()
        for part, names in (("observations", of_policies), ("critic_input", of_agents))
    }


def _statistics(
    fleet: Fleet, names: Sequence[tuple[str, ...]], device: torch.device
) -> tuple[Moments, ...]:
    """Return statistics of the observations of each group.

    :param fleet: of the agents
    :param names: of agents, or of policies, whose observations are apart, by group
    :param device: of the statistics
    """
    return tuple(
        Moments.fresh(own, fleet.seeds, group.obs_size, device)
        for own, group in zip(names, fleet.groups, strict=True)
    )


def _kind(spec: NetSpec, config: LearningConfig) -> Kind:
    return CRITICS[config.critic] if spec.central else INDEPENDENT

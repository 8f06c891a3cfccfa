"""Add critics, actors and schedules of others to the registries, and take them out again.

Each is tried on small agents as it is added, so that what does not fit is refused by name before
any training begins.
"""

import torch
from torch import Tensor

from assume_rl.core.contract import of_kind, shaped
from assume_rl.errors import ConfigurationError
from assume_rl.learning.config.names import ACTOR_NAMES, CRITIC_NAMES, SCHEDULE_NAMES, WITH_MEMORY
from assume_rl.learning.critics import CRITICS, Kind
from assume_rl.learning.critics.base import CriticForm, CriticSpec, joint
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.layers import Hidden
from assume_rl.learning.nets.net import create_nets
from assume_rl.learning.nets.recurrent import Recurrent
from assume_rl.learning.nets.trunks import TRUNKS, Trunk
from assume_rl.learning.schedules import SCHEDULES, Share
from assume_rl.learning.types import AgentSpec

SIZES = (9, 2, 3)  # of a trial agent's observation and action, and of its private part
ROWS = 4


def add_critic(name: str, kind: Kind) -> None:
    """Add a kind of critic under a free name.

    :raises ConfigurationError: it makes no critics, or they give no values of trial agents
    """
    if not isinstance(kind, Kind):
        raise ConfigurationError(f"the critic '{name}' is a {type(kind).__name__}, not a Kind")
    _try_critic(name, kind)
    CRITICS[name] = kind
    CRITIC_NAMES.append(name)


def remove_critic(name: str) -> None:
    """Remove a kind of critic."""
    del CRITICS[name]
    CRITIC_NAMES.remove(name)


def add_actor(name: str, trunk: Trunk) -> None:
    """Add a kind of actor network under a free name; one that is `Recurrent` has a memory.

    :raises ConfigurationError: its parameters are not those that it names
    """
    _try_trunk(name, trunk)
    TRUNKS[name] = trunk
    ACTOR_NAMES.append(name)
    if isinstance(trunk, Recurrent):
        WITH_MEMORY.append(name)


def remove_actor(name: str) -> None:
    """Remove a kind of actor network."""
    del TRUNKS[name]
    ACTOR_NAMES.remove(name)
    if name in WITH_MEMORY:
        WITH_MEMORY.remove(name)


def add_schedule(name: str, share: Share) -> None:
    """Add a schedule under a free name.

    :param name: as in `learning_rate_schedule` and others
    :param share: returns the share of the value at the start, given the settings of the schedule
        and the share of training that is left
    """
    SCHEDULES[name] = share
    SCHEDULE_NAMES.append(name)


def remove_schedule(name: str) -> None:
    """Remove a schedule."""
    del SCHEDULES[name]
    SCHEDULE_NAMES.remove(name)


def _try_trunk(name: str, trunk: Trunk) -> None:
    """Raise `ConfigurationError` unless networks of a trunk work as it says."""
    obs, act, private = SIZES
    agent, hidden = AgentSpec("trial", obs, act, private), tuple(8 for _ in trunk.hidden)
    shapes = of_kind(trunk.shapes, trunk.shapes(agent, hidden, act), dict)
    weights = {own: torch.zeros(2, *shape) for own, shape in shapes.items()}
    found = trunk.outputs(trunk.nets(weights, "relu"), torch.zeros(2, ROWS, obs))
    shaped(trunk.outputs, found, (2, ROWS, act))
    whose = f"the actor '{name}'"
    if list(trunk.bounds(shapes)) != list(shapes):
        raise ConfigurationError(f"{whose}: bounds() has not the names of shapes(), in their order")
    linear = sum(own.startswith("FC") and own.endswith("weight") for own in shapes)
    if trunk.names(linear) != list(shapes):
        raise ConfigurationError(
            f"{whose}: names({linear}) are not those of shapes(): linear layers are called FC1, "
            "FC2, ..., others as one likes"
        )
    # As modules have them: (out, in).
    state = {own: value[0].T if value.ndim == 3 else value[0] for own, value in weights.items()}
    if not trunk.fits(state):
        raise ConfigurationError(f"{whose}: fits() is false of a network of its own")
    if tuple(trunk.sizes(state, private)) != (obs, act):
        raise ConfigurationError(
            f"{whose}: sizes() of a network for {obs} entries and {act} outputs is "
            f"{trunk.sizes(state, private)}"
        )


def _try_critic(name: str, kind: Kind) -> None:
    """Raise `ConfigurationError` unless critics of a kind give values in every use."""
    obs, act, private = SIZES
    agents = [AgentSpec(f"trial_{k}", obs + k // 2, act, private) for k in range(3)]
    fleet, device = Fleet.of(agents, 1), torch.device("cpu")
    spec = CriticSpec(fleet, 2, device, "trial", Hidden((8,), "relu"))
    forms = kind.create(spec)
    wrong = [type(form).__name__ for form in forms if not isinstance(form, CriticForm)]
    if wrong:
        raise ConfigurationError(f"the critic '{name}' makes a {wrong[0]}, no CriticForm")
    sizes = [(1, len(group.specs), ROWS, group.obs_size) for group in fleet.groups]
    seen = joint(
        fleet.groups,
        [torch.zeros(size) for size in sizes],
        [torch.zeros(*size[:-1], act) for size in sizes],
    )
    for net in create_nets(forms, device, torch.float32, target=False):
        values: list[Tensor] = net.form.values(net.now, seen)
        context = net.form.context(net.now, seen)
        for group, found in zip(net.form.groups, values, strict=True):
            shaped(net.form.values, found, (2, *sizes[group][:3]))
            own = net.form.with_action(context, seen, group, seen.action[group])
            shaped(net.form.with_action, own, (2, *sizes[group][:3]))

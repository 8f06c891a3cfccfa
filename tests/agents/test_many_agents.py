"""A Learning role of any number of agents, of any sizes, under any owners, without our world."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from learning_script import CONFIG, END, LAYOUT, START, T0, Notes
from mango import AgentAddress

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Observed,
    PolicyUpdate,
    RegisterUnit,
    Rewarded,
    UpdateDue,
)

pytestmark = pytest.mark.unchecked


class Unit(NamedTuple):
    """An agent by its owner and the length of its action."""

    owner: str
    actions: int


class Simulation:
    """Owners that act on the policies they are sent, as docs/learning-role.md says."""

    def __init__(self, fleet: list[Unit]) -> None:
        self.units = {f"unit {i}": unit for i, unit in enumerate(fleet)}
        self.role, self.notes = Learning(CONFIG, START, END, seed=3), Notes()
        self.role._context = self.notes
        self.role.setup()
        for name, unit in self.units.items():
            self.send(RegisterUnit(name, LAYOUT, unit.actions), unit.owner)

    def send(self, content: object, owner: str) -> None:
        self.role.handle_message(content, {"sender_addr": "here", "sender_id": owner})

    def policies(self, owner: str) -> PolicyUpdate:
        """The latest policies that an owner was sent."""
        there = AgentAddress("here", owner)
        sent = [m for m, to in self.notes.sent if to == there and isinstance(m, PolicyUpdate)]
        return max(sent, key=lambda update: update.version)

    def owned(self, owner: str, actions: int) -> tuple[str, ...]:
        """An owner's units with a number of actions, in the order in which they registered."""
        return tuple(name for name, unit in self.units.items() if unit == (owner, actions))

    def play(self, number: int) -> None:
        owners = dict.fromkeys(unit.owner for unit in self.units.values())
        for owner in owners:
            self.send(EpisodeStart(number, False), owner)
        for hour in range(1, 13):
            for owner in owners:
                self.act(owner, T0 + 3600.0 * hour)
            if hour % 6 == 0:
                self.send(UpdateDue(T0 + 3600.0 * hour, 3 * hour * len(self.units)), owner)
        self.send(EpisodeEnd(number, False), owner)

    def act(self, owner: str, time: float) -> None:
        """Let the owner's units observe, act and earn; all stacks are of one size each."""
        update = self.policies(owner)
        sizes = sorted({unit.actions for unit in self.units.values() if unit.owner == owner})
        stacks = sorted(update.actors, key=lambda s: len(self.own_action(s.unit_ids[0])))
        assert [s.unit_ids for s in stacks] == [self.owned(owner, size) for size in sizes]
        for stack in stacks:
            seen = torch.rand(len(stack.unit_ids), 3)
            for name, obs, action in zip(stack.unit_ids, seen, stack(seen), strict=True):
                none = torch.zeros_like(action)
                both = (Observed(name, time, obs), Acted(name, time, action, none))
                self.send((*both, Rewarded(name, time, float(obs[0]), 1.0, 0.0)), owner)

    def own_action(self, name: str) -> range:
        return range(self.units[name].actions)


def six_of_one_owner() -> list[Unit]:
    return [Unit("a", 1)] * 6


def owners_across_blocks() -> list[Unit]:
    return [Unit(owner, 1) for owner in "aaabbbbccccc"]


def check(fleet: list[Unit]) -> None:
    """Train, save, and load into another role."""
    simulation = Simulation(fleet)
    for number in (1, 2):
        simulation.play(number)
    role = simulation.role
    assert role.episodes_done == 2
    assert role.incomplete == 0
    assert role.learner.updates > 0
    actors = role.create_actors()
    assert sorted(len(actor.unit_ids) for actor in actors) == sorted(
        {a: sum(u.actions == a for u in fleet) for a in {u.actions for u in fleet}}.values()
    )
    other = Simulation(fleet)
    with tempfile.TemporaryDirectory() as folder:
        role.save_params(Path(folder) / "saved")
        other.role.load_params(Path(folder) / "saved")
        loaded = other.role.create_actors()
    for ours, theirs in zip(actors, loaded, strict=True):
        assert ours.unit_ids == theirs.unit_ids
        assert all(torch.equal(w, theirs.weights[name]) for name, w in ours.weights.items())
    resumed = Simulation(fleet)
    resumed.role.load_state_dict(role.state_dict())
    for simulated in (simulation, resumed):
        torch.manual_seed(1)
        simulated.play(3)
    states = [s.role.extract_actors_and_critics() for s in (simulation, resumed)]
    for kind, named in states[0].items():
        for unit, state in named.items():
            assert all(torch.equal(w, states[1][kind][unit][n]) for n, w in state.items())


units = st.builds(Unit, st.sampled_from("abc"), st.sampled_from([1, 2]))
DRAWN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)


@settings(DRAWN, max_examples=5)
@given(st.lists(units, min_size=1, max_size=13))
@example(six_of_one_owner())
@example(owners_across_blocks())
def test_any_fleet_trains_alone(fleet: list[Unit]) -> None:
    check(fleet)


@pytest.mark.slow
@settings(DRAWN, max_examples=200)
@given(st.lists(units, min_size=1, max_size=17))
def test_many_fleets_train_alone(fleet: list[Unit]) -> None:
    check(fleet)

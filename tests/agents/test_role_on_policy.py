"""The Learning role alone, with algorithms that must know how an action was drawn."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from learning_script import META, T0, UNITS, new_role, record, records

from assume_rl.agents.learning.experience import Experience
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    ObsActRew,
    PolicyUpdate,
    UpdateDue,
)
from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import ALGORITHMS, able
from assume_rl.learning.exploration import decide
from assume_rl.learning.nets.heads import HEADS

pytestmark = pytest.mark.unchecked

ON_POLICY = [name for name in able("box") if ALGORITHMS[name].on_policy]
Send = Callable[[Any], Any]


def plainly(message: Any) -> Any:
    return message


def as_mapping(message: Any) -> Any:
    """A message as a partner without this package would send it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        return value.tolist() if torch.is_tensor(value) else value

    return {name: plain(value) for name, value in vars(message).items()}


def drawn(role: Learning, policies: PolicyUpdate, hour: int, unit: str) -> tuple[Any, Any, Any]:
    """The report of a unit that draws its action from the policy that it was sent."""
    seen, scripted, got = record(hour, unit)
    stack = next(s for s in policies.actors if unit in s.unit_ids).select([unit])
    z = scripted.action[None]
    out, centre = stack.outputs(seen.observation[None]), torch.zeros_like(z)
    decision = decide(HEADS[stack.head], out, centre, z, policies.exploration)
    extras = {name: value[0] for name, value in decision.extras.items()}
    return seen, Acted(unit, seen.time, decision.action[0], decision.noise[0], extras), got


def play(role: Learning, notes: Any, number: int, send: Send = plainly) -> None:
    role.handle_message(EpisodeStart(number, False), META)
    for window in range(0, 24, 6):
        policies = max(notes.of(PolicyUpdate), key=lambda update: update.version)
        for hour in range(window + 1, window + 7):
            for unit in UNITS:
                for message in drawn(role, policies, hour, unit):
                    role.handle_message(send(message), META)
        count = 3 * len(UNITS) * (window + 6)
        role.handle_message(UpdateDue(float(T0 + 3600 * (window + 6)), count), META)
    role.handle_message(EpisodeEnd(number, False), META)


def same(one: Learning, other: Learning) -> bool:
    pairs = [role.extract_actors_and_critics() for role in (one, other)]
    return all(
        torch.equal(weight, pairs[1][kind][unit][name])
        for kind, units in pairs[0].items()
        for unit, state in units.items()
        for name, weight in state.items()
    )


@pytest.mark.parametrize(
    "algorithm", [n if n == "mappo" else pytest.param(n, marks=pytest.mark.slow) for n in ON_POLICY]
)
def test_messages_and_mappings_teach_the_same_and_a_run_goes_on(algorithm: str) -> None:
    settings = {"algorithm": algorithm, "actor_hidden": (8, 8)}
    (role, notes), (mapped, its) = new_role(settings), new_role(settings)
    before = role.extract_actors_and_critics()["actor"]["a"]["FC1.weight"]
    for number in (1, 2):
        play(role, notes, number)
        play(mapped, its, number, as_mapping)
    assert role.learner.updates == 8  # four of each episode, no initial experience
    assert not torch.equal(before, role.extract_actors_and_critics()["actor"]["a"]["FC1.weight"])
    assert same(role, mapped)
    resumed, later = new_role(settings)
    resumed.load_state_dict(role.state_dict())
    play(resumed, later, 3)
    play(role, notes, 3)
    assert same(role, resumed)


@pytest.mark.parametrize(
    ("extras", "named"),
    [
        ({}, r"mappo learns from extras\['raw'\] of an action, 2 numbers; unit 'wide' .* none"),
        ({"raw": [0.1, 0.2]}, r"extras\['log_prob'\] .* 1 numbers; unit 'wide' reported none"),
        ({"raw": [0.1], "log_prob": [0.0]}, r"'raw'\] .* 2 numbers; unit 'wide' reported 1 "),
    ],
)
def test_an_action_without_its_density_is_refused(extras: dict[str, Any], named: str) -> None:
    role, _ = new_role({"algorithm": "mappo"})
    message = as_mapping(record(1, "wide")[1]) | {"extras": extras}
    with pytest.raises(ConfigurationError, match=named):
        role.handle_message(message, META)
    seen, acted, got = record(1, "a")
    rows = ObsActRew(
        unit_id="a",
        time=(seen.time,),
        observation=[seen.observation],
        action=[acted.action],
        reward=[torch.tensor(got.reward)],
    )
    with pytest.raises(ConfigurationError, match="unit 'a' reported none"):
        role.handle_message(rows, META)
    role.handle_message(EpisodeStart(1, True), META)
    role.handle_message(record(1, "wide"), META)  # nothing is learned from an evaluation


def test_off_policy_algorithms_need_no_extras() -> None:
    role, _ = new_role({"algorithm": "masac"})
    role.handle_message(tuple(records(range(1, 7))), META)
    role.handle_message(EpisodeEnd(1, False), META)
    assert role.learner.replay.size() == 6


def test_actors_with_memory_must_know_what_they_remembered() -> None:
    role, _ = new_role({"actor_architecture": "gru", "actor_hidden": [4, 4]})
    with pytest.raises(ConfigurationError, match=r"extras\['memory'\] .*, 5 numbers; .* none"):
        role.handle_message(record(1, "wide")[1], META)
    for hour in range(1, 7):
        for seen, acted, got in (record(hour, unit) for unit in UNITS):
            memory = {"memory": torch.full((5,), float(hour - 1))}
            for message in (seen, replace(acted, extras=memory), got):
                role.handle_message(message, META)
    role.handle_message(EpisodeEnd(1, False), META)
    assert role.learner.replay.part("memory", 0, torch.tensor([[5]]))[0, 0, 0, -1] == 5


def test_a_missing_record_cuts_what_is_summed_ahead() -> None:
    # GIVEN six hours, the reward of the fourth is missing
    experience = Experience(store=True)
    for message in records(range(1, 7)):
        if not (hasattr(message, "reward") and message.time == T0 + 4 * 3600):
            experience.add(message)
    # WHEN transitions are taken
    groups = [("a", "b"), ("wide",)]
    joint = experience.take_transitions(3, groups)
    # THEN hours 1 to 3 and 5 are there, and 5 does not count as what followed 3
    assert joint is not None
    assert joint.truncated.tolist() == [[False, False, True, False]]
    assert not joint.terminated.any()

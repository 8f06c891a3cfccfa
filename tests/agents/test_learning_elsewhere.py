"""What a Learning role makes of agents in other containers: versions, owners, leaves, mistakes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from learning_script import (
    CONFIG,
    END,
    LAYOUT,
    META,
    REGISTRATIONS,
    START,
    T0,
    UNITS,
    Notes,
    new_role,
    play,
    record,
    records,
)
from mango import AgentAddress

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    PROTOCOL,
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Goodbye,
    Observed,
    PolicyUpdate,
    Refused,
    RegisterUnit,
    Rewarded,
    Rows,
    UpdateDone,
    UpdateDue,
)
from assume_rl.errors import ConfigurationError
from assume_rl.learning.data.replay import Replay

pytestmark = pytest.mark.unchecked

AWAY = {"sender_addr": ["away", 1], "sender_id": "bidder"}
BACK = {"sender_addr": ["away", 2], "sender_id": "bidder"}
BIDDER = AgentAddress(("away", 1), "bidder")


class Wire(Notes):
    """A context whose sends to other containers are noted, too."""

    def schedule_instant_message(self, content: Any, receiver: AgentAddress) -> None:
        self.sent.append((content, receiver))


def school() -> tuple[Learning, Wire]:
    """A role whose units are registered by an agent in another container."""
    role, wire = Learning(CONFIG, START, END, seed=3), Wire()
    role._context = wire
    role.setup()
    role.handle_message(REGISTRATIONS, AWAY)
    return role, wire


def replay(role: Learning) -> Replay:
    return role.learner.replay


def flags(role: Learning, name: str) -> list[bool]:
    return replay(role).rows(0, 0)[name].tolist()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (replace(REGISTRATIONS[0], protocol=PROTOCOL + 1), "unit 'a' speaks version 2 of the mess"),
        (RegisterUnit("a", LAYOUT, 2), "registered twice, with different sizes of actions"),
        (Observed("b", T0, torch.zeros(4)), "Observed.observation of unit 'b' has 3 numbers, (4,)"),
        (Observed("b", T0, torch.zeros(3).int()), "(3,) of torch.int32 came"),
        (Acted("b", T0, torch.zeros(2), torch.zeros(1)), "Acted.action of unit 'b' has 1 numbers"),
        (Acted("b", T0, torch.zeros(1), torch.zeros(0)), "Acted.noise of unit 'b' has 1 numbers"),
        (Rewarded("b", T0, float("nan"), 0.0, 0.0), "a Rewarded that is not finite"),
        (Rewarded("b", float("inf"), 0.0, 0.0, 0.0), "a Rewarded that is not finite"),
        (Rewarded("c", T0, 0.0, 0.0, 0.0), "'c' has not registered"),
        (Acted("b", T0, torch.zeros(1), torch.zeros(1), {}, 9), "acted on version 9 of the polic"),
        ({"time": "noon", "records": 1}, "UpdateDue.time: expected float, got str 'noon'"),
        ({"unit_id": "a", "layout": {}, "act_size": 1}, "a RegisterUnit could not be read"),
    ],
)
def test_a_mistake_from_elsewhere_is_answered_and_changes_nothing(message: Any, said: str) -> None:
    role, wire = school()
    role.handle_message(message, AWAY)
    (refused,) = wire.of(Refused)
    assert said in refused.reason
    assert wire.sent[-1][1] == BIDDER
    role.handle_message(record(1, "b"), AWAY)  # it still takes messages
    assert role._training._episode.experience.count == 3


def test_a_mistake_in_the_same_container_raises() -> None:
    role, notes = new_role()
    with pytest.raises(ConfigurationError, match="speaks version 2"):
        role.handle_message(replace(REGISTRATIONS[0], protocol=PROTOCOL + 1), META)
    assert notes.of(Refused) == []


# --- whom units belong to ------------------------------------------------------------------------


def test_a_unit_belongs_to_the_sender_that_registered_it() -> None:
    role, wire = school()
    role.handle_message(record(1, "a"), BACK)
    role.handle_message(REGISTRATIONS[0], BACK)
    said = [refused.reason for refused in wire.of(Refused)]
    assert "'a' belongs to 'bidder' at away:1, not to 'bidder' at away:2" in said[0]
    assert "until the episode ends or that agent says goodbye" in said[1]
    role.handle_message(record(1, "a"), AWAY)
    assert role._training._episode.experience.count == 3


@pytest.mark.parametrize("free", [EpisodeEnd(1, False), Goodbye()])
def test_a_unit_can_be_registered_elsewhere_after_the_episode_or_a_goodbye(free: Any) -> None:
    role, wire = school()
    role.handle_message(EpisodeStart(1, False), AWAY)
    role.handle_message((*records(range(1, 3)), free), AWAY)
    wire.sent.clear()
    role.handle_message(REGISTRATIONS, BACK)
    assert wire.of(Refused) == []
    (update,) = wire.of(PolicyUpdate)
    assert wire.sent[0][1] == AgentAddress(("away", 2), "bidder")
    assert {u for stack in update.actors for u in stack.unit_ids} == set(UNITS)
    role.handle_message(record(3, "a"), AWAY)
    assert "'a' belongs to 'bidder' at away:2" in wire.of(Refused)[0].reason


# --- leaving and coming back ---------------------------------------------------------------------


def test_who_has_left_is_sent_nothing_and_not_waited_for() -> None:
    role, wire = school()
    role.handle_message(EpisodeStart(1, False), AWAY)
    role.handle_message(REGISTRATIONS[:1], {**AWAY, "sender_id": "rival"})
    others = ("b", "wide")
    given = [r for hour in range(1, 7) for u in others for r in record(hour, u)]
    role.handle_message((*record(1, "a"), *record(2, "a")), {**AWAY, "sender_id": "rival"})
    role.handle_message(Goodbye((("away", 1), "rival")), META)  # the market noticed
    role.handle_message(given, AWAY)
    wire.sent.clear()
    role.handle_message(UpdateDue(T0 + 6 * 3600.0, len(given)), AWAY)
    assert len(wire.of(UpdateDone)) == 1
    assert {address.aid for _, address in wire.sent} == {"bidder"}
    role.handle_message(record(3, "a"), {**AWAY, "sender_id": "rival"})
    assert "unit 'a' has left: register it again" in wire.of(Refused)[0].reason
    role.handle_message(EpisodeEnd(1, False), AWAY)
    assert role.incomplete == 4
    assert flags(role, "terminated") == [False]  # hour 1; what followed hour 2 is not known
    assert flags(role, "truncated") == [True]


@pytest.mark.parametrize("market", [AWAY, BACK])
def test_only_the_container_that_started_the_episode_says_goodbye_for_others(market: Any) -> None:
    role, wire = school()
    role.handle_message(EpisodeStart(1, False), market)
    role.handle_message(records(range(1, 3)), AWAY)
    lobby = {"sender_addr": ["away", 2], "sender_id": "lobby"}
    role.handle_message(Goodbye((("away", 1), "bidder")), lobby)
    left = market == BACK
    said = (
        [] if left else ["only 'bidder' at away:1 itself, or the market, can say that it has left"]
    )
    assert [refused.reason for refused in wire.of(Refused)] == said
    assert role._training._episode.experience.count == (0 if left else 18)


def test_transitions_of_an_episode_that_a_unit_left_are_neither_lost_nor_doubled() -> None:
    """A unit leaves after 13 of 24 hours; in the next episode all is as ever."""
    role, _ = school()
    role.handle_message(EpisodeStart(1, False), AWAY)
    role.handle_message((*records(range(1, 14)), Goodbye()), AWAY)
    role.handle_message(records(range(14, 25)), AWAY)  # refused: it has left
    role.handle_message(UpdateDue(T0 + 24 * 3600.0, 0), META)
    role.handle_message(EpisodeEnd(1, False), META)
    assert replay(role).size() == 12
    role.handle_message(REGISTRATIONS, BACK)
    role.handle_message((EpisodeStart(2, False), *records(range(1, 25), 2)), BACK)
    role.handle_message(EpisodeEnd(2, False), BACK)
    assert replay(role).size() == 12 + 24
    assert flags(role, "terminated") == [False] * 35 + [True]
    assert [k for k, cut in enumerate(flags(role, "truncated")) if cut] == [11]
    given = [record(hour, "a")[0].observation for hour in range(1, 13)]
    given += [record(hour, "a", 2)[0].observation for hour in range(1, 25)]
    assert torch.equal(replay(role).rows(0, 0)["shapes"][0]["obs"][0], torch.stack(given))


def test_records_of_the_last_delivery_that_are_missing_do_not_end_the_episode() -> None:
    role, _ = new_role()
    given = records(range(1, 25))
    lacking = [r for r in given if not (r.unit_id == "b" and r.time == T0 + 24 * 3600)]
    role.handle_message((EpisodeStart(1, False), *lacking, EpisodeEnd(1, False)), META)
    assert role.incomplete == 1
    assert flags(role, "terminated") == [False] * 22
    assert flags(role, "truncated") == [False] * 21 + [True]


# --- the order of agents -------------------------------------------------------------------------


def test_agents_are_in_the_order_that_the_start_names_whoever_registers_first() -> None:
    role, wire = Learning(CONFIG, START, END, seed=3), Wire()
    role._context = wire
    role.setup()
    order = ("wide", "b", "a")
    role.handle_message((EpisodeStart(1, False, order), UpdateDue(T0, 0)), META)
    role.handle_message(REGISTRATIONS[:2], AWAY)
    assert wire.sent == []  # one is missing
    role.handle_message(REGISTRATIONS[2], BACK)
    assert [spec.unit_id for spec in role.learner.agents] == list(order)
    assert len(wire.of(UpdateDone)) == 1
    got = {a.protocol_addr[1] for m, a in wire.sent if isinstance(m, PolicyUpdate)}
    assert got == {1, 2}


# --- versions ------------------------------------------------------------------------------------


def acting_on(version: int, hours: range, episode: int) -> list[Any]:
    return [
        replace(r, version=version) if isinstance(r, Acted) else r for r in records(hours, episode)
    ]


def test_how_far_an_action_was_behind_is_recorded() -> None:
    role, wire = new_role(recorder=AgentAddress("here", "recorder"))
    play(role, 1)
    role.handle_message(EpisodeStart(2, False), META)
    version = wire.of(PolicyUpdate)[-1].version
    wire.sent.clear()
    role.handle_message(acting_on(version, range(1, 7), 2), META)
    role.handle_message(UpdateDue(T0 + 6 * 3600.0, 54), META)
    assert wire.of(PolicyUpdate)[-1].version == version + 1
    role.handle_message(acting_on(version, range(7, 13), 2), META)
    role.handle_message(UpdateDue(T0 + 12 * 3600.0, 108), META)
    rows = [r.columns for r in wire.of(Rows) if r.table == "rl_params"]
    behind = [columns.get("versions_behind") for columns in rows]
    assert behind[:2] == [None, None]
    assert [set(column) for column in behind[2:]] == [{1}, {1}]

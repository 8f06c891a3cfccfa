"""The Learning role: it stores, updates, publishes, keeps and loads."""

import asyncio
import dataclasses
import itertools
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_script import (
    BIDDER,
    CONFIG,
    END,
    LAYOUT,
    META,
    REGISTRATIONS,
    START,
    T0,
    UNITS,
    Notes,
    Script,
    new_role,
    play,
    record,
    records,
)
from mango import (
    AgentAddress,
    ExternalClock,
    activate,
    agent_composed_of,
    create_ec_container,
    create_tcp_container,
)
from mango.util.termination_detection import tasks_complete_or_sleeping

from assume_rl.agents.codec import make_codec
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    EpisodeEnd,
    EpisodeStart,
    ObsActRew,
    PolicyUpdate,
    RegisterUnit,
    Rows,
    UpdateDone,
    UpdateDue,
)
from assume_rl.agents.transport import Failures
from assume_rl.episodes.plan import posix, update_interval, update_times
from assume_rl.episodes.selection import Scores, Selection
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.types import Earnings, Joint


class Spy:
    """Notes the transitions that a role hands to its learner."""

    def __init__(self, role: Learning, monkeypatch: pytest.MonkeyPatch) -> None:
        self.joints: list[Joint] = []
        self.updates: list[float] = []
        observe, update = role.learner.observe, role.learner.update

        def spy_observe(joint: Joint) -> None:
            self.joints.append(joint)
            observe(joint)

        def spy_update(progress: float) -> Any:
            self.updates.append(progress)
            return update(progress)

        monkeypatch.setattr(role.learner, "observe", spy_observe)
        monkeypatch.setattr(role.learner, "update", spy_update)

    def content(self) -> dict[str, torch.Tensor]:
        """All stored rows, one after the other."""
        stored = {"terminated": torch.cat([joint.terminated[0] for joint in self.joints])}
        for g in range(len(self.joints[0].groups)):
            for name in ("obs", "action", "reward", "next_obs"):
                parts = [getattr(joint.groups[g], name)[0] for joint in self.joints]
                stored[f"{name}{g}"] = torch.cat(parts)
        return stored


def weights(role: Learning) -> list[torch.Tensor]:
    kinds = role.extract_actors_and_critics().values()
    return [w for units in kinds for state in units.values() for w in state.values()]


def assert_same_weights(one: Learning, other: Learning) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        assert torch.equal(a, b)


def content_of(monkeypatch: pytest.MonkeyPatch, **how: Any) -> dict[str, torch.Tensor]:
    role, _ = new_role()
    spy = Spy(role, monkeypatch)
    play(role, 1, **how)
    return spy.content()


# --- what is stored ------------------------------------------------------------------------------


def test_rows_hold_what_was_told_and_what_was_seen_next(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = content_of(monkeypatch)
    for g, units in enumerate((("a", "b"), ("wide",))):
        given = [[record(hour, unit) for unit in units] for hour in range(1, 25)]
        for i, (name, field) in enumerate(
            (("obs", "observation"), ("action", "action"), ("reward", "reward"))
        ):
            expected = [[getattr(r[i], field) for r in row] for row in given]
            got = stored[f"{name}{g}"]
            for row, values in enumerate(expected):
                for agent, value in enumerate(values):
                    assert torch.equal(got[row, agent], torch.as_tensor(value))
        assert torch.equal(stored[f"next_obs{g}"][:-1], stored[f"obs{g}"][1:])
        assert not stored[f"next_obs{g}"][-1].any()
    assert stored["terminated"].tolist() == [False] * 23 + [True]


@pytest.mark.parametrize("how", [{"shuffle": 1}, {"repeat": 3}, {"shuffle": 2, "repeat": 2}])
def test_order_and_repetition_of_messages_change_nothing(
    monkeypatch: pytest.MonkeyPatch, how: dict[str, int]
) -> None:
    plain, other = content_of(monkeypatch), content_of(monkeypatch, **how)
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_row_waits_for_the_next_observation(monkeypatch: pytest.MonkeyPatch) -> None:
    role, _ = new_role()
    spy = Spy(role, monkeypatch)
    role.handle_message(records(range(1, 4)), META)
    role.handle_message(UpdateDue(T0 + 6 * 3600.0, 27), META)
    assert len(spy.joints[0].terminated[0]) == 2
    role.handle_message(record(4, "a")[:1], META)  # only one of three agents
    role.handle_message(UpdateDue(T0 + 12 * 3600.0, 28), META)
    assert len(spy.joints) == 1
    role.handle_message([record(4, unit)[0] for unit in UNITS], META)
    role.handle_message(UpdateDue(T0 + 18 * 3600.0, 30), META)
    assert len(spy.joints[1].terminated[0]) == 1


def test_rows_that_lack_an_agent_are_counted_and_not_stored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    role, _ = new_role()
    spy = Spy(role, monkeypatch)
    given = [r for r in records(range(1, 7)) if not (r.unit_id == "b" and r.time == T0 + 3 * 3600)]
    role.handle_message(given, META)
    role.handle_message(EpisodeEnd(1, False), META)
    assert role.incomplete == 1
    assert "1 deliveries were not learned from" in caplog.text
    assert spy.content()["obs0"].shape[0] == 5


def test_two_different_records_of_one_delivery_are_refused() -> None:
    role, _ = new_role()
    role.handle_message(record(1, "a"), META)
    other = record(2, "a")[2]
    changed = type(other)(other.unit_id, T0 + 3600.0, other.reward, other.profit, other.regret)
    with pytest.raises(ConfigurationError, match="is an agent in each"):
        role.handle_message(changed, META)


def several(unit: str, hours: range) -> dict[str, list[torch.Tensor]]:
    """What a unit reports of some hours, as the field's lists."""
    given = [record(hour, unit) for hour in hours]
    return {
        "observation": [seen.observation for seen, _, _ in given],
        "action": [acted.action for _, acted, _ in given],
        "reward": [torch.tensor(got.reward) for _, _, got in given],
    }


@pytest.mark.parametrize("kind", [ObsActRew, dict])
@pytest.mark.parametrize("named", [("unit_id", "time"), ("unit_id",), ()])
def test_lists_of_several_deliveries_are_taken(
    monkeypatch: pytest.MonkeyPatch, kind: Callable[..., Any], named: tuple[str, ...]
) -> None:
    role, _ = new_role()
    for unit, registration in zip(UNITS, REGISTRATIONS, strict=True):
        role.handle_message(registration, {"sender_addr": "here", "sender_id": unit})
    spy = Spy(role, monkeypatch)
    role.handle_message(EpisodeStart(1, False), META)
    for hours in (range(1, 7), range(7, 25)):
        for unit in UNITS:
            times = tuple(T0 + 3600.0 * hour for hour in hours)
            names = {"unit_id": unit, "time": times}
            content = kind(**several(unit, hours), **{name: names[name] for name in named})
            role.handle_message(content, {"sender_addr": "here", "sender_id": unit})
    role.handle_message(EpisodeEnd(1, False), META)
    plain = content_of(monkeypatch)
    got = spy.content()
    assert plain.keys() == got.keys()
    assert all(torch.equal(plain[name], got[name]) for name in plain)


def test_lists_of_a_sender_with_several_units_must_name_one() -> None:
    role, _ = new_role()
    given = ObsActRew(**several("a", range(1, 3)))
    assert given["reward"] is given.reward
    with pytest.raises(ConfigurationError, match="which unit it is: 'bidder' has registered a, b"):
        role.handle_message(given, META)
    given.reward.pop()
    with pytest.raises(ConfigurationError, match=r"'a' reported different numbers .*: 2, 2, 2, 1"):
        role.handle_message(dataclasses.replace(given, unit_id="a"), META)


def test_mappings_are_taken_for_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = content_of(monkeypatch, hours=6)
    role, notes = Learning(CONFIG, START, END, seed=3), Notes()
    role._context = notes
    features = [dict(vars(feature)) for feature in LAYOUT.features]
    for unit, size in UNITS.items():
        layout = {"features": features}
        message = {"unit_id": unit, "layout": layout, "act_size": size}
        if unit == "a":
            message["earnings"] = {"least": -1.0, "most": 2.0, "decisions": 6}
        role.handle_message(message, META)
    spy = Spy(role, monkeypatch)
    for message in records(range(1, 7)):
        mapping = {k: v.tolist() if torch.is_tensor(v) else v for k, v in vars(message).items()}
        role.handle_message(mapping, META)
    role.handle_message(EpisodeEnd(1, False), META)
    assert all(torch.equal(value, plain[name]) for name, value in spy.content().items())
    assert role.learner.agents[0].earnings == Earnings(-1.0, 2.0, 6)


# --- when it updates -----------------------------------------------------------------------------


def test_updates_begin_after_the_initial_experience_and_follow_the_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role, _ = new_role({"episodes_collecting_initial_experience": 2})
    spy = Spy(role, monkeypatch)
    play(role, 1)
    play(role, 2)
    assert spy.updates == []
    play(role, 3)
    assert spy.updates == pytest.approx([0.875, 0.75, 0.625, 0.5])  # of two episodes that are left
    play(role, 4)
    assert len(spy.updates) == 8
    assert spy.updates[-1] == pytest.approx(0.0)


def test_an_update_waits_for_the_records_it_was_told_of() -> None:
    role, notes = new_role()
    given = records(range(1, 7))
    role.handle_message(given[:-1], META)
    role.handle_message(UpdateDue(T0 + 6 * 3600.0, len(given)), META)
    role.handle_message(given[0], META)  # a repeated record does not count
    assert notes.of(UpdateDone) == []
    role.handle_message(given[-1], META)
    assert [done.time for done in notes.of(UpdateDone)] == [T0 + 6 * 3600.0]


def test_a_later_request_takes_the_place_of_one_that_waits() -> None:
    role, notes = new_role()
    given = records(range(1, 7))
    due, other = UpdateDue(T0 + 6 * 3600.0, len(given) + 3), {**META, "sender_id": "other"}
    role.handle_message(given, META)
    role.handle_message(due, META)
    role.handle_message(due, other)
    role.handle_message(
        dataclasses.replace(due, records=len(given)), META
    )  # three of them never come
    assert notes.of(UpdateDone) == []  # the other one still waits
    role.handle_message(dataclasses.replace(due, records=len(given)), other)
    assert [done.records for done in notes.of(UpdateDone)] == [len(given)] * 2


def test_policies_are_sent_before_an_update_is_reported_done() -> None:
    role, notes = new_role()
    play(role, 1)
    notes.sent.clear()
    play(role, 2)
    kinds = [type(content) for content, _ in notes.sent]
    assert kinds == [PolicyUpdate, *[PolicyUpdate, UpdateDone] * 4]
    versions = [content.version for content, _ in notes.sent]
    assert versions == sorted(versions)
    for update, done in zip(notes.of(PolicyUpdate)[1:], notes.of(UpdateDone), strict=True):
        assert update.version == done.version


def test_update_policy_updates_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    role, _ = new_role()
    spy = Spy(role, monkeypatch)
    asyncio.run(role.update_policy())
    assert spy.updates == []  # nothing to learn from
    role.handle_message(records(range(1, 4)), META)
    asyncio.run(role.update_policy())
    assert len(spy.updates) == 1


def test_an_evaluation_leaves_the_training_as_it_is() -> None:
    role, notes = new_role()
    play(role, 1)
    before = weights(role)
    play(role, 1, evaluation=True)
    assert role.episodes_done == 1
    assert all(torch.equal(a, b) for a, b in zip(before, weights(role), strict=True))
    assert notes.of(PolicyUpdate)[-1].exploration.mode == "off"
    other, _ = new_role()
    play(other, 1)
    play(role, 2)
    play(other, 2)
    assert_same_weights(role, other)


def test_a_repeated_start_or_end_of_an_episode_changes_nothing() -> None:
    role, _ = new_role()
    role.handle_message([EpisodeStart(1, False), *records(range(1, 4))], META)
    role.handle_message(EpisodeStart(1, False), META)
    role.handle_message([EpisodeEnd(1, False)] * 2, META)
    assert role.episodes_done == 1
    assert role.scores is not None
    assert role.scores.profit == pytest.approx(3 * (10 + 20 + 30))


def test_exploration_is_random_then_noisy_and_decays() -> None:
    role, notes = new_role()
    for episode in (1, 2, 3):
        play(role, episode)
    explorations = [update.exploration for update in notes.of(PolicyUpdate)]
    modes = [mode for mode, _ in itertools.groupby(e.mode for e in explorations)]
    assert modes == ["initial", "noise"]
    scales = [e.scale for e in explorations if e.mode == "noise"]
    assert scales[0] == pytest.approx(0.1)  # start of episode 2
    assert scales == sorted(scales, reverse=True)
    assert scales[-1] == pytest.approx(0.1 / 3)  # two of three episodes are done


def test_initial_exploration_can_be_turned_off() -> None:
    role, notes = new_role()
    role.handle_message(EpisodeStart(1, False), META)
    role.turn_off_initial_exploration(["b"])
    assert notes.of(PolicyUpdate)[-1].experienced == ("b",)
    assert notes.of(PolicyUpdate)[-1].exploration.mode == "initial"
    role.turn_off_initial_exploration()
    assert notes.of(PolicyUpdate)[-1].exploration.mode == "noise"


# --- who is sent what ----------------------------------------------------------------------------


def test_an_agent_is_sent_the_policies_of_its_own_units_only() -> None:
    role, notes = Learning(CONFIG, START, END), Notes()
    role._context = notes
    role.handle_message(REGISTRATIONS[0], META)
    other = {"sender_addr": "here", "sender_id": "rival"}
    role.handle_message(REGISTRATIONS[1:], other)
    role.handle_message(EpisodeStart(1, False), META)
    got = {
        address.aid: [unit for stack in update.actors for unit in stack.unit_ids]
        for update, address in notes.sent
    }
    assert got == {"bidder": ["a"], "rival": ["b", "wide"]}


def test_published_policies_are_snapshots() -> None:
    role, notes = new_role()
    play(role, 1)
    sent = notes.of(PolicyUpdate)[-1].actors
    before = [w.clone() for stack in sent for w in stack.weights.values()]
    play(role, 2)
    after = [w for stack in sent for w in stack.weights.values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    newest = [w for s in notes.of(PolicyUpdate)[-1].actors for w in s.weights.values()]
    assert not any(torch.equal(a, b) for a, b in zip(before, newest, strict=True))


def test_a_unit_that_comes_back_is_sent_the_current_policy() -> None:
    role, notes = new_role()
    role.handle_message(EpisodeStart(1, False), META)
    notes.sent.clear()
    role.handle_message(REGISTRATIONS[0], META)
    [(update, address)] = notes.sent
    assert address == BIDDER
    assert {unit for stack in update.actors for unit in stack.unit_ids} == set(UNITS)


def test_units_that_register_together_are_answered_once() -> None:
    role, notes = new_role()
    role.create_actors_and_critics()
    role.handle_message(REGISTRATIONS, META)
    [(update, _)] = notes.sent
    assert {unit for stack in update.actors for unit in stack.unit_ids} == set(UNITS)


def test_units_that_cannot_learn_here_are_refused() -> None:
    role, _ = new_role()
    with pytest.raises(ConfigurationError, match=r"'a' is registered twice, .* sizes of actions$"):
        role.handle_message(RegisterUnit("a", LAYOUT, 2), META)
    with pytest.raises(ConfigurationError, match=r"twice, with different rungs, earnings$"):
        role.register("a", LAYOUT, 1, rungs=3, earnings=Earnings(-1.0, 1.0, 24))
    with pytest.raises(ConfigurationError, match="'wid' has not registered, did you mean 'wide'"):
        role.handle_message({**vars(record(1, "a")[2]), "unit_id": "wid"}, META)
    role.create_actors_and_critics()
    with pytest.raises(ConfigurationError, match="before the first episode starts"):
        role.register("late", LAYOUT, 1)


# --- what it reports -----------------------------------------------------------------------------


def test_rows_of_the_result_tables_go_to_the_recorder() -> None:
    role, notes = new_role(recorder=AgentAddress("here", "recorder"))
    play(role, 1)
    play(role, 2)
    rows = [message for message in notes.of(Rows) if message.table == "rl_params"]
    wide = [r.columns for r in rows if "actions_1" in r.columns]
    assert sum(len(columns["unit"]) for columns in wide) == 48
    first = record(1, "wide")
    assert wide[0]["datetime"][0] == np.datetime64("2019-01-01T01:00:00")
    assert wide[0]["actions_1"][0] == float(first[1].action[1])
    assert (wide[0]["reward"][0], wide[0]["profit"][0]) == (first[2].reward, first[2].profit)
    steps = [r.columns["step"] for r in notes.of(Rows) if r.table == "rl_grad_params"]
    assert np.concatenate(steps).tolist() == np.arange(8).repeat(3).tolist()


def test_scores_are_over_all_windows_of_the_evaluation() -> None:
    role, _ = new_role()
    play(role, 1)
    play(role, 1, evaluation=True, shuffle=4)
    given = [r for r in records(range(1, 25)) if hasattr(r, "reward")]
    assert role.evaluation_scores is not None
    assert role.evaluation_scores.reward == pytest.approx(sum(r.reward for r in given) / 3)
    assert role.evaluation_scores.profit == pytest.approx(sum(r.profit for r in given))
    assert role.evaluation_scores.regret == pytest.approx(72.0)


# --- what it keeps -------------------------------------------------------------------------------


def test_the_best_policies_are_kept_one_by_one(tmp_path: Path) -> None:
    role, _ = new_role(save_path=tmp_path)
    evaluations = [(1.0, 50.0, 9.0), (3.0, 40.0, 9.0), (3.0, 60.0, 4.0), (2.0, 10.0, 7.0)]
    kept: dict[str, list[torch.Tensor]] = {}
    for i, values in enumerate(evaluations):
        play(role, i + 1)
        now = role.extract_actors_and_critics()["actor"]["a"]["FC1.weight"]
        role.compare_and_save_policies(Scores(*values).merits)
        kept[str(i)] = now
    expected = {"best_reward": "1", "best_profit": "2", "best_regret": "2", "last": "3"}
    assert {folder.name for folder in tmp_path.iterdir()} == set(expected)
    for folder, evaluation in expected.items():
        [stack, _] = load_policies(tmp_path / folder).actors
        assert torch.equal(stack.module_state("a")["FC1.weight"], kept[evaluation])


def test_policies_are_compared_by_the_latest_evaluation(tmp_path: Path) -> None:
    role, _ = new_role(save_path=tmp_path)
    with pytest.raises(ConfigurationError, match="no evaluation"):
        role.compare_and_save_policies()
    play(role, 1, evaluation=True)
    assert role.compare_and_save_policies() is False
    assert (tmp_path / "best_reward" / "manifest.json").is_file()
    with pytest.raises(ConfigurationError, match="did you mean 'reward'"):
        role.compare_and_save_policies({"rewad": 1.0})


def test_training_stops_early_once_the_mean_reward_has_settled() -> None:
    selection = Selection(window=3, threshold=0.05)
    rewards = [0.0, 10.0, 20.0, 30.0, 30.0, 30.0, 30.0, 30.0]
    # means of three: 10, 20, 26.7, 30, 30, 30; the last three are equal
    assert [selection.settled(r) for r in rewards] == [False] * 7 + [True]


def test_a_change_at_the_threshold_goes_on() -> None:
    selection = Selection(window=1, threshold=0.05)
    assert selection.settled(-5.0)  # of one mean there is no change
    pair = Selection(window=2, threshold=0.5)
    assert [pair.settled(r) for r in (2.0, 2.0, 4.0)] == [False, False, False]  # 2 to 3: 50 %


# --- files ---------------------------------------------------------------------------------------


def test_saved_and_loaded_networks_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    role, _ = new_role()
    play(role, 1)
    play(role, 2)
    role.save_params(tmp_path)
    other, notes = new_role()
    other.load_params(tmp_path)  # before its networks exist
    other.handle_message(EpisodeStart(1, False), META)
    assert_same_weights(role, other)
    assert notes.of(PolicyUpdate)[-1].experienced == ("a", "b", "wide")
    for one, two in zip(role.learner.nets["critic"], other.learner.nets["critic"], strict=True):
        assert one.optimizer.step > 0
        assert torch.equal(one.optimizer.step, two.optimizer.step)
        for name, moment in one.optimizer.moments.items():
            assert torch.equal(moment.buffer, two.optimizer.moments[name].buffer)


def test_a_changed_fleet_takes_over_what_fits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    role, _ = new_role()
    play(role, 1)
    play(role, 2)
    role.save_params(tmp_path)
    other, notes = Learning(CONFIG, START, END, seed=9), Notes()
    other._context = notes
    other.handle_message([RegisterUnit("new", LAYOUT, 1), REGISTRATIONS[0]], META)
    other.load_params(tmp_path)
    mine, theirs = other.extract_actors_and_critics(), role.extract_actors_and_critics()
    assert torch.equal(mine["actor"]["a"]["FC2.weight"], theirs["actor"]["a"]["FC2.weight"])
    bias = "q1_layers.0.bias"
    assert torch.equal(mine["critic"]["a"][bias], theirs["critic"]["a"][bias])
    assert "1 (new) not saved there" in caplog.text


@pytest.mark.parametrize("normalise", [(), ("observations", "critic_input", "values")])
def test_weights_move_between_roles(normalise: tuple[str, ...]) -> None:
    config = {**CONFIG, "normalise": normalise}
    role, _ = new_role(config)
    play(role, 1)
    play(role, 2)
    other = Learning(config, START, END, seed=9)
    for unit, size in UNITS.items():
        other.register(unit, LAYOUT, size)
    other.create_actors_and_critics(role.extract_actors_and_critics())
    assert_same_weights(role, other)
    for mine, theirs in zip(role.create_actors(), other.create_actors(), strict=True):
        assert all(torch.equal(w, theirs.weights[name]) for name, w in mine.weights.items())


def test_a_run_goes_on_from_its_state() -> None:
    role, _ = new_role()
    play(role, 1)
    play(role, 2)
    other, _ = new_role()
    other.load_state_dict(role.state_dict())
    play(role, 3)
    play(other, 3)
    assert_same_weights(role, other)


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    role, _ = new_role()
    role.create_actors_and_critics()
    for any_role in (role, new_role()[0]):  # with and without networks
        with pytest.raises(PolicyError, match=r"does not exist.*'last' and 'best_reward'"):
            any_role.load_params(tmp_path / "nowhere")
    role.save_critic_params(tmp_path)
    assert role.load_obj(tmp_path)["agents"][2][:2] == ("wide", (3, 2, 1))


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train_freq", "days", "hours"),
    [("100h", 30, 90), ("36h", 4, 32), ("24h", 30, 24), ("1d", 1, 24), ("15min", 1, 0.25)],
)
def test_train_freq_divides_the_horizon(train_freq: str, days: int, hours: float) -> None:
    assert update_interval(train_freq, days * 86400) == hours * 3600


def test_updates_are_due_up_to_and_with_the_end(caplog: pytest.LogCaptureFixture) -> None:
    assert update_times(100, 400, 100) == (200, 300, 400)
    assert update_times(100, 399, 100) == (200, 300)
    with pytest.raises(ConfigurationError, match="longer than the simulated 24 h"):
        update_interval("2d", 86400)
    role = Learning(CONFIG | {"train_freq": "5h"}, START, END)
    assert role.plan.update_times[0] == T0 + 4 * 3600
    assert "using 4 h" in caplog.text


def test_naive_dates_are_utc() -> None:
    assert posix(START) == T0 == posix(START.replace(tzinfo=UTC))
    assert posix(datetime(2019, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == T0


def test_the_algorithm_is_chosen_before_networks_exist() -> None:
    role, _ = new_role()
    with pytest.raises(ConfigurationError, match="did you mean 'matd3'"):
        role.create_learning_algorithm("matd")
    role.create_learning_algorithm("maddpg")
    assert role.config.algorithm == "maddpg"
    assert role.create_critics()[0].critics == 1
    assert role.create_actors()[0].unit_ids == ("a", "b")
    with pytest.raises(ConfigurationError, match="before the networks are created"):
        role.create_learning_algorithm("matd3")


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'gamma'"):
        Learning({"gama": 0.9}, START, END)
    assert Learning(LearningConfig(), START, END).config == LearningConfig()


# --- in mango ------------------------------------------------------------------------------------


async def live(role: Learning, episode: int) -> None:
    """An episode in a fresh container, in which nobody asks for updates."""
    clock = ExternalClock(start_time=T0)
    container = create_ec_container(addr="here", clock=clock, codec=make_codec())
    address = container.register(agent_composed_of(role)).addr
    script = Script()
    script.learning = address
    container.register(agent_composed_of(script), suggested_aid="bidder")
    async with activate(container):
        await script.send((*REGISTRATIONS, EpisodeStart(episode, False)))
        for hour in range(1, 25):
            if hour > 1:
                await script.send(tuple(records(range(hour - 1, hour), episode)))
            await tasks_complete_or_sleeping(container)
            clock.set_time(T0 + 3600 * hour)
            await tasks_complete_or_sleeping(container)
        await script.send((*records(range(24, 25), episode), EpisodeEnd(episode, False)))
        await tasks_complete_or_sleeping(container)
        assert script.policy is not None


def test_the_role_keeps_its_own_schedule_in_every_new_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role, _ = new_role()
    spy = Spy(role, monkeypatch)
    for episode in (1, 2, 3):
        asyncio.run(live(role, episode))
    assert role.episodes_done == 3
    assert len(spy.updates) == 2 * 4
    assert spy.content()["terminated"].sum() == 3
    assert len(spy.content()["terminated"]) == 3 * 24


def test_a_failure_is_kept_where_the_simulation_asked_for_it() -> None:
    failures = Failures()
    role = Learning(CONFIG, START, END, failures=failures)

    async def fail() -> None:
        container = create_ec_container(addr="here", clock=ExternalClock(start_time=T0))
        script = Script()
        script.learning = container.register(agent_composed_of(role)).addr
        container.register(agent_composed_of(script))
        async with activate(container):
            await script.send(record(1, "a"))
            await tasks_complete_or_sleeping(container)

    asyncio.run(fail())
    with pytest.raises(ConfigurationError, match="'a' has not registered"):
        failures.raise_first()


async def train(containers: int) -> Learning:
    """Two episodes over TCP, the Learning role in the script's container or in one of its own."""
    role, script = Learning(CONFIG, START, END, seed=3), Script()
    places = []
    for _ in range(containers):
        clock = ExternalClock(start_time=T0)  # it never moves: the script asks for the updates
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = ("127.0.0.1", port)
        places.append(create_tcp_container(addr=address, codec=make_codec(), clock=clock))
    agent = places[-1].register(agent_composed_of(role))
    places[0].register(agent_composed_of(script))
    async with activate(*places):
        script.learning = agent.addr
        for episode in (1, 2):
            await script.play(episode)
    return role


def test_a_role_in_another_container_learns_the_same_weights() -> None:
    together, apart = asyncio.run(train(1)), asyncio.run(train(2))
    assert together.episodes_done == apart.episodes_done == 2
    fresh = Learning(CONFIG, START, END, seed=3)
    for unit, size in UNITS.items():
        fresh.register(unit, LAYOUT, size)
    assert_same_weights(together, apart)
    moved = zip(weights(fresh), weights(together), strict=True)
    assert not all(torch.equal(a, b) for a, b in moved)


# --- messages out of turn ------------------------------------------------------------------------


def unregistered() -> tuple[Learning, Notes]:
    role, notes = Learning(CONFIG, START, END, seed=3), Notes()
    role._context = notes
    role.setup()
    return role, notes


@pytest.mark.parametrize("first", [record(1, "a")[0], UpdateDue(T0, 0)])
def test_units_that_register_one_by_one_after_the_start_are_answered(first: Any) -> None:
    role, notes = unregistered()
    for message in (EpisodeStart(1, False), *REGISTRATIONS):
        role.handle_message(message, META)
    assert notes.of(PolicyUpdate) == []
    role.handle_message(first, META)
    (update,) = notes.of(PolicyUpdate)
    assert {u for stack in update.actors for u in stack.unit_ids} == set(UNITS)


def test_a_start_told_again_after_the_end_opens_nothing() -> None:
    role, _ = new_role()
    for number, evaluation in ((1, False), (1, True), (2, False)):
        play(role, number, evaluation=evaluation)
        scores = role.scores
        for message in (EpisodeStart(number, evaluation), EpisodeEnd(number, evaluation)):
            role.handle_message(message, META)
        assert role.scores is scores
    assert role.episodes_done == 2


def test_a_state_tells_who_skips_the_random_start() -> None:
    role, _ = new_role()
    role.turn_off_initial_exploration(["b"])
    role.turn_off_initial_exploration()
    other, notes = new_role()
    other.load_state_dict(role.state_dict())
    other.handle_message(EpisodeStart(1, False), META)
    update = notes.of(PolicyUpdate)[-1]
    assert (update.exploration.mode, update.experienced) == ("noise", ("b",))


def test_critics_of_another_algorithm_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    role, _ = new_role({"algorithm": "maddpg"})
    role.save_params(tmp_path)
    other, _ = new_role()
    before = other.extract_actors_and_critics()["critic"]
    other.load_params(tmp_path)
    after = other.extract_actors_and_critics()["critic"]
    assert all(torch.equal(w, after[u][n]) for u in before for n, w in before[u].items())
    assert "trainer_state.safetensors' not used: they are of maddpg" in caplog.text
    assert load_policies(tmp_path).manifest.extra["max_bid_price"] == 100.0

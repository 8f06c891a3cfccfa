"""Whoever plays for a training, however slow or mortal: its results are the same."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from playing import CPU, Training, Workers, same, stage_of, trained

from assume_rl.errors import ConfigurationError, ResultsError, SettingError
from assume_rl.experiments.collection.collector import cuts
from assume_rl.experiments.collection.local import Local
from assume_rl.experiments.collection.orders import Order
from assume_rl.experiments.collection.players import player_of
from assume_rl.experiments.collection.workers import Workers as Elsewhere
from assume_rl.experiments.collection.workers import opened
from assume_rl.experiments.train import train
from assume_rl.learning.acting import Acting
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import OFF
from assume_rl.learning.learner import Learner

pytestmark = pytest.mark.unchecked


def state(training: Training) -> Any:
    """All that a learner knows, transitions in their order included."""
    return training.learner.state_dict()


def alone(**settings: Any) -> Any:
    """The same of a training that is played in one process."""
    key = repr(settings)
    if key not in FOUND:
        stage = stage_of(**settings)
        FOUND[key] = state(trained(stage, Local(player_of(stage))))
    return FOUND[key]


FOUND: dict[str, Any] = {}
AGENTS = {
    "engine": "agents",
    "num_envs": 3,
    "max_staleness": 2,
    "normalise": ["observations"],
}


@pytest.mark.parametrize(
    ("workers", "settings"),
    [
        (3, {"num_envs": 3, "normalise": ["observations"]}),
        (3, {"max_staleness": 9}),
        pytest.param(2, {"num_envs": 3, "actor_architecture": "gru"}, marks=pytest.mark.slow),
        pytest.param(2, {}, marks=pytest.mark.slow),
        pytest.param(2, {"num_envs": 2, "max_staleness": 1}, marks=pytest.mark.slow),
        (3, AGENTS),
        pytest.param(
            3,
            {"engine": "agents", "max_staleness": 9, "algorithm": "masac"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            2,
            {"engine": "agents", "num_envs": 2, "actor_architecture": "gru"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_workers_teach_what_one_process_learns(workers: int, settings: dict[str, Any]) -> None:
    stage = stage_of(**settings)
    pool = Workers(stage, workers)
    assert same(state(trained(stage, pool)), alone(**settings))
    assert {worker for worker, _, _ in pool.sent} == set(range(workers))
    assert len(pool.taken) == len(set(pool.taken)) == len(pool.sent)


def test_workers_play_for_several_seeds() -> None:
    together = trained(stage_of(seeds=(1, 2), num_envs=2), workers=2)
    single = trained(stage_of(seeds=(2,), num_envs=2), workers=2)
    ours, theirs = single.learner.state_of(0), together.learner.state_of(1)
    assert same(ours["networks"], theirs["networks"])


@pytest.mark.parametrize(
    ("befalls", "settings"),
    [
        ({"dies": {(0, 3), (1, 0)}}, {"num_envs": 3}),
        ({"dies": {(0, 3), (1, 0)}}, {"max_staleness": 6}),
        ({"dies": {(0, 3), (1, 0)}}, AGENTS),
        ({"stale": {(1, 2)}}, {"max_staleness": 6}),
        ({"slow": 0}, {"max_staleness": 6}),
    ],
)
def test_what_befalls_workers_changes_nothing(
    befalls: dict[str, Any], settings: dict[str, Any]
) -> None:
    stage = stage_of(**settings)
    pool = Workers(stage, 2, **befalls)
    assert same(state(trained(stage, pool)), alone(**settings))
    lost = befalls.get("dies", befalls.get("stale", set()))
    assert sorted(pool.renewed) == sorted(worker for worker, _ in lost)
    assert len(pool.taken) == len(set(pool.taken))  # each piece once, however often it was played


def test_a_part_that_costs_three_workers_ends_the_training_in_one_sentence() -> None:
    stage = stage_of(num_envs=2)
    # The first wave is one episode, of the first worker; the second one's parts are of both.
    pool = Workers(stage, 2, dies={(1, 0), (1, 1), (1, 2)})
    with pytest.raises(ResultsError, match=r"^3 rollout workers were lost while they played the "):
        trained(stage, pool)
    assert pool.renewed == [1, 1]


@pytest.mark.parametrize("bound", [0, 1, 5])
def test_staleness_is_bounded_and_used(bound: int) -> None:
    training = trained(stage_of(max_staleness=bound), workers=2)
    assert max(training.stale) == bound
    rises = [later - earlier for earlier, later in pairwise(training.stale)]
    assert max(rises, default=0) <= 1


def test_workers_that_may_be_ahead_begin_the_next_episodes() -> None:
    def order_of(bound: int) -> list[int]:
        stage = stage_of(max_staleness=bound)
        pool = Workers(stage, 2)
        training = Training(stage, pool)
        next(iter(training.collector.wave(range(1, 2), training.learner.light)))
        return [part.wave.start for _, part, _ in pool.sent]

    assert order_of(0) == [1]
    assert order_of(4) == [1, 1, 1, 1, 1, 2]  # up to the last update, and all on its policies


@pytest.mark.parametrize("bound", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_training_that_resumes_plays_on_the_policies_of_one_that_did_not_stop(
    bound: int,
) -> None:
    stage = stage_of(max_staleness=bound, seeds=(1, 2))
    whole = trained(stage, workers=2)
    before = Training(stage, Workers(stage, 2)).go(last=3)
    states = [before.collector.state_of(k, before.scratch()) for k in range(2)]
    assert [len(own["policies"]) for own in states] == [bound, bound]
    after = Training(stage, Workers(stage, 3))
    after.learner.load_state_dict(before.learner.state_dict())
    after.collector.load(states, after.scratch())
    assert same(state(after.go(first=4)), state(whole))


def test_an_order_out_of_turn_is_refused() -> None:
    stage = stage_of()
    learner = Learner(stage.task.config, stage.agents, seeds=stage.seeds, device=CPU)
    pool = Workers(stage, 1)
    Training(stage, pool).go(last=1)
    _, part, _ = pool.sent[0]
    player = player_of(stage)
    player.play(Order(part, 0, 0, OFF), learner.light())
    with pytest.raises(ValueError, match="order 2 comes after 1"):
        player.play(Order(part, 2, 0, OFF), learner.light())


@pytest.mark.parametrize(
    ("copies", "workers", "ends"),
    [(1, 3, [1]), (3, 2, [1, 3]), (128, 2, [64, 128]), (200, 2, [128, 200]), (100, 2, [50, 100])],
)
def test_waves_are_cut_between_blocks_where_there_are_enough(
    copies: int, workers: int, ends: list[int]
) -> None:
    assert cuts(copies, workers) == [0, *ends]


# --- light policies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalise": ["observations"]},
        {"actor_architecture": "gru"},
        {"parameter_sharing": "bidder"},
    ],
)
def test_light_policies_act_like_their_learner(settings: dict[str, Any]) -> None:
    stage = stage_of("ten_learners", **settings)
    config = stage.task.config
    learner = Learner(config, stage.agents, seeds=(5,), device=CPU)
    acting = Acting(config, stage.agents, seeds=(5,), device=CPU)
    acting.adopt(learner.light())
    obs = [torch.rand(1, 3, len(g.specs), g.obs_size) for g in learner.groups]
    ours, theirs = (own.step(obs, own.memories(3)) for own in (acting, learner))
    assert same(ours, theirs)
    assert same(acting.policies().parts, learner.light().parts)


def test_light_policies_weigh_a_small_part_of_a_learner() -> None:
    stage = stage_of("ten_learners", actor_hidden=None, critic_hidden=None)
    learner = Learner(stage.task.config, stage.agents, seeds=(5,), device=CPU)
    nets = learner.all_nets()
    flats = [flat for net in nets for flat in (net.online, net.target) if flat is not None]
    moments = [flat for net in nets for flat in net.optimizer.moments.values()]
    whole = sum(flat.buffer.nbytes for flat in (*flats, *moments))
    actors = sum(net.online.buffer.nbytes for net in learner.nets["actor"])
    assert learner.light().nbytes == actors
    assert learner.light().nbytes < 0.08 * whole


# --- what is refused -----------------------------------------------------------------------------


def test_stale_policies_are_not_for_algorithms_that_learn_from_the_latest() -> None:
    with pytest.raises(ConfigurationError, match="max_staleness is for algorithms with a replay"):
        LearningConfig.from_mapping({"algorithm": "mappo", "max_staleness": 1})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rollout_workers": 0}, "rollout workers must be at least 1, got 0"),
        ({"address": "auto"}, "no rollout workers to be at the address 'auto'"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(
    options: dict[str, Any], sentence: str, tmp_path: Any
) -> None:
    scenario = stage_of().task.compiled.scenario
    with pytest.raises((ConfigurationError, SettingError), match=sentence):
        train(scenario, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_without_ray_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with (
        pytest.raises(
            ConfigurationError,
            match=r"--rollout-workers needs Ray, .* pip install",
        ),
        opened(Elsewhere(2), stage_of().task),
    ):
        pass

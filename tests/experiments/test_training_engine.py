"""Training on both shells: the same learning, one seed or several."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trained_runs import Trained, table, tiny

from assume_rl.errors import ConfigurationError, ResultsError, ScenarioError
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.run import run
from assume_rl.experiments.train import TrainResult, train, train_seeds
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.compile.compiled import compile_scenario


def last_weights(result: TrainResult) -> list[torch.Tensor]:
    loaded = load_policies(result.folder / "policies" / "last")
    return [w for stack in loaded.actors for w in stack.weights.values()]


def manifest(result: TrainResult) -> dict[str, object]:
    content: dict[str, object] = json.loads((result.folder / "manifest.json").read_text())
    return content


def lines(result: TrainResult) -> list[dict[str, object]]:
    text = (result.folder / "metrics.jsonl").read_text()
    return [{k: v for k, v in json.loads(t).items() if k != "seconds"} for t in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("single_learner", {}),
        pytest.param(
            "single_learner",
            {
                "num_envs": 2,
                "update_ratio": 0.5,
                "max_staleness": 3,
                "validation_episodes_interval": 2,
                "training_episodes": 4,
            },
            marks=pytest.mark.unchecked,
        ),
        # Many learners do the same in test_fleets.py.
        pytest.param("ten_learners", {}, marks=[pytest.mark.unchecked, pytest.mark.slow]),
    ],
)
def test_both_engines_learn_the_same(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    settings = {"training_episodes": 3} | settings
    overrides = {f"learning_config.{key}": value for key, value in settings.items()}
    results = [
        train(tiny(name, **overrides), engine=engine, out=tmp_path / engine)
        for engine in ("agents", "batch")
    ]
    agents, batch = results
    assert (agents.engine, batch.engine) == ("agents", "batch")
    assert max(report.staleness or 0 for report in batch.episodes) == settings.get(
        "max_staleness", 0
    )
    for one, other in zip(agents.episodes, batch.episodes, strict=True):
        assert one.staleness == other.staleness
        assert (one.episode, one.evaluation) == (other.episode, other.evaluation)
        assert one.reward == pytest.approx(other.reward, abs=1e-4)
        assert one.profit == pytest.approx(other.profit, rel=1e-4)
    for a, b in zip(last_weights(agents), last_weights(batch), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert batch.last.reward == pytest.approx(agents.last.reward, abs=1e-4)
    rows = table(agents.folder, "rl_params")
    trained = rows[rows["evaluation_mode"] == 0].groupby(["episode", "unit"]).size()
    assert set(trained) == {5}  # deliveries of six hours
    assert len(trained) == settings["training_episodes"] * rows["unit"].nunique()


@pytest.mark.unchecked
def test_auto_trains_on_the_batch_engine_and_runs_on_agents(tmp_path: Path) -> None:
    result = train(tiny("single_learner"), out=tmp_path / "train")
    assert manifest(result)["engine"] == result.engine == "batch"
    played = run(tiny("single_learner"), policies=result.folder, out=tmp_path / "run")
    assert json.loads((played.folder / "manifest.json").read_text())["engine"] == "agents"


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "name", ["single_learner", pytest.param("ten_learners", marks=pytest.mark.slow)]
)
def test_seeds_side_by_side_give_what_each_gives_alone(name: str, tmp_path: Path) -> None:
    seeds = [5, 6]
    scenario = tiny(name, **{"learning_config.num_envs": 2})
    together = train_seeds(scenario, seeds=seeds, out=tmp_path / "together")
    assert [result.seed for result in together] == seeds
    assert [result.folder.name for result in together] == ["seed_5", "seed_6"]
    for seed, result in zip(seeds, together, strict=True):
        alone = train(scenario, seed=seed, out=tmp_path / f"alone_{seed}")
        assert lines(alone) == lines(result)
        for a, b in zip(last_weights(alone), last_weights(result), strict=True):
            assert torch.equal(a, b)
        assert manifest(alone)["final_hash"] == manifest(result)["final_hash"]


@pytest.mark.slow
@pytest.mark.unchecked
def test_a_seed_that_has_settled_leaves_the_tables_that_it_leaves_alone(tmp_path: Path) -> None:
    settings = {
        "learning_config.training_episodes": 8,
        "learning_config.early_stopping_steps": 2,
        "learning_config.early_stopping_threshold": 0.05,
    }
    scenario = tiny("single_learner", **settings)
    seeds = [1, 2, 3, 4]
    together = train_seeds(scenario, seeds=seeds, out=tmp_path / "together")
    alone = [train(scenario, seed=seed, out=tmp_path / str(seed)) for seed in seeds]
    for name in ("rl_params", "rl_grad_params"):
        sizes = [[len(table(r.folder, name)) for r in results] for results in (together, alone)]
        assert sizes[0] == sizes[1]
    assert len({len(result.episodes) for result in alone}) > 1  # some settled before others


@pytest.mark.unchecked
def test_seeds_on_agents_train_one_after_the_other(tmp_path: Path) -> None:
    results = train_seeds(tiny("single_learner"), seeds=[1, 2], engine="agents", out=tmp_path)
    assert [manifest(result)["seed"] for result in results] == [1, 2]
    assert results[0].last.reward != results[1].last.reward


@pytest.mark.unchecked
def test_seeds_share_a_database_under_names_of_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    train_seeds(tiny("single_learner"), seeds=[1, 2], out=tmp_path, db=url)
    names = table(tmp_path, "runs")["simulation"].tolist()
    assert names == ["single_learner_tiny_seed_1", "single_learner_tiny_seed_2"]


@pytest.mark.unchecked
def test_seeds_are_not_put_beside_another_run(tmp_path: Path) -> None:
    train(tiny("single_learner"), out=tmp_path)
    with pytest.raises(ResultsError, match="holds another run, not seeds"):
        train_seeds(tiny("single_learner"), seeds=[1, 2], out=tmp_path)
    assert not (tmp_path / "seed_1").exists()


@pytest.mark.parametrize("seeds", [[], [3, 3]])
def test_seeds_must_be_different_numbers(seeds: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="seeds must be different numbers"):
        train_seeds(tiny("single_learner"), seeds=seeds)


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "ratio", [0.1, 2.0, *(pytest.param(r, marks=pytest.mark.slow) for r in (0.5, 1.0))]
)
def test_updates_keep_their_ratio_to_transitions(ratio: float, tmp_path: Path) -> None:
    settings = {
        "learning_config.num_envs": 2,
        "learning_config.update_ratio": ratio,
        "learning_config.training_episodes": 4,
        "learning_config.validation_episodes_interval": 2,
        "learning_config.episodes_collecting_initial_experience": 1,
    }
    result = train(tiny("single_learner", **settings), out=tmp_path)
    steps = table(result.folder, "rl_grad_params")["step"].tolist()
    # Three episodes learn, one alone and two side by side, with 2 updates of 2 gradient steps each.
    assert steps == list(range(int(3 * 2 * 2 * ratio)))  # 0.1: 1.2 iterations are due


@pytest.mark.unchecked
def test_a_training_on_parts_of_the_calendar(tmp_path: Path) -> None:
    settings = {
        "end_date": "2019-03-06 00:00",
        "learning_config.episode_length": "6h",
        "learning_config.train_freq": "3h",
        "learning_config.num_envs": 4,
        "learning_config.training_episodes": 12,
        "learning_config.validation_episodes_interval": 4,
        "learning_config.episodes_collecting_initial_experience": 4,
    }
    result = train(tiny("single_learner", **settings), out=tmp_path / "out")
    trained = [report for report in result.episodes if not report.evaluation]
    assert [report.episode for report in trained] == list(range(1, 13))
    assert len({report.reward for report in trained}) > 8
    evaluated = table(result.folder, "rl_params")
    assert set(evaluated.groupby("episode").size()) == {47}  # all of the calendar
    with pytest.raises(ConfigurationError, match=r"episode_length: is 6h.*batch engine"):
        train(tiny("single_learner", **settings), engine="agents", out=tmp_path / "agents")
    odd = settings | {"learning_config.episode_length": "90min"}
    with pytest.raises(ConfigurationError, match="not a multiple of time_step, which is 3600 s"):
        train(tiny("single_learner", **odd), out=tmp_path / "odd")
    long = settings | {"learning_config.episode_length": "7d"}
    with pytest.raises(ConfigurationError, match="longer than the simulated 48 h"):
        train(tiny("single_learner", **long), out=tmp_path / "long")


def test_a_part_that_is_not_supported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_scenario(tiny("single_learner"))
    monkeypatch.setattr("assume_rl.experiments.engine_choice.unsupported", lambda _: "no fairies")
    name, notes = choose_engine("auto", compiled, default="batch")
    assert name == "agents"
    assert len(notes) == 1
    assert "no fairies" in notes[0]
    assert choose_engine("agents", compiled, default="batch") == ("agents", ())
    with pytest.raises(ConfigurationError, match="no fairies"):
        choose_engine("batch", compiled, default="agents")


@pytest.mark.unchecked
def test_more_copies_than_fit_between_evaluations_are_told(tmp_path: Path) -> None:
    scenario = tiny("single_learner", **{"learning_config.num_envs": 8})
    result = train(scenario, out=tmp_path)
    assert any("of 8 only 1 are used" in warning for warning in result.warnings)


@pytest.mark.unchecked
def test_runs_and_evaluations_are_the_same_on_both_engines(ten: Trained, tmp_path: Path) -> None:
    for experiment in (run, evaluate):
        tables = []
        for engine in ("agents", "batch"):
            out = tmp_path / experiment.__name__ / engine
            experiment(ten.scenario, policies=ten.folder, engine=engine, out=out)
            orders = table(out, "market_orders")
            tables.append(orders.sort_values(["start_time", "unit_id", "bid_id"]))
        for column in ("price", "volume", "accepted_price", "accepted_volume"):
            # Networks are float32: alone and in a batch their last bits differ.
            a, b = (frame[column].to_numpy() for frame in tables)
            assert a == pytest.approx(b, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"num_envs": 10**9, "validation_episodes_interval": 10**9, "training_episodes": 10**10},
            r"num_envs 10{9} needs about [\d.]+ GB, but cpu has .* num_envs \d+ would fit",
        ),
        ({"replay_buffer_size": 10**11}, "1 learners with critic concat need .* smaller .*replay"),
        ({"actor_hidden": [10**6, 10**6]}, "are for networks; set smaller .*actor_hidden"),
        ({"batch_size": 10**12}, "batches of an update; set a smaller .*batch_size, 10{12} now"),
        ({"gradient_steps": 10**12}, "or fewer gradient_steps, 10{12} now"),
    ],
)
def test_a_training_too_large_for_memory_is_refused_before_anything_is_written(
    settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    scenario = tiny("single_learner", **{f"learning_config.{k}": v for k, v in settings.items()})
    engines: list[EngineName] = ["batch"] if "num_envs" in settings else ["batch", "agents"]
    for engine in engines:
        with pytest.raises(ConfigurationError, match=sentence):
            train(scenario, engine=engine, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "most"),
    [
        ("learning_config.actor_hidden", 10**6),
        ("learning_config.replay_buffer_size", 10**12),
        ("learning_config.num_envs", 10**12),
        ("learning_config.n_step", 10**4),
        ("learning_config.update_ratio", 10**12),
        ("bidding_strategy_params.foresight", 10**5),
    ],
)
def test_sizes_that_no_computer_has_are_refused_where_they_stand(key: str, most: int) -> None:
    value = [10**30] if key.endswith("hidden") else 10**30
    with pytest.raises(ScenarioError, match=f"{key}.*: should be less than or equal to {most}, "):
        tiny("single_learner", **{key: value})

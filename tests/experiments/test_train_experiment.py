"""What a training does, leaves behind and refuses."""

import json
import sqlite3

import pytest

from assume_rl import ConfigurationError, load_scenario, train
from assume_rl.learning.checkpoint import load_policies


def rows(result, query):
    with sqlite3.connect(result.folder / "results.db") as database:
        return database.execute(query).fetchall()


def test_episodes_and_evaluations_follow_the_schedule(trained):
    # 4 episodes, 1 of them initial experience, an interval of 2: the first evaluation is after 4.
    happened = [(r.episode, r.evaluation) for r in trained.episodes]

    assert happened == [(1, False), (2, False), (3, False), (4, False), (1, True)]


def test_the_folder_holds_everything(trained):
    names = {path.name for path in trained.folder.iterdir()}
    policies = {path.name for path in (trained.folder / "policies").iterdir()}

    assert names >= {"results.db", "policies", "metrics.jsonl", "manifest.json"}
    assert policies == {"best_reward", "best_profit", "best_regret", "last"}


def test_the_manifest_tells_what_was_run(trained, tiny):
    manifest = json.loads((trained.folder / "manifest.json").read_text())

    assert manifest["state"] == "finished"
    assert manifest["seed"] == tiny.config.seed
    assert manifest["case"] == "tiny"
    assert manifest["configuration"]["learning_config"]["gamma"] == tiny.learning.gamma
    assert len(manifest["configuration_hash"]) == 64
    assert manifest["versions"].keys() >= {"python", "torch", "assume-rl"}


def test_metrics_has_a_line_per_episode(trained):
    text = (trained.folder / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]

    assert [(x["episode"], x["evaluation"]) for x in lines] == [
        (r.episode, r.evaluation) for r in trained.episodes
    ]
    assert all({"reward", "profit", "regret", "seconds"} <= line.keys() for line in lines)


def test_the_observer_hears_of_every_episode(trained, watcher):
    assert watcher.episodes == 4
    assert tuple(watcher.reports) == trained.episodes
    assert 0.0 <= min(watcher.shares) <= max(watcher.shares) <= 1.0


def test_markets_are_recorded_once_and_learning_in_every_episode(trained):
    hours = rows(trained, "select count(*), count(distinct product_start) from market_meta")
    episodes = rows(trained, "select distinct episode from rl_params where not evaluation_mode")

    assert hours == [(47, 47)]
    assert sorted(e for (e,) in episodes) == [1, 2, 3, 4]
    assert rows(trained, "select count(*) from rl_grad_params where critic_loss is null") == [(0,)]
    assert rows(trained, "select state from runs") == [("finished",)]


def test_the_same_seed_gives_the_same_policies_and_another_does_not(trained, tiny, tmp_path):
    again = train(tiny, out=tmp_path / "again")
    other = train(tiny, out=tmp_path / "other", seed=7)

    first, second, third = (
        load_policies(r.folder / "policies" / "last").actors[0].weights["FC1.weight"]
        for r in (trained, again, other)
    )
    assert (first == second).all()
    assert (first != third).any()


def test_it_goes_on_from_saved_policies(trained, tiny, tmp_path):
    settings = {
        "learning_config.continue_learning": True,
        "learning_config.learning_rate": 1e-12,
        "learning_config.tau": 0.0,
    }
    scenario = load_scenario(tiny.folder, "tiny", overrides=settings)

    result = train(scenario, policies=trained.folder, out=tmp_path / "more")

    before, after = (
        load_policies(r.folder / "policies" / "last").actors[0].weights["FC1.weight"]
        for r in (trained, result)
    )
    assert (before - after).abs().max() < 1e-6


def test_a_case_without_a_learner_is_refused(trained, tiny, tmp_path):
    policy = trained.folder / "policies" / "last"
    learner = trained.last.units[0].unit
    overrides = {f"policies.{learner}": str(policy.resolve())}
    scenario = load_scenario(tiny.folder, "tiny", overrides=overrides)

    with pytest.raises(ConfigurationError, match="no learning bidder"):
        train(scenario, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_training_without_an_evaluation_is_refused(tiny, tmp_path):
    scenario = load_scenario(
        tiny.folder, "tiny", overrides={"learning_config.training_episodes": 2}
    )

    with pytest.raises(ConfigurationError, match="no evaluation would take place"):
        train(scenario, out=tmp_path / "run")


def test_an_interrupted_training_keeps_its_policies_and_says_so(tiny, tmp_path):
    class Impatient:
        def begin(self, episodes):
            pass

        def advance(self, share):
            pass

        def episode(self, report):
            if report.episode == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny, out=tmp_path / "run", observer=Impatient())

    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["state"] == "interrupted"
    assert load_policies(tmp_path / "run" / "policies" / "last").actors
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2

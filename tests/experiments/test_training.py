"""What a training leaves behind, however it ends."""

import json
from pathlib import Path

import pandas as pd
import pytest
from trained_runs import Trained, bids, table, tiny

from assume_rl.agents.transport import AgentFailure
from assume_rl.core.clearing import RULES
from assume_rl.core.clearing.merit_order import Match, MeritOrder, Prices, uniform
from assume_rl.errors import PolicyError
from assume_rl.experiments.case import compiled_case
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


def manifest(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return content


def test_every_episode_has_a_line_in_metrics(single: Trained) -> None:
    text = (single.folder / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    order = [(line["evaluation"], line["episode"]) for line in lines]
    assert order == [(False, 1), (False, 2), (True, 1)]
    assert all(line["seconds"] > 0 for line in lines)
    assert [line["best"] for line in lines] == [False, False, True]
    assert lines[-1]["reward"] == pytest.approx(single.result.episodes[-1].reward)


def test_the_best_and_the_last_policies_are_kept(single: Trained) -> None:
    kept = {path.name for path in (single.folder / "policies").iterdir()}
    best = {"best_reward", "best_profit", "best_regret", "best_exploitability"}
    assert kept == best | {"last"}
    for name in kept:
        assert (single.folder / "policies" / name / "manifest.json").is_file()
    assert (single.last / "trainer_state.safetensors").is_file()


def test_the_tables_of_a_training_are_filled(ten: Trained) -> None:
    hours = 5  # nobody bids for the first and the last one
    learned = table(ten.folder, "rl_params")
    assert len(learned.groupby("unit")) == 10
    episodes = learned.groupby(["evaluation_mode", "episode"]).size()
    assert set(episodes) == {10 * hours}
    assert {"reward", "profit", "regret", "actions_0", "actions_1"} <= set(learned)
    gradients = table(ten.folder, "rl_grad_params")
    assert set(gradients["unit"]) == set(learned["unit"])
    assert gradients["critic_loss"].notna().all()
    assert {"avg_price", "total_cost"} <= set(table(ten.folder, "kpis")["variable"])
    assert table(ten.folder, "runs")["state"].tolist() == ["finished"]
    assert len(table(ten.folder, "power_plant_meta")) == 19
    assert len(table(ten.folder, "demand_meta")) >= 1
    for name in ("market_meta", "market_orders", "market_dispatch", "unit_dispatch"):
        assert len(table(ten.folder, name)) > 0, name


def test_marginal_costs_are_recorded_where_they_change(ten: Trained) -> None:
    costs, compiled = table(ten.folder, "marginal_costs"), compiled_case(ten.scenario)
    plants = [plant.id for plant in compiled.scenario.of("power_plant")]
    assert set(costs["unit"]) == set(plants)
    for unit, own in costs.groupby("unit"):
        recorded = own.set_index("time")["marginal_cost"]
        recorded.index = pd.to_datetime(recorded.index)
        every_hour = recorded.reindex(compiled.scenario.index).ffill().to_numpy()
        column = compiled.profiles.marginal_cost[:, compiled.fleet.ids.index(unit)]
        assert every_hour.tolist() == column.tolist()


class Impatient(Silent):
    """Presses Ctrl-C after a number of episodes."""

    def __init__(self, after: int) -> None:
        self.after = after

    def episode(self, report: EpisodeReport) -> None:
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def test_ctrl_c_saves_the_policies_of_that_moment(tmp_path: Path) -> None:
    scenario = tiny("single_learner")
    with pytest.raises(KeyboardInterrupt):
        train(scenario, out=tmp_path / "out", observer=Impatient(2))
    assert manifest(tmp_path / "out")["state"] == "interrupted"
    assert table(tmp_path / "out", "runs")["state"].tolist() == ["interrupted"]
    assert len((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()) == 2
    run(scenario, policies=tmp_path / "out", out=tmp_path / "run")
    assert len(bids(tmp_path / "run")) > 0


def test_ctrl_c_within_the_first_episode_leaves_no_policies(tmp_path: Path) -> None:
    class Hasty(Silent):
        def advance(self, share: float) -> None:
            if share > 0.5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny("single_learner"), out=tmp_path / "out", observer=Hasty())
    assert manifest(tmp_path / "out")["state"] == "interrupted"
    assert not (tmp_path / "out" / "policies").exists()


def test_a_training_that_has_settled_stops_early(tmp_path: Path) -> None:
    scenario = tiny(
        "single_learner",
        **{
            "learning_config.training_episodes": 30,
            "learning_config.validation_episodes_interval": 1,
            "learning_config.early_stopping_steps": 2,
            "learning_config.early_stopping_threshold": 1e9,
        },
    )
    result = train(scenario, out=tmp_path / "out")
    evaluations = [report for report in result.episodes if report.evaluation]
    assert len(evaluations) == 3  # two means of two rewards
    assert len(result.episodes) < 10


def test_a_training_goes_on_from_policies_with_and_without_critics(
    single: Trained, tmp_path: Path
) -> None:
    for kind in ("last", "best_reward"):
        start = single.folder / "policies" / kind
        result = train(single.scenario, policies=start, out=tmp_path / kind)
        assert result.episodes[0].reward != single.result.episodes[0].reward  # no random start


def test_a_run_that_dies_leaves_what_it_had_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def dies(matched: Match) -> Prices:
        calls.append(1)
        if len(calls) > 15:
            raise ZeroDivisionError("out of fuel")
        return uniform(matched)

    monkeypatch.setitem(RULES, "pay_as_clear", MeritOrder("pay_as_clear", dies))
    vector = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"
    scenario = load_scenario(vector, overrides={"save_frequency_hours": 4})
    with pytest.raises(AgentFailure, match="out of fuel"):
        run(scenario, out=tmp_path / "out")
    assert 4 <= len(table(tmp_path / "out", "market_meta")) <= 15
    assert len(table(tmp_path / "out", "unit_dispatch")) > 0
    assert table(tmp_path / "out", "runs")["state"].tolist() == ["failed"]
    assert manifest(tmp_path / "out")["state"] == "failed"
    assert "out of fuel" in str(manifest(tmp_path / "out")["error"])


def test_no_policy_starts_a_training_unless_it_is_whole(single: Trained, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in single.last.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PolicyError):
        train(single.scenario, policies=broken, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()

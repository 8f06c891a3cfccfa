"""Storages as a user meets them: every command, on both engines."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trained_runs import table

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.run import run
from assume_rl.experiments.train import TrainResult, train
from assume_rl.results.gather import step_figures
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

ENGINES = ("agents", "batch")
DAY = {"end_date": "2019-01-02 00:00"}
HOURS = {"end_date": "2019-01-01 06:00"}  # the best trades of storages take long to find
FEW = {
    **HOURS,
    "learning_config.gradient_steps": 2,
    "learning_config.training_episodes": 2,
    "learning_config.train_freq": "3h",
}


@pytest.fixture(scope="module")
def learning(vectors: Path) -> Scenario:
    """Two storages that learn."""
    return load_scenario(vectors / "v11_rl_storage" / "inputs", overrides=FEW)


@pytest.fixture(scope="module", params=[pytest.param("agents", marks=pytest.mark.slow), "batch"])
def trained(
    request: pytest.FixtureRequest, learning: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> TrainResult:
    out = tmp_path_factory.mktemp("storages") / "train"
    return train(learning, engine=request.param, out=out)


class Impatient(Silent):
    """Presses Ctrl-C after the first episode."""

    def episode(self, report: EpisodeReport) -> None:
        raise KeyboardInterrupt


def test_both_engines_give_the_same_rows(vectors: Path, tmp_path: Path) -> None:
    folder = vectors / "v03_storage_flexable" / "inputs"
    found = []
    for engine in ENGINES:
        run(folder, engine=engine, out=tmp_path / engine)
        rows = table(tmp_path / engine, "unit_dispatch").sort_values(["time", "unit"])
        found.append(rows[["power", "soc", "revenue", "cost"]].to_numpy())
        kpis = table(tmp_path / engine, "kpis").set_index("variable")["value"]
        expected = pd.read_csv(folder.parent / "expected" / "kpis.csv", index_col="variable")
        for name in ("avg_price", "total_cost", "total_volume"):
            assert kpis[name] == pytest.approx(expected.loc[name, "value"], rel=1e-9)
    assert np.allclose(*found, rtol=0, atol=1e-9, equal_nan=True)


def test_energy_and_money_of_a_run_balance(vectors: Path, tmp_path: Path) -> None:
    run(vectors / "v03_storage_flexable" / "inputs", engine="batch", out=tmp_path / "run")
    rows = table(tmp_path / "run", "unit_dispatch")
    own = rows[rows["unit"] == "S1"].sort_values("time")
    power, soc = own["power"].to_numpy(), own["soc"].to_numpy()
    change = np.where(power > 0, -power / 0.9, -power * 0.8) / 100  # 100 MWh
    assert np.allclose(np.diff(soc), change[:-1], atol=1e-12)
    assert soc.min() >= 0.1 - 1e-12
    assert soc.max() <= 0.9 + 1e-12
    assert rows["revenue"].sum() == pytest.approx(0, abs=1e-6)
    cost = np.where(power > 0, 0.4 * power, -0.3 * power)
    assert np.allclose(own["cost"], cost)


def test_policies_are_saved_and_read_again(
    trained: TrainResult, learning: Scenario, tmp_path: Path
) -> None:
    files = {file.stem for file in (trained.folder / "policies" / "last").rglob("*.safetensors")}
    assert {"S1", "S2"} <= {name.split("actor_")[-1] for name in files}
    for engine in ENGINES:
        out = tmp_path / engine
        again = evaluate(learning, policies=trained.folder, engine=engine, out=out)
        assert again.evaluation.reward == pytest.approx(trained.last.reward, abs=1e-6)
        assert [unit.unit for unit in again.evaluation.units] == ["S1", "S2"]
        assert again.evaluation.unknown == "there are 2 learning bidders"


def test_a_resumed_training_is_one_that_was_not_interrupted(
    trained: TrainResult, learning: Scenario, tmp_path: Path
) -> None:
    out, engine = tmp_path / "out", trained.engine
    with pytest.raises(KeyboardInterrupt):
        train(learning, engine=engine, out=out, observer=Impatient())
    result = train(learning, engine=engine, out=out, resume=True)
    assert (result.last, result.best) == (trained.last, trained.best)
    for name in ("rl_params", "unit_dispatch"):
        pd.testing.assert_frame_equal(table(out, name), table(trained.folder, name))


def test_recorded_policies_buy_and_the_output_says_so(
    vectors: Path, tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = vectors / "v11_rl_storage"
    policies = folder / "checkpoint" / "last_policies"
    code, out, _ = assume_rl_command("validate", folder / "inputs")
    assert code == 0
    assert "2 storages" in out
    assert "learning bidders: S1, S2" in out
    code, out, _ = assume_rl_command(
        *("evaluate", folder / "inputs", "--policies", policies, "--out", tmp_path / "out"),
        *("--set", f"end_date={HOURS['end_date']}"),
    )
    assert code == 0
    assert "to buy" in out
    assert "could gain" in out
    assert "±" in out  # their best bids come from a grid of states of charge
    scenario = load_scenario(folder / "inputs", overrides=HOURS)
    scores = evaluate(scenario, policies=policies, out=tmp_path / "again").evaluation
    orders = table(tmp_path / "again", "market_orders")
    for unit in scores.units:
        own = orders[orders["unit_id"] == unit.unit]
        bought = own[own["volume"] < 0]
        mean = (bought["price"] * bought["volume"]).sum() / bought["volume"].sum()
        assert unit.mean_purchase == pytest.approx(mean)
        assert (unit.mean_bid is None) == (own["volume"] < 0).all()


def test_a_run_is_exported_and_reported(
    vectors: Path, tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = vectors / "v03_storage_flexable" / "inputs"
    out = tmp_path / "run"
    setting = ("--set", f"end_date={DAY['end_date']}")
    assert (
        assume_rl_command("run", folder, *setting, "--out", out, "--csv", tmp_path / "csv")[0] == 0
    )
    rows = pd.read_csv(tmp_path / "csv" / "unit_dispatch.csv")
    assert rows.groupby("unit")["soc"].count().to_dict() == dict.fromkeys(
        rows["unit"].unique(), 0
    ) | {"S1": 24}
    assert assume_rl_command("report", out)[0] == 0
    page = (out / "report.html").read_text()
    assert "State of charge" in page
    assert "running costs of units that buy and sell" in page


def test_designs_differ_in_the_capacity_of_a_storage(
    vectors: Path, tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    file = tmp_path / "sizes.yaml"
    file.write_text(
        f"scenarios: {vectors / 'v03_storage_flexable' / 'inputs'}\n"
        "grid: {units.S1.capacity: [50, 200]}\n"
        f"steps: [run]\nset: {{end_date: '{DAY['end_date']}'}}\n"
    )
    study = tmp_path / "study"
    code, _, errors = assume_rl_command("batch", file, "--out", study)
    assert (code, errors) == (0, "")
    code, out, _ = assume_rl_command("compare", study, "--metric", "total_profit")
    assert code == 0
    assert "capacity" in out
    profits = {}
    for folder in (study / "runs").iterdir():
        database = folder / "run" / "results.db"
        (capacity,) = table(folder / "run", "storage_meta")["capacity"]
        profits[capacity] = step_figures({"state": "finished"}, database)["total_profit"]
        rows = table(folder / "run", "unit_dispatch")
        sellers = rows[rows["unit"] != "D1"]
        expected = (sellers["revenue"] - sellers["cost"]).sum()
        assert profits[capacity] == pytest.approx(expected)
    assert set(profits) == {50, 200}
    assert abs(profits[50] - profits[200]) > 1

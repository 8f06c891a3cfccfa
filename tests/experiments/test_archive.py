"""What was simulated can be had back as a folder, with the same results."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trained_runs import FEW, SCENARIOS, SHORT, Trained

from assume_rl.errors import ResultsError
from assume_rl.experiments.archive import export_scenario
from assume_rl.experiments.description import data_digest
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.config.yaml_file import read_yaml
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.write import scenario_files

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]
CHANGES: dict[str, Any] = {
    **SHORT["single_learner"],
    **FEW,
    "fuel_prices.natural gas": {"scale": 1.5},
    "markets_config.EOM.maximum_bid_price": 2500,
}


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def test_a_run_on_policies_is_had_back_with_its_overrides(
    single: Trained, tmp_path: Path, assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shutil.copytree(SCENARIOS / "single_learner", tmp_path / "source")
    overrides = {**CHANGES, "units.learner.max_power": 400}
    scenario = load_scenario(source, "tiny", overrides=overrides)
    policies = shutil.copytree(single.folder, tmp_path / "trained")
    run(scenario, policies=policies, seed=9, out="run")
    shutil.rmtree(source)
    code, out, _ = assume_rl_command("export", "run", "--scenario", "back")
    assert (code, out) == (
        0,
        "back\nthe same results: assume-rl run back --engine agents\n",
    )
    shutil.rmtree(policies)
    assert assume_rl_command("validate", "back")[::2] == (0, "")
    assert (
        assume_rl_command("run", "back", "--engine", "agents", "--quiet", "--out", "again")[0] == 0
    )
    assert manifest(Path("again"))["final_hash"] == manifest(Path("run"))["final_hash"]
    assert manifest(Path("again"))["data"] == manifest(Path("run"))["data"]
    assert manifest(Path("again"))["simulation"] == manifest(Path("run"))["simulation"]

    code, _, err = assume_rl_command("export", "run", "--scenario", "other")
    assert (code, "are not those that the run read" in err) == (2, True)
    code, _, err = assume_rl_command("export", "run", "--scenario", "back")
    assert (code, "is there already" in err) == (2, True)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_training_that_starts_from_policies_is_had_back(single: Trained, tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=CHANGES)
    train(scenario, policies=single.folder, seed=9, engine="batch", out=tmp_path / "out")
    export_scenario(tmp_path / "out", tmp_path / "back")
    train(tmp_path / "back", engine="batch", out=tmp_path / "again")
    hashes = [manifest(tmp_path / name)["final_hash"] for name in ("out", "again")]
    assert hashes[0] == hashes[1]


CASES = [
    ("border_and_industry", None, {}),
    ("summer_week", None, {}),
    ("wind_owner", None, {}),
    ("ten_learners", "tiny", {"availability.wind": 0.5}),
    ("national", "week", {}),
]


@pytest.mark.parametrize(("name", "case", "changes"), CASES)
def test_every_scenario_of_ours_reads_as_it_was_written(
    tmp_path: Path, name: str, case: str | None, changes: dict[str, Any]
) -> None:
    scenario = load_scenario(SCENARIOS / name, case)
    known = [unit.id for unit in scenario.units]
    if changes and not any(unit in known for unit in ("wind",)):
        changes = {f"availability.{known[0]}": 0.5}
    scenario = load_scenario(SCENARIOS / name, case, overrides=changes)
    for file, content in scenario_files(scenario, 3).items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    again = load_scenario(tmp_path)
    assert data_digest(again) == data_digest(scenario)
    assert (again.case, again.config.seed) == (scenario.case, 3)
    excluded = {"seed", "simulation_id", "plugins"}
    left, right = (s.config.model_dump(exclude=excluded) for s in (again, scenario))
    files = {key for key in left if key.endswith(("_units", "_df", "_operators"))}
    assert {k: v for k, v in left.items() if k not in files} == {
        k: v for k, v in right.items() if k not in files
    }


def test_plug_ins_and_text_that_looks_like_something_else_stay(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("# code\n")
    text = {"simulation_id": '"0042"', "learning_config.train_freq": "24h"}
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny", overrides={**CHANGES, **text})
    plugins = (Plugin(str(mine), "a" * 64), Plugin("entry_point", "b" * 64))
    files = scenario_files(replace(scenario, plugins=plugins), 1)
    assert files["plugins/0_mine.py"] == b"# code\n"
    (tmp_path / "config.yaml").write_bytes(files["config.yaml"])
    written = read_yaml(tmp_path / "config.yaml")["tiny"]
    assert written["plugins"] == ["plugins/0_mine.py", "entry_point"]
    assert (written["simulation_id"], written["seed"]) == ("0042", 1)
    assert written["learning_config"]["train_freq"] == "24h"


def test_what_a_program_changed_is_not_taken_for_the_scenario(tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIOS / "border_and_industry")
    unit = scenario.of("power_plant")[0]
    nameless = unit.model_copy(update={"node": ""})  # which no table can say
    changed = scenario.with_units("power_plant", [nameless, *scenario.of("power_plant")[1:]])
    run(changed, out=tmp_path / "out", tables=["kpis"])
    with pytest.raises(ResultsError, match="its tables cannot say all"):
        export_scenario(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    (tmp_path / "out" / "scenario.zip").unlink()
    with pytest.raises(ResultsError, match=r"has no scenario\.zip"):
        export_scenario(tmp_path / "out", tmp_path / "back")

"""Where results go, and what is never overwritten."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from trained_runs import SCENARIOS, Trained, table, tiny

from assume_rl.errors import AssumeRlError, PolicyError, ResultsError, ScenarioError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train, train_seeds
from assume_rl.results.tables import metadata
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

VECTOR = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_another_run_is_replaced_only_on_request(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out")
    before = content(tmp_path / "out")
    (tmp_path / "out_2").mkdir()
    with pytest.raises(
        ResultsError, match=r"holds an earlier run.* --out \S+/out_3, .*--overwrite"
    ):
        run(VECTOR, out=tmp_path / "out")
    assert content(tmp_path / "out") == before
    (tmp_path / "out" / "notes.txt").write_text("mine")
    run(VECTOR, out=tmp_path / "out", overwrite=True, seed=5)
    assert table(tmp_path / "out", "runs")["seed"].tolist() == [5]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_file_or_a_folder_of_something_else_stays_untouched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    before = content(tmp_path)
    for name, reason in (("file", "is a file"), ("folder", "holds no run")):
        with pytest.raises(ResultsError, match=reason):
            run(VECTOR, out=tmp_path / name, overwrite=True)
    assert content(tmp_path) == before


def test_a_run_is_told_to_leave_a_training_before_it_is_told_to_replace_it(
    single: Trained, tmp_path: Path
) -> None:
    shutil.copytree(single.folder, tmp_path / "a training")
    elsewhere = r"holds a training and its policies; .* --out '\S+/a training_2', .*--overwrite$"
    with pytest.raises(ResultsError, match=elsewhere):
        run(single.scenario, policies=single.folder, out=tmp_path / "a training")


def test_another_folder_is_named_as_out_would_have_it(
    single: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(single.folder, tmp_path / "out" / "seed_1")
    with pytest.raises(ResultsError, match=rf"seed_1' holds .* --out {tmp_path}/out_2, "):
        train_seeds(single.scenario, seeds=[1], out=tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out" / "seed_1")
    with pytest.raises(ResultsError, match=rf"'\.' holds .* --out {tmp_path}/out/seed_1_2, "):
        run(VECTOR, out=".")


def test_overwriting_never_deletes_the_policies_that_the_run_needs(
    single: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "training"
    shutil.copytree(single.folder, folder)
    before = content(folder)
    for experiment in (run, train):
        with pytest.raises(ResultsError, match="would be deleted"):
            experiment(  # type: ignore[operator]
                single.scenario, policies=folder / "policies" / "last", out=folder, overwrite=True
            )
    assert content(folder) == before


def bad_database(out: Path, tmp_path: Path) -> None:
    run(VECTOR, out=out, db="postgres-of-mine")


def no_such_dialect(out: Path, tmp_path: Path) -> None:
    run(VECTOR, out=out, db="steam://localhost/x")


def unreachable_database(out: Path, tmp_path: Path) -> None:
    run(VECTOR, out=out, db=f"sqlite:///{tmp_path}/no/such/folder/x.db")


def csv_is_a_file(out: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b")
    run(VECTOR, out=out, csv=tmp_path / "table.csv")


def damaged_policies(out: Path, tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_text("{")
    train(scenario, out=out, policies=tmp_path / "damaged")


def absent_policies(out: Path, tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny")
    train(scenario, out=out, policies=tmp_path / "absent")


def too_short(out: Path, tmp_path: Path) -> None:
    settings = {"learning_config.training_episodes": 3}  # evaluations after the 4th, 6th, ...
    train(load_scenario(SCENARIOS / "single_learner", "tiny", overrides=settings), out=out)


def updates_too_rare(out: Path, tmp_path: Path) -> None:
    settings = {"learning_config.train_freq": "100h"}
    train(load_scenario(SCENARIOS / "single_learner", "tiny", overrides=settings), out=out)


def nobody_learns(out: Path, tmp_path: Path) -> None:
    train(VECTOR, out=out)


@pytest.mark.parametrize(
    "mistake",
    [
        bad_database,
        no_such_dialect,
        unreachable_database,
        csv_is_a_file,
        damaged_policies,
        absent_policies,
        too_short,
        updates_too_rare,
        nobody_learns,
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_folder(
    mistake: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    with pytest.raises(AssumeRlError) as error:
        mistake(tmp_path / "out", tmp_path)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_csv_has_every_table_with_all_digits(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out", csv=tmp_path / "tables")
    expected = {"market_meta", "market_orders", "market_dispatch", "unit_dispatch", "start_costs"}
    expected |= {"power_plant_meta", "demand_meta", "marginal_costs", "kpis", "runs"}
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == expected
    for name in expected - {"runs"}:
        stored = table(tmp_path / "out", name)
        with warnings.catch_warnings():  # the default is as precise from pandas 3.1 on
            warnings.filterwarnings("ignore", "The 'float_precision'")
            file = tmp_path / "tables" / f"{name}.csv"
            exported = pd.read_csv(file, float_precision="round_trip")
        for column in stored.select_dtypes("float"):
            assert exported[column].equals(stored[column]), (name, column)


def test_another_database_holds_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    result = run(VECTOR, out=tmp_path / "out", db=url)
    assert result.database == url
    assert not (tmp_path / "out" / "results.db").exists()
    (tmp_path / "mine.db").rename(tmp_path / "results.db")
    assert len(table(tmp_path, "market_meta")) == 23


def test_a_shared_database_keeps_the_rows_of_a_training(tmp_path: Path) -> None:
    url, scenario = f"sqlite:///{tmp_path / 'results.db'}", tiny("single_learner")
    trained = train(scenario, out=tmp_path / "trained", db=url)
    learned, gradients = (len(table(tmp_path, n)) for n in ("rl_params", "rl_grad_params"))
    name = scenario.simulation_id
    for again in (False, True):
        evaluate(scenario, policies=trained.folder, out=tmp_path / "ev", db=url, overwrite=again)
        rows = table(tmp_path, "rl_params")["simulation"].value_counts().to_dict()
        assert rows == {name: learned, f"{name}_evaluation": 5}
    assert set(table(tmp_path, "runs")["simulation"]) == {name, f"{name}_evaluation"}

    with pytest.raises(ResultsError, match=r"holds a run.*--overwrite"):
        run(scenario, policies=trained.folder, out=tmp_path / "ran", db=url)
    assert not (tmp_path / "ran").exists()
    run(scenario, policies=trained.folder, out=tmp_path / "ran", db=url, overwrite=True)
    rows = table(tmp_path, "rl_params")["simulation"].value_counts().to_dict()
    assert rows[name] == learned  # the recorded run is replaced, the episodes stay
    assert len(table(tmp_path, "rl_grad_params")) == gradients


def test_an_export_holds_one_simulation_and_nothing_stale(tmp_path: Path) -> None:
    url, tables = f"sqlite:///{tmp_path / 'mine.db'}", tmp_path / "tables"
    tables.mkdir()
    (tables / "notes.csv").write_text("earlier")
    columns = [column.name for column in metadata().tables["rl_params"].columns]
    (tables / "rl_params.csv").write_text(",".join([*columns, "actions_0"]) + "\n")
    for name in ("a", "b"):
        scenario = load_scenario(VECTOR, overrides={"simulation_id": name})
        run(scenario, out=tmp_path / name, db=url, csv=tables)
    assert pd.read_csv(tables / "runs.csv")["simulation"].tolist() == ["b"]
    assert not (tables / "rl_params.csv").exists()
    assert (tables / "notes.csv").read_text() == "earlier"


def test_policies_are_copied_to_the_configured_folder_only_if_it_is_free(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    scenario = tiny("single_learner", **{"learning_config.trained_policies_save_path": str(copy)})
    result = train(scenario, out=tmp_path / "out")
    assert result.policies == (tmp_path / "out" / "policies", copy)
    assert content(copy) == content(tmp_path / "out" / "policies")
    for source in (tmp_path / "out", copy):
        assert policy_folder(source).name == "last"
    with pytest.raises(ResultsError, match=r"trained_policies_save_path.*--overwrite"):
        train(scenario, out=tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_run_without_policies_is_told_as_such(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out")
    with pytest.raises(PolicyError, match="output folder of a run, but it holds no policies"):
        policy_folder(tmp_path / "out")


def test_a_policy_folder_must_exist_even_if_nobody_needs_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="does not exist"):
        run(VECTOR, out=tmp_path / "out", policies=tmp_path / "absent")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../mine", "a/b", "a\\b", "..", " "])
def test_a_simulation_id_is_no_path(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"simulation_id.*not the name of a folder"):
        load_scenario(VECTOR, overrides={"simulation_id": f"'{name}'"})


def test_a_learner_without_power_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SCENARIOS / "single_learner", tmp_path / "plant")
    plants = pd.read_csv(tmp_path / "plant" / "powerplant_units.csv")
    plants.loc[plants["name"] == "learner", ["max_power", "min_power"]] = 0
    plants.to_csv(tmp_path / "plant" / "powerplant_units.csv", index=False)
    with pytest.raises(ScenarioError, match=r"powerplant_units.csv.*learner.*max_power.*is 0"):
        load_scenario(tmp_path / "plant", "tiny")


def test_the_number_of_threads_is_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run(VECTOR, out=tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_default_database_is_a_url_too(tmp_path: Path) -> None:
    result = run(VECTOR, out=tmp_path / "out")
    assert result.database == f"sqlite:///{tmp_path / 'out' / 'results.db'}"


def test_the_manifest_says_what_ran(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["state"] == "finished"
    assert {"assume-rl", "torch", "mango-agents", "python"} <= manifest["versions"].keys()
    assert manifest["configuration"]["markets_config"]["EOM"]["operator"] == "op"
    assert len(manifest["configuration_hash"]) == 64
    assert manifest["seconds"] > 0
    recorded = table(tmp_path / "out", "runs").iloc[0]
    assert recorded["configuration_hash"] == manifest["configuration_hash"]
    assert (recorded["seed"], recorded["state"]) == (manifest["seed"], "finished")


@pytest.mark.parametrize("engine", ["agents", "batch"])
def test_only_chosen_tables_are_stored_with_the_key_figures_made_of_them(
    tmp_path: Path, engine: EngineName
) -> None:
    whole = run(VECTOR, engine=engine, out=tmp_path / "all")
    some = run(VECTOR, engine=engine, out=tmp_path / "some", tables=["market_meta", "kpis"])

    for name in ("market_meta", "power_plant_meta"):
        assert len(table(tmp_path / "some", name)) > 0
        assert table(tmp_path / "some", name).equals(table(tmp_path / "all", name))
    for name in ("market_orders", "market_dispatch", "unit_dispatch", "marginal_costs"):
        assert len(table(tmp_path / "all", name)) > 0
        assert len(table(tmp_path / "some", name)) == 0
    assert set(some.kpis) == {k for k in whole.kpis if k[0] != "capacity_factor"}
    manifest = json.loads((tmp_path / "some" / "manifest.json").read_text())
    assert manifest["tables"] == ["kpis", "market_meta"]


def test_a_table_that_cannot_be_chosen_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    for name, hint in (
        ("market_mta", "did you mean 'market_meta'"),
        ("runs", "valid: grid_flows, kpis"),
    ):
        with pytest.raises(ResultsError, match=hint):
            run(VECTOR, out=tmp_path / "out", tables=[name])
    assert not (tmp_path / "out").exists()

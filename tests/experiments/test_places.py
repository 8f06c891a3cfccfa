"""Where results go, and what is never overwritten."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from trained_runs import SCENARIOS, Trained, table

from assume_rl.errors import AssumeRlError, ResultsError
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

VECTOR = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_another_run_is_replaced_only_on_request(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(ResultsError, match=r"holds another run.*--overwrite"):
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
    expected = {"market_meta", "market_orders", "market_dispatch", "unit_dispatch"}
    expected |= {"power_plant_meta", "demand_meta", "kpis", "runs"}
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == expected
    for name in expected - {"runs"}:
        stored = table(tmp_path / "out", name)
        exported = pd.read_csv(tmp_path / "tables" / f"{name}.csv", float_precision="round_trip")
        for column in stored.select_dtypes("float"):
            assert exported[column].equals(stored[column]), (name, column)


def test_another_database_holds_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    result = run(VECTOR, out=tmp_path / "out", db=url)
    assert result.database == url
    assert not (tmp_path / "out" / "results.db").exists()
    (tmp_path / "mine.db").rename(tmp_path / "results.db")
    assert len(table(tmp_path, "market_meta")) == 23


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

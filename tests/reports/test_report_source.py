"""What a place is, and what is said where it is none."""

from pathlib import Path

import pytest
from hand_made_run import GAP, PROFITS, SIMULATION, write_manifest, write_run

from assume_rl.errors import ResultsError
from assume_rl.reports.source.opening import open_source


def test_an_output_folder_is_one_run(tmp_path: Path) -> None:
    source = open_source(write_run(tmp_path / "run"))
    (run,) = source.runs
    assert (run.run_id, run.seed, run.state, run.final_hash) == (
        SIMULATION,
        7,
        "finished",
        "f" * 64,
    )
    assert source.notes == ()
    assert not source.is_study
    assert list(source.curves["reward"]) == [1.0, 2.0, 3.0, 2.5, 4.0]
    figures = dict(source.metrics[["name", "value"]].itertuples(index=False))
    assert figures == {
        "reward": 4.0,
        **GAP,
        "avg_price[EOM]": 56.6,
        "total_profit": sum(PROFITS.values()),
    }


def test_half_a_calendar_has_no_key_figures(tmp_path: Path) -> None:
    assert open_source(write_run(tmp_path / "run", state="interrupted")).metrics.empty


def test_the_seeds_of_a_training_are_a_run_each(tmp_path: Path) -> None:
    for seed in (2, 10):
        write_run(tmp_path / f"seed_{seed}", simulation=f"toy_seed_{seed}", seed=seed)
    source = open_source(tmp_path)
    assert [run.seed for run in source.runs] == [2, 10]
    assert [recorded.label for recorded in source.recorded] == ["seed 2", "seed 10"]


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_a_run_that_has_not_finished_is_reported_as_such(tmp_path: Path, state: str) -> None:
    folder = write_run(tmp_path / "run", state=state, error="the disk is full")
    (note,) = open_source(folder).notes
    assert f"state is {state}: the disk is full" in note


def test_half_a_line_of_metrics_is_none(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", state="running")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"episode": 4, "eval')
    assert len(open_source(folder).curves) == 5


def test_tables_in_another_database_are_missed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "results.db").unlink()
    source = open_source(folder)
    assert source.recorded == ()
    assert "went to another database" in source.notes[0]


def test_a_database_without_the_run_is_an_error(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    write_manifest(folder, simulation="another")
    with pytest.raises(ResultsError, match=f"no run 'another'.*it holds: {SIMULATION}"):
        open_source(folder)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ResultsError, match=r"manifest\.json' is damaged"):
        open_source(folder)


def test_a_folder_that_is_neither_names_the_runs_in_it(tmp_path: Path) -> None:
    write_run(tmp_path / "mine")
    with pytest.raises(ResultsError, match=r"neither a run .* nor a study .*mine"):
        open_source(tmp_path)


def test_a_folder_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    write_run(tmp_path / "my_run")
    with pytest.raises(ResultsError, match=r"did you mean '.*my_run'"):
        open_source(tmp_path / "my_rum")


def test_the_database_of_a_run_is_no_study(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(ResultsError, match="name its folder"):
        open_source(folder / "results.db")
    with pytest.raises(ResultsError, match="holds results of single runs"):
        open_source(f"sqlite:///{folder / 'results.db'}")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no"):
        open_source(f"sqlite:///{tmp_path / 'study.db'}")
    assert not any(tmp_path.iterdir())

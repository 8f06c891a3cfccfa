"""Designs compared from a study database, and what is said where figures would mislead."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from libraries import Later
from made_up_rewards import Row, add_rows, rewards, write_rewards

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.evaluation.gap import NO_SHARE, REWARD_GAP, SHARE
from assume_rl.results.study_tables import METRICS, RUNS
from assume_rl.studies.comparison import Comparison, compare
from assume_rl.studies.comparison_table import comparison_table
from assume_rl.studies.place import Asked, find_study

stats: Any = Later("scipy.stats")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


def values_of(rows: list[Row], design: str) -> np.ndarray:
    return np.array([value for name, _, value in rows if name == design])


def by_design(comparison: Comparison) -> dict[str, object]:
    return {one.design: one for one in comparison.designs}


def test_each_design_has_its_figures(file: Path) -> None:
    rows = rewards()
    found = by_design(compare(write_rewards(file, rows), "reward"))
    assert list(found) == ["bid", "cap", "uniform"]
    for design, one in found.items():
        values = values_of(rows, design)
        assert one.iqm.estimate == pytest.approx(stats.trim_mean(values, 0.25))
        assert one.iqm.low < one.iqm.estimate < one.iqm.high
        assert (one.lowest, one.highest) == (values.min(), values.max())
        assert one.median == np.median(values)
        assert one.runs.run_ids[3] == f"s-{design}-3"
        assert one.contrast is None


def test_designs_are_compared_with_the_baseline_on_equal_seeds(file: Path) -> None:
    rows = rewards()
    comparison = compare(write_rewards(file, rows), "reward", baseline="uniform")
    assert [one.design for one in comparison.designs] == ["uniform", "bid", "cap"]
    for one in comparison.designs[1:]:
        difference = values_of(rows, one.design) - values_of(rows, "uniform")
        paired = one.contrast.paired
        assert paired.mean.estimate == pytest.approx(difference.mean())
        assert paired.mean.low < difference.mean() < paired.mean.high
        # all ten differences are positive: 2 of 1,024 assignments of signs are as far from 0
        assert (difference > 0).all()
        assert paired.p_value == 2 / 1024
        assert one.contrast.p_adjusted == 4 / 1024
        u = stats.mannwhitneyu(values_of(rows, one.design), values_of(rows, "uniform")).statistic
        assert one.contrast.higher.estimate == pytest.approx(u / 100)


def test_pairs_do_not_depend_on_the_order_of_rows(file: Path, tmp_path: Path) -> None:
    rows = [(design, 8 * seed, value) for design, seed, value in rewards()]
    shuffled = [rows[k] for k in np.random.default_rng(1).permutation(len(rows))]
    first = compare(write_rewards(file, rows), "reward", baseline="uniform")
    again = compare(write_rewards(tmp_path / "other.db", shuffled), "reward", baseline="uniform")
    assert again == first
    assert first.designs[1].contrast.seeds == tuple(range(0, 80, 8))


def with_gaps(url: str, runs: tuple[str, ...]) -> str:
    """Add the gap to the best response of some runs of the step `train`."""
    gap = {"step": "train", "name": REWARD_GAP, "value": 0.447}
    add_rows(url, METRICS, [{"run_id": run, **gap} for run in runs])
    return url


def test_a_share_without_meaning_is_no_value_and_says_why(file: Path) -> None:
    rows = [(d, s, None if (d, s) == ("bid", 7) else v) for d, s, v in rewards()]
    url = with_gaps(write_rewards(file, rows, metric=SHARE), ("s-bid-7", "s-bid-8"))
    found = compare(url, SHARE)
    assert by_design(found)["bid"].runs.missing == {7: f"no value: {NO_SHARE}"}
    assert f"design 'bid' lacks seed 7: no value: {NO_SHARE}" in found.notes


def test_shares_of_which_none_has_a_meaning_are_an_error_that_says_why(file: Path) -> None:
    url = with_gaps(write_rewards(file, rewards()), ("s-bid-7",))
    with pytest.raises(ResultsError, match=f"no run has a metric '{SHARE}': {NO_SHARE}"):
        compare(url, SHARE)


def test_missing_seeds_are_named_and_left_out(file: Path) -> None:
    # GIVEN a design without seed 2, a failed run that had its value, and one without a value
    rows = [row for row in rewards() if row[:2] != ("bid", 2)]
    rows = [(d, s, None if (d, s) == ("bid", 7) else v) for d, s, v in rows]
    url = write_rewards(file, rows, states={("cap", 5): "failed"})
    found = compare(url, "reward", baseline="uniform")
    scores = by_design(found)
    assert scores["bid"].runs.missing == {2: "not run", 7: "no value"}
    assert scores["cap"].runs.missing == {5: "failed"}
    assert scores["bid"].contrast.seeds == (0, 1, 3, 4, 5, 6, 8, 9)
    assert "design 'bid' lacks seed 2: not run" in found.notes
    assert "design 'cap' lacks seed 5: failed" in found.notes
    assert not any("left out" in note for note in found.notes)


def test_two_comparisons_are_told_of(file: Path) -> None:
    assert compare(write_rewards(file, rewards()), "reward").notes == ()
    (note,) = compare(f"sqlite:///{file}", "reward", baseline="cap").notes
    assert note.startswith("2 designs are compared with 'cap': judge by the adjusted p-values")


@pytest.mark.parametrize(
    ("seeds", "smallest"), [("1 equal seed is", "1"), ("5 equal seeds are", "0.125")]
)
def test_too_few_seeds_are_told_of(file: Path, seeds: str, smallest: str) -> None:
    rows = rewards(int(seeds[0]))
    notes = compare(write_rewards(file, rows), "reward", baseline="cap").notes
    assert (
        f"{seeds} too few to tell any difference from chance: the smallest adjusted p-value that "
        f"can be is {smallest}"
    ) in notes


def test_one_comparison_on_six_seeds_can_tell_a_difference(file: Path) -> None:
    rows = rewards(6, ("uniform", "bid"))
    assert compare(write_rewards(file, rows), "reward", baseline="bid").notes == ()


def test_single_runs_and_no_common_seed(file: Path) -> None:
    found = compare(write_rewards(file, [("a", 0, 1.0), ("b", 1, 2.0)]), "reward", baseline="a")
    a, b = found.designs
    assert np.isnan([a.iqm.low, b.iqm.high]).all()
    assert b.contrast is None
    assert "design 'b' has no seed in common with 'a'" in found.notes
    assert any("'a' has one run" in note for note in found.notes)


def test_a_design_of_which_all_runs_failed(file: Path) -> None:
    rows = rewards(6, ("uniform", "bid"))
    url = write_rewards(file, rows, states={("bid", seed): "failed" for seed in range(6)})
    found = compare(url, "reward", baseline="uniform")
    bid = by_design(found)["bid"]
    assert (bid.runs.values, bid.contrast) == ({}, None)
    assert np.isnan(bid.iqm.estimate)
    assert "design 'bid' lacks 6 seeds (0, 1, 2, 3, 4, 5): failed" in found.notes


def test_the_step_must_be_clear(file: Path) -> None:
    rows = rewards(4)
    url = write_rewards(file, rows, steps=("train", "winter"))
    with pytest.raises(ConfigurationError, match="the steps train, winter have a metric 'reward'"):
        compare(url, "reward")
    winter = by_design(compare(url, "reward", step="winter"))["bid"]
    assert winter.highest == pytest.approx(values_of(rows, "bid").max() + 1)
    with pytest.raises(ConfigurationError, match="did you mean 'winter'"):
        compare(url, "reward", step="wintre")


@pytest.mark.parametrize(
    ("metric", "settings", "words"),
    [
        ("rewrad", {}, "there is no metric 'rewrad'; did you mean 'reward'?"),
        ("xyz", {"step": "train"}, "there is no metric 'xyz' of step 'train'; valid: reward"),
        ("reward", {"baseline": "unifrom"}, "there is no design 'unifrom'; did you mean 'uniform'"),
        ("reward", {"level": 95}, "level=95"),
        ("reward", {"study": "t"}, "the database holds no study 't'; valid: s"),
    ],
)
def test_what_is_not_there_is_told(
    file: Path, metric: str, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError) as found:
        compare(write_rewards(file, rewards(3)), metric, **settings)
    assert words in str(found.value)


def test_several_studies_in_one_database(file: Path) -> None:
    write_rewards(file, rewards(4), study="one")
    url = write_rewards(file, rewards(5), study="two")
    with pytest.raises(ConfigurationError, match="several studies: one, two"):
        compare(url, "reward")
    assert len(compare(url, "reward", study="two").designs[0].runs.values) == 5


def test_a_database_without_finished_runs(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no run of the study has finished"):
        compare(write_rewards(file, [("a", 0, None)]), "reward")
    with pytest.raises(ResultsError, match="no runs yet"):
        compare(write_rewards(tmp_path / "empty.db", []), "reward")
    with pytest.raises(ResultsError, match=r"no database .*none\.db"):
        compare(f"sqlite:///{tmp_path / 'none.db'}", "reward")
    assert not (tmp_path / "none.db").exists()


def study_folder(folder: Path, database: str | None, runs: list[tuple[str, str, int]]) -> Path:
    asked = [{"id": run, "design": design, "seed": seed} for run, design, seed in runs]
    text = json.dumps({"name": "s", "database": database, "runs": asked})
    (folder / "study.json").write_text(text)
    return folder


@pytest.mark.parametrize(("seeds", "noted"), [(1, False), (2, True), (4, True), (5, False)])
def test_few_runs_are_noted(file: Path, seeds: int, noted: bool) -> None:
    notes = compare(write_rewards(file, rewards(seeds)), "reward").notes
    note = (
        "the intervals of 'bid', 'cap', 'uniform', with fewer than 5 runs, are little more than "
        "lowest to highest"
    )
    assert (note in notes) == noted
    assert any("little more" in one for one in notes) == noted


def test_a_folder_knows_which_runs_count(file: Path) -> None:
    # GIVEN a database with an older form of design `b`, and a run that is still to come
    url = write_rewards(file, [("b", 0, 5.0), ("a", 0, 1.0), ("a", 1, 2.0)])
    write_rewards(file, [("b", 0, 9.0)], study="old")
    asked = [("old-b-0", "b", 0), ("s-a-0", "a", 0), ("s-a-1", "a", 1), ("s-b-1", "b", 1)]
    place = find_study(str(study_folder(file.parent, url, asked)))
    b, a = compare(place.database, "reward", asked=place.asked).designs
    # THEN the runs asked for count, in the order of the study, and what is not there is named
    assert (b.design, a.design) == ("b", "a")
    assert b.runs.values == {0: 9.0}
    assert b.runs.missing == {1: "not in the database"}
    with pytest.raises(ConfigurationError, match="holds no study 'odl'; did you mean 'old'"):
        compare(place.database, "reward", asked=place.asked, study="odl")


def test_seeds_that_only_one_design_was_to_have_are_named(file: Path) -> None:
    url = write_rewards(file, rewards(8))
    asked = [Asked(f"s-uniform-{seed}", "uniform", seed) for seed in range(8)]
    asked += [Asked(f"s-bid-{seed}", "bid", seed) for seed in range(6)]
    found = compare(url, "reward", baseline="uniform", asked=asked)
    assert found.designs[1].contrast.seeds == tuple(range(6))
    assert found.notes == (
        "'bid' against 'uniform': 2 seeds (6, 7) left out, which only one of them has",
    )


def test_two_runs_of_a_design_and_seed_are_told(file: Path) -> None:
    write_rewards(file, rewards(3))
    twice = {"run_id": "again", "study": "s", "design": "bid", "seed": 1, "state": "finished"}
    add_rows(f"sqlite:///{file}", RUNS, [twice])
    with pytest.raises(ConfigurationError, match=r"two runs of design 'bid' .*again"):
        compare(f"sqlite:///{file}", "reward")


def test_a_moved_folder_is_found_and_other_databases_too(tmp_path: Path) -> None:
    moved = study_folder(tmp_path, None, [])
    assert find_study(str(moved)).database == f"sqlite:///{tmp_path / 'study.db'}"
    for url in ("sqlite:////elsewhere/study.db", "sqlite:///file:study.db?mode=ro&uri=true"):
        assert find_study(str(study_folder(tmp_path, url, []))).database == url
    server = study_folder(tmp_path, "postgresql+psycopg://host/name", [])
    assert find_study(str(server)).database == "postgresql+psycopg://host/name"
    assert find_study("postgresql://host/name").asked is None
    (tmp_path / "any.db").write_text("")
    assert find_study(str(tmp_path / "any.db")).database == f"sqlite:///{tmp_path / 'any.db'}"


def test_places_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no study folder"):
        find_study(str(tmp_path / "none"))
    with pytest.raises(ResultsError, match="holds no study"):
        find_study(str(tmp_path))
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "manifest.json").write_text("{}")
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "study.db").write_text("")
    with pytest.raises(ResultsError, match=r"holds no study: .*; there are '[^']*runs/b'$"):
        find_study(str(tmp_path / "runs"))
    with pytest.raises(ResultsError, match="does not hold the password"):
        find_study(str(study_folder(tmp_path, "postgresql+psycopg://me:***@host/name", [])))
    for text in ("{", "[]", '{"runs": [], "database": 3}', '{"runs": [{}]}'):
        (tmp_path / "study.json").write_text(text)
        with pytest.raises(ResultsError, match="is damaged"):
            find_study(str(tmp_path))


@pytest.mark.parametrize(
    ("metric", "prices", "noted"),
    [
        ("reward", (100.0, 200.0), True),
        ("last.reward", (100.0, 200.0), True),
        ("reward", (100.0, 100.0), False),
        ("profit", (100.0, 200.0), False),
        ("best_reward.profit", (100.0, 200.0), False),
    ],
)
def test_rewards_that_are_scaled_differently_are_noted(
    file: Path, metric: str, prices: tuple[float, float], noted: bool
) -> None:
    designs = ("low", "high")
    parameters = {
        design: {"learning_config.max_bid_price": price, "learning_config.gamma": k / 2}
        for k, (design, price) in enumerate(zip(designs, prices, strict=True))
    }
    url = write_rewards(file, rewards(6, designs), metric=metric, parameters=parameters)
    note = (
        "rewards are scaled by max_bid_price, which differs between designs: compare profit instead"
    )
    assert compare(url, metric).notes == ((note,) if noted else ())


def test_the_table_holds_every_figure(file: Path, tmp_path: Path) -> None:
    comparison = compare(write_rewards(file, rewards()), "reward", baseline="uniform")
    comparison_table(comparison).to_csv(tmp_path / "c.csv", index=False)
    table = pd.read_csv(tmp_path / "c.csv").set_index("design")
    one = by_design(comparison)["cap"]
    row = table.loc["cap"]
    assert row["iqm_low"] == one.iqm.low
    assert row["mean_difference"] == one.contrast.paired.mean.estimate
    assert row["p_adjusted"] == one.contrast.p_adjusted
    assert row["probability_of_improvement_high"] == one.contrast.higher.high
    assert row["run_ids"].split() == [f"s-cap-{seed}" for seed in range(10)]
    assert table.loc["uniform", ["pairs", "p_value"]].isna().all()

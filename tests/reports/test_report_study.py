"""Reports of studies."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hand_made_study import CAP, DESIGNS, reward, run_id, write_study

from assume_rl.errors import ResultsError
from assume_rl.reports.report import report, report_sections
from assume_rl.reports.source import study_rows
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.style import text
from assume_rl.reports.topics.answer import study as answer
from assume_rl.reports.types import Chart, Grid, Item, Lead, Omitted, Section
from assume_rl.results.study_database import StudyDatabase

pytestmark = pytest.mark.unchecked

Choose = Callable[..., None]
CELLS = [(design, seed) for design in DESIGNS for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "prices"
    return write_study(folder, CELLS, stored=CELLS)


@pytest.fixture(scope="module")
def sections(study: Path) -> list[Section]:
    return report_sections(open_source(study))


@pytest.fixture(scope="module")
def items(sections: list[Section]) -> list[Item]:
    return [item for section in sections for item in section.items]


def chart(items: list[Item], name: str) -> Chart:
    return next(item for item in items if isinstance(item, Chart) and item.name == name)


def test_every_run_has_its_row(items: list[Item]) -> None:
    runs = next(i for i in items if isinstance(i, Grid) and i.title == "All runs")
    rows = [dict(zip(runs.columns, row, strict=True)) for row in runs.rows]
    assert [row["run id"] for row in rows] == [run_id(*cell) for cell in CELLS]
    assert [(row["design"], row["seed"]) for row in rows] == CELLS
    assert [row[f"set {CAP}"] for row in rows] == [3000] * 3 + [100] * 3
    assert all(row["final hash"] for row in rows)


def test_designs_are_compared_by_every_metric(items: list[Item]) -> None:
    figure = chart(items, "compare-train-reward").figure
    means, dots = figure.data
    assert list(means.x) == [12.0, 2.0]  # fewer than four runs: the interquartile mean is the mean
    assert list(dots.x) == [reward(*cell) for cell in CELLS]
    assert list(dots.customdata) == [run_id(*cell) for cell in CELLS]
    assert (means.error_x.array > 0).all()
    assert list(chart(items, "compare-train-profit").figure.data[0].x) == [12_000.0, 2_000.0]


def test_a_metric_that_is_equal_in_all_runs_is_told_in_a_sentence(items: list[Item]) -> None:
    reasons = {item.title: item.reason for item in items if isinstance(item, Omitted)}
    assert reasons["avg_price[EOM] (EUR/MWh)"] == "equal in all runs: 56.60"
    assert reasons["total_profit (EUR)"] == "equal in all runs: 12,800"
    names = {item.name for item in items if isinstance(item, Chart)}
    assert "compare-train-avg_price[EOM]" not in names


def test_one_run_alone_is_told_in_a_sentence(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("comparison")
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS[:1])
    items = [item for section in report_sections(open_source(folder)) for item in section.items]
    reasons = {item.title: item.reason for item in items if isinstance(item, Omitted)}
    assert reasons["profit (EUR)"] == "only one run has it: 11,000"


def test_the_profile_of_profits_is_the_share_of_runs_above(items: list[Item]) -> None:
    found = chart(items, "profile-train-profit")
    lines = {t.name: t for t in found.figure.data if t.showlegend is not False}
    uniform, capped = (lines[text(design)] for design in DESIGNS)
    assert list(uniform.x[1:]) == [1_000, 2_000, 3_000, 11_000, 12_000, 13_000]
    assert list(uniform.y) == pytest.approx([1, 1, 1, 1, 2 / 3, 1 / 3, 0])
    assert list(capped.y) == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0, 0])
    bands = [t for t in found.figure.data if t.showlegend is False]
    assert len(bands) == 4
    assert all(((t.y >= 0) & (t.y <= 1)).all() for t in bands)
    assert set(found.run_ids) == {run_id(*cell) for cell in CELLS}
    assert "Share of a design's finished runs" in found.caption


def test_rewards_on_unlike_scales_are_told_of(items: list[Item]) -> None:
    notes = {name: chart(items, f"compare-train-{name}").caption for name in ("reward", "profit")}
    assert "compare profit instead" in notes["reward"]
    assert "compare profit instead" not in notes["profit"]


def test_the_table_of_a_step_has_each_metric_and_design(items: list[Item]) -> None:
    grid = next(i for i in items if isinstance(i, Grid) and i.title.startswith("All metrics"))
    rows = [row[:4] for row in grid.rows if row[0] == "reward"]
    assert rows == [("reward", DESIGNS[0], 3, 12.0), ("reward", DESIGNS[1], 3, 2.0)]


def test_the_first_screen_says_what_differs_by_how_much_and_how_sure(
    sections: list[Section],
) -> None:
    lead, figure, differences = sections[0].items
    assert isinstance(lead, Lead)
    much, sure, what, setting = lead.sentences[:4]
    minus = "\N{MINUS SIGN}"
    assert (
        much
        == f"{DESIGNS[1]} against {DESIGNS[0]}: profit of learners 10,000 EUR lower ({minus}83.3%)."
    )
    assert f"interval {minus}10,000 to {minus}10,000 EUR, 3 seeds in common" in sure
    assert "the test does not reject chance with these seeds" in sure  # p is 1/4 at least
    assert what.endswith("3 seeds: 6 of 6 runs finished.")
    assert setting == f"Designs differ in {CAP}."
    assert [(fact.name, fact.value) for fact in lead.facts] == [
        (DESIGNS[0], "12,000"),
        (DESIGNS[1], "2,000"),
    ]
    assert isinstance(figure, Chart)
    assert figure.name == "compare-train-profit"
    assert isinstance(differences, Grid)
    assert differences.rows[1][:4] == ("profit (EUR)", DESIGNS[1], 2_000.0, -10_000.0)


def test_a_difference_is_a_share_of_the_baseline_on_the_same_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_topics: Choose
) -> None:
    only_topics("comparison")
    monkeypatch.setattr(answer, "compare", partial(answer.compare, level=0.8))
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS[:-1])
    lead, _, differences = report_sections(open_source(folder))[0].items
    assert isinstance(lead, Lead)
    minus = "\N{MINUS SIGN}"
    # both have the seeds 1 and 2, in which the baseline earns 11,500 EUR; 12,000 EUR in all three
    assert lead.sentences[0].endswith(f"profit of learners 10,000 EUR lower ({minus}87.0%).")
    assert lead.sentences[1].startswith("80 % interval")
    assert lead.facts[0].note.startswith("profit of learners, IQM; 80 %: ")
    assert isinstance(differences, Grid)
    assert "with its 80 % bootstrap interval" in differences.caption


def test_many_designs_are_not_tested_but_the_extremes_are_named(
    study: Path, monkeypatch: pytest.MonkeyPatch, only_topics: Choose
) -> None:
    only_topics("comparison")
    monkeypatch.setattr(answer, "DRAWN", 1)
    lead, *rest = report_sections(open_source(study))[0].items
    assert isinstance(lead, Lead)
    assert lead.sentences[0].startswith(
        f"profit of learners: 12,000 EUR in {DESIGNS[0]}, the highest interquartile mean, "
        f"2,000 EUR in {DESIGNS[1]}, the lowest."
    )
    assert [item.kind for item in rest] == ["chart"]


def test_learning_curves_have_a_line_per_design(items: list[Item]) -> None:
    found = chart(items, "reward-in evaluations")
    lines = [t for t in found.figure.data if t.showlegend is not False]
    assert [list(line.y) for line in lines] == [[3.0, 4.0]] * 2
    assert set(found.run_ids) == {run_id(*cell) for cell in CELLS}


def test_markets_of_the_first_run_of_each_design_are_side_by_side(items: list[Item]) -> None:
    titles = [item.title for item in items if item.title.startswith("Dispatch by technology")]
    assert titles == [f"Dispatch by technology: {design}, seed 1" for design in DESIGNS]


def test_designs_beyond_the_colours_have_no_markets(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_rows, "SHOWN", 1)
    assert [recorded.run_id for recorded in open_source(study).recorded] == [run_id(*CELLS[0])]


def test_many_episodes_are_thinned_in_the_database(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_rows, "EPISODES_READ", 15)  # of 30
    source = open_source(study)
    learned = source.curves["evaluation"].astype(bool)
    assert set(source.curves.loc[~learned, "episode"]) == {2}
    assert set(source.curves.loc[learned, "episode"]) == {1, 2}
    assert "one episode in 2" in source.notes[-1]


def test_a_database_by_its_url_is_the_same_study(study: Path, only_topics: Choose) -> None:
    only_topics("comparison")
    url = f"sqlite:///{study / 'study.db'}"
    found = [item for section in report_sections(open_source(url)) for item in section.items]
    means, _ = chart(found, "compare-train-reward").figure.data
    assert sorted(means.x) == [2.0, 12.0]
    assert open_source(study / "study.db").database == url


def test_a_run_of_a_study_has_its_report(study: Path) -> None:
    source = open_source(study / "runs" / run_id(*CELLS[0]))
    (run,) = source.runs
    assert (run.run_id, run.steps, run.design) == (run_id(*CELLS[0]), ("train",), DESIGNS[0])
    assert source.recorded[0].keys == {"simulation": "toy_case"}


def test_runs_that_are_not_stored_are_named(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("runs")
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS[:2], failed=CELLS[2:3])
    html = report(folder).read_text(encoding="utf-8")
    assert "3 of 6 runs are not in the study database yet" in html
    assert "1 of 3 stored runs failed" in html
    assert "2 finished, 1 failed, 3 waiting" in html
    assert "out of memory" in html


def test_runs_that_are_not_asked_for_any_more_do_not_count(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", CELLS[:2], stored=CELLS)
    source = open_source(folder)
    assert [run.run_id for run in source.runs] == [run_id(*cell) for cell in CELLS[:2]]
    assert (
        set(source.metrics["run_id"])
        == set(source.curves["run_id"])
        == {run_id(*cell) for cell in CELLS[:2]}
    )
    assert "4 runs that the study does not ask for any more" in source.notes[0]


def test_a_study_without_results_says_so(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", CELLS, stored=[])
    (folder / "study.db").unlink()
    html = report(folder).read_text(encoding="utf-8")
    assert "6 of 6 runs are not in the study database yet" in html
    for title in ("Comparison of designs", "Gap to the exact best response", "Prices", "Dispatch"):
        assert f"Left out: {title}: no run has finished yet." in html


def test_key_figures_are_headed_by_design_and_seed(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("runs")
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS[::-2])
    found = [item for section in report_sections(open_source(folder)) for item in section.items]
    grid = next(i for i in found if isinstance(i, Grid) and i.title == "Key figures")
    heads = [f"{d}, {s}\n{run_id(d, s)}" for d, s in CELLS[1::2]]
    assert list(grid.columns) == ["step", "figure", "unit", *heads]
    rewards = next(row for row in grid.rows if row[1] == "reward")
    assert list(rewards[3:]) == [reward(*cell) for cell in CELLS[1::2]]
    assert f"uniform, 2<br>{run_id('uniform', 2)}</th>" in report(folder).read_text("utf-8")


def test_an_empty_database_is_an_error(tmp_path: Path) -> None:
    with StudyDatabase(url := f"sqlite:///{tmp_path / 'study.db'}"):
        pass
    with pytest.raises(ResultsError, match="holds no runs yet"):
        open_source(url)


def test_names_of_designs_make_no_elements(study: Path, only_topics: Choose) -> None:
    only_topics("comparison", "runs")
    html = report(study, out=study.parent / "r.html").read_text(encoding="utf-8")
    assert "capped </script>" not in html
    assert "<td>capped &lt;/script&gt;</td>" in html

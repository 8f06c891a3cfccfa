"""The example study of flexibility gives the figures of its README, and says what it concludes."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from assume_rl.results.study_database import read
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study

pytestmark = pytest.mark.unchecked

EXAMPLE = Path(__file__).parents[1] / "examples" / "flexibility"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
KEYS = ["study", "design", "setting", "value"]
STUDIES = {"flexibility_border": "border.yaml", "flexibility_storages": "storages.yaml"}
DESIGNS = {
    "flexibility_border": ["as it is", "no border", "fixed works", "neither"],
    "flexibility_storages": ["as it is", "no battery", "no pump", "neither"],
}
PLAIN = {"flexibility_border": 1200.0, "flexibility_storages": 1.0}  # as the scenario is


@pytest.fixture(scope="module")
def figures() -> pd.DataFrame:
    found = pd.read_csv(EXAMPLE / "figures.csv")
    return found.assign(spread=found["dearest_quarter"] - found["cheapest_quarter"])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("flexibility_figures", EXAMPLE / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_again(folder: Path, wanted: Callable[[str], bool]) -> None:
    """Do the runs of both studies whose design label is `wanted`."""
    for name, file in STUDIES.items():
        study = read_study(EXAMPLE / file)
        runs = tuple(run for run in study.runs if wanted(run.design))
        run_study(replace(study, runs=runs, folder=folder / name))


def test_before_the_studies_the_script_says_what_to_run(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        script.runs_of(script.MARKETS[0], tmp_path)
    assert str(end.value.code).endswith(
        "first run: assume-rl batch examples/flexibility/border.yaml"
    )


@pytest.fixture(scope="module")
def plain_runs(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both studies, with the scenarios as they are only."""
    folder: Path = tmp_path_factory.mktemp("studies")
    labels = ("as it is, max_power=1200", "as it is, demand.scale=1")
    run_again(folder, lambda design: design in labels)
    return folder


def assert_as_stored(script: ModuleType, studies: Path, count: int) -> None:
    tables = [script.figures(market, *script.runs_of(market, studies)) for market in script.MARKETS]
    found = pd.concat(tables).set_index(KEYS)
    stored = pd.read_csv(EXAMPLE / "figures.csv").set_index(KEYS)
    assert len(found) == count
    pd.testing.assert_frame_equal(found, stored.loc[found.index], check_dtype=False, atol=0.02)


@pytest.mark.slow
def test_the_plain_runs_give_the_stored_figures_again(script: ModuleType, plain_runs: Path) -> None:
    assert_as_stored(script, plain_runs, 2)


@pytest.mark.slow
def test_all_runs_give_the_stored_figures_again(script: ModuleType, tmp_path: Path) -> None:
    run_again(tmp_path, lambda design: True)

    assert_as_stored(script, tmp_path, 20)


@pytest.mark.slow
def test_the_picture_is_drawn(script: ModuleType, plain_runs: Path, tmp_path: Path) -> None:
    picture = tmp_path / "prices.png"

    script.draw({market: script.runs_of(market, plain_runs) for market in script.MARKETS}, picture)

    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_fixed_works_take_the_average_of_works_that_answer(
    script: ModuleType, plain_runs: Path
) -> None:
    _, database = script.runs_of(script.MARKETS[0], plain_runs)
    bought = -read(database, "market_dispatch").groupby("unit_id")["power"].mean()
    runs = read_study(EXAMPLE / "border.yaml").runs
    settings = next(run for run in runs if run.design.startswith("fixed")).steps[0].settings
    for works in ("smelter", "chemistry"):
        assert settings[f"demand.{works}"] == pytest.approx(bought[works], abs=0.1)


@pytest.mark.parametrize("study", STUDIES)
def test_the_stored_figures_are_those_of_the_study_file(study: str, figures: pd.DataFrame) -> None:
    runs = [run.design.split(", ")[0] for run in read_study(EXAMPLE / STUDIES[study]).runs]

    assert figures.loc[figures["study"] == study, "design"].tolist() == runs
    assert list(dict.fromkeys(runs)) == DESIGNS[study]


def cells(row: pd.Series) -> list[str]:
    """What the tables show of a run."""
    money = ["buyers_pay", "plants_earn", "storages_earn", "fuel_costs"]
    shown = [f"{row['mean_price']:.2f}", f"{row['spread']:.2f}", str(row["hours_at_or_below_0"])]
    million = [f"{row[name] / 1e6:.2f}" for name in money]
    if row["study"] == "flexibility_border":  # no such hours, and no storages
        return [*shown[:2], *million[:2], million[3]]
    return [*shown, *million]


def table_row(design: str, columns: list[str]) -> str:
    return f"| {' | '.join([design, *columns])} |\n"


@pytest.mark.parametrize("study", STUDIES)
def test_the_tables_hold_the_stored_figures(study: str, figures: pd.DataFrame) -> None:
    own = figures[figures["study"] == study]
    for design, rows in own.groupby("design"):
        plain = rows[rows["value"] == PLAIN[study]].iloc[0]
        pairs = [f"{r['buyers_pay'] / 1e6:.2f} ({r['spread']:.2f})" for _, r in rows.iterrows()]
        assert table_row(str(design), cells(plain)) in README
        assert table_row(str(design), pairs) in README


def test_flexibility_always_narrows_the_spread(figures: pd.DataFrame) -> None:
    for (study, _), rows in figures.groupby(["study", "value"]):
        spread = rows.set_index("design")["spread"]
        assert spread.drop("neither").lt(spread["neither"]).all(), study


def test_what_it_does_to_the_bill_depends(figures: pd.DataFrame) -> None:
    bill = figures.pivot(index=["study", "value"], columns="design", values="buyers_pay") / 1e6
    autumn, windy = bill.loc[("flexibility_border", 1200)], bill.loc[("flexibility_border", 2400)]
    summer = bill.loc["flexibility_storages"][DESIGNS["flexibility_storages"]]
    # THEN the border and the works lower it, unless there is much wind
    assert autumn["no border"] - autumn["as it is"] == pytest.approx(0.36, abs=0.005)
    assert autumn["fixed works"] - autumn["as it is"] == pytest.approx(0.11, abs=0.005)
    assert windy["as it is"] - windy["neither"] == pytest.approx(0.06, abs=0.005)
    # AND storages always raise it
    assert summer.drop(columns="neither").gt(summer["neither"], axis=0).to_numpy().all()
    assert summer.loc[1, "as it is"] - summer.loc[1, "neither"] == pytest.approx(0.16, abs=0.005)


def test_the_other_differences_that_the_conclusion_names(figures: pd.DataFrame) -> None:
    autumn, summer = (
        figures[(figures["study"] == study) & (figures["value"] == value)].set_index("design")
        for study, value in PLAIN.items()
    )
    money = ["plants_earn", "fuel_costs"]
    change = summer.loc["as it is", money] - summer.loc["neither", money]
    with_and_without = ["as it is", "neither"]
    assert autumn["cheapest_quarter"].unique().tolist() == [40.06]
    assert autumn.loc[with_and_without, "dearest_quarter"].tolist() == [55.11, 63.26]
    assert summer.loc[with_and_without, "cheapest_quarter"].tolist() == [4.9, 2.27]  # 2.63 more
    assert summer.loc[with_and_without, "dearest_quarter"].tolist() == [41.59, 42.81]  # 1.22 less
    assert (change / 1e6).tolist() == pytest.approx([0.23, -0.42], abs=0.005)
    assert (summer.loc[with_and_without, "renewable_energy"] / 1e3).round().tolist() == [430, 419]

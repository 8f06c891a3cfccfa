"""The runs of a study: products, labels, parameters, identities and random draws."""

import math
import shutil
import time
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from libraries import Later
from study_text import SCENARIOS, refused, study

from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario
from assume_rl.studies.labels import short_names
from assume_rl.studies.types import Study

stats: Any = Later("scipy.stats")

GAMMA, RATE = "learning_config.gamma", "learning_config.learning_rate"
MECHANISM = "markets_config.EOM.market_mechanism"


def ids(found: Study) -> list[str]:
    return [run.id for run in found.runs]


def test_a_study_is_a_product_and_seeds_of_a_cell_are_neighbours(tmp_path: Path) -> None:
    found = study(
        tmp_path,
        f"""
        scenarios: {{folder: scenarios/single_learner, cases: [tiny, base]}}
        list: [{{name: uniform}}, {{name: bids, set: {{{MECHANISM}: pay_as_bid}}}}]
        grid: {{{GAMMA}: [0.1, 0.2], {RATE}: [0.001, 1e-4]}}
        zip: {{fuel_prices.co2: [20, 30], demand.demand.scale: [1, 0.9]}}
        seeds: 3
        steps: train
        """,
    )
    cells = list(product(["tiny", "base"], ["uniform", "bids"], [0.1, 0.2], [1e-3, 1e-4], [20, 30]))
    assert len(found.runs) == len(set(ids(found))) == 3 * len(cells)
    assert [run.seed for run in found.runs] == [42, 43, 44] * len(cells)
    for k, (case, design, gamma, rate, co2) in enumerate(cells):
        run = found.runs[3 * k]
        scale = 1 if co2 == 20 else 0.9
        expected = {
            "case": case,
            MECHANISM: "pay_as_bid" if design == "bids" else "pay_as_clear",
            GAMMA: gamma,
            RATE: rate,
            "fuel_prices.co2": co2,
            "demand.demand.scale": scale,
        }
        assert dict(run.parameters) == expected
        assert run.design == (
            f"{case}, {design}, gamma={gamma}, learning_rate={rate:g}, co2={co2}, "
            f"demand.scale={scale}"
        )
        assert run.steps[0].case == case


def test_later_sections_win(tmp_path: Path) -> None:
    (run,) = study(
        tmp_path,
        f"""
        set: {{{GAMMA}: 0.1, {RATE}: 0.1, seed: 1, learning_config.tau: 0.1}}
        list: [{{name: a, set: {{{RATE}: 0.2, learning_config.tau: 0.2}}}}]
        grid: {{seed: [7]}}
        steps: [{{train: {{set: {{learning_config.tau: 0.4}}}}}}]
        """,
    ).runs
    expected = {GAMMA: 0.1, RATE: 0.2, "seed": 7, "learning_config.tau": 0.4}
    assert run.steps[0].settings == expected
    assert (run.seed, run.design, dict(run.parameters)) == (7, "a", {})


def test_parameters_have_the_value_that_holds_where_nobody_sets_it(tmp_path: Path) -> None:
    found = study(
        tmp_path,
        f"""
        scenarios: {{folder: scenarios/single_learner, cases: tiny}}
        steps: train
        list:
        - {{name: usual}}
        - {{name: big, set: {{units.learner.max_power: 600}}}}
        - {{name: dear, set: {{fuel_prices.co2: {{scale: 2}}, fuel_prices.natural gas: 30}}}}
        - {{name: other, set: {{units.learner.bidding_EOM: powerplant_energy_learning_single_bid}}}}
        - {{name: listed, set: {{markets_config.EOM.products: [
            {{duration: 2h, count: 1, first_delivery: 1h}}], {GAMMA}: 0.5}}}}
        """,
    )
    usual, big, dear, other, listed = (run.parameters for run in found.runs)
    assert usual["units.learner.max_power"] == 500.0
    assert (big["units.learner.max_power"], big[GAMMA], listed[GAMMA]) == (600, 0.9, 0.5)
    assert (usual["fuel_prices.co2.scale"], dear["fuel_prices.co2.scale"]) == (1.0, 2)
    assert (usual["fuel_prices.natural gas"], dear["fuel_prices.natural gas"]) == (None, 30)
    assert usual["units.learner.bidding_EOM"] == "powerplant_energy_learning"
    assert other["units.learner.bidding_EOM"] == "powerplant_energy_learning_single_bid"
    assert '"duration": 7200' in str(listed["markets_config.EOM.products"])


def test_labels_are_as_short_as_can_be() -> None:
    names = ["a.gamma", "b.tau", "c.d.tau", "demand.town.scale", "availability.town.scale"]
    assert list(short_names(names, ".").values()) == [
        "gamma", "b.tau", "d.tau", "demand.town.scale", "availability.town.scale",
    ]  # fmt: skip
    assert short_names(["demand.town.scale"], ".") == {"demand.town.scale": "town.scale"}


def test_scenarios_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for place in ("here", "there"):
        shutil.copytree(SCENARIOS / "single_learner", tmp_path / place / "market")
    found = study(
        tmp_path,
        "scenarios: [here/market, {folder: there/market, cases: tiny}, scenarios/ten_learners]\n"
        "steps: train",
    )
    assert [run.design for run in found.runs] == [
        "here/market, base", "there/market, tiny", "ten_learners, base",
    ]  # fmt: skip
    assert found.runs[2].parameters == {"scenario": "ten_learners", "case": "base"}


def test_steps_take_policies_of_the_latest_training_unless_told(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (run,) = study(
        tmp_path,
        """
        steps:
        - train
        - evaluate
        - {train: {name: again, policies: train, case: next_week, which: best_profit}}
        - {evaluate: {name: winter, case: next_week, policies: train, which: best_reward}}
        - run:
        """,
    ).runs
    found = [(s.name, s.kind, s.case, s.policies, s.which) for s in run.steps]
    assert found == [
        ("train", "train", "tiny", None, "last"),
        ("evaluate", "evaluate", "tiny", "train", "last"),
        ("again", "train", "next_week", "train", "best_profit"),
        ("winter", "evaluate", "next_week", "train", "best_reward"),
        ("run", "run", "tiny", "again", "last"),
    ]


# --- identity ----------------------------------------------------------------------------------

SAME: dict[str, str] = {
    "a name": "name: other\nlist: [{{name: x}}]",
    "places": "out: elsewhere\ndatabase: sqlite:///x.db\ntrack: tensorboard",
    "a device": "device: auto",
    "a device of the case": "set: {{learning_config.device: auto}}",
    "a setting as it is": "set: {{learning_config.gamma: 0.9, units.learner.max_power: 500}}",
    "the same seed": "seeds: [42]",
    "a place for policies": "set: {{learning_config.trained_policies_save_path: x}}",
    "a copy elsewhere": "scenarios: {{folder: copies/another_name, cases: tiny}}",
    "a unit that is scaled by one": "set: {{demand.demand.scale: 1}}",
}


@pytest.mark.parametrize("name", SAME)
def test_what_does_not_change_results_does_not_change_a_run(tmp_path: Path, name: str) -> None:
    shutil.copytree(SCENARIOS / "single_learner", tmp_path / "copies" / "another_name")
    (tmp_path / "copies" / "another_name" / "README.md").write_text("changed")
    plain = ids(study(tmp_path, "steps: train"))
    assert ids(study(tmp_path, SAME[name].format() + "\nsteps: train")) == plain


OTHER: dict[str, str] = {
    "a setting": "set: {learning_config.gamma: 0.8}\nsteps: train",
    "a unit": "set: {units.hydro.max_power: 121}\nsteps: train",
    "a price": "set: {fuel_prices.co2: {scale: 1.01}}\nsteps: train",
    "a seed": "seeds: [43]\nsteps: train",
    "an engine": "engine: agents\nsteps: train",
    "a case": "scenarios: {folder: scenarios/single_learner, cases: base}\nsteps: train",
    "a step more": "steps: [train, evaluate]",
    "other policies": "steps: [train, {evaluate: {which: best_reward}}]",
    "a step of another name": "steps: [{train: {name: learn}}]",
    "a step's own setting": "steps: [{train: {set: {learning_config.tau: 0.1}}}]",
}


def test_what_changes_results_makes_another_run(tmp_path: Path) -> None:
    found = [ids(study(tmp_path, text))[0] for text in ["steps: train", *OTHER.values()]]
    assert len(set(found)) == len(found)
    assert all(len(name) == 12 and int(name, 16) >= 0 for name in found)


def test_a_changed_table_is_another_run(tmp_path: Path) -> None:
    text = "scenarios: {folder: mine, cases: tiny}\nsteps: train"
    shutil.copytree(SCENARIOS / "single_learner", tmp_path / "mine")
    before = ids(study(tmp_path, text))
    table = tmp_path / "mine" / "demand_df.csv"
    table.write_text(table.read_text().replace("969.9", "969.8"))
    assert ids(study(tmp_path, text)) != before


@pytest.mark.unchecked
def test_policies_count_by_what_is_in_them(tmp_path: Path) -> None:
    few = {
        "end_date": "2019-03-05 00:00",
        "learning_config.training_episodes": 2,
        "learning_config.gradient_steps": 1,
        "learning_config.validation_episodes_interval": 1,
    }
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=few)
    train(scenario, out=tmp_path / "trained")
    shutil.copytree(tmp_path / "trained" / "policies" / "last", tmp_path / "copy")
    train(scenario, seed=1, out=tmp_path / "others")
    runs = {
        name: study(tmp_path, f"steps: [evaluate]\nlist: [{{name: x, policies: {name}}}]").runs[0]
        for name in ("trained", "copy", "others")
    }
    assert runs["trained"].id == runs["copy"].id != runs["others"].id
    assert runs["copy"].steps[0].policies == str(tmp_path / "copy")
    named = [
        ids(study(tmp_path, f"set: {{policies.learner: {name}}}"))
        for name in ("trained/policies/last", "copy", "others/policies/last")
    ]
    assert named[0] == named[1] != named[2]
    assert "the designs 'a' and 'b' are the same" in refused(
        tmp_path,
        "steps: [evaluate]\nlist: [{name: a, policies: trained}, {name: b, policies: copy}]",
    )


# --- random designs ----------------------------------------------------------------------------

DRAWS = f"""
steps: train
random:
  count: {{count}}
  seed: {{seed}}
  keys:
    {GAMMA}: {{{{uniform: [0.9, 0.98]}}}}
    {RATE}: {{{{log_uniform: [1e-5, 1e-2]}}}}
    learning_config.batch_size: {{{{integer: [16, 19]}}}}
    {MECHANISM}: {{{{choice: [pay_as_clear, pay_as_bid]}}}}
"""


def drawn(tmp_path: Path, count: int, seed: int = 0) -> list[dict[str, object]]:
    found = study(tmp_path, DRAWS.format(count=count, seed=seed))
    assert len({run.design for run in found.runs}) == count
    return [dict(run.parameters) for run in found.runs]


@pytest.mark.slow
def test_draws_follow_their_laws(tmp_path: Path) -> None:
    rows = drawn(tmp_path, 400)
    gamma = [float(str(row[GAMMA])) for row in rows]
    rate = [math.log10(float(str(row[RATE]))) for row in rows]
    assert stats.kstest(gamma, stats.uniform(0.9, 0.08).cdf).pvalue > 0.01
    assert stats.kstest(rate, stats.uniform(-5, 3).cdf).pvalue > 0.01
    assert abs(stats.spearmanr(gamma, rate).statistic) < 0.15
    sizes = Counter(row["learning_config.batch_size"] for row in rows)
    assert sorted(map(str, sizes)) == ["16", "17", "18", "19"]
    assert stats.chisquare(list(sizes.values())).pvalue > 0.01
    assert stats.chisquare(list(Counter(row[MECHANISM] for row in rows).values())).pvalue > 0.01


def test_draws_are_keyed_by_their_seed_and_more_of_them_change_none(tmp_path: Path) -> None:
    few, many = drawn(tmp_path, 5), drawn(tmp_path, 9)
    assert many[:5] == few
    assert drawn(tmp_path, 5, seed=1)[0] != few[0]


def test_a_thousand_runs_take_seconds(tmp_path: Path) -> None:
    begun = time.process_time()
    found = study(
        tmp_path,
        f"scenarios: scenarios/ten_learners\nsteps: [train, evaluate]\nseeds: 10\n"
        f"grid: {{{GAMMA}: [{', '.join(str(k / 100) for k in range(100))}]}}",
    )
    assert len(set(ids(found))) == 1000
    assert time.process_time() - begun < 10

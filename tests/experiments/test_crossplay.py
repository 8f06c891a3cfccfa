"""Cross-play of two plants whose profits and best responses can be worked out by hand."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_responses import HOURS, duopoly
from trained_runs import SCENARIOS, Trained

from assume_rl.errors import PolicyError
from assume_rl.experiments.policies import learner_specs
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.policies.folder import save_policies
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.studies.bench.crossplay import Pairing, pairings

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]


def asking(compiled: Compiled, folder: Path, **bids: float) -> Path:
    """Write policies that always ask the same price, EUR/MWh."""
    specs = [learner_specs(compiled)[unit] for unit in bids]
    actors = []
    for spec in specs:
        stack = initial_actors([spec], 1, "softsign")
        weights = {name: torch.zeros_like(weight) for name, weight in stack.weights.items()}
        share = bids[spec.unit_id] / 100
        weights["FC3.bias"] += share / (1 - share)  # of which it is the softsign
        actors.append(replace(stack, weights=weights))
    save_policies(folder, actors, specs, algorithm="matd3")
    return folder


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Compiled, dict[str, Path]]:
    """Two plants of 50 MW at cost 20 that serve 70 MW at a uniform price, and two sets of bids."""
    place = tmp_path_factory.mktemp("crossplay")
    compiled = duopoly(place / "market")
    sets = {
        "A": asking(compiled, place / "apart", high=90, low=30),
        "B": asking(compiled, place / "alike", high=60, low=52),
    }
    return compiled, sets


EARNED = {  # EUR/h: who asks less sells 50 MW, who asks more 20 MW and sets the price
    ("A", "A"): {"high": 20 * 70, "low": 50 * 70},
    ("A", "B"): {"high": 20 * 70, "low": 50 * 40},  # 90 beside 52; 30 beside 60
    ("B", "A"): {"high": 20 * 40, "low": 50 * 70},  # 60 beside 30; 52 beside 90
    ("B", "B"): {"high": 20 * 40, "low": 50 * 40},
}
CAP = 20 * 80  # EUR/h, of asking 100
BEST = {
    # Asking just less than the rival sells 50 MW at its price, and 100 EUR/MWh sells 20 MW.
    ("A", "A"): {"high": max(CAP, 50 * 10), "low": max(CAP, 50 * 70)},
    ("A", "B"): {"high": max(CAP, 50 * 32), "low": max(CAP, 50 * 40)},
    ("B", "A"): {"high": max(CAP, 50 * 10), "low": max(CAP, 50 * 70)},
    ("B", "B"): {"high": max(CAP, 50 * 32), "low": max(CAP, 50 * 40)},
}


def by_names(found: list[Pairing]) -> Mapping[tuple[str, str], Pairing]:
    return {(pair.own, pair.rivals): pair for pair in found}


def test_profits_and_gaps_of_each_pairing_are_those_worked_out_by_hand(
    market: tuple[Compiled, dict[str, Path]],
) -> None:
    compiled, sets = market
    found = by_names(list(pairings(compiled.scenario, sets, seed=1)))
    assert list(found) == list(EARNED)
    for names, pair in found.items():
        assert [unit.agent for unit in pair.units] == ["high", "low"]
        gaps = []
        for unit in pair.units:
            earned = EARNED[names][unit.agent]
            gaps.append((BEST[names][unit.agent] - earned) * HOURS)
            assert unit.profit == pytest.approx(earned * HOURS, rel=1e-5)
            assert unit.gap == pytest.approx(gaps[-1], abs=1)
        assert pair.profit == pytest.approx(sum(EARNED[names].values()) * HOURS, rel=1e-5)
        assert pair.exploitability.nash_conv == pytest.approx(sum(gaps), abs=1)
        assert pair.exploitability.exploitability == pytest.approx(max(gaps), abs=1)


def test_the_command_writes_tables_and_data(
    market: tuple[Compiled, dict[str, Path]], tmp_path: Path, assume_rl_command: Command
) -> None:
    compiled, sets = market
    changes = (
        "end_date=2019-03-04 12:00",
        "learning_config.learning_mode=true",
        "learning_config.reward.type=profit",
    )
    case = ("--scenario", compiled.scenario.folder, "--case", "tiny")
    overrides = [part for change in changes for part in ("--set", change)]
    code, out, err = assume_rl_command(
        "bench", "crossplay", *sets.values(), *case, *overrides, "--out", tmp_path / "bench"
    )
    assert (code, err) == (0, "")
    found = json.loads((tmp_path / "bench" / "crossplay.json").read_text())
    assert found["sets"] == {name: str(folder) for name, folder in sets.items()}
    rows = {(row["own"], row["rivals"]): row for row in found["rows"]}
    assert rows["A", "B"]["profit"] == pytest.approx(3400 * HOURS, rel=1e-5)
    assert rows["A", "B"]["gain"] == pytest.approx(600 * HOURS, rel=1e-3)
    assert rows["B", "B"]["gain"] == 0
    assert [unit["agent"] for unit in rows["B", "A"]["units"]] == ["high", "low"]
    page = (tmp_path / "bench" / "crossplay.md").read_text()
    assert page.strip() in out
    assert "| A | 53,900 | 37,400 |" in page
    assert "| B | 47,300 | 30,800 |" in page
    assert "one could gain alone" in page


@pytest.mark.slow
def test_each_of_ten_units_meets_the_rivals_of_each_set(ten: Trained) -> None:
    kept = {name: ten.folder / "policies" / name for name in ("best_reward", "last")}
    found = list(pairings(ten.scenario, kept, seed=1, most=0))
    assert len(found) == 4
    assert all(len(pair.units) == 10 for pair in found)
    assert all(pair.exploitability.nash_conv is None for pair in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{last}"], "between two sets of policies or more"),
        (["{last}", "{last}"], "is named twice"),
        (["{last}", "nowhere"], "policy folder 'nowhere' does not exist"),
    ],
)
def test_what_cannot_meet_is_said(
    arguments: list[str],
    message: str,
    single: Trained,
    tmp_path: Path,
    assume_rl_command: Command,
) -> None:
    sets = [text.format(last=single.last) for text in arguments]
    case = ("--scenario", SCENARIOS / "single_learner", "--case", "tiny", "--out", tmp_path / "out")
    code, _, err = assume_rl_command("bench", "crossplay", *sets, *case)
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_a_single_learner_has_nobody_to_meet(
    single: Trained, tmp_path: Path, assume_rl_command: Command
) -> None:
    sets = (single.last, single.folder / "policies" / "best_reward")
    case = ("--scenario", SCENARIOS / "single_learner", "--case", "tiny", "--out", tmp_path)
    code, _, err = assume_rl_command("bench", "crossplay", *sets, *case)
    assert code == 2
    assert "needs two learning bidders or more" in err


def test_a_set_that_lacks_a_unit_is_refused_before_anything_is_played(
    market: tuple[Compiled, dict[str, Path]], single: Trained
) -> None:
    compiled, sets = market
    with pytest.raises(PolicyError, match=r"no policy for unit 'high'"):
        next(pairings(compiled.scenario, {**sets, "C": single.last}, seed=1))

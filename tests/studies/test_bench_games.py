"""`assume-rl bench games`: figures, the page, and what learners reach in short trainings."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from assume_rl.cli.bench_page import BEGIN, END, placed
from assume_rl.cli.games_page import games_table
from assume_rl.learning.algorithms import able
from assume_rl.learning.config import LearningConfig
from assume_rl.studies.bench import games as playing
from assume_rl.studies.bench.games import measure, recipe
from assume_rl.testing.games import GAMES, judged, judged_mixed
from assume_rl.testing.games.curves import curve_table, curves
from assume_rl.testing.games.playing import Learned, Mix, play

pytestmark = pytest.mark.unchecked

PAGE = Path(__file__).resolve().parents[2] / "docs" / "games.md"

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl bench games ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(assume_rl_command, "bench", "games")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, list[int]]]:
    """Games that were to be played: name, rungs, seeds; every other seed finds the answer."""
    asked: list[tuple[str, int, list[int]]] = []

    def pretend(game: Any, config: Any, seeds: Any, rungs: int) -> list[Learned]:
        asked.append((game.name, rungs, list(seeds)))
        answer = game.equilibrium.action
        away = torch.tensor([[33.0], [33.0]]).double()
        sure = Mix(torch.full((2, 1), 52.0).double(), torch.ones(2, 1).double())
        off = lambda chance: away.expand(len(chance), -1, -1)  # noqa: E731
        mixes = (sure, sure) if game.mixed else (None, None)
        return [Learned(answer if seed % 2 else off, False, *mixes) for seed in seeds]

    monkeypatch.setattr(playing, "play", pretend)
    return asked


def test_the_page_gets_a_row_of_each_game_and_policy(
    command: Command, made_up: list[Any], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    code, out, _ = command("--games", "E1,E5", "--seeds", 30, "--page", page)
    assert code == 0
    assert [(name, len(seeds)) for name, _, seeds in made_up] == [
        ("E1", 25), ("E1", 5), ("E5", 25), ("E5", 5)
    ]  # fmt: skip
    first, last, averaged = json.loads(page.with_suffix(".json").read_text())["rows"]
    assert (first["within_1"], first["within_5"]) == (0.5, 0.5)  # the price 34 instead of 40
    # At 33 each earns 24 33 = 792, and 28.5^2 = 812.25 with 28.5.
    assert first["exploitability"]["most"] == pytest.approx(20.25, abs=0.01)
    assert first["exploitability_share"] == pytest.approx(20.25 / 2 / 900, abs=1e-4)
    assert (last["policy"], averaged["policy"]) == ("last", "averaged")
    assert last["exploitability"]["median"] == pytest.approx(480, abs=1)
    assert games_table(json.loads(page.with_suffix(".json").read_text())) in page.read_text()
    assert "| E1 | Cournot, 2 firms | `mirror_descent` | last | 30 | 40 | 50 % | 50 % |" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--games", "E10"), "unknown game 'E10'; did you mean 'E1"),
        (("--algorithms", "matd4"), "unknown algorithm 'matd4'; did you mean 'matd3'"),
        (("--games", ","), "--games: ',' names nothing; separate names by commas"),
        (("--page", "page.md"), "'page.md' cannot be read"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    command: Command, made_up: list[Any], arguments: tuple[object, ...], message: str
) -> None:
    code, _, err = command(*arguments)
    assert (code, made_up) == (2, [])
    assert message in err


def test_every_game_has_a_recipe_that_can_be_read() -> None:
    tables = (playing.BY_GAME, playing.MIRROR_BY_GAME, playing.REGRETS_BY_GAME)
    assert {name for own in tables for name in own} <= set(GAMES)
    for name in GAMES:
        for algorithm in set(able("ladder")) - {"r2d2"}:
            how = recipe(name, algorithm, True)
            assert how.rungs > 1
            LearningConfig.from_mapping({"algorithm": algorithm, **how.settings})
        assert recipe(name, "matd3", False).rungs == 0


def test_an_algorithm_that_remembers_is_refused(assume_rl_command: Callable[..., Any]) -> None:
    code, _, err = assume_rl_command("bench", "games", "--algorithms", "mirror_descent,r2d2")
    assert code == 2
    assert "r2d2 remembers earlier observations; a game is a single decision" in err


def test_the_page_has_the_table_of_its_file() -> None:
    file = PAGE.with_suffix(".json")
    content: Any = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    assert PAGE.read_text(encoding="utf-8") == placed(PAGE, games_table(content)), (
        "assume-rl bench games --page docs/games.md"
    )


# --- what is learned ------------------------------------------------------------------------------


def test_supply_functions_of_the_equilibrium_are_learned() -> None:
    (row,) = measure("E6-2", "mirror_descent", True, seeds=2)
    assert row["within_1"] == 1
    assert row["exploitability_share"] < 1e-3


def test_seeds_learn_together_what_each_learns_alone() -> None:
    game = GAMES["E6-2"]()
    config = LearningConfig(
        algorithm="fictitious_play", training_episodes=3, num_envs=2, gradient_steps=5,
        batch_size=8, actor_hidden=(), initial_actions="uniform",
    )  # fmt: skip
    together = play(game, config, (1, 2), 21)
    for k, seed in enumerate((1, 2)):
        (alone,) = play(game, config, (seed,), 21)
        assert torch.equal(alone.policy(game.cases), together[k].policy(game.cases))


@pytest.mark.parametrize("name", ["E1-3", "E5"])
def test_policies_that_mix_are_judged_by_what_they_draw(name: str) -> None:
    """Before it learns much a mix is far from any sure bid: its price is the mean of its draws."""
    game = GAMES[name]()
    config = LearningConfig(
        algorithm="mirror_descent", training_episodes=1, num_envs=2, optimizer="sgd",
        actor_hidden=(), learning_rate=1e-9,
    )  # fmt: skip
    (one,) = play(game, config, (1,), 21)
    action = one.policy(game.cases.repeat_interleave(2000, 0))
    assert one.draws
    assert action.shape[0] == 2000 * len(game.cases)
    for i, (low, high) in enumerate(game.bounds):
        assert len(torch.unique(action[:, i])) == 21
        assert float(action[:, i].mean()) == pytest.approx((low + high) / 2, rel=0.15)
    assert (one.last is None) == (len(game.bounds) > 2)
    if one.last is not None:
        exact = judged_mixed(game, one.last.numbers, one.last.weight)
        drawn = judged(game, one.policy, draws=2000)
        assert drawn.price == pytest.approx(exact.price, rel=0.03)
        assert drawn.exploitability == pytest.approx(exact.exploitability, rel=0.1)


def test_equal_rungs_are_ties() -> None:
    """Against a rival on the same rung nothing is sold of 40 MW, whatever rounding says."""
    table = curve_table(GAMES["E3"](), 101)
    assert table is not None
    assert (table.diagonal(dim1=1, dim2=2) == 0).all()
    under = torch.arange(100)  # 40 MW at a rung below that of the rival
    expected = (under - 20.0) * 40.0 / 4000.0
    torch.testing.assert_close(table[0][under + 1, under], expected.double())


def test_a_table_has_the_mean_over_chance() -> None:
    game = GAMES["E11"]()
    table = curve_table(game, 3)
    assert table is not None
    low, middle, high = game.grid(0, 3)
    action = torch.stack([middle, low])[:, None].expand(len(game.cases), -1, -1)
    own = torch.stack([middle, high])[:, None]
    tried = game.rules.tried(0, action, game.cases, own).mean(0) / game.scale
    torch.testing.assert_close(table[0, 0, 1:], tried)
    assert curve_table(GAMES["E1-3"](), 5) is None


def test_own_costs_meet_what_others_did_in_any_combination_of_plays() -> None:
    """Against the mean over all pairs of plays of two others, one by one, of what was tried."""
    game = GAMES["E8-3"]()
    chance = game.cases[:10].view(2, 5, 3)
    action = game.grid(0, 11)[(chance * 10).round().long()].unsqueeze(-1)
    found = curves(game, action, chance, 4) * game.scale
    first, second = torch.cartesian_prod(torch.arange(5), torch.arange(5)).unbind(-1)
    pairs = torch.stack([action[:, first, 0], action[:, first, 1], action[:, second, 2]], -2)
    for row in range(5):
        own = chance[:, row, None].expand(-1, 25, -1)
        tried = game.rules.tried(1, pairs, own, game.grid(1, 4)[:, None]).mean(1)
        torch.testing.assert_close(found[:, row, 1], tried)


@pytest.mark.slow
def test_prices_that_are_any_number_do_not_find_the_mixed_equilibrium() -> None:
    last, _ = measure("E5", "matd3", False, seeds=2)
    assert last["exploitability"]["median"] >= 479

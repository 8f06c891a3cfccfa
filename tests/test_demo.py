"""`make demo` trains two ways, prints honest figures and draws them."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.unchecked

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.py"
TWO_DAYS = {"end_date": "2019-03-06 00:00"}
FEW = {"learning_config.training_episodes": 2, "learning_config.validation_episodes_interval": 1}
SHORT = {
    "matd3": {
        **TWO_DAYS,
        **FEW,
        "learning_config.episodes_collecting_initial_experience": 1,
        "learning_config.gradient_steps": 2,
    },
    "fictitious_play": TWO_DAYS,
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    # The second week is two days long, as the first one is.
    unseen = partial(demo.load_scenario, overrides={"end_date": "2019-03-13 00:00"})
    load = demo.load_scenario
    demo.load_scenario = lambda folder, case, **own: (load if own else unseen)(folder, case, **own)
    return demo.main(tmp_path_factory.mktemp("demo") / "out", overrides=SHORT)


def test_draws_a_picture(learned):
    picture = learned[0].folder.parent / "demo.png"

    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000


def test_all_ways_are_judged_by_the_same_best_response(learned):
    textbook, ladder = learned

    for one, other in zip(textbook.weeks, ladder.weeks, strict=True):
        assert one.best == pytest.approx(other.best)
        assert one.truthful == pytest.approx(other.truthful)
        assert one.constant == pytest.approx(other.constant)


def test_nothing_is_rewarded_more_than_the_best_response(learned):
    for one in learned:
        for week in one.weeks:
            assert week.scores.reward <= week.scores.best_reward + 1e-9


def test_shows_every_auction_of_both_weeks(learned):
    for one in learned:
        for week, auctions in zip(one.weeks, (47, 47), strict=True):
            assert len(week.hours) == len(week.price) == len(week.bid) == auctions
            assert week.price.mean() == pytest.approx(week.scores.prices[0].mean)


def test_the_ladder_comes_near_the_best_response(learned):
    _, ladder = learned

    assert ladder.trained.scores.share > 0.9

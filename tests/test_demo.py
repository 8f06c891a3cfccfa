"""`make demo` trains, prints honest figures and draws them."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.unchecked

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.py"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    return demo.main("tiny", tmp_path_factory.mktemp("demo") / "out")


def test_draws_a_picture(shown):
    picture = shown.result.folder / "demo.png"

    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000


def test_the_best_response_is_an_upper_bound(shown):
    rewards = shown.rewards

    assert rewards["best response"] == pytest.approx(shown.result.last.best_reward)
    assert rewards["marginal cost"] == pytest.approx(shown.result.last.truthful_reward)
    assert all(reward <= rewards["best response"] + 1e-9 for reward in rewards.values())


def test_shows_every_auction_and_episode(shown):
    episodes = shown.result.episodes

    assert len(shown.hours) == len(shown.learned_price) == len(shown.bounds.best.price) == 47
    assert len(shown.training.reward) == sum(not e.evaluation for e in episodes)
    assert len(shown.evaluated.reward) == sum(e.evaluation for e in episodes)
    assert shown.learned_price.mean() == pytest.approx(shown.result.last.prices[0].mean)

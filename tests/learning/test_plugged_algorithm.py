"""The algorithm of `examples/plugins` learns, resumes and stacks like those of the package."""

from pathlib import Path

import pytest
import torch
from test_algorithms import SHAPES, played, regret, same
from toys import fleet, learner, one_seed, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.states import states
from assume_rl.scenario.plugins import load_plugins, unload_plugins

pytestmark = pytest.mark.unchecked

FILE = Path(__file__).parents[2] / "examples" / "plugins" / "weighted.py"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-algorithm.md"


@pytest.fixture(autouse=True)
def loaded():
    load_plugins([FILE])
    yield
    unload_plugins()


def test_the_page_shows_the_file():
    assert FILE.read_text(encoding="utf-8") in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_finds_the_best_action_of_each_state():
    generator = torch.Generator().manual_seed(1)
    ours = learner(fleet(*SHAPES["mlp"]), algorithm="rwr", actor_hidden=(32, 32))
    before = regret(ours)
    for _ in range(60):
        with torch.no_grad():
            ours.observe(played(ours, 64, generator))
        ours.update(1.0)
    assert regret(ours) < 0.04 < before


def test_a_seed_beside_another_and_one_that_goes_on_have_the_same_bytes():
    agents = fleet((3, 1, 1), (4, 2, 1))
    both = learner(agents, algorithm="rwr", seeds=(3, 5))
    alone = learner(agents, algorithm="rwr", seeds=(5,))
    resumed = learner(agents, algorithm="rwr", seeds=(5,))
    first, second = (random_joint(both, 12, seed=k) for k in (1, 2))
    for ours, joint in ((both, first), (alone, one_seed(first, 1))):
        ours.observe(joint)
        ours.update(1.0)
    resumed.load_state_dict(alone.state_dict())
    own = one_seed(second, 1)
    for ours, joint in ((both, second), (alone, own), (resumed, own)):
        ours.observe(joint)
        ours.update(0.5)
    found = states(alone.nets, 0)
    assert same(states(both.nets, 1), found)
    assert same(states(resumed.nets, 0), found)


def test_rates_that_it_does_not_adapt_are_refused():
    ours = learner(fleet((3, 1, 1)), algorithm="rwr", learning_rate_schedule="kl_adaptive")
    ours.observe(random_joint(ours, 4))
    with pytest.raises(ConfigurationError, match=r"rwr does not adapt .* kl_adaptive would do"):
        ours.update(1.0)

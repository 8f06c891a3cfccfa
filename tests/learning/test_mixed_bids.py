"""What holds for all algorithms that learn mixed bids from the reward curves of an update."""

from dataclasses import replace

import pytest
import torch
from same_learning import continues_from_a_state
from toys import learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.types import AgentSpec

pytestmark = pytest.mark.unchecked

NAMES = ["mirror_descent", "regret_matching"]
LADDER = AgentSpec("ladder", 3, 1, 3, rungs=6)
TWO = AgentSpec("two", 5, 2, 5, rungs=4)  # two entries, on another ladder
AGENTS = [LADDER, TWO, replace(LADDER, unit_id="another")]
SMALL = {"actor_hidden": (8, 8), "passes": 2}


@pytest.mark.parametrize("algorithm", NAMES)
def test_it_continues_from_a_state_with_the_same_bytes(algorithm):
    given = (learner(AGENTS, algorithm=algorithm, **SMALL) for _ in range(2))
    assert "actor" in continues_from_a_state(*given, random_joint)


@pytest.mark.parametrize("algorithm", NAMES)
def test_only_the_latest_auctions_count(algorithm):
    """What rivals bid before is of no use: they are not there any more."""
    given = [learner(AGENTS, algorithm=algorithm, **SMALL) for _ in range(2)]
    for k, each in enumerate(given):
        each.observe(random_joint(each, 12, seed=k))
        fresh = learner(AGENTS, algorithm=algorithm, **SMALL)
        each._waiting.clear()
        each.observe(random_joint(fresh, 8, seed=7))
        each.update(1.0)
    assert torch.equal(*(each.nets["actor"][0].online.buffer for each in given))


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_discount_is_not_read(algorithm):
    assert "gamma" in unread_keys(LearningConfig(algorithm=algorithm))
    given = [learner(AGENTS, algorithm=algorithm, gamma=gamma, **SMALL) for gamma in (0.0, 0.99)]
    for each in given:
        each.observe(random_joint(each, 12))
        each.update(1.0)
    assert torch.equal(*(each.nets["actor"][0].online.buffer for each in given))


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize(
    ("agents", "settings", "says"),
    [
        ([AgentSpec("box", 3, 1, 3)], {}, "cannot choose numbers, as unit 'box'"),
        (AGENTS, {"normalise": ["returns"]}, "not divided by the spread of returns"),
        (AGENTS, {"normalise": ["values"]}, "has no critic of its own"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(agents, settings, says, algorithm):
    with pytest.raises(ConfigurationError, match=says):
        learner(agents, algorithm=algorithm, **SMALL, **settings)

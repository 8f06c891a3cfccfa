"""Learning starts once there are enough transitions; the actions before may be uniform."""

import torch
from toys import fleet, learner, random_joint

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, exploration_at, explore


def test_nothing_is_learned_before_there_are_enough_transitions():
    settings = {"learning_starts": 20, "batch_size": 4, "gradient_steps": 1}
    ours = learner(fleet((3, 1, 1)), replay_buffer_size=16, **settings)
    for done in (0, 0, 1, 2):
        ours.observe(random_joint(ours, 8))
        ours.update(1.0)
        assert ours.updates == done
    continued = learner(fleet((3, 1, 1)), replay_buffer_size=16, **settings)
    continued.load_state_dict(ours.state_dict())
    continued.update(1.0)
    assert continued.updates == 3


def test_uniform_actions_fill_the_range_evenly():
    law = exploration_at(LearningConfig(initial_actions="uniform"), initial=True, progress=1.0)
    assert law == Exploration("initial", 0.2, 0.1, uniform=True)
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    centre = torch.full_like(z, 0.7)
    action, noise = explore(torch.zeros_like(z), centre, z, law)
    torch.testing.assert_close(action, centre + noise)
    assert action.abs().max() <= 1
    shares = torch.histc(action, bins=10, min=-1, max=1) / action.numel()
    assert (shares - 0.1).abs().max() < 0.01

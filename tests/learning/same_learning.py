"""What holds for any algorithm: it continues from a state as if never stopped, seeds stay apart."""

from collections.abc import Callable, Sequence

import torch
from test_seeds import alone_joint, assert_close
from toys import one_seed

from assume_rl.learning.learner import Learner
from assume_rl.learning.states import states
from assume_rl.learning.types import Joint

SEEDS = (1, 2)


def continues_from_a_state(
    first: Learner, second: Learner, draw: Callable[..., Joint]
) -> frozenset[str]:
    """Check that a learner goes on from another's state with the same bytes; return its networks.

    :param first: of three agents, untrained
    :param second: the same
    :param draw: transitions: of a learner, rows and `seed`
    """
    untrained = states(first.nets, 0)["networks"]
    first.observe(draw(first, 12))
    first.update(1.0)
    first.observe(draw(first, 12, seed=1))
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        metrics = each.update(0.5)
        for values in metrics.values.values():
            assert values.shape == (2, 1, 3)
            assert values.isfinite().all()
    ours, theirs = (states(each.nets, 0)["networks"] for each in (first, second))
    for kind, of_kind in ours.items():
        for unit, own in of_kind.items():
            for parameter, value in own.items():
                assert torch.equal(value, theirs[kind][unit][parameter])
                assert not torch.equal(value, untrained[kind][unit][parameter])
    return frozenset(ours)


def learns_as_alone(made: Callable[[Sequence[int]], Learner], draw: Callable[..., Joint]) -> None:
    """Check that a seed among others learns the same as alone.

    :param made: a learner of some seeds
    :param draw: transitions: of a learner, rows
    """
    together = made(SEEDS)
    joint = draw(together, 20)
    together.observe(joint)
    together.update(1.0)
    for k, seed in enumerate(SEEDS):
        alone = made((seed,))
        alone.observe(alone_joint(one_seed(joint, k), alone, together))
        alone.update(1.0)
        assert_close(states(alone.nets, 0), states(together.nets, k))

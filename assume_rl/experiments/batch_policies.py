"""Policies of a learner of several seeds: one seed's to a folder, a folder's to all seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assume_rl.episodes.learning_files import (
    has_critics,
    save_actors,
    save_critics,
    take_actors,
    take_critics,
)
from assume_rl.experiments.train_task import Task
from assume_rl.learning.learner import Learner


def save_policies_of(
    learner: Learner, seed: int, folder: Path, origin: Mapping[str, Any], *, critics: bool
) -> None:
    """Write one seed's actors and, if asked for, critics, targets and optimisers.

    :param learner: of all seeds
    :param seed: position of the seed
    :param folder: to write to
    :param origin: what the manifest says of where they are from, see `provenance`
    :param critics: whether to write them too
    """
    save_actors(learner, folder, {**origin, **learner.config.policy_settings}, seed=seed)
    if critics:
        save_critics(learner, folder, seed=seed)


def start_policies(learner: Learner, task: Task) -> tuple[str, ...]:
    """Load the task's policy folder, if it has one, into every seed.

    :returns: units with a loaded policy, which skip the random initial experience.
    """
    folder = task.start_from
    loaded: tuple[str, ...] = ()
    if folder is None:
        return ()
    with_critics = has_critics(folder)
    for seed in range(len(learner.seeds)):
        single = learner.single(seed)
        loaded = take_actors(single, folder, say=seed == 0)  # it is the same for all
        if with_critics:
            take_critics(single, folder, say=seed == 0)
        learner.put(seed, single)
    return loaded

"""Descriptions of policies: networks, observations, scales, and their origin, as plain data."""

from pathlib import Path
from typing import Any

from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, saved_policies
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.provenance import EPISODES, MADE_FOR, ORIGIN, SCORES, TRAINED_IN
from assume_rl.learning.nets.linear import linear_weights
from assume_rl.learning.nets.moments import STATISTICS
from assume_rl.learning.policies.places import is_assume_layout


def described(folder: Path) -> dict[str, Any]:
    """Return the description of a folder and its policies; JSON can hold it.

    What a manifest does not say is null: ASSUME's layout has none, and older ones say less.

    :param folder: of policies, or of a training, of which it is the last ones
    :raises PolicyError: there are none, or one cannot be read
    """
    policies = saved_policies(folder)
    manifest = policies[0].manifest if policies else None
    said = {} if manifest is None else manifest.extra
    place = policy_folder(folder)
    return {
        "folder": str(place),
        "layout": "assume" if is_assume_layout(place) else "assume-rl",
        "algorithm": None if manifest is None else manifest.algorithm,
        "package_version": None if manifest is None else manifest.package_version,
        "trained_in": said.get(TRAINED_IN),
        "episodes_done": said.get(EPISODES),
        "scores": said.get(SCORES),
        "settings": {key: value for key, value in said.items() if key not in ORIGIN},
        "policies": [_described(policy) for policy in policies],
    }


def _described(policy: SavedPolicy) -> dict[str, Any]:
    actor, entry = policy.actor, policy.entry
    state = actor.module_state(policy.name)
    own = {name: weight for name, weight in state.items() if name not in STATISTICS}
    made_for: dict[str, Any] = policy.settings.get(MADE_FOR, {})  # type: ignore[assignment]
    return {
        "name": policy.name,
        "architecture": actor.architecture,
        "hidden": [len(weight) for weight in linear_weights(own)[:-1]],
        "activation": actor.activation,
        "head": actor.head,
        "rungs": policy.rungs,
        "draws": actor.mixed,
        "memory": actor.memory_size,
        "normalised": actor.normalises,
        "dtype": str(actor.dtype).removeprefix("torch."),
        "parameters": sum(weight.numel() for weight in own.values()),
        "obs_size": policy.sizes[0],
        "act_size": policy.sizes[1],
        "unique_size": None if entry is None else entry.unique_size,
        "features": None if entry is None else [list(feature) for feature in entry.features],
        "scales": None if entry is None else vars(entry.scales),
        "made_for": made_for.get(policy.name),
        "file": None if entry is None else entry.file,
        "sha256": None if entry is None else entry.sha256,
    }

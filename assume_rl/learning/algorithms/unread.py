"""The keys of `learning_config` that are not read, by the algorithm and the other settings."""

from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.build import networks_of
from assume_rl.learning.config import UNREAD_KEYS, LearningConfig, learning_keys
from assume_rl.learning.nets.heads import HEADS, Stochastic

NOISE = frozenset({"action_noise_schedule", "noise_dt", "noise_scale", "noise_sigma"})
"""Keys of the noise on actions; stochastic policies draw their actions instead."""

REPLAY = frozenset(
    {
        "batch_size",
        "episodes_collecting_initial_experience",
        "exploration_noise_std",
        "gradient_steps",
        "initial_actions",
        "update_ratio",
    }
)
"""Keys of learning from a replay; on-policy algorithms learn from the latest."""


def unread_keys(config: LearningConfig) -> frozenset[str]:
    """Return the keys that may stand in a section, but that its algorithm does not read."""
    networks = networks_of(config)
    unread = UNREAD_KEYS.difference(learning_keys(config.algorithm)) | config.settings.unread
    head = networks["actor"].head
    if head is None or isinstance(HEADS[head], Stochastic):  # rungs are drawn too
        unread |= NOISE
    if ALGORITHMS[config.algorithm].on_policy:
        unread |= REPLAY
    if config.initial_actions == "uniform":
        unread |= {"exploration_noise_std"}
    critics = [spec for spec in networks.values() if "value" in spec.kind]
    if not any(spec.central for spec in critics):
        unread |= {"critic"}
    return unread if critics else unread | {"critic_hidden"}

"""Act by policies of `assume-rl policies export --format light`, with numpy and safetensors.

>>> action = act(load("learner.safetensors"), observation)  # doctest: +SKIP
"""

from typing import Any

import numpy as np
from safetensors import safe_open

ACTIVATIONS: dict[str, Any] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def load(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arrays of a file, and its metadata."""
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def act(policy: tuple[dict[str, Any], dict[str, str]], observation: Any) -> Any:
    """Return actions (..., act) for observations (..., obs), or (..., act, rung) probabilities."""
    part, about = policy
    x = seen = np.asarray(observation, part["FC1.weight"].dtype)
    if "mean" in part:  # statistics of training
        x = np.clip((x - part["mean"]) / part["deviation"], -10, 10)
    if window := int(about["ramps"]):  # steps of each forecast, of which the first are read
        now, own = x[..., [0, window]], x[..., 3 * window :]
        ramps = np.clip(32 * now[..., None] - np.arange(32, dtype=x.dtype), 0, 1)
        x = np.concatenate([now, ramps.reshape(*x.shape[:-1], -1), own], axis=-1)
    for k in range(1, int(about["layers"])):
        x = ACTIVATIONS[about["activation"]](x @ part[f"FC{k}.weight"].T + part[f"FC{k}.bias"])
    x = x @ part[f"FC{about['layers']}.weight"].T + part[f"FC{about['layers']}.bias"]
    if about["output"] in ("softsign", "tanh"):
        return np.tanh(x) if about["output"] == "tanh" else x / (1 + np.abs(x))
    if "worst" in part:  # what each quantile counts, the lowest first
        x = np.sort(x.reshape(*x.shape[:-1], -1, len(part["worst"])), axis=-1) @ part["worst"]
    place = np.linspace(-1, 1, int(about["rungs"]), dtype=x.dtype)
    x, half = x.reshape(*x.shape[:-1], -1, len(place)), 1 / (len(place) - 1)
    low, high = np.split(seen[..., -2 * x.shape[-2] :, None], 2, axis=-2)
    legal = (place > low - half) & (place < np.maximum(low, high) + half)
    x = np.where(legal, x, -np.inf)
    if about["output"] == "rung":
        return place[x.argmax(axis=-1)]
    if about["output"] == "logits":
        x = np.exp(x - x.max(axis=-1, keepdims=True))
    x = np.maximum(x, 0)
    x = np.where(x.sum(axis=-1, keepdims=True) > 0, x, legal)
    return x / x.sum(axis=-1, keepdims=True)

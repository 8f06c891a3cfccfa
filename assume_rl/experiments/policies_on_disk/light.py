"""Policies in a form that numpy acts by: an array per weight, and a page of code that reads it.

What only training needs is left out: spreads, values of states, the other half of averaged heads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.experiments.policies_on_disk import light_policy
from assume_rl.experiments.policies_on_disk.about import check_same, metadata
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, answers, probes
from assume_rl.learning.nets.heads import (
    Averaged,
    Categorical,
    Head,
    Quantiles,
    Softsign,
    SquashedGaussian,
    head_of,
)
from assume_rl.learning.nets.linear import linear_layers
from assume_rl.learning.nets.moments import STATISTICS, deviation
from assume_rl.learning.nets.trunks import Mlp, Ramps, trunk_of
from assume_rl.learning.policies.manifest import file_name

READER = "light_policy.py"


class Last(NamedTuple):
    """The outputs of the last layer of a light policy.

    :param rows: outputs that acting needs
    :param output: what they mean
    :param worst: what quantiles count, of heads that have them
    """

    rows: Tensor
    output: str
    worst: Tensor | None = None


def light_files(policies: Sequence[SavedPolicy]) -> dict[str, bytes]:
    """Return a file for each policy, and the code that reads them, by name.

    :param policies: to be exported
    :raises PolicyError: one has no such form, or would act otherwise
    """
    files = {file_name(policy.name): light_content(policy) for policy in policies}
    return files | {READER: Path(light_policy.__file__).read_bytes()}


def light_content(policy: SavedPolicy) -> bytes:
    """Return the file of a policy, which acts as it does.

    :param policy: to be exported
    :raises PolicyError: it has no such form, or would act otherwise
    """
    arrays, about = light_form(policy)
    obs = probes(policy)
    own = answers(policy, obs).numpy()
    found = light_policy.act((arrays, about), obs.numpy()).reshape(own.shape)
    check_same(policy, "light form", float(np.abs(found - own).max()))
    return bytes(safetensors.numpy.save(arrays, about))


def light_form(policy: SavedPolicy) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a policy, and its file's metadata.

    :param policy: to be exported
    :raises PolicyError: it has no such form
    """
    actor = policy.actor
    trunk, state = trunk_of(actor.architecture), actor.module_state(policy.name)
    if not isinstance(trunk, Mlp | Ramps) or getattr(trunk, "products", 1) > 1:
        raise PolicyError(
            f"policy '{policy.name}' has no light form, which is of linear layers alone, but the "
            f"architecture {actor.architecture}: export it with --format onnx"
        )
    layers = linear_layers(state)
    last = _last(policy, head_of(actor.head), state[f"FC{layers}.bias"])
    arrays = {name: state[name] for k in range(1, layers + 1) for name in _names(k)}
    for name in _names(layers):
        arrays[name] = arrays[name][last.rows]
    if last.worst is not None:
        arrays["worst"] = last.worst
    if actor.normalises:
        _, mean, variance = (state[name] for name in STATISTICS)
        arrays |= {"mean": mean.to(actor.dtype), "deviation": deviation(variance).to(actor.dtype)}
    said = {
        **metadata(policy),
        "layers": str(layers),
        "activation": actor.activation,
        "output": last.output,
        "ramps": str(trunk.window if isinstance(trunk, Ramps) else 0),
    }
    return {name: array.contiguous().numpy() for name, array in arrays.items()}, said


def _names(layer: int) -> tuple[str, str]:
    return f"FC{layer}.weight", f"FC{layer}.bias"


def _last(policy: SavedPolicy, head: Head, bias: Tensor) -> Last:
    """Return the part of the last layer that acting needs.

    :param policy: to be exported
    :param head: of the policy
    :param bias: of its last layer
    :raises PolicyError: the head has no such form
    """
    outputs = torch.arange(len(bias))
    match head:
        case Softsign():
            return Last(outputs, "softsign")
        case SquashedGaussian():
            return Last(outputs[: len(bias) // 2], "tanh")
        case Averaged():
            return Last(outputs[: len(bias) // 2], "weights")
        case Categorical():
            # What follows the advantages of an entry raises all of them alike.
            rows = torch.unflatten(outputs, 0, (-1, head.rungs + head.dueling))
            return Last(rows[:, : head.rungs].flatten(), "logits" if head.mixed else "rung")
        case Quantiles():
            order = torch.arange(head.count, dtype=bias.dtype)
            weight = (head.worst * head.count - order).clamp(0.0, 1.0)
            return Last(outputs, "rung", weight / weight.sum())
    raise PolicyError(
        f"policy '{policy.name}' has no light form, because of its head {policy.actor.head}: "
        "export it with --format onnx"
    )

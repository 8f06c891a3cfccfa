"""Initial weights: uniform draws keyed by seed and owner, so that agents never share any."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from assume_rl import keyed

Shapes = Mapping[str, tuple[int, ...]]  # of one network: weights (in, out), biases (out,)


def xavier(shapes: Shapes) -> dict[str, float]:
    """Return the bounds of weights (Glorot and Bengio 2010); biases are zero."""
    return {
        name: math.sqrt(6.0 / sum(shape)) if len(shape) == 2 else 0.0
        for name, shape in shapes.items()
    }


def drawn(
    shapes: Shapes, bounds: Mapping[str, float], nets: Sequence[tuple[str, str]], seed: int
) -> dict[str, Tensor]:
    """Return parameters `(net, ...)`, uniform in [-bound, bound), float64.

    :param shapes: of the parameters of one network
    :param bounds: of each parameter
    :param nets: owner and name of each network
    :param seed: of the run
    """
    weights = {}
    for name, shape in shapes.items():
        if bounds[name] == 0.0:
            weights[name] = torch.zeros(len(nets), *shape, dtype=torch.float64)
            continue
        key = name.removesuffix(".weight")
        draws = [keyed.array(shape, seed, "init", net, owner, key) for owner, net in nets]
        weights[name] = (2.0 * torch.stack(draws) - 1.0) * bounds[name]
    return weights

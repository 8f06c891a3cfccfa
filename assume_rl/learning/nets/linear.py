"""The linear layers that every actor ends in: their parameters `FC1.weight`, `FC1.bias`, ..."""

import itertools
from collections.abc import Mapping, Sequence

from torch import Tensor

from assume_rl.learning.nets import layers as mlp

State = Mapping[str, Tensor]  # a torch state dict: weights (out, in), biases (out,)


def linear_shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of layers that lead from `sizes[0]` entries to `sizes[-1]` outputs."""
    return mlp.shapes([f"FC{k}" for k in range(1, len(sizes))], sizes)


def linear_names(count: int) -> list[str]:
    """Return the names of the parameters of `count` layers, in order."""
    return [f"FC{k}.{part}" for k in range(1, count + 1) for part in ("weight", "bias")]


def is_linear(name: str) -> bool:
    """Return whether a parameter is the weight of a layer."""
    return name.startswith("FC") and name.endswith(".weight")


def linear_layers(state: State) -> int:
    """Return the number of layers among the parameters of an actor."""
    return sum(map(is_linear, state))


def linear_weights(state: State) -> list[Tensor]:
    """Return the weights of all layers, in order."""
    return [state[name] for name in state if is_linear(name)]


def chained(state: State) -> bool:
    """Return whether each layer fits the outputs of the one before, and has all its biases."""
    weights = linear_weights(state)
    biases = [state[f"FC{k}.bias"] for k in range(1, len(weights) + 1)]
    fed = all(
        later.shape[-1:] == earlier.shape[:1] for earlier, later in itertools.pairwise(weights)
    )
    return fed and all(
        w.ndim == 2 and b.shape == w.shape[:1] for w, b in zip(weights, biases, strict=True)
    )

"""Linear layers with an activation between them, of many networks at once.

Products are batched over networks. With one column or one term `torch.bmm` rounds a network alone
otherwise than in a batch (which of them do depends on the processor), so such products are written
as sums: what a network gives does not depend on the networks beside it.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import elu_, silu

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "elu": elu_,
    "silu": silu,
}
"""Activations after a hidden layer, whose output they may overwrite."""


@dataclass(frozen=True)
class Hidden:
    """The hidden layers that a user wants."""

    sizes: tuple[int, ...] | None = None  # None: those of the kind of network
    activation: str = "relu"  # key of `ACTIVATIONS`


class Layer(NamedTuple):
    """One linear layer of all networks."""

    weight: Float[Tensor, "net entry out"]
    bias: Float[Tensor, "net out"]


class Layers(NamedTuple):
    """Linear layers one after the other, with an activation between them."""

    linear: tuple[Layer, ...]
    activation: str  # key of `ACTIVATIONS`

    def activated(self, x: Tensor) -> Tensor:
        """Return the activation of a hidden layer's output, which may be overwritten."""
        return ACTIVATIONS[self.activation](x)


def shapes(names: Sequence[str], sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters of one network.

    :param names: of the layers
    :param sizes: entries, outputs of the hidden layers, outputs
    """
    found: dict[str, tuple[int, ...]] = {}
    for name, (rows, columns) in zip(names, itertools.pairwise(sizes), strict=True):
        found |= {f"{name}.weight": (rows, columns), f"{name}.bias": (columns,)}
    return found


def later_shapes(hidden: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a critic's parameters after its first layer, up to its one value."""
    return shapes([f"layers.{k}" for k in range(1, len(hidden) + 1)], (*hidden, 1))


def layers(parameters: Sequence[Tensor], activation: str) -> Layers:
    """Return layers of weight, bias, weight, bias, ..."""
    linear = (Layer(*pair) for pair in zip(*[iter(parameters)] * 2, strict=True))
    return Layers(tuple(linear), activation)


def product(
    a: Float[Tensor, "net row entry"], b: Float[Tensor, "net entry out"]
) -> Float[Tensor, "net row out"]:
    """Return `a @ b`; under autocast the factors are rounded to its dtype, the product is not."""
    return torch.bmm(a, b).to(a.dtype) if _half(a) else torch.bmm(a, b)


def add_product(
    base: Float[Tensor, " net #row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """Return `base + a @ b`.

    :param base: one row for all, or a row each
    :param a: rows
    :param b: weights
    """
    if a.shape[-1] == 1:
        return base + a * b
    return base + torch.bmm(a, b) if _half(a) else torch.baddbmm(base, a, b)


def add_product_(
    base: Float[Tensor, "net row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """Return `base + a @ b`, written to `base`.

    :param base: changed in place
    :param a: rows
    :param b: weights
    """
    if a.shape[-1] == 1:
        return base.add_(a * b)
    return base.add_(torch.bmm(a, b)) if _half(a) else base.baddbmm_(a, b)


def _half(x: Tensor) -> bool:
    """Return whether products are computed in a shorter dtype, which torch does not in place."""
    return torch.is_autocast_enabled(x.device.type)


def linear(x: Float[Tensor, "net row entry"], layer: Layer) -> Float[Tensor, "net row out"]:
    """Return the layer's output."""
    if layer.weight.shape[-1] == 1:
        return (x * layer.weight.mT).sum(-1, keepdim=True) + layer.bias.unsqueeze(-2)
    return add_product(layer.bias.unsqueeze(-2), x, layer.weight)


def forward(layers: Layers, x: Float[Tensor, "net row entry"]) -> Float[Tensor, "net row out"]:
    """Return the output of the last layer."""
    for layer in layers.linear[:-1]:
        x = layers.activated(linear(x, layer))
    return linear(x, layers.linear[-1])

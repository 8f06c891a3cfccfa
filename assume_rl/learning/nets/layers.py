"""Linear layers with ReLU between them, of many networks at once.

Products are batched over networks. With one column or one term `torch.bmm` rounds a network alone
otherwise than in a batch (which of them do depends on the processor), so such products are written
as sums: what a network gives does not depend on the networks beside it.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Layer(NamedTuple):
    """One linear layer of all networks."""

    weight: Float[Tensor, "net entry out"]
    bias: Float[Tensor, "net out"]


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


def layers(parameters: Sequence[Tensor]) -> list[Layer]:
    """Return layers of weight, bias, weight, bias, ..."""
    return [Layer(*pair) for pair in zip(*[iter(parameters)] * 2, strict=True)]


def product(
    a: Float[Tensor, "net row entry"], b: Float[Tensor, "net entry out"]
) -> Float[Tensor, "net row out"]:
    """Return `a @ b`; under autocast the factors are rounded to its dtype, the product is not."""
    return torch.bmm(a, b).to(a.dtype) if _half(a) else torch.bmm(a, b)


def add_product(
    base: Float[Tensor, "net #row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """Return `base + a @ b`."""
    if a.shape[-1] == 1:
        return base + a * b
    return base + torch.bmm(a, b) if _half(a) else torch.baddbmm(base, a, b)


def add_product_(
    base: Float[Tensor, "net row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """Return `base + a @ b`, written to `base`."""
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


def forward(
    layers: Sequence[Layer], x: Float[Tensor, "net row entry"]
) -> Float[Tensor, "net row out"]:
    """Return the output of the last layer."""
    for layer in layers[:-1]:
        x = linear(x, layer).relu_()
    return linear(x, layers[-1])

"""Linear layers with ReLU between them, of many networks at once: values and gradients.

Products are batched over networks. With one column, one term or one transposed row `torch.bmm`
rounds a network alone otherwise than in a batch (which of them do depends on the processor), so
such products are written as sums: what a network gives does not depend on the networks beside it.
Gradients from batches of a single transition are not covered.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Layer(NamedTuple):
    """One linear layer of all networks; also the gradient of one."""

    weight: Float[Tensor, "net entry out"]
    bias: Float[Tensor, "net out"]


Hidden = list[Tensor]  # inputs of the layers, (net row entry) each


def layers(parameters: Sequence[Tensor]) -> list[Layer]:
    """Layers of weight, bias, weight, bias, ..."""
    return [Layer(*pair) for pair in zip(*[iter(parameters)] * 2, strict=True)]


def product(
    a: Float[Tensor, "net row entry"], b: Float[Tensor, "net entry out"]
) -> Float[Tensor, "net row out"]:
    """`a @ b`; under autocast the factors are rounded to its dtype, the product is not."""
    return torch.bmm(a, b).to(a.dtype) if _half(a) else torch.bmm(a, b)


def add_product(
    base: Float[Tensor, "net #row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """`base + a @ b`."""
    if a.shape[-1] == 1:
        return base + a * b
    return base + torch.bmm(a, b) if _half(a) else torch.baddbmm(base, a, b)


def add_product_(
    base: Float[Tensor, "net row out"],
    a: Float[Tensor, "net row entry"],
    b: Float[Tensor, "net entry out"],
) -> Float[Tensor, "net row out"]:
    """`base + a @ b`, written to `base`."""
    if a.shape[-1] == 1:
        return base.add_(a * b)
    return base.add_(torch.bmm(a, b)) if _half(a) else base.baddbmm_(a, b)


def _half(x: Tensor) -> bool:
    """Whether products are worked out in a shorter dtype, which torch does not do in place."""
    return torch.is_autocast_enabled(x.device.type)


def linear(x: Float[Tensor, "net row entry"], layer: Layer) -> Float[Tensor, "net row out"]:
    """The layer's output."""
    if layer.weight.shape[-1] == 1:
        return (x * layer.weight.mT).sum(-1, keepdim=True) + layer.bias.unsqueeze(-2)
    return add_product(layer.bias.unsqueeze(-2), x, layer.weight)


def forward(
    layers: Sequence[Layer], x: Float[Tensor, "net row entry"]
) -> tuple[Float[Tensor, "net row out"], Hidden]:
    """Output of the last layer, and the inputs of all, which `backward` needs."""
    hidden = [x]
    for layer in layers[:-1]:
        hidden.append(linear(hidden[-1], layer).relu_())
    return linear(hidden[-1], layers[-1]), hidden


def backward(
    layers: Sequence[Layer],
    hidden: Hidden,
    slope: Float[Tensor, "net row out"],
    gradients: Sequence[Layer] | None,
    *,
    add: bool = False,
) -> Float[Tensor, "net row entry"]:
    """Gradient at the output of the ReLU whose value was the layers' input, before that ReLU.

    :param slope: gradient at the last layer's output.
    :param gradients: where those of the layers are written, or added (`add`); None: they are not
        wanted.
    """
    for k in reversed(range(len(layers))):
        if gradients is not None:
            linear_gradient(hidden[k], slope, gradients[k], add=add)
        slope = before_relu(input_gradient(slope, layers[k].weight), hidden[k])
    return slope


def linear_gradient(
    x: Float[Tensor, "net row entry"],
    slope: Float[Tensor, "net row out"],
    into: Layer,
    *,
    add: bool = False,
) -> None:
    """Write, or add, the gradient of a layer's weight and bias, from that at its output."""
    weight_gradient(x, slope, into.weight, add=add)
    if add:
        into.bias.add_(slope.sum(dim=1))
    else:
        torch.sum(slope, dim=1, out=into.bias)


def weight_gradient(
    x: Float[Tensor, "net row entry"],
    slope: Float[Tensor, "net row out"],
    into: Float[Tensor, "net entry out"],
    *,
    add: bool = False,
) -> None:
    """Write, or add, the gradient of a weight, from that at the output."""
    if 1 in into.shape[1:]:
        found = (x * slope).sum(dim=1).view_as(into)
        into.add_(found) if add else into.copy_(found)
    elif add:
        add_product_(into, x.mT, slope)
    elif _half(x):
        into.copy_(torch.bmm(x.mT, slope))
    else:
        torch.bmm(x.mT, slope, out=into)


def input_gradient(
    slope: Float[Tensor, "net row out"], weight: Float[Tensor, "net entry out"]
) -> Float[Tensor, "net row entry"]:
    """Gradient at a layer's input, from that at its output."""
    if weight.shape[-1] == 1:
        return slope * weight.mT
    if weight.shape[-2] == 1:
        return (slope * weight).sum(-1, keepdim=True)
    return product(slope, weight.mT)


def before_relu(
    slope: Float[Tensor, "*shape"], value: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient before a ReLU with that value; overwrites `slope`, which is the one after it."""
    found: Tensor = torch.ops.aten.threshold_backward.grad_input(slope, value, 0, grad_input=slope)
    return found

"""Noisy linear layers: exploration inside the weights.

Fortunato et al. 2018, arXiv:1706.10295. Each weight and bias of a linear layer has a spread beside
its mean, both of which are learned, and is their sum once the spread is multiplied by a draw.
Draws are independent, one for each weight and bias, or factorised: products of one for each entry
and one for each output of a layer, of which the latter serve the biases too.

Draws are keyed by seed, purpose, network and a number, so that whoever needs the same draw makes it
again: nothing is stored, and a resumed training has those of one that never stopped.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.learning.config import LayerNoise
from assume_rl.learning.nets.initial import Shapes
from assume_rl.learning.nets.linear import is_linear

SPREAD = ".spread"
"""Ends the names of spreads, which have the shapes of what they are spreads of."""
FACTORISED_SPREAD = 0.5  # initial one, over the root of a layer's entries
INDEPENDENT_SPREAD = 0.017  # initial one


class Draws(NamedTuple):
    """The keys of draws."""

    seeds: tuple[int, ...]
    purpose: str
    number: int | Int[Tensor, ""]


class NoisyNets(NamedTuple):
    """Parameters of networks with noisy layers."""

    mean: Any  # as the trunk takes them, without noise
    weights: Mapping[str, Tensor]  # all of them by name, spreads included


def spread_shapes(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the spreads of linear layers.

    :param shapes: of all parameters; the axes of networks are first
    """
    layers = [name.removesuffix(".weight") for name in shapes if is_linear(name)]
    parts = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    return {name + SPREAD: shapes[name] for name in parts}


def initial_spread(weight: Float[Tensor, "... entry out"], kind: LayerNoise) -> float:
    """Return the spread that a layer begins with.

    :param weight: of the layer
    :param kind: of draws
    """
    if kind == "independent":
        return INDEPENDENT_SPREAD
    return FACTORISED_SPREAD / math.sqrt(weight.shape[-2])


def noisy(
    weights: Mapping[str, Tensor], kind: LayerNoise, names: Sequence[str], draws: Draws
) -> dict[str, Tensor]:
    """Return parameters with a draw of their noise, without the spreads.

    :param weights: `(net, ...)`, seed after seed
    :param kind: of draws
    :param names: of the networks of a seed
    :param draws: keys
    """
    found = {name: weight for name, weight in weights.items() if not name.endswith(SPREAD)}
    device = next(iter(found.values())).device
    own = [keyed.keys(s, "layers", draws.purpose, ids=names, device=device) for s in draws.seeds]
    number = torch.as_tensor(draws.number, device=device)
    keys = keyed.combine(torch.cat(own), number)
    first = 0
    for weight in [name for name in found if is_linear(name)]:
        bias = weight.replace(".weight", ".bias")
        pair, used = _drawn(keys, first, found[weight], kind)
        first += used
        for name, z in zip((weight, bias), pair, strict=True):
            found[name] = found[name] + weights[name + SPREAD] * z.to(found[name].dtype)
    return found


def _drawn(
    keys: Int[Tensor, " net"], first: int, weight: Float[Tensor, "net entry out"], kind: LayerNoise
) -> tuple[tuple[Float[Tensor, "net entry out"], Float[Tensor, "net out"]], int]:
    """Return the draws of a layer's weight and bias, and how many numbers they are made of.

    :param keys: of the networks
    :param first: numbers that other layers have used
    :param weight: of the layer
    :param kind: of draws
    """
    entries, outputs = weight.shape[-2:]
    if kind == "independent":
        count = (entries + 1) * outputs
        z = keyed.normal(keys, count, first).view(-1, entries + 1, outputs)
        return (z[:, :-1], z[:, -1]), count
    z = keyed.normal(keys, entries + outputs, first)
    z = z.sign() * z.abs().sqrt()
    into, out = z[:, :entries], z[:, entries:]
    return (into[:, :, None] * out[:, None, :], out), entries + outputs


def without_spreads(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters of a network that are no spreads."""
    return {name: weight for name, weight in state.items() if not name.endswith(SPREAD)}


def only_spreads(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the spreads of a network, if it has any."""
    return {name: weight for name, weight in state.items() if name.endswith(SPREAD)}

"""Trunks: how the network of an actor works from an observation to the outputs its head reads.

A trunk is a pure function of parameters and observations, of many networks at once. Parameters have
the names and the order of ASSUME's actors. Nothing is carried from one decision to the next, but by
those with memory (`nets.recurrent`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.errors import ConfigurationError, PolicyError, nearest
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.initial import Shapes, xavier
from assume_rl.learning.nets.layers import Layers
from assume_rl.learning.nets.linear import (
    State,
    chained,
    is_linear,
    linear_names,
    linear_shapes,
    linear_weights,
)
from assume_rl.learning.nets.recurrent import GRU, LSTM_MEMORY, Cell
from assume_rl.learning.types import AgentSpec


@runtime_checkable
class Trunk(Protocol):
    """A kind of actor network."""

    @property
    def hidden(self) -> tuple[int, ...]:
        """Return the sizes of the hidden linear layers, as ASSUME has them."""
        ...

    def shapes(self, spec: AgentSpec, hidden: Sequence[int], outputs: int) -> Shapes:
        """Return names and shapes of the parameters of one network, in order.

        :param spec: of the agent
        :param hidden: sizes of the hidden linear layers
        :param outputs: that the head reads
        :raises ConfigurationError: the network has no use for such an observation
        """
        ...

    def bounds(self, shapes: Shapes) -> dict[str, float]:
        """Return the bounds of the uniform draws that a network begins with; 0: zeros."""
        ...

    def nets(self, weights: Mapping[str, Tensor], activation: str) -> Any:
        """Return parameters `(net, ...)`, in order, as `outputs` takes them.

        :param weights: by name
        :param activation: key of `layers.ACTIVATIONS`
        """
        ...

    def outputs(self, nets: Any, obs: Float[Tensor, "net row obs"]) -> Float[Tensor, "net row out"]:
        """Return the outputs that the head reads."""
        ...

    def names(self, linear: int) -> list[str]:
        """Return the names of all parameters, in order, of a network of `linear` linear layers."""
        ...

    def fits(self, state: State) -> bool:
        """Return whether parameters with the right names have shapes that make a network."""
        ...

    def sizes(self, state: State, unique_size: int = 0) -> tuple[int, int]:
        """Return the length of an observation and the number of outputs.

        :param state: of a network
        :param unique_size: private entries of an observation, where they are known
        """
        ...


class Mlp:
    """Linear layers with an activation between them."""

    hidden = (256, 128)

    def shapes(self, spec: AgentSpec, hidden: Sequence[int], outputs: int) -> Shapes:
        """Return the layers `FC1`, `FC2`, ..."""
        return linear_shapes((spec.obs_size, *hidden, outputs))

    def bounds(self, shapes: Shapes) -> dict[str, float]:
        """Return those of Glorot and Bengio."""
        return xavier(shapes)

    def nets(self, weights: Mapping[str, Tensor], activation: str) -> Layers:
        """Return the layers."""
        return mlp.layers(list(weights.values()), activation)

    def outputs(
        self, nets: Layers, obs: Float[Tensor, "net row obs"]
    ) -> Float[Tensor, "net row out"]:
        """Return the output of the last layer."""
        return mlp.forward(nets, obs)

    def names(self, linear: int) -> list[str]:
        """Return `FC1.weight`, `FC1.bias`, ..."""
        return linear_names(linear)

    def fits(self, state: State) -> bool:
        """Return whether each layer fits the outputs of the one before."""
        return chained(state)

    def sizes(self, state: State, unique_size: int = 0) -> tuple[int, int]:
        """Return the first layer's entries and the last layer's outputs."""
        weights = linear_weights(state)
        return weights[0].shape[1], weights[-1].shape[0]


RAMPS = 32
READ = ("residual_load", "price_forecast")  # time series of which there are ramps, in order
BOUND_OF_PRODUCT = "lowest_rung_"  # features that are there for each of several products


@dataclass(frozen=True)
class Ramps:
    """Linear layers that read residual load and price forecast of a delivery on ramps.

    The k-th ramp of a number x goes from 0 to 1 where x goes from k / 32 to (k + 1) / 32, so that
    what jumps at some load takes a weight or two. The layers read both numbers, their ramps and the
    private part of the observation; past prices they do not.

    Of an auction of several products the same layers are asked product by product, with the load
    and the price forecast of each, and its bounds of rungs. So a day ahead is learned as 24 hours
    are: all hours teach the same weights.

    :param window: entries of each time series of an observation
    :param products: of an auction, which are the first steps of the window
    :param entries: of an action, for each of several products
    """

    window: int
    products: int = 1
    entries: int = 0
    hidden: ClassVar[tuple[int, ...]] = (256, 128)

    @property
    def bounds_of_others(self) -> int:
        """Return how many entries of an observation are bounds of all products but one."""
        return 2 * self.entries * (self.products - 1)

    def shapes(self, spec: AgentSpec, hidden: Sequence[int], outputs: int) -> Shapes:
        """Return the layers `FC1`, `FC2`, ..."""
        private = spec.unique_size - self.bounds_of_others
        read = len(READ) * (RAMPS + 1) + private
        return linear_shapes((read, *hidden, outputs // self.products))

    def bounds(self, shapes: Shapes) -> dict[str, float]:
        """Return those of Glorot and Bengio."""
        return xavier(shapes)

    def nets(self, weights: Mapping[str, Tensor], activation: str) -> Layers:
        """Return the layers."""
        return mlp.layers(list(weights.values()), activation)

    def outputs(
        self, nets: Layers, obs: Float[Tensor, "net row obs"]
    ) -> Float[Tensor, "net row out"]:
        """Return the output of the last layer, product by product."""
        if self.products == 1:
            now = obs[..., : len(READ) * self.window : self.window]
            return mlp.forward(nets, self._read(now, obs[..., SERIES * self.window :]))
        series = torch.unflatten(obs[..., : len(READ) * self.window], -1, (len(READ), self.window))
        now = series[..., : self.products].transpose(-1, -2)
        rows = self._read(now, self._private(obs)).flatten(-3, -2)
        return torch.unflatten(mlp.forward(nets, rows), -2, (-1, self.products)).flatten(-2)

    def _read(
        self, now: Float[Tensor, "*row 2"], private: Float[Tensor, "*row own"]
    ) -> Float[Tensor, "*row entry"]:
        """Return the layers' inputs from both numbers and a private part."""
        ramp = torch.arange(RAMPS, dtype=now.dtype, device=now.device)
        ramps = (RAMPS * now.unsqueeze(-1) - ramp).clamp(0.0, 1.0).flatten(-2)
        return torch.cat([now, ramps, private], dim=-1)

    def _private(self, obs: Float[Tensor, "net row obs"]) -> Float[Tensor, "net row product own"]:
        """Return the private part of an observation for each product, with its own bounds only."""
        bounds = 2 * self.products * self.entries
        common = obs[..., SERIES * self.window : obs.shape[-1] - bounds].unsqueeze(-2)
        own = torch.unflatten(obs[..., -bounds:], -1, (2, self.products, self.entries))
        own = own.transpose(-3, -2).flatten(-2)
        return torch.cat([common.expand(*own.shape[:-1], -1), own], dim=-1)

    def names(self, linear: int) -> list[str]:
        """Return `FC1.weight`, `FC1.bias`, ..."""
        return linear_names(linear)

    def fits(self, state: State) -> bool:
        """Return whether each layer fits the one before, and the first all ramps."""
        return chained(state) and linear_weights(state)[0].shape[1] >= len(READ) * (RAMPS + 1)

    def sizes(self, state: State, unique_size: int = 0) -> tuple[int, int]:
        """Return the length of an observation and the outputs of all products."""
        weights = linear_weights(state)
        private = weights[0].shape[1] - len(READ) * (RAMPS + 1) + self.bounds_of_others
        return SERIES * self.window + private, weights[-1].shape[0] * self.products


SERIES = 3  # time series in an observation, one after the other, before its private part
CELLS = (8, 16)  # outputs of the LSTM cells
CELL_SHAPES = {
    "LSTM1.weight_ih": (SERIES, 4 * CELLS[0]),
    "LSTM1.weight_hh": (CELLS[0], 4 * CELLS[0]),
    "LSTM1.bias_ih": (4 * CELLS[0],),
    "LSTM1.bias_hh": (4 * CELLS[0],),
    "LSTM2.weight_ih": (CELLS[0], 4 * CELLS[1]),
    "LSTM2.weight_hh": (CELLS[1], 4 * CELLS[1]),
    "LSTM2.bias_ih": (4 * CELLS[1],),
    "LSTM2.bias_hh": (4 * CELLS[1],),
}


class LstmNets(NamedTuple):
    """The parts of the networks, in the order in which they work."""

    cells: tuple[Cell, ...]
    linear: Layers


class Lstm:
    """Two LSTM cells over the time series of one observation, then linear layers.

    At each step of its window the first cell reads one entry of every series and the second cell
    the first. Both begin at zero with each observation. The linear layers read what the second cell
    gave at all steps, then the private part of the observation.
    """

    hidden = (128,)

    def shapes(self, spec: AgentSpec, hidden: Sequence[int], outputs: int) -> Shapes:
        """Return the cells `LSTM1` and `LSTM2` and the layers `FC1`, `FC2`, ..."""
        steps, rest = divmod(spec.obs_size - spec.unique_size, SERIES)
        if rest or steps < 1:
            raise ConfigurationError(
                f"actor_architecture 'lstm' needs {SERIES} time series of equal length before the "
                f"{spec.unique_size} private entries of an observation; that of '{spec.unit_id}' "
                f"has {spec.obs_size} entries"
            )
        entries = steps * CELLS[-1] + spec.unique_size
        return CELL_SHAPES | linear_shapes((entries, *hidden, outputs))

    def bounds(self, shapes: Shapes) -> dict[str, float]:
        """Return those of torch: one over the root of a cell's outputs, or a layer's entries."""
        sizes = {f"LSTM{k}": size for k, size in enumerate(CELLS, start=1)}
        sizes |= {name[: -len(".weight")]: s[0] for name, s in shapes.items() if is_linear(name)}
        return {name: 1.0 / math.sqrt(sizes[name.split(".")[0]]) for name in shapes}

    def nets(self, weights: Mapping[str, Tensor], activation: str) -> LstmNets:
        """Return cells and layers."""
        count = len(CELL_SHAPES)
        parameters = list(weights.values())
        cells = zip(*[iter(parameters[:count])] * len(Cell._fields), strict=True)
        linear = mlp.layers(parameters[count:], activation)
        return LstmNets(tuple(Cell(*own) for own in cells), linear)

    def outputs(
        self, nets: LstmNets, obs: Float[Tensor, "net row obs"]
    ) -> Float[Tensor, "net row out"]:
        """Return the output of the last layer."""
        steps = _steps(nets.linear.linear[0].weight.shape[-2], obs.shape[-1])
        series = obs[..., : SERIES * steps].reshape(*obs.shape[:2], SERIES, steps)
        x = series.permute(0, 3, 1, 2)
        for cell in nets.cells:
            x = unrolled(cell, x)
        seen = x.transpose(1, 2).flatten(2)
        return mlp.forward(nets.linear, torch.cat([seen, obs[..., SERIES * steps :]], dim=-1))

    def names(self, linear: int) -> list[str]:
        """Return `LSTM1.weight_ih`, ..., `FC1.weight`, ..."""
        return [*CELL_SHAPES, *linear_names(linear)]

    def fits(self, state: State) -> bool:
        """Return whether the cells are ASSUME's and each layer fits the one before."""
        cells = all(state[name].shape == shape[::-1] for name, shape in CELL_SHAPES.items())
        return cells and chained(state) and linear_weights(state)[0].shape[1] >= CELLS[-1]

    def sizes(self, state: State, unique_size: int = 0) -> tuple[int, int]:
        """Return the length of an observation and the number of outputs.

        A private part of another length than `unique_size` is found too, if it is shorter than what
        the last cell gives at one step.
        """
        weights = linear_weights(state)
        entries = weights[0].shape[1]
        if (entries - unique_size) % CELLS[-1]:
            unique_size = entries % CELLS[-1]
        steps = (entries - unique_size) // CELLS[-1]
        return SERIES * steps + unique_size, weights[-1].shape[0]


def unrolled(
    cell: Cell, x: Float[Tensor, "net step row entry"]
) -> Float[Tensor, "net step row out"]:
    """Return the outputs of the cell at each step, beginning with a state of zeros.

    It is the cell of `torch.nn.LSTMCell`. What its gates have of the entries is computed for all
    steps at once; only the rest waits for the step before. As tanh(x) = 2 sigmoid(2x) - 1, what the
    third gate has is doubled first, so that one sigmoid serves all four.
    """
    size = cell.weight_hh.shape[-2]
    double = cell.bias_hh.new_ones(4, size)
    double[2] = 2.0
    weight_ih, weight_hh, bias_ih, bias_hh = (part * double.flatten() for part in cell)
    bias = (bias_ih + bias_hh).unsqueeze(-2)
    entries = mlp.add_product(bias, x.flatten(1, 2), weight_ih).view(*x.shape[:3], -1)
    out = state = x.new_zeros(x.shape[0], x.shape[2], size)
    given = []
    for own in entries.unbind(1):
        i, f, g, o = mlp.add_product(own, out, weight_hh).sigmoid().chunk(4, dim=-1)
        state = f * state + i * (2.0 * g - 1.0)
        out = o * state.tanh()
        given.append(out)
    return torch.stack(given, dim=1)


def architecture_of(state: State) -> str:
    """Return the key of `TRUNKS` that has the names of an actor's parameters."""
    return "lstm" if any(name.startswith("LSTM") for name in state) else "mlp"


def _steps(entries: int, obs_size: int) -> int:
    """Return the steps of a window, from the number of inputs of the linear layers."""
    return (entries - obs_size) // (CELLS[-1] - SERIES)


TRUNKS: dict[str, Trunk] = {
    "mlp": Mlp(),
    "ramps": Ramps(0),
    "lstm": Lstm(),
    "gru": GRU,
    "lstm_memory": LSTM_MEMORY,
}
"""Kinds of actor networks, by the name that `learning_config.actor_architecture` has for them."""


def architecture_for(name: str, spec: AgentSpec) -> str:
    """Return the name that networks of an agent have, or `name` as it is.

    That is `ramps_<window>` or, of several products, `ramps_<window>x<products>x<entries>`.

    :param name: key of `TRUNKS`, or what was returned before
    :param spec: of the agent, whose features are read by name
    :raises ConfigurationError: it does not observe what ramps are made of
    """
    if name != "ramps":
        return name
    window, rest = divmod(spec.obs_size - spec.unique_size, SERIES)
    series = [(feature, size) for feature, size, _ in spec.features]
    if rest or series[: len(READ)] != [(feature, window) for feature in READ]:
        raise ConfigurationError(
            f"actor_architecture 'ramps' reads {' and '.join(READ)}, the first of {SERIES} time "
            f"series of equal length, which '{spec.unit_id}' does not observe"
        )
    products = sum(feature.startswith(BOUND_OF_PRODUCT) for feature, _ in series)
    if products > window:
        raise ConfigurationError(
            f"actor_architecture 'ramps' reads {' and '.join(READ)} of each product, of which an "
            f"auction has {products}, but '{spec.unit_id}' observes {window} steps (foresight in "
            "bidding_strategy_params)"
        )
    return f"{name}_{window}" + (f"x{products}x{spec.act_size // products}" if products else "")


def trunk_of(name: str) -> Trunk:
    """Return the trunk of networks that are called `name`, see `architecture_for`.

    :raises PolicyError: there is none
    """
    kind, _, sizes = name.rpartition("_")
    numbers = sizes.split("x")
    if kind == "ramps" and len(numbers) in (1, 3) and all(n.isdecimal() for n in numbers):
        return Ramps(*map(int, numbers))
    if name not in TRUNKS:
        raise PolicyError(f"unknown architecture '{name}', {nearest(name, TRUNKS)}")
    return TRUNKS[name]

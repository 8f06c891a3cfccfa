"""Trunks with memory: a recurrent cell, whose state is carried from one decision to the next.

The cell reads an observation; linear layers read what the cell gives, and the observation
again. `gru` has a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), `lstm_memory` a long
short-term memory (Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735), both as torch
has them.

A memory is one vector: what the cell gave, for the LSTM the state of its cells, and how many
decisions it has seen. It is zero where an episode begins. It is an argument and a result, so that
whoever acts keeps it: nothing here does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.initial import Shapes
from assume_rl.learning.nets.layers import Layers
from assume_rl.learning.nets.linear import (
    State,
    chained,
    is_linear,
    linear_names,
    linear_shapes,
    linear_weights,
)
from assume_rl.learning.types import AgentSpec


class Cell(NamedTuple):
    """One recurrent cell of all networks; its gates lie side by side, as torch has them."""

    weight_ih: Float[Tensor, "net entry gate"]
    weight_hh: Float[Tensor, "net out gate"]
    bias_ih: Float[Tensor, "net gate"]
    bias_hh: Float[Tensor, "net gate"]


class RecurrentNets(NamedTuple):
    """The parts of the networks, in the order in which they work."""

    cell: Cell
    linear: Layers


@dataclass(frozen=True)
class Recurrent:
    """A kind of trunk with memory.

    :param cell: name of the cell, which begins the names of its parameters
    :param gates: of the cell
    :param parts: vectors that it carries, each as long as its output, which is the first of them
    :param advance: its gates' products with an observation and with its output before, and the
        parts that it carried -> the parts that it carries
    """

    cell: str
    gates: int
    parts: int
    advance: Callable[[Tensor, Tensor, Tensor], Tensor]

    @property
    def hidden(self) -> tuple[int, ...]:
        """Return the outputs of the cell, then the sizes of the hidden linear layers."""
        return (64, 128)

    def memory_size(self, given: int) -> int:
        """Return the length of a memory, whose last entry counts.

        :param given: outputs of the cell
        """
        return self.parts * given + 1

    def shapes(self, spec: AgentSpec, hidden: Sequence[int], outputs: int) -> Shapes:
        """Return the parameters of the cell and of the layers `FC1`, `FC2`, ..."""
        given, *later = hidden
        gates = self.gates * given
        own = {
            "weight_ih": (spec.obs_size, gates),
            "weight_hh": (given, gates),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
        }
        cell = {f"{self.cell}.{name}": shape for name, shape in own.items()}
        return cell | linear_shapes((given + spec.obs_size, *later, outputs))

    def bounds(self, shapes: Shapes) -> dict[str, float]:
        """Return those of torch: one over the root of a cell's outputs, or a layer's entries."""
        sizes = {self.cell: shapes[f"{self.cell}.weight_hh"][0]}
        sizes |= {name[: -len(".weight")]: s[0] for name, s in shapes.items() if is_linear(name)}
        return {name: 1.0 / math.sqrt(sizes[name.split(".")[0]]) for name in shapes}

    def nets(self, weights: Mapping[str, Tensor], activation: str) -> RecurrentNets:
        """Return the cell and the layers."""
        parameters = list(weights.values())
        count = len(Cell._fields)
        return RecurrentNets(Cell(*parameters[:count]), mlp.layers(parameters[count:], activation))

    def outputs(
        self, nets: RecurrentNets, obs: Float[Tensor, "net row obs"]
    ) -> Float[Tensor, "net row out"]:
        """Return the output of the last layer at the first decision of an episode."""
        size = self.memory_size(nets.cell.weight_hh.shape[-2])
        return self.step(nets, obs, obs.new_zeros(*obs.shape[:-1], size))[0]

    def step(
        self,
        nets: RecurrentNets,
        obs: Float[Tensor, "net row obs"],
        memory: Float[Tensor, "net row memory"],
    ) -> tuple[Float[Tensor, "net row out"], Float[Tensor, "net row memory"]]:
        """Return the output of the last layer, and the memory at the next decision.

        :param nets: parameters
        :param obs: observations
        :param memory: before them
        """
        carried = self._after(nets.cell, _read_by(nets.cell, obs), memory[..., :-1])
        return self._read(nets, carried, obs), torch.cat([carried, memory[..., -1:] + 1], dim=-1)

    def unrolled(
        self,
        nets: RecurrentNets,
        window: Float[Tensor, "net row step obs"],
        memory: Float[Tensor, "net row memory"],
        there: Bool[Tensor, "net row step"],
        burn_in: int,
    ) -> Float[Tensor, "net row out"]:
        """Return the output of the last layer after the last step of windows.

        :param nets: parameters
        :param window: observations in order of time
        :param memory: before the first of them
        :param there: which steps there are; the others change nothing
        :param burn_in: first steps that have no gradient
        """
        carried, start = memory[..., :-1], burn_in
        with torch.no_grad():
            carried = self._through(nets.cell, window[:, :, :start], carried, there[:, :, :start])
        carried = self._through(nets.cell, window[:, :, start:], carried, there[:, :, start:])
        return self._read(nets, carried, window[:, :, -1])

    def sequence(
        self,
        nets: RecurrentNets,
        window: Float[Tensor, "net row step obs"],
        memory: Float[Tensor, "net row memory"],
        there: Bool[Tensor, "net row step"],
        burn_in: int,
    ) -> Float[Tensor, "net row step out"]:
        """Return the output of the last layer after each step of windows; see `unrolled`.

        What the cell carries out of the first `burn_in` steps has no gradient.

        :param nets: parameters
        :param window: observations in order of time
        :param memory: before the first of them
        :param there: which steps exist; the others change nothing
        :param burn_in: first steps that have no gradient
        """
        start = burn_in
        with torch.no_grad():
            first = self._each(nets.cell, window[:, :, :start], memory[..., :-1], there)
        carried = first[-1] if first else memory[..., :-1]
        later = self._each(nets.cell, window[:, :, start:], carried, there[:, :, start:])
        given = torch.stack([*first, *later], dim=2)
        return self._read(nets, given.flatten(1, 2), window.flatten(1, 2)).view(
            *window.shape[:3], -1
        )

    def names(self, linear: int) -> list[str]:
        """Return `GRU.weight_ih` or the like, ..., `FC1.weight`, ..."""
        return [*(f"{self.cell}.{name}" for name in Cell._fields), *linear_names(linear)]

    def fits(self, state: State) -> bool:
        """Return whether the cell's parameters fit, and each layer fits the one before."""
        into, across, *biases = (state[f"{self.cell}.{name}"] for name in Cell._fields)
        gates = across.shape[:1]
        cell = (
            into.ndim == across.ndim == 2
            and across.shape[0] == self.gates * across.shape[1]
            and all(part.shape[:1] == gates for part in (into, *biases))
            and all(bias.ndim == 1 for bias in biases)
        )
        fed = cell and linear_weights(state)[0].shape[-1] == across.shape[1] + into.shape[1]
        return fed and chained(state)

    def sizes(self, state: State, unique_size: int = 0) -> tuple[int, int]:
        """Return the cell's entries and the last layer's outputs."""
        return state[f"{self.cell}.weight_ih"].shape[1], linear_weights(state)[-1].shape[0]

    def _through(
        self,
        cell: Cell,
        window: Float[Tensor, "net row step obs"],
        carried: Float[Tensor, "net row part"],
        there: Bool[Tensor, "net row step"],
    ) -> Float[Tensor, "net row part"]:
        """Return all that the cell carries after the steps; missing ones change nothing."""
        return [carried, *self._each(cell, window, carried, there)][-1]

    def _each(
        self,
        cell: Cell,
        window: Float[Tensor, "net row step obs"],
        carried: Float[Tensor, "net row part"],
        there: Bool[Tensor, "net row all"],
    ) -> list[Float[Tensor, "net row part"]]:
        """Return all that the cell carries after each step; missing ones change nothing.

        :param cell: its parameters
        :param window: observations in order of time
        :param carried: before the first of them
        :param there: which of the steps, and of later ones, there are
        """
        found: list[Tensor] = []
        # What its gates have of observations is computed for all steps at once.
        gates = cell.weight_ih.shape[-1]
        products = _read_by(cell, window.flatten(1, 2)).view(*window.shape[:3], gates)
        for k in range(window.shape[2]):
            later = self._after(cell, products[:, :, k], carried)
            carried = torch.where(there[:, :, k, None], later, carried)
            found.append(carried)
        return found

    def _after(
        self,
        cell: Cell,
        products: Float[Tensor, "net row gate"],
        carried: Float[Tensor, "net row part"],
    ) -> Float[Tensor, "net row part"]:
        """Return all that the cell carries after one step.

        :param cell: its parameters
        :param products: of its gates with the observation
        :param carried: before the step
        """
        own = mlp.add_product(cell.bias_hh.unsqueeze(-2), _given(cell, carried), cell.weight_hh)
        return self.advance(products, own, carried)

    def _read(
        self, nets: RecurrentNets, carried: Tensor, obs: Float[Tensor, "net row obs"]
    ) -> Float[Tensor, "net row out"]:
        return mlp.forward(nets.linear, torch.cat([_given(nets.cell, carried), obs], dim=-1))


def _read_by(cell: Cell, obs: Float[Tensor, "net row obs"]) -> Float[Tensor, "net row gate"]:
    """Return the products of the cell's gates with observations."""
    return mlp.add_product(cell.bias_ih.unsqueeze(-2), obs, cell.weight_ih)


def _given(cell: Cell, carried: Float[Tensor, "net row part"]) -> Float[Tensor, "net row out"]:
    """Return the part that the cell gives of all that it carries: the first one."""
    return carried[..., : cell.weight_hh.shape[-2]]


def gru(
    products: Float[Tensor, "net row gate"],
    own: Float[Tensor, "net row gate"],
    out: Float[Tensor, "net row out"],
) -> Float[Tensor, "net row out"]:
    """Return the output of a gated recurrent unit, as `torch.nn.GRUCell`; it carries no more.

    :param products: of its gates with an observation
    :param own: of its gates with `out`
    :param out: its output before
    """
    size = out.shape[-1]
    reset, update = (products + own)[..., : 2 * size].sigmoid().chunk(2, dim=-1)
    new = (products[..., 2 * size :] + reset * own[..., 2 * size :]).tanh()
    return new + update * (out - new)


def lstm(
    products: Float[Tensor, "net row gate"],
    own: Float[Tensor, "net row gate"],
    carried: Float[Tensor, "net row part"],
) -> Float[Tensor, "net row part"]:
    """Return the output of a long short-term memory, and its state, as `torch.nn.LSTMCell`.

    :param products: of its gates with an observation
    :param own: of its gates with its output before
    :param carried: its output before, and its state
    """
    _, state = carried.chunk(2, dim=-1)
    i, f, g, o = (products + own).chunk(4, dim=-1)
    state = f.sigmoid() * state + i.sigmoid() * g.tanh()
    return torch.cat([o.sigmoid() * state.tanh(), state], dim=-1)


GRU = Recurrent("GRU", gates=3, parts=1, advance=gru)
LSTM_MEMORY = Recurrent("LSTM", gates=4, parts=2, advance=lstm)

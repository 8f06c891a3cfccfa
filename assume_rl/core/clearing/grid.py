"""The zones of a market and the lines between them."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

NO_GRID = "node0"
"""Name of the only node, or zone, where there is no grid."""


@dataclass(frozen=True)
class Line:
    """A line, which limits the exchange between two zones."""

    name: str
    start: int  # zone that it leads from
    stop: int  # zone that it leads to
    capacity: float  # MW, either way


@dataclass(frozen=True)
class Grid:
    """Zones that orders lie in, and lines between them."""

    zones: tuple[str, ...]
    zone_of: tuple[int, ...]  # of each node of the scenario
    lines: tuple[Line, ...]

    def of_slots(self, node: Int[Tensor, " slot"]) -> Int[Tensor, " slot"]:
        """Return the zone of each slot.

        :param node: of each slot, index into the scenario's nodes
        """
        return node.new_tensor(self.zone_of)[node]


def one_zone(nodes: int) -> Grid:
    """Return the grid of a market in which all of some nodes trade freely."""
    return Grid((NO_GRID,), (0,) * nodes, ())

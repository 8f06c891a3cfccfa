"""Parameters of many networks side by side in one buffer.

One buffer means one call of the optimiser and of the move of targets, however many networks and
layers there are. Parts begin at multiples of `ALIGNMENT` entries and the buffer ends at one, so
that no entry of a network is in the tail that vector instructions leave over: one is treated with
the same instructions whatever else is in the buffer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

ALIGNMENT = 64
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Flat:
    """Tensors of one dtype side by side; writing to a view writes to the buffer."""

    buffer: Float[Tensor, " entry"]
    views: dict[str, Tensor]

    @classmethod
    def zeros(cls, shapes: Shapes, device: torch.device, dtype: torch.dtype) -> "Flat":
        """Return a buffer of zeros, padding included.

        :param shapes: of the views, by name
        :param device: of the buffer
        :param dtype: of the buffer
        """
        starts, end = {}, 0
        for name, shape in shapes.items():
            starts[name] = end
            end += math.ceil(math.prod(shape) / ALIGNMENT) * ALIGNMENT
        buffer = torch.zeros(end, device=device, dtype=dtype)
        views = {
            name: buffer[start : start + math.prod(shapes[name])].view(shapes[name])
            for name, start in starts.items()
        }
        return cls(buffer, views)

    def over(self, buffer: Float[Tensor, " entry"]) -> dict[str, Tensor]:
        """Return views of another buffer, arranged like these."""
        start = self.buffer.storage_offset()
        return {
            name: buffer.as_strided(view.shape, view.stride(), view.storage_offset() - start)
            for name, view in self.views.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the views, in order."""
        return {name: tuple(view.shape) for name, view in self.views.items()}

    def like(self) -> "Flat":
        """Return zeros in the same arrangement."""
        return Flat.zeros(self.shapes, self.buffer.device, self.buffer.dtype)

    def merged(self, axes: int, first: int | None = None) -> dict[str, Tensor]:
        """Return the views with their first `axes` axes, by which networks differ, as one.

        :param axes: number of these axes
        :param first: length to which the first of them is cut; None: not at all
        """
        return {name: view[:first].flatten(0, axes - 1) for name, view in self.views.items()}

    def leaves(self, gradient: "Flat", axes: int) -> dict[str, Tensor]:
        """Return `merged` as leaves of autograd, which adds their gradients to `gradient`.

        They are no views for autograd: it would follow a view of what an optimiser has changed
        with a copy of the whole.

        :param gradient: arranged like this
        :param axes: see `merged`
        """
        found = {}
        slopes = gradient.merged(axes)
        for name, view in self.merged(axes).items():
            found[name] = view.detach().requires_grad_()
            found[name].grad = slopes[name]
        return found


def scratch(flats: Sequence[Flat]) -> list[Flat]:
    """Return zeros arranged like each of `flats`, shared by those arranged alike.

    For numbers that are not needed once the next part begins, such as gradients: shared, they stay
    in cache.
    """
    one_of_each = {tuple(flat.shapes.items()): flat for flat in flats}
    made = {shapes: flat.like() for shapes, flat in one_of_each.items()}
    return [made[tuple(flat.shapes.items())] for flat in flats]

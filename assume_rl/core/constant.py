"""Numbers of Python as tensors: copying them to a GPU makes the host wait, so each is made once."""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Shaped
from torch import Tensor


def constant(
    numbers: Sequence[int] | Sequence[float], device: torch.device, dtype: torch.dtype = torch.int64
) -> Shaped[Tensor, " number"]:
    """Return numbers as a tensor, which must not be written to: others are handed the same one.

    :param numbers: few, and the same ones again and again
    :param device: of the tensor
    :param dtype: of the tensor
    """
    return _made(tuple(numbers), device, dtype)


@cache  # CUDA graphs read them where they are, unknown to Python
def _made(numbers: tuple[int | float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # others may need gradients
        return torch.tensor(numbers, dtype=dtype, device=device)

"""Processes that learn together: each works on its share of the rows of every batch.

All of them hold the same networks and the same transitions. Gradients of shares are averaged before
they are clipped, so that all make the step that one process would make, but for rounding.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from assume_rl.errors import SettingError
from assume_rl.learning.config import LearningConfig


@dataclass(frozen=True)
class Processes:
    """How many processes learn together, and which of them this one is."""

    rank: int = 0
    count: int = 1

    def share(self, rows: int) -> slice:
        """Return the rows of a batch that this process works on.

        :param rows: of the whole batch, a multiple of the number of processes
        """
        own = rows // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def average_(self, value: Tensor) -> None:
        """Write the mean over all processes; every one of them has to call this."""
        if self.count > 1:
            dist.all_reduce(value)
            value.div_(self.count)

    def gathered(self, rows: Tensor, batches: int = 1) -> Tensor:
        """Return the rows of all processes in the order of the whole batches.

        :param rows: of this process, the last axis
        :param batches: that are side by side in it
        """
        if self.count == 1:
            return rows
        own = rows.contiguous().view(*rows.shape[:-1], batches, -1)
        parts = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(parts, own)
        return torch.cat(parts, dim=-1).flatten(-2)


ALONE = Processes()


def joined() -> Processes:
    """Return the processes of torch.distributed's group; alone where there is none."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return Processes(dist.get_rank(), dist.get_world_size())


def check_shares(config: LearningConfig, processes: Processes) -> None:
    """Check that processes can learn together with these settings.

    :raises SettingError: they cannot
    """
    if processes.count == 1:
        return
    if config.settings.on_policy:
        raise SettingError(
            "learning_config.algorithm",
            f"{config.algorithm} learns from all waiting transitions at once; several processes "
            "share the batches of algorithms with a replay",
        )
    if config.batch_size % processes.count:
        raise SettingError(
            "learning_config.batch_size",
            f"is {config.batch_size}, of which {processes.count} processes have no equal shares",
        )
    if config.cuda_graphs:
        raise SettingError(
            "learning_config.cuda_graphs", "is for one process: gradients are exchanged by several"
        )

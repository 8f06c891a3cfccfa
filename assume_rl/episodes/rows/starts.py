"""Starts of units, as rows of `start_costs`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.units import calls
from assume_rl.core.units.base import NEVER_RAN, START_KINDS
from assume_rl.core.units.fleet import Fleet, side_by_side

KINDS = np.array(START_KINDS, dtype=object)


class StartLog:
    """Finds starts in delivered power and remembers how long each unit has been off.

    It is shown every step of an episode once and in order, so that no window limits a downtime.
    """

    def __init__(self, fleet: Fleet, step_hours: float) -> None:
        self._fleet = fleet
        self._ids = np.array(fleet.ids, dtype=object)
        self._step_hours = step_hours
        self._downtime = torch.full((len(fleet.ids),), NEVER_RAN, dtype=torch.float64)

    def rows(
        self, steps: Int[Tensor, " step"], power: Float[Tensor, "step unit"]
    ) -> Iterator[dict[str, Any]]:
        """Yield the columns of `start_costs`, a row per start, if there is any.

        :param steps: steps since the episode began, those that follow the ones shown before
        :param power: delivered, MW
        """
        downtime, parts = [], []
        for block in self._fleet.blocks:
            own = slice(block.start, block.stop)
            found, after = calls.starts(
                block.technology, block.params, power[:, own], self._downtime[own]
            )
            parts.append(found)
            downtime.append(after)
        self._downtime = side_by_side(downtime)
        step, unit = side_by_side([found.started for found in parts]).nonzero(as_tuple=True)
        if not len(step):
            return
        kind, off, cost = (
            side_by_side([getattr(found, name) for found in parts])[step, unit].numpy()
            for name in ("kind", "downtime", "cost")
        )
        yield {
            "step": steps[step].numpy(),
            "unit": self._ids[unit.numpy()],
            "downtime": np.where(np.isfinite(off), off * self._step_hours, np.nan),
            "kind": KINDS[kind],
            "start_cost": cost,
        }

"""Spaces of observations and actions, as Gymnasium has them."""

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from assume_rl.core.bidding.base import ActionSpec, Layout

Actions = Box | Discrete | MultiDiscrete


def observations(layout: Layout) -> Box:
    """Return the unbounded float32 space of observations, whose entries `layout` names."""
    return Box(-np.inf, np.inf, (layout.size,), np.float32)


def actions(action: ActionSpec) -> Actions:
    """Return the space of actions: numbers in [-1, 1], or rungs of a ladder, counted from 0.

    :param action: of a bidder; of a ladder for one price `Discrete`, for several `MultiDiscrete`
    """
    if not action.rungs:
        return Box(-1.0, 1.0, (action.size,), np.float32)
    if action.size == 1:
        return Discrete(action.rungs)
    return MultiDiscrete([action.rungs] * action.size)

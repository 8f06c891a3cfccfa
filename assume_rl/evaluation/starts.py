"""The best response of a plant whose starts cost something.

A plant sells what it has, whatever it did before, and is paid for what it sells, whatever it
delivers. Earlier auctions matter to it through starts alone: through how long it has been on, or
off, when an auction is delivered. Of an auction, what comes later depends only on whether it sells
anything. So there are two ways to bid in each, the best one that sells and the best one that does
not, and a state for each number of steps on or off, as far as minimum times and the kinds of starts
tell them apart. Nothing is rounded: the optimum is exact.

How much it delivers decides nothing: ramps and minimum power change how much a plant that runs
delivers, but not whether it runs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.units.base import NEVER_RAN, NO_STATE, ZERO_VOLUME, rows_of
from assume_rl.core.units.thermal import Thermal, ThermalParams, operating_time
from assume_rl.evaluation.dynamic_programming import best_choices

LONG_AGO = 1 << 30
"""Steps since an episode began that reach beyond all minimum times."""


@dataclass(frozen=True)
class Plant:
    """A plant in auctions of one product, which follow each other."""

    params: ThermalParams  # of one plant
    capacity: Float[Tensor, " step"]  # MW available, from the beginning of the episode on
    first: tuple[int, ...]  # step that each auction delivers first
    length: int  # steps that it delivers
    by_downtime: bool  # whether starts cost by the steps off before them


@dataclass(frozen=True)
class Past:
    """The past of some copies of a plant."""

    power: Float[Tensor, "window copy"]  # MW in the last steps, 0 before the episode
    downtime: Float[Tensor, " copy"]  # steps off, 0: it runs; `NEVER_RAN`


@dataclass(frozen=True)
class Delivery:
    """Deliveries of copies of a plant in auctions, as `core.money.Outcome` has them."""

    power: Float[Tensor, "*auction copy"]  # MW in the first step
    previous: Float[Tensor, "*auction copy"]  # MW in the step before
    start_cost: Float[Tensor, "*auction copy"]  # EUR by downtime, of all steps


Value = Callable[[Int[Tensor, " copy"], Delivery], Float[Tensor, "auction copy"]]
"""What auctions bring: of the choice that each copy takes in all of them, and what it delivers."""


def deliver(plant: Plant, sold: Float[Tensor, "auction copy"]) -> Delivery:
    """Return the delivery of copies of a plant over an episode.

    :param plant: of which they are copies
    :param sold: MW that each sells
    """
    copies = sold.shape[-1]
    window = _longest(plant)
    past = Past(sold.new_zeros(window, copies), sold.new_full((copies,), NEVER_RAN))
    found = []
    for auction, now in enumerate(sold):
        one, past = _deliver(plant, past, auction, now)
        found.append(one)
    return _stacked(found)


def best_of_two(
    plant: Plant, sold: Float[Tensor, "auction choice"], value: Value
) -> Int[Tensor, " auction"]:
    """Return the best of two choices in each auction: 0, to sell nothing, or 1, to sell.

    :param plant: that sells
    :param sold: MW
    :param value: in any unit; -inf: not possible. One of the two always is
    """
    states = _states(plant)
    count = len(states.downtime)
    choice = torch.arange(2).repeat(count)
    copies = Past(
        states.power.repeat_interleave(2, dim=-1), states.downtime.repeat_interleave(2, dim=-1)
    )
    found, after = [], []
    for auction, now in enumerate(sold):
        one, past = _deliver(plant, copies, auction, now[choice])
        found.append(one)
        after.append(_state_of(plant, past))
    brought = value(choice, _stacked(found))
    shape = (len(sold), count, 2)
    return best_choices(brought.reshape(shape), torch.stack(after).reshape(shape), count - 1)


def _deliver(
    plant: Plant, past: Past, auction: int, sold: Float[Tensor, " copy"]
) -> tuple[Delivery, Past]:
    """Return the delivery of copies in an auction, and their past after it."""
    since = plant.first[auction - 1] + plant.length if auction else 0
    gap, stop = plant.first[auction] - since, plant.first[auction] + plant.length
    planned = torch.cat((sold.new_zeros(gap, len(sold)), sold.expand(plant.length, -1)))
    params = rows_of(plant.params, torch.zeros(len(sold), dtype=torch.long))
    capacity = plant.capacity[since:stop, None].expand(-1, len(sold))
    window, technology = len(past.power), Thermal()
    power, _ = technology.execute(
        params, NO_STATE, capacity, torch.cat((past.power, planned)), window, stop - 1
    )
    starts, downtime = technology.starts(params, power, past.downtime)
    done = torch.cat((past.power, power))
    delivered = Delivery(done[window + gap], done[window + gap - 1], starts.cost[gap:].sum(0))
    return delivered, Past(done[-window:], downtime)


def _states(plant: Plant) -> Past:
    """Return all states: on for 1, 2, ... steps, off for 1, 2, ... steps, and never on before.

    The last number of steps of each stands for all that are larger.
    """
    window, longest_off = _longest(plant), _longest_off(plant)
    ago = torch.arange(window, 0, -1)[:, None]
    steps = torch.arange(1, longest_off + 1)
    on, off = ago <= steps[:window], ago > steps
    never = torch.zeros(window, 1, dtype=torch.bool)
    power = torch.cat((on, off, never), -1) * plant.params.max_power
    zero = power.new_zeros(window)
    return Past(power, torch.cat((zero, steps.to(zero.dtype), zero.new_tensor([NEVER_RAN]))))


def _state_of(plant: Plant, past: Past) -> Int[Tensor, " copy"]:
    """Return the number of the state that a past is, see `_states`."""
    window, longest_off = _longest(plant), _longest_off(plant)
    params = rows_of(plant.params, torch.zeros(len(past.downtime), dtype=torch.long))
    on = operating_time(params, past.power, LONG_AGO).long() - 1
    off = window + past.downtime.clamp(max=longest_off).long() - 1
    off = torch.where(past.downtime == NEVER_RAN, window + longest_off, off)
    return torch.where(past.power[-1] > ZERO_VOLUME, on, off)


def _longest(plant: Plant) -> int:
    """Return the most steps on that minimum times tell apart."""
    return max(1, Thermal().lookback(plant.params, timed=True))


def _longest_off(plant: Plant) -> int:
    """Return the most steps off that minimum times and, where they matter, starts tell apart."""
    if not plant.by_downtime:
        return _longest(plant)
    kinds = (plant.params.downtime_hot_start, plant.params.downtime_warm_start)
    longest = max(float(limit) for limit in kinds)
    steps = len(plant.capacity) if math.isinf(longest) else math.ceil(longest) + 1
    return max(_longest(plant), min(steps, len(plant.capacity)))


def _stacked(parts: list[Delivery]) -> Delivery:
    """Return the deliveries in all auctions."""
    return Delivery(
        torch.stack([part.power for part in parts]),
        torch.stack([part.previous for part in parts]),
        torch.stack([part.start_cost for part in parts]),
    )

"""`check_technology` finds each clause of the contract that a technology breaks."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from assume_rl.core.units.base import NO_STATE, Limits, Range, rows_of
from assume_rl.core.units.demand import Demand
from assume_rl.core.units.storage import Storage
from assume_rl.core.units.thermal import Thermal
from assume_rl.testing import check_technology, toy_fleet, toy_storages


class OfOneStep(Thermal):
    def running_cost(self, *given: Any) -> Any:
        return super().running_cost(*given)[..., :1, :]


class OfAnotherWindow(Storage):
    def columns(self, *given: Any) -> Any:
        return {name: x[..., 1:, :] for name, x in super().columns(*given).items()}


class SinglePrecision(Thermal):
    def marginal_cost(self, *given: Any) -> Any:
        return super().marginal_cost(*given).float()


class NotANumber(Thermal):
    def running_cost(self, *given: Any) -> Any:
        cost = super().running_cost(*given)
        return cost / (cost > 0)


class SingleView(Thermal):
    def view(self, *given: Any) -> Any:
        return replace(super().view(*given), past=given[2].float())


class Writing(Thermal):
    def execute(self, params: Any, state: Any, capacity: Any, energy: Any, *time: Any) -> Any:
        energy.clamp_(min=1)
        return super().execute(params, state, capacity, energy, *time)


class WritingIntoPlan(Storage):
    def settle(self, params: Any, state: Any, sale: Any) -> Any:
        state.soc.clamp_(min=0.5)
        return super().settle(params, state, sale)


class Random(Thermal):
    def running_cost(self, *given: Any) -> Any:
        return super().running_cost(*given) + torch.rand(())


class MixingCopies(Thermal):
    def running_cost(self, *given: Any) -> Any:
        cost = super().running_cost(*given)
        return cost + cost.mean()


class MixingUnits(Thermal):
    def running_cost(self, *given: Any) -> Any:
        cost = super().running_cost(*given)
        return cost + cost.sum(-1, keepdim=True)


class ChoosingOthers(Thermal):
    def select(self, params: Any, units: Any) -> Any:
        return super().select(params, units.flip(0))


class Unordered(Thermal):
    def limits(self, *given: Any) -> Limits:
        found = super().limits(*given)
        return replace(found, sell=Range(found.sell.most, found.sell.least))


class OfTheOtherSign(Storage):
    def limits(self, *given: Any) -> Limits:
        found = super().limits(*given)
        return replace(found, buy=Range(-found.buy.least, -found.buy.most))


class AlsoBuying(Thermal):
    def limits(self, *given: Any) -> Limits:
        found = super().limits(*given)
        return replace(found, buy=Range(found.buy.least, found.buy.most - 1))


class BeyondCapacity(Thermal):
    def execute(self, params: Any, state: Any, capacity: Any, *given: Any) -> Any:
        return super().execute(params, state, capacity + 100, *given)


class Hungry(Demand):
    def execute(self, *given: Any) -> Any:
        power, state = super().execute(*given)
        return power * 2, state


class Backwards(Thermal):
    def execute(self, *given: Any) -> Any:
        power, state = super().execute(*given)
        return -power, state


class LookingBack(Thermal):
    def lookback(self, *given: Any) -> int:
        return 0


class LookingAhead(Thermal):
    def lookback(self, *given: Any) -> int:
        return -1


class PlanningAgain(Storage):
    def plan(self, params: Any, state: Any, energy: Any, first: int) -> Any:
        half = torch.cat((energy[..., :first, :], energy[..., first:, :] / 2), dim=-2)
        return super().plan(params, state, half, first)


class PlanningThePast(Storage):
    def plan(self, params: Any, state: Any, energy: Any, first: int) -> Any:
        done, after = super().plan(params, state, energy, first)
        return done.clamp(min=-1, max=1), after


class Shrinking(Storage):
    def advance(self, state: Any, steps: int) -> Any:
        return replace(state, soc=state.soc[..., min(steps, state.soc.shape[-2] - 1) :, :])


class StandingStill(Storage):
    def advance(self, state: Any, steps: int) -> Any:
        return state


class Cooling(Storage):
    """Its state changes with the number of calls instead of steps."""

    def advance(self, state: Any, steps: int) -> Any:
        later = super().advance(state, steps)
        return replace(later, stored_cost=later.stored_cost * 0.9 + 1)


class OfNoState(Storage):
    def settle(self, *given: Any) -> Any:
        return NO_STATE


class WithoutBatch(Storage):
    def initial(self, params: Any, batch: Any, window: int) -> Any:
        return super().initial(params, (), window)


class ChargingAlways(Thermal):
    def starts(self, *given: Any) -> Any:
        found, downtime = super().starts(*given)
        return replace(found, cost=found.cost + 1), downtime


class ForgettingDowntime(Thermal):
    def starts(self, params: Any, power: Any, downtime: Any) -> Any:
        found, _ = super().starts(params, power, downtime)
        return found, downtime


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (OfOneStep(), r"`running_cost` has shape \(7, 1, 3\), expected \(7, 3, 3\)"),
        (OfAnotherWindow(), r"`columns\(\)\['soc'\]` has shape"),
        (SinglePrecision(), "`marginal_cost` is torch.float32; economics is float64"),
        (NotANumber(), "`running_cost` holds NaN"),
        (SingleView(), "`view` is torch.float32"),
        (Writing(), "`execute` wrote into its arguments"),
        (WritingIntoPlan(), "`settle` wrote into its arguments"),
        (Random(), "`running_cost` gives another answer"),
        (MixingCopies(), "`running_cost` of one market differs"),
        (MixingUnits(), "`running_cost` of the units that `select` chose differs"),
        (ChoosingOthers(), "that `select` chose differs"),
        (Unordered(), "limits.sell: 0 <= least <= most"),
        (OfTheOtherSign(), "limits.buy: most <= least <= 0"),
        (AlsoBuying(), "a direction that `sides` does not name: 'buys'"),
        (BeyondCapacity(), "`execute` delivers more than `capacity`"),
        (Hungry(), "`execute` consumes more than `capacity`"),
        (Backwards(), "`execute` delivers < 0 of units that can only sell"),
        (LookingBack(), "steps further back than `lookback` says"),
        (LookingAhead(), "`lookback` returns -1"),
        (PlanningAgain(), "`plan` of a plan is another plan"),
        (PlanningThePast(), "`plan` changes steps before `first`"),
        (Shrinking(), "`advance` turns a tensor of the state"),
        (StandingStill(), r"does not move the window of `columns\(\)\['soc'\]`"),
        (Cooling(), "differs from `advance` by 2 steps"),
        (OfNoState(), "`settle` returns the state NoState, expected StorageState"),
        (WithoutBatch(), "the first axes of a state are `batch`"),
        (ChargingAlways(), r"`starts\(\).cost` must be 0 where no unit starts"),
        (ForgettingDowntime(), "differ from those step by step"),
        (Thermal(sides=frozenset()), "`sides` is set"),
        (Thermal(name="fusion"), "there is no toy fleet for the technology 'fusion'"),
    ],
    ids=lambda given: type(given).__name__ if not isinstance(given, str) else "",
)
def test_it_says_which_clause_is_broken(broken: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_technology(broken)


def test_units_of_ones_own_are_checked_in_place_of_toys() -> None:
    check_technology(Storage(), toy_storages(efficiency_charge=0.5))
    with pytest.raises(AssertionError, match="no unit of the fleet is of the technology 'storage'"):
        check_technology(Storage(), toy_fleet())
    mixed = toy_fleet(demands=((30.0, 100.0), (20.0, 50.0)), varied=True)
    check_technology(Demand(), mixed)
    with pytest.raises(AssertionError, match="consumes more than"):
        check_technology(Hungry(), mixed)


@dataclass(frozen=True)
class Renamed(Demand):
    name: str = "heat"


def test_a_technology_of_another_name_needs_a_fleet_with_it() -> None:
    fleet, profiles = toy_fleet(plants=(), demands=((30.0, 100.0), (20.0, 50.0)), varied=True)
    blocks = tuple(replace(block, technology=Renamed()) for block in fleet.blocks)
    check_technology(Renamed(), (replace(fleet, blocks=blocks), profiles))


def test_rows_of_a_state_without_tensors() -> None:
    assert rows_of(NO_STATE, torch.tensor([0])) == NO_STATE

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core.units import TECHNOLOGIES, thermal
from assume_rl.core.units.base import NEVER_RAN, NO_STATE, START_KINDS
from assume_rl.core.units.demand import DemandParams
from assume_rl.core.units.fleet import members, select, select_profiles
from assume_rl.core.units.thermal import Thermal, ThermalParams
from assume_rl.testing import toy_fleet, toy_thermal

INF = torch.inf
THERMAL, DEMAND = Thermal(), TECHNOLOGIES["demand"]


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def past_of(*power: float) -> Tensor:
    """History of one unit, newest last."""
    return row(*power)[:, None]


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "sold", "expected"),
    [
        (100.0, 0.0, (20.0, 100.0)),
        (100.0, 30.0, (0.0, 70.0)),
        (100.0, 5.0, (15.0, 95.0)),
        (20.0, 0.0, (20.0, 20.0)),
        (19.0, 0.0, (0.0, 0.0)),  # less available than minimum power: nothing
        (50.0, 80.0, (0.0, 0.0)),  # more sold than is available now
    ],
)
def test_plant_offers_between_minimum_and_available_power(
    capacity: float, sold: float, expected: tuple[float, float]
) -> None:
    params, energy = toy_thermal((100.0,), 20.0), {"energy": row(sold)[None]}
    limits = THERMAL.limits(params, NO_STATE, row(capacity)[None], energy, 0)
    assert (limits.sell.least.item(), limits.sell.most.item()) == expected
    assert (limits.buy.least.item(), limits.buy.most.item()) == (0.0, 0.0)
    assert THERMAL.sides == {"sells"}


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        ({"capacity_pos": 30.0}, (20.0, 70.0)),
        ({"capacity_neg": 30.0}, (50.0, 100.0)),
        ({"energy": 40.0, "capacity_pos": 10.0, "capacity_neg": 30.0}, (10.0, 50.0)),
        ({"capacity_pos": 85.0}, (0.0, 0.0)),  # 15 MW left, less than minimum power
        ({"capacity_neg": 85.0}, (0.0, 0.0)),  # it would have to run at 105 MW
    ],
)
def test_sold_reserve_takes_from_the_most_or_adds_to_the_least(
    sold: dict[str, float], expected: tuple[float, float]
) -> None:
    volumes = {kind: row(volume)[None] for kind, volume in {"energy": 0.0, **sold}.items()}
    params = toy_thermal((100.0,), 20.0)
    limits = THERMAL.limits(params, NO_STATE, row(100.0)[None], volumes, 0)
    assert (limits.sell.least.item(), limits.sell.most.item()) == expected


def test_demand_offers_exactly_what_it_has_not_bought() -> None:
    params = DEMAND.select(_demand(), torch.tensor([0]))
    limits = DEMAND.limits(params, NO_STATE, row(-100.0)[None], {"energy": row(-30.0)[None]}, 0)
    assert limits.buy.least.item() == limits.buy.most.item() == -70.0
    assert limits.sell.least.item() == limits.sell.most.item() == 0.0
    assert DEMAND.sides == {"buys"}


def _demand() -> DemandParams:
    params: DemandParams = toy_fleet(plants=(), demands=((100.0, 3000.0),))[0].blocks[0].params
    return params


# --- operating time -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("past", "step", "expected"),
    [
        ((0.0, 50.0, 50.0), 9, 2.0),
        ((50.0, 0.0, 0.0), 9, -2.0),
        ((50.0, 50.0, 0.0), 9, -1.0),
        ((50.0, 50.0, 50.0), 9, 3.0),
        ((0.0, 0.0, 0.0), 0, 3.0),  # the calendar starts with all on
        ((0.0, 0.0, 0.0), 1, -1.0),  # but its first step had no output
        ((0.0, 0.0, 50.0), 1, 1.0),
        ((0.0, 0.0, 0.0), 2, -2.0),  # not beyond the start of the calendar
    ],
)
def test_operating_time_counts_steps_since_the_last_switch(
    past: tuple[float, ...], step: int, expected: float
) -> None:
    params = toy_thermal((100.0,), min_operating_time=3.0, min_down_time=2.0)
    assert thermal.operating_time(params, past_of(*past), step).item() == expected


def test_operating_time_looks_back_only_as_far_as_the_minimum_times() -> None:
    params = toy_thermal((100.0, 100.0), min_operating_time=(2.0, 0.0), min_down_time=(1.0, 0.0))
    past = row(5.0, 5.0, 5.0, 5.0)[:, None].expand(4, 2)
    assert thermal.operating_time(params, past, 9).tolist() == [2.0, 1.0]


# --- ramps --------------------------------------------------------------------------------------


def loop_ramp(params: ThermalParams, op: float, prev: float, p: float, cur: float) -> float:
    """Section by section as docs/scenario-format.md states it, for one unit."""
    up, down = params.ramp_up.item(), params.ramp_down.item()
    if up == INF and down == INF:
        return p
    if p > 0 and -params.min_down_time.item() < op < 0:
        p = 0.0
    elif p == 0 and 0 < op < params.min_operating_time.item():
        p = params.min_power.item()
    if p == 0:
        return 0.0
    if up != INF:
        p = min(p, prev + up - cur, params.max_power.item() - cur)
    if down != INF:
        p = max(p, prev - down - cur, params.min_power.item() - cur)
    return p


LIMIT = st.sampled_from([INF, 10.0, 35.0])
TIME = st.integers(0, 4).map(float)


@settings(deadline=None)
@given(
    limits=st.tuples(LIMIT, LIMIT, TIME, TIME),
    op=st.integers(-4, 4).map(float),
    prev=st.sampled_from([0.0, 20.0, 45.0, 100.0]),
    power=st.sampled_from([0.0, 15.0, 60.0, 100.0]),
    sold=st.sampled_from([0.0, 30.0]),
)
def test_ramp_is_the_step_by_step_rule(
    limits: tuple[float, float, float, float], op: float, prev: float, power: float, sold: float
) -> None:
    names = ("ramp_up", "ramp_down", "min_operating_time", "min_down_time")
    params = toy_thermal((100.0,), 20.0, **dict(zip(names, limits, strict=True)))
    got = thermal.ramp(params, row(op), row(prev), row(power), row(sold))
    assert got.item() == loop_ramp(params, op, prev, power, sold)


def test_units_without_ramp_limit_are_left_alone_beside_ramped_ones() -> None:
    params = toy_thermal((100.0, 100.0), 20.0, ramp_up=(25.0, INF), min_down_time=5.0)
    power = thermal.ramp(params, row(-1.0, -1.0), row(0.0, 0.0), row(100.0, 100.0), 0.0)
    assert power.tolist() == [0.0, 100.0]


# --- execution ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sold", "capacity", "delivered"),
    [
        (0.0, 100.0, 0.0),
        (5.0, 100.0, 20.0),  # lifted to minimum power
        (70.0, 100.0, 70.0),
        (70.0, 50.0, 50.0),
        (70.0, 10.0, 20.0),  # the minimum wins
    ],
)
@pytest.mark.parametrize("ramp_up", [INF, 1000.0])
def test_a_running_plant_delivers_between_minimum_and_available_power(
    sold: float, capacity: float, delivered: float, ramp_up: float
) -> None:
    params = toy_thermal((100.0,), 20.0, ramp_up=ramp_up)
    energy = past_of(0.0, 0.0, 0.0, sold)
    done, _ = THERMAL.execute(params, NO_STATE, row(capacity)[None], energy, 3, 50)
    assert done.item() == delivered


def test_execution_ramps_from_what_was_delivered_not_from_what_was_sold() -> None:
    params = toy_thermal((100.0,), 0.0, ramp_up=30.0)
    energy = past_of(0.0, 0.0, 100.0, 100.0, 100.0)
    done, _ = THERMAL.execute(params, NO_STATE, row(100.0).expand(3, 1), energy, 2, 50)
    assert done[:, 0].tolist() == [30.0, 60.0, 90.0]


def test_execution_keeps_a_plant_on_for_its_minimum_operating_time() -> None:
    params = toy_thermal((100.0,), 20.0, ramp_down=100.0, min_operating_time=3.0)
    energy = past_of(0.0, 0.0, 0.0, 50.0, 0.0, 0.0, 0.0)
    done, _ = THERMAL.execute(params, NO_STATE, row(100.0).expand(4, 1), energy, 3, 50)
    assert done[:, 0].tolist() == [50.0, 20.0, 20.0, 0.0]


def test_demand_consumes_what_it_bought() -> None:
    energy = past_of(0.0, -30.0, -40.0)
    done, _ = DEMAND.execute(_demand(), NO_STATE, row(-100.0).expand(2, 1), energy, 1, 50)
    assert done[:, 0].tolist() == [-30.0, -40.0]


# --- starts -------------------------------------------------------------------------------------


def costly(hot: float = 2.0, warm: float = 4.0) -> ThermalParams:
    """A plant whose hot, warm and cold starts cost 1, 10 and 100 EUR."""
    return toy_thermal(
        (100.0,),
        hot_start_cost=1.0,
        warm_start_cost=10.0,
        cold_start_cost=100.0,
        downtime_hot_start=hot,
        downtime_warm_start=warm,
    )


@pytest.mark.parametrize(
    ("downtime", "power", "cost", "after"),
    [
        (0.0, (50.0, 50.0), (0.0, 0.0), 0.0),  # it was running
        (2.0, (50.0, 50.0), (1.0, 0.0), 0.0),
        (3.0, (50.0, 0.0), (10.0, 0.0), 1.0),
        (5.0, (0.0, 50.0), (0.0, 100.0), 0.0),
        (0.0, (0.0, 0.0, 50.0), (0.0, 0.0, 1.0), 0.0),
        (2.0, (0.0, 0.0, 50.0), (0.0, 0.0, 10.0), 0.0),
        (0.0, (0.0, 50.0, 0.0, 0.0, 0.0, 50.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, 10.0, 0.0), 1.0),
        (NEVER_RAN, (0.0, 50.0, 0.0, 50.0), (0.0, 100.0, 0.0, 1.0), 0.0),
        (NEVER_RAN, (0.0, 0.0), (0.0, 0.0), NEVER_RAN),
        (7.0, (0.0, 1e-12), (0.0, 0.0), 9.0),  # next to nothing is off
    ],
)
def test_a_start_is_priced_by_how_long_the_plant_was_off(
    downtime: float, power: tuple[float, ...], cost: tuple[float, ...], after: float
) -> None:
    found, left = THERMAL.starts(costly(), past_of(*power), row(downtime))
    assert found.cost[:, 0].tolist() == list(cost)
    assert left.tolist() == [after]


def test_starts_tell_their_kind_and_the_steps_off_before() -> None:
    power = past_of(50.0, 0.0, 50.0, 0.0, 0.0, 0.0, 50.0, 50.0)
    found, after = THERMAL.starts(costly(), power, row(NEVER_RAN))
    started = found.started[:, 0]
    assert started.nonzero()[:, 0].tolist() == [0, 2, 6]
    assert [START_KINDS[k] for k in found.kind[started, 0]] == ["cold", "hot", "warm"]
    assert found.downtime[started, 0].tolist() == [NEVER_RAN, 1.0, 3.0]
    assert after.tolist() == [0.0]


def test_a_demand_never_starts() -> None:
    found, after = DEMAND.starts(_demand(), past_of(0.0, -50.0), row(NEVER_RAN))
    assert not found.started.any()
    assert not found.cost.any()
    assert after.tolist() == [NEVER_RAN]


def test_without_downtimes_every_start_is_cold() -> None:
    params = toy_thermal((300.0,), cold_start_cost=80.0 * 300.0, hot_start_cost=1.0)
    found, _ = THERMAL.starts(params, past_of(300.0, 0.0, 300.0, 0.0), row(NEVER_RAN))
    assert found.cost[:, 0].tolist() == [24_000.0, 0.0, 24_000.0, 0.0]


def test_limits_of_downtimes_may_be_rounded() -> None:
    """0.7 hours are 7 steps of 0.1 hours, but 6.999999999999999 in floating point."""
    found, _ = THERMAL.starts(costly(hot=0.7 / 0.1), past_of(50.0), row(7.0))
    assert 0.7 / 0.1 < 7
    assert found.cost.item() == 1.0


@given(
    running=st.lists(st.booleans(), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    downtime=st.sampled_from([0.0, 1.0, 3.0, NEVER_RAN]),
)
def test_start_costs_do_not_depend_on_how_steps_are_cut(
    running: list[bool], cut: int, downtime: float
) -> None:
    power = past_of(*(50.0 * on for on in running))
    whole, after = THERMAL.starts(costly(), power, row(downtime))
    found, state = [], row(downtime)
    for part in (power[:cut], power[cut:]):
        if len(part):
            starts, state = THERMAL.starts(costly(), part, state)
            found.append(starts.cost)
    assert torch.equal(torch.cat(found), whole.cost)
    assert torch.equal(state, after)


def test_start_costs_of_copies_and_units_are_those_of_each_alone() -> None:
    power = torch.tensor([[[0.0, 5.0], [5.0, 0.0]], [[5.0, 5.0], [0.0, 5.0]]]).double()
    downtime = torch.tensor([[3.0, 0.0], [1.0, NEVER_RAN]]).double()
    params = toy_thermal((9.0, 9.0), hot_start_cost=(1.0, 2.0), downtime_hot_start=(5.0, 1.0))
    found, after = THERMAL.starts(params, power, downtime)
    for copy in range(2):
        alone, left = THERMAL.starts(params, power[copy], downtime[copy])
        assert torch.equal(found.cost[copy], alone.cost)
        assert torch.equal(after[copy], left)
    assert found.cost.tolist() == [[[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]]
    assert after.tolist() == [[0.0, 1.0], [1.0, 0.0]]


# --- fleets -------------------------------------------------------------------------------------


def test_selecting_units_keeps_blocks_parameters_and_series_together() -> None:
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 10.0, 10.0))
    fleet, profiles = toy_fleet(plants=plants, demands=((70.0, 3000.0), (5.0, 10.0)), varied=True)
    part, series = select(fleet, (1, 2, 4)), select_profiles(profiles, (1, 2, 4))
    assert part.ids == ("plant_1", "plant_2", "demand_1")
    assert [(b.technology.name, b.start, b.stop) for b in part.blocks] == [
        ("thermal", 0, 2),
        ("demand", 2, 3),
    ]
    assert part.blocks[0].params.max_power.tolist() == [50.0, 80.0]
    assert torch.equal(series.capacity, profiles.capacity[:, [1, 2, 4]])


def test_a_selection_without_ramp_limits_is_not_ramped() -> None:
    fleet, _ = toy_fleet(ramp_up=(10.0, INF))
    assert fleet.blocks[0].params.ramped
    assert not select(fleet, (1,)).blocks[0].params.ramped
    assert members(fleet, (0,)).block.params.ramped


def test_members_are_all_units_or_an_index() -> None:
    fleet, _ = toy_fleet(demands=((70.0, 3000.0),))
    everyone = members(select(fleet, (0, 1)), (0, 1))
    assert everyone.units.whole
    assert everyone.rows.whole
    some = members(fleet, (2,))
    assert not some.units.whole
    assert some.units.index.tolist() == [2]
    assert some.units.ids == ("demand_0",)
    assert (some.place, some.rows.index.tolist(), some.rows.whole) == (1, [0], True)
    assert some.block.params.price.tolist() == [3000.0]
    with pytest.raises(ValueError, match="one technology"):
        members(fleet, (1, 2))
    with pytest.raises(ValueError, match="ascending"):
        members(fleet, (1, 0))

"""Which auctions happen: the rules and examples of the format, in hours since the start."""

from datetime import datetime
from typing import Any

import pytest

from assume_rl.core.time import Auction
from assume_rl.scenario.compile.plan import auction_plan, steps_of
from assume_rl.scenario.config.schema import StudyCase


def market(**changes: Any) -> dict[str, Any]:
    product = {"duration": "1h", "count": 1, "first_delivery": "1h"}
    return {
        "operator": "exchange",
        "products": [product | changes.pop("product", {})],
        "opening_frequency": "1h",
        "opening_duration": "1h",
        "market_mechanism": "pay_as_clear",
    } | changes


def case(markets: dict[str, Any], end: str, step: str = "1h") -> StudyCase:
    return StudyCase.model_validate(
        {
            "start_date": "2019-01-01 00:00",
            "end_date": end,
            "time_step": step,
            "markets_config": markets,
        }
    )


def auctions(config: StudyCase) -> list[Auction]:
    return [auction for tick in auction_plan(config) for auction in tick.opening]


DAY_AHEAD = market(product={"count": 24}, opening_frequency="24h")


def test_hourly_market_trades_all_hours_but_the_first_and_the_last() -> None:
    found = auctions(case({"EOM": market()}, "2019-01-31"))
    assert len(found) == 719
    assert (found[0].first, found[-1].first) == ((1,), (719,))
    assert [a.number for a in found] == list(range(719))


def test_day_ahead_auction_needs_room_for_its_deliveries() -> None:
    found = auctions(case({"EOM": DAY_AHEAD}, "2019-01-04"))
    assert [a.opens // 3600 for a in found] == [0, 24]
    assert found[-1].first == tuple(range(25, 49))
    assert found[-1].length == (1,) * 24


def test_first_opening_stands_although_it_delivers_until_the_end_date() -> None:
    config = case({"EOM": DAY_AHEAD}, "2019-01-02")
    (only,) = auctions(config)
    assert only.first[-1] == 24 == steps_of(config) - 1


def test_clearings_come_before_openings_in_market_order() -> None:
    config = case({"B": market(), "A": market()}, "2019-01-02")
    tick = auction_plan(config)[1]
    assert [a.market for a in tick.closing] == ["B", "A"]
    assert [a.market for a in tick.opening] == ["B", "A"]
    assert [a.number for a in (*tick.closing, *tick.opening)] == [0, 0, 1, 1]


def test_market_has_its_own_window() -> None:
    late = market(start_date="2019-01-01 06:00", end_date=datetime(2019, 1, 1, 12))
    found = auctions(case({"EOM": late}, "2019-01-02"))
    assert [a.opens // 3600 for a in found] == [6, 7, 8, 9, 10]


def test_longest_products_come_first() -> None:
    products = [
        {"duration": "1h", "count": 2, "first_delivery": "1h"},
        {"duration": "4h", "count": 1, "first_delivery": "1h"},
    ]
    found = auctions(case({"EOM": market(products=products)}, "2019-01-02"))[0]
    assert (found.first, found.length) == ((1, 1, 2), (4, 1, 1))


@pytest.mark.parametrize(("step", "first", "length"), [("15min", 4, 4), ("30min", 2, 2)])
def test_products_count_in_steps(step: str, first: int, length: int) -> None:
    found = auctions(case({"EOM": market()}, "2019-01-02", step))[0]
    assert (found.first, found.length) == ((first,), (length,))


def test_auction_that_would_close_late_ends_the_series() -> None:
    slow = market(opening_duration="3h", product={"first_delivery": "0h"})
    found = auctions(case({"EOM": slow}, "2019-01-01 06:00"))
    assert [a.closes // 3600 for a in found] == [3, 4, 5, 6]

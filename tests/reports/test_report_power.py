"""Market power of a market that was worked out by hand."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hand_made_run import CHEAP, OWNER, write_run

from assume_rl.evaluation.sellers import MarketPower, market_power
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.order_queries import orders
from assume_rl.reports.topics.base import Market
from assume_rl.reports.topics.market_power import AtCostEffect, power_items, price_effects
from assume_rl.reports.types import Chart


@pytest.fixture
def power(tmp_path: Path) -> MarketPower:
    found = market_power(orders(open_source(write_run(tmp_path / "run")).recorded[0])[0])
    assert found is not None
    return found


def test_without_sales_nobody_has_a_share(power: MarketPower) -> None:
    nothing = replace(power, sold=0 * power.sold)
    assert all(math.isnan(row[1]) for row in nothing.rows())  # type: ignore[arg-type]


def test_residual_supply_is_what_others_offer_over_what_is_asked_for(power: MarketPower) -> None:
    index = dict(zip(power.operators, power.residual_supply.T, strict=True))
    assert index[OWNER] == pytest.approx([40 / 60, 40 / 100, 40 / 110])
    assert index["other"] == pytest.approx([80 / 60, 80 / 100, 80 / 110])


def test_concentration_is_the_sum_of_squared_shares(power: MarketPower) -> None:
    sold, offered = power.concentration
    assert sold == pytest.approx(1e4 * (220**2 + 50**2) / 270**2)
    assert offered == pytest.approx(1e4 * (80**2 + 40**2) / 120**2)


def test_the_largest_seller_comes_first(power: MarketPower) -> None:
    first, second, every = power.rows()
    assert (first[0], second[0], every[0]) == (OWNER, "other", "all")
    # share, margin over own cost; lowest index; per cent pivotal and below 1.1
    assert first[1:3] == pytest.approx((100 * 220 / 270, (60 * 80 + 80 * 80) / 220))
    assert first[3:] == pytest.approx((40 / 110, 100.0, 100.0))
    assert second[3:] == pytest.approx((80 / 110, 200 / 3, 200 / 3))


def test_several_orders_of_a_unit_are_one_offer(tmp_path: Path) -> None:
    recorded = open_source(write_run(tmp_path / "run")).recorded[0]
    found, _ = orders(recorded)
    own = found["unit_id"] == CHEAP
    halves = found.assign(
        volume=found["volume"].where(~own, found["volume"] / 2),
        accepted_volume=found["accepted_volume"].where(~own, found["accepted_volume"] / 2),
    )
    twice = market_power(type(found)(halves.loc[[*halves.index, *halves.index[own]]]))
    whole = market_power(found)
    assert twice is not None
    assert whole is not None
    assert twice.rows() == whole.rows()


def test_nobody_has_power_where_nobody_sells(tmp_path: Path) -> None:
    found, _ = orders(open_source(write_run(tmp_path / "run")).recorded[0])
    assert market_power(found[found["volume"] < 0]) is None


def test_what_would_be_bought_below_the_price_only_is_no_demand_to_be_met(tmp_path: Path) -> None:
    found, _ = orders(open_source(write_run(tmp_path / "run")).recorded[0])
    buys = found[found["volume"] < 0]
    below = buys.assign(price=buys["accepted_price"] - 1, accepted_volume=0.0)
    power = market_power(pd.concat([found, below], ignore_index=True))
    alone = market_power(found)
    assert power is not None
    assert alone is not None
    assert power.demanded.tolist() == alone.demanded.tolist()


def market_of(found: pd.DataFrame, folder: Path) -> Market:
    """Return the market of a run with other orders."""
    market = Market(open_source(write_run(folder / "run")).recorded[0])
    vars(market)["orders_read"] = (found, 1)
    return market


def drawn_at_cost(market: Market) -> tuple[list[float], str]:
    """Return the dotted line beside price and cost, and the caption."""
    found = next(i for i in power_items(market) if isinstance(i, Chart))
    lines = {t.name: list(t.y) for t in found.figure.data}
    return lines.get("price of offers at cost", []), found.caption


@pytest.fixture
def three_hours(tmp_path: Path) -> pd.DataFrame:
    """Prices 10, 70 and 90 EUR/MWh, at cost 10, 50 and 50 EUR/MWh."""
    return orders(open_source(write_run(tmp_path / "read")).recorded[0])[0]


def test_an_idle_hour_counts_neither_in_prices_nor_in_those_at_cost(
    three_hours: pd.DataFrame, tmp_path: Path
) -> None:
    first = three_hours["start_time"] == three_hours["start_time"].min()
    idle = three_hours.assign(
        price=three_hours["price"].mask(first & (three_hours["volume"] < 0), 5.0),
        accepted_volume=three_hours["accepted_volume"].mask(first, 0.0),
    )
    market = market_of(idle, tmp_path)
    effect = price_effects(market)["EOM"]
    assert effect.price == 80
    assert effect.at_cost == AtCostEffect(price=80, at_cost=50, share=1)
    line, caption = drawn_at_cost(market)
    assert line == [50, 50]
    assert "Dotted: the price had all plants offered at their cost." in caption


def test_prices_are_compared_where_offers_at_cost_trade_too(
    three_hours: pd.DataFrame, tmp_path: Path
) -> None:
    first = three_hours["start_time"] == three_hours["start_time"].min()
    below = three_hours.assign(  # in the first hour the cheap plant asks for less than its cost
        price=three_hours["price"].mask(first & (three_hours["volume"] < 0), 15.0),
        marginal_cost=three_hours["marginal_cost"].mask(first & (three_hours["volume"] > 0), 50.0),
    )
    market = market_of(below, tmp_path)
    effect = price_effects(market)["EOM"]
    assert effect.price == pytest.approx((10 + 70 + 90) / 3)
    assert effect.at_cost == AtCostEffect(price=80, at_cost=50, share=pytest.approx(2 / 3))
    line, caption = drawn_at_cost(market)
    assert math.isnan(line[0])
    assert line[1:] == [50, 50]
    assert "at their cost, where anything would trade then." in caption


def test_a_line_that_is_not_drawn_is_not_explained(
    three_hours: pd.DataFrame, tmp_path: Path
) -> None:
    cost = three_hours["marginal_cost"].mask(three_hours["volume"] > 0, 5_000.0)
    market = market_of(three_hours.assign(marginal_cost=cost), tmp_path)
    line, caption = drawn_at_cost(market)
    assert line == []
    assert "Dotted" not in caption
    assert price_effects(market)["EOM"].at_cost is None

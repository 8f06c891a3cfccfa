"""Best responses to rivals that draw their bids: what they bring who do not know the draws."""

import pytest
import torch
from test_best_response import AS_BID, CAP, UNIFORM, profit_at, random_hours, regretful

from assume_rl.core.clearing import MarketSpec
from assume_rl.core.reward_curve import book_of_one_product
from assume_rl.evaluation import sampled_response as module
from assume_rl.evaluation.best_response import best_response
from assume_rl.evaluation.sampled_response import SampledResponse, sampled_response

LIMITS = {"min_price": 0.0, "max_price": CAP}


def duopoly(*rival: float) -> SampledResponse:
    """Two plants of 50 MW at cost 20, paid as bid; demand is 70 MW; a price of the rival a draw."""
    price = torch.tensor([[[0.0, asked, 3000.0]] for asked in rival], dtype=torch.float64)
    volume = torch.tensor([50.0, 50.0, -70.0], dtype=torch.float64).expand_as(price)
    book = book_of_one_product(AS_BID, price, volume, torch.tensor([0]))
    cost = torch.full((1,), 20.0, dtype=torch.float64)
    return sampled_response(book, profit_at(20), marginal_cost=cost, **LIMITS)


def test_one_price_is_best_on_average() -> None:
    """Below 80 it sells 50 MW against one rival, and 20 MW against the other.

    Who knew the draws would ask 100 against a rival at 40, for 1600.
    """
    found = duopoly(40, 40, 80, 80)
    assert found.value.flatten().tolist() == pytest.approx([1200, 1200, 3000, 3000])
    assert found.promised.tolist() == pytest.approx([2100])


def test_bids_are_not_judged_by_the_draws_that_they_were_chosen_by() -> None:
    """Against 40, 100 is best; against 80, just below it: each is brought what suits the other."""
    found = duopoly(40, 80, 40, 80)
    assert found.value.flatten().tolist() == pytest.approx([1200, 1600, 1200, 1600])
    assert found.promised.tolist() == pytest.approx([(1600 + 3000) / 2])


@pytest.mark.parametrize("one_price", [True, False])
@pytest.mark.parametrize("market", [UNIFORM, AS_BID])
def test_without_chance_it_is_the_best_response(market: MarketSpec, one_price: bool) -> None:
    book = random_hours(market)
    price, volume = (t[:, 0].expand(3, -1, -1) for t in (book.orders.price, book.orders.volume))
    known = {**LIMITS, "marginal_cost": torch.full((60,), 30.0).double(), "one_price": one_price}
    draws = book_of_one_product(market, price, volume, book.own)
    found = sampled_response(draws, regretful, **known)
    best = best_response(book, regretful, **known)
    torch.testing.assert_close(found.value, best.value.expand(3, -1))
    torch.testing.assert_close(found.promised, best.value)
    torch.testing.assert_close(found.sale.sold[..., 0], best.sale.sold.expand(3, -1))


def test_of_many_prices_some_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    rivals = [60 + k / 2 for k in range(40)]  # best is to undercut all of them
    most = float(duopoly(*rivals).promised)
    monkeypatch.setattr(module, "MOST_POINTS", 10)
    assert 0.9 * most < float(duopoly(*rivals).promised) < most

"""The plan of auctions, which both shells follow: when each opens, closes and delivers.

Rules as in ASSUME. A market opens at S, S+F, S+2F, ... where S is its start and F its opening
frequency. The first opening is always kept; a later one only if its furthest delivery ends by the
market's end U. An auction that would close after U does not take place and ends the series. Hence
an hourly market that sells the next hour first delivers one hour after the start.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from assume_rl.core.time import Auction, Tick
from assume_rl.scenario.config.schema import Market, StudyCase


def seconds_between(start: datetime, end: datetime) -> int:
    """Return the whole seconds from `start` to `end`."""
    return int((end - start).total_seconds())


def steps_of(config: StudyCase) -> int:
    """Return the number of steps of the calendar, the end date included if it lies on the grid."""
    return seconds_between(config.start_date, config.end_date) // config.time_step + 1


def auction_plan(config: StudyCase) -> tuple[Tick, ...]:
    """Return a `Tick` for every instant at which auctions close or open, in market order."""
    closing: dict[int, list[Auction]] = {}
    opening: dict[int, list[Auction]] = {}
    for name, market in config.markets_config.items():
        for auction in _auctions(name, market, config):
            closing.setdefault(auction.closes, []).append(auction)
            opening.setdefault(auction.opens, []).append(auction)
    return tuple(
        Tick(
            time=time,
            step=time // config.time_step,
            closing=tuple(closing.get(time, ())),
            opening=tuple(opening.get(time, ())),
        )
        for time in sorted(closing.keys() | opening.keys())
    )


def auctions_of(plan: Sequence[Tick], market: str) -> tuple[Auction, ...]:
    """Return all auctions of a market, in order."""
    return tuple(a for tick in plan for a in tick.opening if a.market == market)


def out_of_step(plan: Sequence[Tick], markets: Sequence[str]) -> str | None:
    """Return a sentence if learners of several markets cannot be trained together, else None.

    Observations and actions of all agents are joined delivery by delivery. Hence their markets must
    have the same first deliveries, and all auctions for one open before any for the next one.
    """
    auctions = [auctions_of(plan, market) for market in markets]
    if len({tuple(a.first[0] for a in own) for own in auctions}) <= 1:
        opened = [[a.opens for a in cycle] for cycle in zip(*auctions, strict=True)]
        if all(max(before) < min(after) for before, after in pairwise(opened)):
            return None
    return (
        f"learning bidders take part in {len(markets)} markets ({', '.join(markets)}) whose "
        "auctions do not begin to deliver at the same times, all of them open before any for the "
        "next delivery; give those of all but one a fixed policy"
    )


def in_turn(plan: Sequence[Tick], first: str, second: str) -> bool:
    """Return whether two markets serve each delivery one after the other, before the next one.

    An auction of the second opens when that of the first has cleared, and closes before the next
    one of the first opens.

    :param plan: of the auctions
    :param first: market
    :param second: market
    """
    if out_of_step(plan, (first, second)) is not None:
        return False
    own, other = auctions_of(plan, first), auctions_of(plan, second)
    cleared = all(a.closes <= b.opens for a, b in zip(own, other, strict=True))
    return cleared and all(b.closes <= a.opens for b, a in zip(other, own[1:], strict=False))


def market_problems(market: Market, config: StudyCase) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of everything that prevents a plan of the auctions of `market`."""
    step = config.time_step
    start, end = _window(market, config)
    if start < 0:
        yield "start_date", f"is before the simulation's start_date {config.start_date}"
    if end < start:
        yield "end_date", "is before the market's start_date"
    for i, product in enumerate(market.products):
        key = f"products.{i}"
        if product.duration < step:
            yield f"{key}.duration", f"is shorter than time_step, which is {step} s"
        elif product.duration % step:
            yield f"{key}.duration", f"is not a multiple of time_step, which is {step} s"
        elif (start + product.first_delivery) % step:
            yield f"{key}.first_delivery", "deliveries do not start on a step of the calendar"
    if len(market.products) and market.opening_frequency % step and start + _reach(market) < end:
        yield "opening_frequency", f"is not a multiple of time_step, which is {step} s"
    if start + market.opening_duration > end:
        yield "opening_duration", "no auction closes before the market ends"
    elif start + _reach(market) > steps_of(config) * step:
        yield "products", "the first auction delivers after the simulation's end_date"
    else:
        yield from _after_the_end(market, config)


def _after_the_end(market: Market, config: StudyCase) -> Iterator[tuple[str, str]]:
    """Yield key and sentence if a market whose first auction fits ends after the simulation."""
    (start, end), frequency = _window(market, config), market.opening_frequency
    over = seconds_between(config.start_date, config.end_date)
    if end <= over:
        return
    last = max(_openings(market, config))
    if start + (end - start) // frequency * frequency > over:
        yield "end_date", f"is after the simulation's end_date {config.end_date}"
    elif last + _reach(market) > steps_of(config) * config.time_step:
        yield "end_date", "the last auction delivers after the simulation's end_date"
    elif last + market.opening_duration > over:
        yield "end_date", "the last auction closes after the simulation's end_date"


def _auctions(name: str, market: Market, config: StudyCase) -> Iterator[Auction]:
    for number, opens in enumerate(_openings(market, config)):
        products = _products(market, opens)
        yield Auction(
            market=name,
            number=number,
            opens=opens,
            closes=opens + market.opening_duration,
            first=tuple(start // config.time_step for start, _ in products),
            length=tuple(length // config.time_step for _, length in products),
            product_type=market.product_type,
        )


def _openings(market: Market, config: StudyCase) -> Iterator[int]:
    """Yield the opening times, in seconds since the calendar starts."""
    start, end = _window(market, config)
    opens = start
    while opens == start or opens <= end - _reach(market):
        if opens + market.opening_duration > end:
            return
        yield opens
        opens += market.opening_frequency


def _products(market: Market, opens: int) -> list[tuple[int, int]]:
    """Return (start, length) in seconds of an auction's products: longest first, then by start."""
    products = [
        (opens + p.first_delivery + j * p.duration, p.duration)
        for p in market.products
        for j in range(p.count)
    ]
    return sorted(products, key=lambda product: (-product[1], product[0]))


def _window(market: Market, config: StudyCase) -> tuple[int, int]:
    """Return start and end of the market, in seconds since the calendar starts."""
    start = market.start_date or config.start_date
    end = market.end_date or config.end_date
    return seconds_between(config.start_date, start), seconds_between(config.start_date, end)


def _reach(market: Market) -> int:
    """Return the seconds from an opening to the end of its furthest delivery."""
    return max(p.first_delivery + p.count * p.duration for p in market.products)

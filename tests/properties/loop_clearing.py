"""A slow clearing, written order by order from the description of the market, as an oracle."""

from dataclasses import dataclass, field


@dataclass
class Order:
    slot: int
    price: float
    left: float  # MW not traded yet, positive
    traded: float = 0.0
    partners: list[float] = field(default_factory=list)  # prices of the supply matched to it


def walk(price: list[float], volume: list[float], tie: list[float]) -> list[Order]:
    """Serve the demand orders, dearest first, from the supply orders, cheapest first."""
    ranks = sorted(range(len(price)), key=lambda i: (price[i], tie[i]))
    supply = [Order(i, price[i], volume[i]) for i in ranks if volume[i] > 0]
    demand = [Order(i, price[i], -volume[i]) for i in reversed(ranks) if volume[i] < 0]
    queue = list(supply)
    for buyer in demand:
        while buyer.left > 0 and queue:
            seller = queue[0]
            if seller.price > buyer.price:
                queue.pop(0)
                continue
            amount = min(seller.left, buyer.left)
            for order in (seller, buyer):
                order.left -= amount
                order.traded += amount
            buyer.partners.append(seller.price)
            if seller.left == 0:
                queue.pop(0)
    return supply + demand


def loop_clearing(
    rule: str, price: list[float], volume: list[float], tie: list[float]
) -> tuple[list[float], list[float], float]:
    """Accepted volumes (MW), paid prices (EUR/MWh) and the published price."""
    orders = walk(price, volume, tie)
    sellers = [o for o in orders if volume[o.slot] > 0 and o.traded > 0]
    traded = sum(o.traded for o in sellers)
    if not sellers:
        published = 0.0
    elif rule == "pay_as_clear":
        published = max(o.price for o in sellers)
    else:
        published = sum(o.price * o.traded for o in sellers) / traded
    accepted, paid = [0.0] * len(price), [published] * len(price)
    for order in orders:
        sells = volume[order.slot] > 0
        accepted[order.slot] = order.traded if sells else -order.traded
        if rule == "pay_as_bid" and order.traded > 0:
            paid[order.slot] = order.price if sells else order.partners[-1]
    return accepted, paid, published

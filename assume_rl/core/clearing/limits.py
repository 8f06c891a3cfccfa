"""What a market operator corrects on orders as they arrive."""

from dataclasses import replace

from assume_rl.core.types import Bids


def limit_bids(bids: Bids, min_price: float, max_price: float, max_volume: float) -> Bids:
    """Cut prices (EUR/MWh) and volumes (MW, either sign) to the limits of the market.

    Orders are corrected, never refused. NaN stays NaN: refuse it where orders enter.
    """
    return replace(
        bids,
        price=bids.price.clamp(min_price, max_price),
        volume=bids.volume.clamp(-max_volume, max_volume),
    )

"""Cross-play in a market whose prices can be worked out by hand, and what its command says."""

from games_by_hand import by_price  # noqa: F401

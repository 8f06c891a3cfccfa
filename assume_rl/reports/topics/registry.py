"""All topics, in the order of the page; a new one is its file and a line here."""

from assume_rl.reports.topics.base import Topic
from assume_rl.reports.topics.best_response import best_response_items
from assume_rl.reports.topics.bids import bid_items
from assume_rl.reports.topics.comparison import EXPLAINED as COMPARED
from assume_rl.reports.topics.comparison import comparison_items
from assume_rl.reports.topics.dispatch import dispatch_items
from assume_rl.reports.topics.equilibrium import equilibrium_items
from assume_rl.reports.topics.learning import learning_items
from assume_rl.reports.topics.market_power import EXPLAINED as POWER
from assume_rl.reports.topics.market_power import power_items
from assume_rl.reports.topics.orders import order_items
from assume_rl.reports.topics.prices import price_items
from assume_rl.reports.topics.profits import profit_items
from assume_rl.reports.topics.runs import run_items

TOPICS: dict[str, Topic] = {
    "comparison": Topic("Comparison of designs", whole=comparison_items, lead=COMPARED),
    "learning": Topic("Learning", whole=learning_items),
    "best response": Topic("Gap to the exact best response", whole=best_response_items),
    "equilibrium": Topic("Distance from an equilibrium", whole=equilibrium_items),
    "bids": Topic("Bids", of_market=bid_items),
    "market power": Topic("Market power", of_market=power_items, lead=POWER),
    "prices": Topic("Prices", whole=price_items),
    "orders": Topic("Merit order and demand", of_market=order_items),
    "dispatch": Topic("Dispatch", of_market=dispatch_items),
    "profits": Topic("Profits", of_market=profit_items),
    "runs": Topic("Runs", whole=run_items),
}

"""What is said of prices where accepted orders are paid what they ask for."""

from assume_rl.reports.source.queries import paid_as_bid
from assume_rl.reports.source.source import Source

MEAN_PAID = (
    "volume-weighted mean of what accepted orders are paid; not a clearing price that could be "
    "compared with one"
)


def mean_paid(source: Source, market: str | None = None) -> str:
    """Return a sentence on prices under pay-as-bid, with a blank in front; empty: there are none.

    :param market: only of this one; None: of all.
    """
    designs = {run.run_id: run.design for run in source.runs}
    found = [
        (designs.get(r.run_id) or r.label, name, as_bid)
        for r in source.recorded
        for name, as_bid in paid_as_bid(r).items()
        if market in (None, name)
    ]
    several = len({name for _, name, _ in found}) > 1
    named = dict.fromkeys(
        f"{run}, {name}" if several else run for run, name, as_bid in found if as_bid
    )
    if not named:
        return ""
    whose = "" if all(as_bid for *_, as_bid in found) else f" of {'; '.join(named)}"
    return f" Prices{whose} under pay-as-bid: {MEAN_PAID}."

"""Where the time of a run goes: seconds in bids, clearing, execution and writing, and the rest.

The functions of a phase are timed where they are called. Time inside one that belongs to another
phase counts for that one only. The rest is messages in the message shell, and what lies between.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch

from assume_rl.agents.recorder import Recorder
from assume_rl.agents.trading.market_operator import MarketOperator
from assume_rl.agents.trading.routine import Routine
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.envs import market_env, settling
from assume_rl.envs.record import Recording


class Place(NamedTuple):
    """A function that belongs to a phase."""

    phase: str
    owner: Any  # module or class
    name: str


MESSAGES = (
    Place("bids", UnitOperator, "_place"),
    Place("bids", Routine, "orders"),
    Place("clearing", MarketOperator, "_take"),  # a look at each book
    Place("clearing", MarketOperator, "_close"),
    Place("execution", UnitOperator, "_settle"),
    Place("execution", Routine, "settle"),
    Place("writing", UnitOperator, "_flush"),
    Place("writing", MarketOperator, "_flush"),
    Place("writing", Recorder, "_take"),
    Place("writing", Recorder, "write"),
)
BATCH = (
    Place("bids", market_env, "open_auctions"),
    Place("clearing", settling, "_clear"),
    Place("execution", market_env, "moved_to"),
    Place("execution", settling, "settle"),
    Place("writing", Recording, "add"),
    Place("writing", Recording, "flush"),
)
PLACES: Mapping[str, tuple[Place, ...]] = {"messages": MESSAGES, "batch": BATCH}


@dataclass(frozen=True)
class Run:
    """Seconds of a run."""

    hours: float  # simulated
    seconds: float
    phases: Mapping[str, float]  # the parts of it that are known

    @property
    def per_hour(self) -> float:
        """Seconds per simulated hour."""
        return self.seconds / self.hours

    def report(self) -> str:
        """Return the time of an hour, and where it goes."""
        shares = {**self.phases, "rest": self.seconds - sum(self.phases.values())}
        parts = (f"{name} {1000 * s / self.hours:.2f}" for name, s in shares.items())
        return (
            f"{self.hours:.0f} simulated hours in {self.seconds:.1f} s, "
            f"{1000 * self.per_hour:.2f} ms per hour: {', '.join(parts)}"
        )


@contextlib.contextmanager
def timed(places: tuple[Place, ...]) -> Iterator[Mapping[str, float]]:
    """Yield the seconds of each phase, which grow while its functions are called."""
    seconds = dict.fromkeys((place.phase for place in places), 0.0)
    nested = [0.0]  # seconds of timed calls inside each call that is under way

    def counted(plain: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @functools.wraps(plain)
        def call(*arguments: Any, **keywords: Any) -> Any:
            nested.append(0.0)
            start = time.perf_counter()
            try:
                return plain(*arguments, **keywords)
            finally:
                took = time.perf_counter() - start
                seconds[phase] += took - nested.pop()
                nested[-1] += took

        return call

    with contextlib.ExitStack() as stack:
        for phase, owner, name in places:
            plain = getattr(owner, name)
            stack.enter_context(patch.object(owner, name, counted(plain, phase)))
        yield seconds

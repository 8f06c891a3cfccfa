"""What a bidding strategy is, and the named layout of what it observes."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.types import Outcome, Reward, View


@dataclass(frozen=True)
class Feature:
    """A named run of observation entries and how they are scaled."""

    name: str
    size: int
    scaling: str  # for people and the policy manifest, e.g. "min-max over the calendar"
    unique: bool = False  # private to the unit: what other agents' critics are shown


@dataclass(frozen=True)
class Layout:
    """The features of an observation, in order."""

    features: tuple[Feature, ...]

    @property
    def size(self) -> int:
        """Length of the observation."""
        return sum(f.size for f in self.features)

    @property
    def unique_size(self) -> int:
        """Length of the private part, which comes last."""
        return sum(f.size for f in self.features if f.unique)

    def where(self, name: str) -> slice:
        """Position of the feature called `name`."""
        start = 0
        for feature in self.features:
            if feature.name == name:
                return slice(start, start + feature.size)
            start += feature.size
        raise KeyError(name)


@runtime_checkable
class Strategy(Protocol):
    """Turns a view into orders, and an outcome into a reward.

    A rule-based strategy has `act_size == 0` and an empty layout; its `observe`, `explore_around`
    and `reward` are never called by a learner.
    """

    @property
    def name(self) -> str:
        """Key in the registry, as written in a `bidding_<MARKET>` cell."""
        ...

    @property
    def technologies(self) -> frozenset[str]:
        """Technologies (keys of `core.units.TECHNOLOGIES`) that may use it."""
        ...

    @property
    def layout(self) -> Layout:
        """What `observe` returns."""
        ...

    @property
    def act_size(self) -> int:
        """Length of an action; 0 for a rule-based strategy."""
        ...

    @property
    def foresight(self) -> int:
        """Steps of forecast and history in the view; 0: none are looked up."""
        ...

    @property
    def slots(self) -> int:
        """Orders per unit and product."""
        ...

    @property
    def needs_operating_time(self) -> bool:
        """Whether `view.operating_time` is read for units without ramp limits too."""
        ...

    @property
    def needs_downtime(self) -> bool:
        """Whether `reward` reads `outcome.start_cost`."""
        ...

    def observe(self, view: View) -> Float[Tensor, "... unit obs"]:
        """Observation, float64."""
        ...

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Centre of the random actions of the initial experience."""
        ...

    def bids(self, view: View, action: Float[Tensor, "... unit act"]) -> Orders:
        """Orders; slots are unit-major: `slots` consecutive slots per unit."""
        ...

    def reward(self, outcome: Outcome) -> Reward:
        """Reward, profit and regret of the auction."""
        ...

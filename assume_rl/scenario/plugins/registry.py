"""The registry that plug-ins use: each part is checked, and its name must be free."""

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from assume_rl.core.bidding import ALIASES, BIDDERS, OPERATORS, Entry
from assume_rl.core.bidding.base import (
    ANY_CONTEXT,
    AnyBidder,
    Bidder,
    Context,
    LearnedBidder,
    NoParams,
    Params,
)
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.clearing import RULES, Rule
from assume_rl.core.units import TECHNOLOGIES, Technology
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.algorithms import ALGORITHMS, Algorithm
from assume_rl.learning.algorithms.register import register as register_algorithm
from assume_rl.learning.algorithms.register import unregister as unregister_algorithm
from assume_rl.learning.config import AlgorithmConfig
from assume_rl.learning.critics import CRITICS, Kind
from assume_rl.learning.nets.trunks import TRUNKS, Trunk
from assume_rl.learning.schedules import SCHEDULES, Share
from assume_rl.scenario.compile.forecasts import FORECASTS, METRICS, metric_of
from assume_rl.scenario.compile.forecasts import Algorithm as Forecast
from assume_rl.scenario.plugins.learning_parts import (
    add_actor,
    add_critic,
    add_schedule,
    remove_actor,
    remove_critic,
    remove_schedule,
)
from assume_rl.scenario.tables import UNIT_TABLES, register, unregister
from assume_rl.scenario.tables.base import UnitTable

ORIGINS: dict[tuple[str, str], str] = {}
"""The plug-in that registered a part, by what it is (`bidder`, ...) and its name."""

OBSERVERS: dict[str, Callable[[], Any]] = {}
"""What makes an observer of a training, by name; see `experiments.observer`."""

LEARNED = {"observe", "explore_around", "layout", "action", "reward"}
"""Members that only learned bidders have."""


class Registry:
    """The argument of a plug-in's function `register`.

    :param source: name of the plug-in, for messages
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.parts: set[tuple[str, str]] = set()  # what each is, and its name, as in `ORIGINS`
        self._undo: list[Callable[[], object]] = []

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is registered."""
        return not self.parts

    def technology(self, technology: Technology[Any, Any, Any]) -> None:
        """Register a technology, the behaviour of units.

        :raises ConfigurationError: its name is taken, or it breaks the contract
        """
        name = self._named("technology", technology, Technology)
        self._add("technology", name, TECHNOLOGIES, technology)

    def unit_kind(self, table: UnitTable[Any]) -> None:
        """Register a unit kind: its file is read, its units are written to results.

        :raises ConfigurationError: its name or file is taken, or its technology is not registered
        """
        if not isinstance(table, UnitTable):
            raise ConfigurationError(f"a unit kind is a UnitTable, not {table!r}")
        self._check_free("unit kind", table.name, UNIT_TABLES)
        register(table)
        self._keep("unit kind", table.name, lambda: unregister(table.name))

    def bidder(
        self,
        name: str,
        make: Callable[[Context, Any], AnyBidder],
        params: type[Params] = NoParams,
    ) -> None:
        """Register a bidder.

        :param name: as written in a cell `bidding_<MARKET>`
        :param make: returns the bidder, given a `Context` and the parameters
        :param params: model of the parameters; each has a default
        :raises ConfigurationError: the name is taken, or the bidder breaks the contract
        """
        entry = Entry(make, params)
        _check_bidder(name, entry.create(ANY_CONTEXT, {}))
        self._add("bidder", name, BIDDERS, entry, taken=ALIASES)

    def portfolio_strategy(
        self,
        name: str,
        make: Callable[[Context, Any], Strategy],
        params: type[Params] = NoParams,
    ) -> None:
        """Register a portfolio strategy, which changes the bids of an operator's units.

        :param name: as written in a cell of `unit_operators`
        :param make: returns the strategy, given a `Context` and the parameters
        :param params: model of the parameters; each has a default
        :raises ConfigurationError: the name is taken, or what `make` returns is no `Strategy`
        """
        entry = Entry(make, params)
        made = entry.create(ANY_CONTEXT, {})
        if not isinstance(made, Strategy):
            found = type(made).__name__
            raise ConfigurationError(f"the portfolio strategy '{name}' is a {found}, no Strategy")
        self._add("portfolio strategy", name, OPERATORS, entry)

    def rule(self, rule: Rule[Any, Any]) -> None:
        """Register a market rule.

        :raises ConfigurationError: its name is taken, or it breaks the contract
        """
        self._add("rule", self._named("rule", rule, Rule), RULES, rule)

    def algorithm(
        self, algorithm: Algorithm, settings: type[AlgorithmConfig] = AlgorithmConfig
    ) -> None:
        """Register a learning algorithm.

        :param algorithm: its name is what `learning_config.algorithm` has for it
        :param settings: model of its keys in `learning_config`; each has a default
        :raises ConfigurationError: its name is taken, or it breaks the contract
        """
        name = self._named("algorithm", algorithm, Algorithm)
        self._check_free("algorithm", name, ALGORITHMS)
        register_algorithm(algorithm, settings)
        self._keep("algorithm", name, lambda: unregister_algorithm(name))

    def critic(self, name: str, kind: Kind) -> None:
        """Register a kind of central critic.

        :param name: what `learning_config.critic` has for it
        :param kind: what makes the critics of all agents, and whether each has its own networks
        :raises ConfigurationError: the name is taken, or it makes no critics
        """
        self._check_free("critic", name, CRITICS)
        add_critic(name, kind)
        self._keep("critic", name, lambda: remove_critic(name))

    def actor(self, name: str, trunk: Trunk) -> None:
        """Register a kind of actor network, but for the head that reads its outputs.

        :param name: what `learning_config.actor_architecture` has for it
        :param trunk: works from observations to outputs; a `Recurrent` one has a memory
        :raises ConfigurationError: the name is taken, or it breaks the contract
        """
        _check_members(f"the actor '{name}'", trunk, Trunk)
        self._check_free("actor", name, TRUNKS)
        add_actor(name, trunk)
        self._keep("actor", name, lambda: remove_actor(name))

    def schedule(self, name: str, share: Share) -> None:
        """Register how values change over training.

        :param name: as in `learning_rate_schedule` and the other keys of schedules
        :param share: returns the share of the value at the start, given a `Schedule` and the share
            of training that is left, from 1 to 0
        :raises ConfigurationError: the name is taken, or it is no function
        """
        if not callable(share):
            raise ConfigurationError(f"the schedule '{name}' is no function")
        self._check_free("schedule", name, SCHEDULES)
        add_schedule(name, share)
        self._keep("schedule", name, lambda: remove_schedule(name))

    def forecast(self, name: str, algorithm: Forecast) -> None:
        """Register a forecast algorithm.

        :param name: as written in `forecast_algorithms`; begins with what it forecasts
        :param algorithm: returns the forecast at every step, given a `Basis`
        :raises ConfigurationError: the name is taken or does not say what is forecast
        """
        if metric_of(name) is None:
            begins = " or ".join(f"'{metric}_'" for metric in METRICS)
            raise ConfigurationError(f"the forecast '{name}': its name must begin with {begins}")
        if not callable(algorithm):
            raise ConfigurationError(f"the forecast '{name}' is no function")
        self._add("forecast", name, FORECASTS, algorithm)

    def observer(self, name: str, make: Callable[[], Any]) -> None:
        """Register an observer of every training whose study case or command names the plug-in.

        :param name: of the observer, in lists and messages
        :param make: returns an `experiments.observer.Observer`, such as its class
        :raises ConfigurationError: the name is taken
        """
        if not callable(make):
            raise ConfigurationError(f"the observer '{name}': {make!r} is no class or function")
        self._add("observer", name, OBSERVERS, make)

    def withdraw(self) -> None:
        """Remove all that was registered, the last first."""
        while self._undo:
            self._undo.pop()()

    def _named(self, sort: str, part: Any, contract: type) -> str:
        """Return the name of a part that has all members of its contract."""
        name = getattr(part, "name", type(part).__name__)
        _check_members(f"the {sort} '{name}'", part, contract)
        return str(name)

    def _add(
        self,
        sort: str,
        name: str,
        parts: dict[str, Any],
        part: object,
        taken: dict[str, str] | None = None,
    ) -> None:
        self._check_free(sort, name, {**parts, **(taken or {})})
        parts[name] = part
        self._keep(sort, name, lambda: parts.pop(name, None))

    def _check_free(self, sort: str, name: str, taken: dict[str, Any]) -> None:
        if name in taken:
            owner = ORIGINS.get((sort, name))
            whose = f"is registered by {owner}" if owner else "is built in"
            raise ConfigurationError(f"the {sort} '{name}' {whose}; choose another name")

    def _keep(self, sort: str, name: str, undo: Callable[[], object]) -> None:
        self.parts.add((sort, name))
        ORIGINS[sort, name] = self.source
        self._undo += [undo, lambda: ORIGINS.pop((sort, name))]


def _check_bidder(name: str, bidder: AnyBidder) -> None:
    """Raise `ConfigurationError` unless a bidder has all attributes of its kind."""
    learned = any(hasattr(bidder, member) for member in LEARNED)
    _check_members(f"the bidder '{name}'", bidder, LearnedBidder if learned else Bidder)
    if bidder.name != name:
        raise ConfigurationError(f"the bidder '{name}' has the name '{bidder.name}'")
    for technology in sorted(bidder.technologies - TECHNOLOGIES.keys()):
        raise ConfigurationError(
            f"the bidder '{name}': unknown technology '{technology}'; "
            f"{nearest(technology, TECHNOLOGIES)}"
        )


def _check_members(what: str, part: object, contract: type) -> None:
    members = (name for name in dir(contract) if not name.startswith("_"))
    lacks = [name for name in members if not hasattr(part, name)]
    if lacks:
        raise ConfigurationError(
            f"{what} lacks {', '.join(lacks)}, see the protocol {contract.__name__}"
        )
    for name, kind in _properties(contract):
        value = getattr(part, name)
        if not isinstance(value, kind):
            wanted = getattr(kind, "__name__", str(kind))
            raise ConfigurationError(f"{what}: {name} is {value!r}, not of the type {wanted}")


def _properties(contract: type) -> Iterator[tuple[str, type | UnionType]]:
    """Yield the properties of a contract and their types, without those of their elements."""
    for name in dir(contract):
        member = getattr(contract, name)
        if isinstance(member, property) and member.fget is not None:
            hint = get_type_hints(member.fget)["return"]
            origin = get_origin(hint)
            if origin is Literal:
                yield name, type(get_args(hint)[0])
            else:
                yield name, hint if isinstance(hint, UnionType) else origin or hint

"""The whole table: what goes together runs on both shells, and the rest is refused by name.

A strategy is registered that makes block orders, which one rule only reads.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import torch
import yaml
from small_case import ROWS, USUAL, write_case
from strangers import LEARNED_BIDDER, RULE, RULE_BIDDER, strangers

from assume_rl.core.bidding import BIDDERS, OPERATORS, PLANNED, Entry, operator_learns
from assume_rl.core.bidding.base import ANY_CONTEXT, AnyBidder, Context, NoParams
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.clearing import RULES
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.support import unsupported
from assume_rl.errors import ScenarioError
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.scenario.checks import check_scenario
from assume_rl.scenario.compile.capabilities import Capability, capabilities, pairs, traded_types
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.config.mechanisms import PLANNED_RULES
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.read import Reader
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.types import Scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]

BLOCKS, DIRECT = "units_operator_blocks", "units_operator_direct"
KINDS = [*UNIT_TABLES, "reservoir"]
ALL_BIDDERS = [*BIDDERS, RULE_BIDDER, LEARNED_BIDDER]
ALL_RULES = [*RULES, RULE]
STRATEGIES = [*OPERATORS, BLOCKS]
MARKETS = {"energy": "EOM", "capacity_pos": "RES", "energy_neg": "RES"}
# Bidders of block orders, which go with one rule only.
COUPLED = "complex_clearing"
IN_BLOCKS = {
    "powerplant_energy_heuristic_block",
    "powerplant_energy_heuristic_linked",
    "powerplant_energy_learning_block",
    "powerplant_energy_learning_block_ladder",
    "powerplant_energy_naive_profile",
}
OTC = {"demand_energy_naive_otc", "powerplant_energy_naive_otc"}
# The only place that says which bidders a kind has; a new bidder or kind must be added on purpose.
UP, DOWN = {"capacity_pos", "energy_pos"}, {"capacity_neg", "energy_neg"}
NAIVE_RESERVE = {"powerplant_energy_naive_balancing", "demand_energy_naive_balancing"}
RESERVE = {
    **dict.fromkeys(NAIVE_RESERVE, UP | DOWN),
    "powerplant_capacity_heuristic_balancing_pos": UP,
    "powerplant_capacity_heuristic_balancing_neg": DOWN,
    "storage_capacity_heuristic_balancing_pos": UP,
    "powerplant_capacity_learning": {"capacity_pos"},
    "powerplant_capacity_learning_ladder": {"capacity_pos"},
    "storage_capacity_heuristic_balancing_neg": DOWN,
}
FITS = {
    "power_plant": {
        *IN_BLOCKS,
        *NAIVE_RESERVE,
        "powerplant_capacity_heuristic_balancing_neg",
        "powerplant_capacity_heuristic_balancing_pos",
        "powerplant_capacity_learning",
        "powerplant_capacity_learning_ladder",
        "powerplant_energy_heuristic_flexable",
        "powerplant_energy_learning",
        "powerplant_energy_learning_curve",
        "powerplant_energy_learning_ladder",
        "powerplant_energy_learning_single_bid",
        "powerplant_energy_naive",
        "powerplant_energy_naive_intraday",
        *OTC,
        "renewable_energy_learning_ladder",
        "renewable_energy_learning_single_bid",
        "demand_energy_naive",
    },
    "storage": {
        "storage_capacity_heuristic_balancing_neg",
        "storage_capacity_heuristic_balancing_pos",
        "storage_energy_heuristic_flexable",
        "storage_energy_learning",
        "storage_energy_learning_ladder",
    },
    "demand": {
        "demand_energy_heuristic_elastic",
        "demand_energy_naive",
        "demand_energy_naive_intraday",
        *OTC,
        "powerplant_energy_naive",
        *NAIVE_RESERVE,
    },
    "exchange": {"exchange_energy_naive"},
    "reservoir": {RULE_BIDDER, LEARNED_BIDDER},
}


def trades(bidder: str) -> set[str]:
    """Return the product types of a bidder."""
    return RESERVE.get(bidder, {"energy"})


def in_blocks(context: Context, params: NoParams) -> Strategy:
    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        return Naive(f"{bidder.name} in blocks", bidder.technologies, blocks=True)

    return Strategy(bid)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    with (
        strangers(),
        patch.dict(OPERATORS, {BLOCKS: Entry(in_blocks, NoParams)}),
    ):
        yield


@pytest.fixture(scope="module")
def table(registered: None) -> list[Capability]:
    """Every combination, refused or not."""
    return list(capabilities(ANY_CONTEXT))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a day with two products per auction, and one operator of all units."""
    end = "2019-01-01 12:00"
    folder = write_case(tmp_path_factory.mktemp("case") / "day", products=2, end_date=end)
    for file, _ in ROWS.values():
        table = pd.read_csv(folder / f"{file}.csv")
        table.assign(unit_operator="owner").to_csv(folder / f"{file}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def two_markets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a market of reserve, in which a dear plant and a demand bid."""
    end = "2019-01-01 12:00"
    folder = write_case(tmp_path_factory.mktemp("case") / "day", products=2, end_date=end)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    markets = config["base"]["markets_config"]
    markets["RES"] = markets["EOM"] | {"product_type": "capacity_pos"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    plants, demands = (folder / f"{kind}_units.csv" for kind in ("powerplant", "demand"))
    table = pd.read_csv(plants)
    table.assign(bidding_RES=[None, "powerplant_energy_naive_balancing"]).to_csv(
        plants, index=False
    )
    table = pd.read_csv(demands)
    backup = table.assign(name="backup", bidding_EOM=None)
    backup = backup.assign(bidding_RES="demand_energy_naive_balancing")
    pd.concat([table, backup]).to_csv(demands, index=False)
    load = pd.read_csv(folder / "demand_df.csv").assign(backup=30.0)
    load.to_csv(folder / "demand_df.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads the files once."""
    return Reader()


def settings(kind: str, bidder: str, rule: str, market: str = "EOM") -> dict[str, str]:
    mechanism = f"markets_config.{market}.market_mechanism"
    return {f"units.{kind}.bidding_{market}": bidder, mechanism: rule}


def fresh(compiled: Compiled) -> dict[str, ActorStack]:
    """Untrained policies of all that could learn."""
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    return {a.unit_id: initial_actors([a], 7).to(dtype=torch.float64) for a in agents}


def test_there_is_a_unit_of_every_kind() -> None:
    assert ROWS.keys() == USUAL.keys() == FITS.keys() == UNIT_TABLES.keys()
    assert set().union(*FITS.values()) == BIDDERS.keys()


def test_the_capability_table_says_what_fits(table: list[Capability]) -> None:
    alone = [one for one in table if one.strategy is None]
    fits = {(o.kind, o.bidder, o.product_type, o.rule) for o in alone if o.refused is None}
    assert fits == {
        (kind, bidder, product_type, rule)
        for kind, bidders in FITS.items()
        for bidder in bidders
        for product_type in trades(bidder)
        for rule in ALL_RULES
        if bidder not in IN_BLOCKS or rule == COUPLED
    }
    assert traded_types() == {"energy", *UP, *DOWN}
    assert len(alone) == len(KINDS) * len(ALL_BIDDERS) * len(ALL_RULES) * len(traded_types())


def test_the_capability_table_says_which_strategies_of_operators_fit(
    table: list[Capability],
) -> None:
    alone = {(o.kind, o.bidder, o.product_type, o.rule): o for o in table if o.strategy is None}
    assert len(table) == len(alone) * (1 + len(STRATEGIES))
    for one in table:
        without = alone[one.kind, one.bidder, one.product_type, one.rule].refused
        if without is not None or one.strategy is None:
            assert one.refused == without
        else:
            learns = "learning" in one.bidder and "cournot" in one.strategy
            unread = one.strategy == BLOCKS and one.rule != COUPLED
            # The strategy makes bids of energy, and learners do not take it.
            made = one.product_type == "energy" and "learning" not in one.bidder
            unmade = one.strategy == BLOCKS and not made
            # A learning operator bids energy of plants that do not learn themselves.
            plants = one.kind == "power_plant" and made
            unlearned = one.strategy == "portfolio_learning" and not plants
            assert (one.refused is not None) == (learns or unread or unmade or unlearned), one


def rules_of(bidder: str) -> list[str]:
    """Return the rules that a bidder goes with."""
    return [COUPLED] if bidder in IN_BLOCKS else ALL_RULES


def always_tried(kind: str, bidder: str, product_type: str) -> list[str]:
    """Return a rule in turn, and all of them for the usual bidder of a kind."""
    turn = ALL_BIDDERS.index(bidder) + list(MARKETS).index(product_type)
    rules = rules_of(bidder)
    return rules if bidder == USUAL[kind] else [rules[turn % len(rules)]]


@pytest.mark.parametrize(
    ("kind", "bidder", "product_type", "rule"),
    [
        pytest.param(
            *(kind, bidder, traded, rule),
            marks=() if rule in always_tried(kind, bidder, traded) else pytest.mark.slow,
        )
        for kind in KINDS
        for bidder in sorted(FITS[kind])
        for traded in MARKETS
        if traded in trades(bidder)
        for rule in rules_of(bidder)
    ],
)
def test_what_fits_runs_alike_on_both_shells(
    *,
    reader: Reader,
    case: Path,
    two_markets: Path,
    kind: str,
    bidder: str,
    product_type: str,
    rule: str,
) -> None:
    market = MARKETS[product_type]
    chosen = settings(kind, bidder, rule, market)
    chosen[f"markets_config.{market}.product_type"] = product_type
    folder = case if market == "EOM" else two_markets
    compiled = compile_scenario(reader.load(folder, overrides=chosen))
    assert unsupported(compiled) is None
    assert_same_episode(compiled, fresh(compiled))


@pytest.mark.parametrize("product_type", ["energy", "capacity_pos"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused_by_name(
    reader: Reader, case: Path, two_markets: Path, kind: str, product_type: str
) -> None:
    market = MARKETS[product_type]
    for bidder in ALL_BIDDERS:
        why = "is not for this kind of unit"
        if bidder in FITS[kind]:
            if product_type in trades(bidder):
                continue
            why = f"trades {', '.join(sorted(trades(bidder)))}"
        chosen = settings(kind, bidder, "pay_as_clear", market)
        with pytest.raises(ScenarioError) as raised:
            reader.load(case if market == "EOM" else two_markets, overrides=chosen)
        (problem,) = raised.value.problems
        assert problem.startswith(f"override units.{kind}.bidding_{market}: ")
        assert f"the strategy '{bidder}' {why}" in problem


@pytest.mark.parametrize("bidder", sorted(IN_BLOCKS))
def test_rules_that_read_no_blocks_refuse_those_who_bid_them(
    reader: Reader, case: Path, bidder: str
) -> None:
    for rule in set(ALL_RULES) - {COUPLED}:
        with pytest.raises(ScenarioError, match=f"makes block orders, .*'{rule}' does not"):
            reader.load(case, overrides=settings("power_plant", bidder, rule))


def without_others(scenario: Scenario, kind: str) -> Scenario:
    """Let another operator own the units of all other kinds."""
    for name in UNIT_TABLES:
        if name != kind:
            units = (u.model_copy(update={"unit_operator": "other"}) for u in scenario.of(name))
            scenario = scenario.with_units(name, units)
    return scenario


@pytest.mark.parametrize(
    ("kind", "bidder", "strategy"),
    [
        pytest.param(
            *(kind, bidder, strategy),
            # It changes no bid: one of each kind will do.
            marks=pytest.mark.slow if strategy == DIRECT and bidder != USUAL[kind] else (),
        )
        for kind in KINDS
        for bidder in sorted(FITS[kind])
        if trades(bidder) == {"energy"}
        for strategy in STRATEGIES
    ],
)
def test_a_strategy_of_operators_runs_alike_on_both_shells_or_is_refused_by_name(
    reader: Reader, case: Path, table: list[Capability], kind: str, bidder: str, strategy: str
) -> None:
    rule = COUPLED if bidder in IN_BLOCKS else "pay_as_clear"
    scenario = reader.load(case, overrides=settings(kind, bidder, rule))
    if operator_learns(strategy):  # for units of one kind
        scenario = without_others(scenario, kind)
    owned = replace(scenario, operators={"owner": {"EOM": strategy}})
    problems = Problems()
    check_scenario(owned, problems)
    (found,) = (
        one
        for one in table
        if (one.kind, one.bidder, one.rule) == (kind, bidder, rule)
        and (one.strategy, one.product_type) == (strategy, "energy")
    )
    if found.refused is None:
        assert problems.errors == []
        compiled = compile_scenario(owned)
        assert_same_episode(compiled, fresh(compiled))
    else:
        (problem,) = problems.errors
        assert "; valid: " in problem
        # Of blocks the first unit is named that the operator has.
        assert strategy == BLOCKS or found.refused in problem


def test_bidders_of_one_unit_in_several_markets() -> None:
    refused = {(one.kind, one.bidder, one.other) for one in pairs(ANY_CONTEXT) if one.refused}
    curve = "demand_energy_heuristic_elastic"
    others = FITS["demand"] - {curve}
    assert refused == {("demand", *sorted((curve, other))) for other in others}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_planned_is_refused_by_name(
    assume_rl_command: Command, case: Path, kind: str
) -> None:
    for bidder in sorted(PLANNED)[::6]:
        code, _, err = assume_rl_command(
            "validate", case, "--set", f"units.{kind}.bidding_EOM={bidder}"
        )
        assert code == 2
        assert f"not supported yet: the strategy '{bidder}'" in err


@pytest.mark.parametrize("rule", PLANNED_RULES)
def test_a_planned_rule_is_refused_by_name(
    assume_rl_command: Command, case: Path, rule: str
) -> None:
    code, _, err = assume_rl_command(
        "validate", case, "--set", f"markets_config.EOM.market_mechanism={rule}"
    )
    assert code == 2
    assert f"market_mechanism: not supported yet: '{rule}'" in err

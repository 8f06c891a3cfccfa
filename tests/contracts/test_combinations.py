"""Every unit kind with every bidder under every rule: it runs on both shells, or is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from small_case import ROWS, USUAL, write_case
from strangers import LEARNED_BIDDER, RULE, RULE_BIDDER, strangers

from assume_rl.core.bidding import BIDDERS, PLANNED
from assume_rl.core.bidding.base import ANY_CONTEXT
from assume_rl.core.clearing import RULES
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.support import unsupported
from assume_rl.errors import ScenarioError
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.scenario.compile.capabilities import capabilities
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.config.mechanisms import PLANNED_RULES
from assume_rl.scenario.read import Reader
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]

KINDS = [*UNIT_TABLES, "reservoir"]
ALL_BIDDERS = [*BIDDERS, RULE_BIDDER, LEARNED_BIDDER]
ALL_RULES = [*RULES, RULE]
# The only place that says which bidders a kind has; a new bidder or kind must be added on purpose.
FITS = {
    "power_plant": {
        "powerplant_energy_heuristic_flexable",
        "powerplant_energy_learning",
        "powerplant_energy_learning_curve",
        "powerplant_energy_learning_ladder",
        "powerplant_energy_learning_single_bid",
        "powerplant_energy_naive",
        "renewable_energy_learning_single_bid",
        "demand_energy_naive",
    },
    "storage": {
        "storage_energy_heuristic_flexable",
        "storage_energy_learning",
        "storage_energy_learning_ladder",
    },
    "demand": {
        "demand_energy_heuristic_elastic",
        "demand_energy_naive",
        "powerplant_energy_naive",
    },
    "exchange": {"exchange_energy_naive"},
    "reservoir": {RULE_BIDDER, LEARNED_BIDDER},
}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with strangers():
        yield


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day with two products per auction."""
    return write_case(tmp_path_factory.mktemp("case") / "day", products=2)


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads the files once."""
    return Reader()


def settings(kind: str, bidder: str, rule: str) -> dict[str, str]:
    mechanism = "markets_config.EOM.market_mechanism"
    return {f"units.{kind}.bidding_EOM": bidder, mechanism: rule}


def fresh(compiled: Compiled) -> dict[str, ActorStack]:
    """Untrained policies of all that could learn."""
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    return {a.unit_id: initial_actors([a], 7).to(dtype=torch.float64) for a in agents}


def test_there_is_a_unit_of_every_kind() -> None:
    assert ROWS.keys() == USUAL.keys() == FITS.keys() == UNIT_TABLES.keys()
    assert set().union(*FITS.values()) == BIDDERS.keys()


def test_the_capability_table_says_what_fits() -> None:
    table = list(capabilities(ANY_CONTEXT))
    fits = {(one.kind, one.bidder, one.rule) for one in table if one.refused is None}
    assert fits == {(k, b, r) for k, bidders in FITS.items() for b in bidders for r in ALL_RULES}
    assert {one.not_batched for one in table} == {None}
    assert len(table) == len(KINDS) * len(ALL_BIDDERS) * len(ALL_RULES)


@pytest.mark.parametrize("rule", ALL_RULES)
@pytest.mark.parametrize(
    ("kind", "bidder"), [(kind, bidder) for kind in KINDS for bidder in ALL_BIDDERS]
)
def test_a_combination_runs_alike_on_both_shells_or_is_refused_by_name(
    reader: Reader, case: Path, kind: str, bidder: str, rule: str
) -> None:
    chosen = settings(kind, bidder, rule)
    if bidder not in FITS[kind]:
        with pytest.raises(ScenarioError) as raised:
            reader.load(case, overrides=chosen)
        (problem,) = raised.value.problems
        assert problem.startswith(f"override units.{kind}.bidding_EOM: ")
        assert f"the strategy '{bidder}' is not for this kind of unit" in problem
        return
    compiled = compile_scenario(reader.load(case, overrides=chosen))
    assert unsupported(compiled) is None
    assert_same_episode(compiled, fresh(compiled))


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

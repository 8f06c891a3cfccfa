"""A rule that exists in a test only, registered by one entry, is validated, run and trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from pydantic import BaseModel, Field
from torch import Tensor
from trained_runs import table, tiny

from assume_rl.core.clearing import RULES, MarketSpec, Need, Slots, pay_as_clear
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import Orders
from assume_rl.errors import ScenarioError
from assume_rl.experiments.bounds import unknown_bounds
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.describe import describe
from assume_rl.scenario.types import Scenario
from assume_rl.testing import assert_same_episode, check_clearing

pytestmark = pytest.mark.unchecked

MARKET = "markets_config.EOM"
CAP_45 = {f"{MARKET}.param_dict.cap": 45}
NAIVE = {"units.learner.bidding_EOM": "powerplant_energy_naive"}


class Cap(BaseModel):
    cap: float = Field(60.0, gt=0)


@dataclass(frozen=True)
class Capped:
    """Uniform price; supply that asks for more than the cap does not take part."""

    name: str = "pay_as_clear_capped"
    Params: type[Cap] = Cap
    couples_products: bool = False
    needs: frozenset[Need] = frozenset()
    batched: bool = True

    def setup(self, spec: MarketSpec[Cap], slots: Slots) -> tuple[float, Tensor]:
        return spec.params.cap, pay_as_clear.setup(spec, slots)

    def clear(self, orders: Orders, tie: Tensor, setup: tuple[float, Tensor]) -> Clearing:
        cap, zone = setup
        dear = (orders.volume > 0) & (orders.price > cap)
        asked = replace(orders, volume=torch.where(dear, 0.0, orders.volume))
        return pay_as_clear.clear(asked, tie, zone)


# Of the other tests' first hours, none is dearer than 45 EUR/MWh.
DAY = {"end_date": "2019-03-05 00:00"}


def capped(**settings: Any) -> Scenario:
    mechanism = {f"{MARKET}.market_mechanism": "pay_as_clear_capped"}
    return tiny("single_learner", **mechanism, **settings)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with patch.dict(RULES, {"pay_as_clear_capped": Capped()}):
        yield


def test_the_rule_keeps_the_contract() -> None:
    check_clearing(Capped(), cap=20)


def test_its_parameters_have_defaults_and_are_validated() -> None:
    assert compile_scenario(capped()).markets[0].params == Cap(cap=60)
    chosen = capped(**CAP_45)
    assert compile_scenario(chosen).markets[0].params == Cap(cap=45)
    assert chosen.warnings == capped().warnings
    with pytest.raises(ScenarioError, match=r"param_dict\.cap: should be greater than 0, not -1"):
        capped(**{f"{MARKET}.param_dict": {"cap": -1}})


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    message = r"EOM\.param_dict\.capp: unknown key; did you mean 'cap'\?"
    with pytest.raises(ScenarioError, match=message):
        capped(**{f"{MARKET}.param_dict.capp": 45})
    message = r"EOM\.param_dict\.cap: unknown key; it is a parameter of 'pay_as_clear_capped'"
    with pytest.raises(ScenarioError, match=message):
        tiny("single_learner", **{f"{MARKET}.param_dict": {"cap": 45}})


def test_a_parameter_may_have_the_name_of_a_key_that_nothing_reads_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hours(BaseModel):
        only_hours: tuple[int, int] = (0, 24)

    monkeypatch.setitem(RULES, "pay_as_clear_capped", replace(Capped(), Params=Hours))
    chosen = capped(**{f"{MARKET}.param_dict": {"only_hours": [8, 20]}})
    assert compile_scenario(chosen).markets[0].params == Hours(only_hours=(8, 20))


@pytest.mark.parametrize("engine", ["agents", "batch"])
def test_a_rule_is_set_up_with_the_nodes_of_the_units(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: EngineName
) -> None:
    """Supply at the second node does not take part."""

    class Islands(Capped):
        def setup(self, spec: MarketSpec[Cap], slots: Slots) -> Any:
            return slots.node, pay_as_clear.setup(spec, slots)

        def clear(self, orders: Orders, tie: Tensor, setup: Any) -> Clearing:
            node, zone = setup
            assert torch.equal(orders.node, node)
            asked = replace(orders, volume=torch.where(node == 0, orders.volume, 0.0))
            return pay_as_clear.clear(asked, tie, zone)

    local = replace(Islands(), needs=frozenset({"node"}))
    monkeypatch.setitem(RULES, "pay_as_clear_capped", local)
    island = ("coal_new", "nuclear")
    run(
        capped(**NAIVE, **{f"units.{unit}.node": "island" for unit in island}),
        out=tmp_path / "out",
        engine=engine,
    )
    sold = table(tmp_path / "out", "market_orders").groupby("unit_id")["accepted_volume"].sum()
    assert (sold[list(island)] == 0).all()
    assert sold["lignite_new"] > 0


def test_the_best_response_under_a_rule_that_reads_nodes_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert unknown_bounds(compile_scenario(capped())) is None
    local = replace(Capped(), needs=frozenset({"node"}))
    monkeypatch.setitem(RULES, "pay_as_clear_capped", local)
    reason = "'pay_as_clear_capped' reads more of orders than price and volume"
    assert unknown_bounds(compile_scenario(capped())) == reason


def test_validation_describes_it() -> None:
    assert describe(compile_scenario(capped())).markets[0].mechanism == "pay_as_clear_capped"


def test_both_shells_give_the_same() -> None:
    compiled = compile_scenario(capped(**CAP_45, **NAIVE))
    assert_same_episode(compiled)


@pytest.mark.parametrize("engine", ["agents", "batch"])
def test_its_parameters_change_prices_and_both_hashes(tmp_path: Path, engine: EngineName) -> None:
    found = []
    for cap in (45, 60):
        scenario = capped(**{f"{MARKET}.param_dict.cap": cap}, **DAY, **NAIVE)
        run(scenario, out=tmp_path / str(cap), engine=engine)
        assert table(tmp_path / str(cap), "market_meta")["price"].max() <= cap
        found.append(table(tmp_path / str(cap), "runs").iloc[0])
    for column in ("configuration_hash", "final_hash"):
        assert found[0][column] != found[1][column]


@pytest.mark.parametrize("engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
def test_learners_are_trained_with_it(tmp_path: Path, engine: EngineName) -> None:
    result = train(capped(**CAP_45), out=tmp_path / "out", engine=engine)
    assert len(result.episodes) > 2
    assert table(tmp_path / "out", "market_meta")["price"].max() <= 45


@dataclass(frozen=True)
class OneByOne(Capped):
    """The rule for single auctions only."""

    batched: bool = False

    def clear(self, orders: Orders, tie: Tensor, setup: Any) -> Clearing:
        assert orders.price.ndim == tie.ndim == 2
        return super().clear(orders, tie, setup)


def test_a_rule_for_single_auctions_clears_copy_by_copy_on_the_batch_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scenario = capped(**CAP_45)
    scores = []
    for name, rule in (("many", Capped()), ("single", OneByOne())):
        monkeypatch.setitem(RULES, "pay_as_clear_capped", rule)
        train(scenario, out=tmp_path / name, engine="batch")
        scores.append(table(tmp_path / name, "rl_params")["reward"].to_list())
    assert scores[0] == scores[1]

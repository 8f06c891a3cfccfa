"""The plug-ins of `examples/plugins` go through every command, other processes and the hashes."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from assume_rl.core.bidding import BIDDERS
from assume_rl.core.bidding.base import Context
from assume_rl.core.clearing import RULES
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.experiments.observer import Silent
from assume_rl.experiments.run import run
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.plugins import load_plugins, unload_plugins
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import check_bidder, check_clearing, check_technology

pytestmark = pytest.mark.unchecked

ROOT = Path(__file__).parents[2]
NAMES = ("capped", "nuclear", "weighted", "yesterday")
ENGINES = pytest.mark.parametrize("engine", ["agents", "batch"])
AGENTS_ARE_SLOW = pytest.mark.parametrize(
    "engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"]
)
Command = Callable[..., str]


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    unload_plugins()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario that needs all plug-ins, and these, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in NAMES:
        shutil.copy(ROOT / "examples" / "plugins" / f"{name}.py", tmp_path)
    folder = tmp_path / "market"
    shutil.copytree(ROOT / "scenarios" / "single_learner", folder)
    (folder / "nuclear_units.csv").write_text(
        "name,technology,unit_operator,bidding_EOM,max_power\n"
        "north,reactor,base power,nuclear_energy_profile,200\n"
    )
    times = pd.date_range("2019-03-04", "2019-03-18", freq="h")
    pd.DataFrame({"datetime": times, "north": 0.9}).to_csv(folder / "nuclear_df.csv", index=False)
    plants = pd.read_csv(folder / "powerplant_units.csv", index_col="name")
    plants.loc["coal_old", "bidding_EOM"] = "powerplant_energy_yesterday"
    plants.to_csv(folder / "powerplant_units.csv")
    cases = yaml.safe_load((folder / "config.yaml").read_text())
    case = cases["tiny"]
    case["markets_config"]["EOM"] |= {
        "market_mechanism": "pay_as_clear_capped", "param_dict": {"cap": 45}
    }  # fmt: skip
    case["learning_config"] |= {"algorithm": "rwr", "sharpness": 1.5}
    (folder / "config.yaml").write_text(yaml.safe_dump({"tiny": case}, sort_keys=False))
    return tmp_path


def options(names: tuple[str, ...] = NAMES) -> list[str]:
    return [word for name in names for word in ("--plugin", f"{name}.py")]


@pytest.fixture
def command(assume_rl_command: Callable[..., tuple[int, str, str]]) -> Command:
    """Runs `assume-rl ARGUMENTS` as a process that knows no plug-in yet; returns its output."""

    def call(*arguments: object) -> str:
        unload_plugins()
        code, out, err = assume_rl_command(*arguments)
        assert code == 0, err
        return out

    return call


@pytest.fixture
def refused(assume_rl_command: Callable[..., tuple[int, str, str]]) -> Command:
    """Runs a command that must end with exit code 2; returns its message."""

    def call(*arguments: object) -> str:
        unload_plugins()
        code, _, err = assume_rl_command(*arguments)
        assert code == 2, err
        assert "Traceback" not in err
        return err

    return call


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def test_they_keep_the_contracts(place: Path) -> None:
    load_plugins([f"{name}.py" for name in NAMES])
    compiled = compile_scenario(load_scenario("market"))
    check_technology(TECHNOLOGIES["nuclear"], (compiled.fleet, compiled.profiles))
    for products in (1, 3, 48):
        context = Context(max_bid_price=100.0, products=products, step_hours=1.0)
        check_bidder(BIDDERS["powerplant_energy_yesterday"].create(context, {}))
    check_clearing(RULES["pay_as_clear_capped"], cap=30)


def test_they_are_validated_and_without_them_the_scenario_is_refused(
    place: Path, command: Command, refused: Command
) -> None:
    out = command("validate", "market", *options())
    assert "1 nuclear plant" in out
    assert "pay_as_clear_capped" in out
    told = refused("validate", "market")
    assert "unknown mechanism 'pay_as_clear_capped'" in told
    assert "unknown algorithm 'rwr'" in told


@ENGINES
def test_the_worked_bidder_asks_for_the_price_of_the_day_before(place: Path, engine: str) -> None:
    overrides = {
        "learning_config.learning_mode": False,
        "units.learner.bidding_EOM": "powerplant_energy_yesterday",
    }
    scenario = load_scenario(
        ROOT / "scenarios" / "single_learner", "tiny", overrides=overrides, plugins=["yesterday.py"]
    )
    assert scenario.warnings == ()
    run(scenario, engine=engine, out="out")
    database = Path("out") / "results.db"
    prices = [p for (p,) in rows(database, "SELECT price FROM market_meta ORDER BY product_start")]
    asked = "SELECT price FROM market_orders WHERE unit_id = 'learner' ORDER BY start_time"
    orders = [price for (price,) in rows(database, asked)]
    cost = orders[0]
    assert orders[:24] == [cost] * 24
    assert orders[24:] == [max(price, cost) for price in prices[:-24]]
    assert len(set(orders)) > 3


def test_a_broken_one_is_one_sentence(place: Path, refused: Command) -> None:
    file = place / "capped.py"
    text = file.read_text()
    file.write_text(text.replace("import torch\n", "import torch\n1 / 0\n"))
    line = text.splitlines().index("import torch") + 2
    sentence = f"capped.py, line {line}: ZeroDivisionError: division by zero\n"
    for arguments in (("validate", "market"), ("run", "market"), ("list",), ("schema", "study")):
        assert refused(*arguments, *options()) == sentence
    file.write_text(text.replace("orders.price > cap", "orders.price > cup"))
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "orders.price > cap" in row)
    told = refused("run", "market", *options(), "--set", RULE_ONLY, "--quiet")
    assert told == f"capped.py, line {line}: NameError: name 'cup' is not defined\n"


# File, what is replaced in it, by what, the function that is to blame, and what it is told of.
WRONG = {
    "a bidder's orders are no orders": (
        "yesterday", "return unit_major(price, ", "return (lambda *orders, units: orders)(price, ",
        "def orders(", "Yesterday.orders returned tuple, not Orders",
    ),
    "a bidder's orders have another shape": (
        "yesterday", "return unit_major(price, ", "return unit_major(price[..., :0], ",
        "def orders(", "Yesterday.orders returned the shape ",
    ),
    "a bidder fails": (
        "yesterday", "price = price.maximum(", "price = price.nothing(",
        "price.maximum(", "AttributeError: 'Tensor' object has no attribute 'nothing'",
    ),
    "a rule's clearing is none": (
        "capped", "return pay_as_clear.clear(taking_part, tie, zone)", "return taking_part",
        "def clear(", "Capped.clear returned Orders, not Clearing",
    ),
    "a rule's prices have another shape": (
        "capped", "return pay_as_clear.clear(taking_part, tie, zone)",
        "got = pay_as_clear.clear(taking_part, tie, zone); return replace(got, price=got.paid)",
        "def clear(", "Capped.clear returned the shape ",
    ),
    "a technology's limits are none": (
        "nuclear", "return Limits(sell=Range(least=left, most=left), buy=no_range(left))",
        "return left", "def limits(", "Nuclear.limits returned Tensor, not Limits",
    ),
    "a technology delivers one thing instead of two": (
        "nuclear", "return sold.minimum(capacity), state", "return sold.minimum(capacity)",
        "def execute(", "Nuclear.execute returned Tensor, not a tuple of two",
    ),
    "a technology delivers another shape": (
        "nuclear", "return sold.minimum(capacity), state", "return sold.sum(-1), state",
        "def execute(", "Nuclear.execute returned the shape ",
    ),
    "a technology's costs are none": (
        "nuclear", "return series * power", "return None",
        "def running_cost(", "Nuclear.running_cost returned NoneType, not a tensor",
    ),
    "a table's series is a list": (
        "nuclear", "to_numpy() * row.max_power", "tolist()",
        "def profile(", "profile returned list, not ndarray",
    ),
    "a table's parameters are none": (
        "nuclear", "NuclearParams(column(row.max_power for row in rows))", "rows",
        "to_params=", "<lambda> returned tuple, not a dataclass of tensors",
    ),
}  # fmt: skip


@AGENTS_ARE_SLOW
@pytest.mark.parametrize("fault", WRONG)
def test_what_returns_something_wrong_is_one_sentence(
    place: Path, refused: Command, fault: str, engine: str
) -> None:
    name, old, new, function, sentence = WRONG[fault]
    file = place / f"{name}.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    line = next(i for i, row in enumerate(text.splitlines(), 1) if function in row)
    told = refused(
        "run", "market", *options(), "--set", RULE_ONLY, "--quiet", "--engine", engine, "--out", "x"
    )
    assert told.startswith(f"{name}.py, line {line}: {sentence}")
    assert told.count("\n") == 1


LEARNS = """
from dataclasses import dataclass, fields
from assume_rl.core.bidding.learned import PlantLearning, PlantParams, two_bids


@dataclass(frozen=True)
class Mine(PlantLearning):
    def {method}(self, given):
        return {wrong}


def make(context, params):
    usual = two_bids(context, params)
    same = {{field.name: getattr(usual, field.name) for field in fields(usual)}}
    return Mine(**{{**same, "name": "mine"}})


def register(registry):
    registry.bidder("mine", make, PlantParams)
"""


@ENGINES
@pytest.mark.parametrize(
    ("method", "wrong", "sentence"),
    [
        ("observe", "super().observe(given)[..., :3]", "the shape "),
        ("explore_around", "None", "NoneType, not a tensor"),
        ("reward", "given.sold", "Tensor, not Reward"),
    ],
)
def test_what_a_learned_bidder_returns_is_checked_too(
    place: Path, refused: Command, engine: str, method: str, wrong: str, sentence: str
) -> None:
    (place / "mine.py").write_text(LEARNS.format(method=method, wrong=wrong))
    told = refused(
        "train", ROOT / "scenarios" / "single_learner", "--case", "tiny", "--plugin", "mine.py",
        "--set", "units.learner.bidding_EOM=mine", "--quiet", "--engine", engine, "--out", "x",
    )  # fmt: skip
    assert told.startswith(f"mine.py, line 8: Mine.{method} returned {sentence}")


@ENGINES
@pytest.mark.parametrize(
    ("old", "new", "function", "sentence"),
    [
        ("return chosen.passes", "return None", "def update(", "RewardWeightedRegression.update "
         "returned NoneType, not int"),
        ("weight = weights(", "weight = nothing(", "weight = nothing(",
         "NameError: name 'nothing' is not defined"),
    ],
)  # fmt: skip
def test_a_broken_algorithm_is_one_sentence(
    place: Path, refused: Command, engine: str, old: str, new: str, function: str, sentence: str
) -> None:
    file = place / "weighted.py"
    text = file.read_text().replace(old, new)
    file.write_text(text)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if function in row)
    told = refused("train", "market", *options(), "--quiet", "--engine", engine, "--out", "x")
    assert told.startswith(f"weighted.py, line {line}: {sentence}")


RULE_ONLY = "units.learner.bidding_EOM=powerplant_energy_naive"


@AGENTS_ARE_SLOW
def test_they_run_and_are_in_the_manifest_the_results_and_the_report(
    place: Path,
    command: Command,
    engine: str,
    assume_rl_command: Callable[..., tuple[int, str, str]],
) -> None:
    common = ("--set", RULE_ONLY, "--engine", engine, "--quiet")
    command("run", "market", *common, *options(), "--out", "ran")
    database = place / "ran" / "results.db"
    assert rows(database, 'select "index", max_power, fuel_cost from nuclear_meta') == [
        ("north", 200.0, 9.0)
    ]
    powers = rows(database, "select power from unit_dispatch where unit = 'north' order by time")
    assert [power for (power,) in powers] == [0.0] + 47 * [180.0]  # no auction sold the first hour
    (dearest,) = rows(database, "select max(price) from market_meta")
    assert dearest[0] <= 45
    orders = rows(
        database,
        "select price, accepted_price from market_orders where unit_id = 'coal_old' "
        "order by start_time",
    )
    assert len(orders) == 47
    for (_, paid), (asked, _) in zip(orders, orders[24:], strict=False):
        assert asked == pytest.approx(max(paid, orders[0][0]))
    command("run", "market", *common, *options(), "--db", "sqlite:///run.db", "--out", "stored")
    unload_plugins()
    code, _, err = assume_rl_command("export", "sqlite:///run.db", "--csv", "exported")
    assert code == 0
    assert "table 'nuclear_meta' is of a unit kind that nothing here knows" in err
    found = manifest(place / "ran")["plugins"]
    assert [Path(name).name for name in found] == [f"{name}.py" for name in NAMES]
    assert all(len(sha256) == 64 for sha256 in found.values())
    command("report", "ran")  # knows them from the manifest
    assert "nuclear" in BIDDERS["nuclear_energy_profile"].make(None, None).technologies  # type: ignore[arg-type]
    assert "is left out" not in (place / "ran" / "report.html").read_text()
    (place / "nuclear.py").write_text((place / "nuclear.py").read_text() + "# changed\n")
    command("report", "ran")
    assert "nuclear" not in TECHNOLOGIES  # what ran is not there any more
    assert "nuclear.py&#39; has changed" in (place / "ran" / "report.html").read_text()


@pytest.mark.slow
def test_a_training_is_resumed_with_them_unless_they_have_changed(
    place: Path,
    command: Command,
    refused: Command,
    assume_rl_command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    common = ("train", "market", "--seed", 5, "--quiet")
    command(*common, *options(), "--out", "whole")
    seen = []

    def pressed(*report: object) -> None:
        seen.append(report)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Silent, "episode", pressed)
        code, *_ = assume_rl_command(*common, *options(), "--out", "twice")
        assert code == 130
    text = (place / "yesterday.py").read_text()
    (place / "yesterday.py").write_text(text + "# changed\n")
    told = refused(*common, "--resume", "--out", "twice")
    assert f"cannot be resumed: plugins.{place / 'yesterday.py'} was" in told
    (place / "yesterday.py").write_text(text)
    command(*common, "--resume", "--out", "twice")
    whole, twice = manifest(place / "whole"), manifest(place / "twice")
    assert twice["resumed_after"]
    assert whole["final_hash"] == twice["final_hash"]
    assert whole["plugins"] == twice["plugins"]
    out = command("evaluate", "market", *options(), "--policies", "whole", "--out", "scored")
    assert "learner" in out


def study(place: Path, **keys: Any) -> Path:
    file = place / "study.yaml"
    content = {
        "scenarios": "market",
        "plugins": [f"{name}.py" for name in NAMES],
        "seeds": 2,
        "set": {"learning_config.gradient_steps": 1},
        "steps": ["train", "evaluate"],
        **keys,
    }
    file.write_text(yaml.safe_dump(content))
    return file


def run_ids(place: Path) -> list[str]:
    content = json.loads((place / "studies" / "study" / "study.json").read_text())
    return [run["id"] for run in content["runs"]]


def check_study(place: Path, command: Command, *more: object) -> None:
    """Runs a study in other processes, which load the plug-ins themselves."""
    command("batch", "study.yaml", "--workers", 2, "--quiet", *more)
    (steps,) = rows(
        place / "studies" / "study" / "study.db",
        "select count(*) from nuclear_meta",
    )
    assert steps[0] > 0
    command("report", "studies/study")
    assert (place / "studies" / "study" / "report.html").is_file()
    check_database_by_url(place, command)


def check_database_by_url(place: Path, command: Command) -> None:
    """Reports on a study's database without its folder, and exports it: `runs` has the plug-ins."""
    shutil.copy(place / "studies" / "study" / "study.db", place / "moved.db")
    url = f"sqlite:///{place / 'moved.db'}"
    for named in (url, "moved.db"):
        command("report", named, "--out", "moved.html")
        text = (place / "moved.html").read_text()
        assert "reactor" in text
        assert "is left out" not in text
        command("export", named, "--csv", "moved")
        assert "north" in (place / "moved" / "nuclear_meta.csv").read_text()
        (place / "moved" / "nuclear_meta.csv").unlink()
    kept = (place / "nuclear.py").read_text()
    (place / "nuclear.py").write_text(kept + "# changed\n")
    command("report", url, "--out", "moved.html")
    text = (place / "moved.html").read_text()
    assert "nuclear.py&#39; has changed" in text
    assert "reactor" not in text
    command("export", url, "--csv", "moved")
    assert not (place / "moved" / "nuclear_meta.csv").exists()
    (place / "nuclear.py").write_text(kept)


@pytest.mark.slow
def test_a_study_runs_in_spawned_processes_and_its_runs_are_named_by_their_content(
    place: Path, command: Command
) -> None:
    study(place)
    check_study(place, command)
    first = run_ids(place)
    status = command("batch", "study.yaml", "--status")
    assert "2" in status
    file = place / "yesterday.py"
    file.write_text(file.read_text() + "# changed\n")
    command("batch", "study.yaml", "--quiet", "--set", "seeds=1", "--set", "steps=[train]")
    assert set(run_ids(place)).isdisjoint(first)


@pytest.mark.slow
def test_a_study_runs_on_ray(place: Path, command: Command) -> None:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    study(place)
    check_study(place, command, "--executor", "ray")


def test_a_study_names_a_broken_one(place: Path, refused: Command) -> None:
    study(place)
    (place / "capped.py").write_text("import torch\n1 / 0\n")
    assert refused("batch", "study.yaml") == (
        "study.yaml, plugins: capped.py, line 2: ZeroDivisionError: division by zero\n"
    )


def test_the_list_says_where_they_come_from(place: Path, command: Command) -> None:
    out = command("list", *options())
    for line in (
        "unit kind nuclear (nuclear.py)",
        "    fuel_cost: number = 9.0",
        "bidder powerplant_energy_yesterday (yesterday.py)",
        "    days_back: whole number = 1",
        "rule pay_as_clear_capped (capped.py)",
        "    cap: number",
        "    sharpness: number = 2.0",
        "unit kind storage (built in)",
        "forecast price_naive_forecast (built in)",
    ):
        assert line in out.splitlines()
    assert "\nalgorithm matd3 (built in, stable): " in out
    assert "\nalgorithm rwr (weighted.py, experimental): Peters and Schaal 2007" in out
    content = json.loads(command("list", "bidder", *options(("yesterday",)), "--json"))
    (own,) = [part for part in content["parts"] if part["source"] == "yesterday.py"]
    assert own["name"] == "powerplant_energy_yesterday"
    assert own["parameters"] == [
        {
            "name": "days_back",
            "type": "whole number",
            "required": False,
            "default": 1,
            "description": "Days to the price that is repeated; 7 is the same day of last week.",
        }
    ]
    assert "yesterday" not in command("list")

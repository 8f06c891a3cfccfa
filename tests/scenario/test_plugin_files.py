"""Plug-ins are loaded once, whole or not at all, and a broken one is named with file and line."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assume_rl.core.bidding import BIDDERS
from assume_rl.core.bidding.base import ANY_CONTEXT
from assume_rl.core.clearing import RULES
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.errors import AssumeRlError, ConfigurationError, ContractError, ScenarioError
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import SETTINGS
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.schedules import SCHEDULES
from assume_rl.scenario import found_plugins
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.compile.forecasts import FORECASTS
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.plugins import blame, load_plugins, loading, unload_plugins
from assume_rl.scenario.plugins.registry import OBSERVERS
from assume_rl.scenario.read import Reader, load_scenario, simulation_id
from assume_rl.scenario.tables import UNIT_TABLES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
Write = Callable[..., str]

BIDDER = """
from dataclasses import dataclass
from assume_rl.core.bidding.cost_based import naive


def make(context, params):
    return naive("{name}", context, params)


def register(registry):
    registry.bidder("{name}", make)
"""


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    registries: tuple[dict[str, Any], ...] = (
        *(ALGORITHMS, BIDDERS, CRITICS, FORECASTS, OBSERVERS, RULES, SCHEDULES, SETTINGS),
        *(TECHNOLOGIES, TRUNKS, UNIT_TABLES),
    )
    before = [dict(part) for part in registries]
    yield
    unload_plugins()
    assert before == [dict(part) for part in registries]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a plug-in into the working directory."""
    monkeypatch.chdir(tmp_path)

    def file(text: str, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return name

    return file


def test_the_examples_are_loaded_and_unloaded() -> None:
    plugins = load_plugins(sorted(EXAMPLES.glob("*.py")))
    assert [Path(plugin.name).name for plugin in plugins] == [
        "advantage_weighted.py", "capped.py", "nuclear.py", "weighted.py", "yesterday.py"
    ]  # fmt: skip
    assert ("mean_field" in CRITICS, "skip" in TRUNKS, "warm_up" in SCHEDULES) == (True,) * 3
    assert "rwr" in ALGORITHMS.keys() & SETTINGS.keys()
    assert "nuclear" in TECHNOLOGIES.keys() & UNIT_TABLES.keys()
    assert "pay_as_clear_capped" in RULES
    assert {"nuclear_energy_profile", "powerplant_energy_yesterday"} <= BIDDERS.keys()


def test_a_file_is_loaded_once_and_again_when_it_has_changed(write: Write) -> None:
    text = "print('loaded')\n" + BIDDER.format(name="own")
    (first,) = load_plugins([write(text)])
    assert load_plugins(["mine.py", Path("mine.py").resolve()]) == (first,)
    (changed,) = load_plugins([write(BIDDER.format(name="other"))])
    assert changed != first
    assert changed.name == first.name
    assert "other" in BIDDERS
    assert "own" not in BIDDERS


def test_a_reader_of_many_study_cases_reads_a_file_once(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, read = Reader(), []
    monkeypatch.setattr(loading, "digest", lambda *content: read.append(content) or "0" * 64)
    name = write(BIDDER.format(name="own"))
    for price in (90, 100):
        overrides = {"learning_config.max_bid_price": price}
        folder = ROOT / "scenarios" / "single_learner"
        (plugin,) = reader.load(folder, "tiny", overrides=overrides, plugins=[name]).plugins
        assert Path(plugin.name).name == name
    assert len(read) == 1


@pytest.mark.unchecked  # else the check of types tells of it first
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\ndef register(registry:\n", "mine.py, line 2: '(' was never closed"),
        ("x = 1\nimport nowhere\n", "mine.py, line 2: ModuleNotFoundError: No module named 'now"),
        ("x = 1\n\ny = 1 / 0\n", "mine.py, line 3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "mine.py, line 1: SystemExit: 3"),
        ("x = 1\n", "mine.py: has no function register(registry)"),
        ("register = 1\n", "mine.py: has no function register(registry)"),
        ("x = 1\ndef register(registry):\n    pass\n", "mine.py, line 2: registers nothing"),
        (
            "class Lazy:\n    name = 'lazy'\n\ndef register(registry):\n"
            "    registry.bidder('lazy', lambda context, params: Lazy())\n",
            "mine.py, line 5: the bidder 'lazy' lacks blocks, foresight, needs, orders, "
            "product_types, slots, technologies, see the protocol Bidder",
        ),
        (
            "class R:\n    name = 'r'\n\ndef register(registry):\n    registry.rule(R())\n",
            "mine.py, line 5: the rule 'r' lacks Params, batched, clear, couples_products, needs, "
            "setup, see the protocol Rule",
        ),
        (
            "def register(registry):\n    registry.unit_kind('boiler')\n",
            "mine.py, line 2: a unit kind is a UnitTable, not 'boiler'",
        ),
        (
            "def make(context, params):\n    return params.price\n\ndef register(registry):\n"
            "    registry.bidder('own', make)\n",
            "mine.py, line 2: AttributeError: 'NoParams' object has no attribute 'price'",
        ),
        (
            BIDDER.format(name="own").replace(
                "return naive(", "return replace(foresight='a day', bidder=naive("
            ).replace("params)\n", "params))\n").replace(
                "def make", "def replace(foresight, bidder):\n"
                "    object.__setattr__(bidder, 'foresight', foresight)\n    return bidder\n\n\n"
                "def make",
            ),
            "mine.py, line 16: the bidder 'own': foresight is 'a day', not of the type int",
        ),
        (
            "def register(registry):\n    registry.observer('own', 3)\n",
            "mine.py, line 2: the observer 'own': 3 is no class or function",
        ),
        (
            BIDDER.format(name="powerplant_energy_naive"),
            "mine.py, line 11: the bidder 'powerplant_energy_naive' is built in; choose another "
            "name",
        ),
        (
            BIDDER.format(name="naive_eom"),
            "mine.py, line 11: the bidder 'naive_eom' is built in; choose another name",
        ),
    ],
)  # fmt: skip
def test_a_broken_plug_in_is_named_with_file_and_line(
    write: Write, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_plugins([write(text)])
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


ALGORITHM = """
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import AlgorithmConfig, PolicyGradientConfig
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Mine(type(ALGORITHMS["vpg"])):
    head: str = "squashed_gaussian"

    def networks(self):
        return {"actor": replace(super().networks()["actor"], head=self.head)}


class Config(PolicyGradientConfig):
    own: int = 1


def register(registry):
    registry.algorithm(Mine(name="own", baseline="mean", paper=""), Config)
"""


@pytest.mark.unchecked
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name="own"', 'name="vpg"', "the algorithm 'vpg' is built in; choose another name"),
        (", Config)", ")", "the settings of the algorithm 'own': on_policy is False, that of the "
         "algorithm is True"),
        (", Config)", ", dict)", "the settings of the algorithm 'own' are a subclass of "
         "AlgorithmConfig, not <class 'dict'>"),
        ("own: int = 1", "own: int", "the settings of the algorithm 'own': 'own' has no default"),
        ("own: int = 1", "gamma: int = 1", "the settings of the algorithm 'own': 'gamma' is a key "
         "of learning_config already"),
        ('paper=""', 'paper="", status="new"', "the algorithm 'own': its status is one of "),
        ('paper=""), Config', 'paper="", on_policy=False), AlgorithmConfig', "the algorithm 'own': "
         "only with on_policy are there extras of decisions (raw); random actions of "),
        ("head=self.head)", "head=None, ladder=None)", "the algorithm 'own': its actor has "),
        ('paper=""', 'paper="", head="soft"', "the algorithm 'own': unknown head 'soft', did you "),
        ('{"actor":', '{"policy":', "the algorithm 'own': there is no network 'actor' of the "),
        ("head=self.head)}", "head=self.head)} and 3", "the algorithm 'own': networks() returns "),
        ("own: int = 1", "one_trunk = property(lambda self: True)", "the algorithm 'own': its "
         "settings have 'one_trunk', but there is no network 'value' of the kind 'state_value'"),
    ],
)  # fmt: skip
def test_an_algorithm_that_breaks_the_contract_is_refused(
    write: Write, old: str, new: str, sentence: str
) -> None:
    assert old in ALGORITHM
    text = ALGORITHM.replace(old, new)
    with pytest.raises(ConfigurationError) as raised:
        load_plugins([write(text)])
    line = len(text.splitlines())
    assert str(raised.value).startswith(f"mine.py, line {line}: {sentence}")
    assert "own" not in ALGORITHMS.keys() | SETTINGS.keys()


def test_an_algorithm_brings_its_settings(write: Write) -> None:
    folder = ROOT / "scenarios" / "single_learner"
    settings = {"learning_config.algorithm": "own", "learning_config.own": 3}
    with pytest.raises(ScenarioError, match="unknown algorithm 'own'"):
        load_scenario(folder, "tiny", overrides=settings)
    load_plugins([write(ALGORITHM)])
    scenario = load_scenario(folder, "tiny", overrides=settings)
    assert scenario.learning.settings.model_dump() == {"entropy_weight": 0.01, "own": 3}
    assert [Path(plugin.name).name for plugin in scenario.plugins] == ["mine.py"]
    with pytest.raises(ScenarioError, match="is a key of own, not of the algorithm matd3"):
        load_scenario(folder, "tiny", overrides={"learning_config.own": 3})


def test_nothing_of_a_broken_plug_in_stays(write: Write) -> None:
    text = BIDDER.format(name="own") + "    raise ValueError('at the end')\n"
    with pytest.raises(ConfigurationError, match="line 12: ValueError: at the end"):
        load_plugins([write(text)])
    assert "own" not in BIDDERS


def test_two_plug_ins_with_one_name_clash(write: Write) -> None:
    write(BIDDER.format(name="own"), "first.py")
    write(BIDDER.format(name="own") + "# another file\n", "second.py")
    with pytest.raises(ConfigurationError, match=r"^second\.py, line 11: .* by first\.py; choose"):
        load_plugins(["first.py", "second.py"])


def test_a_missing_plug_in_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"plug-in '.*nowhere\.py': No such file"):
        load_plugins(["nowhere.py"])
    with pytest.raises(ConfigurationError, match=r"no installed package has an entry point"):
        load_plugins(["nowhere"])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with an installed package whose entry point `my_market` names a module in it."""
    site = tmp_path / "site"
    package, record = site / "installed_market", site / "installed_market-1.2.dist-info"
    package.mkdir(parents=True)
    record.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bids.py").write_text(BIDDER.format(name="installed"))
    (record / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: installed-market\nVersion: 1.2\n"
    )
    (record / "entry_points.txt").write_text(
        "[assume_rl.plugins]\nmy_market = installed_market.bids\n"
    )
    return site


def test_an_entry_point_is_loaded_by_its_name_only(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    assert [point.name for point in found_plugins.installed_plugins()] == ["my_market"]
    assert "installed_market" not in sys.modules
    with pytest.raises(ConfigurationError, match="did you mean 'my_market'"):
        load_plugins(["my_markt"])
    (plugin,) = load_plugins(["my_market"])
    assert plugin == found_plugins.found_plugin("my_market")
    assert plugin.name == "my_market"
    assert "installed" in BIDDERS
    for name in ("installed_market.bids", "installed_market"):
        sys.modules.pop(name)
    (installed / "installed_market" / "__init__.py").write_text("changed = True\n")
    assert plugin != found_plugins.found_plugin("my_market")


def test_an_entry_point_may_be_in_a_package_without_an_init_file(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    (installed / "installed_market" / "__init__.py").unlink()
    (plugin,) = load_plugins(["my_market"])
    assert plugin == found_plugins.found_plugin("my_market")
    for name in ("installed_market.bids", "installed_market"):
        del sys.modules[name]


def test_the_command_finds_an_installed_package(
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assume_rl_command: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.syspath_prepend(installed)
    code, listed, _ = assume_rl_command("list", "bidder")
    assert code == 0
    assert "plug-in my_market (installed with installed-market 1.2; --plugin my_market" in listed
    assert "bidder installed" not in listed
    code, _, err = assume_rl_command(
        "run", ROOT / "scenarios" / "single_learner", "--case", "tiny", "--quiet",
        "--plugin", "my_market", "--set", "units.learner.bidding_EOM=powerplant_energy_naive",
        "--set", "units.coal_old.bidding_EOM=installed", "--out", tmp_path / "ran",
    )  # fmt: skip
    assert code == 0, err
    for name in ("installed_market.bids", "installed_market"):
        del sys.modules[name]
    content = json.loads((tmp_path / "ran" / "manifest.json").read_text())
    assert list(content["plugins"]) == ["my_market"]
    assert len(content["plugins"]["my_market"]) == 64


FORECAST = """
def flat(basis):
    peak = basis.profiles.marginal_cost[:, basis.plants].max()
    return 0 * basis.demand + peak{more}


def register(registry):
    registry.forecast("{name}", flat)
"""


def test_a_forecast_is_made_by_its_function(write: Write) -> None:
    folder = ROOT / "scenarios" / "single_learner"
    settings = {"forecast_algorithms.price": "price_flat"}
    with pytest.raises(ScenarioError, match="unknown forecast algorithm 'price_flat'"):
        load_scenario(folder, "tiny", overrides=settings)
    load_plugins([write(FORECAST.format(name="price_flat", more=""))])
    compiled = compile_scenario(load_scenario(folder, "tiny", overrides=settings))
    assert [Path(plugin.name).name for plugin in compiled.scenario.plugins] == ["mine.py"]
    assert load_scenario(folder, "tiny").plugins == ()  # loaded, but not used
    forecasts = compiled.profiles.forecasts["EOM"]
    plants = len(compiled.scenario.of("power_plant"))
    dearest = compiled.profiles.marginal_cost[:, :plants].max()
    assert forecasts.price.unique().tolist() == [float(dearest)]
    load_plugins(
        [write(FORECAST.format(name="price_flat", more="").replace("+ peak", "[None] + peak"))]
    )
    with pytest.raises(ContractError) as raised:
        compile_scenario(load_scenario(folder, "tiny", overrides=settings))
    sentence = "mine.py, line 2: flat returned the shape (1, 49), not (49)"
    assert blame(raised.value) == sentence
    with pytest.raises(ConfigurationError, match=r"^mine\.py, line 8: .* must begin with 'price_'"):
        load_plugins([write(FORECAST.format(name="flat", more=""))])


def test_what_its_code_raises_later_is_blamed_on_it(write: Write) -> None:
    text = BIDDER.format(name="own").replace(
        "    return naive", "    params.price\n    return naive"
    )
    load_plugins(
        [
            write(
                text.replace(
                    "params.price", "getattr(params, 'price') if type(params) is object else None"
                )
            )
        ]
    )
    with pytest.raises(AttributeError) as raised:
        BIDDERS["own"].make(ANY_CONTEXT, object())  # type: ignore[arg-type]
    assert blame(raised.value) == (
        "mine.py, line 7: AttributeError: 'object' object has no attribute 'price'"
    )
    assert blame(AttributeError("of somebody else")) is None


def case(folder: Path, *plugins: str) -> Path:
    """A scenario with plug-ins of its own."""
    for source in (ROOT / "scenarios" / "single_learner").glob("*.*"):
        (folder / source.name).write_bytes(source.read_bytes())
    config = folder / "config.yaml"
    named = "".join(f"\n  - {plugin}" for plugin in plugins)
    lines = config.read_text().splitlines()
    (tiny,) = (i for i, line in enumerate(lines) if line.startswith("tiny:"))
    config.write_text("\n".join([*lines[: tiny + 1], f"  plugins:{named}", *lines[tiny + 1 :]]))
    return folder


def test_a_study_case_names_its_plug_ins(write: Write, tmp_path: Path) -> None:
    write(BIDDER.format(name="own"))
    case(tmp_path, "mine.py")
    own = {"units.coal_old.bidding_EOM": "own"}
    scenario = load_scenario(tmp_path, "tiny", overrides=own)
    (plugin,) = scenario.plugins
    assert plugin == Plugin(str(tmp_path / "mine.py"), plugin.sha256)
    assert simulation_id(tmp_path, "tiny") == scenario.simulation_id
    unload_plugins()
    with pytest.raises(ScenarioError, match="own"):
        load_scenario(tmp_path, "base", overrides=own)
    write("x = 1\n1 / 0\n")
    with pytest.raises(AssumeRlError) as raised:
        load_scenario(tmp_path, "tiny")
    assert str(raised.value) == (
        "config.yaml, tiny.plugins: mine.py, line 2: ZeroDivisionError: division by zero"
    )

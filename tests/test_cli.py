"""The command line: one sentence for what the user can mend, and a thin skin over Python."""

import io
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from rich.console import Console

import assume_rl
from assume_rl import cli
from assume_rl.cli import completion, folder_contents
from assume_rl.cli.output import KPIS, print_evaluation, print_kpis
from assume_rl.core.clearing import RULES
from assume_rl.evaluation.exploitability import Response
from assume_rl.evaluation.gap import MORE_PROFIT, NO_SHARE, TWO_PRICES
from assume_rl.experiments.evaluate import Evaluation, EvaluationResult
from assume_rl.experiments.observer import Silent
from assume_rl.experiments.run import RunResult
from assume_rl.experiments.scores import PriceStatistics, UnitScore
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.results.study_tables import study_metadata
from assume_rl.results.tables import row_tables
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.overrides import TABLES
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.testing.games import GAMES

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SCENARIO = str(SCENARIOS / "single_learner")
VECTOR = str(Path(__file__).parent / "fixtures" / "vectors" / "v01_basic" / "inputs")
CASE = (SCENARIO, "--case", "tiny")
SHORT = (
    "--set",
    "end_date=2019-03-04 06:00",
    "--set",
    "learning_config.train_freq=3h",
    "--set",
    "learning_config.training_episodes=2",
    "--set",
    "learning_config.validation_episodes_interval=1",
    "--set",
    "learning_config.gradient_steps=1",
)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl ARGUMENTS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return assume_rl_command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a tiny training."""
    out = tmp_path_factory.mktemp("cli") / "trained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["x", "train", *CASE, *SHORT, "--quiet", "--out", str(out)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert end.value.code == 0
    return out


def test_validate_prints_what_was_understood(command: Command) -> None:
    code, out, _ = command("validate", *CASE)
    assert code == 0
    for expected in ("EOM", "pay_as_clear", "2019-03-04", "learning bidders", "47"):
        assert expected in out


def test_validate_tells_every_problem(command: Command, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("base: {gama: 1, seeed: 2}\n")
    code, out, err = command("validate", tmp_path / "broken")
    assert (code, out) == (2, "")
    assert {"gama", "seeed", "start_date"} <= {
        w for w in err.replace(":", " ").replace(".", " ").split()
    }
    assert "Traceback" not in err


def test_strict_makes_an_error_of_an_unknown_column(command: Command, tmp_path: Path) -> None:
    shutil.copytree(SCENARIO, tmp_path / "copy")
    table = tmp_path / "copy" / "powerplant_units.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},colour", *(f"{line},red" for line in lines[1:])]))
    code, out, _ = command("validate", tmp_path / "copy", "--case", "tiny")
    assert code == 0
    assert "colour" in out
    code, _, err = command("validate", tmp_path / "copy", "--case", "tiny", "--strict")
    assert code == 2
    assert "colour" in err


MISTAKES = [
    (["validate", "nowhere"], "is not a folder"),
    (["validate", SCENARIO, "--case", "tinny"], "did you mean 'tiny'?"),
    (["validate", SCENARIO, "--set", "learning_config.gama=1"], "did you mean 'gamma'?"),
    (["validate", SCENARIO, "--set", "learning_config.gamma"], "expected key=value"),
    (["validate", SCENARIO, "--set", "=1"], "expected key=value"),
    (["validate", *CASE, "--set", "seed=1", "--set", " seed =1"], "--set seed: is set twice"),
    (
        ["run", *CASE, "--set", "learning_config.gamma=1", "--set", "learning_config={gamma: 1}"],
        "--set learning_config: is set beside learning_config.gamma",
    ),
    (["validate", SCENARIO, "--case", ""], "unknown study case ''"),
    (["train", *CASE, "--seeds", str(10**11)], "--seeds: must be at most 10,000"),
    (["validate", "n" * 300], "is not a folder"),
    (["train", *CASE, "--out", "n" * 300], "File name too long"),
    (["train", *CASE, "--csv", "n" * 300], "File name too long"),
    (["train", *CASE, "--policies", "n" * 300], "File name too long"),
    (["batch", "n" * 300, "--dry-run"], "there is no study file"),
    (["train", *CASE, "--seed", str(2**63)], "--seed: must be from 0 to 2**63 - 1"),
    (["train", *CASE, "--seed", "-1"], "--seed: must be from 0 to 2**63 - 1, not -1"),
    (["validate", SCENARIO, "--set", "learning_config.gamma=much"], "learning_config.gamma"),
    (["validate", SCENARIO, "--set", "learning_config.gamma=[0"], "is not valid YAML"),
    (["run", *CASE], "--policies"),
    (["run", *CASE, "--set", "learning_config.learning_mode=true"], "--policies"),
    (["evaluate", *CASE], "--policies"),
    (["run", *CASE, "--policies", "nowhere"], "does not exist"),
    (["run", *CASE, "--policies", __file__], "is a file, not a policy folder: name the folder"),
    (["train", *CASE, "--policies", __file__], "is a file, not a policy folder: name the folder"),
    (["train", *CASE, "--db", "not a url"], "database"),
    (["run", str(SCENARIOS / "national"), "--tables", "market_mta"], "did you mean 'market_meta'?"),
    (["train", *CASE, "--set", "learning_config.training_episodes=1"], "training_episodes"),
    (["train", *CASE, "--policies", "nowhere"], "does not exist"),
    (["validate", *CASE, "--set", "learning_config.learning_rates.aktor=1"], "mean 'actor'?"),
    (["validate", *CASE, "--set", "learning_config.training_episodes=1"], "training_episodes"),
    (["validate", *CASE, "--set", "simulation_id=../x"], "is not the name of a folder"),
    (["run", *CASE, "--set", "policies.lerner=x"], "did you mean 'learner'?"),
    (["validate", *CASE, "--set", "learning_config.gamma=much"], "should be a valid number, not"),
    (["validate", *CASE, "--set", "fuel_prices_df=fuel.csv"], "did you mean 'fuel_prices_df.csv'?"),
    (["validate", *CASE, "--set", "powerplant_units=plants.csv"], "'powerplant_units.csv'?"),
    (["train", *CASE, "--set", "learning_config.algorithm=fictitious_play"], "cannot choose"),
    (["run", str(SCENARIOS)], "it has the scenarios border_and_industry, "),
    (["batch", SCENARIO], "is a folder, not a study file (YAML)"),
    (["evaluate", VECTOR], "no learning bidder to evaluate; 'assume-rl run' plays it"),
    (["tune", "none.yaml"], "there is no tune file 'none.yaml'"),
    (["list", "algorithm", "ppo"], "there is no 'ppo'; did you mean 'ippo' or 'mappo'?"),
    (["list", "observer", "x"], "there is no 'x', nor anything else; load a plug-in"),
]


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    command: Command, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) <= (2 if "lerner" in str(arguments) else 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["train", "run", "evaluate"])
def test_cuda_without_a_device_is_one_sentence(command: Command, tmp_path: Path, name: str) -> None:
    code, _, err = command(name, *CASE, "--device", "cuda")
    assert code == 2
    assert "not available" in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_results_are_no_scenario_and_those_of_evaluations_no_policies(
    command: Command, trained: Path, tmp_path: Path
) -> None:
    assert (
        "holds results or policies: name the folder of the scenario" in command("run", trained)[2]
    )
    shutil.copytree(trained, tmp_path / "runs" / "base")
    (tmp_path / "runs" / "base_evaluation").mkdir()
    shutil.copy(trained / "manifest.json", tmp_path / "runs" / "base_evaluation")
    err = command("evaluate", *CASE, "--policies", "runs")[2]
    assert err.strip().endswith("; policies are in base")


def test_an_unknown_engine_or_option_exits_with_2(command: Command) -> None:
    assert command("run", SCENARIO, "--engine", "steam")[0] == 2
    assert command("run", SCENARIO, "--polices", "x")[0] == 2


def test_the_version_is_that_of_the_package(command: Command) -> None:
    assert command("--version")[:2] == (0, f"assume-rl {assume_rl.__version__}\n")


HELP = """
import sys
import typer
from assume_rl import cli


def run(*arguments):
    sys.argv = ["assume-rl", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, arguments
    heavy = {"mango", "numpy", "pandas", "sqlalchemy", "torch", "yaml"}
    assert not heavy & sys.modules.keys(), (arguments, heavy & sys.modules.keys())


def commands(group, *names):
    yield names
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *names, name)


for names in commands(typer.main.get_command(cli.app)):
    run(*names, "--help")
run("--version")
run("--show-completion", "bash")
"""


def test_help_version_and_completion_load_no_heavy_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP],
        cwd=tmp_path,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for command in ("train", "bench crossplay", "policies inspect"):
        assert f"assume-rl {command} [OPTIONS]" in done.stdout


def write_study(folder: Path) -> None:
    """Write the part of a study database that words are completed from."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "study.db")) as database, database:
        database.execute("CREATE TABLE runs (study TEXT, design TEXT)")
        database.execute("CREATE TABLE metrics (step TEXT, name TEXT)")
        database.execute("INSERT INTO runs VALUES ('toys', 'cap'), ('toys', 'no cap')")
        database.execute("INSERT INTO metrics VALUES ('train', 'profit'), ('next', 'profit')")


def leaves(command: Any) -> Iterator[Any]:
    """Yield commands without commands of their own."""
    if not hasattr(command, "commands"):
        yield command
    for own in getattr(command, "commands", {}).values():
        yield from leaves(own)


def test_every_argument_says_in_words_what_it_takes() -> None:
    for command in leaves(typer.main.get_command(cli.app)):
        for parameter in command.params:
            where = f"{command.name} {parameter.opts}"
            assert str(parameter.help).endswith("."), where
            assert parameter.metavar is not None or parameter.type_descriptor.is_choice, where


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tra", ["train"]),
        ("validate sc", ["scenarios/one", "scenarios/two"]),
        ("validate scenarios/t", ["scenarios/two"]),
        ("run scenarios/two --case b", ["base"]),
        ("run scenarios/two --case next", ["next week", "next_day"]),
        ("run nowhere --case b", []),
        ("run scenarios/two --policies runs/", ["runs/trained"]),
        ("report runs/", ["runs/simulated", "runs/trained"]),
        ("run scenarios/two --engine a", ["agents", "auto"]),
        (
            "run scenarios/two --set a",
            [f"availability.{unit}{end}" for unit in ("gas", "town") for end in (".scale=", "=")],
        ),
        ("run scenarios/two --set fuel", ["fuel_prices.", "fuel_prices.co2="]),
        ("run scenarios/two --set learning_config.gam", ["learning_config.gamma="]),
        (
            "run scenarios/two --set markets_config.C",
            ["markets_config.CRM.operator=", "markets_config.CRM=null"],
        ),
        ("bench algorithms --algorithms mat", ["matd3"]),
        ("bench games --algorithms ppo,it", ["ppo,itd3"]),
        ("bench games --games E2,E1", ["E2,E1", "E2,E1-3", "E2,E11"]),
        ("run scenarios/two --tables kpis,market_m", ["kpis,market_meta"]),
        ("run scenarios/two --set units.", ["units.gas.", "units.town."]),
        ("run scenarios/two --set units.g", ["units.gas.max_power=", "units.gas.price="]),
        ("run scenarios/two --set units.gas.m", ["units.gas.max_power="]),
        ("run scenarios/two --set demand.", ["demand.town.scale=", "demand.town="]),
        (
            "run scenarios/two --set availability.g",
            ["availability.gas.scale=", "availability.gas="],
        ),
        ("run scenarios/two --set policies.", ["policies.gas=", "policies.town="]),
        ("run nowhere --set units.", []),
        ("compare studies/toys --metric pro", ["profit"]),
        ("compare studies/toys --metric profit --step ", ["next", "train"]),
        ("compare studies/toys --baseline ", ["cap", "no cap"]),
        ("compare studies/broken --metric pro", []),
        ("bench games --games E1,E7", ["E1,E7-32", "E1,E7-8"]),
        ("list algorithm ippo", ["ippo"]),
        ("list rule pay_as_b", ["pay_as_bid"]),
        ("clear orders.csv --rule c", ["complex_clearing"]),
    ],
)
def test_words_are_completed(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    offered: list[str],
) -> None:
    cases = 'base:\n  markets_config: {CRM: {operator: x}}\n"next week":\n  seed: 1\nnext_day: {}\n'
    for name, text in {
        "scenarios/one/config.yaml": "one: {}",
        "scenarios/two/config.yaml": cases,
        "scenarios/none/plants.csv": "",
        "scenarios/two/powerplant_units.csv": "name,max_power,price\ngas,5,1\n",
        "scenarios/two/demand_units_tight.csv": "name,max_power\ntown,5\n",
        "runs/trained/manifest.json": "{}",
        "runs/simulated/manifest.json": "{}",
        "runs/simulated/results.db": "",
        "studies/broken/study.db": "no database",
        ".hidden/one/config.yaml": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    write_study(tmp_path / "studies" / "toys")
    monkeypatch.setenv("_ASSUME_RL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"assume-rl {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" "))))
    code, out, _ = command()
    assert (code, sorted(filter(None, out.splitlines()))) == (0, offered)


def test_completion_looks_for_the_files_that_commands_read() -> None:
    assert completion.CONFIG == CONFIG_FILE
    files = [table.file for table in UNIT_TABLES.values()]
    assert folder_contents.DEMAND in files
    assert all(fnmatch(f"{file}.csv", folder_contents.UNITS) for file in files)
    assert {*completion.RESULT_TABLES} == {*row_tables()}
    for name, columns in {"metrics": {"name", "step"}, "runs": {"design", "study"}}.items():
        assert columns <= {*study_metadata().tables[name].columns.keys()}
    assert set(completion.RULES) == RULES.keys()
    assert list(completion.GAMES) == list(GAMES)
    assert {table.rstrip(".") for table in completion.TABLES if table.endswith(".")} == {*TABLES}


LIGHT = """
import contextlib
import io
import json
import sys

from assume_rl import cli

allowed, rows = json.loads(sys.stdin.read())
for arguments, said in rows:
    sys.argv = ["assume-rl", *arguments]
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            cli.main()
        except SystemExit as end:
            assert end.code == 2, (arguments, end.code)
    told = " ".join(errors.getvalue().replace("│", "").split())
    assert said in told, (arguments, told)
    heavy = {"mango", "numpy", "pandas", "sqlalchemy", "torch"} & sys.modules.keys()
    assert heavy <= set(allowed), (arguments, heavy)
"""

ONE = "scenarios/single_learner"
LIGHT_MISTAKES = [
    (["run", "scenarios/single_lerner"], "did you mean 'scenarios/single_learner'?"),
    (["train", ONE, "--case", "tinny"], "did you mean 'tiny'?"),
    (["run", ONE, "--set", "seed"], "--set seed: expected key=value"),
    (["batch", "x.yaml", "--set", "a=1", "--set", "a=2"], "--set a: is set twice"),
    (["run", ONE, "--engine", "btch"], "did you mean 'batch'?"),
    (["train", ONE, "--gamma", "1"], "--set learning_config.gamma="),
    (["run", ONE, "--policies", "nowhere"], "policy folder 'nowhere' does not exist"),
    (["evaluate", ONE, "--policies", "README.md"], "is a file, not a policy folder"),
    (["train", ONE, "--policies", "scenarios"], "'scenarios' is not a policy folder"),
    (["train", ONE, "--seed", "-1"], "--seed: must be from 0 to 2**63 - 1"),
    (["validate", ONE, "--plugin", "no.py"], "plug-in 'no.py': No such file or directory"),
    (["schema", "scenario", "--plugin", "no"], "no installed package has an entry point"),
    (["clear", "no.csv"], "no.csv cannot be read: no such file"),
    (["clear", "README.md", "--lines", "no.csv"], "no.csv cannot be read: no such file"),
    (["clear", "README.md", "--rule", "pay_as_cler"], "did you mean 'pay_as_clear'?"),
    (["bench", "algorithms", "--algorithms", "matd4"], "did you mean 'matd3'?"),
    (["bench", "algorithms", "--scenarios", f"{ONE}:tinny"], "did you mean 'tiny'?"),
    (["bench", "games", "--algorithms", "matd4"], "did you mean 'matd3'?"),
    (["bench", "games", "--games", "E10"], "unknown game 'E10'; did you mean 'E1'"),
    (["bench", "crossplay", "no", "--scenario", ONE], "policy folder 'no' does not exist"),
    (["bench", "crossplay", "no", "--scenario", "no"], "policy folder 'no' does not exist"),
    (["policies", "inspect", "scenarios"], "'scenarios' is not a policy folder"),
    (["policies", "verify", "no"], "policy folder 'no' does not exist"),
    (["policies", "diff", "no", "no"], "policy folder 'no' does not exist"),
    (["list", "algorithm", "ppo"], "did you mean 'ippo' or 'mappo'?"),
    (["list", "rule", "pay_as_cler"], "did you mean 'pay_as_clear'?"),
    (["init", "scenarios"], "'scenarios' is there already"),
    (["batch", "nowhere.yaml"], "there is no study file 'nowhere.yaml'"),
    (["batch", {"seds": 2}], "study.yaml, seds: unknown key; did you mean 'seeds'?"),
    (["batch", {"seeds": 0}], "study.yaml, seeds: must be at least 1, not 0"),
    (["batch", {"steps": "runn"}], "unknown key; did you mean 'run'?"),
    (["batch", {"cases": "tinny"}], "has no study case 'tinny'; did you mean 'tiny'?"),
    (["batch", {"scenarios": "nowhere"}], "nowhere: is not a folder"),
    (["batch", {"plugins": "no.py"}], "study.yaml, plugins: plug-in "),
    (["tune", {"trials": "many"}], "study.yaml, trials: should be a valid integer"),
    (["tune", {"objective": {"maximize": "rewrd"}}], "there is no metric 'rewrd'; did you mean"),
]
"""Commands and what they say; a mapping is what a study file has beside its scenario."""

OF_DATABASES = [
    (["run", "scenarios/national", "--tables", "market_mta"], "did you mean 'market_meta'?"),
    (["train", ONE, "--db", "nonsense"], "the database URL cannot be understood"),
    (["train", ONE, "--track", "tensorbord"], "did you mean 'tensorboard'?"),
    (["compare", "nowhere", "--metric", "reward"], "there is no study folder 'nowhere'"),
    (["compare", "scenarios", "--metric", "reward"], "'scenarios' holds no study"),
    (["report"], "name a run or a study"),
    (["report", "nowhere"], "there is no folder 'nowhere'"),
    (["report", "scenarios"], "'scenarios' is neither a run"),
    (["export", "nowhere", "--csv", "x"], "there is no folder 'nowhere'"),
    (["export", "scenarios"], "name at least one of --parquet"),
    (["export", "scenarios", "--csv", "x"], "'scenarios' holds neither a run nor a study"),
    (["export", "sqlite:///x.db", "--scenario", "x"], "is a database; --scenario needs"),
]
"""The same, of commands that read URLs of databases."""


@pytest.mark.parametrize(
    ("rows", "allowed"), [(LIGHT_MISTAKES, []), (OF_DATABASES, ["numpy", "sqlalchemy"])]
)
def test_mistakes_in_arguments_load_no_heavy_library(
    tmp_path: Path, rows: list[tuple[list[Any], str]], allowed: list[str]
) -> None:
    """All in one process: it is light after the last one only if it was after each."""
    lines = [
        ([_written(tmp_path / str(number), part) for part in arguments], said)
        for number, (arguments, said) in enumerate(rows)
    ]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        cwd=SCENARIOS.parent,
        input=json.dumps([allowed, lines]),
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _written(folder: Path, part: Any) -> str:
    """An argument; of a mapping the path of a study file that has it."""
    if isinstance(part, str):
        return part
    folder.mkdir()
    path = folder / "study.yaml"
    path.write_text(
        yaml.safe_dump({"scenarios": SCENARIO, "cases": "tiny", "steps": "run", **part})
    )
    return str(path)


def test_a_wrong_choice_or_a_setting_given_as_an_option_is_named(command: Command) -> None:
    code, _, err = command("list", "algorithms")
    assert (code, "Value error" in err) == (2, False)
    assert "did you mean 'algorithm'?" in " ".join(err.replace("│", "").split())
    code, _, err = command("train", *CASE, "--algorithm", "masac")
    assert code == 2
    assert "--set learning_config.algorithm=" in err
    assert "learning_config.training_episodes=" in command("train", *CASE, "--episodes", "9")[2]
    assert "--policies FOLDER" in command("evaluate", SCENARIO, "runs/tiny")[2]
    assert "did you mean 'train'?" in command("trian")[2]


def truncate(folder: Path) -> None:
    file = next(folder.glob("*learner*.safetensors"))
    file.write_bytes(file.read_bytes()[:-40])


def tamper(folder: Path) -> None:
    file = next(folder.glob("*learner*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def remove_policy(folder: Path) -> None:
    next(folder.glob("*learner*.safetensors")).unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("harm done",))


def pickled(folder: Path) -> None:
    shutil.rmtree(folder)
    (folder / "actors").mkdir(parents=True)
    (folder / "actors" / "actor_learner.pt").write_bytes(pickle.dumps(Harm()))


def torch_pickled(folder: Path) -> None:
    shutil.rmtree(folder)
    (folder / "actors").mkdir(parents=True)
    torch.save({"actor": Harm()}, folder / "actors" / "actor_learner.pt")


@pytest.mark.parametrize(
    "damage", [truncate, tamper, remove_policy, damage_manifest, pickled, torch_pickled]
)
@pytest.mark.parametrize("name", ["run", "train"])
def test_a_damaged_policy_is_refused_with_one_sentence(
    command: Command, trained: Path, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    shutil.copytree(trained / "policies" / "last", tmp_path / "policies")
    damage(tmp_path / "policies")
    code, out, err = command(name, *CASE, "--policies", "policies", "--out", "out")
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert "policies" in err
    assert "harm" not in err
    assert not (tmp_path / "out").exists()


def test_train_run_and_evaluate(command: Command, tmp_path: Path) -> None:
    code, out, err = command("train", *CASE, *SHORT, "--seed", "7", "--csv", "tables")
    assert (code, err) == (0, "")
    assert "after episode 2" in out
    assert "best_reward" in out
    assert "device: cpu, as chosen" in out
    folder = tmp_path / "runs" / "single_learner_tiny"
    assert json.loads((folder / "manifest.json").read_text())["seed"] == 7
    assert (tmp_path / "tables" / "rl_params.csv").is_file()

    last = folder / "policies" / "last"
    code, out, _ = command("run", *CASE, "--policies", last, "--out", "ran")
    assert code == 0
    assert "mean price (EUR/MWh)" in out

    code, out, _ = command("evaluate", *CASE, "--policies", folder, "--best-response")
    assert code == 0
    assert "exact best response" in out
    assert "NashConv" in out

    code, _, err = command("run", *CASE, "--policies", folder)
    assert code == 2
    assert "--overwrite" in err
    code, _, err = command("run", *CASE, "--policies", folder, "--overwrite")
    assert code == 2  # the policies lie in the folder that would be emptied
    assert last.is_dir()


def test_key_figures_have_a_column_for_each_market_and_stand_in_words() -> None:
    kpis = [(name, "day", 1234.5) for name in KPIS if name != "pay_as_bid_surplus"]
    kpis += [("pay_as_bid_surplus", "hour", 0.5), ("avg_price", "hour", -3.14159)]
    text = io.StringIO()
    folder = Path("runs/x")
    print_kpis(Console(file=text, width=40), RunResult(folder, "sqlite:///x.db", tuple(kpis), ()))
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in text.getvalue().splitlines()
    ]
    assert [row for row in rows if row] == [
        ["mean price (EUR/MWh)", "1,234.50", "-3.14"],
        ["bought (MWh)", "1,234", "-"],
        ["held, but not deliverable (MW times h)", "1,234", "-"],
        ["price times volume (EUR)", "1,234", "-"],
        ["capacity factor of plants", "123450.00%", "-"],
        ["congestion rent (EUR)", "1,234", "-"],
        ["paid above what supply is paid (EUR)", "-", "0"],
    ]


def test_a_share_without_meaning_is_a_dash_and_the_gap_is_printed(tmp_path: Path) -> None:
    """A plant that never sells is rewarded -0.647 of at best -0.2: not 323.5 % of anything."""
    idle = UnitScore("learner", reward=-0.647, profit=0.0, regret=64.7, mean_bid=None)
    evaluation = Evaluation((idle,), (), -0.2, 12.0, 44.7, -0.2, 0.0)
    console = Console(width=300, file=io.StringIO())
    print_evaluation(console, EvaluationResult(tmp_path, "sqlite:///results.db", evaluation, ()))
    assert isinstance(console.file, io.StringIO)
    out = console.file.getvalue()
    assert "gap: reward 0.447, profit 45 EUR" in out
    assert f"reached - ({NO_SHARE})" in out
    assert "323.5" not in out
    assert "nan" not in out


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    name = "gas[/x] plant[north]"
    known = Response(name, 1000.0, 1250.0, 250.0)
    evaluation = Evaluation(
        (UnitScore(name, 1.0, 1000.0, 0.0, None),), (), None, None, None, None, None, None, (known,)
    )
    console = Console(width=300, file=io.StringIO())
    print_evaluation(console, EvaluationResult(tmp_path, "sqlite:///r.db", evaluation, ()))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(name) == 2  # scores, best responses


def test_best_responses_say_what_is_a_bound_and_what_is_not_known(tmp_path: Path) -> None:
    figures = {"constant_bid": 57.0, "constant_profit": 1200.0}
    known = Response("a", 1000.0, 1250.0, 250.0, "lower_bound", **figures)
    for other, expected in (
        (Response("b", 4000.0, 4000.0, 0.0), "≥ 5.00%"),
        (Response("b", 4000.0, 4500.0, 500.0, "grid", planned_profit=4400.0), "90.91%"),
        (
            Response("b", 4000.0, unknown="b has ramps"),
            "best response of b: not known, b has ramps",
        ),
    ):
        units = tuple(UnitScore(own.agent, 1.0, own.profit, 0.0, None) for own in (known, other))
        evaluation = Evaluation(
            units, (), None, None, None, None, None, "there are 2 learning bidders", (known, other)
        )
        console = Console(width=300, file=io.StringIO())
        print_evaluation(
            console, EvaluationResult(tmp_path, "sqlite:///results.db", evaluation, ())
        )
        assert isinstance(console.file, io.StringIO)
        out = console.file.getvalue()
        assert "≥ 250" in out
        assert expected in out
        assert ("NashConv" in out) == (other.unknown is None)
        assert "learning bidders" not in out


def test_a_profit_next_to_nothing_is_an_amount_and_no_share(tmp_path: Path) -> None:
    figures: list[str] = []
    for profit in (1_200.0, 90.0, -90.0):
        known = Response("a", profit, 1_000.0, 1_000.0)
        units = (UnitScore("a", 1.0, profit, 0.0, None),)
        evaluation = Evaluation(units, (), None, None, None, None, None, None, (known,))
        console = Console(width=300, file=io.StringIO())
        print_evaluation(console, EvaluationResult(tmp_path, "sqlite:///r.db", evaluation, ()))
        assert isinstance(console.file, io.StringIO)
        rows = [line.split("│")[1:-1] for line in console.file.getvalue().splitlines()]
        figures += [
            cells[1].strip() for cells in rows if cells and "as a share of profit" in cells[0]
        ]
    assert figures == ["83.33%", "earned only 90 EUR", "-"]


def test_a_plant_with_two_agents_is_one_learner_and_its_reward_is_explained(
    tmp_path: Path,
) -> None:
    agents = ("gas@CRM_pos", "gas@EOM")
    units = tuple(UnitScore(agent, 1.0, 5.0, 0.0, None) for agent in agents)
    prices = tuple(PriceStatistics(m, 1.0, 0.0, 1.0, 1.0, "EUR/MWh") for m in ("CRM_pos", "EOM"))
    unknown = tuple(Response(agent, 5.0, unknown="there are 2 markets") for agent in agents)
    evaluation = Evaluation(
        units,
        prices,
        *[None] * 5,
        responses=unknown,
        rewarded_with={"gas@CRM_pos": ("gas@EOM",)},
    )
    console = Console(width=300, file=io.StringIO())
    print_evaluation(console, EvaluationResult(tmp_path, "sqlite:///r.db", evaluation, ()))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "best response of gas: not known, there are 2 markets" in lines
    assert (
        "gas@CRM_pos is rewarded for gas@EOM as well: that is in its reward, not in its profit and "
        "regret"
    ) in lines


def test_shares_above_all_are_explained_and_gaps_not_rounded_away(tmp_path: Path) -> None:
    units = (UnitScore("b", 1.0, 9_000.0, 0.0, None),)
    planned = Response("b", 9_000.0, 9_000.1, 0.1, "grid", planned_profit=8_000.0)
    console = Console(width=300, file=io.StringIO())
    for response, share in ((planned, 1.002), (replace(planned, planned_profit=9_500.0), 0.99999)):
        evaluation = Evaluation(units, (), 1 / share, 1.0, 9_000.1, 0.5, 0.0, None, (response,))
        print_evaluation(console, EvaluationResult(tmp_path, "sqlite:///r.db", evaluation, ()))
    assert isinstance(console.file, io.StringIO)
    out = console.file.getvalue()
    assert "112.50%" in out
    assert out.count(MORE_PROFIT) == 1
    assert "reached 100.20% (above 100 %: the best response has one price in each auction" in out
    assert out.count(TWO_PRICES) == 1
    assert "100.00%" not in out
    assert "reached 99.99%;" in out


def test_training_a_case_that_is_not_meant_for_it_warns(command: Command) -> None:
    setting = ("--set", "learning_config.learning_mode=false")
    code, _, err = command("train", *CASE, *SHORT, *setting, "--out", "out")
    assert code == 0
    assert err.startswith("warning:")
    assert "learning_config.learning_mode" in err


def test_results_are_named_as_a_path_or_as_the_url_without_its_password(
    command: Command, trained: Path
) -> None:
    run = ("run", *CASE, "--policies", trained)
    assert "results: out/results.db" in command(*run, "--out", "out")[1]
    assert (
        "results: sqlite:///mine.db" in command(*run, "--out", "o", "--db", "sqlite:///mine.db")[1]
    )


def test_policies_that_nobody_acts_by_are_warned_of(command: Command, trained: Path) -> None:
    code, _, err = command("run", VECTOR, "--policies", trained, "--out", "out")
    assert code == 0
    assert err.endswith("has no unit that acts by policies\n")


def test_quiet_prints_nothing(command: Command, trained: Path) -> None:
    result = command("run", *CASE, "--policies", trained, "--quiet", "--out", "out")
    assert result == (0, "", "")


def test_ctrl_c_exits_with_130(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Silent, "episode", pressed)
    code, out, err = command("train", *CASE, *SHORT, "--quiet", "--out", "out")
    assert (code, out) == (130, "")
    assert err.startswith("interrupted")
    assert "Traceback" not in err
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["state"] == "interrupted"
    assert (tmp_path / "out" / "policies" / "last").is_dir()


def test_listed_algorithms_tell_their_status_and_paper(command: Command) -> None:
    code, out, _ = command("list", "algorithm")
    assert code == 0
    for name, own in ALGORITHMS.items():
        assert f"algorithm {name} (built in, {own.status}): {own.paper}" in out
    _, text, _ = command("list", "algorithm", "--json")
    parts = {part["name"]: part for part in json.loads(text)["parts"]}
    assert parts["masac"]["status"] == "experimental"
    assert "1812.05905" in parts["masac"]["paper"]


def test_a_single_algorithm_is_listed_with_its_own_settings(command: Command) -> None:
    code, out, _ = command("list", "algorithm", "mappo")
    assert (code, out.count("algorithm "), "clip_range: number" in out) == (0, 1, True)
    _, text, _ = command("list", "rule", "pay_as_bid", "--json")
    assert [part["name"] for part in json.loads(text)["parts"]] == ["pay_as_bid"]


def test_keys_of_every_algorithm_are_listed_once_and_types_in_words(command: Command) -> None:
    lines = command("list", "algorithm")[1].splitlines()
    assert lines[0] == "learning_config, whatever the algorithm (built in)"
    assert lines.count("    gamma: number = 0.99") == 1
    assert lines.count("    tau: number = 0.005") == 12
    assert "    observation_window: wrap or clamp = wrap" in lines
    assert "    actor_hidden: list of whole numbers or null = null" in lines
    assert "    learning_rates: by name: number = {}" in lines
    everything = command("list")[1]
    assert "technology thermal (built in)" in everything
    assert not any(word in everything for word in ("Literal[", "Optional[", "Annotated[", "None"))

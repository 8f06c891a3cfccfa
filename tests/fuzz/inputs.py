"""Command lines with what they read, good but for one to three mutations drawn from a seed."""

import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import damage
import hostile
import torch
import yaml
from safetensors.torch import load_file, save_file

SCENARIOS = Path(__file__).parents[2] / "scenarios"
VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"

# Files of a scenario folder, the study case, and the last hour.
CASES = {
    "learner": (SCENARIOS / "single_learner", "tiny", "2019-03-04 12:00"),
    "storage": (VECTORS / "v03_storage_flexable" / "inputs", "base", "2019-01-01 12:00"),
    "ramps": (VECTORS / "v04_flexable_ramps" / "inputs", "base", "2019-01-01 12:00"),
    "elastic": (VECTORS / "v05_elastic" / "inputs", "base", "2019-01-01 12:00"),
}
TRAINING = {
    "training_episodes": 2,
    "validation_episodes_interval": 1,
    "gradient_steps": 1,
    "train_freq": "6h",
}
ENDLESS = frozenset({*TRAINING, "passes", "epochs"})
"""Settings by which a training may rightly take for ever."""
STUDY = """\
scenarios: {folder: scenario, cases: base}
seeds: [1, 2]
grid:
  fuel_prices.lignite: [3, 4]
  markets_config.EOM.market_mechanism: [pay_as_clear, pay_as_bid]
steps: [run]
"""
TUNE = """\
scenarios: {folder: scenario, cases: tiny}
space:
  learning_config.learning_rate: {log_uniform: [0.001, 0.1]}
  learning_config.actor_hidden: {choice: [[8], [16, 8]]}
objective: {maximize: best_reward.reward}
seeds: 2
trials: 2
"""
ORDERS = """\
id,hour,side,price,volume,zone,type,min_acceptance,parent,group,complex,fixed_cost
load,1,buy,3000,70,south,,,,,,
load,2,buy,3000,60,south,,,,,,
nuclear,1,sell,10,40,north,,,,,,
nuclear,2,sell,10,40,north,,,,,,
gas,1,sell,60,50,south,,,,,,
gas,2,sell,60,50,south,,0.5,,,,
coal,1,sell,45,20,south,block,1,,either,,
coal,2,sell,45,20,south,block,1,,either,,
other coal,2,sell,35,20,south,block,0.5,,either,,
more coal,1,sell,30,10,south,,,coal,,,
ccgt,1,sell,40,20,south,,,,,CC1,900
ccgt,2,sell,40,20,south,,,,,CC1,
"""
LINES = "name,bus0,bus1,s_nom\nN-S,north,south,30\n"
COMMANDS = {
    "validate": 5,
    "run": 5,
    "evaluate": 3,
    "train": 1,
    "batch": 2,
    "clear": 3,
    "export": 2,
    "compare": 1.5,
    "report": 0.5,
    "tune": 0.5,
}
"""Commands, and how often they are drawn, seldom those that take long."""


@dataclass(frozen=True)
class Made:
    """Folders with what commands wrote, good ones."""

    policies: Path  # of the learner
    run: Path
    study: Path


@dataclass
class Input:
    """A command line, and what was changed in it and in what it reads."""

    seed: int
    place: Path
    command: str
    arguments: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """Where its results go unless an option says otherwise."""
        return self.place / "out"

    @property
    def pipe(self) -> Path:
        """One that nobody writes to."""
        return self.place / "pipe"

    def __str__(self) -> str:
        changes = "; ".join(own if len(own) < 200 else own[:200] + "..." for own in self.changes)
        words = (word if len(word) < 100 else word[:100] + "..." for word in self.arguments)
        return f"seed {self.seed}: {self.command} {' '.join(words)}\n  changed: {changes}"


Kind = Callable[[random.Random, Input, Path], str]
"""A mutation: draws, what it changes, and its folder of tables; returns what it did."""


def draw(seed: int, place: Path, made: Made) -> Input:
    """Return a command line with mutations, and write what it reads.

    :param seed: of all that is drawn
    :param place: an empty folder
    :param made: what commands read that others wrote
    """
    rng = random.Random(seed)
    found = Input(seed, place, rng.choices([*COMMANDS], [*COMMANDS.values()])[0])
    kinds = write(rng, found, made)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        found.changes.append(rng.choice(kinds)(rng, found, place / "scenario"))
    return found


def write(rng: random.Random, found: Input, made: Made) -> tuple[Kind, ...]:
    """Write what a command reads, without mutations, and its arguments; return what may be changed.

    :param rng: draws which of several it reads
    :param found: its command, and an empty folder
    :param made: what commands read that others wrote
    """
    hostile.lay_traps(found.place)
    return WRITERS[found.command](rng, found, made)


def _simulation(rng: random.Random, found: Input, made: Made) -> tuple[Kind, ...]:
    """Write a scenario and policies; return what may be changed in them."""
    command, place = found.command, found.place
    case = "learner" if command in ("evaluate", "train") else rng.choice([*CASES])
    name = write_scenario(place / "scenario", case)
    shutil.copytree(made.policies, place / "policies")
    found.arguments += [str(place / "scenario"), "--case", name]
    if command != "validate":
        found.arguments += ["--out", str(found.out), "--quiet"]
    if case == "learner" and command not in ("validate", "train"):
        found.arguments += ["--policies", str(place / "policies")]
    kinds = (_table, _table, _config, _setting, _option)
    return (*kinds, _policy) if command == "evaluate" else kinds


def _batch(rng: random.Random, found: Input, _: Made) -> tuple[Kind, ...]:
    """Write a scenario and a study, or a tuning, of it; return what may be changed in them."""
    case, text = {"batch": ("storage", STUDY), "tune": ("learner", TUNE)}[found.command]
    write_scenario(found.place / "scenario", case)
    file = found.place / "study.yaml"
    file.write_text(text)
    found.arguments += [str(file), "--dry-run", "--out", str(found.out)]
    return _table, _table, _config, _setting, _study, _study


def _book(rng: random.Random, found: Input, _: Made) -> tuple[Kind, ...]:
    """Write an order book; return what may be changed in it."""
    folder = found.place / "scenario"
    folder.mkdir()
    for name, text in (("orders", ORDERS), ("lines", LINES)):
        (folder / f"{name}.csv").write_text(text)
    found.arguments += [str(folder / "orders.csv"), "--lines", str(folder / "lines.csv")]
    found.arguments += ["--out", str(found.out)]
    return _table, _table, _table, _option


def _finished(rng: random.Random, found: Input, made: Made) -> tuple[Kind, ...]:
    """Write a finished run or study; return what may be changed in it."""
    command, done = found.command, found.place / "done"
    study = command == "compare" or rng.random() < 0.3
    shutil.copytree(made.study if study else made.run, done)
    found.arguments.append(str(done))
    if command == "export":
        found.arguments += ["--csv", str(found.out)]
    if command == "compare":
        found.arguments += ["--metric", "total_profit"]
    return _result, _result, _option


WRITERS: Mapping[str, Callable[[random.Random, Input, Made], tuple[Kind, ...]]] = {
    **dict.fromkeys(("validate", "run", "evaluate", "train"), _simulation),
    **dict.fromkeys(("batch", "tune"), _batch),
    "clear": _book,
    **dict.fromkeys(("export", "compare", "report"), _finished),
}


def write_scenario(folder: Path, case: str) -> str:
    """Write a small scenario with one study case; return its name."""
    source, name, end = CASES[case]
    shutil.copytree(source, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())[name]
    config["start_date"], config["end_date"] = f"{end[:10]} 00:00", end
    if "learning_config" in config:
        config["learning_config"] |= TRAINING
    # A copy: without aliases, each place is one of its own.
    text = json.dumps({name: config}, default=str)
    (folder / "config.yaml").write_text(yaml.safe_dump(json.loads(text), sort_keys=False))
    for extra in folder.glob("powerplant_units_*.csv"):
        extra.unlink()
    return name


# --- files ---------------------------------------------------------------------------------------


def _table(rng: random.Random, given: Input, folder: Path) -> str:
    """Change a table, or put something else in its place."""
    tables = [own for own in sorted(folder.glob("*.csv")) if own.is_file()]
    if not tables:
        return "nothing: there is no table"
    path = rng.choice(tables)
    if not path.read_text(errors="replace").strip() or rng.random() < 0.15:
        return f"{path.name}: {damage.another_file(rng, path, given.pipe)}"
    return f"{path.name}: {damage.table(rng, path)}"


def _config(rng: random.Random, given: Input, folder: Path) -> str:
    """Change a value of `config.yaml`."""
    return _yaml(rng, given, folder / "config.yaml")


def _study(rng: random.Random, given: Input, _: Path) -> str:
    """Change a value of the study file, or of the tune file."""
    return _yaml(rng, given, given.place / "study.yaml")


def _yaml(rng: random.Random, given: Input, path: Path) -> str:
    """Change a value of a YAML file, or put something else in its place."""
    spared = ENDLESS if given.command == "train" else ()
    what = "" if rng.random() < 0.05 else damage.yaml_file(rng, path, spared)
    if not what:
        what = damage.another_file(rng, path, given.pipe) if path.is_file() else "as it was"
    return f"{path.name}: {what}"


def _result(rng: random.Random, given: Input, _: Path) -> str:
    """Change a file of the finished run or study."""
    return damage.result(rng, given.place / "done", given.pipe)


# --- settings ------------------------------------------------------------------------------------

SETTINGS = (
    *("seed", "start_date", "end_date", "time_step", "simulation_id", "save_frequency_hours"),
    *("learning_config", "learning_config.gamma", "learning_config.batch_size", "policies"),
    *("learning_config.actor_hidden", "learning_config.algorithm", "learning_config.num_envs"),
    *("learning_config.replay_buffer_size", "learning_config.episode_length", "plugins"),
    *("bidding_strategy_params.foresight", "bidding_strategy_params.eom_foresight", "units"),
    *("markets_config.EOM.products.0.count", "markets_config.EOM.products.0.duration"),
    *("markets_config.EOM.opening_frequency", "markets_config.EOM.minimum_bid_price"),
    *("markets_config.EOM.market_mechanism", "markets_config.EOM.maximum_bid_volume"),
    *("units.learner.max_power", "units.hydro.efficiency", "fuel_prices.lignite", "demand.demand"),
    *("demand.demand.scale", "availability.hydro", "policies.learner", "powerplant_units"),
    *(
        "demand_df",
        "nothing",
        "learning_config.nothing",
        "",
        ".",
        "a.b.c",
        "units.nobody.max_power",
    ),
)


def _setting(rng: random.Random, given: Input, _: Path) -> str:
    """Add a setting."""
    text = f"{rng.choice(SETTINGS)}{rng.choice(['='] * 9 + [''])}{rng.choice(hostile.YAML)}"
    given.arguments += ["--set", text]
    return f"--set {text}"


# --- options and policies ------------------------------------------------------------------------

URLS = ("sqlite://", "sqlite:///:memory:", "nonsense://x", "x", "postgresql://u:p@[", "sqlite:///")


def _option(rng: random.Random, given: Input, _: Path) -> str:
    """Add an option, or one more time one that is there."""
    name, value = rng.choice(_options(rng, given.command, hostile.path(rng, given.place)))
    given.arguments += [name] if value is None else [name, value]
    return f"{name} {value!r}"


def _options(rng: random.Random, command: str, where: str) -> list[tuple[str, str | None]]:
    """Return options that a command has, with values of which few are good.

    :param where: a path of something else
    """
    words = rng.choice(["", "nobody", hostile.LONG])
    files: list[tuple[str, str | None]] = [("--out", where), ("--csv", where)]
    match command:
        case "clear":
            rule = rng.choice(["pay_as_bid", "nodal_clearing", words])
            value = rng.choice(["pricing_mechanism=pay_as_bid", "a=1", "", *hostile.YAML])
            return [*files[:1], ("--rule", rule), ("--set", value), ("--lines", where)]
        case "report":
            return [*files[:1], ("--hours", rng.choice(hostile.CELLS)), ("--overwrite", None)]
        case "export":
            own = ("--parquet", "--tidy", "--scenario")
            return [*files[1:], *((name, where) for name in own), ("--formulas", None)]
        case "compare":
            designs = rng.choice(["fuel_prices.lignite=3", words])
            own = [("--metric", words), ("--baseline", designs), ("--step", words)]
            return [*files[1:], *own, ("--study", words)]
    options: list[tuple[str, str | None]] = [("--case", words), ("--strict", None)]
    if command != "validate":
        options += [
            ("--seed", rng.choice(hostile.NUMBERS)),
            ("--engine", rng.choice(["agents", "batch", "auto", "", "both"])),
            ("--db", rng.choice([*URLS, f"sqlite:///{where}"])),
            *files,
            ("--policies", where),
        ]
    if command == "train":
        return [
            *options,
            ("--seeds", rng.choice([*hostile.NUMBERS[:-1], "2"])),
            ("--track", "nobody"),
            ("--resume", None),
            ("--rollout-workers", rng.choice(["0", "-1", "x"])),
        ]
    tables = rng.choice(["", "nothing", "kpis", "kpis,kpis", ",", "runs,"])
    return options if command == "validate" else [*options, ("--tables", tables)]


def _policy(rng: random.Random, given: Input, _: Path) -> str:
    """Change a file of the policies."""
    folder = given.place / "policies"
    files = sorted(own for own in folder.iterdir() if own.is_file())
    if not files:
        return "nothing: there are no policies"
    path = rng.choice([own for own in files if own.suffix in (".json", ".safetensors")] or files)
    if rng.random() < 0.2:
        return f"{path.name}: {damage.another_file(rng, path, given.pipe)}"
    what = (damage.json_file if path.suffix == ".json" else _weights)(rng, path)
    return f"{path.name}, {what}"


def _weights(rng: random.Random, path: Path) -> str:
    """Change a tensor of a file of weights; its hash in the manifest stays, or is dropped."""
    tensors = dict(load_file(path))
    name = rng.choice(sorted(tensors))
    kind = rng.choice(["nan", "inf", "bool", "int", "half", "shape", "empty", "gone", "more"])
    old = tensors[name]
    changed = {
        "nan": torch.full_like(old, float("nan")),
        "inf": torch.full_like(old, float("inf")),
        "bool": old > 0,
        "int": old.to(torch.int64),
        "half": old.to(torch.float16),
        "shape": old[None],
        "empty": old.flatten()[:0],
    }
    if kind == "gone":
        del tensors[name]
    elif kind == "more":
        tensors["more"] = old.clone()
    else:
        tensors[name] = changed[kind].contiguous()
    save_file(tensors, path)
    return f"{name}: {kind}{_without_hashes(rng, path.parent)}"


def _without_hashes(rng: random.Random, folder: Path) -> str:
    """Make the hashes of a manifest those of the files as they are now, mostly."""
    import hashlib

    path = folder / "manifest.json"
    if rng.random() < 0.1 or not path.is_file():
        return ""
    content = json.loads(path.read_text())
    for unit in content.get("units", {}).values():
        file = folder / str(unit.get("file", ""))
        if "sha256" in unit and file.is_file():
            unit["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    path.write_text(json.dumps(content))
    return ", with its hash"

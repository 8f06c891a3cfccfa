"""Command lines with what they read, good but for one to three mutations drawn from a seed."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hostile
import torch
import yaml
from safetensors.torch import load_file, save_file

SCENARIOS = Path(__file__).parents[2] / "scenarios"
VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"
HOLE = "HOLE"

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

    def __str__(self) -> str:
        changes = "; ".join(own if len(own) < 200 else own[:200] + "..." for own in self.changes)
        words = (word if len(word) < 100 else word[:100] + "..." for word in self.arguments)
        return f"seed {self.seed}: {self.command} {' '.join(words)}\n  changed: {changes}"


def draw(seed: int, place: Path, policies: Path, *, changed: bool = True) -> Input:
    """Return a command line and write what it reads.

    :param seed: of all that is drawn
    :param place: an empty folder
    :param policies: of the learner, good ones
    :param changed: whether there are mutations
    """
    rng = random.Random(seed)
    commands = ["validate", "run", "evaluate", "train", "batch"]
    command = rng.choices(commands, [5, 5, 3, 1, 2])[0]
    cases = {"evaluate": ["learner"], "train": ["learner"], "batch": ["storage"]}
    case = rng.choice(cases.get(command, [*CASES]))
    found, folder = Input(seed, place, command), place / "scenario"
    hostile.lay_traps(place)
    name = _write_scenario(folder, case)
    shutil.copytree(policies, place / "policies")
    if command == "batch":
        (place / "study.yaml").write_text(STUDY)
        found.arguments += [str(place / "study.yaml"), "--dry-run", "--out", str(found.out)]
    elif command == "validate":
        found.arguments += [str(folder), "--case", name]
    else:
        found.arguments += [str(folder), "--case", name, "--out", str(found.out), "--quiet"]
        if case == "learner" and command != "train":
            found.arguments += ["--policies", str(place / "policies")]
    kinds: list[Callable[[random.Random, Input, Path], str]] = [_table, _table, _config, _setting]
    kinds += [_option] if command != "batch" else [_study, _study]
    kinds += [_policy] if command == "evaluate" else []
    for _ in range(rng.choice([1, 1, 1, 2, 3]) if changed else 0):
        found.changes.append(rng.choice(kinds)(rng, found, folder))
    return found


def _write_scenario(folder: Path, case: str) -> str:
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


# --- tables --------------------------------------------------------------------------------------


def _table(rng: random.Random, _: Input, folder: Path) -> str:
    """Change a table, or put something else in its place."""
    tables = [own for own in sorted(folder.glob("*.csv")) if own.is_file()]
    if not tables:
        return "nothing: there is no table"
    path = rng.choice(tables)
    rows = [line.split(",") for line in path.read_text(errors="replace").splitlines()]
    if not rows or rng.random() < 0.15:
        return f"{path.name}: {_another_file(rng, path)}"
    row, column = rng.randrange(len(rows)), rng.randrange(len(rows[0]))
    kind = rng.choice(["cell"] * 9 + ["row", "column", "twice", "twin", "short", "order", "none"])
    match kind:
        case "cell":
            column = min(column, len(rows[row]) - 1)
            rows[row][column] = _cell(rng, rows[row][column])
            what = f"row {row}, column {column} is {rows[row][column]!r}"
        case "row":
            what = f"without row {row}: {rows.pop(row)}"
        case "twice":
            rows.insert(row, rows[row])
            what = f"row {row} twice"
        case "column":
            rows = [own[:column] + own[column + 1 :] for own in rows]
            what = f"without column {column}"
        case "twin":
            rows = [[*own, *own[column : column + 1]] for own in rows]
            what = f"column {column} twice"
        case "short":
            rows[row] = rows[row][:column]
            what = f"row {row} ends before column {column}"
        case "order":
            rng.shuffle(rows)
            what = "rows in any order"
        case _:
            rows = rows[:1]
            what = "no rows"
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    return f"{path.name}: {what}"


def _cell(rng: random.Random, old: str) -> str:
    """Return other text for a cell: anything, or as often a number that may stand there."""
    try:
        number = float(old)
    except ValueError:
        return rng.choice(hostile.CELLS)
    return rng.choice([*hostile.CELLS, *(f"{number * f:g}" for f in (0, 0.1, 0.9, 1.5, 1e6) * 5)])


def _another_file(rng: random.Random, path: Path) -> str:
    """Put something else where a file is; return what."""
    text = path.read_bytes()
    kind = rng.choice(["gone", "folder", "loop", "pipe", "cut", "bytes", "semicolons", "utf-16"])
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "pipe":
            path.symlink_to(path.parents[1] / "pipe")
        case "cut":
            path.write_bytes(text[: rng.randrange(len(text) + 1)])
        case "bytes":
            path.write_bytes(rng.randbytes(300))
        case "semicolons":
            path.write_bytes(text.replace(b",", b";"))
        case "utf-16":
            path.write_bytes(text.decode(errors="replace").encode("utf-16"))
    return kind


# --- configuration, studies, settings ------------------------------------------------------------


def _config(rng: random.Random, given: Input, folder: Path) -> str:
    """Change a value of `config.yaml`."""
    return _yaml_file(rng, folder / "config.yaml", training=given.command == "train")


def _study(rng: random.Random, given: Input, _: Path) -> str:
    """Change a value of the study file."""
    return _yaml_file(rng, given.place / "study.yaml")


def _yaml_file(rng: random.Random, path: Path, *, training: bool = False) -> str:
    """Change a value of a YAML file, its key, or the file as it is."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    places = [own for own in _places(content) if not (training and ENDLESS & {*map(str, own)})]
    if not places or rng.random() < 0.05:
        return f"{path.name}: {_another_file(rng, path) if path.is_file() else 'as it was'}"
    place = rng.choice(places)
    value = _value(rng, content, place)
    *above, last = place
    parent = content
    for part in above:
        parent = parent[part]
    kind = rng.choice(["value"] * 6 + ["gone", "unknown", "list", "section"])
    match kind:
        case "gone":
            del parent[last]
        case "unknown" if isinstance(parent, dict):
            parent[f"{last}s"] = parent[last]
        case "list":
            parent[last] = [parent[last]]
        case "section":
            parent[last] = {"a": parent[last]}
        case _:
            kind, parent[last] = "value", HOLE
    path.write_text(yaml.safe_dump(content, sort_keys=False).replace(HOLE, value, 1))
    shown = f"{value!r}" if kind == "value" else kind
    return f"{path.name}, {'.'.join(map(str, place))}: {shown}"


def _value(rng: random.Random, content: Any, place: tuple[Any, ...]) -> str:
    """Return YAML for another value at a place: anything, or as often a number like it."""
    old = content
    for part in place:
        old = old[part]
    if isinstance(old, bool) or not isinstance(old, int | float) or rng.random() < 0.5:
        return rng.choice(hostile.YAML)
    return f"{old * rng.choice([0, 0.5, 2, 3, 10])}"


def _places(node: Any) -> list[tuple[Any, ...]]:
    """Return the places of all values in nested mappings and lists."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if _is_list(node) else ()
    return [(key, *below) for key, own in pairs for below in ((), *_places(own))]


def _is_list(node: Any) -> bool:
    return isinstance(node, list)


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
    where = hostile.path(rng, given.place)
    options = [("--case", rng.choice(["", "nobody", hostile.LONG])), ("--strict", None)]
    if given.command != "validate":
        options += [
            ("--seed", rng.choice(hostile.NUMBERS)),
            ("--engine", rng.choice(["agents", "batch", "auto", "", "both"])),
            ("--tables", rng.choice(["", "nothing", "kpis", "kpis,kpis", ",", "runs,"])),
            ("--db", rng.choice([*URLS, f"sqlite:///{where}"])),
            ("--out", where),
            ("--csv", where),
            ("--policies", where),
        ]
    if given.command == "train":
        options += [
            ("--seeds", rng.choice([*hostile.NUMBERS[:-1], "2"])),
            ("--track", "nobody"),
            ("--resume", None),
            ("--rollout-workers", rng.choice(["0", "-1", "x"])),
        ]
        options = [own for own in options if own[0] != "--tables"]
    name, value = rng.choice(options)
    given.arguments += [name] if value is None else [name, value]
    return f"{name} {value!r}"


def _policy(rng: random.Random, given: Input, _: Path) -> str:
    """Change a file of the policies."""
    folder = given.place / "policies"
    files = sorted(own for own in folder.iterdir() if own.is_file())
    if not files:
        return "nothing: there are no policies"
    path = rng.choice([own for own in files if own.suffix in (".json", ".safetensors")] or files)
    if rng.random() < 0.2:
        return f"{path.name}: {_another_file(rng, path)}"
    return _manifest(rng, path) if path.suffix == ".json" else _weights(rng, path)


def _manifest(rng: random.Random, path: Path) -> str:
    """Change a value of a manifest."""
    content = json.loads(path.read_text())
    *above, last = rng.choice(_places(content))
    parent = content
    for part in above:
        parent = parent[part]
    parent[last] = rng.choice(hostile.JSON)
    path.write_text(json.dumps(content))
    return f"{path.name}, {'.'.join(map(str, [*above, last]))}: {parent[last]!r}"


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
    return f"{path.name}, {name}: {kind}{_without_hashes(rng, path.parent)}"


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

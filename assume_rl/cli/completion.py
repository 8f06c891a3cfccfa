"""What shells complete arguments with: folders that hold what a command reads, and known names.

Nothing heavy is loaded for it, and few folders are looked into, so that a key press is answered at
once.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

from assume_rl.cli import folder_contents as contents
from assume_rl.cli.folder_contents import CONFIG
from assume_rl.results.files import DATABASE, MANIFEST, POLICIES
from assume_rl.studies.records import STUDY

RULES = ("complex_clearing", "pay_as_bid", "pay_as_clear")
"""Keys of `core.clearing.RULES`, which are loaded with all that they need."""
CO2 = "fuel_prices.co2="
TABLES = ("availability.", "demand.", "fuel_prices.", CO2, "units.")
"""Beginnings of keys that change tables."""
SECTIONS = ("learning_config.", "markets_config.", "policies.")
"""Sections of a study case whose keys are completed one by one."""
GAMES = (
    *("E1", "E1-3", "E2", "E3", "E4", "E5", "E6-2", "E6-3", "E6-5", "E7-8", "E7-32"),
    *("E8-2", "E8-3", "E8-5", "E9", "E11"),
)
"""Keys of `testing.games.GAMES`."""
RESULT_TABLES = (
    *("grid_flows", "kpis", "marginal_costs", "market_dispatch", "market_meta", "market_orders"),
    *("rl_params", "start_costs", "unit_dispatch"),
)
"""Tables that `results.tables.row_tables` returns."""

Completer = Callable[[str], list[str]]


def folders_with(*files: str) -> Completer:
    """Return a completer of folders, one or two levels below, that hold one of some files."""

    def complete(incomplete: str) -> list[str]:
        return sorted(set(_folders(incomplete, files)))

    return complete


def _folders(incomplete: str, files: tuple[str, ...]) -> Iterator[str]:
    """Yield folders whose path begins with what was typed."""
    given, _, start = incomplete.rpartition("/")
    root = f"{given}/" if given or incomplete.startswith("/") else ""
    for name in files:
        for pattern in (f"*/{name}", f"*/*/{name}"):
            for found in Path(root or ".").glob(pattern):
                folder = found.parent.relative_to(Path(root or ".")).as_posix()
                if folder.startswith(start) and not folder.startswith("."):
                    yield root + folder


scenario_folders = folders_with(CONFIG)
results_folders = folders_with(MANIFEST, STUDY)
study_folders = folders_with(STUDY)


def policy_folders(incomplete: str) -> list[str]:
    """Return folders that hold policies: those of a set, and of trainings."""
    return [
        folder
        for folder in folders_with(MANIFEST)(incomplete)
        if Path(folder, POLICIES).is_dir() or not Path(folder, DATABASE).exists()
    ]


def _typed(context: typer.Context, argument: str) -> Iterator[Path]:
    """Yield folders among the words that were typed before, of which one is the argument."""
    # A last option that has no value yet ends parsing: words before it are left in `args` then.
    yield from map(Path, filter(None, (context.params.get(argument), *context.args)))


def study_cases(context: typer.Context, incomplete: str) -> list[str]:
    """Return the study cases of the scenario folder that was typed before."""
    names = [name for word in _typed(context, "scenario") for name in contents.cases(word)]
    return [name for name in names if name.startswith(incomplete)]


def of_study(column: str) -> Callable[[typer.Context, str], list[str]]:
    """Return a completer of what the database of the study folder typed before has in a column.

    :param column: `table.column`
    """

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        found = (
            name for word in _typed(context, "place") for name in contents.recorded(word, column)
        )
        return one_of(found)(incomplete)

    return complete


def one_of(names: Iterable[str]) -> Completer:
    """Return a completer of names."""

    def complete(incomplete: str) -> list[str]:
        return sorted(name for name in names if name.startswith(incomplete))

    return complete


def some_of(names: Iterable[str]) -> Completer:
    """Return a completer of names, the last of several that commas part."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in one_of(names)(last)]

    return complete


def algorithms(incomplete: str) -> list[str]:
    """Return names of algorithms, the last of several that commas part."""
    from assume_rl.learning.config import SETTINGS

    return some_of(SETTINGS)(incomplete)


def parts(context: typer.Context, incomplete: str) -> list[str]:
    """Return names of the sort of parts that was typed before."""
    sort = getattr(context.params.get("sort"), "value", None)
    known = {"algorithm": algorithms, "rule": one_of(RULES)}
    return known[sort](incomplete) if sort in known and "," not in incomplete else []


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """Return keys of settings: of learning, and of markets and units of the folder typed before.

    Of a single section its keys are returned: shells put a blank after what is the only word.
    """
    found = _settings(context, incomplete)
    while len(found) == 1 and found[0].endswith("."):
        inside = _settings(context, found[0])
        if inside in ([], found):
            break
        found = inside
    return found


def _settings(context: typer.Context, incomplete: str) -> list[str]:
    from assume_rl.learning.config import learning_keys

    if "." not in incomplete:
        return one_of((*TABLES, *SECTIONS))(incomplete)
    keys = [f"learning_config.{key}=" for key in learning_keys()]
    for folder in _typed(context, "scenario"):
        keys += [f"markets_config.{key}" for key in contents.markets(folder)]
        keys += _of_units(contents.units(folder), incomplete)
    return one_of(dict.fromkeys((*keys, CO2)))(incomplete)


def _of_units(units: Iterable[contents.Unit], incomplete: str) -> Iterator[str]:
    """Yield keys that change units, their series or their policies; columns of a named one only."""
    for unit in units:
        own = f"units.{unit.name}."
        inside = incomplete.startswith(own)
        yield from (f"{own}{column}=" for column in unit.columns) if inside else (own,)
        for series in ("availability", "demand") if unit.is_demand else ("availability",):
            yield from (f"{series}.{unit.name}{end}" for end in ("=", ".scale="))
        yield f"policies.{unit.name}="

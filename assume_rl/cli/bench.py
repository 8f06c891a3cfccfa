"""`assume-rl bench`: which algorithm learns best in a given time, which finds equilibria, and more.

Cross-play compares policies that are there already.
"""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from assume_rl.cli import checked, completion
from assume_rl.cli.app import app
from assume_rl.cli.options import Case, Page, Plugins, Quiet, Seed, Set, TrainingsOfEach, Workers
from assume_rl.errors import ResultsError, check_parts

if TYPE_CHECKING:
    from assume_rl.cli.pace import Pace
    from assume_rl.studies.bench.cells import Measured

SCENARIOS = (
    "scenarios/single_learner:base",
    "scenarios/ten_learners:tiny",
    "scenarios/ten_learners:one_learns",
    "scenarios/summer_week:storage_learns",
    "scenarios/single_learner:ladder",
)

bench = typer.Typer(help="Compare algorithms, and policies among each other.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command()
def algorithms(
    scenarios: Annotated[
        str,
        typer.Option(
            "--scenarios", metavar="NAMES", help="FOLDER or FOLDER:CASE, separated by commas."
        ),
    ] = ",".join(SCENARIOS),
    names: Annotated[
        str | None,
        typer.Option(
            "--algorithms",
            metavar="NAMES",
            help="Names, separated by commas; by default all that a case can have.",
            autocompletion=completion.algorithms,
        ),
    ] = None,
    plugins: Plugins = None,
    seeds: TrainingsOfEach = 5,
    budget: Annotated[
        float,
        typer.Option(
            "--budget", min=0.1, metavar="SECONDS", help="Processor time of a training, s."
        ),
    ] = 60.0,
    overrides: Set = None,
    workers: Workers = 1,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder: a file per training, bench.json, bench.md."
        ),
    ] = Path("bench"),
    page: Page = None,
    quiet: Quiet = False,
) -> None:
    """Train with every algorithm for the same processor time; the same command does the rest.

    Processors should have nothing else to do: what others take of caches and clock counts too.
    """
    from assume_rl.learning.config import SETTINGS

    cases = checked.listed("--scenarios", scenarios)
    own = [checked.scenario(Path(f), c or None) for f, _, c in (x.partition(":") for x in cases)]
    chosen = None if names is None else checked.listed("--algorithms", names)
    if not (plugins or any(isinstance(one, dict) and "plugins" in one for one in own)):
        check_parts("algorithm", chosen or (), SETTINGS)

    from assume_rl.cli.assignments import settings
    from assume_rl.cli.bench_page import markdown, placed, put
    from assume_rl.cli.pace import Heartbeat, Pace
    from assume_rl.evaluation.perfect_foresight import check_solver
    from assume_rl.learning.algorithms import ALGORITHMS
    from assume_rl.results.files import replace_text
    from assume_rl.studies.bench.cells import grid
    from assume_rl.studies.bench.run import measure_rest, measured, trainable
    from assume_rl.studies.bench.summary import summary

    check_solver()  # all that can be mended is said before hours have passed
    loaded = _plugins(plugins or (), cases)
    changes = settings(overrides or [])
    check_parts("algorithm", chosen or (), ALGORITHMS)
    every = list(ALGORITHMS) if chosen is None else chosen
    cells = trainable(grid(cases, every, seeds, budget, changes), skip=chosen is None)
    if page is not None:
        placed(page, "")
    console = Console(quiet=quiet, highlight=False, soft_wrap=True)
    found = measured(cells, out / "cells")
    _announce(console, len(cells), len(found), budget)
    pace = Pace(len(cells), len(found))
    try:
        with Heartbeat(console, lambda: _now(pace, "trainings")) as heart:
            for one in measure_rest(cells, out / "cells", workers, loaded):
                pace.come_to(pace.done + 1)
                heart.print(_line(one))
    except KeyboardInterrupt:
        text = "interrupted; what is finished is kept, the same command does the rest"
        Console(stderr=True, soft_wrap=True).print(text)
        raise typer.Exit(130) from None
    content = summary(measured(cells, out / "cells"), budget, changes)
    text = json.dumps(content, indent=2) + "\n"
    replace_text(out / "bench.json", text)
    replace_text(out / "bench.md", markdown(content))
    if page is not None:
        replace_text(page.with_suffix(".json"), text)
        put(page, markdown(content))
    console.print(markdown(content), markup=False)


@bench.command()
def games(
    names: Annotated[
        str | None,
        typer.Option(
            "--games",
            metavar="NAMES",
            help="Names, separated by commas; all by default.",
            autocompletion=completion.some_of(completion.GAMES),
        ),
    ] = None,
    names_of_algorithms: Annotated[
        str,
        typer.Option(
            "--algorithms",
            metavar="NAMES",
            help="Names, separated by commas.",
            autocompletion=completion.algorithms,
        ),
    ] = "mirror_descent",
    plugins: Plugins = None,
    seeds: TrainingsOfEach = 10,
    page: Page = None,
    quiet: Quiet = False,
) -> None:
    """Play games whose answer is known, and say how near to an equilibrium policies come."""
    from assume_rl.learning.config import SETTINGS

    chosen = None if names is None else checked.listed("--games", names)
    check_parts("game", chosen or (), completion.GAMES)
    algorithms = checked.listed("--algorithms", names_of_algorithms)
    if not plugins:
        check_parts("algorithm", algorithms, SETTINGS)

    from assume_rl.cli.bench_page import placed, put
    from assume_rl.cli.games_page import games_table
    from assume_rl.cli.pace import Heartbeat, Pace
    from assume_rl.learning.algorithms import ALGORITHMS, able
    from assume_rl.results.files import replace_text
    from assume_rl.scenario.plugins import load_plugins
    from assume_rl.studies.bench import games as playing
    from assume_rl.testing.games import GAMES

    load_plugins(plugins or ())
    check_parts("algorithm", algorithms, ALGORITHMS)
    for name in algorithms:
        playing.check_playable(name)
    if page is not None:
        placed(page, "")
    console = Console(quiet=quiet, highlight=False, soft_wrap=True)
    rows = _measured(page)
    pace = Pace(len(chosen or GAMES) * len(algorithms))
    with Heartbeat(console, lambda: _now(pace, "games and algorithms")) as heart:
        for name, own in product(chosen or GAMES, algorithms):
            rows = [row for row in rows if (row["game"], row["algorithm"]) != (name, own)]
            rows += playing.measure(name, own, own in able("ladder"), seeds)
            near = f"{rows[-1]['within_1']:.0%} ({rows[-1]['policy']})"
            heart.print(f"{name} {own}: {near} within 1 % of the price")
            pace.come_to(pace.done + 1)
            rows.sort(key=lambda row: list(GAMES).index(row["game"]))
            content = playing.summary(rows)
            if page is not None:  # after each, so that an interruption leaves what is finished
                replace_text(page.with_suffix(".json"), json.dumps(content, indent=2) + "\n")
                put(page, games_table(content))
    console.print(games_table(playing.summary(rows)), markup=False)


@bench.command()
def crossplay(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Policy folders, or output folders of trainings, whose last policies are meant.",
            autocompletion=completion.policy_folders,
            callback=checked.sets_of_policies,
        ),
    ],
    scenario: Annotated[
        Path,
        typer.Option(
            "--scenario",
            metavar="SCENARIO",
            help="Scenario folder to play in.",
            autocompletion=completion.scenario_folders,
        ),
    ],
    case: Case = None,
    overrides: Set = None,
    plugins: Plugins = None,
    seed: Seed = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder: crossplay.json, crossplay.md.")
    ] = Path("bench"),
    quiet: Quiet = False,
) -> None:
    """Let every unit act by each set of policies among rivals that act by each other set."""
    checked.scenario(scenario, case)

    from assume_rl.cli.console import load
    from assume_rl.cli.crossplay_page import crossplay_tables
    from assume_rl.cli.pace import Heartbeat, Pace
    from assume_rl.episodes.draws import draw_seed
    from assume_rl.experiments.case import single_thread
    from assume_rl.results.files import replace_text
    from assume_rl.studies.bench import crossplay as crossing

    loaded = load(scenario, case, overrides, False, plugins=plugins)
    sets = crossing.names_of(folders)
    _make(out)
    console = Console(quiet=quiet, highlight=False, soft_wrap=True)
    drawn, found, pace = draw_seed(loaded, seed), [], Pace(len(sets) ** 2)
    try:
        with single_thread(), Heartbeat(console, lambda: _now(pace, "pairings")) as heart:
            for pair in crossing.pairings(loaded, sets, drawn):
                found.append(pair)
                pace.come_to(len(found))
                heart.print(f"{pair.own} among {pair.rivals}: {pair.profit:,.0f} EUR")
    except KeyboardInterrupt:
        Console(stderr=True, soft_wrap=True).print("interrupted; nothing was written")
        raise typer.Exit(130) from None
    content = crossing.summary(loaded, sets, drawn, found)
    replace_text(out / "crossplay.json", json.dumps(content, indent=2) + "\n")
    replace_text(out / "crossplay.md", crossplay_tables(content))
    console.print(crossplay_tables(content), markup=False)


def _make(folder: Path) -> None:
    """Make a folder if need be; `ResultsError` if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"'{folder}' cannot be written: {error.strerror}") from None


def _plugins(given: Sequence[str], scenarios: Sequence[str]) -> list[str]:
    """Load plug-ins, those that study cases name too; return their names."""
    from assume_rl.scenario.plugins import load_plugins
    from assume_rl.studies.bench.cells import study_case

    named = (study_case(scenario).plugins for scenario in scenarios)
    return list(dict.fromkeys(one.name for own in (load_plugins(given), *named) for one in own))


def _announce(console: Console, cells: int, done: int, budget: float) -> None:
    seconds = (cells - done) * budget
    time = f"{seconds:,.3g} seconds" if seconds < 60 else f"{seconds / 60:,.3g} minutes"
    before = f", {done} of them already done" if done else ""
    console.print(f"trainings: {cells}{before}; {time} of processor time, and their evaluations")


def _line(one: "Measured") -> str:
    """Return what a training came to."""
    cell = one.cell
    return (
        f"{cell.scenario} {cell.algorithm} seed {cell.seed}: reward {one.reward:.4g} after "
        f"{one.episodes} episodes in {one.seconds:.3g} s"
    )


def _now(pace: "Pace", things: str) -> str:
    """Return a line on the current work."""
    from assume_rl.cli.pace import left_text

    return f"{pace.done:.0f} of {pace.total:.0f} {things} are done, {left_text(pace)}"


def _measured(page: Path | None) -> list[dict[str, Any]]:
    """Return the rows of games that a page has, which those measured now replace; [] without."""
    from assume_rl.testing.games import GAMES

    content = None if page is None else page.with_suffix(".json")
    if content is None or not content.is_file():
        return []
    found = json.loads(content.read_text(encoding="utf-8"))["rows"]
    return [row for row in found if row["game"] in GAMES]

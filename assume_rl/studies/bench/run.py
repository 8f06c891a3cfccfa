"""Measures all cells of a benchmark that are not measured yet, several at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from assume_rl.errors import AssumeRlError, ConfigurationError, SettingError
from assume_rl.experiments.train_task import training_task
from assume_rl.scenario.plugins import load_plugins
from assume_rl.studies.bench.cells import Cell, Measured, read, write
from assume_rl.studies.bench.measure import measure

ALGORITHM = "learning_config.algorithm"


def trainable(cells: Sequence[Cell], *, skip: bool) -> list[Cell]:
    """Return the cells whose algorithm can be trained in their study case.

    :param cells: of the whole benchmark
    :param skip: whether those are left out in whose study case the algorithm cannot act or learn
    :raises ConfigurationError: an algorithm cannot, and is not left out
    """
    different = {_kind(cell): cell for cell in cells}
    refused = {kind for kind, cell in different.items() if _is_refused(cell, skip=skip)}
    return [cell for cell in cells if _kind(cell) not in refused]


def _kind(cell: Cell) -> tuple[str, str]:
    """Return a key that all seeds of a cell have in common."""
    return cell.scenario, cell.algorithm


def _is_refused(cell: Cell, *, skip: bool) -> bool:
    """Return whether a study case refuses an algorithm, whatever the other settings.

    :raises ConfigurationError: it does and `skip` is false, or other settings are wrong
    """
    with _located(", ".join(_kind(cell))):
        try:
            training_task(cell.trial(), None, "cpu", "auto")
        except ConfigurationError as error:
            reason = error.__context__  # as it was before its message named the file
            if skip and isinstance(reason, SettingError) and reason.key == ALGORITHM:
                return True
            raise
    return False


def measured(cells: Sequence[Cell], folder: Path) -> list[Measured]:
    """Return earlier measurements; see `cells.read`."""
    found = (read(folder, cell) for cell in cells)
    return [one for one in found if one is not None]


def measure_rest(
    cells: Sequence[Cell], folder: Path, jobs: int, plugins: Sequence[str] = ()
) -> Iterator[Measured]:
    """Measure the cells that `folder` does not keep yet; each is kept before it is yielded.

    :param cells: of the whole benchmark
    :param folder: of the files, made if need be
    :param jobs: processes at most, of one thread each
    :param plugins: what these load: files and entry points
    :raises AssumeRlError: a cell cannot be measured
    """
    folder.mkdir(parents=True, exist_ok=True)
    rest = [cell for cell in cells if read(folder, cell) is None]
    measure_one = partial(_measure, folder=folder)
    yield from (
        map(measure_one, rest) if jobs == 1 else _side_by_side(measure_one, rest, jobs, plugins)
    )


def _side_by_side(
    measure_one: Callable[[Cell], Measured],
    cells: Sequence[Cell],
    jobs: int,
    plugins: Sequence[str],
) -> Iterator[Measured]:
    """Yield measurements of several processes, in the order in which cells end."""
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start, initargs=(plugins,)
    ) as pool:
        try:
            for future in as_completed([pool.submit(measure_one, cell) for cell in cells]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start(plugins: Sequence[str]) -> None:
    """Make a process ready for cells."""
    torch.set_num_threads(1)
    load_plugins(plugins)


def _measure(cell: Cell, folder: Path) -> Measured:
    """Measure a cell and keep it; of a further seed for as many episodes as one before."""
    with _located(f"{cell.scenario}, {cell.algorithm}, seed {cell.seed}"):
        earlier = (read(folder, replace(cell, seed=seed)) for seed in range(1, cell.seed))
        found = measure(cell, next((one.episodes for one in earlier if one is not None), None))
    write(folder, found)
    return found


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Put the place before the message of an error."""
    try:
        yield
    except AssumeRlError as error:
        raise ConfigurationError(f"{where}: {error}") from None

"""What there is to report on at a place; nothing is read of it yet.

Nothing heavy is loaded for it, so that a wrong place is answered at once.
"""

from pathlib import Path

from assume_rl.errors import ResultsError
from assume_rl.results.files import MANIFEST
from assume_rl.studies.place import instead_of, listed
from assume_rl.studies.records import DATABASE, STUDY, read_record


def is_database(place: Path | str) -> bool:
    """Return whether a place is a study database: a URL, or a file that is no run's."""
    folder = Path(place)
    return "://" in str(place) or (folder.is_file() and not (folder.parent / MANIFEST).is_file())


def experiments_of(folder: Path) -> list[Path] | None:
    """Return the output folders that a folder is or holds: one experiment, seeds, steps of a run.

    None of a study.

    :raises ResultsError: it is neither, or there is no such folder
    """
    if not folder.is_dir():
        raise ResultsError(_no_folder(folder))
    if (folder / STUDY).is_file() or (folder / DATABASE).is_file():
        return None
    if (folder / MANIFEST).is_file():
        return [folder]
    inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    record = read_record(folder)
    if record is not None and inside:
        steps = [folder / step["name"] for step in record.steps]
        return [step for step in steps if step in inside]
    seeds = [path for path in inside if path.name.startswith("seed_")]
    if seeds:
        return sorted(seeds, key=lambda path: (len(path.name), path.name))
    raise ResultsError(
        f"'{folder}' is neither a run (it has no {MANIFEST}) nor a study (no {STUDY})"
        f"{listed(folder)}"
    )


def _no_folder(folder: Path) -> str:
    if folder.is_file():
        return f"'{folder}' is a file of a run: name its folder '{folder.parent}'"
    return f"there is no folder '{folder}'{instead_of(folder)}"

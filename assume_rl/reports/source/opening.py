"""Finds out what a place is: an output folder, a study folder, the URL of a study database."""

from pathlib import Path

from assume_rl.errors import ResultsError
from assume_rl.reports.source.run_source import run_source
from assume_rl.reports.source.source import Source
from assume_rl.reports.source.study_source import database_source, folder_source
from assume_rl.results.files import MANIFEST
from assume_rl.studies.place import instead_of, listed
from assume_rl.studies.recorded_plugins import load_recorded, recorded_plugins, stored_plugins
from assume_rl.studies.records import STUDY, read_record
from assume_rl.studies.storing import DATABASE


def open_source(place: Path | str) -> Source:
    """Return what there is to report on at `place`.

    A folder is that of one experiment, of the seeds of a training (`train --seeds`), of a study or
    of one of its runs; a study database may also be named by its URL or its file.

    :raises ResultsError: it is none of these, or what is there cannot be read.
    """
    if "://" in str(place):
        return _database_source(str(place))
    folder = Path(place)
    if folder.is_file() and not (folder.parent / MANIFEST).is_file():
        return _database_source(f"sqlite:///{folder}")
    if not folder.is_dir():
        raise ResultsError(_no_folder(folder))
    notes = load_recorded(recorded_plugins(folder))  # their unit kinds have tables of their own
    return _folder_source(folder).noting(*notes)


def _database_source(url: str) -> Source:
    notes = load_recorded(stored_plugins(url))
    return database_source(url).noting(*notes)


def _folder_source(folder: Path) -> Source:
    if (folder / STUDY).is_file() or (folder / DATABASE).is_file():
        return folder_source(folder)
    if (folder / MANIFEST).is_file():
        return run_source(folder, [folder])
    inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    seeds = [path for path in inside if path.name.startswith("seed_")]
    record = read_record(folder)
    if record is not None and inside:
        steps = [folder / step["name"] for step in record.steps]
        return run_source(folder, [step for step in steps if step in inside])
    if seeds:
        return run_source(folder, sorted(seeds, key=lambda p: (len(p.name), p.name)))
    raise ResultsError(
        f"'{folder}' is neither a run (it has no {MANIFEST}) nor a study (no {STUDY})"
        f"{listed(folder)}"
    )


def _no_folder(folder: Path) -> str:
    if folder.is_file():
        return f"'{folder}' is a file of a run: name its folder '{folder.parent}'"
    return f"there is no folder '{folder}'{instead_of(folder)}"

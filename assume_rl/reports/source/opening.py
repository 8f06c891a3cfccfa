"""Opens a place as a source: an output folder, a study folder, the URL of a study database."""

from pathlib import Path

from assume_rl.reports.source.place import experiments_of, is_database
from assume_rl.reports.source.run_source import run_source
from assume_rl.reports.source.source import Source
from assume_rl.reports.source.study_source import database_source, folder_source
from assume_rl.studies.recorded_plugins import load_recorded, recorded_plugins, stored_plugins


def open_source(place: Path | str) -> Source:
    """Return what there is to report on at `place`.

    A folder is that of one experiment, of the seeds of a training (`train --seeds`), of a study or
    of one of its runs; a study database may also be named by its URL or its file.

    :raises ResultsError: it is none of these, or what is there cannot be read.
    """
    if is_database(place):
        return _database_source(str(place) if "://" in str(place) else f"sqlite:///{place}")
    folder = Path(place)
    experiments = experiments_of(folder)
    notes = load_recorded(recorded_plugins(folder))  # their unit kinds have tables of their own
    found = folder_source(folder) if experiments is None else run_source(folder, experiments)
    return found.noting(*notes)


def _database_source(url: str) -> Source:
    notes = load_recorded(stored_plugins(url))
    return database_source(url).noting(*notes)

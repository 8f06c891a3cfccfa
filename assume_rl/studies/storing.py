"""Puts the results in run folders into the study database."""

from collections.abc import Iterable
from pathlib import Path

from assume_rl.errors import ResultsError
from assume_rl.results.gather import gather
from assume_rl.results.study_database import RunTakenError, StudyDatabase
from assume_rl.studies.attempts import sentence
from assume_rl.studies.records import STORED, run_folder


def is_stored(study_folder: Path, run_id: str) -> bool:
    """Return whether the results of the run are in the study database."""
    return (run_folder(study_folder, run_id) / STORED).exists()


def store(study_folder: Path, run_ids: Iterable[str], url: str, patience: float) -> str | None:
    """Store runs that have ended, one transaction each; why not all of them, if not all.

    Those that are not stored are so at a later start: folders hold everything.

    :param patience: seconds to wait for a database that is away.
    """
    reason = None
    try:
        with StudyDatabase(url, patience=patience) as database:
            for run_id in run_ids:
                folder = run_folder(study_folder, run_id)
                try:
                    gathered = gather(folder)
                except ResultsError as error:  # of this run only
                    reason = str(error)
                    continue
                try:
                    database.collect(gathered)
                except RunTakenError as error:  # likewise
                    reason = str(error)
                    continue
                (folder / STORED).touch()
    except (ResultsError, OSError) as error:
        return sentence(error)
    return reason


def unstored(
    study_folder: Path, ended: Iterable[tuple[str, str]], url: str, patience: float
) -> list[str]:
    """Return the ids of runs that the database lacks or knows in another state.

    :param ended: ids and states, finished or failed.
    :raises ResultsError: the database cannot be read.
    """
    with StudyDatabase(url, patience=patience) as database:
        known = database.known()
    return [
        run_id
        for run_id, state in ended
        if known.get(run_id) != state or not is_stored(study_folder, run_id)
    ]

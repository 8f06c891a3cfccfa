"""Where a study's database is, and which of its runs were asked for last."""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from assume_rl.errors import ResultsError
from assume_rl.results.files import MANIFEST
from assume_rl.results.secrets import is_whole, shown_place, shown_url
from assume_rl.studies.records import DATABASE, STUDY
from assume_rl.studies.types import Study

LISTED = 10
"""Runs and studies that a message names."""


@dataclass(frozen=True)
class Asked:
    """One run that a study is to have."""

    id: str
    design: str
    seed: int


@dataclass(frozen=True)
class Place:
    """A study's results."""

    database: str  # SQLAlchemy URL
    asked: tuple[Asked, ...] | None = None  # in the study's order; None: not known


def database_url(study: Study) -> str:
    """Return the SQLAlchemy URL of the study database."""
    return study.database or f"sqlite:///{study.folder / DATABASE}"


def recorded_database(study: Study) -> str | None:
    """Return the study's database as `study.json` names it: a URL without a password.

    None is the one in the study folder, wherever that is moved. An SQLite file is named by its
    whole path, since later commands may start somewhere else.
    """
    url = make_url(database_url(study))
    if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("file:"):
        file = Path(url.database or "").resolve()
        if file == (study.folder / DATABASE).resolve():
            return None
        url = url.set(database=str(file))
    return shown_url(url)


def results_below(folder: Path) -> list[Path]:
    """Return the runs and studies one or two levels below a folder, the latest first.

    Runs in the folder of a study belong to it and are left out; the seeds of a training are one.
    """
    files = [
        path
        for name in (STUDY, DATABASE, MANIFEST)
        for pattern in (f"*/{name}", f"*/*/{name}", f"*/*/seed_*/{name}")
        for path in folder.glob(pattern)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    ages: dict[Path, float] = {}
    for path in files:
        seed = path.parent.name.startswith("seed_") and path.parent.parent != folder
        place = path.parent.parent if seed else path.parent
        ages[place] = max(ages.get(place, 0.0), path.stat().st_mtime)
    found = sorted(ages, key=lambda place: (-ages[place], str(place)))
    return [place for place in found if place.parent not in ages]


def is_study(folder: Path) -> bool:
    """Return whether a folder holds a study."""
    return any((folder / name).is_file() for name in (STUDY, DATABASE))


def listed(folder: Path, of: Callable[[Path], bool] = Path.is_dir) -> str:
    """Return the end of a sentence that names the runs and studies below a folder, if any.

    :param folder: that they are below
    :param of: those to name, such as `is_study`
    """
    found = [f"'{path}'" for path in results_below(folder) if of(path)]
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return f"; there are {', '.join(found[:LISTED])}{more}" if found else ""


def instead_of(folder: Path, of: Callable[[Path], bool] = Path.is_dir) -> str:
    """Return the end of a sentence on a folder that is not there: the nearest one, or all.

    :param folder: that is not there
    :param of: those to name, such as `is_study`
    """
    found = results_below(folder.parent) if folder.parent.is_dir() else []
    names = [str(path) for path in found if of(path)]
    close = difflib.get_close_matches(str(folder), names, n=1)
    return f"; did you mean '{close[0]}'?" if close else listed(folder.parent, of)


def find_study(place: str) -> Place:
    """Return a study folder, an SQLite file or a SQLAlchemy URL as a `Place`.

    A study database may also hold runs of earlier forms of the study; the folder knows which ones
    are meant now, a URL does not.

    :raises ResultsError: there is no study.
    """
    if "://" in place:
        return Place(place)
    folder = Path(place)
    if (folder / STUDY).is_file():
        return _asked_for(folder)
    if (folder / DATABASE).is_file():
        return Place(_usual(folder))
    if folder.is_dir():
        others = listed(folder, is_study) or listed(Path(), is_study)
        raise ResultsError(
            f"'{folder}' holds no study: it has neither {STUDY} nor {DATABASE}{others}"
        )
    if folder.is_file():
        return Place(f"sqlite:///{folder.resolve()}")
    raise ResultsError(
        f"there is no study folder '{shown_place(place)}'{instead_of(folder, is_study)}"
    )


def _asked_for(folder: Path) -> Place:
    path = folder / STUDY
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        asked = tuple(Asked(run["id"], run["design"], int(run["seed"])) for run in content["runs"])
        database = _usual(folder) if content["database"] is None else content["database"]
        url = make_url(database)
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, ArgumentError):
        raise ResultsError(f"'{path}' is damaged; running the study writes it again") from None
    if not is_whole(url):
        raise ResultsError(
            f"'{path}' does not hold the password of {database}; name the URL instead of the folder"
        )
    return Place(database, asked)


def _usual(folder: Path) -> str:
    return f"sqlite:///{folder.resolve() / DATABASE}"

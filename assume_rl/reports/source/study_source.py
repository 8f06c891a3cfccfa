"""A study as a source: its database and, if there is one, its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.reports.source.source import CURVE_COLUMNS, METRIC_COLUMNS, Source
from assume_rl.reports.source.study_rows import (
    open_study,
    shown_runs,
    stored_curves,
    stored_runs,
    unstored_run,
)
from assume_rl.reports.types import RunInfo
from assume_rl.results.secrets import shown_place
from assume_rl.results.study_reading import read
from assume_rl.studies.place import Asked, find_study


def database_source(url: str) -> Source:
    """Return a study database, all of its runs.

    :raises ResultsError: there is no such database, or it holds no study or no run.
    """
    open_study(url)
    name, runs = stored_runs(url)
    if not runs:
        shown = shown_place(url)
        raise ResultsError(f"the study database {shown} holds no runs yet")
    return _source(name, None, url, runs, ())


def folder_source(folder: Path) -> Source:
    """Return a study folder: the runs that it asks for, whether they are stored or not.

    :raises ResultsError: what is in it is damaged, or its database cannot be read.
    """
    place = find_study(str(folder))
    stored = _stored(place.database)
    if place.asked is None:
        return _source(folder.name, folder, place.database, stored, ())
    known = {run.run_id: run for run in stored}
    kept = [known[asked.id] for asked in place.asked if asked.id in known]
    rest = [unstored_run(folder, asked) for asked in place.asked if asked.id not in known]
    source = _source(folder.name, folder, place.database, kept, rest, place.asked)
    return source.noting(*_notes(len(kept), len(rest), len(stored)))


def _stored(url: str) -> Sequence[RunInfo]:
    """Return the runs in a database; none if it is a file that is not there yet."""
    parts = sa.make_url(url)
    if parts.get_backend_name() == "sqlite" and not Path(parts.database or "").is_file():
        return ()
    open_study(url)
    return stored_runs(url)[1]


def _source(
    name: str,
    home: Path | None,
    url: str,
    stored: Sequence[RunInfo],
    rest: Sequence[RunInfo],
    asked: tuple[Asked, ...] | None = None,
) -> Source:
    """Return a study of which the runs `rest` are not in the database."""
    curves, metrics = (pd.DataFrame(columns=list(c)) for c in (CURVE_COLUMNS, METRIC_COLUMNS))
    source = Source(f"Study {name}", home, (*stored, *rest), (), (), curves, metrics, url, asked)
    if not stored:
        return source
    engine = open_study(url)
    curves, every = stored_curves(engine, stored)
    return replace(
        source,
        notes=tuple(_remarks(stored, every)),
        recorded=tuple(shown_runs(engine, stored)),
        curves=curves,
        metrics=read(url, "metrics", [run.run_id for run in stored]),
    )


def _remarks(runs: Sequence[RunInfo], every: int) -> Iterator[str]:
    failed = sum(run.state == "failed" for run in runs)
    if failed:
        yield f"{failed} of {len(runs)} stored runs failed: see the table of runs."
    if every > 1:
        yield f"Of training, only one episode in {every} is drawn: there are many."


def _notes(kept: int, rest: int, stored: int) -> Iterator[str]:
    if rest:
        yield (
            f"{rest} of {kept + rest} runs are not in the study database yet (waiting, running or "
            "not stored): figures leave them out."
        )
    if stored > kept:
        yield (
            f"The study database holds {stored - kept} runs that the study does not ask for any "
            "more: they are left out."
        )

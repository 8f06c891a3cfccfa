"""Where a study writes: its folder, its database, and what `study.json` says of it."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest
from sqlalchemy import make_url
from toy_studies import cell, plain, study_of, tables

from assume_rl.errors import ResultsError
from assume_rl.results.study_database import tidy
from assume_rl.studies import driver
from assume_rl.studies.driver import run_study
from assume_rl.studies.place import find_study, recorded_database
from assume_rl.studies.types import Study

pytestmark = pytest.mark.unchecked


def rules(folder: Path, database: str | None = None) -> Study:
    """A study of one run, a tenth of a second."""
    return study_of(folder, cell("rules", [1], plain()), database)


def recorded(study: Study) -> object:
    return json.loads((study.folder / "study.json").read_text())["database"]


def test_the_database_in_the_folder_moves_with_it(tmp_path: Path) -> None:
    study = rules(tmp_path)
    run_study(study)
    assert recorded(study) is None
    moved = study.folder.rename(tmp_path / "moved")
    assert len(tidy(find_study(str(moved)).database)) == 1


def test_a_database_elsewhere_is_found_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a URL that is relative to where the study was started
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    study = rules(tmp_path, "sqlite:///study.db")
    assert run_study(study).complete
    # WHEN its folder is read from another place
    monkeypatch.chdir(tmp_path)
    url = find_study("study").database
    # THEN that database is meant, and not one in the folder
    assert url == recorded(study) == f"sqlite:///{tmp_path}/elsewhere/study.db"
    assert len(tidy(url)) == 1
    assert not (study.folder / "study.db").exists()


def test_how_a_database_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = rules(Path(), "sqlite:///study/../study/study.db")
    assert recorded_database(own) is None
    uri = "sqlite:///file:all.db?mode=rwc&uri=true"
    assert make_url(str(recorded_database(rules(tmp_path, uri)))) == make_url(uri)
    server = rules(tmp_path, "postgresql+psycopg://me:secret@host/name")
    assert recorded_database(server) == "postgresql+psycopg://me:***@host/name"


def test_a_run_that_another_study_has_stored_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    assert run_study(rules(tmp_path / "a", url)).complete
    monkeypatch.setattr(driver, "LAST_PATIENCE", 0.1)
    before = tables(tmp_path / "all.db")
    second = replace(rules(tmp_path / "b", url), name="second")
    for _ in range(2):  # starting it again changes nothing
        result = run_study(second)
        assert (result.complete, result.status.counts) == (False, {"finished": 1})
        assert result.not_stored == (
            f"run {second.runs[0].id} is in this database already, of study 'toys'; "
            "give each study a database of its own"
        )
    assert tables(tmp_path / "all.db") == before

    assert run_study(replace(second, database=None)).complete
    assert tidy(find_study(str(second.folder)).database)["study"].tolist() == ["second"]


def test_a_study_that_is_renamed_renames_its_runs(tmp_path: Path) -> None:
    study = rules(tmp_path)
    run_study(study)
    assert run_study(replace(study, name="renamed")).complete
    assert tidy(find_study(str(study.folder)).database)["study"].tolist() == ["renamed"]


def test_missing_folders_above_are_made(tmp_path: Path) -> None:
    study = replace(rules(tmp_path), folder=tmp_path / "not" / "yet" / "there")
    assert run_study(study).complete
    assert (study.folder / "study.db").is_file()


@pytest.mark.parametrize("where", ["pathlib.Path.mkdir", "filelock.FileLock.acquire"])
def test_a_place_that_may_only_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(*_: object, **__: object) -> Never:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    study = rules(tmp_path)
    monkeypatch.setattr(where, refuse)
    with pytest.raises(ResultsError) as caught:
        run_study(study)
    assert str(caught.value) == (
        f"study folder '{study.folder}' cannot be written: Read-only file system"
    )


def test_a_run_that_another_study_has_stored_stops_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    run_study(rules(tmp_path / "a", url))
    more = study_of(tmp_path / "b", cell("rules", [1, 2, 3], plain()), url)
    result = run_study(replace(more, name="second"))
    assert "of study 'toys'" in str(result.not_stored)
    assert [row.stored for row in result.status.rows] == [False, True, True]
    # also where all are stored late, one after the other
    (tmp_path / "all.db").unlink()
    run_study(rules(tmp_path / "a", url))
    result = run_study(replace(more, name="second"))
    assert [row.stored for row in result.status.rows] == [False, True, True]
    assert tidy(url)["study"].tolist() == ["second", "second", "toys"]

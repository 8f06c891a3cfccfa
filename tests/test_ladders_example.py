"""The example study of ladders trains with all that learns values of rungs."""

from dataclasses import replace
from pathlib import Path

import pytest

from assume_rl.learning.algorithms import able
from assume_rl.learning.config import SETTINGS, RungValuesConfig
from assume_rl.results.study_database import read
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study

pytestmark = pytest.mark.unchecked

EXAMPLE = Path(__file__).parents[1] / "examples" / "ladders"
BY_VALUE = {name for name in able("ladder") if issubclass(SETTINGS[name], RungValuesConfig)}


@pytest.mark.slow
def test_all_that_learn_values_are_trained_and_their_values_kept(tmp_path: Path) -> None:
    study = read_study(EXAMPLE / "study.yaml")
    database = run_study(replace(study, folder=tmp_path / "ladders")).database
    runs = read(database, "runs").set_index("run_id")
    assert set(runs["state"]) == {"finished"}
    found = read(database, "rl_grad_params")
    count = found.groupby(found["run_id"].map(runs["design"]))["value"].count()
    assert len(count) == len(study.runs)
    assert count.gt(0).all()
    assert {name.partition(",")[0] for name in count.index} == BY_VALUE

"""The example study of algorithms trains with each of them, and keeps what they measure."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from assume_rl.learning.algorithms import able
from assume_rl.results.study_database import read
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study
from assume_rl.studies.schema import StudyFile

pytestmark = pytest.mark.unchecked

EXAMPLE = Path(__file__).parents[1] / "examples" / "algorithms"
MEASURED = {
    "critic_loss": {"matd3", "itd3", "maddpg", "iddpg", "masac", "isac"},
    "temperature": {"masac", "isac"},
    "value_loss": {"mappo", "ippo", "a2c"},
    "kl": {"mappo", "ippo", "a2c"},
    "entropy": {"masac", "isac", "mappo", "ippo", "a2c", "vpg", "reinforce"},
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the updates of all runs measured, with the algorithm of each run."""
    folder: Path = tmp_path_factory.mktemp("study") / "algorithms"
    study = read_study(EXAMPLE / "study.yaml")
    database = run_study(replace(study, folder=folder)).database
    runs = read(database, "runs").set_index("run_id")
    assert set(runs["state"]) == {"finished"}
    found = read(database, "rl_grad_params")
    return found.assign(algorithm=found["run_id"].map(runs["design"]).str.rpartition("=")[2])


@pytest.mark.slow
def test_every_algorithm_is_trained_and_its_metrics_kept(rows: pd.DataFrame) -> None:
    assert set(rows["algorithm"]) == set(able("box"))
    assert rows.groupby("algorithm")["actor_loss"].count().gt(0).all()
    for metric, expected in MEASURED.items():
        count = rows.groupby("algorithm")[metric].count()
        assert set(count[count > 0].index) == expected, metric


def test_the_study_of_the_readme_is_one() -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    study = StudyFile.model_validate(yaml.safe_load(block))
    assert {str(design.set.get("learning_config.algorithm", "matd3")) for design in study.list} == {
        "matd3", "masac", "mappo"
    }  # fmt: skip

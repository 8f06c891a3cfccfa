"""Two processes that share the rows of batches learn what one learns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from together import SMALL, trained
from toys import CPU, fleet

from assume_rl.errors import ConfigurationError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.processes import ALONE, Processes

SETTINGS = [
    {"algorithm": "matd3", "policy_delay": 2},
    {"algorithm": "matd3", "sampling": "prioritised", "n_step": 2, "normalise": ["values"]},
    {"algorithm": "masac", "critic": "shared"},
    {"algorithm": "dqn", "double": "random_roles", "sampling": "prioritised"},
]


@pytest.mark.slow
@pytest.mark.unchecked
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    script, file = Path(__file__).with_name("together.py"), tmp_path / "found.pt"
    given = [str(file), json.dumps(SETTINGS)]
    running = [
        subprocess.Popen([sys.executable, str(script), str(rank), "2", *given]) for rank in range(2)
    ]
    assert [one.wait(timeout=300) for one in running] == [0, 0]

    for settings, theirs in zip(SETTINGS, torch.load(file), strict=True):
        ours = trained(settings, ALONE)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(
                theirs[name], value, rtol=1e-8, atol=1e-10, equal_nan=True, msg=name
            )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"algorithm": "mappo"}, "mappo learns from all waiting transitions at once"),
        ({"batch_size": 9}, "batch_size: is 9, of which 2 processes have no equal shares"),
        ({"cuda_graphs": True}, "cuda_graphs: is for one process"),
    ],
)
def test_what_cannot_be_shared_is_refused(settings: dict[str, object], why: str) -> None:
    config = LearningConfig.from_mapping(SMALL | settings)
    with pytest.raises(ConfigurationError, match=why):
        Learner(config, fleet((3, 1, 1)), seeds=(1,), device=CPU, processes=Processes(0, 2))

"""The examples run, and do what they say."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unchecked

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("episodes", "least"), [(6, 0.0), pytest.param(20, 0.85, marks=pytest.mark.slow)]
)
def test_the_learning_role_alone_learns_in_somebody_elses_simulation(
    episodes: int, least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    example = load("learning_role_alone")
    example.CONFIG["training_episodes"] = episodes  # of 30
    share = asyncio.run(example.main())
    assert least < share <= 1.0
    assert "EUR a day" in capsys.readouterr().out

"""Rollout workers on a real Ray cluster of two processes on this machine."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libraries import needs
from test_resume import Impatient, assert_same_results
from trained_runs import SCENARIOS, tiny

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.collection import ray as on_ray
from assume_rl.experiments.collection.ray import RayPool, ray_workers
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.ray_cluster import ray_cluster
from assume_rl.experiments.train import TrainResult, train
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = [
    pytest.mark.unchecked,
    needs("ray", reason="needs the extra 'ray'"),
    pytest.mark.slow,
    # Ray leaves files open and calls what Python is about to drop.
    pytest.mark.filterwarnings("ignore"),
]
SETTINGS = {
    "training_episodes": 6,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 3,
    "train_freq": "6h",
    "num_envs": 2,
    "replay_buffer_size": 60,
}


def case(**settings: Any) -> Scenario:
    overrides = {f"learning_config.{k}": v for k, v in (SETTINGS | settings).items()}
    return tiny("single_learner", **overrides)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One cluster for all tests, which trainings find and leave running."""
    with ray_cluster(2, None, needed_by="this test"):
        yield


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[RayPool]:
    """The pools that trainings open."""
    found: list[RayPool] = []

    class Noted(RayPool):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            found.append(self)

    monkeypatch.setattr(on_ray, "RayPool", Noted)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainResult]:
    """Trainings that one process plays."""
    found: dict[str, TrainResult] = {}

    def of(**settings: Any) -> TrainResult:
        key = repr(settings)
        if key not in found:
            found[key] = train(case(**settings), out=tmp_path_factory.mktemp("whole") / "out")
        return found[key]

    return of


class Murderer(Silent):
    """Kills a worker while an episode is played, and another one while the next is."""

    def __init__(self, pools: list[RayPool]) -> None:
        self.pools, self.killed = pools, 0

    def advance(self, share: float) -> None:
        if 0.3 < share < 1 and self.killed < 2:
            _, process = self.pools[0].places[self.killed]
            self.killed += 1
            os.kill(process, signal.SIGKILL)


class Brake(Silent):
    """Holds a worker for a while."""

    def __init__(self, pools: list[RayPool]) -> None:
        self.pools, self.held = pools, False

    def advance(self, share: float) -> None:
        if not self.held and share > 0.3:
            self.held = True
            _, process = self.pools[0].places[1]
            os.kill(process, signal.SIGSTOP)
            threading.Timer(3.0, os.kill, (process, signal.SIGCONT)).start()


@pytest.mark.parametrize("bound", [0, 2])
@pytest.mark.parametrize("observer", [None, Murderer, Brake])
def test_results_are_those_of_one_process(
    observer: type[Any] | None,
    bound: int,
    whole: Callable[..., TrainResult],
    pools: list[RayPool],
    tmp_path: Path,
) -> None:
    watching: Observer | None = observer(pools) if observer else None
    settings = {"max_staleness": bound} if bound else {}
    result = train(case(**settings), rollout_workers=2, observer=watching, out=tmp_path / "out")
    assert_same_results(result.folder, whole(**settings).folder)
    lines = [json.loads(x) for x in (result.folder / "metrics.jsonl").read_text().splitlines()]
    stale = [line["staleness"] for line in lines if not line["evaluation"]]
    assert max(stale) == bound
    versions = [line["policy_version"] for line in lines if not line["evaluation"]]
    assert versions == sorted(versions)


@pytest.mark.parametrize("observer", [None, Murderer])
def test_workers_play_on_the_message_shell_too(
    observer: type[Any] | None, pools: list[RayPool], tmp_path: Path
) -> None:
    overrides = {f"learning_config.{k}": v for k, v in SETTINGS.items()}
    overrides |= {"learning_config.max_staleness": 2, "end_date": "2019-03-05 00:00"}
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=overrides)
    alone = train(scenario, engine="agents", out=tmp_path / "alone")
    watching: Observer | None = observer(pools) if observer else None
    result = train(
        scenario, engine="agents", rollout_workers=2, observer=watching, out=tmp_path / "out"
    )
    assert alone.engine == result.engine == "agents"
    assert_same_results(result.folder, alone.folder)
    assert observer is None or watching.killed == 2


@pytest.mark.parametrize("bound", [0, 2])
def test_interrupted_and_resumed_with_other_workers(
    bound: int, whole: Callable[..., TrainResult], pools: list[RayPool], tmp_path: Path
) -> None:
    settings, out = ({"max_staleness": bound} if bound else {}), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(case(**settings), rollout_workers=2, observer=Impatient(3, middle=True), out=out)
    for _, process in pools[0].places:
        assert_ends(process)
    result = train(case(**settings), rollout_workers=1, resume=True, out=out)
    assert_same_results(result.folder, whole(**settings).folder)


def assert_ends(process: int) -> None:
    for _ in range(300):
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"process {process} still runs")


def test_a_cluster_that_is_too_small_is_one_sentence() -> None:
    sentence = "3 rollout workers take a processor each, but the cluster has 2"
    with pytest.raises(ConfigurationError, match=sentence), ray_workers(3, None):
        pass


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # the one of the other tests
    with (
        pytest.raises(ConfigurationError, match=r"Ray at '127\.0\.0\.1:1'"),
        ray_workers(1, "127.0.0.1:1"),
    ):
        pass


def test_what_a_worker_raises_is_raised_here(
    pools: list[RayPool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(on_ray, "version", lambda _: "0.0.1")
    with pytest.raises(
        ConfigurationError, match=r"the rollout worker on .* has assume-rl .*0\.0\.1"
    ):
        train(case(), rollout_workers=1, out=tmp_path / "out")

"""The executor on a real Ray cluster of two workers on this machine."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from libraries import Later, needs
from toy_studies import cell, evaluation, plain, study_of, study_tables, training

from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.results.study_database import tidy
from assume_rl.studies.driver import run_study
from assume_rl.studies.executors import open_executor
from assume_rl.studies.executors.protocol import Executor
from assume_rl.studies.executors.ray import AHEAD
from assume_rl.studies.jobs import Job, Outcome, Report

ray: Any = Later("ray")

pytestmark = [
    pytest.mark.unchecked,
    needs("ray", reason="needs the extra 'ray'"),
    pytest.mark.slow,
    # Ray leaves files open and calls what Python is about to drop.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with open_executor("ray", 2, None) as executor:
        assert signal.getsignal(signal.SIGTERM) is on_sigterm
        # Workers cannot import tests.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield executor
    assert not ray.is_initialized()


def jobs(count: int) -> list[Job]:
    return [Job("toys", (run,)) for run in cell("toy", range(count), plain())]


def answer(job: Job) -> Report:
    return Report(job, tuple(Outcome(run, "finished") for run in job.runs))


def seeds(reports: list[Report]) -> list[int]:
    return sorted(run.seed for report in reports for run in report.job.runs)


def test_every_job_is_done_and_few_are_in_flight(cluster: Executor) -> None:
    taken: list[Job] = []
    done: list[Report] = []

    def announced() -> Iterator[Job]:
        for job in jobs(12):
            taken.append(job)
            yield job

    assert cluster.workers == 2
    for report in cluster.run(announced(), answer):
        done.append(report)
        assert len(taken) - len(done) <= AHEAD * 2
    assert seeds(done) == list(range(12))


@pytest.mark.slow
def test_a_job_whose_worker_is_killed_is_done_by_another(cluster: Executor, tmp_path: Path) -> None:
    def die(folder: Path, job: Job) -> Report:
        """Seed 1 kills its first worker, seed 2 all of them."""
        seed = job.runs[0].seed
        before = len(list(folder.glob(f"{seed}_*")))
        (folder / f"{seed}_{before}").touch()
        if before < {1: 1, 2: 99}.get(seed, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer(job)

    reports = list(cluster.run(jobs(4), partial(die, tmp_path)))
    assert seeds(reports) == [0, 1, 2, 3]
    (lost,) = (report for report in reports if report.died)
    assert seeds([lost]) == [2]
    assert str(lost.died).startswith("the worker process died")
    assert [len(list(tmp_path.glob(f"{seed}_*"))) for seed in range(4)] == [1, 2, 3, 1]


def test_what_work_raises_is_raised_here(cluster: Executor) -> None:
    def fail(job: Job) -> Report:
        raise PolicyError("no such policy")

    with pytest.raises(PolicyError, match=r"^no such policy$"):
        list(cluster.run(jobs(3), fail))


def test_workers_stop_when_the_iterator_is_closed(cluster: Executor, tmp_path: Path) -> None:
    def wait_long(folder: Path, job: Job) -> Report:
        if job.runs[0].seed == 0:
            return answer(job)
        try:
            (folder / "at work").touch()
            for _ in range(6_000):
                time.sleep(0.01)
        except KeyboardInterrupt:
            (folder / "interrupted").touch()
            raise
        return answer(job)

    reports = cluster.run(jobs(2), partial(wait_long, tmp_path))
    next(reports)
    while not (tmp_path / "at work").exists():
        time.sleep(0.05)
    reports.close()
    assert (tmp_path / "interrupted").exists()


def test_a_study_is_the_same_as_without_ray(cluster: Executor, tmp_path: Path) -> None:
    runs = [*cell("base", (1, 2), training(), evaluation()), *cell("rules", (1,), plain())]
    alone, study = study_of(tmp_path / "alone", runs), study_of(tmp_path / "ray", runs)
    assert run_study(alone).complete
    result = run_study(study, executor="ray")
    assert result.complete
    assert study_tables(study) == study_tables(alone)
    wide = [tidy(f"sqlite:///{s.folder / 'study.db'}").to_csv() for s in (study, alone)]
    assert wide[0] == wide[1]


def test_a_machine_that_does_not_see_the_study_folder_is_named(
    cluster: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, cell("rules", (1,), plain()))
    monkeypatch.setattr("assume_rl.studies.driver.write_study", lambda _: "token")
    with pytest.raises(ConfigurationError, match="does not see the study folder"):
        run_study(study, executor="ray")


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # the one of the other tests
    with (
        pytest.raises(ConfigurationError, match=r"Ray at '127\.0\.0\.1:1'"),
        open_executor("ray", 1, "127.0.0.1:1"),
    ):
        pass


def test_without_ray_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[ray\]'"),
        open_executor("ray", 1, None),
    ):
        pass

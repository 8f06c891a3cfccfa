"""Which runs are done together."""

import pytest
from toy_studies import cell, evaluation, plain, training

from assume_rl.studies import jobs as jobs_module
from assume_rl.studies.jobs import MOST, jobs_of, stack_size
from assume_rl.studies.types import Run

pytestmark = pytest.mark.unchecked


def seeds(runs: list[Run], workers: int) -> list[list[int]]:
    return [[run.seed for run in job.runs] for job in jobs_of("toys", runs, workers)]


@pytest.mark.parametrize(
    ("trainings", "workers", "size"),
    [(0, 1, 1), (1, 1, 1), (10, 1, 5), (100, 1, MOST), (30, 2, 7), (30, 8, 1), (12, 3, 2)],
)
def test_every_worker_has_two_jobs_at_least(trainings: int, workers: int, size: int) -> None:
    assert stack_size(trainings, workers) == size


def test_seeds_that_train_alike_are_cut_into_equal_parts() -> None:
    runs = cell("toy", range(10), training(), evaluation())
    assert seeds(runs, 1) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert seeds(runs, 2) == [[k, k + 1] for k in range(0, 10, 2)]
    assert seeds(runs, 8) == [[k] for k in range(10)]


def test_cells_are_not_mixed_and_every_run_is_in_one_job() -> None:
    # Equal labels do not matter, equal settings do.
    fast, slow = training(), training(**{"learning_config.gamma": 0.5})
    runs = [*cell("same", (1, 2), fast), *cell("same", (1, 2), slow), *cell("x", (3,), fast)]
    turned = [runs[k] for k in (0, 2, 1, 3, 4)]
    found = list(jobs_of("toys", turned, 1))
    assert [[run.seed for run in job.runs] for job in found] == [[1], [2, 3], [1, 2]]
    assert sorted(run.id for job in found for run in job.runs) == sorted(run.id for run in runs)
    assert all(
        len({run.steps[0].settings.get("learning_config.gamma") for run in job.runs}) == 1
        for job in found
    )


@pytest.mark.parametrize(
    "runs",
    [
        cell("plain", range(4), plain(), training()),  # the first step is no training
        cell("agents", range(4), training(), engine="agents"),
        cell("lost", range(4), training(**{"learning_config.gama": 1})),  # the runs will tell
    ],
)
def test_what_cannot_train_side_by_side_is_single(runs: list[Run]) -> None:
    assert seeds(runs, 1) == [[0], [1], [2], [3]]


def test_a_training_from_an_earlier_one_is_not_the_same_for_all_seeds() -> None:
    again = training("again")
    (run,) = cell("toy", (1,), training(), again)
    assert jobs_module.trains_alike(run, 1)
    from_first = type(again)(**{**vars(again), "policies": "train"})
    (run,) = cell("toy", (1,), training(), from_first)
    assert not jobs_module.trains_alike(run, 1)


def test_jobs_are_made_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Run] = []
    monkeypatch.setattr(jobs_module, "_stackable", lambda run: bool(looked.append(run)))
    runs = [r for k in range(5) for r in cell(f"{k}", (1, 2), training(**{"seed": k}))]
    next(jobs_of("toys", runs, 1))
    assert len(looked) == 1

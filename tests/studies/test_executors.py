"""Executors: every job once, few at a time, whatever happens to workers or to the parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toy_studies import cell, plain

from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.studies.executors import local, open_executor
from assume_rl.studies.executors.local import Local
from assume_rl.studies.executors.protocol import Task, Tasks
from assume_rl.studies.jobs import Job, Outcome, Report

pytestmark = pytest.mark.unchecked

HERE = Path(__file__).parent
QUICK = pytest.mark.usefixtures("quick_workers")  # the others start as users' workers do


def jobs(count: int) -> list[Job]:
    return [Job("toys", (run,)) for run in cell("toy", range(count), plain())]


def answer(job: Job, text: str = "") -> Report:
    return Report(job, tuple(Outcome(run, "finished", text) for run in job.runs))


def seeds(reports: list[Report]) -> list[int]:
    return sorted(run.seed for report in reports for run in report.job.runs)


# --- work for other processes -----------------------------------------------------------------


def name_threads(job: Job) -> Report:
    return answer(job, f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {os.getpid()}")


def die_once(folder: Path, job: Job) -> Report:
    """Seed 1 kills its first worker, seed 2 all of them."""
    seed = job.runs[0].seed
    mark = folder / f"{seed}_{len(list(folder.glob(f'{seed}_*')))}"
    mark.touch()
    if len(list(folder.glob(f"{seed}_*"))) <= {1: 1, 2: 99}.get(seed, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(job)


def fail(job: Job) -> Report:
    raise PolicyError("no such policy")


def wait_long(folder: Path, job: Job) -> Report:
    """Say which process this is and how it ends."""
    mark = folder / str(os.getpid())
    try:
        mark.write_text("at work")
        time.sleep(60)
    except KeyboardInterrupt:
        mark.write_text("interrupted")
        raise
    return answer(job)


# --- what becomes of it -----------------------------------------------------------------------


@QUICK
@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_once_and_few_are_in_flight(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    taken, done = [], []

    def announced() -> Iterator[Job]:
        for job in jobs(7):
            taken.append(job)
            yield job

    with open_executor("local", workers, None) as executor:
        assert executor.workers == workers
        for report in executor.run(announced(), name_threads):
            done.append(report)
            assert len(taken) - len(done) <= workers
    assert seeds(done) == list(range(7))
    texts = [str(report.outcomes[0].error).split() for report in done]
    processes = {text[2] for text in texts}
    assert len(processes) <= workers
    if workers > 1:
        assert str(os.getpid()) not in processes
        assert {tuple(text[:2]) for text in texts} == {("1", "1")}
    assert os.environ["OMP_NUM_THREADS"] == "3"


@QUICK
def test_a_job_whose_worker_is_killed_is_done_by_another(tmp_path: Path) -> None:
    reports = list(Local(2).run(jobs(4), partial(die_once, tmp_path)))
    assert seeds(reports) == [0, 1, 2, 3]
    lost = [report for report in reports if report.died]
    assert seeds(lost) == [2]
    assert lost[0].died == "the worker process died, signal 9"
    assert lost[0].outcomes == ()
    assert [len(list(tmp_path.glob(f"{seed}_*"))) for seed in range(4)] == [1, 2, 3, 1]


def test_a_worker_that_leaves_on_its_own_is_told_apart() -> None:
    ours, theirs = Pipe()
    theirs.close()
    gone = SimpleNamespace(exitcode=7, join=lambda: None)
    worker = local._Worker(gone, ours, Task(jobs(1)[0], deaths=2), up=True)
    (report,) = local._hear(worker, [worker], Tasks([]))
    assert report.died == "the worker process died, exit code 7"


def test_runs_that_lost_their_worker_together_are_tried_alone() -> None:
    tasks, both = Tasks(jobs(1)), Job("toys", tuple(cell("both", (1, 2), plain())))
    assert list(tasks.lost(Task(both), "signal 9")) == []
    first, second, new = tasks.next(), tasks.next(), tasks.next()
    assert [task.job.runs for task in (first, second)] == [(run,) for run in both.runs]
    assert [task.deaths for task in (first, second, new)] == [1, 1, 0]
    assert tasks.next() is None


@QUICK
@pytest.mark.parametrize("workers", [1, 2])
def test_what_work_raises_is_raised_here(workers: int) -> None:
    with (
        open_executor("local", workers, None) as executor,
        pytest.raises(PolicyError, match="no such policy"),
    ):
        list(executor.run(jobs(1), fail))


@QUICK
def test_workers_stop_when_the_iterator_is_closed(tmp_path: Path) -> None:
    reports = Local(2).run(jobs(3), partial(quick_then_long, tmp_path))
    next(reports)
    (mark,) = until(lambda: list(tmp_path.iterdir()))
    reports.close()
    assert mark.read_text() == "interrupted"
    assert not alive(int(mark.name))


def quick_then_long(folder: Path, job: Job) -> Report:
    """Only the first job ends soon."""
    return answer(job) if job.runs[0].seed == 0 else wait_long(folder, job)


@pytest.mark.slow
def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    work = f"list(Local(1).run(jobs(1), partial(wait_long, Path({str(marks)!r}))))"
    parent = subprocess.Popen([sys.executable, script(tmp_path, work, guarded=True)])
    (mark,) = until(lambda: list(marks.iterdir()))
    parent.kill()
    parent.wait()
    until(lambda: not alive(int(mark.name)), seconds=5)
    assert mark.read_text() == "at work"


@pytest.mark.slow
@pytest.mark.parametrize("working", [False, True])
def test_ctrl_c_in_a_terminal_is_quiet_whenever_it_comes(tmp_path: Path, working: bool) -> None:
    # GIVEN a parent that waits for workers, in a process group as a terminal makes them
    marks = tmp_path / "marks"
    marks.mkdir()
    work = f"wait_for_ctrl_c(Path({str(marks)!r}), working={working})"
    path = script(tmp_path, work, guarded=True)
    # WHEN all processes of the group are interrupted while workers start, or work
    done = subprocess.run(
        [sys.executable, path], check=False, capture_output=True, text=True, start_new_session=True
    )
    # THEN the parent alone hears of it, and workers at work write down where they are
    assert (done.stdout, done.stderr, done.returncode) == ("stopped", "", 0)
    assert {mark.read_text() for mark in marks.iterdir()} == ({"interrupted"} if working else set())


def wait_for_ctrl_c(marks: Path, *, working: bool) -> None:
    """Interrupt the own process group, once workers are started or at work."""

    def interrupt() -> None:
        until(lambda: len(multiprocessing.active_children()) == 2)
        time.sleep(0.3)
        if working:
            until(lambda: len(list(marks.iterdir())) == 2)
        os.killpg(0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        list(Local(2).run(jobs(2), partial(wait_long, marks)))
    except KeyboardInterrupt:
        sys.stdout.write("stopped")


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path: Path) -> None:
    path = script(tmp_path, "list(Local(2).run(jobs(1), answer))", guarded=False)
    done = subprocess.run([sys.executable, path], check=False, capture_output=True, text=True)
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (("locl", 1, None), "did you mean 'local'"),
        (("local", 0, None), "at least 1"),
        (("local", 2, "auto"), "--address .* add --executor ray"),
        (("ray", 2, "auto"), "name none"),
    ],
)
def test_a_wrong_choice_is_one_sentence(choice: tuple[str, int, str | None], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence), open_executor(*choice):
        pass


def script(folder: Path, line: str, *, guarded: bool) -> Path:
    """A script of a user's own that executes a line."""
    path = folder / "script.py"
    guard = "if __name__ == '__main__': " if guarded else ""
    names = ", ".join(
        ("Local", "Path", "answer", "jobs", "partial", "wait_for_ctrl_c", "wait_long")
    )
    start = f"import sys; sys.path.insert(0, {str(HERE)!r})\nfrom test_executors import {names}\n"
    path.write_text(f"{start}{guard}{line}\n")
    return path


def until(found: Callable[[], Any], seconds: float = 300) -> Any:
    """What is found as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return result


def alive(process: int) -> bool:
    """Whether a process is there, and not only waiting to be collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False

"""Signs of life: a log hears at least once a minute what goes on, how fast, and for how long."""

import io
import re
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from assume_rl.cli import pace as pacing
from assume_rl.cli.batch_progress import StudyLines
from assume_rl.cli.pace import Heartbeat, Pace
from assume_rl.cli.progress import LineObserver, ProgressObserver
from assume_rl.cli.tune_output import TuningLines
from assume_rl.experiments.observer import EpisodeReport
from assume_rl.studies.jobs import Job, Outcome, Report
from assume_rl.studies.types import Run

pytestmark = pytest.mark.unchecked


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that paces are of."""
    found = Clock()
    monkeypatch.setattr(pacing, "monotonic", found)
    return found


def console() -> Console:
    return Console(file=io.StringIO(), width=60)


def lines(of: Console) -> list[str]:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue().splitlines()


def ended(number: int, *, evaluation: bool = False) -> EpisodeReport:
    return EpisodeReport(number, evaluation, 1.5, 2_000.0, 30.0, 1.0)


def test_a_pace_is_that_of_the_last_minutes(clock: Clock) -> None:
    pace = Pace(100)
    assert (pace.each, pace.left) == (None, None)
    for episode in range(1, 11):  # the first do not learn
        clock.now += 1
        pace.come_to(episode)
    assert (pace.each, pace.left) == (1, 90)
    for episode in range(11, 21):
        clock.now += 300
        pace.come_to(episode)
    assert pace.each == pytest.approx(300)
    clock.now += 900  # nothing for long: slower than it was
    assert pace.each == pytest.approx(600)
    assert pace.elapsed == 3910


def test_a_training_says_episode_pace_and_time_left(clock: Clock) -> None:
    observer = LineObserver(console())
    assert observer.now() == "starting, for 0.0 s so far"
    observer.begin(45, 5)
    clock.now += 90
    assert observer.now() == "episode 6 of 45, for 2 min so far"
    observer.advance(0.5)
    assert observer.now() == "episode 6 of 45, 3 min an episode, for 2 min so far, about 2.0 h left"
    observer.episode(ended(6))
    observer.doing("evaluation 1")
    clock.now += 30
    assert observer.now() == "evaluation 1, for 30 s so far"
    observer.episode(ended(1, evaluation=True))
    assert observer.now().startswith("episode 7 of 45, ")
    observer.doing("best responses of 143 learners", 0.25)
    clock.now += 60
    assert observer.now() == (
        "best responses of 143 learners, 25%, for 1 min so far, about 3 min left"
    )


def test_a_run_says_how_much_of_the_calendar_is_done(clock: Clock) -> None:
    observer = LineObserver(console())
    observer.begin(1)
    clock.now += 120
    observer.advance(0.4)
    assert observer.now() == "40% of the calendar, for 2 min so far, about 3 min left"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    assert true()


def test_a_heart_beats_where_nothing_is_printed_and_not_after_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "SILENCE", 0.01)
    log = console()
    with Heartbeat(log, lambda: "alive"):
        until(lambda: len(lines(log)) > 2)
    count = len(lines(log))
    time.sleep(0.05)
    assert lines(log) == ["alive"] * count


def test_what_is_printed_puts_off_the_next_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SILENCE", 2.0)
    log = console()
    with Heartbeat(log, lambda: "alive") as heart:
        for _ in range(4):
            time.sleep(0.6)
            heart.print("done")
    assert lines(log) == ["done"] * 4


def test_logs_hear_of_a_slow_training_and_of_a_slow_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pacing.SILENCE < 60
    monkeypatch.setattr(pacing, "SILENCE", 0.01)
    log = console()
    with LineObserver(log) as observer:
        observer.begin(45)
        observer.episode(ended(1))
        until(lambda: any("episode 2 of 45" in line for line in lines(log)))
    trials = console()
    with TuningLines(trials) as tuning:
        trial = tuning.started(3, {})
        trial.begin(10)
        until(lambda: "trial 3: episode 1 of 10" in trials.file.getvalue())  # type: ignore[attr-defined]


def test_a_study_says_what_is_at_work(clock: Clock) -> None:
    runs = [Run(f"r{k}", "cap", {}, k, ()) for k in range(3)]
    log = console()
    study = StudyLines(log)
    assert study.now() == "starting"
    study.begin(3, 0)
    for run in runs[:2]:
        study.started(Job("study", (run,)))
    clock.now += 60
    study.ended(Report(Job("study", (runs[0],)), (Outcome(runs[0], "finished", None),)))
    assert lines(log) == ["3 runs, 0 of them finished", "1/3 cap, seed 0: finished"]
    assert study.now() == (
        "1 of 3 runs have ended, at work: cap, seed 1 for 1 min; about 2 min left"
    )


def test_a_bar_says_what_goes_on_beside_episodes() -> None:
    log = Console(file=io.StringIO(), force_terminal=True, width=100)
    with ProgressObserver(log) as observer:
        observer.begin(2)
        observer.advance(0.5)
        observer.doing("best responses of 143 learners", 0.5)
    assert re.search(r"best responses of 143 learners, 50%", log.file.getvalue())  # type: ignore[attr-defined]

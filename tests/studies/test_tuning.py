"""A tuning tries what its seed says, resumes without a trace, and its best can be had again."""

import errno
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from libraries import Later, needs
from sqlalchemy.exc import OperationalError
from study_text import write
from toy_studies import SHORT

from assume_rl.errors import ConfigurationError, PolicyError, ResultsError
from assume_rl.experiments.metric_names import METRICS, bare
from assume_rl.experiments.observer import EpisodeReport, Observer, Silent
from assume_rl.files import write_file
from assume_rl.learning.policies.files import read_file
from assume_rl.results.gather import gather
from assume_rl.results.owner import TakenError, owned
from assume_rl.scenario.plugins import unload_plugins
from assume_rl.scenario.write import as_yaml
from assume_rl.studies import execute
from assume_rl.studies.attempts import is_passing
from assume_rl.studies.comparison import compare
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study
from assume_rl.studies.place import find_study
from assume_rl.studies.records import run_folder
from assume_rl.studies.sections import Law
from assume_rl.studies.tuning import driver
from assume_rl.studies.tuning.best import best_study, write_best, write_trials
from assume_rl.studies.tuning.driver import Unobserved, asked_of, run_tuning
from assume_rl.studies.tuning.file import read_tuning
from assume_rl.studies.tuning.history import History, history_in, open_history
from assume_rl.studies.tuning.pruning import pruned
from assume_rl.studies.tuning.schema import TuneFile
from assume_rl.studies.tuning.types import Trial, Tuning
from assume_rl.studies.types import Run

optuna: Any = Later("optuna")

pytestmark = [pytest.mark.unchecked, needs("optuna", reason="needs the extra 'tune'")]

RATE = "learning_config.learning_rate"
HIDDEN = "learning_config.actor_hidden"
EPISODES = "learning_config.training_episodes"
TOY: dict[str, Any] = {
    "scenarios": {"folder": "scenarios/single_learner", "cases": "tiny"},
    "set": {**SHORT, "learning_config.gradient_steps": 2},
    "space": {RATE: {"log_uniform": [1e-3, 1e-1]}, HIDDEN: {"choice": [[8], [16, 8]]}},
    "objective": {"maximize": "best_reward.reward"},
    "seeds": 2,
    "trials": 2,
}


def tuning(folder: Path, **keys: Any) -> Tuning:
    """A tuning of a day, with results in the folder."""
    found = read_tuning(write(folder, yaml.safe_dump(TOY | keys, sort_keys=False), "toy.yaml"))
    return replace(found, folder=folder / "tuned")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    """A tuning that is done."""
    found = tuning(tmp_path_factory.mktemp("tuned"))
    result = run_tuning(found)
    assert [trial.state for trial in result.trials] == ["complete"] * 2
    assert not result.out_of_time
    assert result.not_stored is None
    return found


def outcomes(trials: Sequence[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


def test_the_best_study_file_gives_the_same_figure(tuned: Tuning, tmp_path: Path) -> None:
    result = run_tuning(tuned)  # there is nothing left to do
    best = result.best
    assert best is not None
    assert best.value == max(trial.value or 0.0 for trial in result.trials)
    assert result.file is not None
    study = replace(read_study(result.file), folder=tmp_path / "again")
    assert run_study(study).complete
    assert len(study.runs) == 2
    values = []
    for run in study.runs:
        assert run_folder(tuned.folder, run.id).is_dir()  # the same run by its hash
        figures = {row[2]: row[3] for row in gather(run_folder(study.folder, run.id)).metrics}
        values.append(figures["best_reward.reward"])
    assert sum(values) / 2 == best.value


def test_trials_are_designs_of_a_study_with_their_values(tuned: Tuning) -> None:
    trials = run_tuning(tuned).trials
    place = find_study(str(tuned.folder))
    found = compare(place.database, "best_reward.reward", asked=place.asked)
    assert [design.design for design in found.designs] == [f"trial {k}" for k in range(2)]
    means = {own.design: fmean(own.runs.values.values()) for own in found.designs}
    assert means == {f"trial {one.number}": pytest.approx(one.value) for one in trials}
    table = (tuned.folder / "trials.csv").read_text().splitlines()
    assert table[0] == f"trial,state,best_reward.reward,seconds,{RATE},{HIDDEN}"
    assert [line.split(",")[:2] for line in table[1:]] == [[str(k), "complete"] for k in range(2)]


class Stopping(Unobserved):
    """Presses Ctrl-C at an evaluation of a trial."""

    def __init__(self, number: int, evaluation: int) -> None:
        self.at = (number, evaluation)

    def started(self, number: int, values: Mapping[str, Any]) -> Observer:
        """Watch the trial."""
        return _Stop(self.at[1]) if number == self.at[0] else Silent()


class _Stop(Silent):
    def __init__(self, evaluation: int) -> None:
        self.evaluation = evaluation

    def episode(self, report: EpisodeReport) -> None:
        """Stop."""
        if report.evaluation and report.episode == self.evaluation:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_tuning_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = run_tuning(tuning(tmp_path / "whole", trials=4))
    stopped = tuning(tmp_path, trials=4)
    with pytest.raises(KeyboardInterrupt):
        run_tuning(stopped, Stopping(2, evaluation=2))
    with open_there(stopped) as history:
        assert [trial.state for trial in history.trials()] == ["complete", "complete", "running"]
    resumed = run_tuning(tuning(tmp_path, trials=4))
    assert outcomes(resumed.trials) == outcomes(whole.trials)
    # The trial went on at its checkpoint, and was not begun again.
    with closing(sqlite3.connect(stopped.folder / "study.db")) as database:
        rows = database.execute("select design, attempts from runs").fetchall()
    assert {(design, attempts) for design, attempts in rows if attempts > 1} == {("trial 2", 2)}


def open_there(own: Tuning) -> Any:
    return open_history(own.folder, own.asked, asked_of(own))


def test_more_trials_go_on_and_another_space_is_refused(tuned: Tuning) -> None:
    folder = tuned.file.parent
    more = run_tuning(tuning(folder, trials=3))
    assert len(more.trials) == 3
    with pytest.raises(ResultsError, match="had another space; name another --out"):
        run_tuning(tuning(folder, space={RATE: {"log_uniform": [1e-3, 1e-2]}}))
    with pytest.raises(ResultsError, match="had another set; name another --out"):
        run_tuning(tuning(folder, set=TOY["set"] | {"learning_config.gamma": 0.5}))


def test_no_trial_is_begun_after_the_timeout(tmp_path: Path) -> None:
    result = run_tuning(tuning(tmp_path, timeout="0s"))
    assert (result.trials, result.best, result.out_of_time) == ((), None, True)


@pytest.mark.slow
def test_a_pruned_trial_is_in_the_database_and_did_not_end(tmp_path: Path) -> None:
    space = {EPISODES: {"choice": [6]}, "learning_config.max_bid_price": {"uniform": [50, 90]}}
    own = tuning(tmp_path, seeds=1, space=space, trials=5)
    pruner = {"name": "median", "startup_trials": 1, "by": "profit"}
    result = run_tuning(
        replace(own, asked=own.asked.model_copy(update={"pruner": pruner_of(pruner)}))
    )
    states = [trial.state for trial in result.trials]
    assert "pruned" in states[1:]
    assert states[0] == "complete"
    one = result.trials[states.index("pruned")]
    assert one.value is None
    assert str(one.reason).startswith("pruned after evaluation ")
    with closing(sqlite3.connect(own.folder / "study.db")) as database:
        query = "select state, error, count(*) from runs join episodes using (run_id)"
        rows = database.execute(f"{query} where design = 'trial {one.number}' and evaluation")
        ((state, error, evaluations),) = rows.fetchall()
    assert (state, error) == ("pruned", one.reason)
    assert evaluations < 5  # of six episodes, the first without an evaluation


def pruner_of(keys: Mapping[str, Any]) -> Any:
    return TuneFile.model_validate(TOY | {"pruner": keys}).pruner


@pytest.mark.slow
def test_a_metric_that_no_run_has_is_named_after_the_first_trial(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"objective: the step 'train' has no metric"):
        run_tuning(tuning(tmp_path, seeds=1, objective={"maximize": "avg_price[EMO]"}))
    mended = tuning(tmp_path, seeds=1, trials=1, objective={"minimize": "avg_price[EOM]"})
    (trial,) = run_tuning(mended).trials
    assert trial.state == "complete"
    with closing(sqlite3.connect(mended.folder / "study.db")) as database:
        assert database.execute("select attempts from runs").fetchall() == [(1,)]


def test_a_second_tuning_is_told_who_is_at_it(tmp_path: Path) -> None:
    own = tuning(tmp_path)
    with owned(own.folder), pytest.raises(TakenError) as taken:
        run_tuning(own)
    assert "is being written by another process" in str(taken.value)
    assert "--status" not in str(taken.value)  # which only batch has


FULL = OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")
PASSING = (ResultsError("the database is away"), MemoryError())


@pytest.mark.parametrize(
    "failure", [FULL, *(pytest.param(own, marks=pytest.mark.slow) for own in PASSING)]
)
def test_a_passing_failure_ends_the_tuning_and_not_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    own = tuning(tmp_path)
    failures = iter([ConfigurationError("does not fit"), failure])

    def fail(runs: Sequence[Run], *_: Any) -> dict[str, Exception]:
        error = next(failures)
        return {run.id: error for run in runs}

    monkeypatch.setattr(execute, "do_steps", fail)
    with pytest.raises(ResultsError, match=r"^trial 1, seed 42: .*; the same command resumes the"):
        run_tuning(own)
    with open_there(own) as history:
        assert [trial.state for trial in history.trials()] == ["failed", "running"]
        begun = history.trials()[1]
    monkeypatch.setattr(execute, "do_steps", lambda *_: {})
    monkeypatch.setattr(driver, "gather", lambda _: Figures([(0, "train", METRIC, 0.5)]))
    trials = run_tuning(own).trials
    assert [trial.state for trial in trials] == ["failed", "complete"]
    assert trials[1].values == begun.values


METRIC = TOY["objective"]["maximize"]


@dataclass(frozen=True)
class Figures:
    """What a run has come to."""

    metrics: list[tuple[int, str, str, float]]


def test_failures_to_write_are_passing_and_those_of_settings_are_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PolicyError) as unwritten:
        write_file(tmp_path / "file" / "policy", b"", PolicyError)
    with pytest.raises(PolicyError) as missing:
        read_file(tmp_path / "nowhere")
    assert is_passing(unwritten.value)
    assert not is_passing(missing.value)
    assert not is_passing(ConfigurationError("gamma: is 2"))
    assert not is_passing(ValueError())


@pytest.mark.slow
def test_settings_that_do_not_go_together_fail_a_trial(tmp_path: Path) -> None:
    # Each end alone is fine: the first evaluation must take place.
    space = {
        EPISODES: {"choice": [9, 2]},
        "learning_config.validation_episodes_interval": {"choice": [1, 3]},
    }
    own = tuning(tmp_path, seeds=1, space=space, sampler="random", trials=6)
    trials = run_tuning(own).trials
    wrong = [one for one in trials if one.values == {**one.values, EPISODES: 2} and one.state]
    failed = [one for one in trials if one.state == "failed"]
    assert failed
    assert all(one in wrong for one in failed)
    assert all("space.learning_config" in str(one.reason) for one in failed)
    assert len((own.folder / "trials.csv").read_text().splitlines()) == 1 + len(trials)
    alike: dict[str, set[str]] = {}
    for one in trials:
        alike.setdefault(str(one.values), set()).add(f"{one.state} {one.value}")
    assert all(len(came) == 1 for came in alike.values())


# --- what is tried, without trainings ----------------------------------------------------------


SPACE: dict[str, Law] = {
    "x": Law(uniform=(-1.0, 1.0)),
    "rate": Law(log_uniform=(1e-4, 1.0)),
    "step": Law(uniform=(0.0, 1.0), step=0.25),
    "whole": Law(integer=(2, 8), step=3),
    "size": Law(log_integer=(1, 256)),
    "layers": Law(choice=([8], [16, 8], None)),
    "flag": Law(choice=(True, False)),
}


TWO = {key: SPACE[key] for key in ("x", "flag")}


def searched(
    storage: Any, count: int, space: Mapping[str, Law] = TWO, **keys: Any
) -> tuple[Trial, ...]:
    """Trials of a made-up objective, (x - 0.5)^2, that is to be low."""
    file = TuneFile.model_validate(TOY | {"objective": {"minimize": "regret"}} | keys)
    file = file.model_copy(update={"space": space})
    history = history_in(storage, Path(), file, {})
    while len(history.trials()) < count:
        one = history.next()
        one.end("complete", 1.0, (one.values["x"] - 0.5) ** 2)
    return history.trials()


def test_values_are_of_their_laws(storage: Any) -> None:
    for one in searched(storage, 40, SPACE):
        values = one.values
        assert -1 <= values["x"] <= 1
        assert 1e-4 <= values["rate"] <= 1
        assert values["step"] in (0.0, 0.25, 0.5, 0.75, 1.0)
        assert values["whole"] in (2, 5, 8)
        assert 1 <= values["size"] <= 256
        assert values["layers"] in ([8], [16, 8], None)
        assert values["flag"] in (True, False)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_equal_seeds_try_the_same(sampler: str) -> None:
    whole, parts, other = (optuna.storages.InMemoryStorage() for _ in range(3))
    trials = searched(whole, 20, sampler=sampler)
    searched(parts, 13, sampler=sampler)
    assert searched(parts, 20, sampler=sampler) == trials
    others = searched(other, 20, sampler={"name": sampler, "seed": 1})
    assert all(one.values != two.values for one, two in zip(trials, others, strict=True))


def test_tpe_looks_where_it_was_good() -> None:
    def late(sampler: str) -> float:
        trials = searched(optuna.storages.InMemoryStorage(), 30, sampler=sampler)
        return sum(one.value or 0.0 for one in trials[-15:]) / 15

    assert late("tpe") < 0.5 * late("random")


def test_what_matters_is_told(storage: Any) -> None:
    searched(storage, 30)
    file = TuneFile.model_validate(TOY | {"objective": {"minimize": "regret"}})
    file = file.model_copy(update={"space": TWO})
    found = history_in(storage, Path(), file, {}).importances()
    assert next(iter(found)) == "x"
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.fixture
def storage() -> Any:
    """Where trials are without a file."""
    return optuna.storages.InMemoryStorage()


def evaluated(history: History, file: TuneFile, figures: Sequence[float]) -> int:
    """How many evaluations of a trial there are before it is pruned, if it is."""
    trial = history.next()
    observer = pruned(trial, file, Silent())
    observer.begin(10)
    for number, figure in enumerate(figures, 1):
        try:
            observer.episode(
                EpisodeReport(number, True, *(3 * [figure]), 1.0, exploitability=figure)
            )
        except KeyboardInterrupt as stop:
            trial.end("pruned", 1.0, reason=str(stop))
            return number
    trial.end("complete", 1.0, figures[-1])
    return len(figures)


@pytest.mark.parametrize(
    ("objective", "better"),
    [
        ({"maximize": "best_reward.reward"}, 1),
        ({"minimize": "reward_gap_to_best_response"}, 1),
        ({"minimize": "regret"}, -1),
        ({"maximize": "regret"}, 1),
        ({"minimize": "best_reward.reward"}, -1),
        ({"minimize": "profit"}, -1),
        ({"minimize": "share_of_best_response"}, -1),
        ({"maximize": "profit_gap_to_best_response"}, -1),
        ({"minimize": "nash_conv"}, -1),
    ],
)
def test_worse_evaluations_prune_whichever_way_is_better(
    storage: Any, objective: dict[str, str], better: int
) -> None:
    pruner = {"name": "median", "startup_trials": 2, "warmup_evaluations": 1}
    file = TuneFile.model_validate(TOY | {"objective": objective, "pruner": pruner})
    history = history_in(storage, Path(), file, {})
    rising = [better * own for own in (1.0, 2.0, 3.0)]
    worse = [better * own for own in (0.0, 0.0, 0.0)]
    assert evaluated(history, file, rising) == 3
    assert evaluated(history, file, worse) == 3  # too few trials to judge
    assert evaluated(history, file, rising) == 3
    assert evaluated(history, file, worse) == 2  # the first evaluation is not judged
    assert [trial.state for trial in history.trials()][-1] == "pruned"


def test_only_the_first_training_is_judged(storage: Any) -> None:
    file = TuneFile.model_validate(TOY | {"pruner": {"name": "median", "startup_trials": 1}})
    history = history_in(storage, Path(), file, {})
    assert evaluated(history, file, [1.0, 1.0]) == 2
    observer = pruned(history.next(), file, Silent())
    for _ in range(2):
        observer.begin(10)
    observer.episode(EpisodeReport(1, True, -9.0, -9.0, -9.0, 1.0))


def test_a_damaged_file_of_trials_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "optuna.db").write_bytes(b"no database" * 200)
    message = r"optuna.db' cannot be used: file is not a database"
    file = TuneFile.model_validate(TOY)
    with pytest.raises(ResultsError, match=message), open_history(tmp_path, file, {}):
        pass


def test_only_errors_of_the_file_of_trials_are_said_to_be_its(tmp_path: Path) -> None:
    file = TuneFile.model_validate(TOY)
    other = OperationalError("select 1", {}, Exception("of another database"))
    with pytest.raises(OperationalError), open_history(tmp_path, file, {}):
        raise other
    with open_history(tmp_path, file, {}) as history:
        with closing(sqlite3.connect(tmp_path / "optuna.db")) as database:
            database.execute("drop table trials")
        with pytest.raises(
            ResultsError, match=r"optuna.db' cannot be used: .*no such table: trials"
        ):
            history.next()


# --- files -------------------------------------------------------------------------------------


def test_metrics_are_those_that_runs_and_the_docs_have(tuned: Tuning) -> None:
    folder = run_folder(tuned.folder, tuned.study(tuned.first).runs[0].id)
    folder = next(run_folder(tuned.folder, "").iterdir()) if not folder.is_dir() else folder
    names = {str(row[2]) for row in gather(folder).metrics}
    assert {bare(name) for name in names} <= set(METRICS)
    page = (Path(__file__).parents[2] / "docs" / "study-database.md").read_text(encoding="utf-8")
    table = page.partition("| name | unit | from |")[2].partition("\n\n")[0]
    documented = {bare(cell) for line in table.splitlines()[2:] for cell in line.split("`")[1::2]}
    assert set(METRICS) - {name for name in documented if name} <= {
        *("learner_profit", "best_response_profit", "best_constant_bid", "best_constant_profit"),
    }


def test_paths_of_the_best_study_file_start_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "more").mkdir()
    steps = [
        {"train": {"name": "first"}},
        {"train": {"name": "second", "policies": "first"}},
        {"evaluate": {"policies": "second", "set": {"policies.learner": "policies"}}},
    ]
    own = tuning(tmp_path)
    content = {**own.content, "steps": steps}
    runs = tuple(
        replace(run, steps=tuple(replace(run.steps[0], name=n) for n in ("first", "second")))
        for run in own.first
    )
    moved = best_study(
        replace(
            own,
            content=content,
            plugins=(str(tmp_path / "rule.py"), "installed", tmp_path / "rule.py"),
            first=runs,
            folder=tmp_path / "more" / "tuned",
        ),
        Trial(0, {"learning_config.trained_policies_load_path": "policies"}, "complete", 1.0),
    )
    assert moved["scenarios"] == {"folder": "../../scenarios/single_learner", "cases": "tiny"}
    assert moved["plugins"] == ["../../rule.py", "installed"]
    assert best_study(own, Trial(0, {}, "complete", 1.0)).get("plugins") is None
    assert moved["set"]["learning_config.trained_policies_load_path"] == "../../policies"
    assert moved["steps"][1] == {"train": {"name": "second", "policies": "first"}}
    assert moved["steps"][2]["evaluate"]["set"] == {"policies.learner": "../../policies"}


def test_the_best_study_file_has_text_that_looks_like_a_number_and_plugins_of_the_command(
    tmp_path: Path,
) -> None:
    plugin = Path(__file__).parents[2] / "examples" / "plugins" / "capped.py"
    designs = {"units.learner.technology": {"choice": ["1e3", "0o17", "089"]}}
    path = write(tmp_path, as_yaml(TOY | {"space": designs}).decode(), "toy.yaml")
    own = replace(read_tuning(path, plugins=[plugin]), folder=tmp_path / "tuned")
    for text in ("1e3", "0o17", "089"):
        values = {"units.learner.technology": text}
        study = read_study(write_best(own, Trial(0, values, "complete", 1.0)))
        (settings,) = {tuple(run.steps[0].settings.items()) for run in study.runs}
        assert dict(settings)["units.learner.technology"] == f'"{text}"'  # quoted: no number
        assert [Path(one.name) for one in study.runs[0].steps[0].plugins] == [plugin]
    unload_plugins()


def test_no_cell_of_the_table_of_trials_is_a_formula(tmp_path: Path) -> None:
    own = tuning(tmp_path)
    own.folder.mkdir()
    write_trials(own, [Trial(0, {"@key": "=1+2", HIDDEN: [8]}, "failed", reason="=1")])
    rows = (own.folder / "trials.csv").read_text().splitlines()
    assert rows == [
        f"trial,state,best_reward.reward,seconds,'@key,{HIDDEN}",
        "0,failed,,0.0,'=1+2,[8]",
    ]


def test_a_file_may_include_others_and_nest_its_space(tmp_path: Path) -> None:
    write(tmp_path, yaml.safe_dump(TOY), "common.yaml")
    nested = {"learning_config": {"tau": {"uniform": [0.1, 0.2]}, "learning_rate": {"choice": [1]}}}
    path = write(tmp_path, yaml.safe_dump({"include": "common.yaml", "space": nested}))
    found = read_tuning(path, {"trials": "7", "learning_config.gamma": "0.5"})
    assert set(found.asked.space) == {RATE, HIDDEN, "learning_config.tau"}
    assert found.asked.space[RATE].choice == (1,)
    assert found.budget.trials == 7
    assert found.content["set"]["learning_config.gamma"] == 0.5


def test_the_budget_counts_every_training(tmp_path: Path) -> None:
    assert tuning(tmp_path).budget.most == 2 * 2 * 2
    space = TOY["space"] | {EPISODES: {"integer": [3, 5]}}
    own = tuning(tmp_path, space=space, steps=["train", {"train": {"name": "more"}}]).budget
    assert (own.episodes, own.most) == ((6, 10), 2 * 2 * 10)


GAMA = {"learning_config.gama": {"uniform": [0, 1]}}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"space": GAMA}, "space.learning_config.gama: unknown key; did you mean 'gamm"),
    "key of the file": ({"trails": 3}, "trails: unknown key; did you mean 'trials'?"),
    "empty": ({"space": {}}, "space: must not be empty"),
    "falling": ({"space": {RATE: {"uniform": [1, 0]}}}, f"space.{RATE}: uniform: 1 is not below 0"),
    "log": ({"space": {RATE: {"log_uniform": [0, 1]}}}, "log_uniform: 0 is not above 0"),
    "twice": ({"space": {RATE: {"choice": [1, 2, 1]}}}, f"space: {RATE} has the value 1 twice"),
    "out of range": (
        {"space": {"learning_config.gamma": {"uniform": [0.5, 2]}}},
        "toy.yaml, space.learning_config.gamma: should be less than or equal to 1, not 2",
    ),
    "no difference": ({"space": {"learning_config.device": {"choice": ["cpu", "auto"]}}}, "same"),
    "metric": ({"objective": {"maximize": "rewrd"}}, "no metric 'rewrd'; did you mean 'reward'?"),
    "metrics": ({"objective": {"minimize": "quietness"}}, "valid: avg_price, best_constant_bid, "),
    "both": (
        {"objective": {"minimize": "reward", "maximize": "profit"}},
        "either maximize or mini",
    ),
    "step": (
        {"objective": {"maximize": "reward", "step": "trian"}},
        "objective.step: there is no step 'trian'; did you mean 'train'?",
    ),
    "no kin": (
        {"objective": {"minimize": "total_cost[EOM]"}, "pruner": "median"},
        "pruner.by: evaluations during a training do not know 'total_cost[EOM]'; name the "
        "figure to compare trials by: reward, profit, regret, exploitability",
    ),
    "nothing to prune": ({"steps": ["run"], "pruner": "median"}, "policies"),
    "timeout": ({"timeout": "5 hoars"}, "timeout: unknown unit 'hoars'"),
    "designs": ({"grid": {RATE: [1]}}, "grid: unknown key"),
    "cases": (
        {"scenarios": "scenarios/single_learner", "cases": ["tiny", "base"]},
        "scenarios: a tuning has one scenario and case, not 2",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_key(tmp_path: Path, mistake: str) -> None:
    keys, sentence = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as raised:
        tuning(tmp_path, **keys)
    assert sentence in str(raised.value)
    assert all(line.startswith("toy.yaml") for line in str(raised.value).splitlines())


def test_a_setting_that_is_searched_cannot_be_set(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(TOY))
    with pytest.raises(ConfigurationError, match="the tune file searches it, in space"):
        read_tuning(path, {RATE: "0.1"})

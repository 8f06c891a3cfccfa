"""The trials of a tuning, kept by Optuna in `optuna.db`; all that is asked of Optuna is here.

Before a trial its sampler is made anew, with a seed of the trial's number: which values come next
depends on the trials before and on nothing else, so that a tuning that was stopped tries the same
as one that was not. The file holds numbers and JSON; nothing in it is executed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from assume_rl import keyed
from assume_rl.errors import ConfigurationError, ResultsError, uninstalled
from assume_rl.studies.sections import Law
from assume_rl.studies.tuning.schema import Pruner, Sampler, TuneFile
from assume_rl.studies.tuning.types import Trial, TrialState

FILE = "optuna.db"
STUDY = "tuning"
ASKED = "asked"
SCENARIO = "scenario"
"""Key of what trials depend on that stands for the data of the scenario."""
SECONDS, REASON = "seconds", "reason"
ENOUGH = 10
"""Complete trials from which something is said of what matters."""


class TrialInProgress:
    """A trial that has begun and not ended.

    :param trial: Optuna's
    :param space: of the tune file
    :param path: of the file of trials, for messages
    """

    def __init__(self, trial: Any, space: Mapping[str, Law], path: Path) -> None:
        self._trial, self._path = trial, path
        self.number: int = trial.number
        self.values = {key: _suggested(trial, key, law) for key, law in space.items()}

    def report(self, evaluation: int, value: float) -> bool:
        """Record the value of an evaluation; return whether the trial should end.

        :param evaluation: its number, from 1 on
        :param value: in the direction of the objective
        """
        with _errors_of(self._path):
            trials = self._trial.study.get_trials(deepcopy=False)
            known = trials[self.number].intermediate_values
            if evaluation not in known:  # a resumed training repeats what came after its checkpoint
                self._trial.report(value, evaluation)
            return bool(self._trial.should_prune())

    def end(
        self, state: TrialState, seconds: float, value: float | None = None, reason: str = ""
    ) -> None:
        """Record how the trial ended.

        :param state: complete, pruned or failed
        :param seconds: that its runs took
        :param value: of the objective; None unless it is complete
        :param reason: of one that failed or was pruned
        """
        states = _library().trial.TrialState
        known = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        with _errors_of(self._path):
            self._trial.set_user_attr(SECONDS, seconds)
            self._trial.set_user_attr(REASON, reason)
            self._trial.study.tell(self.number, value, state=known[state])


class History:
    """All trials so far.

    :param study: Optuna's
    :param file: tune file
    :param path: of the file of trials, for messages
    """

    def __init__(self, study: Any, file: TuneFile, path: Path) -> None:
        self._study = study
        self._file = file
        self._path = path

    def trials(self) -> tuple[Trial, ...]:
        """Return all trials by number."""
        with _errors_of(self._path):
            return tuple(self._read(one) for one in self._study.get_trials(deepcopy=False))

    def next(self) -> TrialInProgress:
        """Return the trial that was interrupted, or else begin a new one."""
        optuna = _library()
        states = (optuna.trial.TrialState.RUNNING,)
        with _errors_of(self._path):
            running = self._study.get_trials(deepcopy=False, states=states)
            number = running[0].number if running else len(self._study.get_trials(deepcopy=False))
            self._study.sampler = _sampler(optuna, self._file.sampler, number)
            if running:
                trial = optuna.trial.Trial(self._study, running[0]._trial_id)
            else:
                trial = self._study.ask()
            return TrialInProgress(trial, self._file.space, self._path)

    def importances(self) -> Mapping[str, float]:
        """Return how much settings matter for being among the best trials: shares, largest first.

        By PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255). Empty where there is but
        one setting, or fewer than `ENOUGH` trials are complete.
        """
        optuna = _library()
        complete = sum(trial.state == "complete" for trial in self.trials())
        if complete < ENOUGH or len(self._file.space) == 1:
            return {}
        try:
            with _errors_of(self._path):
                evaluator = optuna.importance.PedAnovaImportanceEvaluator()
                found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except (RuntimeError, ValueError):
            return {}
        return {key: float(share) for key, share in found.items()}

    def _read(self, one: Any) -> Trial:
        names: Mapping[str, TrialState] = {
            "COMPLETE": "complete",
            "PRUNED": "pruned",
            "FAIL": "failed",
        }
        state = names.get(one.state.name, "running")
        space, attrs = self._file.space, one.user_attrs
        return Trial(
            number=one.number,
            values={k: _decoded(space[k], one.params[k]) for k in space if k in one.params},
            state=state,
            value=float(one.value) if state == "complete" else None,
            reason=attrs.get(REASON) or None,
            seconds=float(attrs.get(SECONDS, 0.0)),
        )


@contextmanager
def open_history(folder: Path, file: TuneFile, asked: Mapping[str, Any]) -> Iterator[History]:
    """Open the trials of a study folder, which are made where there are none.

    :param folder: of the study
    :param file: tune file
    :param asked: what trials depend on; JSON. It may change as long as no trial has ended
    :raises ResultsError: the folder's trials are of another tuning, or cannot be read
    :raises ConfigurationError: there is no Optuna
    """
    optuna = _library()
    path = folder / FILE
    storage = None
    try:
        with _errors_of(path):
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
            history = history_in(storage, folder, file, asked)
        yield history
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def history_in(storage: Any, folder: Path, file: TuneFile, asked: Mapping[str, Any]) -> History:
    """Return the trials that a storage of Optuna's holds, or none.

    :param storage: Optuna's
    :param folder: of the study, for messages
    :param file: tune file
    :param asked: see `open_history`
    """
    return History(_study(storage, folder, file, asked), file, folder / FILE)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn errors of Optuna's database into a `ResultsError` that names its file."""
    try:
        yield
    except (SQLAlchemyError, _library().exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ResultsError(f"'{path}' cannot be used: {reason}") from None


def _study(storage: Any, folder: Path, file: TuneFile, asked: Mapping[str, Any]) -> Any:
    optuna = _library()
    direction = "maximize" if file.objective.maximize else "minimize"
    names = [one.study_name for one in optuna.get_all_study_summaries(storage)]
    pruner = _pruner(optuna, file.pruner)
    wanted = json.loads(json.dumps(asked))
    if STUDY in names:
        study = optuna.load_study(study_name=STUDY, storage=storage, pruner=pruner)
        kept = study.user_attrs.get(ASKED)
        if kept == wanted:
            return study
        if any(one.state.is_finished() for one in study.get_trials(deepcopy=False)):
            _refuse(folder, kept or {}, wanted)
        optuna.delete_study(study_name=STUDY, storage=storage)
    study = optuna.create_study(
        study_name=STUDY, storage=storage, direction=direction, pruner=pruner
    )
    study.set_user_attr(ASKED, wanted)
    return study


def _refuse(folder: Path, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    keys = [key for key in {**kept, **asked} if kept.get(key) != asked.get(key)]
    keys = [key for key in keys if key != SCENARIO] or keys  # other settings change its runs too
    raise ResultsError(
        f"the trials in '{folder}' had another {', '.join(keys)}; name another --out, or put that "
        "back"
    )


def _sampler(optuna: ModuleType, asked: Sampler, number: int) -> Any:
    seed = keyed.key(asked.seed, "tuning", number) % 2**32
    samplers = optuna.samplers
    made = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler}[asked.name]
    return made(seed=seed)


def _pruner(optuna: ModuleType, asked: Pruner) -> Any:
    if asked.name == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(asked.startup_trials, asked.warmup_evaluations + 1)


def _suggested(trial: Any, key: str, law: Law) -> Any:
    """Return the value of a setting in a trial, which Optuna chooses the first time."""
    if law.choice is not None:
        return _decoded(law, trial.suggest_categorical(key, _encoded(law.choice)))
    assert law.bounds is not None
    low, high = law.bounds
    if law.uniform is not None or law.log_uniform is not None:
        log = law.log_uniform is not None
        return trial.suggest_float(key, low, high, step=law.step, log=log)
    log = law.log_integer is not None
    return trial.suggest_int(key, int(low), int(high), step=int(law.step or 1), log=log)


def _encoded(choice: Sequence[Any]) -> list[Any]:
    """Return choices as Optuna takes them: lists and mappings as text."""
    return [json.dumps(value) for value in choice] if _composed(choice) else list(choice)


def _decoded(law: Law, value: Any) -> Any:
    if law.choice is None or not _composed(law.choice):
        return value
    return law.choice[_encoded(law.choice).index(value)]


def _composed(choice: Sequence[Any]) -> bool:
    return not all(value is None or isinstance(value, str | int | float) for value in choice)


def _library() -> ModuleType:
    """Return Optuna, with its messages switched off; `ConfigurationError` if it is missing."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ConfigurationError(uninstalled("tuning", "Optuna", "tune")) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna

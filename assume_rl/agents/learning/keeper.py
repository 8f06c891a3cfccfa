"""The results of a training: the best policies, files, and the state to resume from."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assume_rl.agents.learning.training import Training
from assume_rl.episodes.selection import Selection
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning.policies.places import check_folder

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Keeper:
    """Saves and loads the policies, critics and progress of a training.

    :param training: whose results they are
    :param notes: further entries of the manifests of policies
    """

    def __init__(self, training: Training, notes: Mapping[str, Any]) -> None:
        config = training.trainer.config
        self._training, self._notes = training, notes
        self._trainer = training.trainer
        self._selection = Selection(config.early_stopping_window, config.early_stopping_threshold)

    def keep_best(self, metrics: Mapping[str, float] | None, folder: Path | None) -> bool:
        """Save the policies that did best in an evaluation; return whether training should stop.

        :param metrics: reward, profit, regret, exploitability or some of them; None: those of the
            latest evaluation
        :param folder: for `best_<metric>` and `last`; None: nothing is saved
        :raises ConfigurationError: a metric is unknown, or there was no evaluation
        """
        if metrics is None:
            if self._training.evaluation_scores is None:
                raise ConfigurationError("no evaluation episode has ended yet")
            metrics = self._training.evaluation_scores.merits
        improved = self._selection.improved(metrics)
        if folder is not None:
            for name in improved:
                self.save_actors(folder / f"best_{name}", {"scores": dict(metrics)})
            self.save_actors(folder / "last")
            self.save_critics(folder / "last")
        return "reward" in metrics and self._selection.settled(metrics["reward"])

    def save_actors(self, folder: Path, notes: Mapping[str, Any] = NOTHING) -> None:
        """Write a policy folder, which a scenario can run on.

        :param folder: to write to
        :param notes: further entries of its manifest, beside those of all
        """
        whole = {"episodes_done": self._training.episodes_done, **notes, **self._notes}
        self._trainer.save_actors(folder, {**whole, **self._trainer.config.policy_settings})

    def save_critics(self, folder: Path) -> None:
        """Write critics, targets and optimisers."""
        self._trainer.save_critics(folder)

    def load_actors(self, folder: Path) -> None:
        """Load the actors that fit, now or as soon as the networks exist.

        :raises PolicyError: there is no such folder
        """
        _check_saved(folder)
        self._trainer.when_created(lambda: self._trainer.load_actors(folder))

    def load_critics(self, folder: Path) -> None:
        """Load critics and targets, now or as soon as the networks exist.

        :raises PolicyError: there is no such folder
        """
        _check_saved(folder)
        self._trainer.when_created(lambda: self._trainer.load_critics(folder))

    def progress(self) -> dict[str, Any]:
        """Return how far the training has come between two episodes, without the learner."""
        return {
            "episodes_done": self._training.episodes_done,
            "selection": self._selection.state_dict(),
            "random_start": self._training.random_start,
            "experienced": sorted(self._trainer.experienced),
        }

    def load_progress(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `progress` returned."""
        self._selection.load_state_dict(state["selection"])
        self._trainer.experienced = set(state["experienced"])
        self._training.resume(state["episodes_done"], random_start=state["random_start"])


def _check_saved(folder: Path) -> None:
    """Refuse a folder that is not there at once, rather than when the networks are created."""
    try:
        check_folder(folder)
    except PolicyError as error:
        raise PolicyError(
            f"{error}; roles write policy folders with save_params(FOLDER), and after evaluations "
            "to 'last' and 'best_reward' of their save_path"
        ) from None

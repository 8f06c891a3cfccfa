"""Where a training that was interrupted resumes, and whether it is still the same one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.experiments.checkpoints import Checkpoints
from assume_rl.experiments.marks import Mark, NotResumable
from assume_rl.experiments.outputs import CHECKPOINTS
from assume_rl.experiments.training import Engine, Standing
from assume_rl.learning.data.replay import Replay
from assume_rl.results.files import read_manifest
from assume_rl.scenario.config.keys import flatten

# Of a manifest: what results do not depend on, since seed and device stand on their own.
WITHOUT_EFFECT = {
    "configuration.seed",
    "configuration.learning_config.device",
    "configuration.learning_config.trained_policies_save_path",
}
KEPT_CHECKPOINTS = 2  # a damaged one leaves the one before it


class Resumable(Engine, Protocol):
    """An engine whose state can be kept between two episodes."""

    def replay(self) -> Replay:
        """Return the transitions of all seeds."""
        ...

    def state_of(self, seed: int) -> dict[str, Any]:
        """Return the state, without transitions, that a seed's later episodes depend on."""
        ...

    def load(self, states: Sequence[Mapping[str, Any]], refill: Callable[[Replay], None]) -> None:
        """Load a `state_of` into every seed; `refill` puts transitions back."""
        ...

    def close(self) -> None:
        """Stop those who play elsewhere."""
        ...


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read."""

    mark: Mark
    engine: Mapping[str, Any]
    transitions: Mapping[str, Any]  # which ones it needs


def checkpoints_of(folder: Path) -> Checkpoints:
    """Return the checkpoints in the output folder of a training."""
    return Checkpoints(folder / CHECKPOINTS, KEPT_CHECKPOINTS)


def write_checkpoint(folder: Path, engine: Resumable, seed: int, mark: Mark) -> None:
    """Write a moment of one seed's training; `ResultsError` if it cannot be written."""
    state = {"mark": asdict(mark), "engine": engine.state_of(seed)}
    checkpoints_of(folder).save(mark.standing.episodes, state, engine.replay(), seed)


def _read(folder: Path, episode: int) -> Found:
    """Return the checkpoint after `episode` training episodes; `PolicyError` if it is damaged."""
    state = checkpoints_of(folder).load(episode)
    mark = state["mark"]
    return Found(
        Mark(Standing(**mark["standing"]), mark["lines"], mark["rows"], mark["fingerprint"]),
        state["engine"],
        {name: state[name] for name in ("added", "capacity")},
    )


def restore(engine: Resumable, folders: Sequence[Path], found: Sequence[Found]) -> None:
    """Load each seed's checkpoint; all are after the same number of episodes."""
    for folder, own in zip(folders, found, strict=True):
        checkpoints_of(folder).rewind(own.mark.standing.episodes, own.transitions["added"])

    def refill(replay: Replay) -> None:
        for seed, (folder, own) in enumerate(zip(folders, found, strict=True)):
            checkpoints_of(folder).load_transitions(own.transitions, replay, seed)
        replay.seek(int(found[0].transitions["added"]))

    engine.load([own.engine for own in found], refill)


def whole_checkpoints(folder: Path) -> list[Found]:
    """Return the undamaged checkpoints, the latest first."""
    whole = []
    for episode in checkpoints_of(folder).episodes():
        with suppress(PolicyError):
            whole.append(_read(folder, episode))
    return whole


def together(held: Sequence[Sequence[int]]) -> list[int]:
    """Return the checkpoint that each training resumes from, 0 where it has none.

    Trainings side by side that were interrupted while they wrote their checkpoints are a few
    episodes apart; an older checkpoint, if one holds it, brings it level with another.

    :param held: the checkpoints of each training, the latest first.
    """
    latest = [episodes[0] for episodes in held if episodes]
    return [min(e for e in own if e in latest) if own else 0 for own in held]


def check_same(folder: Path, expected: Mapping[str, Any]) -> None:
    """Refuse to resume a run in `folder` unless it is a training of the same settings.

    :param expected: what the manifest of this training would say.
    :raises NotResumable: settings, data, seed, engine or device are others.
    :raises ResultsError: it is no training, or a finished one.
    """
    manifest = read_manifest(folder)
    if manifest.get("kind") != "train":
        raise ResultsError(f"'{folder}' holds no training that could be resumed")
    if manifest.get("state") == "finished":
        raise ResultsError(f"the training in '{folder}' is finished; there is nothing to resume")
    old, new = (
        {leaf: found for key in content for leaf, found in flatten(key, content[key]).items()}
        for content in (manifest, expected)
    )
    for key in sorted(new.keys() - WITHOUT_EFFECT):
        if old.get(key) != new[key]:
            raise NotResumable(
                f"the training in '{folder}' cannot be resumed: {key} was {old.get(key)} and is "
                f"{new[key]} now; choose another --out, or add --overwrite to start afresh"
            )

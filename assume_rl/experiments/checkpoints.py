"""Checkpoints of a training: all that it needs to resume as if it had not been interrupted.

A checkpoint is one file, `episode_<number>.safetensors`, written whole or not at all. Transitions
are in files of their own, each written once and named by the numbers of what it holds, so that an
episode adds its own only. Those a checkpoint needs are kept as long as it is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.policies.trainer_state import load_state, save_state

_CHECKPOINT = re.compile(r"episode_(\d+)\.safetensors")
_TRANSITIONS = re.compile(r"transitions_(\d+)_(\d+)\.safetensors")


class Checkpoints:
    """The checkpoints of one training, in `folder`.

    :param kept: how many of them; the oldest ones go.
    """

    def __init__(self, folder: Path, kept: int) -> None:
        self.folder = folder
        self._kept = kept

    def save(self, episode: int, state: Mapping[str, Any], replay: Replay, seed: int) -> None:
        """Write the checkpoint after `episode` training episodes; `ResultsError` if that fails.

        Then the earlier checkpoints are as they were.

        :param replay: holds the transitions of the `seed`-th seed.
        """
        stored = max((end for _, end in self._transitions()), default=0)
        rows = replay.rows(seed, stored)
        try:
            if replay.added > stored:
                save_state(self._rows_path(rows["first"], replay.added), rows)
            content = {"added": replay.added, "capacity": replay.capacity, **state}
            save_state(self._checkpoint(episode), content)
        except PolicyError as error:
            raise ResultsError(f"no checkpoint after episode {episode}: {error}") from None
        self._forget(replay)

    def episodes(self) -> list[int]:
        """Return the numbers of the training episodes with a checkpoint, the latest first."""
        return sorted((int(found[1]) for found in self._found(_CHECKPOINT)), reverse=True)

    def load(self, episode: int) -> dict[str, Any]:
        """Return the state that `save` stored; `PolicyError` if the file is damaged."""
        return load_state(self._checkpoint(episode))

    def load_transitions(self, state: Mapping[str, Any], replay: Replay, seed: int) -> None:
        """Put the transitions of a loaded checkpoint back; then call `Replay.seek`.

        :raises PolicyError: a file is missing or damaged.
        """
        end, oldest = int(state["added"]), max(0, int(state["added"]) - int(state["capacity"]))
        reached = oldest
        for first, last in self._transitions():
            if last <= oldest or first >= end:
                continue
            if first > reached:
                break
            replay.put_rows(seed, load_state(self._rows_path(first, last)))
            reached = last
        if reached < end:
            raise PolicyError(f"'{self.folder}' lacks the transitions from number {reached} on")

    def rewind(self, episode: int, added: int) -> None:
        """Delete files written after the checkpoint that a training resumes from."""
        for later in (number for number in self.episodes() if number > episode):
            self._checkpoint(later).unlink()
        for first, last in self._transitions():
            if last > added:
                self._rows_path(first, last).unlink()

    def _forget(self, replay: Replay) -> None:
        """Delete checkpoints beyond the number to keep, and transitions that none needs."""
        for number in self.episodes()[self._kept :]:
            self._checkpoint(number).unlink()
        files = self._transitions()
        # Between two checkpoints lies one file; before the oldest one kept, a ring's worth.
        oldest = min((end for _, end in files[-self._kept :]), default=0) - replay.capacity
        for first, last in files:
            if last <= oldest:
                self._rows_path(first, last).unlink()

    def _checkpoint(self, episode: int) -> Path:
        return self.folder / f"episode_{episode:09d}.safetensors"

    def _rows_path(self, first: int, end: int) -> Path:
        return self.folder / f"transitions_{first:012d}_{end:012d}.safetensors"

    def _transitions(self) -> list[tuple[int, int]]:
        """Return the numbers of the first transition and of the one after the last, by file."""
        return sorted((int(found[1]), int(found[2])) for found in self._found(_TRANSITIONS))

    def _found(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        names = [path.name for path in self.folder.glob("*.safetensors")]
        return [found for name in names if (found := pattern.fullmatch(name))]

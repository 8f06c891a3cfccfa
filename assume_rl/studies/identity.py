"""The identity of a run, as a hash of everything that its results depend on, and nothing else."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assume_rl.experiments.description import data_digest
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.scenario.types import Scenario
from assume_rl.studies.types import Step

ID_LENGTH = 12  # hexadecimal digits
NO_MATTER = ("device", "trained_policies_save_path")
"""Learning settings that results do not depend on, apart from rounding."""


class Digests:
    """Hashes of policy files and folders; each is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, str | None] = {}

    def of(self, path: Path) -> str | None:
        """Return the hash of a file, or of a folder's policies with names; None: not there."""
        if path not in self._known:
            self._known[path] = _digest(path)
        return self._known[path]


def scenario_identity(scenario: Scenario, digests: Digests) -> dict[str, Any]:
    """Return all that the results of a scenario depend on: contents, not names of files."""
    return {
        "case": scenario.case,
        "data": data_digest(scenario),
        "settings": _settings(scenario, digests),
        "plugins": sorted({plugin.sha256 for plugin in scenario.plugins}),
    }


def step_identity(
    step: Step, scenario: Mapping[str, Any], trainings: Sequence[str], digests: Digests
) -> dict[str, Any]:
    """Return all that the results of a step depend on, apart from seed and engine.

    :param scenario: its `scenario_identity`.
    :param trainings: names of the steps that leave policies.
    """
    own = step.policies is None or step.policies in trainings
    policies = step.policies if own else digests.of(Path(str(step.policies)))
    own_part = {"name": step.name, "kind": step.kind, "which": step.which, "policies": policies}
    return {**scenario, **own_part}


def run_id(steps: Sequence[Mapping[str, Any]], seed: int, engine: str) -> str:
    """Return the first digits of a hash of a run."""
    return fingerprint([list(steps), seed, engine])


def fingerprint(content: Any) -> str:
    """Return the first digits of a hash of plain data."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _settings(scenario: Scenario, digests: Digests) -> dict[str, Any]:
    """Return the resolved settings, with the contents of policies in place of their paths."""
    found = scenario.config.model_dump(mode="json", exclude={"seed", "plugins"})
    found["policies"] = {u: digests.of(Path(p)) for u, p in scenario.config.policies.items()}
    if found["learning_config"] is not None:
        learning = {k: v for k, v in found["learning_config"].items() if k not in NO_MATTER}
        source = scenario.learning.trained_policies_load_path
        learning["trained_policies_load_path"] = source and digests.of(Path(source))
        found["learning_config"] = learning
    return found


def _digest(path: Path) -> str | None:
    if not (path.is_dir() or path.is_file()):  # a pipe or a device would never end
        return None
    place = policy_folder(path) if path.is_dir() else path
    files = sorted(file for file in place.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(place).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()

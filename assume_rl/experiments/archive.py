"""The scenario that a run simulated, in its output folder, and how it becomes a folder again."""

import hashlib
import json
import shlex
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from assume_rl.errors import AssumeRlError, ResultsError
from assume_rl.experiments.claim import is_run
from assume_rl.experiments.description import data_digest
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.files import write_file
from assume_rl.learning.policies.places import MANIFEST
from assume_rl.results.files import SCENARIO, read_manifest
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.yaml_file import read_yaml
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.scenario.write import as_yaml, scenario_files

POLICIES = "policies"
"""Folder of the policies in an exported scenario."""
MOVED = ("seed", "simulation_id", "policies", "plugins", "trained_policies_load_path")
"""Settings that a run's command line may have changed, and those that are paths."""
COPIED_TO = "trained_policies_save_path"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of all files in an archive, so that equal scenarios are equal archives."""


def write_archive(folder: Path, scenario: Scenario, seed: int) -> None:
    """Write the simulated scenario of a run into its folder, if a scenario folder was read.

    :param folder: of the run
    :param scenario: with all overrides
    :param seed: of the run
    :raises ResultsError: it cannot be written
    """
    if not scenario.written:
        return
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in scenario_files(scenario, seed).items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED)
    write_file(folder / SCENARIO, content.getvalue(), ResultsError)


def policy_digests(sources: Iterable[Path]) -> dict[str, str]:
    """Return digests of the policies that a run read, by absolute path, if they still exist."""
    found = ((path, _digest(path)) for path in sources)
    return {str(path.absolute()): digest for path, digest in found if digest is not None}


def _runs_in(study: Path) -> str:
    """Return the end of a sentence that names a run in the folder of a study, if there is one."""
    for manifest in sorted(study.glob(f"*/*/*/{MANIFEST}")):
        if is_run(read_manifest(manifest.parent)):
            return f" of its own; name one of a study, such as '{manifest.parent}'"
    return ""


def export_scenario(run: Path, folder: Path) -> str:
    """Write the scenario that a run simulated as a folder; return the command that runs it again.

    It is read and compared with what the manifest says before it appears. That loads the copies of
    its plug-ins, so that the process must not have loaded these from where the run had them.

    :param run: output folder
    :param folder: to write; it must not be there yet, or be empty
    :raises ResultsError: the run has not kept its scenario, or what it read has been changed since
    """
    manifest = read_manifest(run)
    if not is_run(manifest):
        raise ResultsError(f"'{run}' holds no run{_runs_in(run)}")
    if not (run / SCENARIO).is_file():
        raise ResultsError(f"'{run}' has no {SCENARIO}: its scenario was not read from a folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ResultsError(f"'{folder}' is there already: name a folder that is not")
    part = None
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        part = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
        with zipfile.ZipFile(run / SCENARIO) as archive:
            archive.extractall(part)
        _add_policies(part, manifest)
        _check(part, manifest)
        part.chmod(0o755)
        part.replace(folder)
    except (OSError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ResultsError(f"'{folder}' cannot be written: {reason}") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return _command(folder, manifest)


def _add_policies(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Copy policies into a scenario's folder and let its settings name the copies."""
    content = read_yaml(folder / CONFIG_FILE)
    ((case, settings),) = content.items()
    read: Mapping[str, str] = manifest.get("policies_read", {})
    copies = {
        path: _copied(Path(path), folder, k, digest)
        for k, (path, digest) in enumerate(read.items())
    }
    named = settings.get("policies") or {}
    if named:
        settings["policies"] = {unit: copies.get(path, path) for unit, path in named.items()}
    learning = settings.get("learning_config") or {}
    source = manifest.get("policies_from") or learning.pop("trained_policies_load_path", None)
    if source in copies:
        learning["trained_policies_load_path"] = copies[source]
        if manifest["kind"] == "train":
            learning["continue_learning"] = True
        settings["learning_config"] = learning
    (folder / CONFIG_FILE).write_bytes(as_yaml({case: settings}))


def _copied(path: Path, folder: Path, number: int, digest: str) -> str:
    """Copy the policies at a path; return the copy's name in settings, relative to the folder."""
    if _digest(path) != digest:
        raise ResultsError(f"the policies in '{path}' are not those that the run read any more")
    place = f"{POLICIES}/{number}"
    if path.is_dir():
        shutil.copytree(policy_folder(path), folder / place)
        return place
    (folder / place).mkdir(parents=True)
    for own in (path, path.parent / MANIFEST):  # which vouches for it
        if own.is_file():
            shutil.copy2(own, folder / place)
    return f"{place}/{path.name}"


def _digest(path: Path) -> str | None:
    """Return a hash of a policy file, or of the files in a policy folder; None: not there."""
    if not path.exists():
        return None
    folder = policy_folder(path) if path.is_dir() else path.parent
    chosen = sorted(folder.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in chosen:
        if file.is_file():
            digest.update(f"{file.relative_to(folder)}:".encode() + file.read_bytes())
    return digest.hexdigest()


def _check(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise `ResultsError` unless a folder reads as the scenario in a manifest."""
    try:
        scenario = load_scenario(folder, manifest["case"])
    except AssumeRlError as error:
        raise ResultsError(
            f"the scenario of the run cannot be written as a folder: {error}"
        ) from None
    if data_digest(scenario) != manifest["data"]:
        raise ResultsError(
            "the scenario of the run cannot be written as a folder: its tables cannot say all that "
            "overrides, or a program, have made of it"
        )
    here = _comparable(json.loads(json.dumps(scenario.config.model_dump(mode="json"))))
    there = _comparable(manifest["configuration"])
    different = [key for key in there if here.get(key) != there[key]]
    if different:
        raise ResultsError(
            "the scenario of the run cannot be written as a folder: a program has changed "
            f"{', '.join(different)}"
        )


def _comparable(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that an exported scenario has in common with the run."""
    found = {k: v for k, v in configuration.items() if k not in MOVED and not _is_file(k)}
    learning = dict(found.get("learning_config") or {})
    for key in (*MOVED, COPIED_TO, "continue_learning"):
        learning.pop(key, None)
    return {**found, "learning_config": learning}


def _is_file(key: str) -> bool:
    """Return whether a setting names a file of the folder, with its usual name once exported."""
    return key.endswith(("_units", "_df", "_operators"))


def _command(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Return the command that repeats the run."""
    words = ["assume-rl", manifest["kind"], str(folder), "--engine", manifest["engine"]]
    with suppress(KeyError):
        words += ["--tables", ",".join(manifest["tables"])]
    return shlex.join(words)

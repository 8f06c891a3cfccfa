"""The plug-ins that results were made with, as manifests, `study.json` and databases name them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.results.files import MANIFEST
from assume_rl.results.study_reading import read
from assume_rl.scenario.found_plugins import found_plugin
from assume_rl.studies.records import STUDY


def recorded_plugins(folder: Path) -> dict[str, str]:
    """Return the plug-ins that manifests in a folder name, with their hashes.

    :param folder: of a run, of the seeds of a training, of a study or of one of its runs.
    """
    found: dict[str, str] = {}
    for path in (folder / MANIFEST, folder / STUDY, *sorted(folder.glob(f"*/{MANIFEST}"))):
        with suppress(OSError, ValueError, AttributeError, TypeError):  # readers report it
            found |= json.loads(path.read_text(encoding="utf-8")).get("plugins", {})
    return found


def stored_plugins(url: str) -> dict[str, str]:
    """Return the plug-ins that the runs of a study database name, with their hashes.

    None of a database that is no study's or cannot be read: its reader reports that.

    :param url: SQLAlchemy URL
    """
    found: dict[str, str] = {}
    with suppress(ResultsError):
        for text in read(url, "runs")["steps"]:
            for step in json.loads(text):
                found |= step.get("plugins", {})
    return found


def load_recorded(plugins: Mapping[str, str]) -> tuple[str, ...]:
    """Load the plug-ins that have not changed, and return a sentence on each other one.

    :param plugins: as `recorded_plugins` or `stored_plugins` gives them.
    """
    notes = []
    for name, sha256 in plugins.items():
        # Most results were made without any: what plug-ins may register takes long to load.
        from assume_rl.scenario.plugins import load_plugins

        try:
            if found_plugin(name).sha256 == sha256:
                load_plugins([name])
                continue
            reason = f"plug-in '{name}' has changed"
        except ConfigurationError as error:
            reason = str(error)
        notes.append(f"{reason}: everything that only it knows is left out.")
    return tuple(notes)

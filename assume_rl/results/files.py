"""The files that an experiment leaves in its output folder."""

import json
from pathlib import Path
from typing import Any

from assume_rl.errors import ResultsError
from assume_rl.files import write_file

MANIFEST = "manifest.json"  # what was run, and how it ended
DATABASE = "results.db"  # tables, unless they went to another database
SCENARIO = "scenario.zip"  # the scenario as simulated
POLICIES = "policies"  # a folder for each kind of policies that a training keeps
METRICS = "metrics.jsonl"  # a line per episode of a training
RECORD = "run.json"  # of a run of a study, in the folder that holds those of its steps


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once, so that it is never half written; folders are made.

    :raises ResultsError: it cannot be written
    """
    write_file(path, text.encode(), ResultsError)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an output folder; empty if there is no readable one."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}

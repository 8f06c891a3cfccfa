"""Names of the files that an experiment leaves in its output folder."""

MANIFEST = "manifest.json"  # what was run, and how it ended
DATABASE = "results.db"  # tables, unless they went to another database
SCENARIO = "scenario.zip"  # the scenario as simulated
METRICS = "metrics.jsonl"  # a line per episode of a training

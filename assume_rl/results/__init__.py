"""Result tables, sinks and summary figures."""

from importlib import import_module

# Unit kinds bring tables of their own, as plug-ins do: whoever reads or writes results knows those
# of all built-in kinds, whatever else was loaded. By name, as scenarios are a layer above.
import_module("assume_rl.scenario.tables")

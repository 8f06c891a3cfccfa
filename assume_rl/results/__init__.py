"""Result tables, sinks and summary figures."""

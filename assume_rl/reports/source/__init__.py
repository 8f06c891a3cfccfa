"""Where a report's data come from."""

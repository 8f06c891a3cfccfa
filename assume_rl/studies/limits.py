"""Limits of studies; loads nothing, so that the help of commands can name them."""

MOST_RUNS = 10_000
"""Runs that a study may ask for where no other number is given."""

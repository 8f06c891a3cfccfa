"""Searches for the settings that make a figure of a study best."""

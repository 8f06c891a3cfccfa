"""Stacked networks of many agents: layers, parameters, optimiser and initial weights."""

"""Logs of an episode, kept as tensors until they become rows of the result tables."""

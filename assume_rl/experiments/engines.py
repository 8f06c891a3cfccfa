"""The shells by name."""

from typing import Literal

EngineName = Literal["auto", "agents", "batch"]
"""What is asked for; auto: the one that is usual, where it supports the scenario."""

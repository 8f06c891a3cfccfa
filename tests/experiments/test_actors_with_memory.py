"""Actors with memory from a study case to bids: both shells, save and load, resume, seeds."""

from pathlib import Path

import pytest
from test_every_algorithm import (
    case,
    learned_the_same_and_bids_the_same,
    resumed_is_uninterrupted,
    seeds_learn_what_each_learns_alone,
)

pytestmark = pytest.mark.unchecked

GRU = {
    "actor_architecture": "gru",
    "actor_hidden": [8, 8],
    "sequence_length": 3,
    "burn_in": 1,
}
LSTM = GRU | {"actor_architecture": "lstm_memory"}
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in ("masac", "mappo", "a2c")]


@pytest.mark.parametrize("name", ["itd3", *LONG])
def test_both_shells_learn_the_same_and_saved_policies_bid_the_same(
    name: str, tmp_path: Path
) -> None:
    learned_the_same_and_bids_the_same(case(tmp_path / "case", name, **GRU), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mappo", "masac"])
def test_resumed_is_uninterrupted(name: str, tmp_path: Path) -> None:
    resumed_is_uninterrupted(name, "batch", tmp_path, **LSTM)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["itd3", "mappo"])
def test_seeds_side_by_side_learn_what_each_learns_alone(name: str, tmp_path: Path) -> None:
    seeds_learn_what_each_learns_alone(name, tmp_path, **GRU)

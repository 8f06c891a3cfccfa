"""The possible profit of a single learning storage that knows the prices of a market without it."""

from pathlib import Path

import numpy as np
import torch

from assume_rl.core.units.storage import StorageParams
from assume_rl.evaluation.perfect_foresight import perfect_foresight
from assume_rl.experiments.case import Places, compiled_case, open_experiment
from assume_rl.experiments.observer import Silent
from assume_rl.experiments.run import play
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.types import Scenario

KEPT = frozenset({"market_meta"})


def foresight_profit(scenario: Scenario, seed: int, out: Path) -> float | None:
    """Return the profit of perfect foresight, EUR; None unless one storage learns in one market.

    Prices are those of an episode without the storage. Where the bids of others do not depend on
    it, what it buys can only raise a price and what it sells only lower one, so that no policy
    earns more.

    :param scenario: all of its learners learn
    :param seed: of the draws of the episode
    :param out: folder for the episode, which does not exist
    """
    compiled = compiled_case(scenario)
    storage = _learning_storage(compiled)
    if storage is None or len(compiled.markets) != 1:
        return None
    others = [unit for unit in scenario.of("storage") if unit.id != compiled.learners[0]]
    without = compiled_case(scenario.with_units("storage", others))
    places = Places(out, tables=sorted(KEPT))
    with open_experiment(without, "run", places, seed=seed, keep=KEPT) as episode:
        play(episode, {}, Silent())
        meta = episode.memory.table("market_meta")
    order = np.argsort(meta["product_start"])
    length = meta["product_end"][order] - meta["product_start"][order]
    return perfect_foresight(storage, meta["price"][order], length / np.timedelta64(1, "h"))


def _learning_storage(compiled: Compiled) -> StorageParams | None:
    """Return the parameters of the only learner, if that is a storage."""
    if len(compiled.learners) != 1:
        return None
    unit = compiled.fleet.ids.index(compiled.learners[0])
    block = next(b for b in compiled.fleet.blocks if b.start <= unit < b.stop)
    params = block.technology.select(block.params, torch.tensor([unit - block.start]))
    return params if isinstance(params, StorageParams) else None

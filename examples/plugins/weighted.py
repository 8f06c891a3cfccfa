"""An algorithm: makes bids likelier by what they earned, beside other bids of the same update."""

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field

from assume_rl.learning.algorithms.base import NetSpec, settings_of
from assume_rl.learning.config import AlgorithmConfig
from assume_rl.learning.nets.heads import SQUASHED_GAUSSIAN


class WeightedConfig(AlgorithmConfig):
    """What a study case may set under `learning_config`."""

    on_policy: ClassVar[bool] = True
    sharpness: float = Field(2.0, gt=0)
    """Logarithm of the weight of a reward one standard deviation above the mean."""
    passes: int = Field(10, ge=1)
    """Times that an update goes over its bids, with a gradient step each."""


@dataclass(frozen=True)
class RewardWeightedRegression:
    """Maximum likelihood of the bids that were made, each weighted by its reward."""

    name: str = "rwr"
    paper: str = "Peters and Schaal 2007, doi:10.1145/1273496.1273590"
    status: str = "experimental"
    on_policy: bool = True
    extras: dict = field(default_factory=lambda: {"raw": None})  # the bid before it is squashed
    noises: tuple = ()

    def networks(self):
        return {"actor": NetSpec("actor", head="squashed_gaussian")}

    def update(self, work):
        chosen = settings_of(work, WeightedConfig)
        batch = work.batches.latest(sum(stretch.rows for stretch in work.stretches))
        for _ in range(chosen.passes):
            work.log.iteration()
            for group, actor in enumerate(work.nets["actor"]):
                weight = weights(batch.reward[group], chosen.sharpness)
                obs, raw = batch.now.read[group], batch.extras["raw"][group]
                log_prob = SQUASHED_GAUSSIAN.log_prob(actor.form.outputs(actor.followed, obs), raw)
                loss = -(weight * log_prob).sum(dim=-1)  # (seed, agent)
                (step,) = actor.descend([loss], work.rates["actor"], work.config.max_grad_norm)
                work.log.step("actor", group, step)
        return chosen.passes


def weights(reward, sharpness):
    """Return weights of the rows of (seed agent row), which add up to 1 for each agent."""
    centred = reward - reward.mean(dim=-1, keepdim=True)
    spread = centred.square().mean(dim=-1, keepdim=True).sqrt()
    return (sharpness * centred / (spread + 1e-8)).softmax(dim=-1)


def register(registry):
    registry.algorithm(RewardWeightedRegression(), WeightedConfig)

"""The Learning role in a mango simulation of your own, without any other part of the package.

A unit with costs of 20 EUR/MWh offers 1 MWh an hour against a rival whose price it knows. It
sells if it asks less, and is paid what it asked: the best bid is just below the rival's price.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from mango import (
    AgentAddress,
    ExternalClock,
    Role,
    activate,
    agent_composed_of,
    create_ec_container,
)
from mango.util.termination_detection import tasks_complete_or_sleeping

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Observed,
    PolicyUpdate,
    RegisterUnit,
    Rewarded,
)
from assume_rl.core.bidding.base import Feature, Layout
from assume_rl.learning.exploration import explore

START, HOURS = datetime(2030, 1, 1, tzinfo=UTC), 24
COST, PRICE_CAP = 20.0, 100.0
LAYOUT = Layout((Feature("rival_price", 1, "by price cap"), Feature("cost", 1, "by price cap")))
CONFIG = {
    "training_episodes": 30,
    "episodes_collecting_initial_experience": 5,
    "train_freq": "12h",
    "gradient_steps": 40,
    "batch_size": 64,
    "gamma": 0.0,  # an hour's bid does not change the next hour
    "exploration_noise_std": 0.5,
    "action_noise_schedule": "linear",
}


class ToyMarket(Role):
    """Market, rival and bidder in one: a toy."""

    def __init__(self, learning: AgentAddress, episode: int, evaluation: bool) -> None:
        super().__init__()
        self.learning, self.episode, self.evaluation = learning, episode, evaluation
        self.rival = 35.0 + 45.0 * torch.rand(HOURS, generator=torch.Generator().manual_seed(0))
        self.noise = torch.randn(HOURS, 1, generator=torch.Generator().manual_seed(episode))

    def setup(self) -> None:
        self.context.subscribe_message(self, self.adopt, lambda c, _: isinstance(c, PolicyUpdate))

    def on_ready(self) -> None:
        start = EpisodeStart(self.episode, self.evaluation)
        unit = RegisterUnit("unit", LAYOUT, act_size=1)
        self.context.schedule_instant_message((unit, start), self.learning)
        for hour in range(HOURS):
            time = START.timestamp() + 3600 * hour + 1
            self.context.schedule_timestamp_task(self.trade(hour, time), time)

    def adopt(self, update: PolicyUpdate, meta: dict[str, Any]) -> None:
        self.policy = update

    async def trade(self, hour: int, time: float) -> None:
        seen = torch.tensor([self.rival[hour], COST]) / PRICE_CAP
        mean = self.policy.actors[0](seen[None])[0]
        action, noise = explore(mean, seen[1:], self.noise[hour], self.policy.exploration)
        price = float(action) * PRICE_CAP
        profit = price - COST if price < self.rival[hour] else 0.0
        told = (
            Observed("unit", time, seen),
            Acted("unit", time, action, noise),
            Rewarded("unit", time, profit / PRICE_CAP, profit, regret=0.0),
        )
        await self.context.send_message(told, self.learning)
        if hour == HOURS - 1:
            await self.context.send_message(
                EpisodeEnd(self.episode, self.evaluation), self.learning
            )


async def run_episode(learning: Learning, episode: int, evaluation: bool = False) -> float:
    """A day on the market; the profit it brought in EUR."""
    clock = ExternalClock(START.timestamp())
    container = create_ec_container(addr="toy", clock=clock)
    address = container.register(agent_composed_of(learning)).addr
    container.register(agent_composed_of(ToyMarket(address, episode, evaluation)))
    async with activate(container):
        await tasks_complete_or_sleeping(container)
        while (time := clock.get_next_activity()) is not None:
            clock.set_time(time)
            await tasks_complete_or_sleeping(container)
    assert learning.scores is not None
    return learning.scores.profit


async def main() -> float:
    """Train; the share of the best possible profit that the trained policy earns."""
    learning = Learning(CONFIG, START, START + timedelta(hours=HOURS), seed=1)
    for episode in range(1, CONFIG["training_episodes"] + 1):
        await run_episode(learning, episode)
    profit = await run_episode(learning, 1, evaluation=True)
    best = float((ToyMarket(None, 1, True).rival - COST).sum())
    print(f"{profit:.0f} EUR a day of at most {best:.0f} EUR: {profit / best:.0%}")
    return profit / best


if __name__ == "__main__":
    asyncio.run(main())

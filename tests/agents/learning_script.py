"""Units that follow a script, and a context that only notes the messages of a Learning role."""

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import torch
from mango import AgentAddress, Role

from assume_rl import keyed
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Observed,
    PolicyUpdate,
    RegisterUnit,
    Rewarded,
    UpdateDone,
    UpdateDue,
)
from assume_rl.core.bidding.base import Feature, Layout

START = datetime(2019, 1, 1)
END = datetime(2019, 1, 2)
T0 = 1546300800  # START in UTC
UNITS = {"a": 1, "b": 1, "wide": 2}  # unit -> length of its action
LAYOUT = Layout((Feature("price", 2, "none"), Feature("cost", 1, "none", unique=True)))
BIDDER = AgentAddress("here", "bidder")
META = {"sender_addr": "here", "sender_id": "bidder"}
CONFIG = {
    "learning_mode": True,
    "training_episodes": 4,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 1,
    "train_freq": "6h",
    "gradient_steps": 2,
    "batch_size": 8,
    "noise_dt": 1.0,
    "action_noise_schedule": "linear",
}
REGISTRATIONS = tuple(RegisterUnit(unit, LAYOUT, size) for unit, size in UNITS.items())


class Notes:
    """Stands for the context of a role."""

    addr = AgentAddress("here", "learning")
    context = SimpleNamespace(addr="here")  # of the container
    current_timestamp = float(T0)

    def __init__(self) -> None:
        self.sent: list[tuple[Any, AgentAddress]] = []

    async def send_message(self, content: Any, receiver: AgentAddress) -> bool:
        self.sent.append((content, receiver))
        return True

    def subscribe_message(self, *_: Any) -> None:
        pass

    def of(self, kind: type) -> list[Any]:
        return [content for content, _ in self.sent if isinstance(content, kind)]


def new_role(config: dict[str, Any] | None = None, **options: Any) -> tuple[Learning, Notes]:
    """A role whose units have registered, outside of any container."""
    role, notes = Learning(CONFIG | (config or {}), START, END, seed=3, **options), Notes()
    role._context = notes
    role.setup()
    role.handle_message(REGISTRATIONS, META)
    return role, notes


def record(hour: int, unit: str, episode: int = 1) -> tuple[Observed, Acted, Rewarded]:
    """The records of a unit about an hour."""
    time, size = float(T0 + 3600 * hour), UNITS[unit]
    draws = keyed.normal(torch.tensor(keyed.key(episode, "script", hour, unit)), 6).float()
    return (
        Observed(unit, time, draws[:3]),
        Acted(unit, time, draws[3 : 3 + size].clamp(-1, 1), torch.zeros(size)),
        Rewarded(unit, time, float(draws[5]), 10.0 * hour, 1.0),
    )


def records(hours: Iterator[int] | range, episode: int = 1) -> list[Any]:
    return [r for hour in hours for unit in UNITS for r in record(hour, unit, episode)]


def play(
    role: Learning,
    number: int,
    *,
    evaluation: bool = False,
    hours: int = 24,
    shuffle: int | None = None,
    repeat: int = 1,
) -> None:
    """One episode: six hours of records, then an update is asked for."""
    role.handle_message(EpisodeStart(number, evaluation), META)
    count = 0
    for window in range(0, hours, 6):
        messages = records(range(window + 1, window + 7), number) * repeat
        count += len(messages) // repeat
        if shuffle is not None:
            random.Random(shuffle).shuffle(messages)
        role.handle_message(tuple(messages), META)
        role.handle_message(UpdateDue(float(T0 + 3600 * (window + 6)), count), META)
    role.handle_message(EpisodeEnd(number, evaluation), META)


class Script(Role):  # type: ignore[misc]
    """Plays episodes for a Learning role anywhere, acting on the policies it is sent."""

    learning: AgentAddress

    def setup(self) -> None:
        self.policy: PolicyUpdate | None = None
        self.done: asyncio.Queue[UpdateDone] = asyncio.Queue()
        self.context.subscribe_message(self, self.adopt, lambda c, _: isinstance(c, PolicyUpdate))
        self.context.subscribe_message(self, self.hear, lambda c, _: isinstance(c, UpdateDone))

    def adopt(self, content: PolicyUpdate, meta: dict[str, Any]) -> None:
        self.policy = content

    def hear(self, content: UpdateDone, meta: dict[str, Any]) -> None:
        self.done.put_nowait(content)

    async def send(self, content: Any) -> None:
        await self.context.send_message(content, self.learning)

    async def update(self, time: float, count: int) -> None:
        """Ask for the updates that are due by then and wait for the policies."""
        await self.send(UpdateDue(time, count))
        async with asyncio.timeout(60):
            answer = await self.done.get()
            while self.policy is None or self.policy.version < answer.version:
                await asyncio.sleep(0.001)

    async def play(self, episode: int) -> None:
        await self.send(EpisodeStart(episode, False))
        for registration in REGISTRATIONS:
            await self.send(registration)
        await self.update(T0, 0)
        count = 0
        for window in range(0, 24, 6):
            for hour in range(window + 1, window + 7):
                for unit in UNITS:
                    parts = self.acted(record(hour, unit, episode))
                    await self.send(parts[:2])
                    await self.send(parts[2])
                    count += 3
            await self.update(T0 + 3600 * (window + 6), count)
        await self.send(EpisodeEnd(episode, False))
        await self.update(T0, 0)  # by its answer the end has been heard

    def acted(self, parts: tuple[Observed, Acted, Rewarded]) -> tuple[Observed, Acted, Rewarded]:
        """The script's action is the noise on that of the policy."""
        assert self.policy is not None
        seen, acted, got = parts
        stack = next(s for s in self.policy.actors if seen.unit_id in s.unit_ids)
        mean = stack.select([seen.unit_id])(seen.observation[None])[0]
        action = (mean + 0.1 * acted.action).clamp(-1, 1)
        return seen, Acted(seen.unit_id, seen.time, action, acted.noise), got

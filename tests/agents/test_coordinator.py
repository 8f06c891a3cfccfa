"""How a coordinator waits for a Learning role in another container."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from learning_script import Notes
from mango import AgentAddress

from assume_rl.agents import coordinator
from assume_rl.agents.coordinator import Coordinator
from assume_rl.agents.messages import UpdateDone, UpdateDue
from assume_rl.agents.transport import AgentFailure, Failures
from assume_rl.episodes.calendar import EpisodeKey

LEARNING = AgentAddress(("away", 1), "learning")


class School(Notes):
    """Stands for the context of a coordinator, and for a role that has got 6 records."""

    coordinator: Coordinator

    def schedule_instant_message(self, content: Any, receiver: AgentAddress) -> None:
        self.sent.append((content, receiver))
        if isinstance(content, UpdateDue) and content.records <= 6:
            answer = UpdateDone(content.time, 3, content.records)
            asyncio.get_running_loop().call_soon(self.coordinator._hear, answer, {})


class Clients:
    """Stands for a lobby: a client has sent 3 of 9 records, and died, which a look reveals."""

    records, version = 9, -1

    async def look(self) -> None:
        self.records = 6

    async def sync(self, version: int) -> None:
        self.version = version


def new_coordinator(lobby: Any) -> tuple[Coordinator, School]:
    made, school = Coordinator(EpisodeKey(1, 1, False), 0.0, 9.0, [5.0], Failures()), School()
    made._context, school.coordinator = school, made
    bidder: Any = SimpleNamespace(learning_units=("a",), records_sent=0, policy_version=3)
    made.meet(LEARNING, ("a", "b"), [bidder], [], lobby)
    return made, school


def test_an_update_does_not_wait_for_records_of_a_client_that_has_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coordinator, "LOOK_SECONDS", 0.01)
    clients = Clients()
    made, school = new_coordinator(clients)
    asyncio.run(asyncio.wait_for(made.update_if_due(5.0), 5.0))
    assert school.of(UpdateDue) == [UpdateDue(5.0, 9), UpdateDue(5.0, 6)]
    assert clients.version == 3


def test_an_answer_to_another_request_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "PATIENCE", 0.05)
    clients = Clients()
    clients.records = 7
    made, _ = new_coordinator(clients)

    async def wait() -> None:
        asyncio.get_running_loop().call_later(0.01, made._hear, UpdateDone(5.0, 3, 6), {})
        await made.update_if_due(5.0)

    with pytest.raises(AgentFailure, match=r"has not answered for 0\.05 s"):
        asyncio.run(asyncio.wait_for(wait(), 5.0))

"""Containers on a network that fails: what is written again, dropped, and in which order."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mango import AgentAddress, Role, activate, agent_composed_of

from assume_rl.agents import wire
from assume_rl.agents.messages import Joined
from assume_rl.agents.wire import Certificates, Networked, OverTCP, tcp_container
from assume_rl.errors import ConfigurationError

HOST = ("127.0.0.1", 0)
Send = Callable[[Networked, Any, Any, Any], Any]


class Ear(Role):  # type: ignore[misc]
    """Notes the numbers that it hears."""

    def setup(self) -> None:
        self.heard: list[int] = []
        self.context.subscribe_message(self, self.hear, lambda c, _: isinstance(c, Joined))

    def hear(self, content: Joined, meta: dict[str, Any]) -> None:
        self.heard.append(content.number)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """What goes wrong with an attempt to send, by its number: it fails before or after writing."""
    send, plan, attempts = OverTCP._send_external_message, {}, iter(range(1000))

    async def attempt(self: Networked, place: Any, message: Any, meta: Any) -> bool:
        fault = plan.get(next(attempts))
        return (fault != "before" and await send(self, place, message, meta)) and fault is None

    monkeypatch.setattr(OverTCP, "_send_external_message", attempt)
    monkeypatch.setattr(wire, "AGAIN_SECONDS", 0.01)
    return plan


async def told(
    *batches: tuple[int, ...], seconds: float = 30.0, certificates: Certificates | None = None
) -> tuple[list[int], Networked]:
    """What is heard of numbers that are sent in batches, each once the last one is dealt with."""
    here, there = (tcp_container(HOST, certificates=certificates) for _ in range(2))
    ear = Ear()
    agent = there.register(agent_composed_of(ear))
    async with asyncio.timeout(seconds), activate(here, there):
        address: AgentAddress = agent.addr
        for batch in batches:
            for number in batch:
                await here.send_message(Joined(number), address)
            await here._writers[there.addr]
        while there.arrivals.heard[here.life, agent.aid] < here.sent[address]:
            await asyncio.sleep(0.001)
        while agent.inbox.qsize():
            await asyncio.sleep(0.001)
    return ear.heard, here


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_write_that_fails_is_repeated(broken: dict[int, str], fault: str) -> None:
    broken[0] = broken[1] = broken[3] = fault
    heard, here = asyncio.run(told((1, 2, 3)))
    assert heard == [1, 2, 3]
    assert here.dropped == 0


@pytest.mark.parametrize("fault", ["before", "after"])
def test_the_number_of_a_message_that_may_have_arrived_is_not_used_again(
    broken: dict[int, str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "AGAIN_SECONDS", 2 * wire.REACH_SECONDS)  # there is one attempt
    broken[0] = fault
    heard, here = asyncio.run(told((1, 2, 3), (4, 5)))
    assert heard == [1, 4, 5]
    assert here.dropped == 2


def test_a_container_that_shuts_down_does_not_wait_for_one_that_has_ended() -> None:
    async def send() -> bool:
        gone, here = tcp_container(HOST), tcp_container(HOST)
        async with activate(gone):
            address = AgentAddress(gone.addr, "agent")
        async with asyncio.timeout(2.0), activate(here):
            await here.send_message(Joined(1), address)
            await asyncio.sleep(0.05)
        return address.protocol_addr in here.lost

    assert asyncio.run(send())


TLS = Path(__file__).parents[1] / "fixtures" / "tls"
OURS = Certificates(TLS / "authority.pem", TLS / "own.pem", TLS / "own.key")
STRANGER = Certificates(TLS / "authority.pem", TLS / "stranger.pem", TLS / "stranger.key")
ELSEWHERE = Certificates(TLS / "stranger.pem", TLS / "stranger.pem", TLS / "stranger.key")


def test_containers_that_know_each_other_by_certificates_talk() -> None:
    heard, here = asyncio.run(told((1, 2, 3), (4,), certificates=OURS))
    assert heard == [1, 2, 3, 4]
    assert here.dropped == 0
    assert asyncio.run(spoken_to(OURS, OURS)) == [7]


async def spoken_to(speaker: Certificates | None, listener: Certificates | None) -> list[int]:
    """What is heard of one message, within some tenths of a second."""
    here, there = (tcp_container(HOST, certificates=own) for own in (speaker, listener))
    ear = Ear()
    agent = there.register(agent_composed_of(ear))
    async with asyncio.timeout(30.0), activate(here, there):
        await here.send_message(Joined(7), agent.addr)
        await asyncio.wait([here._writers[there.addr]], timeout=0.3)
        await asyncio.sleep(0.1)
    return ear.heard


@pytest.mark.parametrize(
    ("speaker", "listener"),
    [
        (STRANGER, OURS),  # knows the listener, but is not known
        (ELSEWHERE, OURS),
        (None, OURS),
        (OURS, ELSEWHERE),
        (OURS, None),
    ],
)
def test_who_has_no_certificate_of_the_authority_is_not_heard(
    speaker: Certificates | None, listener: Certificates | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(wire, "PARTING_SECONDS", 0.1)
    assert asyncio.run(spoken_to(speaker, listener)) == []


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    for own in (TLS / "none.pem", TLS / "make.sh"):
        with pytest.raises(ConfigurationError, match=f"certificates .*{own.name}.*own.key"):
            tcp_container(HOST, certificates=replace(OURS, own=own))

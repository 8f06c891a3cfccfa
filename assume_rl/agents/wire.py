"""Containers whose agents exchange messages with agents elsewhere, over TCP or MQTT.

A network may hold messages up, let them overtake each other or repeat them. Each message that
leaves a container carries the container's name, made up anew in every life, and a number that
counts its messages to that agent. The other side hands them over in that order, each once, and
counts them: so agents elsewhere can be waited for, and results do not depend on the network. What
cannot be written is tried again, until a container counts as lost.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from mango import AgentAddress, ExternalClock
from mango.container.core import Container
from mango.container.mqtt import MQTTContainer
from mango.container.tcp import TCPContainer
from mango.util.clock import Clock

from assume_rl.agents.codec import Unreadable, make_codec
from assume_rl.agents.messages import Refused

logger = logging.getLogger(__name__)

REACH_SECONDS = 30.0  # of real time in which a message must have been written to a connection
AGAIN_SECONDS = 1.0  # of real time between two attempts to do so
PARTING_SECONDS = 5.0  # that a container which shuts down waits for messages to be written

Item = tuple[Any, dict[str, Any]]  # content and meta


class Arrivals:
    """Messages from other containers, in order and once."""

    def __init__(self) -> None:
        self.heard: Counter[tuple[str, str]] = Counter()  # by sending life and receiving agent
        self._early: dict[tuple[str, str], dict[int, Item]] = {}  # by number

    def take(self, content: Any, meta: dict[str, Any]) -> Iterator[Item]:
        """Yield the items that can be handed over now that a message has arrived.

        :param content: of the message
        :param meta: of the message; one without a life and a number is handed over at once
        """
        life, number = meta.get("life"), meta.get("number")
        if not (isinstance(life, str) and isinstance(number, int)):
            yield content, meta
            return
        key = (life, str(meta.get("receiver_id")))
        if number <= self.heard[key]:
            return  # a repeated one
        early = self._early.setdefault(key, {})
        early[number] = (content, meta)
        while (item := early.pop(self.heard[key] + 1, None)) is not None:
            self.heard[key] += 1
            yield item


class Networked(Container):  # type: ignore[misc]
    """The common part of TCP and MQTT containers; the class of a transport follows it."""

    quality: Mapping[str, Any]  # keywords of every send

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.life = uuid4().hex
        self.arrivals = Arrivals()
        self.lost: set[Any] = set()  # addresses of containers to which a message could not be sent
        self.dropped = 0  # messages that were waiting for such containers
        self.sent: Counter[AgentAddress] = Counter()
        self._boxes: dict[Any, deque[tuple[Any, AgentAddress, str | None, dict[str, Any]]]] = {}
        self._writers: dict[Any, asyncio.Task[None]] = {}
        self._closing = False

    async def send_message(
        self,
        content: Any,
        receiver_addr: AgentAddress,
        sender_id: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Send a message; one to another container is written later, in the order of calls.

        :param content: of the message
        :param receiver_addr: whom it is for
        :param sender_id: name of the sending agent
        :param kwargs: `numbered`: False for one that is repeated until it is answered, which may
            be lost and need not arrive in order; others are for the transport
        """
        place = receiver_addr.protocol_addr
        numbered = kwargs.pop("numbered", True)
        if place == self.addr:
            sent: bool = await super().send_message(content, receiver_addr, sender_id, **kwargs)
            return sent
        stamp = {"life": self.life, **self.quality, **kwargs}
        if numbered:
            self.sent[receiver_addr] += 1
            stamp["number"] = self.sent[receiver_addr]
        self._boxes.setdefault(place, deque()).append((content, receiver_addr, sender_id, stamp))
        writer = self._writers.get(place)
        if writer is None or writer.done():
            self._writers[place] = asyncio.create_task(self._write(place))
        return True

    async def _write(self, place: Any) -> None:
        box = self._boxes[place]
        while box:
            try:
                written = await self._written(*box[0])
            except Exception:
                logger.exception("a message to '%s' could not be written", box[0][1].aid)
                self._give_up(place, begun=False)
                return
            if not written:
                self._give_up(place, begun=True)
                return
            box.popleft()
            self.lost.discard(place)

    async def _written(
        self, content: Any, receiver: AgentAddress, sender: str | None, stamp: dict[str, Any]
    ) -> bool:
        """Write a message, with as many attempts as there is time for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REACH_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    sent = await super().send_message(content, receiver, sender, **stamp)
                    if self._left(sent):
                        return True
                    if self._closing or loop.time() + AGAIN_SECONDS > deadline:
                        return False
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError:
            return False

    def _left(self, sent: bool) -> bool:
        """Return whether a message has left, given mango's answer."""
        return sent

    def _give_up(self, place: Any, *, begun: bool) -> None:
        """Drop messages for a container that cannot be reached, as if they were never sent.

        :param place: address of the container
        :param begun: whether the first message may have arrived; then its number is taken, and it
            is written before all later ones
        """
        self.lost.add(place)
        box = self._boxes[place]
        kept = [box.popleft()] if begun else []
        for _, receiver, _, stamp in box:
            self.sent[receiver] -= "number" in stamp
        self.dropped += len(box)
        box.clear()
        box.extend(item for item in kept if "number" in item[-1])

    async def _handle_message(self, *, priority: int, content: Any, meta: dict[str, Any]) -> None:
        for item, about in self.arrivals.take(content, meta):
            if isinstance(item, Unreadable):
                await self._refuse(item, about)
            else:
                await super()._handle_message(priority=priority, content=item, meta=about)

    async def _refuse(self, item: Unreadable, meta: dict[str, Any]) -> None:
        place, sender = meta.get("sender_addr"), meta.get("sender_id")
        logger.warning("refused a message from %s: %s", place, item.reason)
        if place is not None and isinstance(sender, str):
            place = tuple(place) if isinstance(place, list) else place
            await self.send_message(Refused(item.reason), AgentAddress(place, sender))

    async def shutdown(self) -> None:
        """Shut down once waiting messages are written, or after a few seconds."""
        self._closing = True
        writing = [task for task in self._writers.values() if not task.done()]
        if writing:
            _, late = await asyncio.wait(writing, timeout=PARTING_SECONDS)
            for task in late:
                task.cancel()
        await super().shutdown()


class OverTCP(Networked, TCPContainer):  # type: ignore[misc]
    """A container at a host and port.

    Every message has its own connection: mango would still write to a kept one after the other
    process has ended, and the message would be lost.
    """

    quality = MappingProxyType({})


class OverMQTT(Networked, MQTTContainer):  # type: ignore[misc]
    """A container that is a client of a broker."""

    quality = MappingProxyType({"qos": 1})  # at least once, even if the client reconnects

    def _left(self, sent: bool) -> bool:
        """Take it as sent: the client keeps it until the broker has it."""
        return True


def tcp_container(
    address: tuple[str, int], clock: Clock | None = None, *, secret: str | None = None
) -> OverTCP:
    """Return a container whose agents exchange our messages with others over TCP.

    :param address: host and port; port 0: the system chooses one when the container starts
    :param clock: of its agents; None: one of simulated time
    :param secret: that all containers share, which signs every message; None: any sender is heard
    """
    return OverTCP(
        addr=address,
        codec=make_codec(secret),
        clock=clock or ExternalClock(),
        tcp_connection_ttl=-1,
    )


def mqtt_container(
    broker: tuple[str, int],
    name: str,
    clock: Clock | None = None,
    *,
    secret: str | None = None,
    **options: Any,
) -> OverMQTT:
    """Return a container whose agents exchange our messages with others through an MQTT broker.

    :param broker: host and port of the broker
    :param name: of the container, which is its topic, too; no two may have the same
    :param clock: of its agents; None: one of simulated time
    :param secret: that all containers share, which signs every message; None: any sender is heard
    :param options: of mango's `MQTTContainer`, such as `tls_kwargs`
    """
    return OverMQTT(
        client_id=name,
        broker_addr=broker,
        codec=make_codec(secret),
        clock=clock or ExternalClock(),
        **options,
    )

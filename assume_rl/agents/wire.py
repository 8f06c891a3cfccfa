"""Containers whose agents exchange messages with agents elsewhere, over TCP or MQTT.

A network may hold messages up, let them overtake each other or repeat them. Each message that
leaves a container carries the container's name, made up anew in every life, and a number that
counts its messages to that agent. The other side hands them over in that order, each once, and
counts them: so agents elsewhere can be waited for, and results do not depend on the network. What
cannot be written is tried again, until a container counts as lost.
"""

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from mango import AgentAddress, ExternalClock
from mango.container.core import Container
from mango.container.mqtt import MQTTContainer
from mango.container.protocol import ContainerProtocol
from mango.container.tcp import TCPContainer
from mango.util.clock import Clock

from assume_rl.agents.codec import Unreadable, make_codec
from assume_rl.agents.messages import Refused
from assume_rl.errors import ConfigurationError

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


@dataclass(frozen=True)
class Certificates:
    """Files (PEM) by which TCP containers know each other, as all of them must have.

    A certificate names the host, as messages are sent there, among its alternative names.
    """

    authority: Path  # certificate of who signed those of all containers
    own: Path  # certificate of this container
    key: Path  # of that

    def context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """Return what encrypts connections, and refuses who has no certificate of the authority.

        :param purpose: whom this side of a connection is to know, servers or clients
        :raises ConfigurationError: a file cannot be read, or is none of these
        """
        try:
            context = ssl.create_default_context(purpose, cafile=str(self.authority))
            context.load_cert_chain(self.own, self.key)
        except OSError as error:  # also of certificates
            files = ", ".join(f"'{file}'" for file in (self.authority, self.own, self.key))
            raise ConfigurationError(f"certificates {files}: {error}") from None
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


class OverTCP(Networked, TCPContainer):  # type: ignore[misc]
    """A container at a host and port.

    Every message has its own connection: mango would still write to a kept one after the other
    process has ended, and the message would be lost.
    """

    quality = MappingProxyType({})

    def __init__(self, *, certificates: Certificates | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._serving = self._calling = None
        if certificates is not None:
            self._serving = certificates.context(ssl.Purpose.CLIENT_AUTH)
            self._calling = certificates.context(ssl.Purpose.SERVER_AUTH)

    async def start(self) -> None:
        """Listen at the address; the system chooses the port if that is 0."""
        host, port = self.addr
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self._protocol, host, port, ssl=self._serving)
        self.addr: tuple[str, int] = (host, self.server.sockets[0].getsockname()[1])
        await super(TCPContainer, self).start()  # mango's own listens without encryption

    async def _send_external_message(self, addr: Any, message: Any, meta: dict[str, Any]) -> bool:
        """Return whether a message was written to a connection of its own."""
        host, port = addr
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_connection(
                self._protocol, host, port, ssl=self._calling
            )
        except OSError as error:
            logger.warning("%s:%s cannot be reached: %s", host, port, error)
            return False
        protocol.write(self.codec.encode(message))
        await protocol.shutdown()  # once all is written
        return True

    def _protocol(self) -> ContainerProtocol:
        return ContainerProtocol(container=self, codec=self.codec)


class OverMQTT(Networked, MQTTContainer):  # type: ignore[misc]
    """A container that is a client of a broker."""

    quality = MappingProxyType({"qos": 1})  # at least once, even if the client reconnects

    def _left(self, sent: bool) -> bool:
        """Take it as sent: the client keeps it until the broker has it."""
        return True


def tcp_container(
    address: tuple[str, int],
    clock: Clock | None = None,
    *,
    secret: str | None = None,
    certificates: Certificates | None = None,
) -> OverTCP:
    """Return a container whose agents exchange our messages with others over TCP.

    :param address: host and port; port 0: the system chooses one when the container starts
    :param clock: of its agents; None: one of simulated time
    :param secret: that all containers share, which signs every message; None: any sender is heard
    :param certificates: with which both sides of a connection prove who they are, encrypted; None:
        nothing is encrypted
    :raises ConfigurationError: see `Certificates.context`
    """
    return OverTCP(
        addr=address,
        codec=make_codec(secret),
        clock=clock or ExternalClock(),
        certificates=certificates,
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

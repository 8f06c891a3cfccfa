"""Send messages, and wait until all agents have handled them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mango import Agent, AgentAddress, Role
from mango.agent.role import RoleContext
from mango.container.core import Container

from assume_rl.errors import AssumeRlError

# A wake-up travels from a clock future to a task's first line in at most two turns of the loop.
QUIET_TURNS = 4
MAX_TURNS = 200_000

Handler = Callable[[Any, dict[str, Any]], None]


class AgentFailure(AssumeRlError):
    """An exception in an agent, which is the cause of this one."""


def post(context: RoleContext, content: Any, receiver: AgentAddress) -> None:
    """Send `content` from a synchronous handler.

    Within a container a send completes without suspending, so it needs no task (which would cost
    more than the message); to another container it is scheduled.

    :param context: of the sending role
    :param content: a message of `agents.messages`, or a tuple of them
    :param receiver: address
    :raises RuntimeError: a send within the container suspended
    """
    if receiver.protocol_addr != context.context.addr:  # `context.addr` makes an object every time
        context.schedule_instant_message(content, receiver)
        return
    try:
        context.send_message(content, receiver).send(None)
    except StopIteration:
        return
    raise RuntimeError("a local send suspended")


class Failures:
    """The first exception of any role; mango only logs it and stops the agent's inbox."""

    def __init__(self) -> None:
        self.first: BaseException | None = None

    def guard(self, handler: Handler) -> Handler:
        """Return `handler` with its exceptions kept instead of lost."""

        def guarded(content: Any, meta: dict[str, Any]) -> None:
            try:
                handler(content, meta)
            except Exception as error:
                self.note(error)

        guarded.__name__ = handler.__name__
        return guarded

    def note(self, error: BaseException) -> None:
        """Keep `error` if it is the first."""
        self.first = self.first or error

    def raise_first(self) -> None:
        """Raise the kept exception, if there is one.

        :raises AssumeRlError: the kept one, or an `AgentFailure` caused by any other exception
        """
        if isinstance(self.first, AssumeRlError):
            raise self.first
        if self.first is not None:
            raise AgentFailure(f"an agent failed: {self.first!r}") from self.first


def _idle(agent: Agent) -> bool:
    """Return whether the inbox is empty and every task waits for the clock or for a message.

    mango offers no public view of its tasks, and its own `tasks_complete_or_sleeping` waits in turn
    for each of them, which costs more than a whole auction.
    """
    if not agent.inbox.empty():
        return False
    tasks = agent.scheduler._scheduled_tasks
    return not tasks or all(entry[0]._is_sleeping.done() for entry in tasks)


def subscribe(role: Role, failures: Failures, handlers: Mapping[type, Callable[..., None]]) -> None:
    """Subscribe `role` to messages.

    One subscription serves all types: mango tries the condition of each at every message.

    :param role: that handles them
    :param failures: takes exceptions of handlers
    :param handlers: by type of message; the first one whose type a message has takes it
    """
    kinds = tuple(handlers)

    def handle(content: Any, meta: dict[str, Any]) -> None:
        for kind, handler in handlers.items():
            if isinstance(content, kind):
                handler(content, meta)
                return

    handle.__name__ = f"{type(role).__name__}.handle"
    role.context.subscribe_message(
        role, failures.guard(handle), lambda content, _: isinstance(content, kinds)
    )


def _empty(container: Container) -> bool:
    """Return whether a container has handed all that has arrived to its agents."""
    return container.inbox is None or bool(container.inbox.empty())


async def settle(container: Container, failures: Failures) -> None:
    """Return once all messages are handled and all tasks sleep or are done.

    :raises AgentFailure: a role raised, or an agent stopped taking its messages.
    """
    agents = list(container._agents.values())
    quiet = 0
    for _ in range(MAX_TURNS):
        await asyncio.sleep(0)
        idle = _empty(container) and all(map(_idle, agents))
        quiet = quiet + 1 if idle else 0
        if quiet == QUIET_TURNS:
            failures.raise_first()
            return
        if failures.first is not None:
            failures.raise_first()
    stuck = ", ".join(agent.aid for agent in agents if not _idle(agent))
    raise AgentFailure(
        f"these agents do not come to rest: {stuck} (they no longer take their messages, or wait "
        "for the clock outside of mango's sleeping_wait)"
    )

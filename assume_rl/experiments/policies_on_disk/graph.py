"""A policy as a module of torch with named inputs and outputs, which graphs are made of."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from assume_rl.learning.nets.heads import RULED_OUT, Averaged, ByValue, Categorical, head_of
from assume_rl.learning.nets.stack import ActorStack

OBSERVATION, MASK, MEMORY = "observation", "mask", "memory"
"""Inputs: `(row, obs)`; `(row, act, rung)`, of a ladder; `(row, entry)`, of actors with memory."""

ACTION, RUNG, PROBABILITY, NEXT_MEMORY = "action", "rung", "probability", "next_memory"
"""Outputs: `(row, act)`; the same counted from 0; of policies that draw, in place of both,
`(row, act, rung)`; `(row, entry)`."""


class PolicyGraph(nn.Module):
    """A policy as a pure function of its observation, its memory and its weights.

    A mask rules out further rungs; where it leaves none of those that the observation leaves, it
    changes nothing.

    :param actor: of one policy
    """

    def __init__(self, actor: ActorStack) -> None:
        super().__init__()
        self._actor, self._head = actor, head_of(actor.head)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the inputs, in order."""
        ladder, memory = self._head.rungs > 0, self._actor.memory_size > 0
        return (OBSERVATION, *[MASK] * ladder, *[MEMORY] * memory)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs, in order."""
        ladder, memory = self._head.rungs > 0, self._actor.memory_size > 0
        acts = (PROBABILITY,) if self._actor.mixed else (ACTION, *[RUNG] * ladder)
        return (*acts, *[NEXT_MEMORY] * memory)

    def forward(self, given: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs, in order.

        :param given: the inputs, in order
        :param weights: of an actor of this kind, in its order
        """
        named = dict(zip(self.inputs, given, strict=True))
        actor = replace(self._actor, weights=dict(zip(self._actor.weights, weights, strict=True)))
        obs = named[OBSERVATION].unsqueeze(1)
        memory = named.get(MEMORY, obs[:, 0, :0]).unsqueeze(1)
        out, after = actor.outputs_after(obs, memory)
        acts = self._acts(out.squeeze(1), named.get(MASK))
        return (*acts, after.squeeze(1)) if MEMORY in named else acts

    def _acts(self, out: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        """Return an action, with its rung if it is on a ladder, or the shares of all rungs."""
        head = self._head
        if mask is None:
            return (head.mean(out),)
        if head.mixed:
            assert isinstance(head, Categorical | Averaged)  # no others draw
            shares = head.shares(out)
            kept = shares * _allowed(shares > 0, mask)
            return (kept / kept.sum(dim=-1, keepdim=True),)
        assert isinstance(head, ByValue)  # all others on ladders
        values = head.values(out)
        allowed = _allowed(values > 0.5 * RULED_OUT, mask)
        rung = values.masked_fill(~allowed, RULED_OUT).argmax(dim=-1)
        return head.place(rung.to(out.dtype)), rung


def _allowed(legal: Tensor, mask: Tensor) -> Tensor:
    """Return legal rungs `(row, act, rung)` that a mask leaves; all where it leaves none."""
    return legal & (mask | ~(legal & mask).any(dim=-1, keepdim=True))

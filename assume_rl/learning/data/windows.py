"""Windows of observations that end at transitions, for actors with memory.

A window goes back in time as far as its length, the start of the episode and the oldest transition
that is kept allow. It begins with the memory that was stored there.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.data.replay import Replay
from assume_rl.learning.nets.recurrent_actor import window
from assume_rl.learning.types import MEMORY


@dataclass(frozen=True)
class Steps:
    """The transitions of windows in order of time; the last ones are there."""

    rows: Int[Tensor, "seed row step"]  # of the replay
    count: Int[Tensor, "seed row"]  # steps that are there


@dataclass(frozen=True)
class Windows:
    """Reads windows from a replay whose transitions keep memories.

    :param replay: holds the transitions
    :param length: steps of a window at most
    """

    replay: Replay
    length: int

    def steps(self, index: Int[Tensor, "seed row"]) -> Steps:
        """Return the transitions up to those at `index`.

        Memories count decisions: where the count does not fall by one from a transition to the one
        before, that is of another episode, or a decision between them is missing.
        """
        decision = self._decision(index)
        rows, known = [index], [torch.ones_like(index, dtype=torch.bool)]
        for back in range(1, self.length):
            earlier, there = self.replay.preceding(index, back)
            earlier = torch.where(there, earlier, index)  # others may never have been written
            there = there & known[-1] & (self._decision(earlier) == decision - back)
            rows.append(torch.where(there, earlier, index))
            known.append(there)
        return Steps(torch.stack(rows[::-1], dim=-1), torch.stack(known).sum(dim=0))

    def ending(self, group: int, steps: Steps) -> Float[Tensor, "seed agent row window"]:
        """Return windows whose last observations are those of the last transitions.

        :param group: of the agents, by position in the fleet
        :param steps: of the windows
        """
        return window(self._memory(group, steps), steps.count, self._observations(group, steps))

    def following(self, group: int, steps: Steps) -> Float[Tensor, "seed agent row window"]:
        """Return the same windows with the next observation appended.

        :param group: of the agents, by position in the fleet
        :param steps: of the windows
        """
        after = self.replay.part("next_obs", group, steps.rows[..., -1])
        obs = torch.cat([self._observations(group, steps), after.unsqueeze(3)], dim=3)
        return window(self._memory(group, steps), steps.count + 1, obs)

    def _observations(self, group: int, steps: Steps) -> Float[Tensor, "seed agent row step obs"]:
        obs = self.replay.part("obs", group, steps.rows.flatten(1))
        return obs.view(*obs.shape[:2], *steps.rows.shape[1:], -1)

    def _memory(self, group: int, steps: Steps) -> Float[Tensor, "seed agent row memory"]:
        """Return the memories before the first transitions that are there."""
        first = steps.rows.gather(-1, self.length - steps.count[..., None])
        return self.replay.part(MEMORY, group, first[..., 0])

    def _decision(self, index: Int[Tensor, "seed row"]) -> Float[Tensor, "seed row"]:
        """Return how many decisions of the episode came before; the same for all agents."""
        return self.replay.last_entry(MEMORY, index)

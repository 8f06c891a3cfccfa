"""`critic: pooled`: one critic per shape of agents, which sees its rivals as a pool.

A small layer encodes what each rival shows and does; the critic sees the mean of these codes over
the rivals, its own left out (Zaheer et al. 2017, "Deep Sets", arXiv:1703.06114). So it does not
matter which rival bids what, as in a market where rivals count through the aggregate supply curve;
and neither weights nor cost per agent depend on how many there are.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from assume_rl.learning.critics.base import CriticSpec, Seen
from assume_rl.learning.critics.of_shape import HIDDEN
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.layers import ACTIVATIONS, Layer
from assume_rl.learning.nets.net import Weights

CODE = 32


class Look(NamedTuple):
    """Codes of all agents."""

    codes: list[Float[Tensor, "net _ row code"]]  # per group (net, agent, row, code)
    total: Float[Tensor, "net row code"]


class Pool:
    """Private entries and action of each agent, encoded and averaged over an agent's rivals.

    Agents of all shapes are encoded by one layer: entries that an agent does not have are 0, and
    where there are several shapes each has an entry of its own.
    """

    def __init__(self, spec: CriticSpec) -> None:
        fleet = spec.fleet
        self._first = (spec.hidden.sizes or HIDDEN)[0]
        self._activation = spec.hidden.activation
        shapes = list(dict.fromkeys(a.shape for a in fleet.agents))
        self._uniques = max(a.unique_size for a in fleet.agents)
        self._acts = max(a.act_size for a in fleet.agents)
        self._marks = len(shapes) if len(shapes) > 1 else 0
        specs = [group.specs[0] for group in fleet.groups]
        self._unique_sizes = [spec.unique_size for spec in specs]
        # On the device `meta`, making it there would import a compiler, which takes seconds.
        marks = torch.eye(len(shapes)).to(spec.device)
        self._mark = [marks[shapes.index(spec.shape)] for spec in specs]
        self._agents = [len(group.specs) for group in fleet.groups]
        self._rivals = max(len(fleet.agents) - 1, 1)

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Return the encoder, and the weight that meets the mean of the codes."""
        entries = self._uniques + self._acts + self._marks
        return {
            "code.weight": (entries, CODE),
            "code.bias": (CODE,),
            "first.weight": (CODE, self._first),
        }

    def look(self, weights: Weights, seen: Seen) -> Look:
        """Return every agent's code, once."""
        encoder = Layer(weights["code.weight"], weights["code.bias"])
        codes = []
        for group, action in enumerate(seen.action):
            entries = self._shown(seen, group)
            critics = encoder.weight.shape[0] // entries.shape[0]
            shown = entries.flatten(1, 2).expand(critics, -1, -1, -1).flatten(0, 1)
            code = ACTIVATIONS[self._activation](mlp.linear(shown, encoder))
            codes.append(code.view(code.shape[0], *action.shape[1:3], CODE))
        return Look(codes, torch.stack([code.sum(dim=1) for code in codes]).sum(dim=0))

    def added(
        self, weights: Weights, look: Look, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """Return the part of the mean of the rivals' codes, plus `base`; see `Rivals.added`."""
        rows = look.codes[group].shape[2]
        added = base.expand(-1, -1, rows, -1).contiguous().flatten(1, 2)  # a copy
        mlp.add_product_(added, self._pool(look, group), weights["first.weight"])
        return added.view(*base.shape[:2], rows, -1)

    def own(
        self, weights: Weights, group: int, direct: Float[Tensor, "net 1 own hidden"]
    ) -> Float[Tensor, "net agent own hidden"]:
        """Return `direct`: an agent is not in its own pool; see `Rivals.own`."""
        return direct.expand(-1, self._agents[group], -1, -1)

    def _pool(self, look: Look, group: int) -> Float[Tensor, "net agent_row code"]:
        mean = (look.total.unsqueeze(1) - look.codes[group]) / self._rivals
        return mean.flatten(1, 2)

    def _shown(self, seen: Seen, group: int) -> Float[Tensor, "seed agent row entry"]:
        """Return private entries, action and mark of the shape."""
        obs, action = seen.obs[group], seen.action[group]
        size = self._unique_sizes[group]
        unique = pad(obs[..., obs.shape[-1] - size :], (0, self._uniques - size))
        parts = [unique, pad(action, (0, self._acts - action.shape[-1]))]
        if self._marks:
            parts.append(self._mark[group].expand(*action.shape[:-1], -1).to(action))
        return torch.cat(parts, dim=-1)

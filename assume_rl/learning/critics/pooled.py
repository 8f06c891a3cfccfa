"""`critic: pooled`: one critic per shape of agents, which sees its rivals as a pool.

A small layer encodes what each rival shows and does; the critic sees the mean of these codes over
the rivals, its own left out (Zaheer et al. 2017, "Deep Sets", arXiv:1703.06114). So it does not
matter which rival bids what, as in a market where rivals count through the aggregate supply curve;
and neither weights nor cost per agent depend on how many there are.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from assume_rl.learning.critics.critic import Fleet, Seen, Weights
from assume_rl.learning.critics.of_shape import ShapeCritic, create_with
from assume_rl.learning.critics.rivals import HIDDEN
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.layers import Layer

CODE = 32


@dataclass
class Look:
    """Codes of all agents."""

    shown: list[Float[Tensor, "net _ entry"]]  # per group (net, agent x row, entry)
    codes: list[Float[Tensor, "net _ row code"]]  # per group (net, agent, row, code)
    total: Float[Tensor, "net row code"]
    slopes: dict[int, Float[Tensor, "net _ row code"]] = field(default_factory=dict)


class Pool:
    """Private entries and action of each agent, encoded and averaged over an agent's rivals.

    Agents of all shapes are encoded by one layer: entries that an agent does not have are 0, and
    where there are several shapes an entry for each tells them apart.
    """

    def __init__(self, fleet: Fleet, device: torch.device) -> None:
        shapes = list(dict.fromkeys(a.shape for a in fleet.agents))
        self._uniques = max(a.unique_size for a in fleet.agents)
        self._acts = max(a.act_size for a in fleet.agents)
        self._marks = len(shapes) if len(shapes) > 1 else 0
        specs = [fleet.agents[own[0]] for own in fleet.positions]
        self._unique_sizes = [spec.unique_size for spec in specs]
        marks = torch.eye(len(shapes), device=device)
        self._mark = [marks[shapes.index(spec.shape)] for spec in specs]
        self._agents = [len(own) for own in fleet.positions]
        self._rivals = max(len(fleet.agents) - 1, 1)

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The encoder, and what meets the mean of the codes."""
        entries = self._uniques + self._acts + self._marks
        return {
            "code.weight": (entries, CODE),
            "code.bias": (CODE,),
            "first.weight": (CODE, HIDDEN[0]),
        }

    def look(self, weights: Weights, seen: Seen) -> Look:
        """Every agent's code, once."""
        encoder = Layer(weights["code.weight"], weights["code.bias"])
        shown, codes = [], []
        for group, action in enumerate(seen.action):
            entries = self._shown(seen, group)
            critics = encoder.weight.shape[0] // entries.shape[0]
            shown.append(entries.flatten(1, 2).expand(critics, -1, -1, -1).flatten(0, 1))
            code = mlp.linear(shown[-1], encoder).relu_()
            codes.append(code.view(code.shape[0], *action.shape[1:3], CODE))
        return Look(shown, codes, torch.stack([code.sum(dim=1) for code in codes]).sum(dim=0))

    def added(
        self, weights: Weights, look: Look, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """What meets the mean of the rivals' codes, plus `base`."""
        rows = look.codes[group].shape[2]
        added = base.expand(-1, -1, rows, -1).contiguous().flatten(1, 2)  # a copy
        mlp.add_product_(added, self._pool(look, group), weights["first.weight"])
        return added.view(*base.shape[:2], rows, -1)

    def note(
        self,
        weights: Weights,
        slopes: Weights,
        look: Look,
        group: int,
        slope: Float[Tensor, "net agent row hidden"],
    ) -> None:
        """Keep the gradient at each agent's mean."""
        flat = slope.flatten(1, 2)
        pool = self._pool(look, group)
        mlp.weight_gradient(pool, flat, slopes["first.weight"], add=True)
        at_pool = mlp.input_gradient(flat, weights["first.weight"]) / self._rivals
        look.slopes[group] = at_pool.view_as(look.codes[group])

    def finish(self, weights: Weights, slopes: Weights, look: Look) -> None:
        """A code is in the mean of every agent but its own."""
        everybody = torch.stack([s.sum(dim=1) for s in look.slopes.values()]).sum(dim=0)
        into = Layer(slopes["code.weight"], slopes["code.bias"])
        for group, code in enumerate(look.codes):
            at_code = everybody.unsqueeze(1).expand_as(code)
            own = look.slopes.get(group)
            at_code = at_code.clone() if own is None else at_code - own
            slope = mlp.before_relu(at_code, code).flatten(1, 2)
            mlp.linear_gradient(look.shown[group], slope, into, add=True)

    def own_action(
        self, weights: Weights, group: int, direct: Float[Tensor, "seed 1 act hidden"]
    ) -> Float[Tensor, "seed agent act hidden"]:
        """An agent's action is not in its own pool."""
        return direct.expand(-1, self._agents[group], -1, -1)

    def _pool(self, look: Look, group: int) -> Float[Tensor, "net agent_row code"]:
        mean = (look.total.unsqueeze(1) - look.codes[group]) / self._rivals
        return mean.flatten(1, 2)

    def _shown(self, seen: Seen, group: int) -> Float[Tensor, "seed agent row entry"]:
        """Private entries, action and mark of the shape."""
        obs, action = seen.obs[group], seen.action[group]
        size = self._unique_sizes[group]
        unique = pad(obs[..., obs.shape[-1] - size :], (0, self._uniques - size))
        parts = [unique, pad(action, (0, self._acts - action.shape[-1]))]
        if self._marks:
            parts.append(self._mark[group].expand(*action.shape[:-1], -1).to(action))
        return torch.cat(parts, dim=-1)


def create(
    fleet: Fleet, critics: int, device: torch.device, dtype: torch.dtype
) -> tuple[ShapeCritic, ...]:
    """Critics of all shapes, all zero."""
    return create_with(Pool(fleet, device), fleet, critics, device, dtype)

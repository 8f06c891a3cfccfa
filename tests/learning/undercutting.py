"""Two plants that undercut each other, paid as bid: an equilibrium in mixed strategies only.

Each has 50 MW at a cost of 20 EUR/MWh; demand is 70 MW, the cap 100 EUR/MWh (von der Fehr and
Harbord 1993). The cheaper one sells 50 MW, the other the 20 MW that are left. In equilibrium a bid
is at most b with probability F(b) = (50 - 1600 / (b - 20)) / 30 on [52, 100], and brings 1,600
EUR/h. With prices that are certain one of the two gains 480 EUR/h at the least by another bid.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from toys import CPU

from assume_rl import keyed
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import CURVE, AgentSpec, Joint, Transitions

CAP, COST, OWN, REST = 100.0, 20.0, 50.0, 20.0  # EUR/MWh, EUR/MWh, MW, MW
SCALE = CAP * OWN  # EUR/h of a reward of 1
LAW = Exploration("noise")


def payoffs(rungs: int) -> Float[Tensor, "rung rung"]:
    """Return profits, EUR/h, of each own rung against each of the rival's; own bids lose ties."""
    price = torch.linspace(0.0, CAP, rungs, dtype=torch.float64)
    own, rival = price[:, None], price
    return torch.where(own < rival, OWN, REST) * (own - COST)


def equilibrium(rungs: int) -> Float[Tensor, " rung"]:
    """Return the probability that an equilibrium bid lies between a rung and the one below."""
    price = torch.linspace(0.0, CAP, rungs, dtype=torch.float64).clamp(min=52.0)
    return ((OWN - 1600.0 / (price - COST)) / 30.0).diff(prepend=torch.zeros(1).double())


def exploitability(mixes: Float[Tensor, "*batch 2 rung"]) -> Float[Tensor, "*batch"]:
    """Return the greatest gain, EUR/h, of one of two players by another bid."""
    against = mixes.flip(-2) @ payoffs(mixes.shape[-1]).T
    return (against.amax(dim=-1) - (mixes * against).sum(dim=-1)).amax(dim=-1)


def players(rungs: int, seeds: int = 1, **settings: object) -> Learner:
    """Return a learner of both plants, which observe nothing that changes."""
    agents = [AgentSpec(name, 3, 1, 2, rungs=rungs) for name in ("left", "right")]
    config = LearningConfig.model_validate(settings)
    numbers = tuple(range(1, seeds + 1))
    return Learner(config, agents, seeds=numbers, device=CPU, dtype=torch.float32)


def shown(ours: Learner, rows: int) -> list[Tensor]:
    """Return observations of some rows, per group: a constant and the bounds of the ladder."""
    constant = torch.tensor([1.0, -1.0, 1.0])
    return [constant.expand(len(ours.seeds), rows, len(g.specs), 3) for g in ours.groups]


def play(ours: Learner, rows: int, number: int) -> Joint:
    """Return auctions in which both draw their bids; `number` keys the draws."""
    obs = shown(ours, rows + 1)
    outs = ours.outputs([part[:, :-1] for part in obs])
    keys = [[keyed.key(seed, "toy", number, unit) for unit in (0, 1)] for seed in ours.seeds]
    z = keyed.normal(torch.tensor(keys), rows).transpose(1, 2).unsqueeze(-1).float()
    drawn = []
    for group, head, out in zip(ours.groups, ours.heads, outs, strict=True):
        own = z[:, :, list(group.positions)]
        drawn.append(decide(head, out, own, own, LAW))
    order = torch.tensor([p for group in ours.groups for p in group.positions]).argsort()
    action = torch.cat([one.action for one in drawn], dim=2)[:, :, order, 0]
    rungs = ours.heads[0].rungs
    rung = ((action + 1.0) * ((rungs - 1) / 2)).round().long()
    curve = (payoffs(rungs).T / SCALE).float()[rung.flip(-1)]
    reward = curve.gather(-1, rung[..., None])[..., 0]
    parts = [
        Transitions(
            seen[:, :-1],
            one.action,
            reward[:, :, list(group.positions)],
            seen[:, 1:],
            {
                **{name: one.extras[name] for name in ours.algorithm.extras},
                CURVE: curve[:, :, list(group.positions)],
            },
        )
        for group, seen, one in zip(ours.groups, obs, drawn, strict=True)
    ]
    flags = torch.zeros(len(ours.seeds), rows, dtype=torch.bool)
    return Joint(tuple(parts), flags, flags, copies=rows)


def mixes(ours: Learner) -> Float[Tensor, "seed 2 rung"]:
    """Return the probabilities with which both choose rungs."""
    outs = zip(ours.heads, ours.outputs(shown(ours, 1)), strict=True)
    found = torch.cat([head.shares(out.double())[:, 0, :, 0] for head, out in outs], dim=1)
    order = torch.tensor([p for group in ours.groups for p in group.positions]).argsort()
    return found[:, order]


def trained(updates: int, rows: int, rungs: int, seeds: int = 1, **settings: object) -> Learner:
    """Return a learner of the game after some updates, each from some auctions."""
    ours = players(rungs, seeds, **settings)
    for k in range(updates):
        ours.observe(play(ours, rows, k))
        ours.update(1.0 - k / updates)
    return ours

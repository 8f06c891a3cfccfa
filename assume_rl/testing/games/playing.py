"""Learners that play a game: the same `Learner` that learns in markets, driven by transitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import OFF, Exploration, decide, exploration_at
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.heads import Averaged, ByValue, Categorical, greedy_shares
from assume_rl.learning.schedules import progress
from assume_rl.learning.types import CURVE, NEXT_OWN, AgentSpec, Joint, Transitions
from assume_rl.testing.games.base import Game
from assume_rl.testing.games.curves import curve_table, curves, looked_up
from assume_rl.testing.games.judging import Policy

HATS, TALL = 33, 6.0
"""A private draw is shown as numbers that rise to `TALL` at one point of [0, 1] each, and fall off
to 0 at the next: so many that all are as large in the mean square as a constant of about 1."""


@dataclass(frozen=True)
class Mix:
    """The choices of players without observations: numbers and their probabilities, for each."""

    numbers: Float[Tensor, "player rung"]
    weight: Float[Tensor, "player rung"]


@dataclass(frozen=True)
class Learned:
    """The policies of one seed.

    :param policy: what players do after the last update, without exploration
    :param draws: whether `policy` is a mix that is drawn from, each row of chance anew
    :param last: what it is drawn from, or in mixed games also what exploration draws from; None
        elsewhere, and where players see something, have several entries, or are not two
    :param averaged: mean over all episodes; likewise, and in mixed games only
    """

    policy: Policy
    draws: bool
    last: Mix | None
    averaged: Mix | None


def play(game: Game, config: LearningConfig, seeds: Sequence[int], rungs: int = 0) -> list[Learned]:
    """Return the results of learning a game, one per seed; seeds share no number.

    Every episode is played `config.num_envs` times side by side, with a single decision each, and
    ends with an update.

    :param game: that is played
    :param config: settings
    :param seeds: of initial weights, chance and exploration
    :param rungs: of the ladders that actions are on; 0: actions are any numbers
    """
    learner = Learner(config, _agents(game, rungs), seeds=seeds, device=torch.device("cpu"))
    mixes: list[Mix] = []
    draws = all(head.mixed for head in learner.heads)
    alone = game.entries == 1 and not game.private and len(game.bounds) == 2
    table = curve_table(game, rungs) if CURVE in learner.extras else None
    for episode in range(1, config.training_episodes + 1):
        left = progress(episode, config.initial_episodes, config.training_episodes)
        learner.observe(_episode(game, learner, table, episode, left))
        learner.update(left)
        if alone and (game.mixed or (draws and episode == config.training_episodes)):
            law = exploration_at(config, initial=False, progress=left)
            mixes.append(_mix(game, learner, law))
    policy = _mixed_policy if draws else _policy
    return [
        Learned(
            policy(game, learner, k),
            draws,
            _of_seed(mixes[-1], k) if mixes else None,
            _mean([_of_seed(mix, k) for mix in mixes]) if game.mixed and mixes else None,
        )
        for k in range(len(seeds))
    ]


def _agents(game: Game, rungs: int) -> list[AgentSpec]:
    size = (HATS if game.private else 1) + (2 * game.entries if rungs else 0)
    return [AgentSpec(name, size, game.entries, size, rungs=rungs) for name in game.players]


def _observations(
    game: Game, chance: Float[Tensor, "... chance"], rungs: int
) -> Float[Tensor, "... player obs"]:
    """Return players' observations: their own draw or nothing; on ladders all rungs are free."""
    shape = (*chance.shape[:-1], len(game.players))
    if game.private:
        top = torch.arange(HATS, dtype=torch.float64)
        seen = TALL * (1.0 - (chance.unsqueeze(-1) * (HATS - 1) - top).abs()).clamp(min=0.0)
    else:
        seen = torch.ones(*shape, 1, dtype=torch.float64)
    if not rungs:
        return seen
    low = -torch.ones(*shape, game.entries, dtype=torch.float64)
    return torch.cat([seen, low, -low], -1)


def _episode(
    game: Game,
    learner: Learner,
    table: Float[Tensor, "player rung rung"] | None,
    episode: int,
    left: float,
) -> Joint:
    """Return the transitions of an episode.

    Those with curves are one row for each thing that was seen: what rungs would have brought is the
    mean over the plays of others.
    """
    config, rungs = learner.config, learner.agents[0].rungs
    shape = (len(learner.seeds), config.num_envs)
    chance = _drawn(learner, "chance", episode, (*shape, game.cases.shape[-1]))
    seen = _observations(game, chance, rungs)
    size = (*shape, len(game.players), game.entries)
    luck = _drawn(learner, "noise", episode, (*shape, size[2] * size[3])).view(size)
    z = torch.special.ndtri(luck).to(learner.dtype)
    law = exploration_at(config, initial=episode <= config.initial_episodes, progress=left)
    observed = [seen[:, :, list(group.positions)] for group in learner.groups]
    with torch.no_grad():
        outs = learner.outputs(observed, noisy=True)
        decisions = []
        for head, out, group in zip(learner.heads, outs, learner.groups, strict=True):
            own = z[:, :, list(group.positions)]
            decisions.append(decide(head, out, torch.zeros_like(own), own, law))
    place = torch.zeros(size, dtype=learner.dtype)
    for decision, group in zip(decisions, learner.groups, strict=True):
        place[:, :, list(group.positions)] = _on_ladder(decision.action, rungs)
    action = _numbers(game, place, rungs)
    reward = game.rules.payoff(action, chance) / game.scale
    met: Tensor | None = None
    rows = config.num_envs
    if CURVE in learner.extras:
        if table is None:
            found = curves(game, action, chance, rungs)
        else:
            found = looked_up(table, _rung(place[..., 0], rungs))
        met, rows = found.to(learner.dtype), found.shape[1]
    parts = []
    for k, group in enumerate(learner.groups):
        own_agents = list(group.positions)
        extras = {name: decisions[k].extras[name] for name in learner.algorithm.extras}
        if met is not None:
            extras[CURVE] = met[:, :, own_agents]
        shown = observed[k][:, :rows].to(learner.dtype)
        if NEXT_OWN in learner.extras:  # nothing is observed after the only decision
            entries = group.specs[0].entries("own_rungs")
            extras[NEXT_OWN] = shown.new_zeros(*shown.shape[:-1], entries)
        parts.append(
            Transitions(
                shown,
                place[:, :rows, own_agents],
                reward[:, :rows, own_agents].to(learner.dtype),
                shown,
                extras,
            )
        )
    ended = torch.ones(shape[0], rows, dtype=torch.bool)
    return Joint(tuple(parts), ended, ~ended, rows)


def _drawn(
    learner: Learner, purpose: str, episode: int, shape: tuple[int, int, int]
) -> Float[Tensor, "seed play number"]:
    """Return uniform draws of an episode, of each seed its own.

    Each number lies evenly over plays, in a random order (McKay et al. 1979).
    """
    keys = torch.tensor([keyed.key(seed, purpose, episode) for seed in learner.seeds])
    order, place = (
        keyed.uniform(keys, 2 * shape[1] * shape[2]).view(shape[0], 2, *shape[1:]).unbind(1)
    )
    return (order.argsort(1) + place) / shape[1]


def _on_ladder(place: Float[Tensor, "..."], rungs: int) -> Float[Tensor, "..."]:
    """Return the places of the nearest rungs, where there are some."""
    if not rungs:
        return place.clamp(-1.0, 1.0)
    return _rung(place, rungs) * (2.0 / (rungs - 1)) - 1.0


def _rung(place: Float[Tensor, "..."], rungs: int) -> Int[Tensor, "..."]:
    return ((place.clamp(-1.0, 1.0) + 1.0) * (0.5 * (rungs - 1))).round().long()


def _numbers(
    game: Game, place: Float[Tensor, "... player entry"], rungs: int
) -> Float[Tensor, "... player entry"]:
    """Return the numbers at places: on ladders those of rungs exactly, so that ties are ties."""
    if not rungs:
        return game.numbers(place)
    rung = _rung(place, rungs)
    ladders = [game.grid(player, rungs) for player in range(len(game.players))]
    return torch.stack([own[rung[..., i, :]] for i, own in enumerate(ladders)], -2)


def _policy(game: Game, learner: Learner, k: int) -> Policy:
    """Return the actions of players without exploration, by the draws of the game."""
    stacks, rungs = learner.actors(k), learner.agents[0].rungs

    def policy(chance: Float[Tensor, "case chance"]) -> Float[Tensor, "case player entry"]:
        seen = _observations(game, chance, rungs).to(learner.dtype)
        place = torch.zeros(*seen.shape[:-1], game.entries, dtype=learner.dtype)
        with torch.no_grad():
            for stack, group in zip(stacks, learner.groups, strict=True):
                place[:, list(group.positions)] = stack(seen[:, list(group.positions)])
        return _numbers(game, place, rungs)

    return policy


def _mixed_policy(game: Game, learner: Learner, k: int) -> Policy:
    """Return the draws of players that mix, by the draws of the game.

    Quantiles of rows are evenly apart for each player and entry, in a random order (McKay et al.
    1979), the same in each call.
    """
    single, rungs = learner.single(k), learner.agents[0].rungs

    def policy(chance: Float[Tensor, "case player"]) -> Float[Tensor, "case player entry"]:
        seen, rows = _observations(game, chance, rungs).unsqueeze(0), len(chance)
        outs = single.outputs([seen[:, :, list(group.positions)] for group in single.groups])
        players, entries = range(len(game.players)), range(game.entries)
        keys = torch.tensor([[keyed.key(0, "luck", i, j) for j in entries] for i in players])
        luck = (keyed.uniform(keys, rows).argsort(-1) + 0.5) / rows
        z = torch.special.ndtri(luck).movedim(-1, 0).unsqueeze(0).to(learner.dtype)
        place = torch.zeros(z.shape, dtype=learner.dtype)
        for head, out, group in zip(single.heads, outs, single.groups, strict=True):
            own = z[:, :, list(group.positions)]
            decision = decide(head, out, torch.zeros_like(own), own, OFF)
            place[:, :, list(group.positions)] = decision.action
        return _numbers(game, place[0], rungs)

    return policy


def _mix(game: Game, learner: Learner, law: Exploration) -> Mix:
    """Return the present mixed actions of all seeds; without a ladder a single number.

    :param game: that is played
    :param learner: of the players
    :param law: how they draw
    """
    rungs = learner.agents[0].rungs
    seen = _observations(game, torch.zeros(len(learner.seeds), 1, game.cases.shape[-1]), rungs)
    with torch.no_grad():
        own_seen = [seen[:, :, list(group.positions)] for group in learner.groups]
        outs = learner.outputs(own_seen, noisy=True)
    order = torch.tensor(learner.fleet.order).argsort()
    if not rungs:
        own = [head.mean(out) for head, out in zip(learner.heads, outs, strict=True)]
        numbers = game.numbers(torch.cat(own, 2)[:, 0, order])
        return Mix(numbers, torch.ones_like(numbers))
    shares = []
    for head, out in zip(learner.heads, outs, strict=True):
        found = out[:, 0].double()
        if law.epsilon is None:
            assert isinstance(head, Categorical | Averaged)
            share = head.shares(found / law.temperature)
        else:
            assert isinstance(head, ByValue)
            share = greedy_shares(head, found, law.epsilon)
        shares.append(share[:, :, 0])
    weight = torch.cat(shares, 1)[:, order]
    ladders = torch.stack([game.grid(player, rungs) for player in range(len(game.players))])
    return Mix(ladders.expand_as(weight), weight)


def _of_seed(mix: Mix, k: int) -> Mix:
    return Mix(mix.numbers[k], mix.weight[k])


def _mean(mixes: Sequence[Mix]) -> Mix:
    """Return the mean of the players' choices, each episode counting alike."""
    share = 1.0 / len(mixes)
    if torch.equal(mixes[0].numbers, mixes[-1].numbers):
        weight = torch.stack([mix.weight for mix in mixes]).mean(0)
        return Mix(mixes[0].numbers, weight)
    numbers = torch.cat([mix.numbers for mix in mixes], -1)
    return Mix(numbers, torch.cat([mix.weight for mix in mixes], -1) * share)

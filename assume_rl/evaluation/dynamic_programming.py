"""The best of all sequences of choices, where a choice changes the value of later ones.

Backward induction: from the last step to the first, each state is worth the best of what a choice
brings now and what the state that it leads to is worth later. What is left at the end is worth
nothing.

States are numbered, and a choice leads to a *place* among them. Where all places are whole numbers,
the optimum is exact. Between two states, of a grid, it counts as a mix of both.

Source: R. Bellman 1957, "Dynamic Programming".
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def worth_of_states(
    value: Float[Tensor, "step state choice"], after: Float[Tensor, "step state choice"]
) -> Float[Tensor, "steps state"]:
    """Return the value of states before each step, and after the last, 0.

    :param value: of a choice in a state, in any unit; -inf: not possible. One always is
    :param after: place that it leads to, in [0, states - 1]
    """
    worth = value.new_zeros(value.shape[1])
    found = [worth]
    for now, place in zip(reversed(value.unbind(0)), reversed(after.unbind(0)), strict=True):
        worth = (now + worth_at(worth, place)).amax(-1)
        found.append(worth)
    return torch.stack(found[::-1])


def best_choices(
    value: Float[Tensor, "step state choice"], after: Int[Tensor, "step state choice"], start: int
) -> Int[Tensor, " step"]:
    """Return the best choice in each step, of equal ones the first.

    :param value: of a choice in a state, in any unit; -inf: not possible. One always is
    :param after: state that it leads to
    :param start: state before the first step
    """
    worth = worth_of_states(value, after.to(value.dtype))
    state, chosen = torch.tensor(start), []
    for now, to, later in zip(value, after, worth[1:], strict=True):
        chosen.append((now[state] + later[to[state]]).argmax())
        state = to[state, chosen[-1]]
    return torch.stack(chosen)


def worth_at(worth: Float[Tensor, " state"], place: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Return the value at places, linear between two states.

    :param worth: of each state
    :param place: in [0, states - 1]
    """
    low = place.floor().long().clamp(0, len(worth) - 1)
    high = (low + 1).clamp(max=len(worth) - 1)
    share = place - low
    return worth[low] + share * (worth[high] - worth[low])

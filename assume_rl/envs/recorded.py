"""Market steps that are recorded as CUDA graphs, one for each decision of an episode.

A step is a function of a state, actions and draws. What of these are tensors is copied to tensors
that stay where they are, and what comes out is copied from such; the rest, such as numbers of
steps, depends on the decision alone. So episodes that are shorter than the calendar but begin
anywhere in it (`learning_config.episode_length`) share their recordings.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Actions, Happened, State
from assume_rl.learning.graphs import Graphs

T = TypeVar("T")
Advance = Callable[[State, Actions, Any], tuple[State, Happened]]
"""From state, actions and draws to the state at the next decision, and what happened until then."""
Signature = tuple[tuple[torch.Size, torch.dtype], ...]


class RecordedSteps:
    """Makes market steps from recordings.

    :param graphs: record them
    :param advance: makes a step
    :param setting: of the environment, whose tensors never change
    """

    def __init__(self, graphs: Graphs, advance: Advance, setting: Setting) -> None:
        self._graphs, self._advance = graphs, advance
        self._constant = tuple(tensors(setting))  # kept, so that no other tensor has their ids
        self._fixed = frozenset(map(id, self._constant))
        self._into: dict[Signature, list[Tensor]] = {}
        self._out: dict[Signature, list[Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, state: State, actions: Actions, drawn: Any) -> tuple[State, Happened]:
        """Return the state at the next decision, and the events until then.

        :param state: at a decision
        :param actions: (copy, agent, act) per team
        :param drawn: draws of the auctions until then
        """
        given = (state, actions, drawn)
        values = tensors(given, self._fixed)
        into = _buffers(self._into, values)
        _copy(into, values)
        inside = exchanged(given, dict(zip(map(id, values), into, strict=True)))
        found = self._graphs.run((state.tick, _signature(values)), lambda: self._made(*inside))
        back = dict(zip(map(id, into), values, strict=True))
        made = tensors(found, self._fixed | back.keys())
        new = [torch.empty_like(value) for value in made]
        _copy(new, made)
        return exchanged(found, back | dict(zip(map(id, made), new, strict=True)))

    def _made(self, *inside: Any) -> tuple[State, Happened]:
        """Return the results of a step from tensors that stay in place, in such tensors."""
        found = self._advance(*inside)
        values = tensors(found, self._fixed | set(map(id, tensors(inside))))
        out = _buffers(self._out, values)
        _copy(out, values)
        return exchanged(found, dict(zip(map(id, values), out, strict=True)))


def tensors(value: Any, but: frozenset[int] | set[int] = frozenset()) -> list[Tensor]:
    """Return all different tensors in dataclasses, mappings and sequences, in order.

    :param value: is searched
    :param but: ids of tensors that are left out
    """
    found: dict[int, Tensor] = {}
    _gather(value, found, set())
    return [own for key, own in found.items() if key not in but]


def exchanged(value: T, new: Mapping[int, Tensor]) -> T:
    """Return a value with other tensors; parts without any of them are the same objects.

    :param value: dataclasses, mappings and sequences
    :param new: id of a tensor -> what takes its place
    """
    whole: Any = value
    if isinstance(whole, Tensor):
        found: Any = new.get(id(whole), whole)
    elif isinstance(whole, Mapping):
        parts = [exchanged(own, new) for own in whole.values()]
        found = _unless_same(
            whole, whole.values(), parts, lambda: dict(zip(whole, parts, strict=True))
        )
    elif isinstance(whole, list | tuple):
        parts = [exchanged(own, new) for own in whole]
        made = whole._make if hasattr(whole, "_make") else type(whole)
        found = _unless_same(whole, whole, parts, lambda: made(parts))
    elif _is_dataclass(whole):
        names = [field.name for field in dataclasses.fields(whole)]
        before = [getattr(whole, name) for name in names]
        parts = [exchanged(own, new) for own in before]
        own = zip(names, parts, strict=True)
        found = _unless_same(whole, before, parts, lambda: type(whole)(**dict(own)))
    else:
        found = whole
    result: T = found
    return result


def _gather(value: Any, found: dict[int, Tensor], seen: set[int]) -> None:
    if isinstance(value, Tensor):
        found.setdefault(id(value), value)
        return
    parts: Sequence[Any] = ()
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = value
    elif _is_dataclass(value):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if parts and id(value) not in seen:
        seen.add(id(value))
        for own in parts:
            _gather(own, found, seen)


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _unless_same(whole: Any, before: Any, parts: list[Any], make: Callable[[], Any]) -> Any:
    same = all(new is old for new, old in zip(parts, before, strict=True))
    return whole if same else make()


def _signature(values: Sequence[Tensor]) -> Signature:
    return tuple((value.shape, value.dtype) for value in values)


def _buffers(kept: dict[Signature, list[Tensor]], values: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors that stay where they are, of the shapes of others."""
    signature = _signature(values)
    if signature not in kept:
        kept[signature] = [torch.empty_like(value) for value in values]
    return kept[signature]


def _copy(to: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    if to:
        torch._foreach_copy_(list(to), list(values))

"""What a Learning role accepts: messages, mappings with their keys, and sequences of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch

from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    ObsActRew,
    Observed,
    RegisterUnit,
    Rewarded,
    UpdateDue,
)
from assume_rl.core.bidding.base import Feature, Layout
from assume_rl.errors import ConfigurationError
from assume_rl.learning.types import Earnings

MESSAGES = (
    RegisterUnit,
    Observed,
    Acted,
    Rewarded,
    ObsActRew,
    UpdateDue,
    EpisodeStart,
    EpisodeEnd,
)

OPTIONAL = {"extras", "rungs", "earnings"}  # may be left out of a mapping

# Distinguished by the keys that they must have: partners without this package can take part.
BY_KEYS: dict[frozenset[str], Callable[..., Any]] = {
    frozenset(f.name for f in fields(kind)) - OPTIONAL: kind
    for kind in (RegisterUnit, Observed, Acted, Rewarded, ObsActRew, UpdateDue)
}
BY_KEYS[frozenset({"observation", "action", "reward"})] = ObsActRew


def is_learning_message(content: Any) -> bool:
    """Return whether `content` is for a Learning role; of a sequence, the first item decides."""
    if isinstance(content, (tuple, list)):
        return bool(content) and is_learning_message(content[0])
    if isinstance(content, Mapping):
        return _keys(content) in BY_KEYS
    return isinstance(content, MESSAGES)


def unpack(content: Any) -> Iterator[Any]:
    """Return the messages in `content`, one after the other; anything else is left out."""
    if isinstance(content, (tuple, list)):
        for item in content:
            yield from unpack(item)
    elif isinstance(content, MESSAGES):
        yield content
    elif isinstance(content, Mapping) and _keys(content) in BY_KEYS:
        kind = BY_KEYS[_keys(content)]
        read = _entry if kind is ObsActRew else _value
        yield kind(**{key: read(key, value) for key, value in content.items()})


def one_by_one(
    content: ObsActRew, unit_id: str, times: Sequence[float]
) -> Iterator[Observed | Acted | Rewarded]:
    """Return the records of each delivery.

    :param content: several deliveries
    :param unit_id: of the unit that reports them
    :param times: of the deliveries, POSIX seconds
    :raises ConfigurationError: there are not as many of each
    """
    columns = (times, content.observation, content.action, content.reward)
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(str(len(column)) for column in columns)
        raise ConfigurationError(
            f"unit '{unit_id}' reported different numbers of times, observations, actions and "
            f"rewards: {counts}"
        )
    for time, observation, action, reward in zip(*columns, strict=True):
        yield Observed(unit_id, time, observation)
        yield Acted(unit_id, time, action, torch.zeros_like(action))
        yield Rewarded(unit_id, time, float(reward), 0.0, 0.0)


def _entry(key: str, value: Any) -> Any:
    if key in ("observation", "action"):
        return [_value(key, entry) for entry in value]
    return value


def _keys(content: Mapping[Any, Any]) -> frozenset[Any]:
    """Return the keys that tell what a mapping is."""
    return frozenset(content) - OPTIONAL


def _value(key: str, value: Any) -> Any:
    if key in ("observation", "action", "noise"):
        return value if isinstance(value, torch.Tensor) else torch.tensor(value).float()
    if key == "extras":
        return {name: _value("action", part) for name, part in value.items()}
    if key == "layout" and isinstance(value, Mapping):
        return Layout(tuple(Feature(**feature) for feature in value["features"]))
    if key == "earnings" and isinstance(value, Mapping):
        return Earnings(**value)
    return value

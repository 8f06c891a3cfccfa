"""The messages that a Learning role accepts, mappings with their keys, and sequences of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
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
from assume_rl.learning.types import Earnings, Scales

# Partners without this package can take part: mappings may have the keys of one of these.
MAPPED = (RegisterUnit, Observed, Acted, Rewarded, ObsActRew, UpdateDue)
MESSAGES = (*MAPPED, EpisodeStart, EpisodeEnd)
KEYS = [
    (
        kind,
        {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING},
        {f.name for f in fields(kind)},
    )
    for kind in MAPPED
]
"""Messages with the keys that a mapping must have, and those that it may have."""


def is_learning_message(content: Any) -> bool:
    """Return whether `content` is for a Learning role; of a sequence, the first item decides."""
    if isinstance(content, (tuple, list)):
        return bool(content) and is_learning_message(content[0])
    if isinstance(content, Mapping):
        return _kind_of(content) is not None
    return isinstance(content, MESSAGES)


def unpack(content: Any) -> Iterator[Any]:
    """Return the messages in `content`, one after the other; anything else is left out."""
    if isinstance(content, (tuple, list)):
        for item in content:
            yield from unpack(item)
    elif isinstance(content, MESSAGES):
        yield content
    elif isinstance(content, Mapping) and (kind := _kind_of(content)) is not None:
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


def _kind_of(content: Mapping[Any, Any]) -> type[Any] | None:
    """Return the message that has these keys; those of fields with a default may be left out."""
    return next((kind for kind, least, most in KEYS if least <= content.keys() <= most), None)


def _value(key: str, value: Any) -> Any:
    if key in ("observation", "action", "noise"):
        return value if isinstance(value, torch.Tensor) else torch.tensor(value).float()
    if key == "extras":
        return {name: _value("action", part) for name, part in value.items()}
    if key == "layout" and isinstance(value, Mapping):
        return Layout(tuple(Feature(**feature) for feature in value["features"]))
    if key == "earnings" and isinstance(value, Mapping):
        return Earnings(**value)
    if key == "scales" and isinstance(value, Mapping):
        return Scales(**{name: part and tuple(part) for name, part in value.items()})
    return value

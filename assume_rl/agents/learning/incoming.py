"""What a Learning role accepts: messages, mappings with their keys, and sequences of them."""

from collections.abc import Callable, Iterator, Mapping
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

SINGLE = (RegisterUnit, Observed, Acted, Rewarded, UpdateDue, EpisodeStart, EpisodeEnd)
MESSAGES = (*SINGLE, ObsActRew)

# Distinguished by the keys that they must have: partners without this package can take part.
BY_KEYS: dict[frozenset[str], Callable[..., Any]] = {
    frozenset(f.name for f in fields(kind) if f.default_factory is MISSING): kind
    for kind in (RegisterUnit, Observed, Acted, Rewarded, UpdateDue)
}


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
    elif isinstance(content, ObsActRew):
        yield from _one_by_one(content)
    elif isinstance(content, SINGLE):
        yield content
    elif isinstance(content, Mapping) and _keys(content) in BY_KEYS:
        kind = BY_KEYS[_keys(content)]
        yield kind(**{key: _value(key, value) for key, value in content.items()})


def _one_by_one(content: ObsActRew) -> Iterator[Observed | Acted | Rewarded]:
    rows = zip(content.time, content.observation, content.action, content.reward, strict=True)
    for time, observation, action, reward in rows:
        yield Observed(content.unit_id, time, observation)
        yield Acted(content.unit_id, time, action, torch.zeros_like(action))
        yield Rewarded(content.unit_id, time, float(reward), 0.0, 0.0)


def _keys(content: Mapping[Any, Any]) -> frozenset[Any]:
    """Return the keys that tell what a mapping is."""
    return frozenset(content) - {"extras"}


def _value(key: str, value: Any) -> Any:
    if key in ("observation", "action", "noise"):
        return value if isinstance(value, torch.Tensor) else torch.tensor(value).float()
    if key == "extras":
        return {name: _value("action", part) for name, part in value.items()}
    if key == "layout" and isinstance(value, Mapping):
        return Layout(tuple(Feature(**feature) for feature in value["features"]))
    return value

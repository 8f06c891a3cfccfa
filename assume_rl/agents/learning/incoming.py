"""The messages that a Learning role accepts, mappings with their keys, and sequences of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import torch
from torch import Tensor

from assume_rl.agents.annotations import misfit
from assume_rl.agents.messages import (
    PROTOCOL,
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Goodbye,
    ObsActRew,
    Observed,
    RegisterUnit,
    Rewarded,
    UpdateDue,
)
from assume_rl.core.bidding.base import Feature, Layout
from assume_rl.errors import ConfigurationError
from assume_rl.learning.types import AgentSpec, Earnings, Scales

# Partners without this package can take part: mappings may have the keys of one of these.
MAPPED = (RegisterUnit, Observed, Acted, Rewarded, ObsActRew, UpdateDue)
MESSAGES = (*MAPPED, EpisodeStart, EpisodeEnd, Goodbye)
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


def unpack(content: Any, *, strict: bool = False) -> Iterator[Any]:
    """Yield the messages in `content`, one after the other; anything else is left out.

    :param content: a message, a mapping with the keys of one, or a sequence of them
    :param strict: whether mappings must have the types of a message's fields, too
    :raises ConfigurationError: they do not
    """
    if isinstance(content, (tuple, list)):
        for item in content:
            yield from unpack(item, strict=strict)
    elif isinstance(content, MESSAGES):
        yield content
    elif isinstance(content, Mapping) and (kind := _kind_of(content)) is not None:
        yield _checked(kind, content) if strict else _read(kind, content)


def check_protocol(who: str, protocol: int) -> None:
    """Check that a sender's messages are of our kind.

    :param who: the sender, for the message
    :param protocol: that it speaks
    :raises ConfigurationError: it is another one than ours
    """
    if protocol != PROTOCOL:
        raise ConfigurationError(
            f"{who} speaks version {protocol} of the messages, this is version {PROTOCOL}: "
            "install the same release of assume-rl on both sides"
        )


def check_numbers(record: Observed | Acted | Rewarded, spec: AgentSpec) -> None:
    """Check the sizes of a record, and that its numbers are finite.

    :param record: to check
    :param spec: of its unit
    :raises ConfigurationError: it cannot be learned from
    """
    if not _all_finite(record):
        raise ConfigurationError(
            f"unit '{record.unit_id}' reported a {type(record).__name__} that is not finite"
        )
    sizes = {"observation": spec.obs_size, "action": spec.act_size, "noise": spec.act_size}
    for name, size in sizes.items():
        value = getattr(record, name, None)
        if value is not None and (value.shape != (size,) or not value.is_floating_point()):
            raise ConfigurationError(
                f"{type(record).__name__}.{name} of unit '{record.unit_id}' has {size} numbers, "
                f"{tuple(value.shape)} of {value.dtype} came"
            )


def _all_finite(record: Observed | Acted | Rewarded) -> bool:
    return all(
        bool(value.isfinite().all()) if isinstance(value, Tensor) else math.isfinite(value)
        for value in vars(record).values()
        if isinstance(value, float | Tensor)
    )


def _checked(kind: type[Any], content: Mapping[Any, Any]) -> Any:
    try:
        message = _read(kind, content)
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise ConfigurationError(f"a {kind.__name__} could not be read: {error!r:.200}") from error
    fault = misfit(kind, vars(message))
    if fault is not None:
        raise ConfigurationError(fault)
    return message


def _read(kind: type[Any], content: Mapping[Any, Any]) -> Any:
    read = _entry if kind is ObsActRew else _value
    return kind(**{key: read(key, value) for key, value in content.items()})


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
    if key in ("observation", "action", "reward"):
        return [_value("action", entry) for entry in value]
    return tuple(value) if key == "time" and value is not None else value


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

"""Estimates of the memory that copies of a market need, made before it is allocated."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from assume_rl.envs.draws_ahead import CHUNK
from assume_rl.envs.setting import Setting
from assume_rl.episodes.teams import bidder_spec
from assume_rl.errors import ConfigurationError

MEMINFO = Path("/proc/meminfo")  # Linux
_NUMBER = 8  # bytes; economics is float64
# Measured: a state, the one before it, and the tensors between them; a test checks them.
_STATES = 3
_BOOKS = 16  # orders, draws and intermediate tensors of clearing, in books
_CLEARED = 4  # prices and volumes of orders, and what clearing says of each
_LOOKS = 4  # observations in both precisions, and their parts
_DRAWING = 6  # intermediate numbers for each that is drawn


def env_bytes(setting: Setting, copies: int) -> int:
    """Return the greatest memory use of `copies` copies, in bytes, without series and plan."""
    drawn = max(CHUNK, copies * max(_book(setting), default=0))
    return copies * copy_bytes(setting) + _DRAWING * _NUMBER * drawn


def copy_bytes(setting: Setting) -> int:
    """Return the bytes of one copy: states, order books and observations."""
    seen = sum(len(p.team.agents) * p.bidder.layout.size for p in setting.learners)
    books = sum(_book(setting))
    return _NUMBER * (_STATES * _state(setting) + _BOOKS * books + _LOOKS * seen)


def waiting_bytes(
    setting: Setting, updates: Sequence[int], element: int, *, ahead: bool = False
) -> int:
    """Return the bytes of one copy's transitions that wait for an update or were just handed over.

    :param setting: of the environment
    :param updates: seconds since the episodes begin, ascending
    :param element: bytes of a number
    :param ahead: whether what would have been observed next goes with reward curves
    """
    opened = [setting.plan[i].time for i in sorted(setting.decisions)]
    edges = [0, *(bisect_left(opened, time) for time in updates), len(opened)]
    longest = max(later - earlier for earlier, later in pairwise(edges))
    # The latest two of a stretch are handed over with the next one.
    return (longest + 2) * (2 * element * _transition(setting, ahead) + _NUMBER * _played(setting))


def check_memory(
    setting: Setting, seeds: int, num_envs: int, device: torch.device, waiting: int = 0
) -> None:
    """Check that the device has enough memory for all copies.

    :param setting: of the environment
    :param seeds: number of seeds
    :param num_envs: copies per seed
    :param device: of the environment
    :param waiting: bytes of one copy's transitions
    :raises ConfigurationError: it has not; the message has the need and the number that would fit
    """
    copies, there = seeds * num_envs, available_bytes(device)
    needed = env_bytes(setting, copies) + copies * waiting
    if there is None or needed <= there:
        return
    own, drawn = copy_bytes(setting) + waiting, _DRAWING * _NUMBER
    per_auction = drawn * max(_book(setting), default=0)
    fitting = min((there - drawn * CHUNK) // own, there // (own + per_auction)) // seeds
    hint = f"num_envs {fitting} would fit" if fitting > 0 else "not even one copy fits"
    raise ConfigurationError(
        f"num_envs {num_envs} needs about {needed / 1e9:.1f} GB, but {device} has "
        f"{there / 1e9:.1f} GB available; {hint}"
    )


def available_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device, in bytes; None if it is unknown."""
    if device.type == "cuda":
        # Blocks that torch keeps for reuse count as free.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "cpu" and MEMINFO.is_file():
        found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None


def _transition(setting: Setting, ahead: bool) -> int:
    """Return the numbers of a transition of all learners."""
    found = 0
    for part in setting.learners:
        action = part.bidder.action
        each = 1 + (bidder_spec("", part.bidder).own_size if ahead else 0)
        curve = action.size * action.rungs * each if setting.curves else 0
        found += len(part.team.agents) * (part.bidder.layout.size + action.size + 1 + curve)
    return found


def _played(setting: Setting) -> int:
    """Return the numbers that reward curves of a decision are worked out from."""
    return 2 * _state(setting) + _CLEARED * sum(_book(setting)) if setting.curves else 0


def _state(setting: Setting) -> int:
    """Return the numbers of a state of all units."""
    owns = [cohort.portfolio for cohort in setting.cohorts if not cohort.routine]
    return sum(
        (2 + own.keeps_prices + own.needs("downtime"))
        * (own.lookback + 1 + own.horizon)
        * len(own.fleet.ids)
        for own in owns
    )


def _book(setting: Setting) -> list[int]:
    """Return the number of orders in an order book of each market."""
    return [
        len(market.unit_ids) * len(auctions[0].first)
        for name, market in setting.markets.items()
        if (auctions := setting.auctions(name))
    ]

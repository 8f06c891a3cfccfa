"""Records of one episode's observations, actions and rewards, until they are joint transitions.

Records may arrive in any order and more than once. They are kept as messages and stacked once per
window, so that a message costs a dictionary entry and no tensor operation.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.agents.messages import Acted, Observed, Rewarded
from assume_rl.episodes.selection import Scores
from assume_rl.errors import ConfigurationError
from assume_rl.learning.types import Joint, Transitions

Record = Observed | Acted | Rewarded
Units = tuple[str, ...]


@dataclass
class Frame:
    """All records of one delivery, by unit."""

    time: float
    observed: dict[str, Observed] = field(default_factory=dict)
    acted: dict[str, Acted] = field(default_factory=dict)
    rewarded: dict[str, Rewarded] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)  # versions that an action's policy was
    reported: bool = False
    stored: bool = False

    def complete(self, agents: int) -> bool:
        """Return whether all records of `agents` agents have arrived."""
        return len(self.observed) == len(self.acted) == len(self.rewarded) == agents

    def extra(self, unit: str, name: str) -> Tensor:
        """Return an extra of a unit's outcome or, if it is none of that, of its decision."""
        found = self.rewarded[unit].extras.get(name)
        return self.acted[unit].extras[name] if found is None else found

    def place(self, record: Record) -> dict[str, Any]:
        """Return where records of this kind are kept."""
        if isinstance(record, Observed):
            return self.observed
        return self.acted if isinstance(record, Acted) else self.rewarded


class Experience:
    """One episode's records.

    :param store: whether they become transitions; otherwise they are only counted and scored
    """

    def __init__(self, *, store: bool) -> None:
        self.cut = False  # whether nothing stored follows the transition that was taken last
        self.incomplete = 0  # deliveries without some record of an agent; known at the end
        self._store = store
        self._frames: dict[float, Frame] = {}
        self._finished: set[float] = set()
        self._earned: list[tuple[float, NDArray[np.float64]]] = []
        self._counts: Counter[str] = Counter()  # distinct records, by unit
        self._left: set[str] = set()
        self._expected: Frame | None = None  # follows the transition that was taken last

    @property
    def count(self) -> int:
        """Return the number of distinct records so far, without those of units that have left."""
        return sum(n for unit, n in self._counts.items() if unit not in self._left)

    @property
    def heard(self) -> bool:
        """Return whether any record has arrived."""
        return bool(self._counts)

    def leave(self, units: Sequence[str]) -> None:
        """Count no records of those of these units that have reported: they left half-way."""
        self._left |= {unit for unit in units if self._counts[unit]}

    def add(self, record: Record, behind: int = 0) -> None:
        """Keep a record; a repeated one changes nothing.

        :param record: to keep
        :param behind: versions between the policy of an action and the latest one
        :raises ConfigurationError: another one of this kind, unit and delivery is known
        """
        time = record.time
        if time in self._finished:
            return
        frame = self._frames.get(time)
        if frame is None:
            frame = self._frames[time] = Frame(time)
        place = frame.place(record)
        known = place.get(record.unit_id)
        if known is None:
            place[record.unit_id] = record
            self._counts[record.unit_id] += 1
            if behind:
                frame.behind[record.unit_id] = behind
        elif not _same(known, record):
            raise ConfigurationError(
                f"unit '{record.unit_id}' reported two different {type(record).__name__} for the "
                "same delivery; a unit that learns in several markets is an agent in each"
            )

    def take_complete(self, units: Units, *, final: bool = False) -> list[Frame]:
        """Return frames that were not taken before, in time order.

        :param units: all that learn
        :param final: return incomplete frames too, as no further records will arrive
        """
        frames = [
            frame
            for _, frame in sorted(self._frames.items())
            if not frame.reported and (final or frame.complete(len(units)))
        ]
        for frame in frames:
            frame.reported = True
            self._earned.append((frame.time, _earned(frame, units)))
        if final:
            self.incomplete = sum(not frame.complete(len(units)) for frame in frames)
        return frames

    def take_transitions(
        self,
        agents: int,
        groups: Sequence[Units],
        extras: Sequence[str] = (),
        *,
        final: bool = False,
    ) -> Joint | None:
        """Return joint transitions not taken before, in time order; None if there are none.

        A delivery is followed by the next one that all agents observed; the last one waits for it.
        Where a unit has left, or some records of the last delivery are missing, the end of the
        episode is not known: the transition before is `cut`, and no other one takes its place.

        :param agents: how many learn
        :param groups: their units, by group of equal shape
        :param extras: names of the extras of decisions and outcomes that transitions keep
        :param final: the calendar has ended: nothing follows the last delivery, it is terminated
        """
        frames = [frame for _, frame in sorted(self._frames.items())]
        seen = [frame for frame in frames if len(frame.observed) == agents]
        pairs: list[tuple[Frame, Frame | None]] = list(pairwise(seen))
        if final and seen and seen[-1] is frames[-1] and not self._left:
            pairs.append((seen[-1], None))
        rows = [(f, after) for f, after in pairs if f.complete(agents) and not f.stored]
        for frame, _ in rows:
            frame.stored = True
        follower = rows[0][0] if rows else None
        self.cut = self._expected is not None and (
            follower is not self._expected if rows else final
        )
        if rows:
            self._expected = rows[-1][1]
        self._forget(frames)
        return _joint(rows, groups, extras, final=final) if rows and self._store else None

    def scores(self) -> Scores:
        """Return the sums over the frames taken so far; a missing reward counts as 0."""
        if not self._earned:
            return Scores(0.0, 0.0, 0.0)
        in_order = sorted(self._earned, key=lambda entry: entry[0])
        total = np.nansum(np.stack([earned for _, earned in in_order]), axis=0)
        reward, profit, regret = total.T
        return Scores(float(reward.mean()), float(profit.sum()), float(regret.sum()))

    def _forget(self, frames: list[Frame]) -> None:
        """Drop frames that no further transition needs."""
        for frame in takewhile(lambda f: f.stored, frames):
            del self._frames[frame.time]
            self._finished.add(frame.time)


def _same(known: Record, record: Record) -> bool:
    """Return whether two records of one unit and delivery are equal."""
    return _equal(vars(known), vars(record))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)


def _earned(frame: Frame, units: Units) -> NDArray[np.float64]:
    """Return reward, profit and regret of each unit, NaN where they are missing."""
    missing = (np.nan, np.nan, np.nan)
    got = [frame.rewarded.get(unit) for unit in units]
    return np.array([(r.reward, r.profit, r.regret) if r else missing for r in got])


def _joint(
    rows: list[tuple[Frame, Frame | None]],
    groups: Sequence[Units],
    extras: Sequence[str],
    *,
    final: bool,
) -> Joint:
    return Joint(
        groups=tuple(_transitions(rows, units, extras) for units in groups),
        terminated=torch.tensor([[after is None for _, after in rows]]),
        truncated=torch.tensor([_gaps(rows, final=final)]),
    )


def _gaps(rows: list[tuple[Frame, Frame | None]], *, final: bool) -> list[bool]:
    """Return whether a row is not followed by the next one, because a record of it is missing."""
    followed = [after is not None and after is not nxt for (_, after), (nxt, _) in pairwise(rows)]
    return [*followed, final and rows[-1][1] is not None]


def _transitions(
    rows: list[tuple[Frame, Frame | None]], units: Units, extras: Sequence[str]
) -> Transitions:
    shape = (1, len(rows), len(units), -1)  # one seed
    obs = torch.stack([f.observed[u].observation for f, _ in rows for u in units]).view(shape)
    nothing = torch.zeros_like(obs[0, 0, 0])
    following = [
        after.observed[u].observation if after else nothing for _, after in rows for u in units
    ]
    return Transitions(
        obs=obs,
        action=torch.stack([f.acted[u].action for f, _ in rows for u in units]).view(shape),
        reward=torch.tensor(
            [[[f.rewarded[u].reward for u in units] for f, _ in rows]], dtype=obs.dtype
        ),
        next_obs=torch.stack(following).view(shape),
        extras={
            name: torch.stack([f.extra(u, name) for f, _ in rows for u in units]).view(shape)
            for name in extras
        },
    )

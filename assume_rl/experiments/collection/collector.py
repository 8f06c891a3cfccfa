"""Collects the transitions of a training from those who play, in the order in which it learns.

Positions in a training are counted in points: the updates that have fallen due. Those who play may
be `max_staleness` points ahead of what has been learned from, on the policies of so many points
before. What is played on which policies does not depend on who plays, how many they are and how
quick, so that a training has the same results whoever plays for it, and one that resumes has those
of one that was never interrupted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from assume_rl.envs.rollout import BLOCK, CopyScores
from assume_rl.episodes.plan import Plan
from assume_rl.errors import ResultsError
from assume_rl.experiments.collection.orders import Order, Part, Piece, Pool, WorkerLost
from assume_rl.learning.acting import Acting, Policies
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.types import Joint, beside

ATTEMPTS = 3  # at a part whose worker is lost, e.g. killed for want of memory


@dataclass(frozen=True)
class Segment:
    """The transitions of all copies of a wave from one update to the next, or to the end."""

    due: int | None  # seconds since the episodes began; None: the episodes are over
    joint: Joint | None  # transitions that were completed; None: none were
    version: int  # of the policies that were played by
    scores: tuple[CopyScores, ...]  # of the last one: of the episodes, part by part
    rows: tuple[dict[str, Any], ...]  # of rl_params, as columns, episode by episode
    cut: bool  # nothing follows the transitions before these


@dataclass
class _Given:
    """A part of a wave, the worker who has it, and the orders that it was given."""

    part: Part
    start: int  # point at which the wave begins
    worker: int
    orders: list[Order] = field(default_factory=list)
    tickets: list[Any] = field(default_factory=list)  # of the pool, for each order
    losses: int = 0  # workers who were lost when a piece of theirs was due


class Collector:
    """Gives orders to a pool, and combines their results.

    :param pool: plays
    :param plan: of the training
    :param following: returns the wave that begins with an episode; None: there is none
    """

    def __init__(self, pool: Pool, plan: Plan, following: Callable[[int], range | None]) -> None:
        self._pool, self._plan, self._following = pool, plan, following
        self._ahead = plan.config.max_staleness
        self._updates = tuple(time - plan.start for time in plan.update_times)
        self._point = 0
        self._recent: dict[int, Policies] = {}  # by point, those that are still to be played on
        self._published: dict[int, Any] = {}  # by point, what the pool calls them
        self._waves: list[tuple[_Given, ...]] = []  # that have begun and are not over
        self._turn = 0  # worker who is given the next part

    def wave(self, episodes: range, policies: Callable[[], Policies]) -> Iterator[Segment]:
        """Play a wave; yield each `Segment`, after which comes an update if one is due.

        :param episodes: of the wave
        :param policies: returns those of the moment
        :raises ResultsError: workers who play it are lost again and again
        """
        if not self._waves:
            self._begin(episodes)
        if self._point not in self._recent:
            self._publish(policies())
        for number, due in enumerate([*self._updates, None]):
            self._order()
            pieces = [self._take(own, number) for own in self._waves[0]]
            yield _together(pieces, due)
            if due is not None:
                self._point += 1
                self._publish(policies())
        self._waves.pop(0)
        self._forget()

    # --- orders --------------------------------------------------------------------------------

    def _begin(self, episodes: range) -> None:
        """Cut a wave into parts, and give these to the workers in turn."""
        workers = self._pool.workers
        start = self._waves[-1][0].start + len(self._updates) if self._waves else self._point
        edges = cuts(len(episodes), workers)
        parts = [Part(episodes[a:b], episodes, self._updates) for a, b in pairwise(edges)]
        turns = [(self._turn + k) % workers for k in range(len(parts))]
        given = zip(parts, turns, strict=True)
        self._waves.append(tuple(_Given(part, start, worker) for part, worker in given))
        self._turn = (self._turn + len(parts)) % workers

    def _order(self) -> None:
        """Give all orders that may be given by now, also those of waves ahead."""
        while (wave := self._unfinished()) is not None:
            number = len(wave[0].orders)
            if wave[0].start + number > self._point + self._ahead:
                return
            for own in wave:
                version = self._recent[self._lagging(own, number)].version
                law = exploration_of(self._plan, own.part.wave, number)
                own.orders.append(Order(own.part, number, version, law))
                own.tickets.append(self._send(own, number))

    def _unfinished(self) -> tuple[_Given, ...] | None:
        """Return the wave whose orders come next, begun if need be; None: all are given."""
        for wave in self._waves:
            if len(wave[0].orders) < wave[0].part.orders:
                return wave
        episodes = self._following(self._waves[-1][0].part.wave.stop)
        if episodes is None:
            return None
        self._begin(episodes)
        return self._waves[-1]

    def _lagging(self, own: _Given, number: int) -> int:
        """Return the point whose policies an order is carried out on."""
        return max(own.start + number - self._ahead, 0)

    def _send(self, own: _Given, number: int) -> Any:
        policies = self._published[self._lagging(own, number)]
        return self._pool.send(own.worker, own.orders[number], policies)

    def _take(self, own: _Given, number: int) -> Piece:
        """Wait for a piece; let a part be played again by another worker if it has lost its own."""
        while True:
            try:
                piece = self._pool.result(own.worker, own.tickets[number])
                if piece.answers(own.orders[number]):
                    own.tickets[number] = None  # nobody asks again, so that the pool may forget it
                    return piece
                raise WorkerLost(f"played on policies {piece.version}, or out of turn")
            except WorkerLost as lost:
                own.losses += 1
                if own.losses == ATTEMPTS:
                    first, last = own.part.episodes[0], own.part.episodes[-1]
                    raise ResultsError(
                        f"{ATTEMPTS} rollout workers were lost while they played the episodes "
                        f"{first} to {last}: {lost}; --resume continues from the last checkpoint"
                    ) from None
            self._replace(own.worker)

    def _replace(self, worker: int) -> None:
        """Start a new worker that plays all that a lost one had begun, from the beginning."""
        self._pool.renew(worker)
        for own in (own for wave in self._waves for own in wave if own.worker == worker):
            own.tickets = [self._send(own, number) for number in range(len(own.orders))]

    # --- policies ------------------------------------------------------------------------------

    def _publish(self, policies: Policies) -> None:
        self._recent[self._point] = policies
        self._published[self._point] = self._pool.publish(policies)
        self._forget()

    def _forget(self) -> None:
        """Drop policies that no order needs any more, nor one that may have to be given again."""
        begun = [wave[0].start for wave in self._waves if not self._pool.reliable]
        for kept, least in (
            (self._recent, self._point - self._ahead),
            (self._published, min([self._point, *begun]) - self._ahead),
        ):
            for point in [point for point in kept if point < least]:
                del kept[point]

    def state_of(self, k: int, scratch: Acting) -> dict[str, Any]:
        """Return the k-th seed's state between two waves, and the policies of waves played ahead.

        :param k: position of the seed
        :param scratch: overwritten by the policies
        """
        states = []
        for point in sorted(self._recent.keys() - {self._point}):
            scratch.adopt(self._recent[point])
            states.append({"point": point, **scratch.state_of(k)})
        return {"point": self._point, "policies": states}

    def load(self, states: Sequence[Mapping[str, Any]], scratch: Acting) -> None:
        """Continue from `state_of` of every seed.

        :param states: seed by seed
        :param scratch: see `state_of`
        """
        self._point = int(states[0]["point"])
        for own in zip(*(state["policies"] for state in states), strict=True):
            for k, state in enumerate(own):
                scratch.load_state_of(k, state)
            point = int(own[0]["point"])
            self._recent[point] = scratch.policies()
            self._published[point] = self._pool.publish(self._recent[point])


def cuts(copies: int, workers: int) -> list[int]:
    """Return where copies are cut into parts for workers: the ends of all parts, and 0.

    Whole blocks of copies stay together where there are enough of them, since a block that is cut
    is worked out twice.
    """
    unit = BLOCK if copies >= BLOCK * workers else 1
    blocks = -(-copies // unit)
    count = min(workers, blocks)
    return [min(blocks * k // count * unit, copies) for k in range(count + 1)]


def exploration_of(plan: Plan, wave: range, number: int) -> Exploration:
    """Return how copies explore from one update of a wave to the next.

    :param plan: of the training
    :param wave: its episodes
    :param number: updates of the wave that have fallen due
    """
    done = wave.start - 1
    if number == 0 or done < plan.initial_episodes:
        return plan.exploration(done)
    return plan.exploration(done, plan.update_times[number - 1], side_by_side=len(wave))


def _together(pieces: Sequence[Piece], due: int | None) -> Segment:
    """Return the segment of all copies from those of the parts."""
    joints = [piece.joint for piece in pieces if piece.joint is not None]
    joint = beside(joints) if joints else None  # copies move in step: all of them have some
    scores = tuple(piece.scores for piece in pieces if piece.scores is not None)
    rows = tuple(columns for piece in pieces for columns in piece.rows)
    return Segment(due, joint, pieces[0].version, scores, rows, any(p.cut for p in pieces))

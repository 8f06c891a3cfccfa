"""How far something long has come, and a sign of life of it in logs."""

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from rich.console import Console

SILENCE = 50.0
"""Seconds of silence after which a log has a sign of life: at least once a minute."""

RECENT = 600.0
"""Seconds that a pace is of: episodes that learn take longer than the first ones, which do not."""


class Pace:
    """How fast something comes from 0 to `total`.

    :param total: such as a number of episodes
    :param done: of it before
    """

    def __init__(self, total: float, done: float = 0.0) -> None:
        self.total, self.done = total, done
        self._begun = monotonic()
        self._marks = deque([(self._begun, done)])

    def come_to(self, done: float) -> None:
        """Note how much is done now."""
        self.done = done
        now = monotonic()
        self._marks.append((now, done))
        while len(self._marks) > 2 and self._marks[1][0] < now - RECENT:
            self._marks.popleft()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return monotonic() - self._begun

    @property
    def each(self) -> float | None:
        """Return how many seconds one of `total` takes of late; None: not known yet."""
        (since, before), (_, now) = self._marks[0], self._marks[-1]
        return (monotonic() - since) / (now - before) if now > before else None

    @property
    def left(self) -> float | None:
        """Return how many seconds the rest takes at this pace; None: not known yet."""
        return None if self.each is None else self.each * max(0.0, self.total - self.done)


def left_text(pace: Pace) -> str:
    """Return elapsed and remaining time as text: the end of a sentence."""
    rest = "" if pace.left is None else f", about {duration(pace.left)} left"
    return f"for {duration(pace.elapsed)} so far{rest}"


def duration(seconds: float) -> str:
    """Return seconds in a unit that is easy to read.

    >>> [duration(seconds) for seconds in (0.25, 59.7, 3600, 200_000)]
    ['0.2 s', '1 min', '1.0 h', '2.3 d']
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 3600 - 30:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"


class Heartbeat:
    """Prints the current work wherever nothing else has been printed for a while.

    A thread does it, so that what is slow need not know of it.

    :param console: to print to
    :param say: returns the sentence
    """

    def __init__(self, console: Console, say: Callable[[], str]) -> None:
        self._console, self._say, self._silence = console, say, SILENCE
        self._printed = monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._printed = monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def print(self, text: str) -> None:
        """Print a line; the next sign of life is due that much later."""
        self._printed = monotonic()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _beat(self) -> None:
        while not self._over.wait(max(0.0, self._printed + self._silence - monotonic())):
            if monotonic() - self._printed >= self._silence:
                self.print(self._say())

"""How far the episodes of a training have come that this process plays."""

from assume_rl.experiments.observer import Observer
from assume_rl.experiments.training import Advance


class EpisodeProgress:
    """Reports shares of the running episodes that are done, each more than the one before.

    Of copies that are played one after the other the one that has come farthest counts.

    :param observer: hears of auctions that open
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.begin(lambda share: None, 1)

    def begin(self, advance: Advance, seconds: int) -> None:
        """Begin episodes.

        :param advance: takes their shares
        :param seconds: that they last
        """
        self._advance, self._seconds, self._share = advance, seconds, 0.0

    def opening(self, time: int) -> None:
        """Report auctions that open; `time`: seconds into the episodes."""
        self._observer.opening(time)
        self.reach(time)

    def reach(self, time: int) -> None:
        """Report that the episodes have come to `time`, in seconds."""
        share = min(time / self._seconds, 1.0)
        if share > self._share:
            self._share = share
            self._advance(share)

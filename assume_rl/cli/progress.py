"""Progress of a training or a run: a bar on a terminal, lines in logs."""

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from assume_rl.cli.pace import Heartbeat, Pace, duration, left_text
from assume_rl.experiments.observer import EpisodeReport, Silent


class ProgressObserver(Silent):
    """A progress bar with episode, reward and time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=1.0)
        self._episodes = 1
        self._done = 0
        self._reward = ""

    def __enter__(self) -> "ProgressObserver":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, episodes: int, done: int = 0) -> None:
        """Set the length of the bar."""
        self._episodes, self._done = episodes, done
        self._progress.update(self._task, total=float(episodes), completed=float(done))

    def advance(self, share: float) -> None:
        """Move the bar."""
        text = f"episode {min(self._done + 1, self._episodes)}/{self._episodes}{self._reward}"
        self._progress.update(self._task, completed=self._done + share, description=text)

    def doing(self, what: str, share: float = 0.0) -> None:
        """Say it before the bar."""
        of = f", {share:.0%}" if share else ""
        self._progress.update(self._task, description=escape(f"{what}{of}"))

    def episode(self, report: EpisodeReport) -> None:
        """Show the latest evaluation's reward, or the episode's where there is none yet."""
        if report.evaluation:
            self._reward = f"  evaluated reward {report.reward:.3f}"
            return
        self._done += 1
        self._progress.update(self._task, completed=float(self._done))


class LineObserver(Silent):
    """A line per evaluation for logs, and one a minute where nothing else is said.

    :param console: to print to
    :param about: what lines begin with, such as "trial 3: "; evaluations are not printed then
    """

    def __init__(self, console: Console, about: str = "") -> None:
        self._about = about
        self._heart = Heartbeat(console, self.now)
        self._what = "starting"  # if no episode is being played
        self._other = Pace(1.0)  # of that
        self._pace: Pace | None = None  # of episodes
        self._episode = 0  # that has ended

    def __enter__(self) -> "LineObserver":
        self._heart.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.__exit__()

    def begin(self, episodes: int, done: int = 0) -> None:
        """Say where a training resumes."""
        self._pace, self._what, self._episode = Pace(episodes, done), "", done
        if done and not self._about:
            self._heart.print(f"resumes after episode {done} of {episodes}")

    def advance(self, share: float) -> None:
        """Note how far the episode is."""
        self._what = ""
        if self._pace is not None:
            self._pace.come_to(self._episode + share)

    def doing(self, what: str, share: float = 0.0) -> None:
        """Note what is done, and how much of it."""
        if what != self._what:
            self._what, self._other = what, Pace(1.0)
        self._other.come_to(share)

    def episode(self, report: EpisodeReport) -> None:
        """Print an evaluation."""
        self._what = ""
        if not report.evaluation:
            self._episode = report.episode
            if self._pace is not None:
                self._pace.come_to(report.episode)
            return
        if self._about:
            return
        mark = "  best so far" if report.best else ""
        self._heart.print(
            f"after episode {self._episode}: reward {report.reward:.3f}, "
            f"profit {report.profit:,.0f} EUR, regret {report.regret:,.0f} EUR{mark}"
        )

    def now(self) -> str:
        """Return a line on the current work."""
        return self._about + (
            _episodes(self._pace, self._episode)
            if self._pace is not None and not self._what
            else _other(self._other, self._what)
        )


def _episodes(pace: Pace, ended: int) -> str:
    """Return how far a training, or a run, is."""
    if pace.total == 1:
        return f"{pace.done:.0%} of the calendar, {left_text(pace)}"
    each = "" if pace.each is None else f", {duration(pace.each)} an episode"
    return f"episode {min(ended + 1, int(pace.total))} of {pace.total:.0f}{each}, {left_text(pace)}"


def _other(pace: Pace, what: str) -> str:
    """Return how far something else is."""
    of = f" {pace.done:.0%}," if pace.done else ""
    return f"{what},{of} {left_text(pace)}"

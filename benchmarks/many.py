"""What a short training of very many learners takes: `python -m benchmarks.many`.

Plants of the national scenario, see `fleets.on_ladders`, learn by smooth fictitious play: a day,
three episodes, ten gradient steps after the second and after the third. These are validated, and
the last policies judged and recorded, as at the end of every training. Seconds are those of the
process, its memory the most that it had until then.
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from assume_rl import train
from benchmarks.fleets import on_ladders
from benchmarks.timing import machine

SETTINGS: dict[str, object] = {
    "end_date": "2019-01-15 00:00",
    "learning_config.training_episodes": 3,
    "learning_config.validation_episodes_interval": 1,
    "learning_config.train_freq": "24h",
    "learning_config.gradient_steps": 10,
    "learning_config.replay_buffer_size": 72,  # all auctions of the training
}


def short_training(count: int) -> str:
    """Return a row of the table."""
    start = time.process_time()
    with TemporaryDirectory() as folder:
        result = train(on_ladders(count, "ladder", SETTINGS), seed=1, out=Path(folder) / "run")
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    market = result.last.exploitability
    share = None if market is None else market.nash_conv_share
    left = "–" if share is None else f"{share:.2%}"
    return f"| {count} | {seconds:.0f} | {memory:.1f} | {left} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, nargs="+", default=[30, 100, 300, 1000])
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print("| learners | seconds | GB | NashConv, of profit |")
    print("|---|---|---|---|")
    for count in given.learners:
        print(short_training(count), flush=True)


if __name__ == "__main__":
    main()

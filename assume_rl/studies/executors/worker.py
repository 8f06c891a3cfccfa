"""The other end of `Local`: a process that does one job after the other."""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType

import torch

from assume_rl.studies.executors.protocol import Do

UP = "up"  # what a worker says first
INTERRUPTED = 130  # exit code
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # that mean: stop, all can go on later


def serve(pipe: Connection, work: Do) -> None:
    """Do the jobs that come through a pipe, until it ends."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    torch.set_num_threads(1)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked while this process started
        pipe.send(UP)
        while True:
            job = pipe.recv()
            try:
                answer: object = work(job)
            except Exception as error:
                answer = error
            pipe.send(answer)
    except (EOFError, OSError):
        return  # nobody is left to work for
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def _leave_with_parent() -> None:
    """End this process when the one that started it ends, whatever it is doing."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop once: a terminal tells all its processes, and then the parent does so too."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

"""The other end of `Local`: a process that does one job after the other."""

import os
import signal
import threading
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType

import torch

from assume_rl.studies.executors.protocol import Do

UP = "up"  # what a worker says first
INTERRUPTED = 130  # exit code
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # that are held back while a worker starts


def serve(pipe: Connection, work: Do) -> None:
    """Do the jobs that come through a pipe, until it ends.

    Ctrl-C is for the parent, which then terminates its workers: a terminal tells all processes.
    """
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _interrupt)
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        torch.set_num_threads(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked while this process started
        _serve(pipe, work)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def _serve(pipe: Connection, work: Do) -> None:
    with suppress(EOFError, OSError):  # the parent process has ended
        pipe.send(UP)
        while True:
            job = pipe.recv()
            try:
                answer: object = work(job)
            except Exception as error:
                answer = error
            pipe.send(answer)


def _leave_with_parent() -> None:
    """End this process when the one that started it ends, whatever it is doing."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop once; ignoring later signals would make Python complain of earlier ones."""
    signal.signal(signal.SIGTERM, _nothing)
    raise KeyboardInterrupt


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the worker is stopping already."""

"""Run agents from code that is not asynchronous."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also from a notebook, whose own event loop is running already."""
    return _elsewhere(partial(asyncio.run, work))


class StandingLoop:
    """An event loop that stands still between two calls of `run`, and its tasks with it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, and the other tasks of the loop meanwhile."""
        return _elsewhere(partial(self._runner.run, work))

    def close(self) -> None:
        """Cancel all tasks."""
        _elsewhere(self._runner.close)


def _elsewhere(run: Callable[[], T]) -> T:
    """Call `run`, in a thread of its own where an event loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()

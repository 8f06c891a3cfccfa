"""Functions that are recorded as CUDA graphs: all that they launch is launched again in one go.

A recording holds the addresses of tensors and the values of Python's numbers. So whatever differs
from call to call has to be in tensors that stay where they are, and a function must not wait for
what the device finds: no number is read back, and nothing is copied to the device.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from assume_rl.errors import ConfigurationError

T = TypeVar("T")

WARM_UP = 2  # plain calls before one is recorded: kernels are loaded and buffers made in them
MOST_RECORDINGS = 256  # of one recorder: each takes memory of the device


@runtime_checkable
class Recorder(Protocol):
    """Makes recordings, and the plain calls before them."""

    def plain(self, function: Callable[[], T]) -> T:
        """Return the result of a function, called where it will be recorded."""
        ...

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Record a function without effect; return its result, and a function that replays it."""
        ...


class CudaRecorder:
    """Records CUDA graphs, which share their memory: they are never done at the same time.

    :param device: whose work is recorded
    """

    def __init__(self, device: torch.device) -> None:
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def plain(self, function: Callable[[], T]) -> T:
        """Call a function on the stream that records."""
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            found = function()
        torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
        return found

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Record a graph.

        :raises ConfigurationError: the function waits for the device
        """
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                found = function()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigurationError(
                "learning_config.cuda_graphs: an update or a market step of this study case cannot "
                f"be recorded, leave it out ({reason})"
            ) from error
        return found, graph.replay


class Graphs:
    """Does functions again from recordings, one for each key.

    :param recorder: makes the recordings
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._calls: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, tuple[Any, Callable[[], None]]] = {}

    def run(self, key: Hashable, function: Callable[[], T]) -> T:
        """Return the result of a function; it is called twice, recorded, and then replayed.

        Once it is recorded, tensors that it returns are the same ones, written anew.

        :param key: of all that the function depends on, beside tensors that stay where they are
        :param function: writes to such tensors; after the third call of a key it is not called
        """
        if key not in self._recorded:
            self._calls[key] += 1
            if self._calls[key] <= WARM_UP or len(self._recorded) >= MOST_RECORDINGS:
                return self._recorder.plain(function)
            self._recorded[key] = self._recorder.record(function)
        found, again = self._recorded[key]
        again()
        result: T = found
        return result


def graphs_on(device: torch.device, *, wanted: bool) -> Graphs | None:
    """Return graphs where they are wanted and the device is CUDA; else None.

    :param device: of the tensors
    :param wanted: `learning_config.cuda_graphs`
    """
    return Graphs(CudaRecorder(device)) if wanted and device.type == "cuda" else None

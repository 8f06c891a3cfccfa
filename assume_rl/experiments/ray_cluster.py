"""Connects to a Ray cluster: one of this machine, or one that is running already."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from urllib.parse import urlsplit

from assume_rl.errors import ConfigurationError, uninstalled

KNOCK = 10.0  # seconds for the cluster to answer
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tasks ask for no GPU, but may use one where the study does.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def ray_cluster(processes: int, address: str | None, *, needed_by: str) -> Iterator[ModuleType]:
    """Connect to a cluster, unless this process is connected to one; yield Ray.

    :param processes: of a cluster on this machine, which ends with the context
    :param address: of a cluster that is running; None: there is none, start one
    :param needed_by: what is to be done there, for the message that Ray is missing
    :raises ConfigurationError: Ray is not installed, or there is no cluster at the address
    """
    ray = _library(needed_by)
    if ray.is_initialized():
        yield ray
        return
    own = {"address": "local", "num_cpus": processes, "include_dashboard": False}
    try:
        if address is not None:
            _knock(address)
        place = own if address is None else {"address": address}
        with _signals_kept():
            ray.init(**place, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigurationError(f"Ray at '{address or 'local'}': {reason}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `OSError` unless host:port answers; Ray itself would try for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname, place.port), timeout=KNOCK).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM: Ray would end this process with a stack trace."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _library(needed_by: str) -> ModuleType:
    """Return the module `ray`, with its messages switched off."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError:
        raise ConfigurationError(uninstalled(needed_by, "Ray", "ray")) from None
    return ray

"""Fixtures of the tests of studies."""

from multiprocessing import get_context

import pytest

from assume_rl.studies.executors import local


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers fork from a process that has read all libraries, which takes 4 s each."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["assume_rl.studies.execute"])
    monkeypatch.setattr(local, "get_context", lambda _: context)

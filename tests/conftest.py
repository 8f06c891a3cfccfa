"""Options and fixtures of the whole suite."""

import copy
import functools
import gc
import os
import re
import shutil
import sqlite3
import sys
import typing
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pandas as pd
import pytest
import sqlalchemy as sa
import torch

# What leaves the whole of a module unchecked.
ALL_UNCHECKED = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.unchecked\b", flags=re.MULTILINE)
# A file system in memory, and how much tests may write there.
MEMORY, WRITTEN = Path("/dev/shm"), 3 * 2**30
DEFAULT_REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reference", type=Path, default=DEFAULT_REFERENCE, help="recorded results")
    parser.addoption("--run-gpu", action="store_true", help="run tests that need a CUDA device")
    parser.addoption("--run-slow", action="store_true", help="run the long tests too")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.register_profile("short", max_examples=50)
    hypothesis.settings.register_profile("long", max_examples=200)
    hypothesis.settings.load_profile("long" if config.getoption("--run-slow") else "short")
    # Small tensors: a second thread costs more than it brings.
    torch.set_num_threads(1)
    # No tensor here is distributed: what `assert_close` asks for those takes seconds to import.
    pytest.MonkeyPatch().setattr(torch.testing._comparison, "_HAS_DTENSOR", False, raising=False)
    if sys.version_info < (3, 12):  # which keeps what a protocol asks for by itself
        attributes = functools.cache(typing._get_protocol_attrs)  # type: ignore[attr-defined]
        pytest.MonkeyPatch().setattr(typing, "_get_protocol_attrs", attributes)
    gc.disable()  # until all tests are known
    # Trainings write many small files: on a disk these take an eighth of a tiny one's time.
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > WRITTEN:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module none of whose tests is wanted, which takes as long as many of its tests."""
    wanted = config.getoption("markexpr")
    if collection_path.suffix != ".py" or wanted not in ("unchecked", "not unchecked"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    none = "unchecked" not in text if wanted == "unchecked" else ALL_UNCHECKED.search(text)
    return True if none else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The longest go first: as the last ones they keep a process busy while the others are done.
    items.sort(key=lambda item: item.path.name != "test_example_scripts.py")
    for item in items:
        if "gpu" in item.keywords and not config.getoption("--run-gpu"):
            item.add_marker(pytest.mark.skip(reason="needs --run-gpu and a CUDA device"))
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --run-slow"))


def pytest_collection_finish(session: pytest.Session) -> None:
    # Modules and tests stay until the end: the collector need not look at them again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # there is memory; the usual ones take a thirtieth of the time
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Obey `unchecked`."""
    with _shapes_as_marked(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Obey `unchecked` in fixtures: one of the whole session is checked, whoever asks first."""
    with _shapes_as_marked(request.node):
        return (yield)


@contextmanager
def _shapes_as_marked(node: pytest.Item | pytest.Collector) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if node.get_closest_marker("unchecked") is not None:
            patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        yield


@pytest.fixture(scope="session", autouse=True)
def disk_is_not_waited_for() -> Iterator[None]:
    """Leave when files reach the disk to the operating system.

    Trainings write dozens of files and transactions, and would wait for each. What a killed process
    has written is there anyway; only a power cut, which no test makes, could lose it.
    """

    def at_ease(connection: Any, *_: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        sa.event.listen(sa.Pool, "checkout", at_ease)
        yield
        sa.event.remove(sa.Pool, "checkout", at_ease)


@pytest.fixture(scope="session", autouse=True)
def yaml_is_read_once() -> Iterator[None]:
    """Keep what a text in YAML says: hundreds of tests load the same few scenarios."""
    from assume_rl.scenario.config import yaml_file  # not before shapes are checked

    loaded = functools.lru_cache(maxsize=200)(yaml_file._loaded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_file, "_loaded", lambda text: copy.deepcopy(loaded(text)))
        yield


@pytest.fixture(scope="session", autouse=True)
def numbers_are_read_once() -> Iterator[None]:
    """Keep the numbers of a file: the same few time series are loaded again and again."""
    from assume_rl.scenario.tables import csv_file  # not before shapes are checked

    read, known = csv_file._all_numbers, dict[bytes, pd.DataFrame | None]()

    def once(path: Path) -> pd.DataFrame | None:
        try:
            text = path.read_bytes() if path.is_file() else None
        except OSError:
            text = None
        if text is None:
            return read(path)
        if text not in known:
            known[text] = read(path)
        table = known[text]
        return None if table is None else table.copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "_all_numbers", once)
        yield


@pytest.fixture
def assume_rl_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `assume-rl ARGUMENTS`: exit code, output, errors."""
    from assume_rl import cli  # not before shapes are checked as modules are imported

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assume-rl", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output = capsys.readouterr()
        return int(end.value.code or 0), output.out, output.err

    return call


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> Path:
    """Folder of recorded results; a test that uses it is skipped where the folder is absent."""
    folder: Path = request.config.getoption("--reference")
    if not folder.is_dir():
        pytest.skip(f"no recorded results in {folder}; name a folder with --reference")
    return folder


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Small scenarios with exact expected tables that come with the tests."""
    return Path(__file__).parent / "fixtures" / "vectors"

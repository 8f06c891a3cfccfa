"""Unit operators in processes of their own, that learn from a market in another one.

    python examples/agents_elsewhere.py market 127.0.0.1:5555
    python examples/agents_elsewhere.py client 127.0.0.1:5555 "learning power"

The market waits for its client, trains, and says goodbye. A client that ends, by Ctrl-C or by
force, can be started again; the market waits for it before the next episode. With `--mqtt` the
address is that of a broker. `MARKET_SECRET` in the environment of both signs all messages, and
`MARKET_TLS`, a folder with `authority.pem`, `own.pem` and `own.key`, encrypts them over TCP.
"""

import argparse
import asyncio
import hashlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from mango import AgentAddress, activate, agent_composed_of

from assume_rl import AssumeRlError, Learning, load_scenario
from assume_rl.agents.client import Client
from assume_rl.agents.lobby import Lobby
from assume_rl.agents.wire import Certificates, Networked, mqtt_container, tcp_container
from assume_rl.agents.world import World
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario

SCENARIO = Path(__file__).parents[1] / "scenarios" / "single_learner"
ELSEWHERE = ["learning power"]  # operators that clients play
SEED = 42


def scenario() -> Compiled:
    """The same on both sides: settings are compared when a client joins."""
    return compile_scenario(load_scenario(SCENARIO, "tiny"))


def container(place: tuple[str, int], name: str, mqtt: bool) -> Networked:
    secret = os.environ.get("MARKET_SECRET")
    if mqtt:
        return mqtt_container(place, name, secret=secret)
    folder = os.environ.get("MARKET_TLS")
    files = (Path(folder or "") / name for name in ("authority.pem", "own.pem", "own.key"))
    return tcp_container(
        place, secret=secret, certificates=Certificates(*files) if folder else None
    )


async def market(place: tuple[str, int], mqtt: bool, episodes: int, patience: float) -> Learning:
    """Train with whoever joins; return the role that has learned."""
    compiled, home = scenario(), container(place, "market", mqtt)
    start, end = compiled.scenario.start, compiled.scenario.index[-1].to_pydatetime()
    learning = Learning(compiled.scenario.learning, start, end, seed=SEED)
    lobby = Lobby(compiled, ELSEWHERE, home, patience=patience)
    home.register(agent_composed_of(lobby), suggested_aid="lobby")
    world = World(compiled, seed=SEED, learning=learning, container=home, lobby=lobby)
    async with activate(home):
        for episode in range(1, episodes + 1):
            print(f"episode {episode}", flush=True)
            await world.run_episode(episode)
            earned = f"{learning.scores.profit:.0f} EUR"
            print(f"  {earned}, {learning.incomplete} deliveries not learned from", flush=True)
        lobby.dismiss()
    return learning


async def client(
    place: tuple[str, int], mqtt: bool, operators: list[str], name: str, episodes: int | None
) -> int:
    """Play operators until the market says goodbye; return how many episodes that were."""
    own = container(place if mqtt else ("127.0.0.1", 0), f"client-{name}-{os.getpid()}", mqtt)
    lobby = AgentAddress("market" if mqtt else place, "lobby")
    player = Client(scenario(), operators, lobby, own, name=name, episodes=episodes)
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(stop, player.leave)  # once the episode has ended
    async with activate(own):
        return await player.play()


def digest(learning: Learning) -> str:
    """A hash of all weights."""
    found = hashlib.sha256()
    for units in learning.extract_actors_and_critics().values():
        for state in units.values():
            for weights in state.values():
                found.update(weights.numpy().tobytes())
    return found.hexdigest()[:16]


def arguments(given: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["market", "client"])
    parser.add_argument("address", help="HOST:PORT of the market or, with --mqtt, of the broker")
    parser.add_argument("operators", nargs="*", default=ELSEWHERE, help="that a client plays")
    parser.add_argument("--mqtt", action="store_true")
    parser.add_argument("--name", default="client", help="under which a client comes back")
    parser.add_argument("--episodes", type=int, help="of the market: 3; of a client: all")
    parser.add_argument("--patience", type=float, default=600.0, help="of the market, seconds")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    args = arguments(given)
    host, port = args.address.rsplit(":", 1)
    place = host, int(port)
    if args.part == "market":
        learning = asyncio.run(market(place, args.mqtt, args.episodes or 3, args.patience))
        print(f"weights {digest(learning)}")
    else:
        played = asyncio.run(client(place, args.mqtt, args.operators, args.name, args.episodes))
        print(f"played {played} episodes")


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("assume_rl").setLevel(logging.INFO)  # who comes and goes
    try:
        main()
    except AssumeRlError as error:
        sys.exit(f"error: {error}")

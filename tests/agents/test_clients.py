"""Unit operators in other containers: the same results, and clients that come, go and come back."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from learning_script import Notes
from mango import AgentAddress, activate, agent_composed_of

from assume_rl.agents import wire
from assume_rl.agents.client import Client
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.lobby import Lobby
from assume_rl.agents.messages import GivenUp, Goodbye, Join, Joined, SyncDone, SyncDue
from assume_rl.agents.operators import terms
from assume_rl.agents.transport import AgentFailure
from assume_rl.agents.wire import Networked, tcp_container
from assume_rl.agents.world import World
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.plugins import unload_plugins
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
HOST = ("127.0.0.1", 0)
HOURS = 11  # with auctions
EPISODES = ((1, False), (2, False), (1, True))
TABLES = ("market_meta", "market_orders", "unit_dispatch", "rl_params", "rl_grad_params")
CLIENTS = {"mine": ("learning power", "mining power"), "port": ("harbour power",)}


def duopoly(**settings: Any) -> Compiled:
    """Two learners of different operators, for half a day."""
    overrides = {
        "end_date": "2019-03-04 12:00",
        "units.coal_new.bidding_EOM": "powerplant_energy_learning",
        "learning_config.gradient_steps": 2,
        "learning_config.train_freq": "3h",
        "learning_config.gamma": 0.9,
    }
    return compile_scenario(load_scenario(SCENARIO, "tiny", overrides=overrides | settings))


def role_of(compiled: Compiled) -> Learning:
    scenario = compiled.scenario
    end = scenario.index[-1].to_pydatetime()
    return Learning(scenario.learning, scenario.start, end, seed=42)


def weights(role: Learning) -> list[torch.Tensor]:
    kinds = role.extract_actors_and_critics().values()
    return [w for units in kinds for state in units.values() for w in state.values()]


def assert_same(one: tuple[Learning, MemorySink], other: tuple[Learning, MemorySink]) -> None:
    """Weights bit for bit, and all tables; rows of several operators in a fixed order."""
    pairs = list(zip(weights(one[0]), weights(other[0]), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert one[0].evaluation_scores == other[0].evaluation_scores
    for name in TABLES if other[0].recorder else TABLES[:3]:  # one elsewhere has no recorder
        first, second = (pd.DataFrame(memory.table(name)) for _, memory in (one, other))
        if name == "unit_dispatch":
            first, second = (
                rows.assign(pass_=rows.groupby(["unit", "time"]).cumcount()).sort_values(
                    ["pass_", "time", "unit"], ignore_index=True
                )
                for rows in (first, second)
            )
        assert len(first) > 0
        pd.testing.assert_frame_equal(first, second, check_exact=True)


async def train_together(compiled: Compiled) -> tuple[Learning, MemorySink]:
    role, memory = role_of(compiled), MemorySink()
    world = World(compiled, seed=42, learning=role)
    for number, evaluation in EPISODES:
        await world.run_episode(number, evaluation=evaluation, sink=memory)
    return role, memory


class Market:
    """A market, a Learning role in its process or another one, and a lobby."""

    def __init__(self, compiled: Compiled, *, patience: float = 20.0, apart: bool = False) -> None:
        self.compiled, self.apart = compiled, apart
        self.home, self.school = tcp_container(HOST), tcp_container(HOST)
        operators = [name for own in CLIENTS.values() for name in own]
        self.lobby = Lobby(compiled, operators, self.home, patience=patience)
        self.role, self.memory = role_of(compiled), MemorySink()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Market"]:
        address = self.home.register(agent_composed_of(self.lobby), suggested_aid="lobby")
        place: dict[str, Any] = {"learning": self.role}
        if self.apart:
            agent = self.school.register(agent_composed_of(self.role), suggested_aid="learning")
        async with asyncio.timeout(30), activate(self.home, self.school):
            if self.apart:
                times = self.role.plan.update_times
                place = {"learning_address": agent.addr, "update_times": times}
            self.address: AgentAddress = address.addr
            self.world = World(
                self.compiled, seed=42, container=self.home, lobby=self.lobby, **place
            )
            yield self

    async def play(self, episodes: Sequence[tuple[int, bool]] = EPISODES) -> None:
        for number, evaluation in episodes:
            await self.world.run_episode(number, evaluation=evaluation, sink=self.memory)

    def client(self, name: str, container: Networked, **options: Any) -> Client:
        own = CLIENTS[name]
        return Client(self.compiled, own, self.address, container, name=name, **options)


async def play_client(market: Market, name: str, **options: Any) -> int:
    """A client in a container of its own, until it or the market says goodbye."""
    container = tcp_container(HOST)
    async with activate(container):
        return await market.client(name, container, **options).play()


@pytest.fixture
def market() -> Market:
    return Market(duopoly())


async def train_apart(compiled: Compiled, apart: bool) -> tuple[Learning, MemorySink]:
    async with Market(compiled, apart=apart).running() as market:
        clients = [asyncio.create_task(play_client(market, name)) for name in CLIENTS]
        await market.play()
        market.lobby.dismiss()
        assert await asyncio.gather(*clients) == [len(EPISODES)] * len(CLIENTS)
    return market.role, market.memory


@pytest.mark.parametrize("apart", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_operators_elsewhere_give_the_same_weights_and_tables(apart: bool) -> None:
    compiled = duopoly()
    role, memory = asyncio.run(train_together(compiled))
    assert role.learner.iterations > 0
    assert_same((role, memory), asyncio.run(train_apart(compiled, apart)))


# --- who may join --------------------------------------------------------------------------------


PLUGIN = """
def register(registry):
    registry.schedule("own", lambda progress: {0})
"""


def terms_of(folder: Path, end: int = 0, **settings: Any) -> str:
    """What a computer with a folder, plug-in and settings of its own says it plays."""
    shutil.copytree(SCENARIO, folder)
    (folder / "own.py").write_text(PLUGIN.format(end))
    own = {"plugins": ["own.py"], "policies": {"learner": "own.py"}, **settings}
    try:
        return terms(compile_scenario(load_scenario(folder, "tiny", overrides=own)), ["learner"])
    finally:
        unload_plugins()


def test_terms_do_not_depend_on_the_computer_but_on_plug_ins_and_settings(tmp_path: Path) -> None:
    ours = terms_of(tmp_path / "ours")
    theirs = {
        "learning_config.device": "cuda",
        "learning_config.trained_policies_save_path": "saved",
        "simulation_id": "theirs",
    }
    assert terms_of(tmp_path / "theirs", **theirs) == ours
    assert terms_of(tmp_path / "plugin", 1) != ours
    assert terms_of(tmp_path / "setting", **{"learning_config.gamma": 0.5}) != ours


class Odd(Client):
    """A client of another release, with another scenario, or that plays what others do."""

    def __init__(self, *args: Any, odd: Mapping[str, Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self._request = replace(self._request, **odd)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"protocol": 7}, "client 'mine' speaks version 7 of the messages, this is version 1"),
        ({"terms": "x"}, "client 'mine' has other settings, operators or fixed policies"),
        ({"operators": ("retail",)}, "unknown unit operator 'retail', valid: harbour power,"),
        ({"operators": ()}, "no unit operator is named"),
        ({"client": "x", "operators": ("harbour power",)}, "client 'port' plays 'harbour power'"),
    ],
)
def test_a_client_that_does_not_fit_is_refused_in_one_message(
    market: Market, odd: Mapping[str, Any], said: str
) -> None:
    async def ask() -> None:
        async with market.running():
            port = asyncio.create_task(play_client(market, "port"))
            while not market.lobby._seats:
                await asyncio.sleep(0.01)
            container = tcp_container(HOST)
            own = CLIENTS["mine"]
            client = Odd(market.compiled, own, market.address, container, name="mine", odd=odd)
            async with activate(container):
                with pytest.raises(AgentFailure, match="the market refused the client: ") as caught:
                    await client.play()
            assert said in str(caught.value)
            market.lobby.dismiss()
            assert await port == 0

    asyncio.run(ask())


def test_operators_that_nobody_plays_are_named(market: Market) -> None:
    async def wait() -> None:
        async with market.running():
            await market.play()

    market.lobby._patience = 0.05
    with pytest.raises(AgentFailure, match=r"no client has played learning power, .* for 0.05 s"):
        asyncio.run(wait())


def test_a_market_that_does_not_answer_is_a_message(market: Market) -> None:
    async def ask() -> None:
        async with market.running():
            stranger = tcp_container(HOST, secret="guess")  # its messages can be read, not theirs
            async with activate(stranger):
                await market.client("mine", stranger, patience=0.05).play()

    with pytest.raises(AgentFailure, match=r"has not answered for 0\.05 s; does it run at this"):
        asyncio.run(ask())


# --- clients that come, go and come back ---------------------------------------------------------


@pytest.mark.slow
def test_a_client_says_goodbye_and_another_one_takes_its_place(market: Market) -> None:
    async def train() -> None:
        async with market.running():
            port = asyncio.create_task(play_client(market, "port"))
            mine = asyncio.create_task(play_client(market, "mine", episodes=1))
            await market.play(EPISODES[:1])
            assert await mine == 1  # after the whole episode
            mine = asyncio.create_task(play_client(market, "mine"))
            await market.play(EPISODES[1:])
            market.lobby.dismiss()
            assert await asyncio.gather(port, mine) == [3, 2]

    compiled = market.compiled
    expected = asyncio.run(train_together(compiled))
    asyncio.run(train())
    assert_same(expected, (market.role, market.memory))


BIDS = 6  # of the learner, until something happens to its client


class Fragile(Client):
    """A client whose process ends after some bids of its learner."""

    async def _sync(self, due: SyncDue, life: str) -> bool:
        if any(role.records_sent >= 3 * BIDS - 1 for role in self._roles):
            self._joined = False  # no goodbye
            raise Died
        return await super()._sync(due, life)


class Sleepy(Client):
    """A client whose process sleeps after some bids of its learner, once."""

    rested = False

    async def _sync(self, due: SyncDue, life: str) -> bool:
        tired = any(role.records_sent >= 3 * BIDS - 1 for role in self._roles)
        if tired and not self.rested:
            self.rested = True
            await asyncio.sleep(3)
        return await super()._sync(due, life)


class Died(Exception):
    """Stands for the end of a process."""


async def die(market: Market, name: str) -> None:
    container = tcp_container(HOST)
    client = Fragile(market.compiled, CLIENTS[name], market.address, container, name=name)
    async with activate(container):
        with pytest.raises(Died):
            await client.play()


def actions(market: Market, episode: int) -> pd.Series:
    rows = pd.DataFrame(market.memory.table("rl_params"))
    own = rows[(rows["episode"] == episode) & ~rows["evaluation_mode"].astype(bool)]
    return own["unit"].value_counts()


def test_an_episode_goes_on_without_a_client_that_dies_and_the_next_one_with_it(
    market: Market, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "REACH_SECONDS", 0.5)

    async def train() -> None:
        async with market.running():
            port = asyncio.create_task(play_client(market, "port"))
            mine = asyncio.create_task(die(market, "mine"))
            await market.play(EPISODES[:1])
            await mine
            mine = asyncio.create_task(play_client(market, "mine"))
            await market.play(EPISODES[1:2])
            market.lobby.dismiss()
            assert await asyncio.gather(port, mine) == [2, 1]

    asyncio.run(train())
    assert "client 'mine' cannot be reached: the episode continues without learning" in caplog.text
    orders = pd.DataFrame(market.memory.table("market_orders"))
    hours = orders[orders["unit_id"] == "learner"].groupby("start_time").size()
    cut = BIDS - 1  # the auction of the last bid was open
    assert hours.tolist() == [4] * cut + [2] * (HOURS - cut)  # two orders an hour and episode
    assert market.role.learner.replay.size() == cut + HOURS
    stored = market.role.learner.replay.rows(0, 0)
    ends = [k for k, end in enumerate(stored["terminated"].tolist()) if end]
    cuts = [k for k, end in enumerate(stored["truncated"].tolist()) if end]
    assert (ends, cuts) == ([cut + HOURS - 1], [cut - 1])
    assert actions(market, 2).to_dict() == {"learner": HOURS, "coal_new": HOURS}
    assert market.role.episodes_done == 2


@pytest.mark.slow
def test_a_client_that_is_slower_than_the_market_is_patient_joins_again(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    async def train() -> None:
        market.lobby._patience = 2.5  # it is asked three times meanwhile
        async with market.running():
            port = asyncio.create_task(play_client(market, "port"))
            container = tcp_container(HOST)
            own = CLIENTS["mine"]
            client = Sleepy(market.compiled, own, market.address, container, name="mine")
            async with activate(container):
                mine = asyncio.create_task(client.play())
                await market.play(EPISODES[:1])
                market.lobby._patience = 20.0
                await market.play(EPISODES[1:2])
                market.lobby.dismiss()
                assert await asyncio.gather(port, mine) == [2, 1]

    asyncio.run(train())
    assert "client 'mine' has not answered for 2.5 s" in caplog.text
    assert "the market has given this client up" in caplog.text
    assert actions(market, 2).to_dict() == {"learner": HOURS, "coal_new": HOURS}


# --- messages that come late, or twice -----------------------------------------------------------


class Desk(Notes):
    """Stands for the context of a lobby or a client."""

    def schedule_instant_message(self, content: Any, receiver: AgentAddress) -> None:
        self.sent.append((content, receiver))

    async def send_message(self, content: Any, receiver: AgentAddress, **_: Any) -> bool:
        return await super().send_message(content, receiver)


AWAY = AgentAddress(("away", 1), "lobby")
MINE = {"sender_addr": ["away", 1], "sender_id": "mine", "life": "x"}


def reception(market: Market) -> tuple[Lobby, Desk]:
    """A lobby that a client has joined, which plays."""
    lobby, desk = market.lobby, Desk()
    lobby._context = desk
    lobby._join(wish(market, 1), MINE)
    lobby._playing.extend(lobby._seats.values())
    return lobby, desk


def wish(market: Market, number: int) -> Join:
    return Join("mine", CLIENTS["mine"], terms(market.compiled, ()), number)


def test_a_repeated_wish_to_join_changes_nothing_and_a_new_one_ends_the_episode_for_it(
    market: Market,
) -> None:
    lobby, desk = reception(market)
    lobby._join(wish(market, 1), MINE)
    assert len(lobby._playing) == 1
    lobby._join(wish(market, 2), MINE)
    lobby._join(wish(market, 1), MINE)  # overtaken
    assert lobby._playing == []
    assert [seat.number for seat in lobby._seats.values()] == [2]
    assert desk.of(Joined) == [Joined(1), Joined(1), Joined(2)]


def test_who_has_lost_its_place_is_told_which_answer_came_too_late(market: Market) -> None:
    lobby, desk = reception(market)
    lobby._part(Goodbye(), MINE)
    lobby._hear(SyncDone(4, {}, 0, -1), MINE)
    assert desk.of(GivenUp) == [GivenUp(4)]


def test_a_client_joins_once_however_often_it_is_told_that_it_was_given_up(market: Market) -> None:
    client = Client(market.compiled, CLIENTS["mine"], AWAY, market.home, name="mine")
    desk = client._context = Desk()

    async def go_on(*heard: Any) -> None:
        client._joined, client._done = True, SyncDone(4, {}, 0, -1)
        for content in heard:
            client._hear(content, {})
        while not client._heard.empty():
            await client._go_on()

    asyncio.run(go_on(GivenUp(3), GivenUp(4), GivenUp(4), Joined(0), Joined(1), GivenUp(4)))
    assert [join.number for join in desk.of(Join)] == [1]
    assert client._joined


def test_a_client_that_was_given_up_joins_again_although_what_it_sent_was_refused(
    market: Market,
) -> None:
    client = Client(market.compiled, CLIENTS["mine"], AWAY, market.home, name="mine")
    desk = client._context = Desk()

    async def go_on() -> None:
        client._joined = True
        for content in (SyncDue(1, {}), SyncDue(1, {}), GivenUp(1)):
            client._hear(content, {"life": "x"})
            if isinstance(content, GivenUp):
                client._hear(Joined(1), {})
            await client._go_on()
            client._failures.note(AgentFailure("unit 'learner' has left: register it again"))

    asyncio.run(go_on())
    assert [type(content) for content, _ in desk.sent] == [SyncDone, SyncDone, Join]


def test_a_client_whose_messages_could_not_be_sent_joins_again(market: Market) -> None:
    client = Client(market.compiled, CLIENTS["mine"], AWAY, market.home, name="mine")
    desk = client._context = Desk()
    market.home.dropped = 1
    client._hear(SyncDue(1, {}), {"life": "x"})
    client._hear(Joined(1), {})
    assert asyncio.run(client._go_on())
    assert [type(content) for content, _ in desk.sent] == [Join]


def test_a_client_that_waits_heeds_what_comes_meanwhile(market: Market) -> None:
    client = Client(market.compiled, CLIENTS["mine"], AWAY, market.home, name="mine")
    client._context = Desk()
    client._joined = True
    client._hear(SyncDue(1, {"agent": 7}), {"life": "x"})  # seven messages that never come

    async def go_on() -> list[bool]:
        asyncio.get_running_loop().call_later(0.01, client._hear, Goodbye(), {})
        async with asyncio.timeout(5):
            return [await client._go_on(), await client._go_on()]

    assert asyncio.run(go_on()) == [True, False]

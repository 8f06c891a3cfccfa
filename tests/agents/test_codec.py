"""Whatever is sent to another container arrives bit for bit."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from mango.messages.codecs import SerializationError
from mango.messages.message import MangoMessage
from torch import Tensor

from assume_rl.agents import messages as m
from assume_rl.agents.codec import Unreadable, make_codec, message_types
from assume_rl.core.bidding.base import Feature, Layout
from assume_rl.core.orders import BlockTerms, unit_major
from assume_rl.core.reward_curve import Aggregated
from assume_rl.core.time import Auction
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.types import AgentSpec

AUCTION = Auction("EOM", 3, 0, 3600, (24, 25), (1, 1))
LAYOUT = Layout((Feature("price", 2, "min-max"), Feature("cost", 1, "none", unique=True)))
ODD = torch.tensor([[0.1, -0.0, float("nan")], [float("inf"), 1e-310, 1 / 3]], dtype=torch.float64)
LEADS = torch.tensor([-1, 0, -1])
ORDERS = unit_major(ODD, ODD.flip(0), 3)
SHARES = torch.tensor([0.0, 0.5, 1 / 3])
BLOCK = torch.tensor([True, True, False])
BLOCKS = unit_major(ODD, ODD, 1, BlockTerms(BLOCK, SHARES, LEADS, LEADS, LEADS, SHARES))
ACTORS = (initial_actors([AgentSpec("a", 3, 2, 1), AgentSpec("b", 3, 2, 1)], seed=1),)

EXAMPLES = [
    m.EpisodeStart(2, True),
    m.EpisodeStart(2, False, ("a", "b")),
    m.EpisodeEnd(2, False),
    m.RegisterBidder("EOM", "op", ("a", "b")),
    m.MarketOpened(AUCTION),
    m.OrderBook("EOM", 3, "op", ORDERS),
    m.OrderBook("EOM", 3, "op", BLOCKS),
    m.AuctionResult(AUCTION, ODD, ODD.T, ODD[0]),
    m.AuctionResult(AUCTION, ODD, ODD.T, ODD[0], Aggregated(ODD, ODD.flip(0))),
    m.RegisterUnit("a", LAYOUT, 2),
    m.Observed("a", 1.5e9, ODD[1].float()),
    m.Acted("a", 1.5e9, ODD[0], torch.zeros(0)),
    m.Acted("a", 1.5e9, ODD[0], torch.zeros(0), {"raw": ODD[1]}, 7),
    m.Rewarded("a", 1.5e9, 0.1 + 0.2, -1e-300, float("inf")),
    m.Rewarded("a", 1.5e9, 0.1, 0.2, 0.3, {"curve": ODD[0]}),
    m.ObsActRew([ODD[1].float()], [ODD[0]], [torch.tensor(0.5)], "a", (1.5e9,)),
    m.ObsActRew([ODD[1].float()], [ODD[0]], [torch.tensor(0.5)]),
    m.UpdateDue(1.5e9, 12),
    m.UpdateDone(1.5e9, 4, 12),
    m.Refused("no"),
    m.Goodbye(),
    m.Goodbye((("127.0.0.1", 5555), "op@3")),
    m.Join("plant", ("a",), "0" * 64, 2),
    m.Joined(2),
    m.Invite(1, 2, False, {"a": "a@1"}, {"EOM": "op"}, ("topic", "learning"), None, 3600),
    m.SyncDue(1, {"a@1": 4}, 3),
    m.SyncDone(1, {"op": 4, "recorder": 0}, 12, 3),
    m.GivenUp(1),
    m.PolicyUpdate(4, ACTORS, Exploration("noise", 0.2, 0.1), ("a",)),
    m.Rows(
        "market_meta",
        {
            "price": np.array([0.1, np.nan]),
            "time": np.array(["2019-01-01T00", "2019-01-01T01"], dtype="datetime64[s]"),
            "unit": np.array(["a", None], dtype=object),
            "on": [True, False],
            "none": np.zeros(0),
        },
    ),
]


def assert_same(sent: Any, got: Any) -> None:
    assert type(sent) is type(got)
    if dataclasses.is_dataclass(sent):
        assert_same(vars(sent), vars(got))
    elif isinstance(sent, dict):
        assert list(sent) == list(got)
        for key in sent:
            assert_same(sent[key], got[key])
    elif isinstance(sent, tuple | list):
        assert len(sent) == len(got)
        for a, b in zip(sent, got, strict=True):
            assert_same(a, b)
    elif isinstance(sent, Tensor | np.ndarray):
        a, b = np.asarray(sent), np.asarray(got)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
    else:
        assert sent == got


def carried(content: Any) -> Any:
    codec = make_codec()
    message = codec.decode(codec.encode(MangoMessage(content, {"sender_id": "x"})))
    return message.split_content_and_meta()[0]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_bit_for_bit(message: Any) -> None:
    assert_same(message, carried(message))


def test_every_message_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == set(message_types())


def test_messages_travel_together() -> None:
    sent = (EXAMPLES[7], EXAMPLES[8])
    got = carried(sent)
    assert len(got) == 2
    for a, b in zip(sent, got, strict=True):
        assert_same(a, b)


# --- what comes from strangers -------------------------------------------------------------------


def told(content: Any) -> dict[str, Any]:
    """A message as JSON, to be spoilt."""
    message = MangoMessage(content, {"sender_id": "x", "sender_addr": ["host", 1]})
    told: dict[str, Any] = json.loads(make_codec().encode(message))
    return told


def reason(message: Any) -> str:
    """Why a message is refused; it says who sent it."""
    content, meta = make_codec().decode(json.dumps(message).encode()).split_content_and_meta()
    assert isinstance(content, Unreadable)
    assert meta["sender_id"] == "x"
    return content.reason


FLAWS = [
    (m.EpisodeStart(1, False), {"episode": "x"}, "EpisodeStart.episode: expected int, got str 'x'"),
    (m.EpisodeStart(1, False), {"episode": True}, "expected int, got bool True"),
    (m.EpisodeStart(1, False), {"evaluation": 0}, "expected bool, got int 0"),
    (m.EpisodeStart(1, False), {"colour": 0}, "a EpisodeStart has the fields episode, evaluation"),
    (m.UpdateDue(1.0, 1), {"time": None}, "UpdateDue.time: expected float"),
    (m.RegisterUnit("a", LAYOUT, 2), {"layout": "wide"}, "expected Layout, got str 'wide'"),
    (m.Rewarded("a", 1.0, 0.1, 0.2, 0.3), {"extras": {"curve": 1}}, "Rewarded.extras"),
    (m.PolicyUpdate(4, ACTORS, Exploration("off")), {"experienced": "ab"}, "tuple[str, ...]"),
    (m.OrderBook("EOM", 3, "op", ORDERS), {"number": 1.5}, "expected int, got float 1.5"),
]


@pytest.mark.parametrize(("message", "flaw", "said"), FLAWS)
def test_a_field_of_another_type_is_refused(message: Any, flaw: dict[str, Any], said: str) -> None:
    sent = told(message)
    sent["__type__"][1]["content"]["__type__"][1] |= flaw
    assert said in reason(sent)


def test_a_field_that_is_missing_is_refused() -> None:
    sent = told(m.UpdateDue(1.0, 1))
    del sent["__type__"][1]["content"]["__type__"][1]["records"]
    assert "a UpdateDue has the fields time, records" in reason(sent)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (["float32", [1000], ""], "0 bytes are no tensor of shape [1000]"),
        (["float32", [2], "AAAA"], "3 bytes are no tensor of shape [2]"),
        (["float32", [-2, -2], "AAAAAAAAAAAAAAAAAAAAAA=="], "no shape [-2, -2]"),
        (["float32", [1.5], ""], "no shape [1.5]"),
        (["float32", "x", ""], "no shape 'x'"),
        (["nn", [1], "AAAAAA=="], "no type 'nn'"),
        (["bool", [1], "Bw=="], "a tensor of truth values has others"),
    ],
)
def test_a_tensor_that_its_bytes_do_not_fill_is_refused(tensor: Any, said: str) -> None:
    sent = told(m.Observed("a", 1.0, torch.ones(2)))
    sent["__type__"][1]["content"]["__type__"][1]["observation"]["__type__"][1] = tensor
    assert said in reason(sent)


def test_what_is_not_ours_is_refused() -> None:
    codec = make_codec()
    for data in (b"", b"\xff\x00", b"{}", b"[1]", b"[" * 100_000, b'{"__type__": 3}'):
        content, meta = codec.decode(data).split_content_and_meta()
        assert isinstance(content, Unreadable)
        assert meta == {}
    sent = told(m.UpdateDue(1.0, 1))
    sent["__type__"][1]["content"]["__type__"][0] = "Update"
    assert "no message has the type 'Update'" in reason(sent)


def test_without_the_secret_nothing_is_read() -> None:
    ours = make_codec("secret")
    message = MangoMessage(EXAMPLES[0], {"sender_id": "x"})
    assert_same(ours.decode(ours.encode(message)).content, EXAMPLES[0])
    signed = ours.encode(message)
    for data in (
        make_codec().encode(message),
        make_codec("guess").encode(message),
        signed[:-1] + b" ",
        signed[:5],
        b"",
    ):
        assert ours.decode(data).content == Unreadable("it is not signed with our secret")


def test_a_parameter_of_a_network_is_refused_rather_than_half_carried() -> None:
    with pytest.raises(SerializationError, match="Parameter"):
        carried(m.Observed("a", 0.0, torch.nn.Parameter(torch.ones(2))))

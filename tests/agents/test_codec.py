"""Whatever is sent to another container arrives bit for bit."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from mango.messages.message import MangoMessage
from torch import Tensor

from assume_rl.agents import messages as m
from assume_rl.agents.codec import make_codec, message_types
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
BLOCKS = unit_major(ODD, ODD, 1, BlockTerms(torch.tensor([0.0, 0.5, 1 / 3]), LEADS, LEADS))
ACTORS = (initial_actors([AgentSpec("a", 3, 2, 1), AgentSpec("b", 3, 2, 1)], seed=1),)

EXAMPLES = [
    m.EpisodeStart(2, True),
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
    m.Rewarded("a", 1.5e9, 0.1 + 0.2, -1e-300, float("inf")),
    m.Rewarded("a", 1.5e9, 0.1, 0.2, 0.3, {"curve": ODD[0]}),
    m.ObsActRew([ODD[1].float()], [ODD[0]], [torch.tensor(0.5)], "a", (1.5e9,)),
    m.ObsActRew([ODD[1].float()], [ODD[0]], [torch.tensor(0.5)]),
    m.UpdateDue(1.5e9, 12),
    m.UpdateDone(1.5e9, 4),
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


def test_a_parameter_of_a_network_is_refused_rather_than_half_carried() -> None:
    with pytest.raises(Exception, match="Parameter"):
        carried(m.Observed("a", 0.0, torch.nn.Parameter(torch.ones(2))))

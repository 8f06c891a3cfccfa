"""Networks that move to another fleet."""

import pytest
import torch

from assume_rl.errors import PolicyError
from assume_rl.learning.nets.stack import ActorStack, initial_actors, initial_critics
from assume_rl.learning.nets.transfer import (
    TransferReport,
    change_of,
    critic_blocks,
    read_by_name,
    transfer,
    transfer_critics,
)
from assume_rl.learning.types import AgentSpec

A, B, C, D = (AgentSpec(unit, 5, 2, 1) for unit in "ABCD")
BIG_B = AgentSpec("B", 5, 3, 2)


def test_actors_are_matched_by_unit() -> None:
    wider = AgentSpec("C", 6, 2, 1)
    fresh = (initial_actors([B, D, A], seed=1), initial_actors([wider], seed=1))
    saved = (initial_actors([A, C, B], seed=2),)

    (first, second), report = transfer(fresh, saved)

    assert report.loaded == ("B", "A")
    assert report.fresh == ("D",)
    assert report.skipped == {"C": "saved 5-256-128-2, expected 6-256-128-2"}
    for unit in "AB":
        assert torch.equal(
            first.module_state(unit)["FC1.weight"], saved[0].module_state(unit)["FC1.weight"]
        )
    for unit, stack, before in (("D", first, fresh[0]), ("C", second, fresh[1])):
        assert torch.equal(
            stack.module_state(unit)["FC1.weight"], before.module_state(unit)["FC1.weight"]
        )


def test_blocks_of_a_critic_input_follow_the_agents() -> None:
    assert critic_blocks("A", (BIG_B, A)) == {
        ("obs", "A"): slice(0, 5),
        ("unique", "B"): slice(5, 7),
        ("action", "B"): slice(7, 10),
        ("action", "A"): slice(10, 12),
    }


def joint_input(owner: str, agents: tuple[AgentSpec, ...], values: dict) -> torch.Tensor:
    blocks = critic_blocks(owner, agents)
    x = torch.zeros(1, 1, max(block.stop for block in blocks.values()), dtype=torch.float64)
    for key, block in blocks.items():
        x[..., block] = values.get(key, 0.0)
    return x


def test_values_of_old_agents_stay_where_inputs_are_unchanged() -> None:
    """For every owner, in a fleet with another order, one agent less and a new one."""
    old, new = (A, B, C), (D, C, A)
    saved = initial_critics(old, old, 2, seed=2)
    fresh = initial_critics(new, new, 2, seed=1)
    values = {("obs", u): torch.randn(5, dtype=torch.float64) for u in "AC"}
    values |= {("unique", u): torch.randn(1, dtype=torch.float64) for u in "AC"}
    values |= {("action", u): torch.randn(2, dtype=torch.float64) for u in "AC"}

    moved, report = transfer_critics(fresh, new, saved, old)

    assert (report.loaded, report.fresh, report.skipped) == (("C", "A"), ("D",), {})
    for owner in "AC":
        before = saved(joint_input(owner, old, values).expand(3, -1, -1))[:, "ABC".index(owner)]
        after = moved(joint_input(owner, new, values).expand(3, -1, -1))[:, "DCA".index(owner)]
        torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-12)


def test_new_agents_keep_their_initial_columns() -> None:
    old, new = (A, B), (A, B, D)
    fresh = initial_critics(new, new, 2, seed=1)
    moved, _ = transfer_critics(fresh, new, initial_critics(old, old, 2, seed=2), old)
    column = critic_blocks("A", new)["action", "D"]
    found, initial = (c.module_state("A")["q2_layers.0.weight"] for c in (moved, fresh))
    assert torch.equal(found[:, column], initial[:, column])
    assert not torch.equal(found, initial)


def test_a_block_of_another_size_stays_fresh_but_the_critic_is_loaded() -> None:
    old, new = (A, B), (A, BIG_B)
    fresh = initial_critics([A], new, 2, seed=1)
    saved = initial_critics(old, old, 2, seed=2)
    moved, report = transfer_critics(fresh, new, saved, old)
    found, initial = (c.module_state("A")["q1_layers.0.weight"] for c in (moved, fresh))
    assert report.loaded == ("A",)
    blocks = critic_blocks("A", new)
    for key, kept in ((("action", "B"), True), (("unique", "B"), True), (("obs", "A"), False)):
        assert torch.equal(found[:, blocks[key]], initial[:, blocks[key]]) is kept


def test_critics_of_other_hidden_sizes_are_skipped() -> None:
    """Above twenty agents critics have other layers."""
    crowd = tuple(AgentSpec(f"U{k}", 5, 2, 1) for k in range(20))
    fresh = initial_critics([A], (A, *crowd), 2, seed=1)
    moved, report = transfer_critics(fresh, (A, *crowd), initial_critics([A], (A,), 2, 2), (A,))
    sizes = "saved 7-256-128-1 and 7-256-128-1, expected 67-512-256-128-1 and 67-512-256-128-1"
    assert report.skipped == {"A": f"its critic does not fit: {sizes}"}
    assert torch.equal(moved.weights["layers.0.weight"], fresh.weights["layers.0.weight"])


FEATURES = [("load", 2, "MW"), ("power", 1, "MW"), ("cost", 1, "EUR")]


@pytest.mark.parametrize("normalised", [False, True])
def test_an_actor_reads_features_by_name_and_ignores_others(normalised: bool) -> None:
    """It acts as it did, whatever the entries are that it does not know."""
    here = [("cost", 1, "EUR"), ("wind", 3, "MW"), ("load", 2, "MW"), ("power", 1, "MW")]
    torch.manual_seed(1)
    state = {
        "FC1.weight": torch.randn(8, 4),
        "FC1.bias": torch.randn(8),
        "FC2.weight": torch.randn(2, 8),
        "FC2.bias": torch.randn(2),
    }
    if normalised:
        state["observation.count"] = torch.tensor(5.0, dtype=torch.float64)
        state["observation.mean"] = torch.randn(4, dtype=torch.float64)
        state["observation.variance"] = torch.rand(4, dtype=torch.float64)
    old = ActorStack.of({"A": state})
    new = ActorStack.of({"A": read_by_name("mlp", state, FEATURES, here)})
    load, power, cost, wind = (torch.randn(50, 1, size) for size in (2, 1, 1, 3))
    seen, shown = torch.cat([load, power, cost], -1), torch.cat([cost, wind, load, power], -1)
    torch.testing.assert_close(new(shown), old(seen))
    assert read_by_name("mlp", state, FEATURES, FEATURES).keys() == state.keys()
    assert change_of(FEATURES, here) == "wind without weight"


@pytest.mark.parametrize(
    ("architecture", "here", "says"),
    [
        ("mlp", FEATURES[1:], r"observes load \(2, MW\), expected no such"),
        ("mlp", [("load", 3, "MW"), *FEATURES[1:]], r"observes load \(2, MW\), expected load \(3"),
        ("lstm", FEATURES[::-1], "observes load .*, expected cost"),
    ],
)
def test_an_actor_is_not_read_without_all_that_it_reads(
    architecture: str, here: list[tuple[str, int, str]], says: str
) -> None:
    with pytest.raises(PolicyError, match=says):
        read_by_name(architecture, {}, FEATURES, here)


def test_a_report_is_one_sentence_however_many_units_there_are() -> None:
    units = [f"u{i}" for i in range(12)]
    skipped = {unit: "it is small" for unit in units[4:10]}
    adapted = {"u0": "wind without weight"}
    text = str(TransferReport(tuple(units[:4]), tuple(units[10:]), skipped, adapted))
    assert text == (
        "4 loaded; 1 (u0) adapted: wind without weight; 6 (u4, u5, u6, u7, ...) not used: it is "
        "small; 2 (u10, u11) not saved there, so that they start afresh"
    )


@pytest.mark.parametrize("changed", [0, 100, 263])
def test_of_a_long_scaling_a_message_has_only_the_first_difference(changed: int) -> None:
    """A ladder of seen prices has hundreds, in two features."""
    saved, here = (
        [
            (
                name,
                2,
                "place on 264 rungs, at " + ", ".join(map("{:g}".format, prices)) + " EUR/MWh",
            )
            for name in ("lowest_rung", "highest_rung")
        ]
        for prices in (range(264), [k + 0.5 * (k >= changed) for k in range(264)])
    )
    with pytest.raises(PolicyError) as caught:
        read_by_name("mlp", {}, saved, here)
    message = str(caught.value)
    assert len(message) < 300
    assert f" {changed} " in message
    assert f" {changed}.5 " in message

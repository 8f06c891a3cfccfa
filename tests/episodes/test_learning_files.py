"""Networks of every algorithm that are saved, and loaded into a changed fleet."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from assume_rl.episodes.learning_files import load_actors, load_critics, save_actors, save_critics
from assume_rl.errors import PolicyError
from assume_rl.learning.algorithms import able
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.transfer import critic_blocks
from assume_rl.learning.policies.assume_layout import save_assume_layout
from assume_rl.learning.states import TARGET, networks
from assume_rl.learning.types import AgentSpec, Scales

A, B, C, D = (AgentSpec(unit, 5 - (unit == "B"), 2, 1) for unit in "ABCD")


def learner(algorithm: str, agents: tuple[AgentSpec, ...], seed: int) -> Learner:
    config = LearningConfig.from_mapping({"algorithm": algorithm, "actor_hidden": (8,)})
    return Learner(config, agents, seeds=(seed,), device=torch.device("cpu"))


def saved(algorithm: str, folder: Path) -> Learner:
    """A learner of three agents, its numbers none of those that they begin with."""
    ours = learner(algorithm, (A, B, C), 1)
    for net in ours.all_nets():
        net.online.buffer.add_(0.125)
    save_actors(ours, folder, {})
    save_critics(ours, folder)
    return ours


@pytest.mark.parametrize("algorithm", able("box"))
def test_what_an_agent_has_learned_moves_to_another_fleet(algorithm: str, tmp_path: Path) -> None:
    old, new = saved(algorithm, tmp_path), learner(algorithm, (C, D, A), 2)
    fresh = networks(new.nets, 0)
    actors, others = load_actors(tmp_path, new), load_critics(tmp_path, new)
    assert (actors.loaded, actors.fresh, actors.skipped) == (("C", "A"), ("D",), {})
    only_actors = len(new.nets) == 1
    expected = ((), (), {}) if only_actors else (("C", "A"), ("D",), {})
    assert (others.loaded, others.fresh, others.skipped) == expected
    before, after = networks(old.nets, 0), networks(new.nets, 0)
    for kind, spec in new.algorithm.networks().items():
        for name in (kind, kind + TARGET)[: 1 + spec.target]:
            assert all(w.equal(after[name]["D"][k]) for k, w in fresh[name]["D"].items())
            for unit in "AC":
                ours, theirs = after[name][unit], before[name][unit]
                if kind == "actor" and name != kind:
                    theirs = before[kind][unit]  # targets of actors begin at the actors
                first = [key for key in ours if key.endswith("layers.0.weight")]
                assert all(ours[key].equal(theirs[key]) for key in ours if key not in first)
                for key in first:
                    check_first_layer(ours[key], theirs[key], unit, spec.kind, spec.central)


def check_first_layer(
    ours: torch.Tensor, theirs: torch.Tensor, unit: str, kind: str, central: bool
) -> None:
    """Every block that a critic sees in both fleets has its weights."""
    blocks = []
    for agents in ((C, D, A), (A, B, C)):
        seen = [agent for agent in agents if central or agent.unit_id == unit]
        size = 0 if kind == "state_value" else 2
        blocks.append(critic_blocks(unit, [replace(agent, act_size=size) for agent in seen]))
    assert ours.shape[1] == max(block.stop for block in blocks[0].values())
    for key in blocks[0].keys() & blocks[1].keys():
        assert ours[:, blocks[0][key]].equal(theirs[:, blocks[1][key]]), key


def test_an_actor_with_another_head_is_named(tmp_path: Path) -> None:
    # Two outputs are two numbers of a deterministic action, or one of a stochastic one.
    saved("matd3", tmp_path)
    one = tuple(replace(agent, act_size=1) for agent in (A, D))
    found = load_actors(tmp_path, learner("mappo", one, 2))
    assert found.skipped == {
        "A": "it is of matd3 and has the head softsign, actors of mappo have squashed_gaussian"
    }
    assert found.fresh == ("D",)


@pytest.mark.parametrize("algorithm", ["masac", "a2c"])
def test_the_established_layout_has_no_such_actors(algorithm: str, tmp_path: Path) -> None:
    config = LearningConfig.from_mapping({"algorithm": "matd3"})
    theirs = Learner(config, (A, B), seeds=(1,), device=torch.device("cpu"))
    save_assume_layout(tmp_path, theirs)
    with pytest.raises(PolicyError, match=f"networks of '{algorithm}' have no form in ASSUME"):
        load_actors(tmp_path, learner(algorithm, (A, B), 2))


def test_networks_of_actors_of_another_architecture_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window = AgentSpec("A", 7, 2, 1)  # three series of two steps, and one entry of its own
    settings = {"actor_architecture": "lstm"}
    old, new = (
        Learner(LearningConfig.from_mapping(own), (window,), seeds=(1,), device=torch.device("cpu"))
        for own in (settings, {})
    )
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    fresh = networks(new.nets, 0)
    assert not load_actors(tmp_path, new).loaded
    assert not load_critics(tmp_path, new).loaded
    assert "they are of matd3 with critic: concat and lstm actors" in caplog.text
    for name, weight in networks(new.nets, 0)["critic"]["A"].items():
        assert torch.equal(weight, fresh["critic"]["A"][name])


LOAD, PRICE, HELD = ("load", 2, "MW"), ("price", 2, "EUR/MWh"), ("held", 1, "share")


def with_features(unit: str, *features: tuple[str, int, str]) -> AgentSpec:
    return AgentSpec(unit, 5, 2, 1, features)


def test_what_observes_features_in_another_order_starts_afresh_but_for_its_actor(
    tmp_path: Path,
) -> None:
    """Sizes are the same: written as they are, a critic would read prices as load."""
    usual = [with_features(unit, LOAD, PRICE, HELD) for unit in "AB"]
    old = learner("matd3", tuple(usual), 1)
    for net in old.all_nets():
        net.online.buffer.add_(0.125)
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    new = learner("matd3", (with_features("A", PRICE, LOAD, HELD), usual[1]), 2)
    fresh = networks(new.nets, 0)
    assert load_actors(tmp_path, new).loaded == ("A", "B")
    found = load_critics(tmp_path, new)
    assert found.loaded == ("B",)
    assert found.skipped == {"A": "it observed features in another order"}
    before, after = networks(old.nets, 0), networks(new.nets, 0)
    for kind in ("actor", "actor_target"):
        # The target begins at the actor: both read prices from where they are now.
        weights, saved = after[kind]["A"], before["actor"]["A"]
        first = next(key for key in weights if key.endswith("weight"))
        assert weights[first].equal(saved[first][:, [2, 3, 0, 1, 4]])
    for kind in ("critic", "critic_target"):
        for key, weight in after[kind]["A"].items():
            assert weight.equal(fresh[kind]["A"][key])
        for key, weight in after[kind]["B"].items():  # what B sees of A is where it was
            assert weight.equal(before[kind]["B"][key])


def test_a_rival_that_shows_something_else_is_new_to_a_critic(tmp_path: Path) -> None:
    usual = [with_features(unit, LOAD, PRICE, HELD) for unit in "AB"]
    old = learner("matd3", tuple(usual), 1)
    save_critics(old, tmp_path)
    new = learner("matd3", (with_features("A", LOAD, PRICE, ("sold", 1, "share")), usual[1]), 2)
    fresh = networks(new.nets, 0)["critic"]["B"]
    assert load_critics(tmp_path, new).loaded == ("B",)
    before, after = (networks(own.nets, 0)["critic"]["B"] for own in (old, new))
    blocks = critic_blocks("B", usual)
    for key in [key for key in after if key.endswith("layers.0.weight")]:
        for block, columns in blocks.items():
            theirs = fresh if block == ("unique", "A") else before
            assert after[key][:, columns].equal(theirs[key][:, columns]), block


@pytest.mark.parametrize("other", ["features", "prices"])
def test_nothing_of_another_ladder_is_written(other: str, tmp_path: Path) -> None:
    """Its actor is refused; a target or moments of it would pull the new actor to old rungs."""
    bounds = ("highest_rung", 1, "place on 3 rungs")
    here = AgentSpec("A", 3, 1, 1, (LOAD, bounds), 3, scales=Scales(rungs=(0.0, 10.0, 20.0)))
    if other == "features":
        there = replace(here, features=(LOAD, ("highest_rung", 1, "place on 3 others")))
    else:
        there = replace(here, scales=Scales(rungs=(0.0, 5.0, 20.0)))
    old, new = learner("q_learning", (there,), 1), learner("q_learning", (here,), 2)
    for net in old.all_nets():
        net.online.buffer.add_(0.125)
        net.optimizer.step.add_(7)
    save_critics(old, tmp_path)
    fresh = networks(new.nets, 0)
    assert "A" in load_critics(tmp_path, new).skipped
    after = networks(new.nets, 0)
    assert {"actor", "actor_target"} <= after.keys()
    for kind, named in after.items():
        for key, weight in named["A"].items():
            assert weight.equal(fresh[kind]["A"][key])
    assert all(net.optimizer.step.eq(0).all() for net in new.all_nets())

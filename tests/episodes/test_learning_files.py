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
from assume_rl.learning.types import AgentSpec

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

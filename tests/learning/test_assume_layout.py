"""Policy folders in ASSUME's layout, read and written."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from assume_rl.compat.modules import Actor, CriticTD3
from assume_rl.errors import PolicyError
from assume_rl.learning.config import ArchitectureName, LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.policies.assume_layout import (
    load_assume_actors,
    load_assume_critics,
    save_assume_layout,
)
from assume_rl.learning.policies.folder import load_policies, load_policy
from assume_rl.learning.policies.places import is_assume_layout
from assume_rl.learning.states import networks
from assume_rl.learning.types import AgentSpec

RECORDED = "vectors/v10_rl_plants/checkpoint/last_policies"
H, G = AgentSpec("H", 38, 2, 2), AgentSpec("G", 38, 2, 2)
LSTM = "examples/results/example_02a/base_lstm/policies"
SMALL = tuple(AgentSpec(unit, 5, 2, 1) for unit in "BCA")
WINDOWS = tuple(AgentSpec(unit, 7, 2, 1) for unit in "BCA")


def create(
    agents: Sequence[AgentSpec], seed: int, architecture: ArchitectureName = "mlp"
) -> Learner:
    config = LearningConfig(replay_buffer_size=1, actor_architecture=architecture)
    return Learner(config, agents, seeds=(seed,), device=torch.device("cpu"))


def train(learner: Learner, steps: int = 2) -> Learner:
    """Weights, targets and moments that differ from each other and between agents."""
    for holder in learner.all_nets():
        gradient = holder.online.like()
        for _ in range(steps):
            gradient.buffer.normal_()
            holder.optimizer.descend(gradient, 1e-3)
    return learner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_assume_layout(tmp_path / "last", train(create(SMALL, seed=1)))
    return tmp_path / "last"


def read(folder: Path) -> dict[str, Any]:
    """Every file below a folder, as anyone would read it."""
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*.*")):
        name = str(file.relative_to(folder))
        text = file.suffix == ".json"
        found[name] = file.read_text() if text else torch.load(file, weights_only=True)
    return found


def shape_of(content: Any) -> Any:
    """Keys, shapes and types, without the numbers in tensors and settings."""
    if isinstance(content, dict):
        return {key: shape_of(value) for key, value in content.items()}
    if isinstance(content, torch.Tensor):
        return content.shape, content.dtype, content.requires_grad
    return [shape_of(item) for item in content] if isinstance(content, list) else type(content)


def assert_same(found: Any, expected: Any) -> None:
    assert shape_of(found) == shape_of(expected)
    if isinstance(expected, dict):
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    else:
        assert found == expected


@pytest.mark.reference
def test_what_we_write_has_the_keys_and_shapes_recorded(reference: Path, tmp_path: Path) -> None:
    save_assume_layout(tmp_path, train(create((H, G), seed=1)))
    found, recorded = read(tmp_path), read(reference / RECORDED)
    assert found.keys() == recorded.keys()
    assert found["critics/u_id_order.json"] == recorded["critics/u_id_order.json"]
    assert shape_of(found) == shape_of(recorded)


@pytest.mark.reference
def test_a_recorded_folder_makes_the_round_trip_bit_for_bit(
    reference: Path, tmp_path: Path
) -> None:
    learner = create((H, G), seed=1)

    actors = load_assume_actors(reference / RECORDED, learner)
    critics = load_assume_critics(reference / RECORDED, learner)
    save_assume_layout(tmp_path, learner)

    assert actors.loaded == critics.loaded == ("H", "G")
    found, recorded = read(tmp_path), read(reference / RECORDED)
    assert found.keys() == recorded.keys()
    for content in (*found.values(), *recorded.values()):
        for optimizer in ("actor_optimizer", "critic_optimizer"):
            if optimizer in content:
                content[optimizer].pop("param_groups")  # settings, which come from our learner
    assert_same(found, recorded)


@pytest.mark.reference
def test_recorded_policies_act_as_torch_modules_do(reference: Path) -> None:
    (actors,) = load_policies(reference / RECORDED).actors
    assert actors.unit_ids == ("H", "G")
    obs = torch.randn(7, 2, 38)
    for k, unit in enumerate(actors.unit_ids):
        file = reference / RECORDED / "actors" / f"actor_{unit}.pt"
        module = Actor(38, 2, torch.float32)
        module.load_state_dict(torch.load(file, weights_only=True)["actor"])
        torch.testing.assert_close(actors(obs)[:, k], module(obs[:, k]))


@pytest.mark.reference
def test_recorded_lstm_policies_are_read_and_written_as_they_are(
    reference: Path, tmp_path: Path
) -> None:
    (stack,) = load_policies(reference / LSTM).actors
    assert (stack.architecture, stack.sizes()) == ("lstm", (38, 2))
    learner = create([AgentSpec("pp_6", 38, 2, 2)], 1, "lstm")
    assert load_assume_actors(reference / LSTM, learner).loaded == ("pp_6",)
    assert load_assume_critics(reference / LSTM, learner).loaded == ("pp_6",)
    save_assume_layout(tmp_path, learner)
    found, recorded = read(tmp_path), read(reference / LSTM)
    for content in (*found.values(), *recorded.values()):
        for optimizer in ("actor_optimizer", "critic_optimizer"):
            if optimizer in content:
                content[optimizer].pop("param_groups")  # settings, which come from our learner
    assert plain(found) == plain(recorded)


def plain(content: Any) -> Any:
    """The same in built-in types, which compare entry by entry."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items()}
    return content.tolist() if isinstance(content, torch.Tensor) else content


def test_lstm_actors_are_written_and_read(tmp_path: Path) -> None:
    save_assume_layout(tmp_path / "last", train(create(WINDOWS, 1, "lstm")))
    learner = create(WINDOWS, 2, "lstm")
    assert load_assume_actors(tmp_path / "last", learner).loaded == ("B", "C", "A")
    assert load_assume_critics(tmp_path / "last", learner).loaded == ("B", "C", "A")
    save_assume_layout(tmp_path / "again", learner)
    assert_same(read(tmp_path / "again"), read(tmp_path / "last"))
    other = create(WINDOWS, 3)
    assert load_assume_actors(tmp_path / "last", other).skipped.keys() == set("ABC")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("LSTM1.bias_hh"), "expected LSTM1.weight_ih, LSTM1.weight_hh,"),
        (
            lambda state: state.update({"LSTM2.weight_ih": torch.zeros(64, 9)}),
            r"layers do not fit each other: .*LSTM2.weight_ih \(64, 9\)",
        ),
        (
            lambda state: state.update({"FC1.weight": torch.zeros(128, 15)}),
            r"layers do not fit each other: .*FC1.weight \(128, 15\)",
        ),
    ],
)
def test_a_damaged_lstm_actor_is_refused(
    tmp_path: Path, change: Callable[[dict], object], message: str
) -> None:
    save_assume_layout(tmp_path, create(WINDOWS, 1, "lstm"))
    rewrite(lambda content: change(content["actor"]))(tmp_path / "actors" / "actor_A.pt")
    with pytest.raises(PolicyError, match=message):
        load_policies(tmp_path)


def test_files_load_into_torch_modules_and_optimisers(folder: Path) -> None:
    saved = read(folder)
    actor, critic = Actor(5, 2, torch.float32), CriticTD3(3, 5, 2, torch.float32, 1)
    for kind, module in (("actor", actor), ("critic", critic)):
        content = saved[f"{kind}s/{kind}_A.pt"]
        module.load_state_dict(content[f"{kind}_target"])
        module.load_state_dict(content[kind])
        optimizer = torch.optim.AdamW(module.parameters())
        optimizer.load_state_dict(content[f"{kind}_optimizer"])
        for parameter in module.parameters():
            assert optimizer.state[parameter]["exp_avg"].shape == parameter.shape
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()


def test_a_learner_continues_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    learner = create(SMALL, seed=9)
    assert load_assume_actors(folder, learner).loaded == ("B", "C", "A")
    assert load_assume_critics(folder, learner).loaded == ("B", "C", "A")
    save_assume_layout(tmp_path / "again", learner)
    assert_same(read(tmp_path / "again"), read(folder))


def test_untrained_optimisers_are_saved_empty(tmp_path: Path) -> None:
    save_assume_layout(tmp_path, create(SMALL, seed=1))
    assert read(tmp_path)["actors/actor_A.pt"]["actor_optimizer"]["state"] == {}
    assert load_assume_actors(tmp_path, create(SMALL, seed=2)).loaded == ("B", "C", "A")


def test_another_fleet_takes_over_what_fits(folder: Path) -> None:
    newcomer, wider = AgentSpec("D", 5, 2, 1), AgentSpec("C", 6, 2, 1)
    learner = create((SMALL[2], newcomer, wider, SMALL[0]), seed=2)
    before = networks(learner.nets, 0)["critic"]["D"]

    actors, critics = load_assume_actors(folder, learner), load_assume_critics(folder, learner)

    for report in (actors, critics):
        assert set(report.loaded) == {"A", "B"}
        assert report.fresh == ("D",)
        assert set(report.skipped) == {"C"}
    assert actors.skipped["C"] == "saved 5-256-128-2, expected 6-256-128-2"
    after = networks(learner.nets, 0)["critic"]["D"]
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    saved = read(folder)["critics/critic_A.pt"]["critic"]
    bias = networks(learner.nets, 0)["critic"]["A"]["q2_layers.0.bias"]
    assert torch.equal(bias, saved["q2_layers.0.bias"])


def test_agents_of_several_shapes_are_written_and_read(tmp_path: Path) -> None:
    agents = (AgentSpec("A", 5, 2, 1), AgentSpec("S", 7, 1, 3), AgentSpec("B", 5, 2, 1))
    save_assume_layout(tmp_path / "last", train(create(agents, seed=1)))
    learner = create(agents, seed=2)
    assert load_assume_critics(tmp_path / "last", learner).loaded == ("A", "S", "B")
    assert load_assume_actors(tmp_path / "last", learner).loaded == ("A", "S", "B")
    save_assume_layout(tmp_path / "again", learner)
    assert_same(read(tmp_path / "again"), read(tmp_path / "last"))


def test_the_folder_and_its_actors_are_recognised(folder: Path) -> None:
    assert is_assume_layout(folder)
    assert is_assume_layout(folder / "actors")
    assert not is_assume_layout(folder / "critics")
    assert load_policies(folder).actors[0].unit_ids == ("B", "C", "A")
    assert load_policies(folder / "actors").actors[0].unit_ids == ("B", "C", "A")
    assert load_policies(folder, unit_ids=["A"]).actors[0].unit_ids == ("A",)
    assert load_policy(folder / "actors" / "actor_A.pt", "new").unit_ids == ("new",)


def test_actors_alone_are_enough_to_act(folder: Path) -> None:
    for file in (folder / "critics").iterdir():
        file.unlink()
    for file in (folder / "actors").iterdir():
        torch.save({"actor": torch.load(file, weights_only=True)["actor"]}, file)
    assert load_policies(folder).actors[0].unit_ids == ("A", "B", "C")


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def rewrite(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        content = torch.load(file, weights_only=True)
        change(content)
        torch.save(content, file)

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: torch.save({"actor": Payload(f.parent / "executed")}, f),
            "nothing in it was run",
        ),
        (lambda f: f.write_bytes(f.read_bytes()[:-100]), "is damaged or not a torch file"),
        (lambda f: f.write_bytes(b""), "is damaged or not a torch file"),
        (lambda f: f.write_text("hello"), "is damaged"),
        (lambda f: torch.save([1, 2], f), "holds a list, not networks"),
        (rewrite(lambda c: c.pop("actor")), "holds no 'actor'"),
        (rewrite(lambda c: c["actor"].pop("FC2.bias")), "expected FC1.weight, FC1.bias"),
        (
            rewrite(lambda c: c["actor"].update({"FC2.weight": torch.zeros(128, 99)})),
            r"layers do not fit each other: .* FC2.weight \(128, 99\)",
        ),
    ],
)
def test_a_damaged_actor_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder / "actors" / "actor_A.pt")
    with pytest.raises(PolicyError, match=message) as caught:
        load_policies(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "actors" / "executed").exists()


def test_an_unknown_unit_is_told(folder: Path) -> None:
    with pytest.raises(PolicyError, match="has no policy for unit 'Z', valid: A, B, C"):
        load_policies(folder, unit_ids=["Z"])


def test_damaged_critics_are_told(folder: Path) -> None:
    learner = create(SMALL, seed=1)
    (folder / "critics" / "critic_C.pt").unlink()
    with pytest.raises(PolicyError, match="has no critic of unit 'C'"):
        load_assume_critics(folder, learner)
    (folder / "critics" / "u_id_order.json").write_text(json.dumps({"order": []}))
    with pytest.raises(PolicyError, match="is damaged or holds no 'u_id_order'"):
        load_assume_critics(folder, learner)


def test_unit_ids_that_cannot_name_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="unit 'a/b' cannot name a file"):
        save_assume_layout(tmp_path, create([AgentSpec("a/b", 5, 2, 1)], seed=1))

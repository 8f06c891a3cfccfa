"""Policy folders: saved ones come back bit for bit, damaged ones are refused."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from safetensors.torch import load_file, save_file
from safetensors.torch import save as save_tensors

from assume_rl.compat.modules import Actor
from assume_rl.errors import PolicyError
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.learning.policies import files
from assume_rl.learning.policies.folder import (
    check_fit,
    load_policies,
    load_policy,
    read_manifest,
    save_policies,
)
from assume_rl.learning.types import AgentSpec

FEATURES = (("residual load", 5, "min-max"), ("marginal cost", 1, "max_bid_price"))
GAS = AgentSpec("gas 1/a", 6, 2, 1, FEATURES)
COAL = AgentSpec("coal", 6, 2, 1)
LAKE = AgentSpec("Lake.Ü", 9, 1, 2)
SPECS = (GAS, LAKE, COAL)


def fleet(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[ActorStack, ...]:
    groups = ((GAS, COAL), (LAKE,))
    return tuple(initial_actors(group, seed).to(dtype=dtype) for group in groups)


def save(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    save_policies(folder, fleet(seed, dtype), SPECS, algorithm="matd3", extra={"reward": 0.5})
    return folder


def assert_same(found: ActorStack, expected: ActorStack) -> None:
    assert found.unit_ids == expected.unit_ids
    assert list(found.weights) == list(expected.weights)
    for name, weight in expected.weights.items():
        assert found.weights[name].dtype == weight.dtype
        assert torch.equal(found.weights[name], weight)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "last")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_actors_come_back_bit_for_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    loaded = load_policies(save(tmp_path, dtype=dtype))

    for found, expected in zip(loaded.actors, fleet(dtype=dtype), strict=True):
        assert_same(found, expected)
        obs = torch.randn(3, len(found.unit_ids), found.weights["FC1.weight"].shape[1]).to(dtype)
        assert torch.equal(found(obs), expected(obs))


def test_lstm_actors_come_back_bit_for_bit(tmp_path: Path) -> None:
    wide = AgentSpec("wide", 6 + 17, 1, 17)  # more private entries than a cell gives
    groups = [(AgentSpec("a", 8, 2, 2), AgentSpec("b", 8, 2, 2)), (wide,)]
    stacks = [initial_actors(g, 1, "squashed_gaussian", "lstm") for g in groups]
    specs = [spec for group in groups for spec in group]
    save_policies(tmp_path, stacks, specs, algorithm="masac")

    loaded = load_policies(tmp_path)

    assert {e.architecture for e in read_manifest(tmp_path).units.values()} == {"lstm"}
    assert loaded.specs == tuple(specs)
    for found, expected, own in zip(loaded.actors, stacks, groups, strict=True):
        assert (found.architecture, found.head) == ("lstm", "squashed_gaussian")
        assert_same(found, expected)
        obs = torch.randn(3, len(own), own[0].obs_size, dtype=torch.float64)
        assert torch.equal(found(obs), expected(obs))
    check_fit(loaded.actors, specs, tmp_path, manifest=loaded.manifest)
    with pytest.raises(PolicyError, match=r"takes 8 observations .* expected 9"):
        check_fit(loaded.actors, [AgentSpec("a", 9, 2, 3)], tmp_path)


def test_a_safetensors_file_may_begin_like_a_pickle() -> None:
    contents = [save_tensors({"x" * k: torch.ones(1)}) for k in range(1, 257)]
    starts = {content[:1] for content in contents}
    assert b"\x80" in starts
    for content in contents:
        (tensor,) = files.parse_safetensors(content, Path("a.safetensors")).values()
        assert torch.equal(tensor, torch.ones(1))


def test_the_manifest_describes_every_unit(folder: Path) -> None:
    manifest = read_manifest(folder)

    assert (manifest.algorithm, manifest.extra) == ("matd3", {"reward": 0.5})
    assert set(manifest.units) == {"gas 1/a", "Lake.Ü", "coal"}
    entry = manifest.units["gas 1/a"]
    assert (entry.architecture, entry.dtype) == ("mlp", "float32")
    assert (entry.obs_size, entry.act_size, entry.unique_size) == (6, 2, 1)
    assert entry.features == FEATURES
    assert set(load_policies(folder).specs) == set(SPECS)


def test_a_file_holds_one_actor_and_nothing_else(folder: Path) -> None:
    names = {unquote(file.stem): file for file in folder.glob("*.safetensors")}
    assert set(names) == {"gas 1/a", "Lake.Ü", "coal"}

    actor = Actor(6, 2, torch.float32)
    actor.load_state_dict(load_file(names["coal"]))

    obs = torch.randn(6)
    expected = fleet()[0].select(["coal"])(obs[None])[0]
    torch.testing.assert_close(actor(obs), expected)


def test_some_units_can_be_loaded_in_another_order(folder: Path) -> None:
    loaded = load_policies(folder, unit_ids=("coal", "gas 1/a"))
    (actors,) = loaded.actors
    assert_same(actors, fleet()[0].select(["coal", "gas 1/a"]))
    assert loaded.specs == (COAL, GAS)


def test_one_policy_from_a_folder_or_from_a_file(folder: Path) -> None:
    expected = fleet()[0].select(["coal"])
    assert_same(load_policy(folder, "coal"), expected)
    assert_same(load_policy(folder / "coal.safetensors", "coal"), expected)
    assert load_policy(folder / "coal.safetensors", "new plant").unit_ids == ("new plant",)


def test_saving_again_replaces_the_set_and_leaves_other_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    save(folder, seed=1)
    assert_same(load_policies(folder).actors[0], fleet(seed=1)[0])
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / ".saving").exists()


def save_until(folder: Path, seed: int, renames: int) -> None:
    """Save, but die before a rename: of the manifest to its name, then of each file into place."""
    left = [renames]
    rename = Path.replace

    def die(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            save(folder, seed)


@pytest.mark.parametrize("renames", range(5))
def test_a_writer_that_dies_leaves_a_whole_set(folder: Path, renames: int) -> None:
    save_until(folder, 1, renames)
    seed = 0 if renames < 1 else 1

    assert_same(load_policies(folder).actors[0], fleet(seed)[0])
    assert_same(load_policies(save(folder, seed=2)).actors[0], fleet(seed=2)[0])


def test_a_writer_that_dies_after_another_one_leaves_a_whole_set(folder: Path) -> None:
    save_until(folder, 1, renames=2)
    save_until(folder, 2, renames=0)
    assert_same(load_policies(folder).actors[0], fleet(seed=1)[0])


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PolicyError, match="cannot be written: Not a directory"):
        save(tmp_path / "file" / "policies")


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def put_a_pickle(file: Path) -> None:
    file.write_bytes(pickle.dumps({"weights": Payload(file.parent / "executed")}))


def put_a_torch_file(file: Path) -> None:
    torch.save({"weights": Payload(file.parent / "executed")}, file)


def put_another_actor(file: Path) -> None:
    """Also in the manifest: whoever can write there can make any hash fit, but not the sizes."""
    save_file(initial_actors([LAKE], 0).to(dtype=torch.float32).module_state("Lake.Ü"), file)
    digest = files.sha256(file.read_bytes())
    edit(lambda content: content["units"]["coal"].update(sha256=digest))(file)


def edit(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        path = file.parent / "manifest.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "coal.safetensors' does not exist"),
        (truncate, "is damaged or not a safetensors file"),
        (flip_a_bit, "was changed since it was saved"),
        (put_a_pickle, "is a pickle, not safetensors; it was not opened"),
        (put_a_torch_file, "is a pickle, not safetensors; it was not opened"),
        (put_another_actor, "takes 9 observations and gives 1 actions, expected 6 and 2"),
        (lambda f: (f.parent / "manifest.json").unlink(), "neither manifest.json nor actors/"),
        (lambda f: truncate(f.parent / "manifest.json"), "is damaged or not the manifest"),
        (edit(lambda m: m.update(format="else")), "is the manifest of 'else'"),
        (edit(lambda m: m.update(format_version=2)), "format version 2, .* reads up to 1"),
        (edit(lambda m: m["units"]["coal"].pop("sha256")), "'units.coal.sha256' is missing"),
        (
            edit(lambda m: m["units"]["coal"].update(architecture="mpl")),
            "unknown architecture 'mpl', did you mean 'mlp'",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder / "coal.safetensors")

    with pytest.raises(PolicyError, match=message) as caught:
        load_policies(folder)

    assert "\n" not in str(caught.value)
    assert not (folder / "executed").exists()


def test_a_policy_that_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no policy for unit 'cole', did you mean 'coal'"):
        load_policies(folder, unit_ids=["cole"])
    with pytest.raises(PolicyError, match=r"policy folder '.*/nowhere' does not exist"):
        load_policies(tmp_path / "nowhere")
    with pytest.raises(PolicyError, match=r"cole\.safetensors' does not exist"):
        load_policy(folder / "cole.safetensors", "coal")
    with pytest.raises(PolicyError, match="; policies are in last"):
        load_policies(tmp_path)


def test_folders_without_policies_are_no_choices_for_a_missing_one(tmp_path: Path) -> None:
    """Such as that of an evaluation, which is called as the training is."""
    (tmp_path / "base_evaluation").mkdir()
    (tmp_path / "base_evaluation" / "results.db").touch()
    with pytest.raises(PolicyError, match=r"does not exist$"):
        load_policies(tmp_path / "base_evaluatio")
    (tmp_path / "base" / "policies" / "last").mkdir(parents=True)
    with pytest.raises(PolicyError, match="does not exist, did you mean 'base'"):
        load_policies(tmp_path / "bas")
    with pytest.raises(PolicyError, match=r"does not exist, valid: base$"):
        load_policies(tmp_path / "other")


def test_a_file_that_the_manifest_does_not_list_is_refused(folder: Path) -> None:
    (folder / "other.safetensors").write_bytes((folder / "coal.safetensors").read_bytes())
    with pytest.raises(PolicyError, match=r"is not listed in the manifest\.json beside it"):
        load_policy(folder / "other.safetensors", "coal")


def test_policies_must_fit_the_agents(folder: Path) -> None:
    actors = load_policies(folder).actors
    check_fit(actors, SPECS, folder)
    with pytest.raises(PolicyError, match=r"takes 6 observations .* expected 7 and 2"):
        check_fit(actors, [AgentSpec("coal", 7, 2, 1)], folder)
    with pytest.raises(PolicyError, match="no policy for unit 'goal', did you mean 'coal'"):
        check_fit(actors, [AgentSpec("goal", 6, 2, 1)], folder)


def test_policies_trained_on_another_scale_do_not_fit(folder: Path) -> None:
    loaded = load_policies(folder)
    manifest = loaded.manifest.model_copy(update={"extra": {"max_bid_price": 100.0}})
    check_fit(loaded.actors, SPECS, folder, manifest=manifest, settings={"max_bid_price": 100.0})
    with pytest.raises(PolicyError, match="max_bid_price 100, here it is 200"):
        check_fit(
            loaded.actors, SPECS, folder, manifest=manifest, settings={"max_bid_price": 200.0}
        )

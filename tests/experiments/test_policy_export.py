"""Exported policies act as the policies do: asked through onnxruntime, numpy and by hand."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_policies import ENTRIES, observations, untrained
from libraries import Later
from numpy.typing import NDArray
from safetensors.numpy import load
from trained_runs import SCENARIOS, Trained

from assume_rl.errors import ConfigurationError, PolicyError, ResultsError
from assume_rl.experiments.policies_on_disk import light_policy
from assume_rl.experiments.policies_on_disk.exported import write_exported
from assume_rl.experiments.policies_on_disk.light import light_content, light_files
from assume_rl.experiments.policies_on_disk.onnx_file import check_graph, onnx_files
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, answers, saved_policies
from assume_rl.learning.policies.manifest import file_name
from assume_rl.results.owner import owned

onnx: Any = Later("onnx")
onnxruntime: Any = Later("onnxruntime")

pytestmark = pytest.mark.unchecked

WITHOUT_TORCH = """
import sys
from pathlib import Path
import numpy as np
place = Path(sys.argv[1])
sys.path.insert(0, str(place))
from light_policy import act, load
for file in place.glob("*.safetensors"):
    policy, obs = load(file), np.load(file.with_suffix(".obs.npy"))
    np.save(file.with_suffix(".acts.npy"), act(policy, obs))
assert "torch" not in sys.modules and "assume_rl" not in sys.modules
"""

HEADS = [
    "softsign",
    "squashed_gaussian",
    "categorical_5",
    "dueling_5",
    "quantile-8-1.0_5",
    "quantile-8-0.3_5",
    "mixed_5",
    "averaged_5",
]


def session_of(content: bytes) -> Any:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def onnx_session(policy: SavedPolicy) -> Any:
    (content,) = onnx_files([policy]).values()
    return session_of(content)


@pytest.fixture(scope="module")
def exported(single: Trained) -> tuple[SavedPolicy, bytes]:
    """A trained policy and its graph."""
    (policy,) = saved_policies(single.folder)
    (content,) = onnx_files([policy]).values()
    return policy, content


def by_hand(policy: SavedPolicy, obs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the outputs of an mlp with relu, in double precision."""
    state = {name: w.numpy().astype(float) for name, w in policy.actor.weights.items()}
    x = obs.astype(float)
    if "observation.mean" in state:
        deviation = np.sqrt(state["observation.variance"][0])
        x = np.clip((x - state["observation.mean"][0]) / deviation, -10, 10)
    for layer in (1, 2):
        x = np.maximum(x @ state[f"FC{layer}.weight"][0] + state[f"FC{layer}.bias"][0], 0)
    return x @ state["FC3.weight"][0] + state["FC3.bias"][0]  # type: ignore[no-any-return]


def check_by_hand(policy: SavedPolicy, session: Any) -> None:
    obs = observations(policy, 100).numpy()
    assert [own.name for own in session.get_inputs()] == ["observation"]
    assert [own.name for own in session.get_outputs()] == ["action"]
    out = by_hand(policy, obs)
    (found,) = session.run(None, {"observation": obs})
    np.testing.assert_allclose(found, out / (1 + np.abs(out)), rtol=0, atol=1e-6)
    (one,) = session.run(None, {"observation": obs[:1]})
    np.testing.assert_allclose(one, found[:1], rtol=0, atol=1e-6)


def test_the_graph_of_a_trained_policy_acts_as_its_layers(
    exported: tuple[SavedPolicy, bytes],
) -> None:
    check_by_hand(exported[0], session_of(exported[1]))


@pytest.mark.slow
def test_statistics_of_observations_are_in_the_graph() -> None:
    policy = untrained("softsign", normalised=True)
    check_by_hand(policy, onnx_session(policy))


@pytest.mark.slow
def test_a_graph_on_a_ladder_takes_the_best_rung_that_bounds_and_mask_leave() -> None:
    policy = untrained("categorical_5")
    session, obs = onnx_session(policy), observations(policy, 200).numpy()
    assert [own.name for own in session.get_inputs()] == ["observation", "mask"]
    mask = np.random.default_rng(3).random((200, ENTRIES, 5)) < 0.5
    action, rung = session.run(["action", "rung"], {"observation": obs, "mask": mask})
    logits = by_hand(policy, obs).reshape(200, ENTRIES, 5)
    bounds = np.rint((obs[:, -4:].reshape(200, 2, ENTRIES) + 1) * 2)
    for row in range(200):
        for entry in range(ENTRIES):
            low, high = bounds[row, :, entry].astype(int)
            legal = list(range(low, high + 1))
            left = [k for k in legal if mask[row, entry, k]] or legal
            best = max(left, key=lambda k: logits[row, entry, k])
            assert rung[row, entry] == best
            assert action[row, entry] == pytest.approx(best / 2 - 1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "architecture"),
    [
        *((head, "mlp") for head in HEADS),
        *(("softsign", architecture) for architecture in ("lstm", "lstm_memory")),
        *(("quantile-8-0.3_5", architecture) for architecture in ("ramps", "gru")),
        ("mixed_5", "gru"),
    ],
)
def test_every_head_and_trunk_has_a_graph(head: str, architecture: str) -> None:
    policy = untrained(head, architecture, normalised=True, activation="silu")
    session, obs = onnx_session(policy), observations(policy, 64)
    memory = np.zeros((64, policy.actor.memory_size), np.float32)
    known = {
        "observation": obs.numpy(),
        "mask": np.ones((64, ENTRIES, max(policy.rungs, 1)), bool),
        "memory": memory,
    }
    names = [own.name for own in session.get_inputs()]
    found = session.run(None, {name: known[name] for name in names})[0]
    own = answers(policy, obs).numpy()
    np.testing.assert_allclose(found.reshape(own.shape), own, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_memory_goes_in_and_out_of_a_graph() -> None:
    policy = untrained("softsign", "gru")
    session = onnx_session(policy)
    assert [own.name for own in session.get_inputs()] == ["observation", "memory"]
    assert [own.name for own in session.get_outputs()] == ["action", "next_memory"]
    cell = torch.nn.GRUCell(14, 64)
    weights = {name: w[0] for name, w in policy.actor.weights.items()}
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            weight = weights[f"GRU.{name}"]
            getattr(cell, name).copy_(weight.T if weight.ndim == 2 else weight)
    memory = np.zeros((3, policy.actor.memory_size), np.float32)
    state = torch.zeros(3, 64)
    for step in range(5):
        obs = observations(policy, 3, seed=step)
        action, memory = session.run(None, {"observation": obs.numpy(), "memory": memory})
        with torch.no_grad():
            state = cell(obs, state)
            x = torch.cat([state, obs], dim=-1)
            x = torch.relu(x @ weights["FC1.weight"] + weights["FC1.bias"])
            out = x @ weights["FC2.weight"] + weights["FC2.bias"]
        np.testing.assert_allclose(action, torch.nn.functional.softsign(out), rtol=0, atol=1e-6)
        assert (memory[:, -1] == step + 1).all()


def test_a_graph_that_acts_otherwise_is_refused(exported: tuple[SavedPolicy, bytes]) -> None:
    policy, content = exported
    check_graph(policy, content)
    weights = policy.actor.weights | {"FC3.bias": policy.actor.weights["FC3.bias"] + 1e-4}
    other = replace(policy, actor=replace(policy.actor, weights=weights))
    with pytest.raises(PolicyError, match="does not act as the policy: actions differ by up to"):
        check_graph(other, content)


def test_the_file_says_what_the_policy_reads_and_was_trained_for(
    exported: tuple[SavedPolicy, bytes], single: Trained
) -> None:
    model = onnx.load_model_from_string(exported[1])
    onnx.checker.check_model(model, full_check=True)
    said = {own.key: own.value for own in model.metadata_props}
    assert said["format"] == "assume-rl policy"
    assert json.loads(said["unit"]) == "learner"
    own = json.loads((single.last / "manifest.json").read_text())["units"]["learner"]
    assert json.loads(said["features"]) == own["features"]
    assert json.loads(said["scales"]) == own["scales"]
    assert json.loads(said["sha256"]) == own["sha256"]
    assert json.loads(said["trained"])["max_bid_price"] == 100.0


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[onnx\]'"):
        onnx_files([untrained("softsign")])


def test_numpy_acts_by_light_files_without_torch(tmp_path: Path) -> None:
    policies = [
        untrained(head, trunk, normalised=True, activation=activation, name=f"{head} {trunk}")
        for head in HEADS
        for trunk, activation in (("mlp", "elu"), ("ramps", "silu"))
    ]
    files = light_files(policies)
    assert len(files) == len(policies) + 1
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for policy in policies:
        place = (tmp_path / file_name(policy.name)).with_suffix(".obs.npy")
        np.save(place, observations(policy, 300).numpy())
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], check=True)
    for policy in policies:
        own = answers(policy, observations(policy, 300)).numpy()
        found = np.load((tmp_path / file_name(policy.name)).with_suffix(".acts.npy"))
        most = 1e-5 if policy.actor.mixed else 1e-6
        np.testing.assert_allclose(found.reshape(own.shape), own, rtol=0, atol=most)


def test_the_light_form_of_a_trained_policy_acts_as_its_layers(
    exported: tuple[SavedPolicy, bytes], tmp_path: Path
) -> None:
    policy, _ = exported
    (tmp_path / "own.safetensors").write_bytes(light_content(policy))
    obs = observations(policy, 100).numpy()
    out = by_hand(policy, obs)
    found = light_policy.act(light_policy.load(str(tmp_path / "own.safetensors")), obs)
    np.testing.assert_allclose(found, out / (1 + np.abs(out)), rtol=0, atol=1e-6)


def test_a_light_file_has_no_more_than_acting_needs() -> None:
    whole = untrained("averaged_5").actor.weights["FC3.bias"].shape[-1]
    content = light_content(untrained("averaged_5"))
    assert load(content)["FC3.bias"].shape == (whole // 2,)
    assert load(light_content(untrained("dueling_5")))["FC3.bias"].shape == (ENTRIES * 5,)
    assert load(light_content(untrained("squashed_gaussian")))["FC3.bias"].shape == (ENTRIES,)


def test_a_policy_without_a_light_form_is_named() -> None:
    with pytest.raises(PolicyError, match=r"'gas 1' has no light form.*--format onnx"):
        light_files([untrained("softsign", "gru")])


Command = Callable[..., tuple[int, str, str]]


def test_the_command_writes_light_files(
    ten: Trained, tmp_path: Path, assume_rl_command: Command
) -> None:
    out = tmp_path / "light"
    code, text, _ = assume_rl_command(
        "policies", "export", ten.folder, "--format", "light", "--out", out
    )
    assert code == 0
    names = {f"learner_{k:02d}.safetensors" for k in range(1, 11)}
    assert {path.name for path in out.iterdir()} == names | {"light_policy.py"}
    assert all(name in text for name in names)


@pytest.mark.slow
def test_the_command_writes_a_graph_of_each_policy(
    ten: Trained, tmp_path: Path, assume_rl_command: Command
) -> None:
    code, _, _ = assume_rl_command(
        "policies", "export", ten.folder, "--format", "onnx", "--out", tmp_path
    )
    assert code == 0
    graphs = [path.read_bytes() for path in tmp_path.glob("*.onnx")]
    assert len(set(graphs)) == 10
    for policy in saved_policies(ten.folder):
        check_graph(policy, (tmp_path / f"{policy.name}.onnx").read_bytes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--format", "light"], "policy folder 'nowhere' does not exist"),
        ([__file__, "--format", "light"], "is a file, not a policy folder"),
        ([Path(__file__).parent, "--format", "light"], "is not a policy folder"),
        (["nowhere", "--format", "onx"], "did you mean 'onnx'?"),
    ],
)
def test_what_cannot_be_exported_is_named(
    arguments: list[str], message: str, tmp_path: Path, assume_rl_command: Command
) -> None:
    code, _, err = assume_rl_command("policies", "export", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


LIGHT = ("--format", "light", "--out")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def whole(folder: Path) -> bool:
    """Return whether an export is there: safetensors orders metadata anew each time."""
    policy = light_policy.load(str(folder / "learner.safetensors"))
    reader = Path(light_policy.__file__).read_bytes()
    return "format" in (policy[1] or {}) and (folder / "light_policy.py").read_bytes() == reader


@pytest.mark.parametrize("place", ["", "policies/last", "policies/best_reward"])
def test_no_export_replaces_policies(
    single: Trained, tmp_path: Path, assume_rl_command: Command, place: str
) -> None:
    folder = Path(shutil.copytree(single.folder, tmp_path / "trained"))
    before = contents(folder / "policies" / "last")
    code, _, err = assume_rl_command(
        "policies", "export", folder, *LIGHT, folder / place, "--overwrite"
    )
    assert code == 2
    assert "is a folder of policies or of a run, whose files exports would replace" in err
    assert contents(folder / "policies" / "last") == before
    assert not (folder / place / "light_policy.py").exists()


@pytest.mark.parametrize("name", ["learner.safetensors", "light_policy.py"])
def test_an_export_replaces_earlier_ones_and_other_files_only_if_asked(
    single: Trained, tmp_path: Path, assume_rl_command: Command, name: str
) -> None:
    export = ("policies", "export", single.folder, *LIGHT, tmp_path)
    assert assume_rl_command(*export)[0] == 0
    assert assume_rl_command(*export)[0] == 0
    assert whole(tmp_path)
    (tmp_path / name).write_bytes((single.last / "learner.safetensors").read_bytes())
    changed = contents(tmp_path)
    code, _, err = assume_rl_command(*export)
    assert code == 2
    assert f"{name}' is there and is none of ours" in err
    assert "--overwrite" in err
    assert contents(tmp_path) == changed
    assert assume_rl_command(*export, "--overwrite")[0] == 0
    assert whole(tmp_path)


def test_a_graph_replaces_an_earlier_one_and_nothing_else_unasked(
    exported: tuple[SavedPolicy, bytes], tmp_path: Path
) -> None:
    files = {"learner.onnx": exported[1]}
    for _ in range(2):
        write_exported(tmp_path, files, overwrite=False)
    other = onnx.load_model_from_string(exported[1])
    other.producer_name = "pytorch"
    (tmp_path / "learner.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(ResultsError, match="none of ours"):
        write_exported(tmp_path, files, overwrite=False)


def test_a_folder_that_another_process_writes_to_is_not_exported_to(
    single: Trained, tmp_path: Path, assume_rl_command: Command
) -> None:
    with owned(tmp_path):
        code, _, err = assume_rl_command("policies", "export", single.folder, *LIGHT, tmp_path)
    assert code == 2
    assert "is being written by" in err


def test_the_page_shows_the_code_that_reads_light_files() -> None:
    page = SCENARIOS.parent / "docs" / "how-to" / "export-policies.md"
    code = Path(light_policy.__file__).read_text(encoding="utf-8")
    assert code[code.index("from typing") :].strip() in page.read_text(encoding="utf-8")

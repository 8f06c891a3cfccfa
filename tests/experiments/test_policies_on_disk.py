"""What policies are, whether they are whole and fit, and what two sets do not have in common."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_policies import untrained
from safetensors.torch import load_file, save
from trained_runs import SCENARIOS, Trained, tiny

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.policies_on_disk.described import described
from assume_rl.experiments.policies_on_disk.differences import differences
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, probes, saved_policies
from assume_rl.experiments.policies_on_disk.verified import verified
from assume_rl.experiments.train import train
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.policies.files import sha256
from assume_rl.learning.policies.folder import save_policies
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.compile.compiled import compile_scenario

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]
CASE = ("--scenario", SCENARIOS / "single_learner", "--case", "tiny")


@pytest.fixture
def folder(single: Trained, tmp_path: Path) -> Path:
    """A copy of trained policies that a test may damage."""
    return Path(shutil.copytree(single.last, tmp_path / "policies"))


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights of the learner, and its hash with them."""
    path = folder / "learner.safetensors"
    weights = load_file(path)
    edit(weights)
    content = save(weights)
    path.write_bytes(content)
    rewrite(folder, lambda manifest: manifest["units"]["learner"].update(sha256=sha256(content)))


def rewrite(folder: Path, edit: Callable[[dict[str, dict]], object]) -> None:  # type: ignore[type-arg]
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


# --- inspect -------------------------------------------------------------------------------------


def test_a_description_has_sizes_features_scales_and_where_policies_are_from(
    single: Trained,
) -> None:
    found = described(single.folder / "policies" / "best_reward")
    (own,) = found["policies"]
    assert own["hidden"] == [256, 128]
    assert own["parameters"] == 38 * 256 + 256 + 256 * 128 + 128 + 128 * 2 + 2
    assert [(name, size) for name, size, _ in own["features"]][:2] == [
        ("residual_load", 12),
        ("price_forecast", 12),
    ]
    assert own["sha256"] == sha256(
        (single.folder / "policies" / "best_reward" / "learner.safetensors").read_bytes()
    )
    trained = found["trained_in"]
    assert (trained["scenario"], trained["case"], trained["seed"]) == ("single_learner", "tiny", 42)
    assert trained["start"] < trained["end"]
    assert found["settings"] == {"max_bid_price": 100.0, "observation_window": "wrap"}
    assert own["made_for"]["max_power"] == 500.0
    best = dict(single.result.evaluations)["best_reward"]
    assert found["scores"]["reward"] == pytest.approx(best.reward)


@pytest.mark.slow
def test_both_shells_say_the_same_of_where_policies_are_from(tmp_path: Path) -> None:
    said = []
    for engine in ("agents", "batch"):
        out = tmp_path / engine
        train(tiny("single_learner"), out=out, engine=engine)  # type: ignore[arg-type]
        found = described(out / "policies" / "best_reward")
        scores = found.pop("scores")
        said.append({**found, "folder": None, "policies": found["policies"][0]["made_for"]})
        said[-1]["scores"] = {name: round(value, 3) for name, value in scores.items()}
    assert said[0] == said[1]


def test_inspect_prints_all_policies_and_each_layout_once(
    ten: Trained, assume_rl_command: Command
) -> None:
    code, out, _ = assume_rl_command("policies", "inspect", ten.folder)
    assert code == 0
    assert "trained by matd3 in ten_learners, case tiny, seed 42, after 2 episodes" in out
    assert all(f"learner_{k:02d}" in out for k in range(1, 11))
    assert out.count("observed by") == 1
    code, out, _ = assume_rl_command("policies", "inspect", ten.folder, "--json")
    assert [own["name"] for own in json.loads(out)["policies"]] == [
        f"learner_{k:02d}" for k in range(1, 11)
    ]


def saved(folder: Path, name: str, head: str) -> Path:
    """Save a policy of a unit of any name."""
    features = (("residual_load", 4, "a"), (name, 2, "b"))
    spec = AgentSpec(name, 6, 2, 2, features)
    save_policies(folder, [initial_actors([spec], 1, head)], [spec], algorithm="matd3")
    return folder


def test_names_are_printed_as_they_are(
    tmp_path: Path, assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    name = "gas[/x] plant[north]"
    one = saved(tmp_path / "one", name, "softsign")
    other = saved(tmp_path / "other", name, "squashed_gaussian")
    _, out, _ = assume_rl_command("policies", "inspect", one)
    assert out.count(name) == 3  # policy, title, feature
    _, out, _ = assume_rl_command("policies", "diff", one, other)
    assert f"│ {name} │" in out


# --- verify --------------------------------------------------------------------------------------


def test_policies_as_they_were_saved_are_valid(single: Trained, assume_rl_command: Command) -> None:
    found = verified(single.folder, tiny("single_learner"))
    assert found.problems == found.notes == ()
    assert found.size == (single.last / "learner.safetensors").stat().st_size
    code, out, _ = assume_rl_command("policies", "verify", single.folder, *CASE)
    assert code == 0
    assert out.strip().endswith("valid")


def damage_bytes(folder: Path) -> None:
    path = folder / "learner.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")


def make_infinite(folder: Path) -> None:
    change(folder, lambda weights: weights["FC2.bias"].__setitem__(3, torch.inf))


def make_double(folder: Path) -> None:
    change(folder, lambda weights: weights.update({n: w.double() for n, w in weights.items()}))


def forget(folder: Path) -> None:
    (folder / "learner.safetensors").unlink()


def shorten_features(folder: Path) -> None:
    rewrite(folder, lambda manifest: manifest["units"]["learner"]["features"].pop())


def turn_scale(folder: Path) -> None:
    rewrite(
        folder,
        lambda manifest: manifest["units"]["learner"]["scales"].update(residual_load=[2.0, 1.0]),
    )


def damage_trainer_state(folder: Path) -> None:
    path = folder / "trainer_state.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_bytes, "was changed since it was saved"),
        (make_infinite, "has 1 of 128 numbers of FC2.bias that are not finite"),
        (make_double, "has weights of type float64, its manifest says float32"),
        (forget, "learner.safetensors' does not exist"),
        (shorten_features, "observes 38 numbers, but its features are 37"),
        (turn_scale, "reads residual_load on a scale from 2 to 1"),
        (damage_trainer_state, "trainer_state.safetensors' was changed since it was saved"),
    ],
)
def test_what_is_wrong_with_files_is_said(
    damage: Callable[[Path], None], message: str, folder: Path, assume_rl_command: Command
) -> None:
    damage(folder)
    code, out, _ = assume_rl_command("policies", "verify", folder)
    assert code == 2
    assert message in out
    assert "1 problem" in out


def test_all_problems_are_said_and_files_that_are_not_read(ten: Trained, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ten.last, tmp_path / "policies"))
    for k in (2, 5):
        (folder / f"learner_0{k}.safetensors").write_bytes(b"no policy")
    shutil.copy(folder / "learner_01.safetensors", folder / "stranger.safetensors")
    found = verified(folder)
    assert len(found.problems) == 2
    assert "learner_02.safetensors" in found.problems[0]
    assert "learner_05.safetensors" in found.problems[1]
    assert "stranger.safetensors' is not in the manifest" in found.notes[0]


def test_units_without_a_policy_are_named_with_the_nearest(
    single: Trained, assume_rl_command: Command
) -> None:
    case = ("--scenario", SCENARIOS / "ten_learners", "--case", "tiny")
    code, out, _ = assume_rl_command("policies", "verify", single.folder, *case)
    assert code == 2
    assert "has no policy for unit 'learner_01', did you mean 'learner'?" in out
    assert "10 problems" in out
    assert "no unit here acts by the policies of learner" in out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_config.max_bid_price=200", "max_bid_price 100, here it is 200"),
        ("bidding_strategy_params.foresight=6", "takes 38 observations"),
        ("units.learner.max_power=600", "for another unit: max_power 500, here 600"),
        ("policies.learner=nowhere", "there is no file or folder"),
    ],
)
def test_policies_that_do_not_fit_a_study_case_are_said(
    setting: str, message: str, single: Trained, assume_rl_command: Command
) -> None:
    code, *texts = assume_rl_command("policies", "verify", single.folder, *CASE, "--set", setting)
    assert code == 2
    assert message in "".join(texts)


def test_an_evaluation_says_that_a_policy_is_of_another_plant(
    single: Trained, ten: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    larger = tiny("single_learner", **{"units.learner.max_power": 600})
    evaluate(larger, policies=single.folder, out=tmp_path / "larger", engine="batch")
    assert "was trained for another unit: max_power 500, here 600" in caplog.text
    caplog.clear()
    swapped = tiny(
        "ten_learners", **{"policies.learner_01": str(ten.last / "learner_02.safetensors")}
    )
    all_policies(compile_scenario(swapped), ten.folder)  # but for one they are of the same units
    (record,) = caplog.records
    assert "the policy of unit 'learner_01' was trained for another unit" in record.message


# --- diff ----------------------------------------------------------------------------------------


def test_how_far_policies_are_apart_is_worked_out() -> None:
    (a, b) = (untrained("softsign", seed=seed) for seed in (1, 2))
    (own,) = differences([a], [b]).policies
    first, second = (
        np.concatenate([w.numpy().ravel() for w in p.actor.weights.values()]) for p in (a, b)
    )
    assert own.weights is not None
    assert own.actions is not None
    assert own.weights.largest == pytest.approx(np.abs(first - second).max())
    relative = np.linalg.norm((first - second).astype(float)) / np.linalg.norm(first.astype(float))
    assert own.weights.relative == pytest.approx(relative)
    obs = probes(a)
    apart = np.abs(bids(a, obs.numpy()) - bids(b, obs.numpy()))
    assert own.actions.largest == pytest.approx(apart.max(), abs=1e-5)
    assert own.actions.mean == pytest.approx(apart.mean(), abs=1e-5)
    assert not own.equal


def bids(policy: SavedPolicy, obs: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return actions of linear layers with relu between them."""
    w = {name: weight[0].numpy().astype(float) for name, weight in policy.actor.weights.items()}
    x = obs.astype(float)
    for k in (1, 2):
        x = np.maximum(x @ w[f"FC{k}.weight"] + w[f"FC{k}.bias"], 0)
    x = x @ w["FC3.weight"] + w["FC3.bias"]
    return x / (1 + np.abs(x))  # type: ignore[no-any-return]


def test_probes_are_the_same_each_time_and_leave_rungs() -> None:
    policy = untrained("categorical_5")
    obs = probes(policy)
    assert torch.equal(obs, probes(untrained("categorical_5", seed=2)))
    rungs = (obs[:, -4:] + 1) * 2
    assert torch.equal(rungs, rungs.round())
    assert (rungs[:, :2] <= rungs[:, 2:]).all()
    assert rungs.min() == 0
    assert rungs.max() == 4


def test_diff_answers_by_its_exit_code(
    single: Trained, folder: Path, ten: Trained, assume_rl_command: Command
) -> None:
    code, out, _ = assume_rl_command("policies", "diff", single.folder, folder)
    assert (code, out.strip()) == (0, "equal: 1 policy")
    rewrite(folder, lambda manifest: manifest["extra"].update(episodes_done=77, max_bid_price=90.0))
    code, out, _ = assume_rl_command("policies", "diff", single.folder, folder)
    assert code == 1
    assert "from: episodes_done: 2 | 77" in out
    assert "setting: max_bid_price: 100 | 90" in out
    code, out, _ = assume_rl_command("policies", "diff", folder, ten.folder)
    assert code == 1
    assert "only in the first: learner\n" in out
    code, _, err = assume_rl_command("policies", "diff", folder, "nowhere")
    assert code == 2
    assert "does not exist" in err


def test_where_policies_are_from_does_not_make_them_unequal(single: Trained, folder: Path) -> None:
    rewrite(folder, lambda manifest: manifest["extra"].update(episodes_done=77))
    found = differences(saved_policies(single.folder), saved_policies(folder))
    assert found.equal
    assert found.origin == {"episodes_done": (2, 77)}


def test_networks_of_other_shapes_are_said_and_still_asked() -> None:
    small, large = untrained("softsign"), untrained("softsign", "ramps")
    (own,) = differences([small], [large]).policies
    assert own.weights is None
    assert own.actions is not None
    assert own.fields["architecture"] == ("mlp", "ramps_4")
    (own,) = differences([small], [untrained("categorical_5")]).policies
    assert own.actions is None

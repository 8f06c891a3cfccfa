"""An algorithm, a critic, an actor and a schedule of one file learn, are saved and are known."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from assume_rl import evaluate, train
from assume_rl.errors import AssumeRlError, ConfigurationError
from assume_rl.learning.config import WITH_MEMORY, LearningConfig, Schedule
from assume_rl.learning.config.names import ACTOR_NAMES, CRITIC_NAMES, SCHEDULE_NAMES
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.base import CriticSpec, joint
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.layers import Hidden
from assume_rl.learning.nets.net import create_nets
from assume_rl.learning.nets.recurrent import GRU
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.policies.folder import save_policies
from assume_rl.learning.schedules import SCHEDULES, learning_rate, scheduled
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.plugins import Registry, blame, load_plugins, unload_plugins
from assume_rl.scenario.plugins.catalogue import catalogue
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "plugins" / "advantage_weighted.py"
CHOSEN = {
    "algorithm": "awr",
    "spread": 0.2,
    "critic": "mean_field",
    "critic_hidden": [16, 16],
    "actor_architecture": "skip",
    "actor_hidden": [16, 16],
    "learning_rate_schedule": {"actor": {"schedule": "warm_up", "end": 0.1}, "value": "linear"},
}
SETTINGS = {f"learning_config.{key}": value for key, value in CHOSEN.items()}


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    unload_plugins()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plug-in and two learners whose study case uses all of it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copy(FILE, tmp_path)
    folder = tmp_path / "market"
    shutil.copytree(ROOT / "scenarios" / "single_learner", folder)
    plants = pd.read_csv(folder / "powerplant_units.csv", index_col="name")
    plants.loc["coal_new", "bidding_EOM"] = "powerplant_energy_learning"
    plants.to_csv(folder / "powerplant_units.csv")
    cases = yaml.safe_load((folder / "config.yaml").read_text())
    case = cases["tiny"]
    case["learning_config"] |= CHOSEN
    (folder / "config.yaml").write_text(yaml.safe_dump({"tiny": case}, sort_keys=False))
    return tmp_path


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def test_without_the_file_each_is_unknown(place: Path) -> None:
    with pytest.raises(AssumeRlError) as error:
        load_scenario("market")
    for what in (
        "unknown algorithm 'awr'", "unknown critic 'mean_field'",
        "unknown actor_architecture 'skip'", "unknown schedule 'warm_up'",
    ):  # fmt: skip
        parts = {key: CHOSEN[key] for key in CHOSEN if key not in ("algorithm", "spread")}
        if "algorithm" not in what:
            with pytest.raises(ConfigurationError) as error:
                LearningConfig.from_mapping(parts)
        assert what in str(error.value)


def test_a_training_uses_it_and_its_policies_are_read_again(place: Path) -> None:
    shorter = {"learning_config.passes": 2, "learning_config.training_episodes": 2}
    scenario = load_scenario("market", plugins=[FILE.name], overrides=shorter)
    train(scenario, seed=3, engine="batch", out="batch")
    found = manifest(place / "batch")
    assert [Path(name).name for name in found["plugins"]] == [FILE.name]
    policies = json.loads((place / "batch" / "policies" / "last" / "manifest.json").read_text())
    assert {own["architecture"] for own in policies["units"].values()} == {"skip"}
    evaluation = evaluate(scenario, policies="batch", engine="batch", out="scored").evaluation
    assert len(evaluation.units) == 2
    other = load_scenario("market", overrides=shorter | {"learning_config.critic": "shared"})
    train(other, seed=3, engine="batch", out="other")
    assert manifest(place / "other")["final_hash"] != found["final_hash"]


def test_commands_on_policies_load_it(
    tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    load_plugins([FILE])
    spec = AgentSpec("one", 6, 2, 2, (("series", 4, "a"), ("own", 2, "b")))
    actor = initial_actors([spec], 1, "softsign", "skip")
    save_policies(tmp_path / "policies", [actor], [spec], algorithm="awr")
    unload_plugins()
    for command in (["inspect"], ["verify"], ["diff", tmp_path / "policies"]):
        arguments = ("policies", command[0], tmp_path / "policies", *command[1:])
        assert assume_rl_command(*arguments)[0] == 2
        assert assume_rl_command(*arguments, "--plugin", FILE)[0] == 0
        unload_plugins()
    export = ("policies", "export", tmp_path / "policies", "--out", tmp_path / "out", "--format")
    _, _, err = assume_rl_command(*export, "light", "--plugin", FILE)
    assert "the architecture skip: export it with --format onnx" in err


@pytest.mark.slow
def test_both_shells_learn_the_same_with_it(place: Path) -> None:
    scenario = load_scenario("market", plugins=[FILE.name])
    agents, batch = (
        train(scenario, seed=3, engine=engine, out=engine).evaluations
        for engine in ("agents", "batch")
    )
    assert agents.keys() == batch.keys()
    for name, one in agents.items():
        assert one.profit == pytest.approx(batch[name].profit, rel=1e-3)


def test_a_program_that_loaded_it_before_has_it_in_the_manifest() -> None:
    """Of a study case that names no plug-in, whichever of the parts it uses."""
    load_plugins([FILE])
    folder = ROOT / "scenarios" / "single_learner"
    assert load_scenario(folder, "tiny").plugins == ()
    for key in ("algorithm", "critic", "actor_architecture", "learning_rate_schedule"):
        scenario = load_scenario(folder, "tiny", overrides={f"learning_config.{key}": CHOSEN[key]})
        assert [Path(plugin.name).name for plugin in scenario.plugins] == [FILE.name], key


def test_withdrawing_it_leaves_what_was_there_before() -> None:
    before = list(CRITIC_NAMES), list(ACTOR_NAMES), list(SCHEDULE_NAMES), list(WITH_MEMORY)
    load_plugins([FILE])
    assert ("mean_field" in CRITICS, "skip" in TRUNKS, "warm_up" in SCHEDULES) == (True,) * 3
    unload_plugins()
    assert before == (CRITIC_NAMES, ACTOR_NAMES, SCHEDULE_NAMES, WITH_MEMORY)
    assert (set(CRITICS), list(TRUNKS), list(SCHEDULES)) == (set(before[0]), *before[1:3])


def test_schema_and_list_have_it() -> None:
    load_plugins([FILE])
    keys = LearningConfig.model_json_schema()["properties"]
    assert "mean_field" in keys["critic"]["enum"]
    assert "skip" in keys["actor_architecture"]["enum"]
    assert "warm_up" in json.dumps(keys["learning_rate_schedule"])
    known = {(part.sort, part.name): part.source for part in catalogue()}
    for own in (("algorithm", "awr"), ("critic", "mean_field"), ("schedule", "warm_up")):
        assert known[own].endswith(FILE.name)
    assert known["actor", "mlp"] == "built in"


def test_a_recurrent_actor_is_one_with_memory() -> None:
    registry = Registry("here")
    registry.actor("another_gru", GRU)
    config = {"actor_architecture": "another_gru", "sequence_length": 3, "burn_in": 1}
    assert LearningConfig.from_mapping(config).sequence_length == 3
    registry.withdraw()
    with pytest.raises(ConfigurationError, match="unknown actor_architecture 'another_gru'"):
        LearningConfig.from_mapping(config)


def test_the_schedule_rises_and_falls() -> None:
    load_plugins([FILE])
    config = LearningConfig.from_mapping(CHOSEN | {"learning_rate": 1.0})
    rates = [learning_rate(config, "actor", left) for left in (1.0, 0.95, 0.9, 0.5, 0.0)]
    assert rates == pytest.approx([0.1, 0.55 * 0.955, 0.91, 0.55, 0.1])


def test_the_critic_sees_the_mean_of_rivals_and_not_which_is_which() -> None:
    """With own actions changed it gives what it gives of rows that have them."""
    load_plugins([FILE])
    agents = [AgentSpec(f"agent_{k}", 6, 2, 1 + k // 2) for k in range(4)]
    fleet, device = Fleet.of(agents, 1), torch.device("cpu")
    spec = CriticSpec(fleet, 2, device, "critic", Hidden((8,), "tanh"))
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    obs = [draw(1, len(group.specs), 5, group.obs_size) for group in fleet.groups]
    action = [draw(1, len(group.specs), 5, 2) for group in fleet.groups]
    seen = joint(fleet.groups, obs, action)
    for net in create_nets(CRITICS["mean_field"].create(spec), device, torch.float64, target=False):
        net.form.initialise(net.online, (1,))
        (group,) = net.form.groups
        (values,) = net.form.values(net.now, seen)
        rival = 1 - group
        swapped = [part.clone() for part in action]
        swapped[rival] = swapped[rival].flip(1)
        private = [part.clone() for part in obs]
        private[rival] = private[rival].flip(1)
        (same,) = net.form.values(net.now, joint(fleet.groups, private, swapped))
        torch.testing.assert_close(same, values)
        other = draw(1, 2, 5, 2)
        context = net.form.context(net.now, seen)
        found = net.form.with_action(context, seen, group, other)
        for agent in range(2):
            alone = [part.clone() for part in action]
            alone[group][:, agent] = other[:, agent]
            (wanted,) = net.form.values(net.now, joint(fleet.groups, obs, alone))
            torch.testing.assert_close(found[:, :, agent], wanted[:, :, agent])
            assert not torch.allclose(found[:, :, agent], values[:, :, agent])


WRONG = {
    "outputs of another size": (
        "return layers.forward(deep, obs) + obs @ skip", "return obs @ skip[..., :1]",
        "def outputs(", "WithSkip.outputs returned the shape (2, 4, 1), not (2, 4, 2)",
    ),
    "names of other parameters": (
        "return [SKIP, *MLP.names(linear)]", "return MLP.names(linear)",
        "registry.actor(", "the actor 'skip': names(3) are not those of shapes(): ",
    ),
    "a critic's rivals of another size": (
        'torch.einsum("narx,nxh->narh", mean, weight)', "None",
        "return base +", "TypeError: unsupported operand",
    ),
    "a critic that is no kind": (
        "Kind(partial(of_shape.create, MeanField), own_nets=False)", "MeanField",
        "registry.critic(", "the critic 'mean_field' is a type, not a Kind",
    ),
    "a name that is taken": (
        'registry.schedule("warm_up"', 'registry.schedule("cosine"',
        'registry.schedule("cosine"', "the schedule 'cosine' is built in; choose another name",
    ),
    "a schedule that is no function": (
        'registry.schedule("warm_up", warm_up)', 'registry.schedule("warm_up", 3)',
        'registry.schedule("warm_up"', "the schedule 'warm_up' is no function",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_a_broken_part_is_one_sentence(fault: str, place: Path) -> None:
    old, new, line, sentence = WRONG[fault]
    file = place / FILE.name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    number = next(i for i, row in enumerate(file.read_text().splitlines(), 1) if line in row)
    with pytest.raises(AssumeRlError) as error:
        load_plugins([FILE.name])
    told = blame(error.value) or str(error.value)
    assert told.startswith(f"{FILE.name}, line {number}: {sentence}")
    assert "skip" not in TRUNKS  # all of it, or nothing


def test_a_schedule_that_returns_no_share_is_named(place: Path) -> None:
    file = place / FILE.name
    file.write_text(file.read_text().replace("return risen *", "return -risen *"))
    load_plugins([FILE.name])
    with pytest.raises(AssumeRlError) as error:
        scheduled(Schedule(schedule="warm_up"), 1.0, 0.5)
    assert (blame(error.value) or "").startswith(f"{FILE.name}, line ")
    assert "warm_up returned -0.5, not a share of the value at the start" in str(error.value)


def check_study(place: Path, command: Callable[..., tuple[int, str, str]], *more: str) -> None:
    """A study of two seeds in other processes, which load the file themselves."""
    content = {
        "scenarios": "market", "plugins": [FILE.name], "seeds": 2, "steps": ["train", "evaluate"],
        "set": {"learning_config.passes": 1},
    }  # fmt: skip
    (place / "study.yaml").write_text(yaml.safe_dump(content))
    unload_plugins()
    code, _, err = command("batch", "study.yaml", "--workers", 2, "--quiet", *more)
    assert code == 0, err
    with closing(sqlite3.connect(place / "studies" / "study" / "study.db")) as database:
        assert database.execute("select state from runs").fetchall() == [("finished",)] * 2
    sha256 = hashlib.sha256((place / FILE.name).read_bytes()).hexdigest()
    trained = sorted((place / "studies" / "study" / "runs").glob("*/train"))
    assert len(trained) == 2
    for folder in trained:
        assert set(manifest(folder)["plugins"].values()) == {sha256}
        actors = manifest(folder / "policies" / "last")["units"].values()
        assert {own["architecture"] for own in actors} == {"skip"}


@pytest.mark.slow
def test_a_study_learns_with_it_in_spawned_processes(
    place: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    check_study(place, assume_rl_command)


@pytest.mark.slow
def test_a_study_learns_with_it_on_ray(
    place: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    check_study(place, assume_rl_command, "--executor", "ray")

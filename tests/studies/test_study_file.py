"""Study files: what they include, what --set changes, and one sentence for every mistake."""

import shutil
from pathlib import Path

import pytest
from study_text import SCENARIOS, TINY, refused, study, write

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario
from assume_rl.studies.file import read_study
from assume_rl.studies.merge import read_content


def test_the_smallest_file_runs_the_first_case_once(tmp_path: Path) -> None:
    found = study(tmp_path, "scenarios: scenarios/national")
    (run,) = found.runs
    (step,) = run.steps
    assert (found.name, found.file) == ("study", tmp_path / "study.yaml")
    assert (found.folder, found.database, found.track) == (Path("studies/study"), None, ())
    assert (run.design, run.seed, run.engine, run.device) == ("study", 42, "auto", "cpu")
    assert (step.name, step.kind, step.case) == ("run", "run", "base")
    assert step.scenario == SCENARIOS / "national"
    assert dict(step.settings) == dict(run.parameters) == {}


def test_every_key_arrives(tmp_path: Path) -> None:
    found = study(
        tmp_path,
        """
        name: market_design
        seeds: [3, 1]
        steps: train
        engine: agents
        device: auto
        database: sqlite:///all.db
        track: tensorboard
        out: results/here
        set: {learning_config: {gamma: 0.5, learning_rate: 1e-4}, demand.demand: {scale: 1.1}}
        """,
    )
    assert [run.seed for run in found.runs] == [3, 1]
    assert {(run.engine, run.device) for run in found.runs} == {("agents", "auto")}
    assert (found.name, found.folder) == ("market_design", Path("results/here"))
    assert (found.database, found.track) == ("sqlite:///all.db", ("tensorboard",))
    assert found.runs[0].steps[0].settings == {
        "learning_config.gamma": 0.5,
        "learning_config.learning_rate": 1e-4,
        "demand.demand.scale": 1.1,
    }


def test_included_files_come_first_and_settings_merge(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write(tmp_path, "set: {learning_config.gamma: 0.1, seed: 5}\nseeds: 7", "parts/inner.yaml")
    common = "include: inner.yaml\nset: {learning_config: {gamma: 0.2, tau: 0.3}}\n"
    write(tmp_path, common + "grid: {seed: [1, 2]}", "parts/common.yaml")
    write(tmp_path, "steps: train\nseeds: 3", "other.yaml")
    text = TINY + "include: [parts/common.yaml, other.yaml]\nset: {learning_config.tau: 0.4}"
    content = read_content(write(tmp_path, text))
    assert content["set"] == {
        "learning_config.gamma": 0.2,
        "seed": 5,
        "learning_config.tau": 0.4,
    }
    assert (content["seeds"], content["steps"]) == (3, "train")
    assert content["grid"] == {"seed": [1, 2]}


def test_laws_of_random_draws_are_replaced_not_mixed(tmp_path: Path) -> None:
    law = "random: {{count: 3, keys: {{learning_config.gamma: {{{0}}}}}}}"
    write(tmp_path, law.format("uniform: [0, 1]"), "common.yaml")
    text = "include: common.yaml\n" + law.format("choice: [0.5]").replace("count: 3, ", "")
    content = read_content(write(tmp_path, text))
    keys = {"learning_config.gamma": {"choice": [0.5]}}
    assert content["random"] == {"count": 3, "keys": keys}


def test_set_changes_a_key_of_the_file_or_a_setting_of_all_runs(tmp_path: Path) -> None:
    text = "seeds: 9\nset: {learning_config.tau: 0.1}\nsteps: train\ntrack: tensorboard"
    overrides = {
        "seeds": "2",
        "grid": "{learning_config.gamma: [0.1, 0.2]}",
        "learning_config.tau": "1e-3",
        "units.learner": "{max_power: 400}",
        "track": "null",
    }
    found = study(tmp_path, text, overrides)
    assert len(found.runs) == 4
    assert found.track == ()
    assert found.runs[-1].steps[0].settings == {
        "learning_config.tau": 1e-3,
        "units.learner.max_power": 400,
        "learning_config.gamma": 0.2,
    }


def test_text_stays_text_and_paths_start_at_the_study_file(tmp_path: Path) -> None:
    text = """
        steps: train
        set:
          simulation_id: "0815"
          learning_config.trained_policies_load_path: my policies
        """
    (run,) = study(tmp_path, text).runs
    step = run.steps[0]
    scenario = load_scenario(step.scenario, step.case, overrides=step.settings)
    assert scenario.simulation_id == "0815"
    assert scenario.learning.trained_policies_load_path == str(tmp_path / "my policies")


TEN = ", ".join(map(str, range(10)))

MISTAKES: dict[str, tuple[str, str]] = {
    "key": ("seedz: 3", "study.yaml, seedz: unknown key; did you mean 'seeds'?"),
    "twice": ("seeds: 3\nseeds: 4", "study.yaml: the key 'seeds' is written twice"),
    "seed beside seeds": (
        "steps: train\nseeds: [1, 2]\nset: {seed: 5}",
        "study.yaml, seeds: is a list, but settings give a seed too; leave one of them out",
    ),
    "varied seed beside seeds": (
        "steps: train\nseeds: [1, 2]\ngrid: {seed: [5, 6]}", "study.yaml, seeds: is a list",
    ),
    "seed of a step": (
        "steps: [train, {evaluate: {set: {seed: 5}}}]",
        "study.yaml, seeds: steps of a run have one in common, not several",
    ),
    "empty case": (
        "steps: {run: {case: ''}}",
        "study.yaml, steps.0.run.case: config.yaml: unknown study case ''",
    ),
    "huge grid": (
        f"grid: {{{', '.join(f'learning_config.k{i}: [{TEN}]' for i in range(8))}}}",
        "study.yaml, asks for 100,000,000 runs, more than 10,000; allow them by --most-runs",
    ),
    "huge draws": (
        "random: {count: 1000000000, keys: {learning_config.gamma: {uniform: [0.1, 0.9]}}}",
        "study.yaml, asks for 1,000,000,000 runs",
    ),
    "very many seeds": ("seeds: 100000000000", "study.yaml, asks for 100,000,000,000 runs"),
    "long name": (f"name: {'n' * 300}", "study.yaml, name: is too long for the name of a folder"),
    "device included": (
        "include: /dev/zero", "study.yaml, include: zero: is a pipe or a device, not a file",
    ),
    "seed is true": ("seeds: true", "study.yaml, seeds: must be a number of seeds or a list"),
    "two ways": (
        "set: {learning_config.gamma: 1, learning_config: {gamma: 1}}",
        "study.yaml, set: the key 'learning_config.gamma' is written twice",
    ),
    "setting": (
        "set: {learning_config.gama: 1}",
        "study.yaml, set.learning_config.gama: unknown key; did you mean 'gamma'?",
    ),
    "section": (
        "grid: {num_envs: [1, 2]}",
        "study.yaml, grid.num_envs: unknown key; did you mean 'learning_config.num_envs'? "
        "(design 'num_envs=1')",
    ),
    "grid": (
        "grid: {learning_config.gama: [0.9]}",
        "study.yaml, grid.learning_config.gama: unknown key; did you mean 'gamma'?",
    ),
    "type": (
        "steps: train\ngrid: {learning_config.gamma: [0.9, much]}",
        "study.yaml, grid.learning_config.gamma: should be a valid number, not 'much' "
        "(design 'gamma=much')",
    ),
    "unit": (
        "list: [{name: big, set: {units.lerner.max_power: 900}}]",
        "study.yaml, list, big, set.units.lerner.max_power: there is no such unit; did you mean "
        "'learner'? (design 'big')",
    ),
    "fuel": (
        "zip: {fuel_prices.naturalgas: [{scale: 2}]}",
        "study.yaml, zip.fuel_prices.naturalgas.scale: there is no such fuel",
    ),
    "random": (
        "random: {count: 2, keys: {learning_config.gama: {uniform: [0, 1]}}}",
        "study.yaml, random.keys.learning_config.gama: unknown key; did you mean 'gamma'?",
    ),
    "no list": ("grid: {seed: 1}", "study.yaml, grid.seed: must be a list"),
    "grid without keys": (
        "grid: {}",
        "study.yaml, grid: is empty; give it keys with lists of values or leave it out",
    ),
    "grid left blank": ("grid:", "study.yaml, grid: is empty; give it keys with lists"),
    "zip without keys": ("zip: {}", "study.yaml, zip: is empty; give it keys with lists"),
    "list left blank": ("list:", "study.yaml, list: is empty; give it designs with a name each"),
    "list without designs": ("list: []", "study.yaml, list: is empty; give it designs"),
    "random left blank": ("random:", "study.yaml, random: is empty; give it count and keys"),
    "random without keys": (
        "random: {count: 2, keys: {}}",
        "study.yaml, random.keys: is empty; give it keys with laws or leave it out",
    ),
    "zip without values": ("zip: {seed: []}", "study.yaml, zip.seed: must not be empty"),
    "empty grid": ("grid: {seed: []}", "study.yaml, grid.seed: must not be empty"),
    "value twice": ("grid: {seed: [1, 1]}", "study.yaml, grid: seed has the value 1 twice"),
    "lengths": (
        "zip: {seed: [1, 2], end_date: [x]}",
        "study.yaml, zip: the lists must be equally long, but seed has 2, end_date has 1",
    ),
    "both": ("grid: {seed: [1]}\nzip: {seed: [2]}", "study.yaml: zip.seed is in grid too"),
    "in the list": (
        "grid: {seed: [1]}\nlist: [{name: a, set: {seed: 1}}]",
        "study.yaml: grid.seed is set by the design 'a' of the list too",
    ),
    "names": ("list: [{name: a}, {name: a}]", "study.yaml, list: two designs are called 'a'"),
    "nameless": ("list: [{set: {}}]", "study.yaml, list.0.name: is missing"),
    "same": (
        "list: [{name: a}, {name: b, set: {learning_config.gamma: 0.9}}]\nsteps: train",
        "study.yaml, the designs 'a' and 'b' are the same: they differ only in settings",
    ),
    "law": (
        "random: {count: 2, keys: {seed: {unifrom: [1, 2]}}}",
        "study.yaml, random.keys.seed.unifrom: unknown key; did you mean 'uniform'?",
    ),
    "laws": (
        "random: {count: 2, keys: {seed: {uniform: [1, 2], choice: [1]}}}",
        "study.yaml, random.keys.seed: must be exactly one of uniform, log_uniform, integer, ",
    ),
    "falling": (
        "random: {count: 2, keys: {seed: {integer: [5, 2]}}}",
        "study.yaml, random.keys.seed: integer: 5 is not below 2",
    ),
    "log of 0": (
        "random: {count: 2, keys: {seed: {log_uniform: [0, 2]}}}",
        "study.yaml, random.keys.seed: log_uniform: 0 is not above 0",
    ),
    "whole log of 0": (
        "random: {count: 2, keys: {seed: {log_integer: [0, 2]}}}",
        "study.yaml, random.keys.seed: log_integer: 0 is not above 0",
    ),
    "step of a choice": (
        "random: {count: 2, keys: {seed: {choice: [1, 3], step: 1}}}",
        "study.yaml, random.keys.seed: step: choice has none, but uniform and integer have",
    ),
    "part of a step": (
        "random: {count: 2, keys: {seed: {integer: [1, 4], step: 2}}}",
        "study.yaml, random.keys.seed: step: 4 is not whole steps of 2 from 1 on",
    ),
    "no whole step": (
        "random: {count: 2, keys: {seed: {integer: [1, 4], step: 1.5}}}",
        "study.yaml, random.keys.seed: step: must be a whole number for integer, not 1.5",
    ),
    "no seeds": ("seeds: 0", "study.yaml, seeds: must be at least 1, not 0"),
    "seed twice": ("seeds: [1, 1]", "study.yaml, seeds: a seed is written twice"),
    "seed": ("seeds: [1.5]", "study.yaml, seeds: a seed must be a whole number from 0 on, not 1.5"),
    "large seed": (
        f"seeds: [1, {2**63}]", f"study.yaml, seeds: a seed must be below 2**63, not {2**63}",
    ),
    "many seeds": (f"seeds: {2**63}", "study.yaml, seeds: must be below 2**63, not 9223372036854"),
    "last seed": (
        f"set: {{seed: {2**63 - 2}}}\nseeds: 3\nsteps: train",
        f"study.yaml, seeds: the last one is {2**63}, but must be below 2**63",
    ),
    "own seed": (
        "set: {seed: null}\nsteps: train",
        "study.yaml, seeds: the case 'tiny' has none of its own",
    ),
    "step": ("steps: [trian]", "study.yaml, steps.0.trian: unknown key; did you mean 'train'?"),
    "two in one": (
        "steps: [{train: {}, run: {}}]",
        "study.yaml, steps.0: must be one of train, run, evaluate, not 2",
    ),
    "steps twice": (
        "steps: [train, train]", "study.yaml, steps.1.train: two steps are called 'train'",
    ),
    "step name": (
        "steps: [{run: {name: ../x}}]", "steps.0.run.name: '../x' is not the name of a folder",
    ),
    "step key": (
        "steps: [{evaluate: {polices: x}}]",
        "study.yaml, steps.0.evaluate.polices: unknown key; did you mean 'policies'?",
    ),
    "step case": (
        "steps: [train, {evaluate: {case: next_weak}}]",
        "study.yaml, steps.1.evaluate.case: config.yaml: unknown study case 'next_weak'; did you "
        "mean 'next_week'?",
    ),
    "step setting": (
        "steps: [{train: {set: {learning_config.tao: 1}}}]",
        "study.yaml, steps.0.train.set.learning_config.tao: unknown key; did you mean 'tau'?",
    ),
    "no policies": (
        "steps: [evaluate]",
        "study.yaml, steps.0.evaluate: 1 learning bidder(s) have no policy, e.g. 'learner'; add "
        "`steps: [train, evaluate]`, or `policies:` to the design",
    ),
    "no steps": (
        "seeds: 2",
        "study.yaml, steps.0.run: 1 learning bidder(s) have no policy, e.g. 'learner'; add "
        "`steps: [train]`, or `policies:` to the design",
    ),
    "later step": (
        "steps: [{evaluate: {policies: train}}, train]",
        "study.yaml, steps.0.evaluate.policies: there is no earlier training and no folder 'train'",
    ),
    "unknown step": (
        "steps: [train, {evaluate: {policies: trian}}]",
        "no folder 'trian'; did you mean 'train'?",
    ),
    "which": (
        "steps: [{run: {which: best_reward}}]",
        "study.yaml, steps.0.run.which: there is no earlier training to choose from",
    ),
    "which policies": (
        "steps: [train, {run: {which: best}}]",
        "study.yaml, steps.1.run.which: should be 'last', 'best_reward', 'best_profit',",
    ),
    "too short": (
        "steps: train\nset: {learning_config.training_episodes: 1}",
        "study.yaml, set.learning_config.training_episodes: is 1, but",
    ),
    "nobody learns": (
        "scenarios: scenarios/national\nsteps: train",
        "study.yaml, steps.0.train: study case 'base' has no learning bidder",
    ),
    "scenario": (
        "scenarios: scenarios/single_lerner",
        "did you mean '{}/single_learner'?",
    ),
    "case": (
        "scenarios: scenarios/single_learner\ncases: [tinny]",
        "study.yaml, cases: 'scenarios/single_learner' has no study case 'tinny'; did you mean",
    ),
    "twice there": (
        "scenarios: [scenarios/national, scenarios/national]",
        "study.yaml, scenarios: 'scenarios/national', base is there twice",
    ),
    "no scenario": ("scenarios: []", "study.yaml, scenarios: must not be empty"),
    "engine": (
        "engine: steam", "study.yaml, engine: should be 'auto', 'agents' or 'batch', not 'steam'",
    ),
    "tracker": ("track: tensorbord", "study.yaml, track: unknown tracker 'tensorbord'; did you"),
    "database": ("database: x", "study.yaml, database: the database URL cannot be understood"),
    "name": ("name: a/b", "study.yaml, name: 'a/b' is not the name of a folder"),
    "include": ("include: {a: 1}", "study.yaml, include: must be the name of a file, or a list"),
    "nowhere": (
        "include: commn.yaml", "study.yaml, include: there is no study file '{}/commn.yaml'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_key(tmp_path: Path, mistake: str) -> None:
    text, sentence = MISTAKES[mistake]
    base = "" if "scenarios" in text else "set: {learning_config.gamma: 0.9}\n"
    message = refused(tmp_path, text if "set:" in text else base + text)
    assert sentence.replace("{}", str(SCENARIOS if mistake == "scenario" else tmp_path)) in message
    assert message.startswith("study.yaml")
    assert len(message.splitlines()) == 1


ELSEWHERE = """
    grid: {{{fuel}: [{{scale: 1}}, {{scale: 2}}]}}
    random: {{count: 2, keys: {{learning_config.tau: {{uniform: [0, 1]}}}}}}
    list: [{{name: calm}}, {{name: bold, set: {{learning_config: {{noise_sigma: 0.5}}}}}}]
    steps: [train, {{train: {{name: again, set: {{learning_config.gamma: 0.5}}}}}}, run]
    """.format(fuel="fuel_prices.co2")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("fuel_prices.co2", "{scale: 3}", "the study file varies it, in grid; change that, e.g."),
        ("fuel_prices.co2.scale", "3", "the study file varies it, in grid; change that, e.g."),
        ("learning_config.tau", "0.5", "the study file varies it, in random.keys; change that"),
        ("learning_config.noise_sigma", "0.1", "the design 'bold' of the list sets it itself"),
        ("learning_config", "{noise_sigma: 0.1}", "the design 'bold' of the list sets it itself"),
        ("learning_config.gamma", "0.9", "the step 'again' sets it itself; change that there"),
    ],
)
def test_set_of_what_some_runs_set_themselves_is_told(
    tmp_path: Path, key: str, value: str, reason: str
) -> None:
    assert refused(tmp_path, ELSEWHERE, {key: value}).startswith(f"--set {key}: {reason}")


def test_set_may_replace_what_sets_a_key_and_then_set_it(tmp_path: Path) -> None:
    text = "list: [{name: bold, set: {learning_config.gamma: 0.5}}]\nsteps: train"
    found = study(tmp_path, text, {"learning_config.gamma": "0.1", "list": "null"})
    assert [run.steps[0].settings for run in found.runs] == [{"learning_config.gamma": 0.1}]


def test_set_may_empty_what_varies_a_key(tmp_path: Path) -> None:
    text = "grid: {learning_config.gamma: [0.5, 0.6]}\nsteps: train"
    found = study(tmp_path, text, {"learning_config.gamma": "0.1", "grid": "{}"})
    assert [run.steps[0].settings for run in found.runs] == [{"learning_config.gamma": 0.1}]


def test_set_of_what_looks_alike_is_free(tmp_path: Path) -> None:
    text = "list: [{name: a, set: {learning_config.gamma: 0.5}}]\nsteps: train"
    (run,) = study(tmp_path, text, {"learning_config.gradient_steps": "3"}).runs
    assert run.steps[0].settings["learning_config.gradient_steps"] == 3


def test_set_does_not_hide_a_mistake_in_the_file(tmp_path: Path) -> None:
    message = refused(tmp_path, "set: 5", {"learning_config.gamma": "0.9"})
    assert message == "study.yaml, set: must be a mapping"


def test_mistakes_of_a_kind_are_told_together(tmp_path: Path) -> None:
    lines = refused(tmp_path, "seedz: 1\nengine: steam\nset: 5").splitlines()
    assert [line.split(":")[0].removeprefix("study.yaml, ") for line in lines] == [
        "set", "engine", "seedz",
    ]  # fmt: skip


def test_includes_in_a_circle_are_told_with_the_way_round(tmp_path: Path) -> None:
    write(tmp_path, "include: study.yaml", "other.yaml")
    message = refused(tmp_path, "include: other.yaml")
    assert message == (
        "study.yaml, include: goes in a circle: study.yaml includes other.yaml includes study.yaml"
    )


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"learning_config.gamma": "["}, "--set learning_config.gamma: '[' is not valid YAML"),
        ({"seeds": "many"}, "study.yaml, seeds: must be a number of seeds or a list"),
        ({"seed": "1"}, "--set seed: the study file varies it, in grid"),
        ({"sedes": "1"}, "study.yaml, set.sedes: unknown key"),
    ],
)
def test_a_mistake_on_the_command_line(
    tmp_path: Path, overrides: dict[str, str], sentence: str
) -> None:
    message = refused(tmp_path, "grid: {seed: [1, 2]}\nsteps: train", overrides)
    assert message.startswith(sentence)
    assert len(message.splitlines()) == 1


def test_a_file_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    write(tmp_path, TINY, "market.yaml")
    with pytest.raises(ConfigurationError, match=r"no study file '.*markt.yaml'; did you mean 'ma"):
        read_study(tmp_path / "markt.yaml")
    with pytest.raises(ConfigurationError, match=r"list.yaml: must map keys to values"):
        read_study(write(tmp_path, "- 1", "list.yaml"))
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"image.yaml: is not UTF-8 text"):
        read_study(tmp_path / "image.yaml")


def test_a_broken_scenario_is_told_with_its_own_place(tmp_path: Path) -> None:
    shutil.copytree(SCENARIOS / "single_learner", tmp_path / "mine")
    table = tmp_path / "mine" / "powerplant_units.csv"
    table.write_text(table.read_text().replace(",500,", ",much,"))
    message = refused(tmp_path, "scenarios: mine")
    assert message.startswith("study.yaml, powerplant_units.csv, row 'learner', column 'max_power'")
    assert message.endswith("(scenario 'mine')")

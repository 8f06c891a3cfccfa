"""The benchmarks' own arithmetic and bookkeeping; they time the peer only where one is given."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from assume_rl.experiments.observer import EpisodeReport
from assume_rl.experiments.policies import learner_specs
from assume_rl.learning.learner import Learner
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from benchmarks import curves, day_ahead, gpu, peer, phases, rules, training
from benchmarks.peer_update import write_scenario
from benchmarks.timing import ask_peer

SCENARIO = Path(__file__).parents[1] / "scenarios" / "single_learner"


def report(seconds: float, reward: float, *, evaluation: bool) -> EpisodeReport:
    return EpisodeReport(1, evaluation, reward, 0.0, 0.0, seconds)


REPORTS = [
    report(2.0, 99.0, evaluation=False),  # exploring episodes do not count
    report(0.5, 70.0, evaluation=True),
    report(3.0, 0.0, evaluation=False),
    report(0.5, 90.0, evaluation=True),
]


@pytest.mark.parametrize(("share", "seconds"), [(0.7, 2.5), (0.71, 6.0), (0.9, 6.0), (0.95, None)])
def test_time_to_a_share_ends_with_the_first_evaluation_that_reaches_it(
    share: float, seconds: float | None
) -> None:
    assert training.time_to(share, REPORTS, 100.0) == seconds


def test_no_time_is_told_where_the_best_response_is_not_known() -> None:
    assert training.time_to(0.1, REPORTS, None) is None


def test_work_is_counted_and_the_learner_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learner, "observe", lambda self, joint: "observed")
    monkeypatch.setattr(Learner, "update", lambda self, progress: "updated")
    plain = Learner.observe, Learner.update
    learner = Learner.__new__(Learner)
    learner.iterations = 40

    with training.work_counted() as work:
        for rows in (7, 3):
            joint = SimpleNamespace(terminated=torch.zeros(2, rows))  # (seed row)
            assert learner.observe(joint) == "observed"
        assert learner.update(1.0) == "updated"

    assert work == training.Work(transitions=10, gradient_steps=40)
    assert (Learner.observe, Learner.update) == plain


def known(share: float | None, reward: float) -> SimpleNamespace:
    return SimpleNamespace(share=share, reward=reward)


def fake_training(seconds: float) -> training.Training:
    return training.Training(seconds, 5, 2, known(0.5, 1.0), known(0.75, 2.0), {0.8: None, 0.4: 1})


def test_without_a_peer_there_is_a_line_per_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "measure", lambda scenario, seed, engine: fake_training(seed))
    training.main(["--scenario", str(SCENARIO), "--case", "tiny", "--seeds", "1", "4"])
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"single_learner_tiny, batch, seed {seed}: {seed}.0 s, 5 transitions, 2 gradient steps; "
        "50.0% of the best response (last), 75.0% (best); 80% never, 40% after 1.0 s"
        for seed in (1, 4)
    ]


def test_settings_may_differ_from_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def measure(scenario: Scenario, seed: int, engine: str) -> training.Training:
        widths.append(scenario.learning.num_envs)
        return fake_training(seed)

    monkeypatch.setattr(training, "measure", measure)
    given = ["--scenario", str(SCENARIO), "--case", "tiny", "--seeds", "1"]
    training.main(given)
    training.main([*given, "--set", "learning_config.num_envs=2"])
    assert widths == [1, 2]


def test_the_peer_is_compared_with_the_median_of_the_seeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "measure", lambda scenario, seed, engine: fake_training(seed))
    took = {"seconds": 30.0, "updating": 4.0, "gradient_steps": 80}
    monkeypatch.setattr(training, "ask_peer", lambda *_: took)
    judged = SimpleNamespace(evaluation=known(None, 12.0))
    monkeypatch.setattr(training, "evaluate", lambda *_, **__: judged)
    given = ["--scenario", str(SCENARIO), "--case", "tiny", "--seeds", "1", "3", "90"]
    training.main([*given, "--peer", "python"])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "peer: 30.0 s, 4.0 s of them in 80 gradient steps; reward 12.00 (last), 12.00 (best); "
        "10.0 times as fast here"
    )


def test_training_needs_a_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        training.main([])
    assert "--scenario" in capsys.readouterr().err


def test_a_peer_is_asked_in_a_process_of_its_own() -> None:
    assert ask_peer(Path(sys.executable), "peer_update") == {}  # no learners, so no ASSUME


def test_a_peer_that_fails_is_not_taken_for_an_answer() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        ask_peer(Path(sys.executable), "peer_update", "many")


def test_calls_are_timed_and_their_results_passed_on() -> None:
    numbers = SimpleNamespace(double=lambda x: 2 * x)
    seconds = peer.timed_calls(numbers, "double")
    assert [numbers.double(k) for k in range(3)] == [0, 2, 4]
    assert len(seconds) == 3
    assert all(0 <= one < 1 for one in seconds)


def test_a_training_of_the_peer_ends_after_the_first_episodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played: list[int] = []
    world = SimpleNamespace(run=lambda: played.append(1))
    monkeypatch.setattr(peer, "train", lambda world: [world.run() for _ in range(9)])
    assert len(peer.first_episodes(world, 2)) == len(played) == 2


def test_a_case_is_copied_with_other_settings(tmp_path: Path) -> None:
    before = (SCENARIO / "config.yaml").read_text(encoding="utf-8")
    copy = peer.copy_case(SCENARIO, "tiny", tmp_path, gradient_steps=77)
    changed = yaml.safe_load((copy / "config.yaml").read_text(encoding="utf-8"))
    expected = yaml.safe_load(before)["tiny"]
    expected["learning_config"]["gradient_steps"] = 77
    assert changed == {"tiny": expected}
    assert (SCENARIO / "config.yaml").read_text(encoding="utf-8") == before
    assert (copy / "powerplant_units.csv").is_file()


def test_the_peer_updates_learners_of_the_size_that_is_claimed(tmp_path: Path) -> None:
    write_scenario(tmp_path / "fleet", learners=3, gradient_steps=2)
    scenario = load_scenario(tmp_path / "fleet", "base")
    specs = learner_specs(compile_scenario(scenario))
    assert [(spec.obs_size, spec.act_size) for spec in specs.values()] == [(38, 2)] * 3
    assert scenario.learning.batch_size == 128


def test_rules_are_timed_on_a_valid_scenario(tmp_path: Path) -> None:
    scenario = load_scenario(rules.with_rules(tmp_path / "both", rules.FLEXIBLE, 2), "week")
    bidders = [unit.bidding["EOM"] for unit in scenario.units]
    assert bidders.count(rules.FLEXIBLE) == 120
    assert bidders.count(rules.STORAGE) == 2
    assert not [warning for warning in scenario.warnings if "ramp" in warning]


def test_curves_are_timed_of_the_same_auctions_and_rewards() -> None:
    learners, rungs, hours, *_, apart = curves.compare(2, 5, 3).strip("| ").split(" | ")
    assert (learners, rungs, hours) == ("2", "5", "3")
    assert float(apart) < 1e-12


def test_nested_time_counts_for_the_inner_phase_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr(phases, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    owner = SimpleNamespace(inner=lambda: 1)
    owner.outer = lambda: owner.inner() + owner.inner()
    plain = dict(vars(owner))
    places = (phases.Place("a", owner, "outer"), phases.Place("b", owner, "inner"))

    with phases.timed(places) as seconds:
        assert owner.outer() == 2

    assert seconds == {"a": 3.0, "b": 2.0}  # a clock that ticks at each look: 0, (1, 2), (3, 4), 5
    assert vars(owner) == plain


@pytest.mark.slow
@pytest.mark.parametrize("shell", rules.SHELLS)
def test_every_phase_of_a_shell_takes_time(shell: str, tmp_path: Path) -> None:
    run = rules.written(
        three_hours(rules.with_rules(tmp_path / "both", rules.FLEXIBLE, 2)), "week", shell
    )
    assert run.hours == 3
    assert min(run.phases.values()) > 0
    assert sum(run.phases.values()) < run.seconds


def three_hours(folder: Path) -> Path:
    """Cut the week of a scenario to its first three hours."""
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["week"]["end_date"] = "2019-01-14 03:00"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_work_on_devices_is_measured_until_time_is_over(tmp_path: Path) -> None:
    def case(way: str, value: float, unit: str = "ms") -> gpu.Case:
        return gpu.Case("update", gpu.CPU, way, unit, lambda: value)

    file = tmp_path / "gpu.json"
    rows = gpu.measured(iter([case("plain", 2.5), case("compiled", 1234.5)]), 60.0, file)
    assert gpu.table(rows).splitlines() == [
        "| | unit | cpu, plain | cpu, compiled |",
        "|---|---|---|---|",
        "| update | ms | 2.50 | 1,234 |",
    ]
    content = json.loads(file.read_text(encoding="utf-8"))
    assert [row["value"] for row in content["rows"]] == [2.5, 1234.5]
    assert content["left_out"] == []

    gpu.measured(iter([case("plain", 2.5)]), -1.0, file)
    content = json.loads(file.read_text(encoding="utf-8"))
    assert (content["rows"], content["left_out"]) == ([], ["update, cpu, plain"])


def test_a_gpu_is_measured_in_every_way_and_a_cpu_in_those_that_it_has() -> None:
    found = list(gpu.cases([gpu.CPU, gpu.GPU]))
    ways = {
        device: {case.way for case in found if case.device == device and "update" in case.what}
        for device in (gpu.CPU, gpu.GPU)
    }
    assert ways == {gpu.CPU: {"plain", "bfloat16", "compiled"}, gpu.GPU: set(gpu.WAYS)}
    assert "compiled" in found[-1].way


@pytest.mark.unchecked
def test_small_work_is_measured() -> None:
    assert gpu.update(2, gpu.CPU, "bfloat16", iterations=1, repeats=1) > 0
    assert gpu.clearing(2, gpu.CPU, "plain") > 0
    assert gpu.experience(1, gpu.CPU, "plain") > 0


@pytest.mark.unchecked
def test_halves_of_plants_are_units_that_make_as_much_as_the_whole(tmp_path: Path) -> None:
    folder = day_ahead.with_products(tmp_path / "folder", "complex clearing", "2019-01-02 00:00")
    split, whole = load_scenario(folder, "base"), load_scenario(rules.NATIONAL, "week")
    assert len(split.units) == 263
    power = [Counter[str](), Counter[str]()]
    for own, scenario in zip(power, (split, whole), strict=True):
        for plant in scenario.of("power_plant"):
            own[plant.technology] += plant.max_power
    assert power[0] == power[1]
    blocks = [p for p in split.of("power_plant") if p.bidding["EOM"] == day_ahead.BLOCKS]
    assert len(blocks) == sum(p.min_power > 0 for p in split.of("power_plant")) > 150

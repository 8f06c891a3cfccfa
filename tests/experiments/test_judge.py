"""Exploitability of validations, by which policies are kept, and how far policies move."""

import json
from pathlib import Path

import pytest
import torch
from test_responses import duopoly, play
from trained_runs import Trained, tiny

from assume_rl.experiments import judge
from assume_rl.experiments.bounds import responses
from assume_rl.experiments.judge import Judge, Movement
from assume_rl.experiments.train import TrainResult, train
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.folder import load_policies

pytestmark = pytest.mark.unchecked

SOME = {"learning_config.training_episodes": 3, "learning_config.validation_episodes_interval": 1}


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    scenario = tiny("single_learner", **SOME)
    return train(scenario, engine="batch", out=tmp_path_factory.mktemp("runs") / "batch")


def validations(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all("exploitability" not in line for line in lines if not line["evaluation"])
    return [line for line in lines if line["evaluation"]]


def test_policies_are_kept_by_least_exploitability(batch: TrainResult) -> None:
    found = [line["exploitability"] for line in validations(batch.folder)]
    assert len(set(found)) > 1
    kept = batch.folder / "policies" / "best_exploitability" / "manifest.json"
    episodes = json.loads(kept.read_text())["extra"]["episodes_done"]
    # The first validation follows the second episode.
    assert episodes - 2 == found.index(min(found))
    # AND what was worked out while training is what the final evaluation says of the same policies
    (own,) = batch.evaluations["best_exploitability"].responses
    assert own.gap == pytest.approx(min(found), rel=1e-5)
    (own,) = batch.last.responses
    assert own.gap == pytest.approx(found[-1], rel=1e-5)


def test_movement_is_how_far_actions_change(batch: TrainResult) -> None:
    lines = validations(batch.folder)
    assert "movement" not in lines[0]
    assert all(0 < line["movement"] < 2 for line in lines[1:])
    assert batch.movement == lines[-1]["movement"]
    manifest = json.loads((batch.folder / "manifest.json").read_text())
    assert manifest["evaluation"]["movement"] == batch.movement


def test_both_engines_judge_alike(batch: TrainResult, tmp_path: Path) -> None:
    scenario = tiny("single_learner", **SOME)
    agents = train(scenario, engine="agents", out=tmp_path / "agents")
    for one, other in zip(validations(batch.folder), validations(agents.folder), strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() & {"exploitability", "movement"}:
            assert one[name] == pytest.approx(other[name], rel=1e-3)


def test_movement_is_the_mean_over_agents() -> None:
    probe = {"a": torch.zeros(3, 4), "b": torch.ones(3, 4)}
    moved = Movement()
    assert moved.since(probe, [Shifted("a", 0.0), Shifted("b", 0.0)]) is None
    assert moved.since(probe, [Shifted("a", 0.5), Shifted("b", -0.25)]) == pytest.approx(0.375)
    again = Movement()
    again.load_state_dict(moved.state_dict())
    assert again.since(probe, [Shifted("a", 0.5), Shifted("b", -0.25)]) == 0


def test_movement_of_a_mix_is_how_much_of_it_has_moved() -> None:
    """Of two rungs at 50 % each, 30 % move to one of them: the most probable one stays."""
    probe, moved = {"a": torch.zeros(3, 4)}, Movement()
    assert moved.since(probe, [Mix("a", 0.5, 0.5, 0.0)]) is None
    assert moved.since(probe, [Mix("a", 0.8, 0.2, 0.0)]) == pytest.approx(0.3)
    assert moved.since(probe, [Mix("a", 0.8, 0.0, 0.2)]) == pytest.approx(0.2)


def test_movement_of_an_average_leaves_out_the_choice_of_training() -> None:
    probe, moved = {"a": torch.zeros(3, 4)}, Movement()
    assert moved.since(probe, [Average("a", 1.0, 1.0, 5.0, 0.0)]) is None
    assert moved.since(probe, [Average("a", 4.0, 1.0, 0.0, 5.0)]) == pytest.approx(0.3)


class Average(ActorStack):
    """An actor with the same weights of two rungs, in the average and in training, always."""

    def __init__(self, agent: str, *weights: float) -> None:
        super().__init__((agent,), "mlp", {"w": torch.zeros(1)}, "averaged_2")
        object.__setattr__(self, "found", weights)

    def outputs(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.found).expand(*obs.shape[:-1], -1)


class Mix(ActorStack):
    """An actor that draws rungs with the same shares whatever it observes."""

    def __init__(self, agent: str, *shares: float) -> None:
        super().__init__((agent,), "mlp", {"w": torch.zeros(1)}, f"mixed_{len(shares)}")
        object.__setattr__(self, "shares", shares)

    def outputs(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.shares).log().clamp(min=-1e9).expand(*obs.shape[:-1], -1)


class Shifted(ActorStack):
    """An actor whose actions do not depend on what it observes."""

    def __init__(self, agent: str, action: float) -> None:
        super().__init__((agent,), "mlp", {"w": torch.zeros(1)})
        object.__setattr__(self, "action", action)

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.full((*obs.shape[:-1], 2), self.action)


def test_a_validation_that_would_take_long_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = duopoly(tmp_path / "market")
    memory = play(compiled, high=100, low=57)
    own = Judge(compiled)
    widest = max(response.gap or 0 for response in responses(compiled, memory))
    assert own.exploitability(memory) == pytest.approx(widest)
    monkeypatch.setattr(judge, "IN_TRAINING", 1)
    assert own.exploitability(memory) is None
    assert not own.able
    own.load_state_dict(Judge(compiled).state_dict())
    assert own.able


def test_nothing_is_judged_where_best_responses_are_not_known(ten: Trained, tmp_path: Path) -> None:
    twice = [{"duration": "2h", "count": 1, "first_delivery": "1h"}]
    compiled = duopoly(tmp_path / "m", **{"markets_config.EOM.products": twice})
    assert not Judge(compiled).able
    assert load_policies(ten.folder / "policies" / "best_exploitability").actors

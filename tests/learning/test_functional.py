"""The functions of every algorithm: the bits of the class, and nothing written to."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toys import CPU, fleet, learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import able
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.functional import PARTS, Functional, TrainingState
from assume_rl.learning.learner import Learner
from assume_rl.learning.policies.trainer_state import load_trainer_state, save_trainer_state
from assume_rl.learning.states import states
from assume_rl.learning.types import Joint

pytestmark = pytest.mark.unchecked

AGENTS = fleet((3, 1, 1), (4, 2, 1), (3, 1, 1))
SMALL: dict[str, Any] = {"batch_size": 6, "gradient_steps": 2, "actor_hidden": (8, 6)}
SMALL |= {"critic_hidden": (8, 6), "replay_buffer_size": 12}
QUICK = {"mappo": {"epochs": 2, "minibatches": 1}, "ippo": {"epochs": 1, "minibatches": 2}}
KEY = 5


def functions(name: str, **settings: Any) -> Functional:
    config = LearningConfig(algorithm=name, **SMALL, **settings)
    return Functional(config, AGENTS, device=CPU, dtype=torch.float64)


def batch(ours: Learner, joint: Joint) -> dict[str, Any]:
    """Transitions as a mapping of arrays by agent."""
    units = {}
    for group, part in zip(ours.groups, joint.groups, strict=True):
        for k, unit in enumerate(group.unit_ids):
            own = {name: getattr(part, name)[0, :, k] for name in PARTS}
            units[unit] = own | {name: value[0, :, k] for name, value in part.extras.items()}
    return {"units": units, "terminated": joint.terminated[0], "truncated": joint.truncated[0]}


def copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: copied(own) for key, own in value.items()}
    return [copied(own) for own in value] if isinstance(value, list) else value


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def parts(state: TrainingState) -> dict[str, Any]:
    return {"params": state.params, "optimizer": state.optimizer, "data": state.data}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in able("box")),
        ("matd3", {"sampling": "prioritised", "n_step": 2, "optimizer": "sgd"}),
        ("ippo", {"learning_rate_schedule": "kl_adaptive", "normalise": ["observations"]}),
        ("a2c", {"shared_trunk": True, "normalise": ["returns"]}),
    ],
)
def test_updates_are_those_of_the_class_and_write_to_no_argument(
    name: str, settings: dict[str, Any]
) -> None:
    settings = settings | QUICK.get(name, {})
    ours = learner(AGENTS, seeds=(KEY,), algorithm=name, **SMALL, **settings)
    agent = functions(name, **settings)
    state = agent.init(KEY)
    for number in range(2):  # the ring is full in the second
        joint = random_joint(ours, 8, seed=number)
        data = batch(ours, joint)
        before = copied({**parts(state), "batch": data})
        after, metrics = agent.update(state, data, KEY, progress=0.5)
        assert same({**parts(state), "batch": data}, before)
        if number == 1:
            again, _ = agent.update(state, data, KEY, progress=0.5)
            assert same(parts(after), parts(again))
        ours.observe(joint)
        expected = ours.update(0.5)
        assert same(after.params["networks"], states(ours.nets, 0)["networks"])
        assert same(after.optimizer, states(ours.nets, 0)["optimizers"])
        assert (after.updates, after.iterations) == (ours.updates, ours.iterations)
        assert metrics.values.keys() == expected.values.keys()
        for metric, values in metrics.values.items():
            torch.testing.assert_close(
                values, expected[metric][:, 0], rtol=0, atol=0, equal_nan=True
            )
        state = after


def test_another_key_draws_otherwise() -> None:
    agent, ours = functions("matd3"), learner(AGENTS, algorithm="matd3", **SMALL)
    state, data = agent.init(KEY), batch(ours, random_joint(ours, 8))
    one, two = (agent.update(state, data, key)[0] for key in (1, 2))
    assert not same(one.params["networks"], two.params["networks"])


def test_no_transitions_change_nothing() -> None:
    agent = functions("masac")
    state = agent.init(KEY)
    after, metrics = agent.update(state, None, KEY)
    assert same(parts(after), parts(state))
    assert metrics.iterations == 0


def test_parameters_depend_on_key_and_agent_alone() -> None:
    agent = functions("maddpg")
    params = agent.init_params(KEY)
    assert same(params["networks"], agent.init_params(KEY)["networks"])
    assert set(params["networks"]) == {"actor", "actor_target", "critic", "critic_target"}
    config = LearningConfig(algorithm="maddpg", **SMALL)
    alone = Functional(config, AGENTS[:1], dtype=torch.float64).init_params(KEY)
    assert same(alone["networks"]["actor"]["unit_0"], params["networks"]["actor"]["unit_0"])
    optimizer = agent.init_optimizer(params)["actor"]["unit_0"]
    assert optimizer["step"] == 0
    assert not optimizer["exp_avg"]["FC1.weight"].any()


@pytest.mark.parametrize("name", ["matd3", "masac", "ippo"])
def test_acting_is_a_function_of_parameters_state_observation_and_key(name: str) -> None:
    agent, ours = functions(name), learner(AGENTS, seeds=(KEY,), algorithm=name, **SMALL)
    obs = {a.unit_id: torch.randn(2, 3, a.obs_size, dtype=torch.float64) for a in AGENTS}
    params, policy = agent.init_params(KEY), agent.init_policy()
    one, after = agent.predict(params, policy, obs, 1)
    two, _ = agent.predict(params, policy, obs, 1)
    three, _ = agent.predict(params, after, obs, 1)
    assert (policy.decisions, after.decisions) == (0, 1)
    for unit, decision in one.items():
        assert decision.action.shape == decision.noise.shape
        assert torch.equal(decision.action, two[unit].action)
        assert not torch.equal(decision.action, three[unit].action)
    still, _ = agent.predict(params, agent.init_policy(explore=False), obs, 1)
    group = torch.stack([obs["unit_0"], obs["unit_2"]], dim=-2)
    wanted = ours.actors()[0](group)
    torch.testing.assert_close(still["unit_2"].action, wanted[..., 1, :])
    head, out = ours.heads[0], ours.actors()[0].outputs(group)[..., 1, :]
    zero = torch.zeros_like(wanted[..., 1, :])
    assert same(decide(head, out, zero, zero, Exploration("off")).noise, still["unit_2"].noise)


def test_missing_and_unknown_keys_are_named() -> None:
    agent, ours = functions("ippo"), learner(AGENTS, algorithm="ippo", **SMALL)
    state, data = agent.init(KEY), batch(ours, random_joint(ours, 8))
    for change, message in (
        ({"units": data["units"]}, "batch: 'terminated' is missing"),
        ({**data, "trunc": 1}, "batch: unknown 'trunc', did you mean 'truncated'?"),
        ({**data, "copied": 2}, "batch: unknown 'copied', did you mean 'copies'?"),
        ({**data, "units": {}}, "batch.units: 'unit_0' is missing"),
        ({**data, "copies": 3}, "batch: 8 rows are not those of 3 copies"),
        (
            {**data, "terminated": torch.ones(8), "truncated": torch.ones(8)},
            "batch: a row is both terminated and truncated",
        ),
    ):
        with pytest.raises(ConfigurationError, match=message):
            agent.update(state, change, KEY)
    reward = data["units"]["unit_1"]["reward"]
    data["units"]["unit_1"]["reward"] = reward[:, None]
    with pytest.raises(
        ConfigurationError, match=r"unit_1.reward: has the shape \(8, 1\), not \(8,\)"
    ):
        agent.update(state, data, KEY)
    data["units"]["unit_1"]["reward"] = reward
    del data["units"]["unit_1"]["log_prob"]
    with pytest.raises(ConfigurationError, match=r"batch.units.unit_1: 'log_prob' is missing"):
        agent.update(state, data, KEY)
    obs = {a.unit_id: torch.zeros(1, a.obs_size, dtype=torch.float64) for a in AGENTS}
    with pytest.raises(ConfigurationError, match="centre: 'unit_0' is missing"):
        agent.predict(state.params, agent.init_policy(), obs, KEY, centre={})


def test_a_state_is_kept_in_a_file(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"sampling": "prioritised", "normalise": ["observations"]}
    agent = functions("masac", **settings)
    ours = learner(AGENTS, algorithm="masac", **SMALL, **settings)
    state, _ = agent.update(agent.init(KEY), batch(ours, random_joint(ours, 8)), KEY)
    save_trainer_state(tmp_path, parts(state))
    found = TrainingState(**load_trainer_state(tmp_path), updates=1, iterations=state.iterations)
    one, two = (agent.update(own, None, KEY)[0] for own in (state, found))
    assert same(parts(one), parts(two))

"""The public surface is what `__all__` says, and importing it does nothing else."""

import subprocess
import sys
from pathlib import Path

import assume_rl

# Names and meanings that users of the field know: they do not go away.
LEARNING_ROLE = {
    "Actor",
    "CriticTD3",
    "Learning",
    "NormalActionNoise",
    "OUNoise",
    "ObsActRew",
    "ReplayBuffer",
    "ReplayBufferSamples",
    "RLAlgorithm",
    "polyak_update",
}
MESSAGES = {"Acted", "Observed", "PolicyUpdate", "RegisterUnit", "Rewarded"}
EXPERIMENTS = {"evaluate", "load_scenario", "run", "train"}
METHODS = """
    setup handle_message create_learning_algorithm create_actors create_critics
    create_actors_and_critics extract_actors_and_critics turn_off_initial_exploration
    update_policy compare_and_save_policies save_params save_actor_params save_critic_params
    load_params load_actor_params load_critic_params load_obj
"""
PROGRAM = """
import logging, os, random, sys, mango, torch  # importing mango draws from `random`
before = random.getstate(), torch.get_rng_state(), torch.get_num_threads()
import assume_rl
assert random.getstate() == before[0]
assert torch.equal(torch.get_rng_state(), before[1])
assert torch.get_num_threads() == before[2]
assert logging.getLogger().handlers == []
heavy = {'matplotlib', 'scipy', 'typer', 'pvlib'} & set(sys.modules)
assert not heavy, heavy
assert not any(os.scandir()), "importing writes files"
# A training compiles nothing that nobody asked for: importing what compiles takes seconds.
scenario = assume_rl.load_scenario(sys.argv[1], "tiny", overrides={
    "end_date": "2019-03-04 06:00",
    "learning_config.train_freq": "6h",
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
    "learning_config.gradient_steps": 1,
})
assume_rl.train(scenario, out="run")
heavy = {'sympy', 'torch._dynamo'} & set(sys.modules)
assert not heavy, heavy
"""
SCENARIO = Path(__file__).parents[1] / "scenarios" / "single_learner"


def test_all_is_sorted_and_complete() -> None:
    names = assume_rl.__all__
    assert names == sorted(names, key=str.casefold)
    assert len(names) == len(set(names))
    assert set(names) >= LEARNING_ROLE | MESSAGES | EXPERIMENTS
    assert [name for name in names if not hasattr(assume_rl, name)] == []
    assert set(names) <= set(dir(assume_rl))


def test_the_learning_role_has_its_fixed_methods() -> None:
    assert all(callable(getattr(assume_rl.Learning, name)) for name in METHODS.split())


def test_importing_has_no_side_effects_and_training_imports_no_compiler(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(SCENARIO)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

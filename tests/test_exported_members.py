"""The public surface is what `__all__` says, and importing it does nothing else."""

import subprocess
import sys

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
    "polyak_update",
}
MESSAGES = {"Acted", "Observed", "PolicyUpdate", "RegisterUnit", "Rewarded"}
EXPERIMENTS = {"evaluate", "load_scenario", "run", "train"}


def test_all_is_sorted_and_complete():
    assert assume_rl.__all__ == sorted(assume_rl.__all__)
    assert set(assume_rl.__all__) >= LEARNING_ROLE | MESSAGES | EXPERIMENTS


def test_every_member_exists():
    missing = [name for name in assume_rl.__all__ if not hasattr(assume_rl, name)]

    assert missing == []


def test_the_learning_role_has_its_fixed_methods():
    names = (
        "setup handle_message create_learning_algorithm create_actors create_critics "
        "create_actors_and_critics extract_actors_and_critics turn_off_initial_exploration "
        "update_policy compare_and_save_policies save_params save_actor_params "
        "save_critic_params load_params load_actor_params load_critic_params load_obj"
    )

    assert [n for n in names.split() if not callable(getattr(assume_rl.Learning, n, None))] == []


def test_importing_has_no_side_effects(tmp_path):
    program = (
        # Importing mango draws from `random`; that is not ours to change.
        "import logging, random, sys, mango, torch\n"
        "before = random.getstate(), torch.get_rng_state(), torch.get_num_threads()\n"
        "import assume_rl\n"
        "assert random.getstate() == before[0]\n"
        "assert torch.equal(torch.get_rng_state(), before[1])\n"
        "assert torch.get_num_threads() == before[2]\n"
        "assert logging.getLogger().handlers == []\n"
        "heavy = {'matplotlib', 'scipy', 'typer', 'pvlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []

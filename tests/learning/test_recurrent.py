"""Actors with memory: against torch's cells, loops over windows, and a game of memory."""

from dataclasses import replace

import pytest
import torch
from remembering import played, regret
from test_algorithms import same
from torch import nn
from toys import CPU, changed, fleet, learner, random_joint

from assume_rl.episodes.learning_files import (
    load_actors,
    load_critics,
    save_actors,
    save_critics,
)
from assume_rl.errors import PolicyError
from assume_rl.learning.algorithms import able
from assume_rl.learning.config import WITH_MEMORY, LearningConfig
from assume_rl.learning.critics.base import states_only
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.data.windows import Windows
from assume_rl.learning.functional import Functional
from assume_rl.learning.nets.heads import HEADS
from assume_rl.learning.nets.recurrent import Recurrent
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.policies.assume_layout import save_assume_layout
from assume_rl.learning.policies.folder import load_policies, save_policies
from assume_rl.learning.states import states
from assume_rl.learning.types import MEMORY, Joint, Transitions

SPECS = fleet(*[(5, 2, 2)] * 3)
NAMES = pytest.mark.parametrize("name", WITH_MEMORY)
MODULES = {"gru": nn.GRUCell, "lstm_memory": nn.LSTMCell}
FEW = ("itd3", "masac", "mappo", "a2c", "vpg")  # of each family
SMALL = {"batch_size": 8, "gradient_steps": 2, "actor_hidden": (6, 8)}


def actors(name, specs=SPECS, hidden=(6, 8)):
    return initial_actors(specs, 1, architecture=name, hidden=hidden)


class Loop(nn.Module):
    """One agent as torch modules, which keeps its memory itself."""

    def __init__(self, name, obs, hidden, outputs):
        super().__init__()
        cell, layer = hidden
        self.cell = MODULES[name](obs, cell, dtype=torch.float64)
        self.FC1 = nn.Linear(cell + obs, layer, dtype=torch.float64)
        self.FC2 = nn.Linear(layer, outputs, dtype=torch.float64)
        self.memory = None

    @classmethod
    def of(cls, stack, unit, obs=5, hidden=(6, 8), outputs=2):
        loop = cls(stack.architecture, obs, hidden, outputs)
        prefix = TRUNKS[stack.architecture].cell
        state = stack.module_state(unit).items()
        loop.load_state_dict({key.replace(prefix, "cell"): value for key, value in state})
        return loop

    def forward(self, obs):
        self.memory = self.cell(obs, self.memory)
        given = self.memory if torch.is_tensor(self.memory) else self.memory[0]
        return self.FC2(torch.relu(self.FC1(torch.cat([given, obs], dim=-1))))


def test_actors_with_memory_are_named_in_settings():
    assert set(WITH_MEMORY) == {n for n, trunk in TRUNKS.items() if isinstance(trunk, Recurrent)}


@NAMES
def test_decisions_are_those_of_torchs_cells(name):
    stack = actors(name)
    loops = [Loop.of(stack, unit) for unit in stack.unit_ids]
    memory = torch.zeros(4, 3, stack.memory_size, dtype=torch.float64)
    for step in range(5):
        obs = torch.randn(4, 3, 5, dtype=torch.float64)
        out, memory = stack.outputs_after(obs, memory)
        for k, loop in enumerate(loops):
            torch.testing.assert_close(out[:, k], loop(obs[:, k]))
        if step == 0:
            torch.testing.assert_close(stack(obs), HEADS["softsign"].mean(out))
        assert (memory[..., -1] == step + 1).all()


@NAMES
@pytest.mark.parametrize("burn_in", [0, 2])
def test_windows_and_their_gradients_are_those_of_loops(name, burn_in):
    # GIVEN windows of four steps, of which the first two are not there in some
    ours = learner(SPECS, actor_architecture=name, sequence_length=4, burn_in=burn_in, **SMALL)
    (net,) = ours.nets["actor"]
    rows, steps = 6, 4
    count = torch.tensor([4, 4, 2, 2, 1, 3])
    obs = torch.randn(1, 3, rows, steps, 5, dtype=torch.float64)
    memory = torch.randn(1, 3, rows, net.form.memory_size, dtype=torch.float64)
    read = torch.cat(
        [memory, count[None, None, :, None].expand(1, 3, -1, 1), obs.flatten(3)], dim=-1
    )
    net.gradient.buffer.zero_()
    out = net.form.outputs(net.followed, read)
    out.square().sum().backward()
    found, stack = net.form.states(net.gradient, 0), net.form.stack(net.online, 0)
    prefix = TRUNKS[name].cell
    for k, unit in enumerate(stack.unit_ids):
        loop, total = Loop.of(stack, unit), 0.0
        for row in range(rows):
            parts = memory[0, k, row, :-1].split(6)
            loop.memory = parts[0] if name == "gru" else parts
            for step in range(steps - count[row], steps):
                if step == burn_in:
                    loop.memory = detached(loop.memory)
                last = loop(obs[0, k, row, step])
            torch.testing.assert_close(out[0, k, row], last)
            total = total + last.square().sum()
        total.backward()
        for parameter, value in loop.named_parameters():
            given = found[unit][parameter.replace("cell", prefix)]
            torch.testing.assert_close(given, value.grad, rtol=1e-9, atol=1e-12)


def detached(memory):
    return memory.detach() if torch.is_tensor(memory) else tuple(part.detach() for part in memory)


@NAMES
def test_actors_come_back_from_files_and_damaged_ones_are_refused(name, tmp_path):
    stack = actors(name)
    save_policies(tmp_path, [stack], SPECS, algorithm="matd3")
    (found,) = load_policies(tmp_path).actors
    assert (found.architecture, found.memory_size) == (name, stack.memory_size)
    assert found.sizes(2) == (5, 2)
    obs = torch.randn(3, 5, dtype=torch.float64)
    memory = torch.randn(3, stack.memory_size, dtype=torch.float64)
    for ours, theirs in zip(stack.step(obs, memory), found.step(obs, memory), strict=True):
        assert torch.equal(ours, theirs)
    cell = TRUNKS[name].cell
    for parameter, shape in ((f"{cell}.weight_hh", (18, 7)), (f"{cell}.bias_ih", (17,)),
                             (f"{cell}.weight_ih", (18, 6)), ("FC1.weight", (8, 12))):  # fmt: skip
        assert not TRUNKS[name].fits(stack.module_state("unit_0") | {parameter: torch.ones(shape)})
    assert TRUNKS[name].fits(stack.module_state("unit_0"))


def test_assumes_layout_has_no_actors_with_memory(tmp_path):
    ours = learner(SPECS, actor_architecture="gru", **SMALL)
    with pytest.raises(PolicyError, match="actors of the kind 'gru' have no form in ASSUME"):
        save_assume_layout(tmp_path, ours)


def test_critics_move_to_another_fleet_if_they_see_as_many_observations(tmp_path, caplog):
    settings = {"actor_architecture": "gru", "sequence_length": 3, **SMALL}
    old = learner(SPECS[:2], **settings)
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    new = learner(SPECS, **settings)
    assert load_actors(tmp_path, new).loaded == ("unit_0", "unit_1")
    assert load_critics(tmp_path, new).loaded == ("unit_0", "unit_1")
    other = learner(SPECS, **settings | {"sequence_length": 4})
    assert load_actors(tmp_path, other).loaded
    assert not load_critics(tmp_path, other).loaded
    assert "sequence_length: 3" in caplog.text


def test_the_functional_face_hands_memories_over():
    settings = {"actor_architecture": "gru", "actor_hidden": (6, 8)}
    functions = Functional(LearningConfig(**settings), SPECS, dtype=torch.float64)
    params = functions.init_params(3)
    stack, policy = learner(SPECS, **settings).actors()[0], functions.init_policy(explore=False)
    memory = torch.zeros(3, stack.memory_size, dtype=torch.float64)
    for _ in range(3):
        obs = torch.randn(3, 5, dtype=torch.float64)
        seen = dict(zip(stack.unit_ids, obs, strict=True))
        decisions, policy = functions.predict(params, policy, seen, 1)
        action, after = stack.step(obs, memory)
        for k, unit in enumerate(stack.unit_ids):
            torch.testing.assert_close(decisions[unit].action, action[k])
            torch.testing.assert_close(decisions[unit].extras[MEMORY], memory[k])
        memory = after


# --- windows of a replay --------------------------------------------------------------------------


def remembered(episodes, capacity=100):
    """A replay whose observations name copy and step; `episodes`: (number, copies, steps)."""
    replay = Replay(capacity, 1, [(1, 2, 1)], CPU, torch.float64, extras={MEMORY: [2]})
    for number, copies, steps in episodes:
        rows = [(100 * number + copy, step) for step in steps for copy in range(copies)]
        obs = torch.tensor(rows, dtype=torch.float64).view(1, -1, 1, 2)
        after = obs + torch.tensor([0.0, 1.0])
        part = Transitions(obs, obs[..., :1], obs[..., 0], after, {MEMORY: obs.flip(-1).flip(-1)})
        flags = torch.zeros(1, len(rows), dtype=torch.bool)
        replay.add(Joint((part,), flags, flags, copies))
    return replay


def window_of(replay, row, length=3):
    """Copy and steps of the window that ends at a row, its memory, and the next observation."""
    windows = Windows(replay, length)
    steps = windows.steps(torch.tensor([[row]]))
    count = int(steps.count)
    memory, obs = windows.ending(0, steps)[0, 0, 0].split([3, 2 * length])
    seen = obs.view(length, 2)
    assert not seen[: length - count].any()
    assert torch.equal(memory[:2], seen[length - count])  # that before its first step
    after = windows.following(0, steps)[0, 0, 0]
    assert int(memory[2]) == count == int(after[2]) - 1
    assert torch.equal(after[3:-2], obs)
    return seen[length - count :].tolist(), after[-2:].tolist()


def test_a_window_goes_back_in_its_own_copy_up_to_the_start_of_the_episode():
    replay = remembered([(1, 2, range(4)), (2, 2, range(3)), (2, 2, range(3, 5))])
    assert window_of(replay, 0) == ([[100, 0]], [100, 1])
    assert window_of(replay, 3) == ([[101, 0], [101, 1]], [101, 2])
    assert window_of(replay, 7) == ([[101, 1], [101, 2], [101, 3]], [101, 4])
    assert window_of(replay, 8) == ([[200, 0]], [200, 1])
    # Across the rows of two updates.
    assert window_of(replay, 15) == ([[201, 1], [201, 2], [201, 3]], [201, 4])


def test_a_window_does_not_reach_episodes_with_other_numbers_of_copies():
    replay = remembered([(1, 1, range(2)), (2, 3, range(2)), (3, 1, range(2))])
    assert window_of(replay, 4) == ([[202, 0]], [202, 1])
    assert window_of(replay, 5) == ([[200, 0], [200, 1]], [200, 2])
    assert window_of(replay, 8) == ([[300, 0]], [300, 1])


def test_a_window_ends_where_a_decision_is_missing_or_overwritten():
    replay = remembered([(1, 1, [0, 1, 3, 4])])
    assert window_of(replay, 3) == ([[100, 3], [100, 4]], [100, 5])
    # Five rows: the ring holds the steps 3 to 7, in the places 3, 4, 0, 1, 2.
    ring = remembered([(1, 1, range(8))], capacity=5)
    assert window_of(ring, 3) == ([[100, 3]], [100, 4])
    assert window_of(ring, 0) == ([[100, 3], [100, 4], [100, 5]], [100, 6])


# --- learning -------------------------------------------------------------------------------------


@NAMES
@pytest.mark.parametrize("algorithm", ["ippo", "a2c"])
def test_decisions_are_found_again_in_windows(name, algorithm):
    # GIVEN an episode longer than windows, in three copies, seen in two stretches
    ours = learner(fleet((2, 1, 2)), algorithm=algorithm, actor_architecture=name,
                   sequence_length=2, **SMALL | {"burn_in": 1})  # fmt: skip
    joint = played(ours, 3, torch.Generator().manual_seed(4))
    for own in (slice(0, 6), slice(6, 9)):
        (part,) = joint.groups
        cut = changed(part, lambda value, own=own: value[:, own])
        flags = joint.terminated[:, own]
        ours.observe(Joint((cut,), flags, torch.zeros_like(flags), joint.copies))
    # WHEN its transitions are read in windows
    batch = ours._batches.latest(9)
    (net,) = ours.nets["actor"]
    # THEN what was decided has the density it was drawn with, and values see two observations
    out = net.form.outputs(net.now, batch.now.read[0])
    head, raw = HEADS["squashed_gaussian"], joint.groups[0].extras["raw"].transpose(1, 2)
    expected = head.log_prob(ours_outputs(ours, joint), raw)
    torch.testing.assert_close(head.log_prob(out, raw), expected)
    assert batch.now.obs[0].shape[-1] == 4
    if algorithm == "ippo":
        logged = joint.groups[0].extras["log_prob"].transpose(1, 2)[..., 0]
        torch.testing.assert_close(expected, logged)
        assert ours.update(1.0)["kl"][0].abs().max() < 1e-12


def ours_outputs(ours, joint):
    """The outputs of the actors at each row, from the memories before."""
    (part,), (net,) = joint.groups, ours.nets["actor"]
    rows = (part.obs.transpose(1, 2), part.extras[MEMORY].transpose(1, 2))
    return net.form.step(net.now, *rows)[0]


@pytest.mark.unchecked
@pytest.mark.parametrize(
    ("algorithm", "name", "rounds", "rate"),
    [
        pytest.param("matd3", "gru", 28, 4e-3, marks=pytest.mark.slow),
        pytest.param("matd3", "mlp", 28, 4e-3, marks=pytest.mark.slow),
        ("ippo", "gru", 14, 3e-3),
        ("ippo", "mlp", 14, 3e-3),
    ],
)
def test_a_cue_is_remembered_by_actors_with_memory_only(algorithm, name, rounds, rate):
    settings = {"sequence_length": 3, "burn_in": 0} if name in WITH_MEMORY else {}
    ours = learner(
        fleet((2, 1, 2)),
        algorithm=algorithm,
        actor_architecture=name,
        actor_hidden=(16, 32),
        gamma=0.0,
        batch_size=32,
        gradient_steps=10,
        learning_rate=rate,
        **settings,
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(rounds):
        ours.observe(played(ours, 16, generator))
        ours.update(1.0)
    # 0.25 is what lacks whoever does not know the cue.
    assert regret(ours) < 0.05 if name in WITH_MEMORY else regret(ours) > 0.2


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "algorithm",
    [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in able("box")],
)
def test_every_algorithm_learns_and_continues_from_a_state_with_the_same_bytes(algorithm):
    shapes = [(4, 1, 1), (5, 2, 2), (5, 2, 2)]
    settings = {"actor_architecture": "gru", "sequence_length": 3, **SMALL}
    first, second = (learner(fleet(*shapes), algorithm=algorithm, **settings) for _ in range(2))
    joints = [random_joint(first, 12, seed=k) for k in range(3)]
    before = states(first.nets, 0)["networks"]["actor"]
    first.observe(joints[0])
    first.update(1.0)
    first.observe(joints[1])
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.observe(joints[2])
        each.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))
    for unit, state in states(first.nets, 0)["networks"]["actor"].items():
        for parameter, value in state.items():
            assert not torch.equal(value, before[unit][parameter]), parameter


@pytest.mark.parametrize("what", ["observations", "critic_input"])
def test_observations_of_all_steps_are_normalised(what):
    # GIVEN observations, and the same ones three times as large and moved
    found = []
    for factor, shift in ((1.0, 0.0), (3.0, 5.0)):
        settings = {"sequence_length": 3, "normalise": ["observations", "critic_input"], **SMALL}
        ours = learner(SPECS, algorithm="mappo", actor_architecture="gru", **settings)
        (part,) = (joint := random_joint(ours, 12)).groups
        moved = {name: getattr(part, name) * factor + shift for name in ("obs", "next_obs")}
        ours.observe(replace(joint, groups=(replace(part, **moved),)))
        ours.normaliser.renew()
        batch = ours._batches.latest(12)
        seen = states_only(ours._seen.groups, batch.now.read)
        (actor,), (value,) = ours.nets["actor"], ours.nets["value"]
        # Windows that are whole: steps that are not there are zeros before they are normalised.
        whole = batch.now.read[0][0, 0, :, actor.form.memory_size] == 3
        given = {
            "observations": lambda a=actor, b=batch: a.form.outputs(a.now, b.now.read[0]),
            "critic_input": lambda v=value, s=seen: v.form.values(v.now, s)[0][0],
        }
        found.append(given[what]()[:, :, whole])
    # THEN actors and critics do not see the difference
    assert found[0].numel()
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("critic", ["shared", "pooled"])
def test_critics_see_as_many_observations_as_a_window_has_steps(critic):
    ours = learner(fleet((5, 2, 2), (4, 1, 1)), critic=critic, actor_architecture="gru",
                   sequence_length=3, n_step=2, **SMALL)  # fmt: skip
    ours.observe(random_joint(ours, 12))
    ours.update(1.0)
    batch = ours._batches.latest(12)
    assert [part.shape[-1] for part in batch.now.obs] == [15, 12]
    assert batch.now.joint.shape[-1] == 2 + 1 + 2 + 1  # private entries of the last step, actions


def test_prioritised_rows_and_seeds_have_windows_of_their_own():
    together = learner(SPECS, seeds=(3, 5), actor_architecture="gru", sampling="prioritised",
                       **SMALL)  # fmt: skip
    joint = random_joint(together, 12)
    together.observe(joint)
    together.update(1.0)
    for k, seed in enumerate((3, 5)):
        alone = learner(SPECS, seeds=(seed,), actor_architecture="gru", sampling="prioritised",
                        **SMALL)  # fmt: skip
        parts = [changed(part, lambda v, k=k: v[k : k + 1]) for part in joint.groups]
        whole = {n: torch.cat([getattr(p, n) for p in parts], dim=2)
                 for n in ("obs", "action", "reward", "next_obs")}  # fmt: skip
        memory = torch.cat([part.extras[MEMORY] for part in parts], dim=2)
        part = replace(parts[0], **whole, extras={MEMORY: memory})
        alone.observe(Joint((part,), joint.terminated[k : k + 1], joint.truncated[k : k + 1]))
        alone.update(1.0)
        for unit, state in states(alone.nets, 0)["networks"]["actor"].items():
            for parameter, value in states(together.nets, k)["networks"]["actor"][unit].items():
                torch.testing.assert_close(state[parameter], value)

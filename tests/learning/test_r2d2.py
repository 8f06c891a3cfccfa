"""R2D2: sequences against loops, targets and priorities by hand, and a game of memory."""

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_fictitious_play import draw
from test_q_learning import AGENTS, random_choices
from toys import learner

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.r2d2 import after, sequence_loss, several_steps, targets_of
from assume_rl.learning.config import WITH_MEMORY, LearningConfig
from assume_rl.learning.exploration import decide, exploration_at
from assume_rl.learning.types import MEMORY, AgentSpec, Joint, Transitions

pytestmark = pytest.mark.unchecked

SMALL = {"algorithm": "r2d2", "actor_hidden": (6, 8), "batch_size": 8, "gradient_steps": 2,
         "sequence_length": 4, "burn_in": 1}  # fmt: skip


def choices(ours, rows, seed=0):
    """Random transitions with bounds, in episodes of five decisions that end or are cut."""
    found = random_choices(ours, rows, seed=seed)
    number = torch.arange(rows).expand(len(ours.seeds), rows)
    last, ended = number % 5 == 4, number % 10 == 4
    return Joint(found.groups, last & ended, last & ~ended)


@pytest.mark.parametrize("name", WITH_MEMORY)
@pytest.mark.parametrize("burn_in", [0, 2])
def test_outputs_of_all_steps_are_those_of_decisions_one_after_the_other(name, burn_in):
    # GIVEN windows of four steps, of which the first two are not there in some
    ours = learner(AGENTS[:1], actor_architecture=name, **SMALL | {"burn_in": burn_in})
    (net,) = ours.nets["actor"]
    form, count = net.form, torch.tensor([4, 2, 1, 3])
    obs = draw(1, 1, 4, 4, 3)
    obs[..., 1:] = torch.tensor([-1.0, 0.6])
    memory = draw(1, 1, 4, form.memory_size, seed=1)
    rows = torch.cat([memory, count[None, None, :, None], obs.flatten(3)], dim=-1)
    out = form.sequence(net.followed, rows)
    assert torch.equal(form.observations(rows), obs)
    for row in range(4):
        carried = memory[:, :, row : row + 1]
        for step in range(4 - count[row], 4):
            given, carried = form.step(net.now, obs[:, :, row : row + 1, step], carried)
            torch.testing.assert_close(out[:, :, row, step], given[:, :, 0])
    # The last step is that of windows, and its gradient too: none through the burn-in.
    torch.testing.assert_close(out[..., -1, :], form.outputs(net.now, rows))
    slopes = []
    for part in (out[..., -1, :], form.outputs(net.followed, rows)):
        net.gradient.buffer.zero_()
        torch.where(part > -1e8, part.square(), 0.0).sum().backward()
        slopes.append(net.gradient.buffer.clone())
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("n_step", [1, 2, 5])
def test_targets_end_with_the_sequence_and_with_the_episode(n_step):
    reward, value = draw(1, 2, 2, 4), draw(1, 2, 2, 5, seed=1)
    found = several_steps(reward, torch.tensor([[True, False]]), value, 0.5, n_step)
    for agent in range(2):
        for row, ended in enumerate((True, False)):
            for step in range(4):
                end = min(step + n_step, 4)
                total = sum(
                    0.5 ** (k - step) * reward[0, agent, row, k].item() for k in range(step, end)
                )
                if not (ended and end == 4):
                    total += 0.5 ** (end - step) * value[0, agent, row, end].item()
                assert found[0, agent, row, step].item() == pytest.approx(total)


@pytest.mark.parametrize("more", [{}, {"double": None, "dueling": False, "n_step": 3}])
def test_losses_and_priorities_are_those_of_a_loop_over_rows_and_steps(more):
    # GIVEN a learner whose target is not its network, and its latest rows
    ours = learner(AGENTS, gamma=0.5, **SMALL | more)
    ours.observe(choices(ours, 15))
    ours.update(1.0)
    work, batch = ours._work(1.0, 0), ours._batches.latest(15)
    sequences = ours._batches.sequences(batch)
    for g, net in enumerate(ours.nets["actor"]):
        form, obs = net.form, batch.next_obs[g]
        rungs, act = form.group.specs[0].rungs, form.group.act_size
        target = targets_of(work, g, net, batch, sequences, 1)
        counted = sequences.there & after(1, sequences.there)
        given = (form, net.now, obs, sequences.action[g], target, counted)
        found, weight = sequence_loss(*given), draw(1, 15).abs()
        weighted = sequence_loss(*given, weight)
        out, later = (form.sequence(own, obs) for own in (net.now, net.later))
        chooses = later if "double" in more else out
        stored = ours.replay.part("action", g, torch.arange(15)[None])
        for agent in range(len(form.group.specs)):
            losses = []
            for row in range(15):
                steps = min(row % 5 + 1, 4)  # of its episode, up to the length of a sequence
                assert sequences.there[0, row].sum() == steps
                errors = []
                for step in range(4 - steps, 4):
                    number = row - 3 + step
                    played = form.law.played(
                        stored[:, agent, number], form.observations(obs)[:, agent, row, step]
                    )
                    q = sum(
                        out[0, agent, row, step, e * rungs + int(played[0, e])] for e in range(act)
                    )
                    end = min(step + more.get("n_step", 1), 4)
                    y = 0.0
                    if end < 4 or not batch.terminated[0, row]:
                        best = chooses[0, agent, row, end].view(act, rungs).argmax(-1)
                        y = sum(later[0, agent, row, end].view(act, rungs)[e, best[e]]
                                for e in range(act))  # fmt: skip
                    for k in reversed(range(step, end)):
                        stored_reward = ours.replay.part("reward", g, torch.tensor([[row - 3 + k]]))
                        y = stored_reward[0, agent, 0] + 0.5 * y
                    torch.testing.assert_close(target[0, agent, row, step], torch.as_tensor(y))
                    if step >= 1:
                        errors.append(float(y - q))
                sizes = [abs(error) for error in errors]
                expected = 0.9 * max(sizes) + 0.1 * sum(sizes) / len(sizes)
                assert found.priority[0, agent, row].item() == pytest.approx(expected)
                losses.append(sum(error**2 for error in errors) / len(errors))
            assert found.loss[0, agent].item() == pytest.approx(sum(losses) / 15)
            own = sum(w * x for w, x in zip(weight[0].tolist(), losses, strict=True)) / 15
            assert weighted.loss[0, agent].item() == pytest.approx(own)


# --- a game of memory ----------------------------------------------------------------------------

STEPS, RUNGS = 3, 4
PLAYER = AgentSpec("player", 4, 1, 4, rungs=RUNGS)


def observed(cue, step):
    """The cue at the first step only, the time, and bounds that leave all rungs."""
    low = -torch.ones_like(cue)
    return torch.cat([cue * (step == 0), torch.full_like(cue, step / STEPS), low, -low], dim=-1)


def play(ours, copies, left, generator):
    """One episode of each copy: at its end rung 0 earns 1 after one cue, rung 3 after the other."""
    shape = (1, copies, 1, 1)
    cue = torch.randint(2, shape, generator=generator).double() * 2 - 1
    memories, rows = ours.memories(copies), []
    law = exploration_at(ours.config, initial=False, progress=left)
    for step in range(STEPS):
        obs = observed(cue, step)
        with torch.no_grad():
            (out,), later = ours.step([obs], memories, noisy=True)
        z = torch.randn(shape, generator=generator, dtype=torch.float64)
        action = decide(ours.heads[0], out, torch.zeros_like(z), z, law).action
        reward = ((action == cue) * (step == STEPS - 1)).double()[..., 0]
        rows.append((obs, action, reward, observed(cue, step + 1), memories[0]))
        memories = later
    *parts, memory = (torch.stack(own, dim=1).flatten(1, 2) for own in zip(*rows, strict=True))
    extras = {MEMORY: memory} if MEMORY in ours.extras else {}
    ended = (torch.arange(STEPS * copies) >= (STEPS - 1) * copies)[None]
    return Joint((Transitions(*parts, extras),), ended, torch.zeros_like(ended), copies)


def share_of_cues(ours):
    """How many of both cues are remembered at the end of an episode, without exploration."""
    cue = torch.tensor([-1.0, 1.0]).double().view(1, 2, 1, 1)
    memories = ours.memories(2)
    for step in range(STEPS):
        (out,), memories = ours.step([observed(cue, step)], memories)
    return float((ours.heads[0].mean(out) == cue).double().mean())


@pytest.mark.parametrize(("algorithm", "share"), [("r2d2", 1.0), ("dqn", 0.5)])
@pytest.mark.slow
def test_a_cue_is_remembered_by_r2d2_but_not_by_dqn(algorithm, share):
    own = {"sequence_length": 3, "burn_in": 0} if algorithm == "r2d2" else {}
    ours = learner(
        [PLAYER], algorithm=algorithm, actor_hidden=(16, 32), batch_size=32, gradient_steps=10,
        gamma=0.9, learning_rate=0.005, tau=0.05, **own,
    )  # fmt: skip
    generator, rounds = torch.Generator().manual_seed(1), 24
    for k in range(rounds):
        ours.observe(play(ours, 16, 1.0 - k / rounds, generator))
        ours.update(1.0 - k / rounds)
    assert share_of_cues(ours) == share


# --- the rules of all algorithms -----------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"noisy": "factorised", "normalise": ["returns"]}])
def test_it_continues_from_a_state_with_the_same_bytes(more):
    given = (learner(AGENTS, **SMALL | more) for _ in range(2))
    assert continues_from_a_state(*given, choices) == {"actor", "actor_target"}


def test_a_seed_among_others_learns_the_same_as_alone():
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL), choices)


def test_actors_have_a_memory_unless_another_is_chosen():
    chosen = LearningConfig(algorithm="r2d2")
    assert chosen.actor_architecture == "gru"
    assert (chosen.settings.double, chosen.settings.sampling) == ("main_chooses", "prioritised")
    assert LearningConfig().with_algorithm("r2d2").actor_architecture == "gru"
    assert chosen.with_algorithm("dqn").actor_architecture == "mlp"
    other = {"algorithm": "r2d2", "actor_architecture": "lstm_memory"}
    assert LearningConfig(**other).with_algorithm("dqn").actor_architecture == "lstm_memory"
    with pytest.raises(ConfigurationError, match="r2d2 needs actors with memory"):
        LearningConfig.from_mapping({"algorithm": "r2d2", "actor_architecture": "mlp"})

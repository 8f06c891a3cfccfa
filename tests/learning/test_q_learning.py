"""Q-learning on a ladder: its loss entry by entry, games it solves, and where it starts again."""

from dataclasses import replace

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_fictitious_play import draw, form_of
from toys import learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.q_learning import following_values, value_loss
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide, exploration_at
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import AgentSpec, Joint, Transitions

pytestmark = pytest.mark.unchecked

LADDER = AgentSpec("ladder", 3, 1, 3, rungs=6)
TWO = AgentSpec("two", 5, 2, 5, rungs=4)  # two entries, on another ladder
AGENTS = [LADDER, TWO, replace(LADDER, unit_id="another")]
SMALL = {"algorithm": "q_learning", "actor_hidden": (8, 8), "batch_size": 8, "gradient_steps": 2}
DISCOUNT = 0.5


def places(rungs, *numbers):
    """Where rungs are, counted from 0."""
    return torch.tensor(numbers).double() * (2.0 / (rungs - 1)) - 1.0


def bounds(rungs, *numbers):
    """One observation of the bounds of two entries on 4 rungs."""
    return places(rungs, *numbers).view(1, 1, 1, -1)


def test_what_was_played_is_the_legal_rung_next_to_the_action():
    # GIVEN bounds of 1 to 3 and of 0 to 2, and a first action that is on no rung
    obs = bounds(4, 1, 0, 3, 2)
    head = Categorical(4)
    for action, rungs in [
        ([-0.4, 0.3], [1, 2]),  # places 0.9 and 1.95
        ([-1.0, 1.0], [1, 2]),  # both ruled out
        ([7.0, -7.0], [3, 0]),
    ]:
        found = head.played(torch.tensor(action).double().view(1, 1, 1, 2), obs)
        assert found.flatten().tolist() == rungs


def test_the_loss_is_that_of_a_loop_over_rows_and_entries():
    rungs, tops = 4, [2, 3]
    values, target, weight = draw(1, 2, 5, 8), draw(1, 2, 5, seed=1), draw(1, 5, seed=2).abs()
    action = draw(1, 2, 5, 2, seed=3)
    obs = places(rungs, 0, 0, *tops).expand(1, 2, 5, -1)
    given = (form_of(rungs, tops), values, obs, action, target)
    loss, errors = value_loss(*given, weight)
    plain, _ = value_loss(*given)
    for agent in range(2):
        weighted = squares = 0.0
        for row in range(5):
            q = 0.0
            for entry, top in enumerate(tops):
                own = values[0, agent, row, entry * rungs : (entry + 1) * rungs].tolist()
                place = float(action[0, agent, row, entry])
                q += own[min(range(top + 1), key=lambda k: abs(k / 1.5 - 1.0 - place))]
            error = float(target[0, agent, row]) - q
            assert errors[0, agent, row].item() == pytest.approx(error)
            weighted += float(weight[0, row]) * error**2 / 5
            squares += error**2 / 5
        assert loss[0, agent].item() == pytest.approx(weighted)
        assert plain[0, agent].item() == pytest.approx(squares)


def test_what_is_ruled_out_is_worth_nothing_later():
    values = torch.tensor([0.5, 0.7, 9.0, 1.0, -4.0, -3.0]).double().view(1, 1, 1, 6)
    found = following_values(form_of(3, [1, 0]), None, values, torch.zeros(1, 1, 1, 1))
    assert found.item() == pytest.approx(0.7 + 1.0)


def test_rungs_are_drawn_by_their_values_over_the_temperature():
    head, values = Categorical(3), torch.tensor([0.0, 0.02, 0.01]).expand(20_000, 3)
    z = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    found = decide(head, values, torch.zeros_like(z), z, Exploration("noise", temperature=0.01))
    share = torch.bincount((found.action.flatten() + 1).round().long(), minlength=3) / 20_000
    expected = torch.tensor([1.0, 2.718**2, 2.718])
    torch.testing.assert_close(share, expected / expected.sum(), rtol=0, atol=0.01)


def test_at_the_end_of_a_schedule_the_best_is_drawn():
    config = LearningConfig(algorithm="q_learning", temperature_schedule="linear")
    start, middle, end = (exploration_at(config, initial=False, progress=p) for p in (1, 0.5, 0))
    assert (start.temperature, middle.temperature) == pytest.approx((0.02, 0.01))
    values = torch.tensor([[0.0, 0.001, -1e9, 0.0009]])
    z = torch.tensor([[-3.0]])
    assert decide(Categorical(4), values, z, z, end).action.item() == pytest.approx(-1 / 3)
    assert exploration_at(LearningConfig(), initial=False, progress=0.5).temperature == 1


# --- games whose answer is known -----------------------------------------------------------------


def observations(ours, state):
    """What agents observe of states (seed, row): the state, then the bounds of their rungs."""
    found = []
    for group in ours.groups:
        act = group.act_size
        low = -torch.ones(*state.shape, act).double()
        seen = torch.cat([state[..., None].double(), low, -low], -1)
        found.append(seen[:, :, None].expand(-1, -1, len(group.specs), -1))
    return found


def played(ours, state, generator):
    """The rungs that are drawn in states (seed, row), per group, and the actions."""
    obs = observations(ours, state)
    rungs, actions = [], []
    for head, out, group in zip(ours.heads, ours.outputs(obs), ours.groups, strict=True):
        z = torch.randn((*out.shape[:-1], group.act_size), generator=generator).to(out)
        exploration = Exploration("noise", temperature=0.3)
        actions.append(decide(head, out, torch.zeros_like(z), z, exploration).action)
        top = group.specs[0].rungs - 1
        rungs.append(((actions[-1] + 1) * (top / 2)).round())
    return obs, actions, rungs


def joint(obs, actions, rewards, after):
    flags = torch.zeros(after[0].shape[:2], dtype=torch.bool)
    parts = zip(obs, actions, rewards, after, strict=True)
    return Joint(tuple(Transitions(*part) for part in parts), flags, flags)


def learned(ours, transitions, rounds):
    for _ in range(rounds):
        with torch.no_grad():
            ours.observe(transitions())
        ours.update(1.0)
    state = torch.tensor([[0, 1]])
    found = zip(ours.groups, ours.actions(observations(ours, state)), strict=True)
    return [((own + 1) * ((g.specs[0].rungs - 1) / 2)).round()[0] for g, own in found]


def test_each_entry_finds_its_best_rung_in_each_state():
    """Each earns up to 1; in state 0 the second rung is best, in state 1 the last but one."""
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        AGENTS, algorithm="q_learning", gamma=0.0, actor_hidden=(32, 32), batch_size=32,
        gradient_steps=20, learning_rate=0.005,
    )  # fmt: skip

    def transitions():
        state = torch.randint(2, (1, 33), generator=generator)
        obs, actions, rungs = played(ours, state[:, :-1], generator)
        rewards = []
        for group, own in zip(ours.groups, rungs, strict=True):
            best = torch.where(state[:, :-1] == 0, 1, group.specs[0].rungs - 2)
            rewards.append((1 - (own - best[..., None, None]).abs()).sum(-1))
        return joint(obs, actions, rewards, observations(ours, state[:, 1:]))

    for group, found in zip(ours.groups, learned(ours, transitions, 16), strict=True):
        expected = torch.tensor([1.0, group.specs[0].rungs - 2])
        assert found.equal(expected[:, None, None].expand_as(found).to(found))


@pytest.mark.parametrize(
    ("gamma", "when_empty", "more"),
    [
        pytest.param(0.0, 5, {}, marks=pytest.mark.slow),
        pytest.param(0.9, 0, {"sampling": "prioritised"}, marks=pytest.mark.slow),
        pytest.param(0.9, 0, {}, marks=pytest.mark.slow),
        pytest.param(0.0, 5, {"sampling": "prioritised"}, marks=pytest.mark.slow),
    ],
)
def test_it_gives_up_reward_now_for_more_later(gamma, when_empty, more):
    """A storage: charging costs 0.2 on rung 0, selling brings 0.5 on rung 2, waiting a little."""
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        [LADDER], algorithm="q_learning", gamma=gamma, actor_hidden=(32, 32), batch_size=32,
        gradient_steps=20, learning_rate=0.005, tau=0.05, **more,
    )  # fmt: skip

    def transitions():
        full = torch.randint(2, (1, 32), generator=generator)
        obs, actions, (rung,) = played(ours, full, generator)
        rung = rung[..., 0, 0]
        charges, sells = (full == 0) & (rung == 0), (full == 1) & (rung == 2)
        reward = torch.where(charges, -0.2, torch.where(sells, 0.5, 0.01 * (rung == 5)))
        after = observations(ours, full + charges.long() - sells.long())
        return joint(obs, actions, [reward.double()[..., None]], after)

    (found,) = learned(ours, transitions, 24)
    assert found.flatten().tolist() == [when_empty, 2]


# --- the rules of all algorithms -----------------------------------------------------------------


def random_choices(ours, rows, seed=0):
    """Random transitions of agents of which every other row may choose all rungs but the first."""
    joint = random_joint(ours, rows, seed=seed)
    parts = []
    for group, part in zip(ours.groups, joint.groups, strict=True):
        rungs, act = group.specs[0].rungs, group.act_size
        low = torch.tensor([0, 1]).repeat(rows)[:rows, None, None].expand(-1, 1, act)
        limits = places(rungs, 0, 1)[low], torch.ones(rows, 1, act).double()
        obs = part.obs.clone()
        obs[..., -2 * act :] = torch.cat(limits, -1)
        parts.append(replace(part, obs=obs, next_obs=obs.roll(1, dims=1)))
    return replace(joint, groups=tuple(parts))


@pytest.mark.parametrize("more", [{}, {"sampling": "prioritised", "n_step": 3}])
def test_it_continues_from_a_state_with_the_same_bytes(more):
    given = (learner(AGENTS, **SMALL, **more) for _ in range(2))
    assert continues_from_a_state(*given, random_choices) == {"actor", "actor_target"}


def test_a_seed_among_others_learns_the_same_as_alone():
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL), random_choices)


def test_targets_are_copied_now_and_then():
    ours = learner(AGENTS, tau=1.0, target_interval=4, **SMALL)
    ours.observe(random_choices(ours, 12))
    same = []
    for _ in range(2):
        ours.update(1.0)
        net = ours.nets["actor"][0]
        same.append(torch.equal(net.online.buffer, net.target.buffer))
    assert same == [False, True]


def test_noise_on_actions_and_critics_are_not_read():
    unread = unread_keys(LearningConfig(algorithm="q_learning"))
    assert {"noise_sigma", "action_noise_schedule", "critic", "critic_hidden"} <= unread
    assert not {"gamma", "tau", "gradient_steps"} & unread


def test_a_learner_of_numbers_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="q_learning cannot choose numbers, as unit 'box'"):
        learner([AgentSpec("box", 3, 1, 3)], **SMALL)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assume_rl.compat.replay_buffer import ReplayBuffer
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.types import Joint, Transitions


def _buffer(size=5, agents=2):
    return ReplayBuffer(size, 3, 1, agents, torch.device("cpu"), torch.float32)


def _rows(first, count):
    """Rows whose every number names the row; next observations are half a row later."""
    row = torch.arange(first, first + count, dtype=torch.float32)
    obs = row.reshape(-1, 1, 1).expand(-1, 2, 3)
    return {
        "obs": obs,
        "actions": obs[..., :1],
        "reward": obs[..., 0],
        "next_obs": obs + 0.5,
        "terminated": row % 2 == 0,
        "truncated": row % 3 == 0,
    }


def _contents(buffer):
    samples = buffer.sample(0, indices=torch.arange(buffer.size()))
    return vars(samples)


def test_adding_row_by_row_equals_adding_at_once():
    for count in (3, 5, 7, 12):
        once, singly = _buffer(), _buffer()
        once.add(**_rows(0, count))
        for k in range(count):
            singly.add(**_rows(k, 1))
        assert (once.size(), once.pos) == (singly.size(), singly.pos)
        for name, values in _contents(once).items():
            assert torch.equal(values, _contents(singly)[name]), (count, name)


def test_ring_wraps_exactly_at_capacity():
    # GIVEN a ring of 5 WHEN 3 + 3 rows come THEN the oldest goes, and no empty row is left
    buffer = _buffer()
    buffer.add(**_rows(0, 3))
    assert (buffer.size(), buffer.pos) == (3, 3)
    buffer.add(**_rows(3, 3))
    assert (buffer.size(), buffer.pos) == (5, 1)
    assert _contents(buffer)["rewards"][:, 0].tolist() == [5, 1, 2, 3, 4]


def test_all_parts_of_a_row_stay_together():
    buffer = _buffer()
    buffer.add(**_rows(0, 9))
    s = buffer.sample(50, generator=torch.Generator().manual_seed(0))
    row = s.rewards[:, 0]
    assert torch.equal(s.observations[:, 1, 2], row)
    assert torch.equal(s.actions[:, 0, 0], row)
    assert torch.equal(s.next_observations[:, 0, 1], row + 0.5)
    assert torch.equal(s.terminated, row % 2 == 0)
    assert torch.equal(s.truncated, row % 3 == 0)


@pytest.mark.parametrize("axis", [True, False])
def test_a_row_is_followed_by_the_next_one_that_is_added(axis):
    # GIVEN rows without next observations WHEN they come one by one, with or without an axis of
    # rows, or all at once THEN the same is stored, and the last one waits
    once, singly = _buffer(size=10), _buffer(size=10)
    rows = {name: _rows(0, 5)[name] for name in ("obs", "actions", "reward")}
    once.add(**rows)
    for k in range(5):
        assert singly.size() == max(k - 1, 0)
        singly.add(**{name: part[k : k + 1] if axis else part[k] for name, part in rows.items()})
    for buffer in (once, singly):
        stored = _contents(buffer)
        assert stored["observations"][:, 0, 0].tolist() == [0, 1, 2, 3]
        assert stored["next_observations"][:, 0, 0].tolist() == [1, 2, 3, 4]
    later = _rows(5, 1)
    for buffer in (once, singly):
        buffer.add(**later)
        stored = _contents(buffer)
        assert stored["next_observations"][:, 0, 0].tolist() == [1, 2, 3, 4, 5, 5.5]


rows_of_a_day = st.lists(st.sampled_from(["continues", "terminated", "truncated"]), max_size=12)


@settings(deadline=None, derandomize=True, database=None)
@given(rows_of_a_day, st.integers(1, 12))
def test_any_cut_into_calls_stores_the_same(kinds, size):
    rows = {name: _rows(0, len(kinds))[name] for name in ("obs", "actions", "reward")}
    for flag in ("terminated", "truncated"):
        rows[flag] = torch.tensor([kind == flag for kind in kinds], dtype=torch.bool)
    buffers = [_buffer(size=7) for _ in range(3)]
    buffers[0].add(**rows)
    for k in range(len(kinds)):
        buffers[1].add(**{name: part[k] for name, part in rows.items()})
    for k in range(0, len(kinds), size):
        buffers[2].add(**{name: part[k : k + size] for name, part in rows.items()})
    expected = _expected(kinds)[-7:]
    for buffer in buffers:
        assert buffer.size() == len(expected)
        if expected:
            stored = _contents(buffer)
            names = ("observations", "next_observations")
            found = zip(*(stored[name][:, 0, 0].tolist() for name in names), strict=True)
            assert sorted(found) == expected
            assert torch.equal(stored["rewards"][:, 1], stored["observations"][:, 1, 2])


def _expected(kinds):
    """Rows that are stored, with the next ones: none after the last row of an episode."""
    found = []
    for k, kind in enumerate(kinds):
        if kind == "terminated":
            found.append((k, 0))
        elif kind == "continues" and k + 1 < len(kinds):
            found.append((k, k + 1))
    return found


def test_samples_unpack_and_index_like_a_named_tuple():
    buffer = _buffer()
    buffer.add(**_rows(0, 4))
    samples = buffer.sample(3)
    obs, actions, next_obs, rewards = samples
    named = (samples.observations, samples.actions, samples.next_observations, samples.rewards)
    for k, part in enumerate((obs, actions, next_obs, rewards)):
        assert part is named[k] is samples[k] is samples[k - 4]
    assert len(samples) == len([*samples]) == len(samples[:]) == 4
    with pytest.raises(IndexError):
        samples[4]
    assert samples.terminated.shape == samples.truncated.shape == (3,)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"obs": torch.zeros(3, 3)}, r"obs has shape \(3, 3\), expected \(2, 3\), or rows of it"),
        ({"reward": torch.zeros(4, 2)}, "reward has 4 rows, obs has 3"),
        ({"terminated": True}, "terminated has 1 rows, obs has 3"),
        ({"next_obs": torch.zeros(3, 2, 2)}, "next_obs has shape"),
    ],
)
def test_rows_of_another_shape_are_refused_and_nothing_is_stored(wrong, message):
    buffer = _buffer()
    buffer.add(
        **{name: part for name, part in _rows(0, 2).items() if name in ("obs", "actions", "reward")}
    )
    with pytest.raises(ValueError, match=message):
        buffer.add(**_rows(2, 3) | wrong)
    assert buffer.size() == 1


def test_a_waiting_row_is_part_of_the_state_and_of_nobody_else():
    first, second = _buffer(), _buffer()
    obs = np.ones((2, 3))
    first.add(obs, obs[:, :1], obs[:, 0])
    obs[:] = 7
    second.load_state_dict(first.state_dict())
    for buffer in (first, second):
        buffer.add(**_rows(4, 1))
        assert _contents(buffer)["observations"][0, 0, 0] == 1
        assert _contents(buffer)["next_observations"][0, 0, 0] == 4


def test_a_terminated_last_row_needs_no_next_observation():
    buffer, rows = _buffer(), _rows(0, 3)
    ended = torch.tensor([False, False, True])
    buffer.add(rows["obs"], rows["actions"], rows["reward"], terminated=ended)
    assert buffer.size() == 3


def test_sampling_is_uniform_and_keyed_by_its_generator():
    buffer = _buffer()
    buffer.add(**_rows(0, 4))
    draws = [
        buffer.sample(20_000, generator=torch.Generator().manual_seed(1)).rewards for _ in range(2)
    ]
    assert torch.equal(draws[0], draws[1])
    shares = torch.bincount(draws[0][:, 0].long()) / 20_000
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.015)


def test_an_empty_buffer_cannot_be_sampled():
    with pytest.raises(ValueError, match="no transition"):
        _buffer().sample(4)


def test_numpy_arrays_are_taken_and_copied():
    buffer, obs = _buffer(), np.ones((2, 2, 3))
    buffer.add(obs, obs[..., :1], obs[..., 0], next_obs=obs)
    obs[:] = 7
    assert _contents(buffer)["observations"].max() == 1


def test_to_torch_shares_memory_only_when_asked():
    buffer, array = _buffer(), np.zeros(3, dtype=np.float32)
    copied, shared = buffer.to_torch(array), buffer.to_torch(array, copy=False)
    array[0] = 1
    assert (float(copied[0]), float(shared[0])) == (0, 1)
    assert buffer.to_torch(np.zeros(2)).dtype == torch.float32


def test_state_round_trip():
    first, second = _buffer(), _buffer()
    first.add(**_rows(0, 7))
    second.load_state_dict(first.state_dict())
    for buffer in (first, second):
        buffer.add(**_rows(7, 2))
    for name, values in _contents(first).items():
        assert torch.equal(values, _contents(second)[name])


def test_a_larger_buffer_goes_on_with_what_a_full_one_held():
    small, large = _buffer(size=4), _buffer(size=9)
    small.add(**_rows(0, 6))
    large.load_state_dict(small.state_dict())
    large.add(**_rows(6, 1))
    assert large.size() == 5
    assert (
        sorted(_contents(large)["rewards"][:, 0].tolist()) == _rows(2, 5)["reward"][:, 0].tolist()
    )


def test_a_state_that_does_not_fit_is_refused():
    large = _buffer(size=9)
    large.add(**_rows(0, 9))
    with pytest.raises(ValueError, match="do not fit"):
        _buffer().load_state_dict(large.state_dict())


@pytest.mark.parametrize(("copies", "cut"), [(1, [5]), (3, [3, 5])])
def test_what_nothing_follows_is_truncated_in_each_copy(copies, cut):
    # GIVEN two steps of three copies, of which the second has ended in its last one
    obs, flags = torch.zeros(1, 6, 1, 2), torch.zeros(1, 6, dtype=torch.bool)
    part = Transitions(obs, obs[..., :1], obs[..., 0], obs)
    ended = torch.arange(6)[None] == 4
    replay = Replay(10, 1, [(1, 2, 1)], torch.device("cpu"), torch.float32)
    replay.add(Joint((part,), ended, flags, copies=3))
    replay.cut(copies)
    assert replay.rows(0, 0)["truncated"].nonzero().flatten().tolist() == cut

import math

import pytest
import torch

from assume_rl import keyed

MASK = (1 << 64) - 1


def splitmix64(state: int) -> int:
    """The generator as published, number by number."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draw_keys(count: int = 3) -> torch.Tensor:
    ids = [f"unit {i}" for i in range(count)]
    return keyed.keys(7, "a test", ids=ids, device=torch.device("cpu"))


def test_the_published_generator_draws_the_same():
    # First outputs of SplitMix64 seeded with 1234567.
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    drawn = keyed.uniform(torch.tensor(1234567), 3)
    assert drawn.tolist() == [(n >> 11) * 2.0**-53 for n in known]


def test_draws_match_a_loop_over_keys():
    keys, drawn = draw_keys(), keyed.uniform(draw_keys(), 4, first=2)
    golden = 0x9E3779B97F4A7C15
    for one, row in zip(keys.tolist(), drawn.tolist(), strict=True):
        loop = [splitmix64((one + i * golden) & MASK) >> 11 for i in range(2, 6)]
        assert row == [n * 2.0**-53 for n in loop]


@pytest.mark.parametrize("law", [keyed.uniform, keyed.normal])
def test_draws_do_not_depend_on_what_else_is_drawn(law):
    together = law(draw_keys(40), 101)
    assert torch.equal(law(draw_keys(40)[7:8], 13, first=50)[0], together[7, 50:63])


def test_keys_tell_seed_purpose_name_and_type_apart():
    names = [(), (1,), ("1",), ("1", "2"), ("12",)]
    found = {keyed.key(seed, purpose, *n) for seed in (1, 2) for purpose in "ab" for n in names}
    assert len(found) == 20


def test_combined_keys_differ_and_follow_their_number_only():
    grid = keyed.combine(draw_keys()[None], torch.arange(500)[:, None])
    assert len(set(grid.flatten().tolist())) == 1500
    assert torch.equal(grid[3], keyed.combine(draw_keys(), torch.tensor(3)))


def test_normal_draws_are_standard_normal():
    drawn = keyed.normal(draw_keys(8), 50_000)
    moments = [(drawn**k).mean().item() for k in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.05)
    below = (drawn < 1.0).double().mean().item()
    assert below == pytest.approx(0.5 * (1 + math.erf(1 / math.sqrt(2))), abs=0.005)


def test_streams_of_neighbouring_numbers_are_uncorrelated():
    grid = keyed.normal(keyed.combine(draw_keys(1), torch.arange(50)), 20_000)
    off = torch.corrcoef(grid) - torch.eye(50)
    assert off.abs().max() < 0.04


def test_whole_numbers_are_uniform_below_a_limit():
    drawn = keyed.below(5, torch.tensor(3), 50_000)
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    assert shares.tolist() == pytest.approx([0.2] * 5, abs=0.01)

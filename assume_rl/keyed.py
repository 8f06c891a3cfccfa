"""Random draws that are a pure function of a key.

A key is a 64-bit number: a hash of the run's seed, a purpose and names (`key`), combined with
numbers such as an episode (`combine`). The i-th draw of a key is a mixed counter, so that draws
need no generator state, can be worked out many keys at a time on any device, and depend neither on
the shell nor on what else is drawn. Uniform draws are the same bits everywhere; normal ones agree
between devices up to rounding.

The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
number generators"), its stream that of SplitMix64 seeded with the key.
"""

import hashlib
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _signed(number: int) -> int:
    """Return the same 64 bits as torch's signed int64."""
    return number - (1 << 64) if number >> 63 else number


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FACTORS = (_signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB))


def key(seed: int, purpose: str, *names: str | int) -> int:
    """Return the key of `(seed, purpose, *names)`, signed."""
    text = "\x1f".join([str(seed), purpose, *(f"{type(n).__name__}:{n}" for n in names)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def keys(
    seed: int, purpose: str, *names: str | int, ids: Sequence[str], device: torch.device
) -> Int[Tensor, " id"]:
    """Return one key per id."""
    found = [key(seed, purpose, *names, one) for one in ids]
    return torch.tensor(found, dtype=torch.int64, device=device)


def combine(key: Int[Tensor, "*#shape"], number: Int[Tensor, "*#shape"]) -> Int[Tensor, "*shape"]:
    """Return keys of `key` and a number, such as an episode; shapes are broadcast."""
    return _mix(key ^ _mix(number + _GOLDEN))


def uniform(
    key: Int[Tensor, "*shape"], count: int, first: int = 0
) -> Float[Tensor, "*shape {count}"]:
    """Return draws `first` to `first + count` of each key, uniform in [0, 1), float64."""
    return _bits(key, count, first, 53) * 2.0**-53


def normal(
    key: Int[Tensor, "*shape"], count: int, first: int = 0
) -> Float[Tensor, "*shape {count}"]:
    """Return draws `first` to `first + count` of each key, standard normal, float64."""
    middle = (_bits(key, count, first, 52) + 0.5) * 2.0**-52  # in (0, 1), exact
    return torch.erfinv(2.0 * middle - 1.0) * math.sqrt(2.0)


def below(limit: int, key: Int[Tensor, "*shape"], count: int) -> Int[Tensor, "*shape {count}"]:
    """Return the first `count` draws of each key, uniform in 0, 1, ..., `limit` - 1."""
    return (uniform(key, count) * limit).to(torch.int64)


def array(shape: tuple[int, ...], seed: int, purpose: str, *names: str | int) -> Tensor:
    """Return the first uniform draws of one key as an array, float64, on the CPU."""
    one = torch.tensor(key(seed, purpose, *names))
    return uniform(one, math.prod(shape)).view(shape)


def _bits(key: Tensor, count: int, first: int, size: int) -> Tensor:
    """Return the highest `size` bits of each draw, as float64 numbers."""
    counter = torch.arange(first + 1, first + count + 1, device=key.device)
    return _shift(_mix(key[..., None] + counter * _GOLDEN), 64 - size).to(torch.float64)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _FACTORS[0]
    x = (x ^ _shift(x, 27)) * _FACTORS[1]
    return x ^ _shift(x, 31)


def _shift(x: Tensor, by: int) -> Tensor:
    """Return `x` shifted to the right logically: int64 has only the arithmetic shift."""
    return (x >> by) & ((1 << (64 - by)) - 1)
